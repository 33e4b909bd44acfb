//! `GET /v1/live`, as server-sent events and by a socket, and `GET /v1/events` that waits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwether_server::live::Heads;
use bellwether_server::serve;
use bellwether_shared::wire::{self, CBOR, LogEvent, Push};
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tower::ServiceExt as _;

use crate::auth::{claims, token, with_tokens};
use crate::contract::Directory;
use crate::device::{Device, event, plain};
use crate::http::{Setup, get, push};

/// A reader of a live log.
pub(crate) struct Live {
    body: Body,
    text: String,
}

/// One of its blocks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) place: String,
    pub(crate) data: Value,
}

impl Live {
    pub(crate) async fn open(router: &Router, query: &str, last: Option<&str>) -> Self {
        let mut request = Request::builder().uri(format!("/v1/live?{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).expect("tests send fit requests");
        let response = router.clone().oneshot(request).await.expect("routes do not fail");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    // The next block that is no comment; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().to_owned()
                };
                if !block.starts_with(':') {
                    let data = field("data: ");
                    let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
                    return Some(Told { name: field("event: "), place: field("id: "), data });
                }
                continue;
            }
            let frame = self.body.frame().await?.expect("the body does not fail");
            let bytes = frame.into_data().expect("there are no trailers");
            self.text.push_str(std::str::from_utf8(&bytes).expect("it is text"));
        }
    }

    pub(crate) async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let told = self.next().await.expect("there are more");
            assert_eq!(told.name, "event");
            ids.push(told.data["id"].as_str().unwrap_or_default().to_owned());
        }
        ids
    }
}

#[tokio::test]
async fn a_live_log_shows_what_comes_and_goes_on_where_it_was() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    let epoch = push(&router, &ann.batch(&plain(["a"]))).await.answer().log_epoch;
    let mut fresh = Live::open(&router, "session=s", None).await;
    let welcome = Told {
        name: "welcome".into(),
        place: format!("{epoch}:1"),
        data: json!({"epoch": epoch, "head": 1, "after": 1, "retry_ms": 0}),
    };
    let mut told = fresh.next().await.expect("it is welcome");
    let retry_ms = std::mem::replace(&mut told.data["retry_ms"], json!(0));
    assert!(retry_ms.as_u64().is_some_and(|ms| (1_000..10_000).contains(&ms)), "{retry_ms}");
    assert_eq!(told, welcome);
    push(&router, &ann.batch(&plain(["b", "c"]))).await.answer();
    let told = fresh.next().await.expect("there is news");
    assert_eq!((&*told.place, &told.data["id"]), (&*format!("{epoch}:2"), &json!("b")));
    // Its shape is that of the log's page.
    let page = get(&router, "/v1/events?session=s&after=1").await.json();
    assert_eq!(told.data, page["events"][0]);
    drop(fresh);
    push(&router, &ann.batch(&plain(["d"]))).await.answer();

    // As a browser comes again by itself.
    let mut again = Live::open(&router, "session=s", Some(&told.place)).await;
    assert_eq!(again.next().await.map(|told| told.name).as_deref(), Some("welcome"));
    assert_eq!(again.ids(2).await, ["c", "d"]);
    let mut all = Live::open(&router, "session=s&after=0", None).await;
    assert_eq!(all.next().await.map(|told| told.data["after"].clone()), Some(json!(0)));
    assert_eq!(all.ids(4).await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_live_log_may_begin_before_its_session_and_be_sealed() {
    let router = Setup::default().router();
    let mut live = Live::open(&router, "session=s&encoding=cbor", None).await;
    assert_eq!(live.next().await.map(|told| told.data["head"].clone()), Some(json!(0)));
    let sealed = event("plain", "a");
    let mut ann = Device::new(1, "s", "ann");
    push(&router, &ann.batch(std::slice::from_ref(&sealed))).await.answer();
    let told = live.next().await.expect("there is news");
    let bytes = STANDARD.decode(told.data.as_str().unwrap_or_default()).expect("it is base64");
    let event: LogEvent = wire::decode(&bytes).expect("it is an event of the log");
    assert_eq!((event.offset, event.sealed.to_vec()), (1, sealed));
    // Other sessions' events are not heard of.
    let mut ben = Device::new(2, "other", "ben");
    push(&router, &ben.batch(&plain(["x"]))).await.answer();
    push(&router, &ann.batch(&plain(["b"]))).await.answer();
    let told = live.next().await.expect("there is news");
    let bytes = STANDARD.decode(told.data.as_str().unwrap_or_default()).expect("it is base64");
    assert_eq!(wire::decode::<LogEvent>(&bytes).map(|event| event.offset), Ok(2));
}

#[tokio::test]
async fn who_is_far_behind_is_told_how_far_and_then_of_what_comes() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    for part in 0..3 {
        let many: Vec<_> =
            (0..400).map(|number| event("plain", &format!("{part}-{number}"))).collect();
        push(&router, &ann.batch(&many)).await.answer();
    }
    let mut live = Live::open(&router, "session=s&after=1", None).await;
    assert_eq!(live.next().await.map(|told| told.name).as_deref(), Some("welcome"));
    let hint = live.next().await.expect("there is more");
    assert_eq!((&*hint.name, &hint.data["head"]), ("hint", &json!(1_200)));
    assert!(hint.place.ends_with(":1200"));
    push(&router, &ann.batch(&plain(["next"]))).await.answer();
    assert_eq!(live.ids(1).await, ["next"]);
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_in_words() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    push(&router, &ann.batch(&plain(["a"]))).await.answer();
    let elsewhere = "/v1/live?session=s&epoch=09090909-0909-0909-0909-090909090909";
    #[rustfmt::skip]
    let cases = [
        ("no session",         "/v1/live",                          None,          (400, "malformed")),
        ("an unknown encoding", "/v1/live?session=s&encoding=xml",  None,          (400, "malformed")),
        ("another life",       elsewhere,                           None,          (409, "epoch-changed")),
        ("no place",           "/v1/live?session=s",                Some("here"),  (400, "malformed")),
    ];
    for (shows, path, last, expected) in cases {
        let headers: Vec<_> = last.map(|last| ("last-event-id", last)).into_iter().collect();
        let reply = crate::http::send(&router, "GET", path, &headers, Body::empty()).await;
        let (status, code) = reply.problem();
        assert_eq!((status, &*code), expected, "{shows}");
    }
}

