//! The session's document: what every store makes of patches, and `GET /v1/state`.

use std::collections::BTreeMap;

use bellwether_server::Fault;
use bellwether_server::engine::StateAsk;
use bellwether_server::store::Store;
use bellwether_shared::base::{EventId, LogEpoch};
use bellwether_shared::rules::document::{Author, Entry, fold};
use bellwether_shared::rules::patch::{Base, Patch, Write};
use bellwether_shared::wire::{self, Event, EventKind, PATCH_TYPE, Snapshot};
use serde_json::json;

use crate::contract::{contract, push, read, told};
use crate::device::{Device, event_with, patch, plain, unsealed, write};
use crate::http::{Setup, get, push as post, send};

contract! {
    patches_change_the_document_in_the_order_of_the_log,
    a_patch_on_a_stale_base_is_refused_and_changes_nothing,
    what_is_no_patch_is_refused,
    documents_of_sessions_and_tenants_do_not_meet,
    a_large_document_is_read_in_parts,
    a_document_has_a_bound,
}

async fn patches_change_the_document_in_the_order_of_the_log<S: Store>(store: S) {
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    let dark = patch("a1", 1, 2, vec![write("theme", &[], Some("\"dark\""))]);
    let both = patch(
        "a2",
        1,
        3,
        vec![
            write("profile", &[], Some("{\"name\":\"Ann\",\"age\":7}")),
            write("profile", &["age"], Some("8")),
        ],
    );
    let batch = ann.batch(&[dark, plain(["a3"]).remove(0), both]);
    assert_eq!(told(&push(&store, &batch).await), ["1: taken 1", "2: taken 2", "3: taken 3"]);
    // Older than Ann's, and newer at a place of its own.
    let light = patch("b1", 2, 1, vec![write("theme", &[], Some("\"light\""))]);
    let named = patch("b2", 2, 4, vec![write("profile", &["name"], None)]);
    assert_eq!(
        told(&push(&store, &ben.batch(&[light, named])).await),
        ["1: taken 4", "2: taken 5"]
    );
    // A repeat is a repeat.
    push(&store, &batch).await;

    let document = document(&store, "s").await;
    let theme = &document["theme"];
    assert_eq!((theme.version, shown(theme)), (1, vec![(String::new(), Some("\"dark\"".into()))]));
    let profile = [
        (String::new(), Some("{\"name\":\"Ann\",\"age\":7}".into())),
        ("age".into(), Some("8".into())),
        ("name".into(), None),
    ];
    assert_eq!(shown(&document["profile"]), profile);
    assert_eq!(document["profile"].version, 5);
    assert_eq!(document, of_log(&store, "s").await, "who folds the log has the same");
}

async fn a_patch_on_a_stale_base_is_refused_and_changes_nothing<S: Store>(store: S) {
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    let on = |version, after: Option<&str>, value| Write {
        base: Some(Base { version, after: after.map(|id| EventId::new(id).expect("it fits")) }),
        ..write("seat", &[], Some(value))
    };
    let first = patch("a1", 1, 1, vec![on(0, None, "\"ann\"")]);
    let second = patch("a2", 1, 2, vec![on(0, Some("a1"), "\"ann, too\"")]);
    push(&store, &ann.batch(&[first, second])).await;
    let beside = write("other", &[], Some("1"));
    // Later by the clock, but on what is not there any more.
    let late = patch("b1", 2, 9, vec![beside, on(0, None, "\"ben\"")]);
    let answer = push(&store, &ben.batch(&[late])).await;
    assert_eq!(told(&answer), ["1: refused state-conflict"]);
    let message = answer.results[0].message.as_deref().unwrap_or_default();
    assert!(message.contains("\"seat\"") && message.contains("its version is 2"), "{message}");
    // Earlier by the clock, but on what is there.
    let known = patch("b2", 2, 0, vec![on(2, None, "\"ben\"")]);
    assert_eq!(told(&push(&store, &ben.batch(&[known])).await), ["2: taken 3"]);

    let document = document(&store, "s").await;
    assert_eq!(document.keys().map(|key| &**key).collect::<Vec<_>>(), ["seat"]);
    assert_eq!(shown(&document["seat"]), [(String::new(), Some("\"ben\"".into()))]);
    assert_eq!(document, of_log(&store, "s").await);
}

