//! The webhook: what is posted, what each reply becomes, and that nothing is called for after it is appended.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bellwether_server::Fault;
use bellwether_server::Only;
use bellwether_server::audit::Export;
use bellwether_server::engine::{Checked, PageAsk, Parting, Signatures, StateAsk, Sweep, Wanted};
use bellwether_server::store::{Memory, Store};
use bellwether_server::ticket::{Ticket, TicketKey};
use bellwether_server::webhook::{Caller, Hooked, Replies, Secret, sign};
use bellwether_shared::base::{Seq, Wall};
use bellwether_shared::wire::{Answer, LogPage, Outcome, Push, Snapshot};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::contract::{ids, push, read};
use crate::device::{Device, dependent, event, event_with, plain, released};

const SECRET: &[u8] = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An app's back end that does what an event's type says, and remembers what it was called for.
#[derive(Clone)]
struct App {
    calls: Arc<Mutex<Vec<Value>>>,
    gate: watch::Sender<bool>,
    seen: watch::Sender<usize>,
}

impl App {
    async fn start() -> (Self, String) {
        let app = Self {
            calls: Arc::default(),
            gate: watch::Sender::new(false),
            seen: watch::Sender::new(0),
        };
        let router = Router::new().route("/events", post(called)).with_state(app.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (app, format!("http://{address}/events"))
    }

    /// The ids that were called for, in order.
    fn called(&self) -> Vec<String> {
        let calls = self.calls.lock().expect("no test panics while it holds this");
        calls.iter().map(|call| call["id"].as_str().expect("a text").to_owned()).collect()
    }

    /// The data that each was called with, in order.
    fn data(&self) -> Vec<String> {
        let calls = self.calls.lock().expect("no test panics while it holds this");
        calls.iter().map(|call| format!("{} {}", call["id"], call["data"])).collect()
    }

    async fn until_called(&self, times: usize) {
        let mut seen = self.seen.subscribe();
        seen.wait_for(|seen| *seen >= times).await.expect("the app lives");
    }
}

async fn called(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers[name].to_str().expect("headers are text").to_owned();
    let call: Value = serde_json::from_slice(&body).expect("the body is JSON");
    let id = text("webhook-id");
    assert_eq!((call["id"].as_str(), text("idempotency-key")), (Some(&*id), id.clone()));
    assert_eq!(text("content-type"), "application/json");
    let at = text("webhook-timestamp").parse().expect("a number");
    let secret = Secret::read(SECRET).expect("a secret");
    assert_eq!(text("webhook-signature"), sign(&secret, &id, at, &body));
    let type_ = call["type"].as_str().expect("a text").to_owned();
    let again = app.called().contains(&id);
    app.calls.lock().expect("no test panics while it holds this").push(call);
    app.seen.send_modify(|seen| *seen += 1);
    match &*type_ {
        "hold" => {
            let mut open = app.gate.subscribe();
            open.wait_for(|open| *open).await.expect("the app lives");
            "\"held\"".into_response()
        }
        "result" => " {\"n\": 1}\n".into_response(),
        "start" => format!("{{\"id\": \"srv-{id}\"}}").into_response(),
        "words" => "fine".into_response(),
        "long" => vec![b'1'; 100_000].into_response(),
        "refuse" => {
            let body = r#"{"code": "too-late", "detail": "the shop has closed"}"#;
            (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
        }
        "gone" => StatusCode::GONE.into_response(),
        "moved" => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        "broken-once" if !again => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "busy-once" if !again => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")]).into_response()
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

fn hooked(url: &str) -> Hooked<Memory> {
    hooked_before(url, Memory::new)
}

fn hooked_before<S: Store>(
    url: &str,
    store: impl FnOnce(Arc<dyn bellwether_server::Effect>) -> S,
) -> Hooked<S> {
    let secret = Secret::read(SECRET).expect("a secret");
    let caller = Caller::new(url, Some(secret), Duration::from_secs(10)).expect("an address");
    let replies = Arc::<Replies>::default();
    Hooked::new(store(replies.clone()), caller, replies)
}

fn checked(push: &Push) -> Checked {
    Checked::of(push.clone(), Signatures::Required).expect("tests sign well")
}

#[tokio::test]
async fn each_reply_becomes_an_outcome() {
    let (app, url) = App::start().await;
    let store = hooked(&url);
    let mut ann = Device::new(1, "s", "ann");
    #[rustfmt::skip]
    let cases = [
        // type      outcome              result                 code           message
        ("plain",    Outcome::ACCEPTED,   None,                  None,          None),
        ("result",   Outcome::ACCEPTED,   Some("{\"n\": 1}"),    None,          None),
        ("words",    Outcome::ACCEPTED,   None,                  None,          None),
        ("long",     Outcome::ACCEPTED,   None,                  None,          None),
        ("refuse",   Outcome::REFUSED,    None,                  Some("too-late"),    Some("the shop has closed")),
        ("gone",     Outcome::REFUSED,    None,                  Some("webhook-410"), Some("")),
    ];
    let events: Vec<_> = cases.iter().map(|(type_, ..)| event(type_, type_)).collect();
    let batch = ann.batch(&events);
    let answer = push(&store, &batch).await;
    for ((shows, outcome, result, code, message), told) in cases.iter().zip(&answer.results) {
        assert_eq!(told.outcome, *outcome, "{shows}");
        let text = told.result.as_deref().map(|text| String::from_utf8_lossy(text).into_owned());
        assert_eq!(text.as_deref(), *result, "{shows}");
        assert_eq!((told.code.as_deref(), told.message.as_deref()), (*code, *message), "{shows}");
    }
    assert_eq!(answer.results.len(), cases.len());
    let again = push(&store, &batch).await;
    assert_eq!(again.results.len(), cases.len());
    let in_order: Vec<_> = cases.iter().map(|(type_, ..)| *type_).collect();
    assert_eq!(app.called(), in_order, "in order, and not again");
}

#[tokio::test]
async fn what_can_only_be_taken_later_ends_the_calls() {
    let (app, url) = App::start().await;
    let store = hooked(&url);
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&[event("plain", "a"), event("broken-once", "b"), event("plain", "c")]);
    let answer = push(&store, &batch).await;
    let later = answer.later.clone().expect("the second is put off");
    assert_eq!((answer.through, later.id.as_str(), &*later.code), (Seq(1), "b", "webhook-500"));
    assert_eq!(app.called(), ["a", "b"]);
    let answer = push(&store, &batch).await;
    assert_eq!((answer.through, answer.later), (Seq(3), None));
    assert_eq!(app.called(), ["a", "b", "b", "c"]);

    let batch = ann.batch(&[event("busy-once", "d"), event("moved", "e")]);
    let answer = push(&store, &batch).await;
    let told = (answer.through, answer.later, answer.retry_after_ms);
    assert_eq!(told, (Seq(3), None, Some(7_000)), "no event is to blame for a busy back end");
    let answer = push(&store, &batch).await;
    let code = answer.later.map(|later| later.code);
    assert_eq!((answer.through, code.as_deref()), (Seq(4), Some("webhook-302")));
}

#[tokio::test]
async fn a_back_end_that_is_away_costs_no_event_a_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it has an address"));
    drop(listener);
    let store = hooked(&url);
    let answer = push(&store, &Device::new(1, "s", "ann").batch(&plain(["a"]))).await;
    assert_eq!((answer.through, &answer.later), (Seq(0), &None));
    assert!(answer.retry_after_ms.is_some_and(|wait| wait > 0));
    for wrong in ["nowhere", "ftp://app.example/"] {
        assert!(Caller::new(wrong, None, Duration::from_secs(1)).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn what_would_not_be_appended_is_not_called_for() {
    let (app, url) = App::start().await;
    let store = hooked(&url);
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    let start = ann.head;
    push(&store, &ann.batch(&plain(["a"]))).await;
    let bad = [vec![0xff], event_with("plain", "b", Some(b"{")), event("plain", "c")];
    push(&store, &ann.batch(&bad)).await;
    assert_eq!(app.called(), ["a", "c"], "what is no event is refused without a call");
    let mut thief = Device::new(9, "s", "ann");
    thief.stream = ann.stream.clone();
    let other_life = Some(bellwether_shared::base::LogEpoch([9; 16]));
    for (shows, batch) in [
        ("an id that is known", ben.batch(&plain(["a"]))),
        ("a hole", ann.push_at(Seq(9), start, &plain(["x"]))),
        ("a fork", ann.push_at(Seq(1), start, &plain(["x"]))),
        ("a stranger", thief.push_at(ann.next, ann.head, &plain(["x"]))),
        (
            "another life",
            Push { log_epoch: other_life, ..ann.push_at(ann.next, ann.head, &plain(["x"])) },
        ),
    ] {
        let _ = store.push("", checked(&batch)).await;
        assert_eq!(app.called().len(), 2, "{shows}");
    }
    let twice = [event("plain", "d"), event("plain", "d")];
    assert_eq!(push(&store, &ben.batch(&twice)).await.through, Seq(3));
    assert_eq!(app.called(), ["a", "c", "d"]);
}

#[tokio::test]
async fn of_two_pushes_with_one_id_the_second_finds_it_appended() {
    let (app, url) = App::start().await;
    let store = Arc::new(hooked(&url));
    let [one, two] = [(1, "ann"), (2, "ben")]
        .map(|(number, user)| Device::new(number, "s", user).batch(&[event("hold", "same")]));
    let start = |batch: &Push| {
        let (store, batch) = (Arc::clone(&store), checked(batch));
        tokio::spawn(async move { store.push("", batch).await })
    };
    let first = start(&one);
    app.until_called(1).await;
    let second = start(&two);
    let elsewhere = Device::new(3, "t", "cyd").batch(&plain(["x"]));
    assert_eq!(push(&*store, &elsewhere).await.through, Seq(1), "others go on meanwhile");
    app.gate.send_replace(true);
    let outcome = |answer: Answer| {
        let told = &answer.results[0];
        let result = told.result.as_deref().map(|text| String::from_utf8_lossy(text).into_owned());
        (told.outcome, told.offset, result)
    };
    let held = Some("\"held\"".to_owned());
    let answer = first.await.expect("it does not panic").expect("it is taken");
    assert_eq!(outcome(answer), (Outcome::ACCEPTED, Some(1), held.clone()));
    let answer = second.await.expect("it does not panic").expect("it is taken");
    assert_eq!(outcome(answer), (Outcome::DUPLICATE, Some(1), held));
    assert_eq!(app.called(), ["same", "x"]);
}

#[tokio::test]
async fn a_reply_is_filed_though_the_sender_has_gone() {
    let (app, url) = App::start().await;
    let store = hooked(&url);
    let batch = Device::new(1, "s", "ann").batch(&[event("hold", "a")]);
    let mut pushed = Box::pin(store.push("", checked(&batch)));
    poll_fn(|context| {
        assert!(pushed.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    app.until_called(1).await;
    drop(pushed);
    app.gate.send_replace(true);
    let answer = push(&store, &batch).await;
    assert_eq!(answer.results[0].outcome, Outcome::DUPLICATE);
    assert_eq!(app.called(), ["a"]);
}

/// Dies between the calls and the append, once.
struct Dying {
    inner: Memory,
    has_died: AtomicBool,
}

impl Store for Dying {
    async fn push(&self, tenant: &str, push: Checked) -> Result<Answer, Fault> {
        if self.has_died.swap(true, Ordering::Relaxed) {
            return self.inner.push(tenant, push).await;
        }
        Err(Fault::unavailable("it died"))
    }

    async fn wanted(&self, tenant: &str, push: Checked) -> Result<(Checked, Vec<Wanted>), Fault> {
        self.inner.wanted(tenant, push).await
    }

    fn ticket_key(&self) -> &TicketKey {
        self.inner.ticket_key()
    }

    async fn farewell(&self, parting: Parting) -> Result<Answer, Fault> {
        self.inner.farewell(parting).await
    }

    async fn wanted_of(&self, parting: Parting) -> Result<(Parting, Vec<Wanted>), Fault> {
        self.inner.wanted_of(parting).await
    }

    async fn position(&self, tenant: &str, push: Push) -> Result<Answer, Fault> {
        self.inner.position(tenant, push).await
    }

    async fn page(&self, ask: PageAsk) -> Result<LogPage, Fault> {
        self.inner.page(ask).await
    }

    async fn snapshot(&self, ask: StateAsk) -> Result<Snapshot, Fault> {
        self.inner.snapshot(ask).await
    }

    async fn audit(&self, export: Export) -> Result<(Export, Vec<u8>), Fault> {
        self.inner.audit(export).await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Sweep, Fault> {
        self.inner.sweep(sweep).await
    }

    async fn ping(&self) -> Result<(), Fault> {
        self.inner.ping().await
    }
}

#[tokio::test]
async fn a_death_between_reply_and_append_calls_again_with_the_same_id() {
    let (app, url) = App::start().await;
    let store = hooked_before(&url, |effect| Dying {
        inner: Memory::new(effect),
        has_died: AtomicBool::new(false),
    });
    let events = [event("start", "a"), dependent("end", "b", "a", BINDS)];
    let batch = Device::new(1, "s", "ann").batch(&events);
    assert!(store.push("", checked(&batch)).await.is_err());
    assert_eq!(read(&store, "", "s", 0, 10).await.head, 0);
    assert_eq!(push(&store, &batch).await.through, Seq(2));
    assert_eq!(app.called(), ["a", "b", "a", "b"]);
    assert_eq!(ids(&read(&store, "", "s", 0, 10).await), ["a", "b"]);
}

/// As many sessions as there are calls at once, all held up but one.
#[tokio::test]
async fn slow_sessions_do_not_hold_up_another() {
    let (app, url) = App::start().await;
    let store = Arc::new(hooked(&url));
    let mut slow = Vec::new();
    for number in 0..20_u8 {
        let name = format!("slow-{}", number / 10);
        let batch = Device::new(number + 1, &name, "ann")
            .batch(&[event("hold", &format!("held-{number}"))]);
        let (store, batch) = (Arc::clone(&store), checked(&batch));
        slow.push(tokio::spawn(async move { store.push("", batch).await }));
    }
    // Eight of each of the two sessions; four wait.
    app.until_called(16).await;
    let quick = Device::new(99, "quick", "ben").batch(&plain(["x"]));
    assert_eq!(push(&*store, &quick).await.through, Seq(1));
    let mut by_session = BTreeMap::<String, u32>::new();
    for call in app.calls.lock().expect("no test panics while it holds this").iter() {
        *by_session.entry(call["session"].as_str().expect("a text").to_owned()).or_default() += 1;
    }
    let expected = [("quick", 1), ("slow-0", 8), ("slow-1", 8)];
    assert!(by_session.iter().map(|(name, count)| (&**name, *count)).eq(expected));
    app.gate.send_replace(true);
    for push in slow {
        let answer = push.await.expect("it does not panic").expect("it is taken");
        assert_eq!(answer.through, Seq(1));
    }
    assert_eq!(app.called().len(), 21);
}

const BINDS: Option<&str> = Some(r#"{"/start":"/id"}"#);

/// A session's end that takes the id which its start was given, both made offline and sent at once.
#[tokio::test]
async fn in_one_push_the_end_is_called_for_with_what_the_start_was_given() {
    let (app, url) = App::start().await;
    let store = hooked(&url);
    let mut ann = Device::new(1, "s", "ann");
    let events = [event("start", "a"), plain(["b"])[0].clone(), dependent("end", "c", "a", BINDS)];
    let batch = ann.batch(&events);
    let answer = push(&store, &batch).await;
    assert_eq!((answer.through, answer.later), (Seq(3), None));
    let bound = r#"{"n":1,"start":"srv-a"}"#;
    let expected = [r#""a" {"n":1}"#, r#""b" {"n":1}"#, &format!("\"c\" {bound}")];
    assert_eq!(app.data(), expected);
    let of = |at: usize| app.calls.lock().expect("no test panics")[at]["after"].clone();
    assert_eq!((of(0), of(2)), (Value::Null, "a".into()));

    push(&store, &batch).await;
    let from_log = ann.batch(&[dependent("end", "d", "a", BINDS)]);
    assert_eq!(push(&store, &from_log).await.through, Seq(4));
    assert_eq!(app.data()[3..], [format!("\"d\" {bound}")], "the same from the log");
    let page = read(&store, "", "s", 0, 10).await;
    let shown = page.events.iter().map(|event| event.bound.as_ref().map(|bound| bound.to_vec()));
    let bound = Some(bound.as_bytes().to_vec());
    assert!(shown.eq([None, None, bound.clone(), bound]), "as it was called for");
    assert_eq!(page.events[2].sealed.as_slice(), events[2]);
}

#[tokio::test]
async fn an_end_whose_start_was_refused_is_not_called_for() {
    let (app, url) = App::start().await;
    let store = hooked(&url);
    let mut ann = Device::new(1, "s", "ann");
    let events = [
        event("refuse", "a"),
        dependent("end", "b", "a", BINDS),
        dependent("plain", "c", "b", None),
        released("end", "d", "a", BINDS),
        event("start", "e"),
        dependent("end", "f", "e", Some(r#"{"/start":"/no"}"#)),
        dependent("end", "g", "f", None),
        event_with("plain", "h", Some(b"{")),
        dependent("end", "i", "h", None),
    ];
    let batch = ann.batch(&events);
    for time in ["first", "again"] {
        let answer = push(&store, &batch).await;
        let codes = answer.results.iter().map(|told| told.code.as_deref().unwrap_or("taken"));
        let expected = [
            "too-late",
            "prerequisite-failed",
            "prerequisite-failed",
            "taken",
            "taken",
            "binding-failed",
            "prerequisite-failed",
            "event-not-json",
            "prerequisite-failed",
        ];
        assert_eq!(codes.collect::<Vec<_>>(), expected, "{time}");
    }
    assert_eq!(app.called(), ["a", "d", "e"]);
    assert_eq!(app.data()[1], r#""d" {"n":1}"#, "what is released goes as it is");
    // Behind the same refusal, sent again with something new.
    let longer = [&events[..], &[dependent("end", "j", "a", None), event("plain", "k")]].concat();
    let start = Device::new(1, "s", "ann").head;
    let answer = push(&store, &ann.push_at(Seq(1), start, &longer)).await;
    assert_eq!(answer.results[9].code.as_deref(), Some("prerequisite-failed"));
    assert_eq!(app.called(), ["a", "d", "e", "k"]);
}

#[tokio::test]
async fn an_end_whose_start_is_not_known_is_not_called_for() {
    let (app, url) = App::start().await;
    let store = hooked(&url);
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    let batch = ann.batch(&[dependent("end", "b", "a", BINDS), event("plain", "c")]);
    let answer = push(&store, &batch).await;
    let later = answer.later.expect("it waits");
    assert_eq!((answer.through, &*later.code), (Seq(0), "prerequisite-unknown"));
    let elsewhere = Device::new(3, "t", "ann").batch(&[event("start", "a")]);
    push(&store, &elsewhere).await;
    assert!(push(&store, &batch).await.later.is_some(), "another session's is another event");
    assert_eq!(app.called(), ["a"]);
    push(&store, &ben.batch(&[event("start", "a")])).await;
    assert_eq!(push(&store, &batch).await.through, Seq(2));
    assert_eq!(app.data()[2], r#""b" {"n":1,"start":"srv-a"}"#);
}

/// What the end is called for with must be what is appended, though its start comes by another stream meanwhile.
#[tokio::test]
async fn an_end_waits_while_its_start_is_called_for() {
    let (app, url) = App::start().await;
    let store = Arc::new(hooked(&url));
    let start = |batch: &Push| {
        let (store, batch) = (Arc::clone(&store), checked(batch));
        tokio::spawn(async move { store.push("", batch).await })
    };
    let first = start(&Device::new(1, "s", "ann").batch(&[event("hold", "a")]));
    app.until_called(1).await;
    let ends = [(2, "b"), (3, "c")].map(|(number, id)| {
        let end = released("end", id, "a", Some(r#"{"/start":""}"#));
        start(&Device::new(number, "s", "ben").batch(&[end]))
    });
    let elsewhere = Device::new(4, "s", "cyd").batch(&plain(["x"]));
    assert_eq!(push(&*store, &elsewhere).await.through, Seq(1), "others go on meanwhile");
    app.gate.send_replace(true);
    for pushed in [first].into_iter().chain(ends) {
        let answer = pushed.await.expect("it does not panic").expect("it is taken");
        assert_eq!(answer.through, Seq(1));
    }
    let mut ends = app.data().split_off(2);
    ends.sort();
    assert_eq!(ends, [r#""b" {"n":1,"start":"held"}"#, r#""c" {"n":1,"start":"held"}"#]);
}

#[tokio::test]
async fn an_event_of_a_type_that_is_not_known_is_not_called_for() {
    let (app, url) = App::start().await;
    let types = ["plain", "start"].map(Into::into).into();
    let store = hooked_before(&url, |replies| Memory::new(Arc::new(Only::new(types, replies))));
    let events = [event("start", "a"), event("old", "b"), dependent("plain", "c", "b", None)];
    let answer = push(&store, &Device::new(1, "s", "ann").batch(&events)).await;
    let codes: Vec<_> = answer.results.iter().map(|told| told.code.as_deref()).collect();
    assert_eq!(codes, [None, Some("type-unknown"), Some("prerequisite-failed")]);
    assert_eq!(app.called(), ["a"]);
}

#[tokio::test]
async fn in_one_farewell_the_end_is_called_for_with_what_the_start_was_given() {
    let (app, url) = App::start().await;
    let store = hooked(&url);
    let events = vec![
        event("start", "a"),
        dependent("end", "b", "a", BINDS),
        event("refuse", "c"),
        dependent("end", "d", "c", BINDS),
        dependent("end", "e", "x", BINDS),
        event("plain", "f"),
    ];
    let answer = store.farewell(Parting { ticket: ticket(), events }).await.expect("it is taken");
    let codes: Vec<_> = answer.results.iter().map(|told| told.code.as_deref()).collect();
    assert_eq!(codes, [None, None, Some("too-late"), Some("prerequisite-failed")]);
    let later = answer.later.map(|later| (later.seq, later.id.to_string(), later.code));
    assert_eq!(later, Some((Seq(5), "e".to_owned(), "prerequisite-unknown".into())));
    let expected = [r#""a" {"n":1}"#, r#""b" {"n":1,"start":"srv-a"}"#, r#""c" {"n":1}"#];
    assert_eq!(app.data(), expected);
}

fn ticket() -> Ticket {
    Ticket {
        tenant: "".into(),
        session: "s".into(),
        user: "ann".into(),
        device: Device::new(1, "s", "ann").stream.device,
        expires_at: Wall(u64::MAX >> 11),
        nonce: [1; 16],
    }
}

#[tokio::test]
async fn a_farewell_and_its_stream_call_once() {
    let (app, url) = App::start().await;
    let store = Arc::new(hooked(&url));
    let mut ann = Device::new(1, "s", "ann");
    let batch = checked(&ann.batch(&[event("hold", "a")]));
    let parting =
        Parting { ticket: ticket(), events: vec![event("hold", "a"), event("result", "b")] };
    let parted = Arc::clone(&store);
    let parted = tokio::spawn(async move { parted.farewell(parting).await });
    app.until_called(1).await;
    let pushed = Arc::clone(&store);
    let pushed = tokio::spawn(async move { pushed.push("", batch).await });
    app.gate.send_replace(true);
    let answer = parted.await.expect("it does not panic").expect("it is taken");
    assert_eq!((answer.through, answer.log_head), (Seq(2), 2));
    let answer = pushed.await.expect("it does not panic").expect("it is taken");
    let told = &answer.results[0];
    assert_eq!((told.outcome, told.offset), (Outcome::DUPLICATE, Some(1)));
    assert_eq!(app.called(), ["a", "b"]);
}
