//! `GET /v1/events`, and the files of `--static` beside it.

use bellwether_shared::wire::{self, LogPage};
use serde_json::json;

use crate::contract::{Directory, ids};
use crate::device::{Device, dependent, event, event_with, plain};
use crate::http::{Setup, get, push, send};

#[tokio::test]
async fn an_event_is_shown_open() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "a board", "ann");
    let spaced = event_with("plain", "x", Some(br#" {"n": 1.0, "n": 2} "#));
    let answer =
        push(&router, &ann.batch(&[spaced, event_with("plain", "y", None)])).await.answer();
    let reply = get(&router, "/v1/events?session=a%20board").await;
    let page = reply.json();
    assert_eq!(reply.header("cache-control"), "no-store");
    let taken_at = page["events"][0]["taken_at"].clone();
    assert!(taken_at.as_u64().is_some_and(|at| at > 1_700_000_000_000));
    let expected = json!({
        "offset": 1,
        "id": "x",
        "client": "01010101-0101-0101-0101-010101010101",
        "device": "01010101-0101-0101-0101-010101010101",
        "seq": 1,
        "lane": "normal",
        "user": "ann",
        "type": "plain",
        "key": "k",
        "data": {"n": 2},
        "schema": 3,
        "stamp": "115123265474658305",
        "at": 1_700_000_000_000_u64,
        "taken_at": taken_at,
        "correlation_id": null,
        "page": "07070707-0707-0707-0707-070707070707",
    });
    assert_eq!(page["events"][0], expected);
    assert_eq!(page["events"][1]["data"], json!(null));
    assert_eq!(page["epoch"], answer.log_epoch.to_string());
    assert_eq!(
        (&page["head"], &page["floor"], &page["more"]),
        (&json!(2), &json!(0), &json!(false))
    );
    let text = String::from_utf8(reply.body).expect("JSON is text");
    assert!(text.contains(r#""data":{"n": 1.0, "n": 2}"#), "the body is shown as it was sent");
}

#[tokio::test]
async fn an_event_is_shown_with_what_it_takes_from_its_prerequisite() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    let events = [
        event("start", "a"),
        dependent("plain", "b", "a", Some(r#"{"/start": "/id"}"#)),
        dependent("plain", "c", "a", None),
    ];
    push(&router, &ann.batch(&events)).await.answer();
    let reply = get(&router, "/v1/events?session=s").await;
    let page = reply.json();
    let shown = |at: usize| {
        let event = &page["events"][at];
        [&event["data"], &event["after"], &event["binds"]].map(Clone::clone)
    };
    let null = json!(null);
    assert_eq!(shown(0), [json!({"n": 1}), null.clone(), null.clone()]);
    let bound = json!({"n": 1, "start": 1});
    assert_eq!(shown(1), [bound, json!("a"), json!({"/start": "/id"})]);
    assert_eq!(shown(2), [json!({"n": 1}), json!("a"), null]);

    let headers = [("accept", "application/cbor")];
    let reply = send(&router, "GET", "/v1/events?session=s", &headers, "").await;
    let page: LogPage = wire::from_cbor(&reply.body, usize::MAX).expect("a page in CBOR");
    let bound: Vec<_> = page.events.iter().map(|event| event.bound.as_deref()).collect();
    assert_eq!(bound, [None, Some(&br#"{"n":1,"start":1}"#.to_vec()), None]);
    let sealed: Vec<_> = page.events.iter().map(|event| event.sealed.to_vec()).collect();
    assert_eq!(sealed, events, "and with what was made");
}

#[tokio::test]
async fn a_page_is_sealed_in_cbor() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    push(&router, &ann.batch(&plain(["a", "b"]))).await;
    let headers = [("accept", "application/cbor")];
    let reply = send(&router, "GET", "/v1/events?session=s&after=1", &headers, "").await;
    let page: LogPage = wire::from_cbor(&reply.body, usize::MAX).expect("a page in CBOR");
    assert_eq!(ids(&page), ["b"]);
}

#[tokio::test]
async fn limits_are_kept_and_parameters_checked() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    for part in 0..3 {
        let events: Vec<_> =
            (0..500).map(|number| event("plain", &format!("{part}-{number}"))).collect();
        push(&router, &ann.batch(&events)).await;
    }
    let epoch = get(&router, "/v1/events?session=s").await.json()["epoch"].clone();
    let epoch = epoch.as_str().expect("an epoch is text");
    #[rustfmt::skip]
    let cases = [
        ("",                        100,  true),
        ("&limit=1",                1,    true),
        ("&limit=0",                1,    true),
        ("&limit=1000",             1000, true),
        ("&limit=4000",             1000, true),
        ("&limit=1000&after=1000",  500,  false),
        ("&after=1500",             0,    false),
        ("&after=9007199254740993", 0,    false),
    ];
    for (query, count, more) in cases {
        let page = get(&router, &format!("/v1/events?session=s&epoch={epoch}{query}")).await.json();
        assert_eq!(page["events"].as_array().map(Vec::len), Some(count), "{query}");
        assert_eq!(page["more"], more, "{query}");
    }
    #[rustfmt::skip]
    let cases = [
        ("",                                                           400, "malformed"),
        ("?session=s&after=-1",                                        400, "malformed"),
        ("?session=s&limit=x",                                         400, "malformed"),
        ("?session=s&epoch=x",                                         400, "malformed"),
        ("?session=s&epoch=09090909-0909-0909-0909-090909090909",      409, "epoch-changed"),
        ("?session=t&epoch=09090909-0909-0909-0909-090909090909",      409, "epoch-changed"),
    ];
    for (query, status, code) in cases {
        let reply = get(&router, &format!("/v1/events{query}")).await;
        assert_eq!(reply.problem(), (status, code.to_owned()), "{query}");
    }
}

#[tokio::test]
async fn files_are_served_beside_and_never_instead() {
    let directory = Directory::new();
    let files = [
        ("index.html", "text/html"),
        ("app.js", "text/javascript"),
        ("pkg/core.wasm", "application/wasm"),
        ("app.webmanifest", "application/manifest+json"),
        ("app.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
        ("healthz", ""),
        ("v1/push", ""),
        ("v1/other", ""),
        ("dev/other", ""),
    ];
    for (name, _) in files {
        let path = directory.0.join(name);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        std::fs::write(path, format!("file {name}")).expect("a file");
    }
    let router = Setup { assets: Some(directory.0.clone()), ..Setup::default() }.router();
    for (name, media_type) in files {
        let reply = get(&router, &format!("/{name}")).await;
        if media_type.is_empty() {
            assert!(!reply.body.starts_with(b"file"), "{name} is not a file's");
            continue;
        }
        assert_eq!(reply.body, format!("file {name}").into_bytes());
        assert_eq!(reply.header("content-type").split(';').next(), Some(media_type), "{name}");
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert_eq!(reply.header("service-worker-allowed"), "/");
        let again = [("if-none-match", reply.header("etag"))];
        let again = send(&router, "GET", &format!("/{name}"), &again, "").await;
        assert_eq!(again.status, 304, "{name}");
    }
    assert_eq!(get(&router, "/").await.body, b"file index.html");
    assert_eq!(get(&router, "/missing").await.status, 404);
    assert_eq!(get(&router, "/../Cargo.toml").await.status, 404);
    assert_eq!(get(&router, "/%2e%2e/Cargo.toml").await.status, 404);
}