async fn what_is_no_patch_is_refused<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let data = |data: &[u8]| {
        let event = unsealed(PATCH_TYPE, "x", Some(data));
        wire::to_cbor(&Event { kind: EventKind::Patch, ..event })
    };
    let bound = wire::to_cbor(&Patch { writes: vec![write("k", &[], Some("1"))] });
    let binds = Event {
        after: EventId::new("x").ok(),
        binds: Some(b"{}"),
        ..unsealed(PATCH_TYPE, "y", Some(&bound))
    };
    #[rustfmt::skip]
    let cases = [
        ("no CBOR",           data(b"{}"),                                             "patch-malformed"),
        ("nothing",           patch("x", 1, 0, vec![]),                                "patch-malformed"),
        ("a key of nothing",  patch("x", 1, 0, vec![write("", &[], Some("1"))]),       "patch-malformed"),
        ("too deep",          patch("x", 1, 0, vec![write("k", &["m"; 33], None)]),    "patch-malformed"),
        ("half a value",      patch("x", 1, 0, vec![write("k", &[], Some("{"))]),      "patch-malformed"),
        ("with bindings",     wire::to_cbor(&Event { kind: EventKind::Patch, ..binds }), "binds-invalid"),
    ];
    for (place, (shows, bad, code)) in (1..).zip(cases) {
        let answer = push(&store, &ann.batch(&[bad])).await;
        assert_eq!(told(&answer), [format!("{place}: refused {code}")], "{shows}");
    }
    assert!(document(&store, "s").await.is_empty());
}

async fn documents_of_sessions_and_tenants_do_not_meet<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    push(&store, &ann.batch(&[patch("a", 1, 0, vec![write("k", &[], Some("1"))])])).await;
    assert!(document(&store, "t").await.is_empty());
    let ask = StateAsk { tenant: "other".into(), ..ask("s") };
    let snapshot = store.snapshot(ask).await.expect("the store works");
    assert_eq!(
        (snapshot.epoch, snapshot.head, snapshot.entries.len()),
        (LogEpoch::default(), 0, 0)
    );
    let elsewhere = StateAsk { epoch: Some(LogEpoch([9; 16])), ..self::ask("s") };
    assert!(matches!(store.snapshot(elsewhere).await, Err(Fault::EpochChanged { .. })));
}

async fn a_large_document_is_read_in_parts<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let large = format!("\"{}\"", "x".repeat(200_000));
    for number in 0..12 {
        let (id, key) = (format!("e{number}"), format!("k{number:02}"));
        push(&store, &ann.batch(&[patch(&id, 1, number, vec![write(&key, &[], Some(&large))])]))
            .await;
    }
    let first = store.snapshot(ask("s")).await.expect("the store works");
    assert!(first.more && first.entries.len() < 12, "{}", first.entries.len());
    assert_eq!(document(&store, "s").await.len(), 12);
}

async fn a_document_has_a_bound<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let keys: Vec<String> = (0..=10_000).map(|number| format!("k{number}")).collect();
    for (number, keys) in keys.chunks(1_000).enumerate() {
        let writes = keys.iter().map(|key| write(key, &[], Some("1"))).collect();
        let answer = push(&store, &ann.batch(&[patch(&format!("e{number}"), 1, 0, writes)])).await;
        let expected = if number < 10 { "taken" } else { "refused state-too-large" };
        assert!(told(&answer)[0].contains(expected), "{:?}", told(&answer));
    }
    // What is there can still be changed.
    let again = patch("again", 1, 1, vec![write("k7", &[], Some("2"))]);
    assert!(told(&push(&store, &ann.batch(&[again])).await)[0].contains("taken"));
}

