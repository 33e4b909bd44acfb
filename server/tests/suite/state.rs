//! The session's document: what every store makes of patches, and `GET /v1/state`.

use std::collections::BTreeMap;

use bellwether_server::Fault;
use bellwether_server::engine::{PageAsk, StateAsk, Which};
use bellwether_server::store::Store;
use bellwether_shared::base::{EventId, LogEpoch};
use bellwether_shared::rules::document::{Author, Entry, fold};
use bellwether_shared::rules::patch::{Base, Patch, Write};
use bellwether_shared::wire::{self, Event, EventKind, LogPage, PATCH_TYPE, Snapshot};
use serde_json::json;

use crate::contract::{Directory, contract, ids, push, read, told};
use crate::device::{Device, event_with, patch, plain, unsealed, write};
use crate::http::{Setup, get, push as post, send};

contract! {
    patches_change_the_document_in_the_order_of_the_log,
    a_patch_on_a_stale_base_is_refused_and_changes_nothing,
    what_is_no_patch_is_refused,
    documents_of_sessions_and_tenants_do_not_meet,
    a_large_document_is_read_in_parts,
    a_document_has_a_bound,
    patches_are_found_among_many_events,
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

async fn patches_are_found_among_many_events<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let change = |id: &str| patch(id, 1, 0, vec![write(id, &[], Some("1"))]);
    let mut events = plain(["a", "b"]);
    events.push(change("p3"));
    events.extend(plain(["c", "d"]));
    events.extend([change("p6"), change("p7")]);
    events.extend(plain(["e", "f"]));
    push(&store, &ann.batch(&events)).await;
    #[rustfmt::skip]
    let cases: [(u64, u32, &[&str], u64, bool); 8] = [
        // after, limit, expected,          through, more
        (0,  100, &["p3", "p6", "p7"],      9,       false),
        (0,  3,   &["p3", "p6", "p7"],      9,       false),
        (0,  2,   &["p3", "p6"],            6,       true),
        (0,  1,   &["p3"],                  5,       true),
        (3,  1,   &["p6"],                  6,       true),
        (5,  9,   &["p6", "p7"],            9,       false),
        (7,  9,   &[],                      9,       false),
        (99, 9,   &[],                      99,      false),
    ];
    for (after, limit, expected, through, more) in cases {
        let page = patches(&store, "s", after, limit).await;
        assert_eq!(ids(&page), expected, "{after} {limit}");
        assert_eq!((page.through, page.more), (Some(through), more), "{after} {limit}");
        assert_eq!(page.head, 9);
    }
    let nowhere = patches(&store, "t", 0, 9).await;
    assert_eq!((nowhere.events.len(), nowhere.through), (0, Some(0)));
    assert_eq!(read(&store, "", "s", 0, 9).await.through, None, "a page of all events needs none");

    // Twelve patches of a fifth of a megabyte do not fit one page.
    let large = format!("\"{}\"", "x".repeat(200_000));
    for number in 0..12 {
        let id = format!("large-{number}");
        let writes = vec![write("large", &[], Some(&large))];
        let events = [plain([&format!("x{number}")]), vec![patch(&id, 1, number, writes)]];
        push(&store, &ann.batch(&events.concat())).await;
    }
    let page = patches(&store, "s", 9, 100).await;
    assert_eq!((page.events.len(), page.through, page.more), (10, Some(30), true));
    let page = patches(&store, "s", 30, 100).await;
    assert_eq!((page.events.len(), page.through, page.more), (2, Some(33), false));
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
async fn a_page_of_patches_tells_how_far_the_log_was_looked_at() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    let events =
        [plain(["a"]), vec![patch("p", 1, 0, vec![write("k", &[], Some("1"))])], plain(["b"])];
    post(&router, &ann.batch(&events.concat())).await.answer();
    let page = get(&router, "/v1/events?session=s&kind=patch").await.json();
    assert_eq!((&page["events"][0]["id"], &page["events"][1]), (&json!("p"), &json!(null)));
    assert_eq!((&page["through"], &page["more"]), (&json!(3), &json!(false)));
    let all = get(&router, "/v1/events?session=s").await.json();
    assert_eq!(all.get("through"), None);
    let headers = [("accept", "application/cbor")];
    let path = "/v1/events?session=s&kind=patch&after=2";
    let reply = send(&router, "GET", path, &headers, "").await;
    let page: LogPage = wire::from_cbor(&reply.body, usize::MAX).expect("a page in CBOR");
    assert_eq!((page.events.len(), page.through), (0, Some(3)));
    for unknown in ["app", "", "Patch"] {
        let reply = get(&router, &format!("/v1/events?session=s&kind={unknown}")).await;
        assert_eq!(reply.problem(), (400, "malformed".into()), "{unknown}");
    }
}

#[tokio::test]
async fn who_waits_for_a_patch_is_not_woken_by_other_events() {
    let router = Setup::default().router();
    let waiting = tokio::spawn({
        let router = router.clone();
        async move { get(&router, "/v1/events?session=s&kind=patch&wait=50000").await.json() }
    });
    let mut ann = Device::new(1, "s", "ann");
    for id in ["a", "b"] {
        post(&router, &ann.batch(&plain([id]))).await.answer();
        tokio::task::yield_now().await;
    }
    let change = patch("p", 1, 0, vec![write("k", &[], Some("1"))]);
    post(&router, &ann.batch(&[change])).await.answer();
    let page = waiting.await.expect("it does not panic");
    assert_eq!((&page["events"][0]["id"], &page["through"]), (&json!("p"), &json!(3)));
}

#[tokio::test]
async fn patches_of_before_are_found_too() {
    let directory = Directory::new();
    let mut ann = Device::new(1, "s", "ann");
    let events = [plain(["a"]), vec![patch("p", 1, 0, vec![write("k", &[], Some("1"))])]];
    push(&directory.open(), &ann.batch(&events.concat())).await;
    let sql = rusqlite::Connection::open(directory.0.join("bellwether.sqlite")).expect("SQLite's");
    sql.execute_batch(
        "DROP TABLE bw_patch; ALTER TABLE bw_log DROP COLUMN hash; PRAGMA user_version = 4;",
    )
    .expect("it was added after");
    drop(sql);
    let store = directory.open();
    push(&store, &ann.batch(&[patch("q", 1, 1, vec![write("k", &[], Some("2"))])])).await;
    assert_eq!(ids(&patches(&store, "s", 0, 9).await), ["p", "q"]);
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

async fn patches<S: Store>(store: &S, session: &str, after: u64, limit: u32) -> LogPage {
    let (tenant, session, which) = ("".into(), session.into(), Which::Patches);
    let ask = PageAsk { tenant, session, epoch: None, after, limit, which };
    store.page(ask).await.expect("the store works")
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