#[tokio::test]
async fn a_live_log_ends_with_the_server() {
    let heads = Arc::<Heads>::default();
    let router = Setup { heads: Arc::clone(&heads), ..Setup::default() }.router();
    let mut live = Live::open(&router, "session=s", None).await;
    live.next().await.expect("it is welcome");
    heads.close();
    assert_eq!(live.next().await, None);
    let refused = get(&router, "/v1/live?session=s").await;
    assert_eq!(refused.problem(), (503, "unavailable".into()));
}

#[tokio::test]
async fn a_page_of_the_log_is_waited_for() {
    let router = Setup::default().router();
    let waiting = tokio::spawn({
        let router = router.clone();
        async move { get(&router, "/v1/events?session=s&wait=50000").await.json() }
    });
    let mut ann = Device::new(1, "s", "ann");
    // Heard of whether it comes before the other has begun to wait, or after.
    push(&router, &ann.batch(&plain(["a"]))).await.answer();
    let page = waiting.await.expect("it does not panic");
    assert_eq!(page["events"][0]["id"], "a");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_log_ends_empty_handed() {
    let router = Setup::default().router();
    let began = tokio::time::Instant::now();
    let page = get(&router, "/v1/events?session=s&wait=999999").await.json();
    assert_eq!((page["events"].clone(), began.elapsed()), (json!([]), Duration::from_secs(55)));
}

#[tokio::test(start_paused = true)]
async fn a_live_log_says_that_it_is_there() {
    let router = Setup::default().router();
    let mut live = Live::open(&router, "session=s", None).await;
    live.next().await.expect("it is welcome");
    let frame = live.body.frame().await.expect("it goes on").expect("it does not fail");
    assert_eq!(frame.into_data().expect("no trailers").as_ref(), b": alive\n\n");
}

/// Reads until so many events were seen, or to the end; gives how many, and the last place.
async fn follow(mut live: Live, from: (u64, Option<String>), until: u64) -> (u64, Option<String>) {
    let (mut seen, mut last) = from;
    while seen < until {
        let Some(told) = live.next().await else { break };
        if told.name == "event" {
            seen += 1;
            assert_eq!(told.data["offset"], seen, "none is missed, and none comes twice");
            last = Some(told.place);
        }
    }
    (seen, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_readers_miss_nothing_over_a_restart() {
    let directory = Directory::new();
    let mut ann = Device::new(1, "s", "ann");
    let mut readers: Vec<(u64, Option<String>)> = vec![(0, None); 1_000];
    // In its first life it ends while some have not heard of all of them.
    for (life, until) in [(1, u64::MAX), (2, 2 * EVENTS)] {
        let heads = Arc::<Heads>::default();
        let setup = Setup { heads: Arc::clone(&heads), ..Setup::default() };
        let router = setup.router_over(directory.open());
        let mut following = Vec::new();
        for from in readers.drain(..) {
            let live = Live::open(&router, "session=s&after=0", from.1.as_deref()).await;
            following.push(tokio::spawn(follow(live, from, until)));
        }
        for number in 0..EVENTS {
            let event = event("plain", &format!("{life}-{number}"));
            push(&router, &ann.batch(&[event])).await.answer();
        }
        if life == 1 {
            heads.close();
        }
        for reader in following {
            readers.push(reader.await.expect("it does not panic"));
        }
    }
    assert!(readers.iter().all(|(seen, _)| *seen == 2 * EVENTS));
}

const EVENTS: u64 = 20;

/// A server with a port, and what ends it.
async fn served(setup: Setup) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (end, ended) = oneshot::channel::<()>();
    let heads = Arc::clone(&setup.heads);
    let stop = async move {
        drop(ended.await);
        heads.close();
    };
    tokio::spawn(serve(listener, setup.router(), stop));
    (address, end)
}

type Headers<'a> = Vec<(&'a str, &'a str)>;
type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(address: &str, query: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
    let mut request =
        format!("ws://{address}/v1/live?{query}").into_client_request().expect("it fits");
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("it is a name");
        request.headers_mut().insert(name, value.parse().expect("it is text"));
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

// The next message that is no question.
async fn heard(socket: &mut Socket) -> Message {
    loop {
        let message = socket.next().await.expect("it goes on").expect("it does not fail");
        if !message.is_ping() && !message.is_pong() {
            return message;
        }
    }
}

async fn heard_json(socket: &mut Socket) -> Value {
    let text = heard(socket).await.into_text().expect("it is text");
    serde_json::from_str(&text).expect("it is JSON")
}

async fn push_to(address: &str, push: &Push) {
    let client = reqwest::Client::new();
    let body = wire::to_cbor(push);
    let request = client.post(format!("http://{address}/v1/push")).header("content-type", CBOR);
    let reply = request.body(body).send().await.expect("the server is there");
    assert_eq!(reply.status().as_u16(), 200);
}

#[tokio::test]
async fn a_socket_tells_the_same_and_is_told_when_to_come_again() {
    let (address, end) = served(Setup::default()).await;
    let mut ann = Device::new(1, "s", "ann");
    push_to(&address, &ann.batch(&plain(["a"]))).await;
    let json_only = [("sec-websocket-protocol", "bellwether.v1.json")];
    let mut open = connect(&address, "session=s&after=0", &json_only).await.expect("it is let in");
    let welcome = heard_json(&mut open).await;
    assert_eq!((&welcome["event"], &welcome["data"]["head"]), (&json!("welcome"), &json!(1)));
    let told = heard_json(&mut open).await;
    assert_eq!((&told["event"], &told["data"]["id"]), (&json!("event"), &json!("a")));
    let epoch = welcome["data"]["epoch"].as_str().unwrap_or_default();
    assert_eq!(told["id"], format!("{epoch}:1"));

    let both = [("sec-websocket-protocol", "other, bellwether.v1.cbor")];
    let mut sealed = connect(&address, "session=s", &both).await.expect("it is let in");
    heard_json(&mut sealed).await;
    let event = event("plain", "b");
    push_to(&address, &ann.batch(std::slice::from_ref(&event))).await;
    let bytes = heard(&mut sealed).await.into_data();
    let logged: LogEvent = wire::decode(&bytes).expect("it is an event of the log");
    assert_eq!((logged.offset, logged.sealed.to_vec()), (2, event));
    assert_eq!(heard_json(&mut open).await["data"]["id"], "b");
    // What a reader says changes nothing.
    open.send(Message::Text("{}".into())).await.expect("it is open");
    push_to(&address, &ann.batch(&plain(["c"]))).await;
    assert_eq!(heard_json(&mut open).await["data"]["id"], "c");

    drop(end);
    let Message::Close(Some(close)) = heard(&mut open).await else { panic!("it is closed") };
    assert_eq!(u16::from(close.code), 4_000);
}

#[tokio::test]
async fn a_socket_is_for_who_may_read_and_for_pages_that_may_ask() {
    let (address, _end) = served(with_tokens()).await;
    let ann = format!("bellwether.v1.json, bearer.{}", token(&claims()));
    let own = format!("http://{address}");
    #[rustfmt::skip]
    let cases: [(&str, Headers<'_>, Result<(), u16>); 5] = [
        ("nobody",               vec![],                                                             Err(401)),
        ("no token",             vec![("sec-websocket-protocol", "bearer.x")],                       Err(401)),
        ("no page at all",       vec![("sec-websocket-protocol", &ann)],                             Ok(())),
        ("a page of the server", vec![("sec-websocket-protocol", &ann), ("origin", &own)],           Ok(())),
        ("a strange page",       vec![("sec-websocket-protocol", &ann), ("origin", "https://evil.example")], Err(403)),
    ];
    for (shows, headers, expected) in cases {
        let found = connect(&address, "session=board-1", &headers).await.map(drop);
        assert_eq!(found, expected, "{shows}");
    }
    let headers = [("sec-websocket-protocol", &*ann)];
    let another = connect(&address, "session=another", &headers).await.map(drop);
    assert_eq!(another, Err(403), "a session that the token does not name");
}