#[tokio::test]
async fn a_document_is_shown_as_json_and_a_patch_in_the_log_is_too() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    let base = Some(Base { version: 0, after: None });
    let patches = [
        patch(
            "a",
            1,
            0,
            vec![
                write("profile", &[], Some("{\"name\":\"Ann\",\"pets\":[1]}")),
                write("profile", &["home", "town"], Some("\"Ulm\"")),
                write("profile", &["name"], None),
                write("gone", &[], Some("1")),
            ],
        ),
        patch(
            "b",
            1,
            1,
            vec![write("gone", &[], None), Write { base, ..write("seat", &["a"], Some("7")) }],
        ),
    ];
    post(&router, &ann.batch(&patches)).await.answer();
    let reply = get(&router, "/v1/state?session=s").await;
    assert_eq!(reply.header("cache-control"), "no-store");
    let shown = reply.json();
    let entries = json!([
        {"key": "gone", "version": 2},
        {"key": "profile", "version": 1, "value": {"home": {"town": "Ulm"}, "pets": [1]}},
        {"key": "seat", "version": 2, "value": {"a": 7}},
    ]);
    assert_eq!(
        (&shown["entries"], &shown["head"], &shown["more"]),
        (&entries, &json!(2), &json!(false))
    );
    let rest = get(&router, "/v1/state?session=s&after=profile").await.json();
    assert_eq!(rest["entries"], json!([entries[2]]));

    let log = get(&router, "/v1/events?session=s&after=1").await.json();
    let writes = json!([
        {"key": "gone", "path": []},
        {"key": "seat", "path": ["a"], "value": 7, "base": {"version": 0}},
    ]);
    assert_eq!(log["events"][0]["kind"], "patch");
    assert_eq!(log["events"][0]["data"], json!({"writes": writes}));

    let headers = [("accept", "application/cbor")];
    let reply = send(&router, "GET", "/v1/state?session=s", &headers, "").await;
    let snapshot: Snapshot = wire::from_cbor(&reply.body, usize::MAX).expect("a document in CBOR");
    assert_eq!(snapshot.entries.len(), 3);
    assert_eq!(get(&router, "/v1/state").await.problem(), (400, "malformed".into()));
}

#[tokio::test]
async fn a_patch_needs_no_effect_and_an_event_changes_no_document() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    let event = event_with("plain", "a", Some(br#"{"writes":[]}"#));
    post(&router, &ann.batch(&[event])).await.answer();
    assert_eq!(get(&router, "/v1/state?session=s").await.json()["entries"], json!([]));
}

fn ask(session: &str) -> StateAsk {
    StateAsk { tenant: "".into(), session: session.into(), epoch: None, after: "".into() }
}

async fn document<S: Store>(store: &S, session: &str) -> BTreeMap<Box<str>, Entry> {
    let mut document = BTreeMap::new();
    let mut ask = ask(session);
    loop {
        let part = store.snapshot(ask.clone()).await.expect("the store works");
        for (key, entry) in part.entries {
            ask.after = key.clone();
            document.insert(key, wire::decode(&entry).expect("it was encoded"));
        }
        if !part.more {
            return document;
        }
    }
}

// What a device makes of the log.
async fn of_log<S: Store>(store: &S, session: &str) -> BTreeMap<Box<str>, Entry> {
    let page = read(store, "", session, 0, 1_000).await;
    let mut document: BTreeMap<Box<str>, Entry> = BTreeMap::new();
    for logged in &page.events {
        let event: Event<'_> = wire::decode(&logged.sealed).expect("it was taken");
        if event.kind != EventKind::Patch {
            continue;
        }
        let patch: Patch<'_> = wire::decode(event.data.unwrap_or_default()).expect("it was taken");
        let (id, made, page) = (&event.id, event.stamp, event.page);
        let author = Author { id, made, page, taken_at: logged.taken_at, version: logged.offset };
        let changed = fold(|key| document.get(key).cloned(), &patch, author);
        document.extend(changed.iter().map(|(key, entry)| (key.clone(), entry.clone())));
    }
    document
}

fn shown(entry: &Entry) -> Vec<(String, Option<String>)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let leaf = |leaf: &bellwether_shared::rules::document::Leaf| {
        (leaf.path.join("/"), leaf.value.as_ref().map(|value| text(value)))
    };
    entry.leaves.iter().map(leaf).collect()
}
