//! Compaction: what goes, what stays, and that nobody is held up or misses anything meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bellwether_server::Fault;
use bellwether_server::audit::{Rules, verify};
use bellwether_server::bounds::COMPACT_EVENTS;
use bellwether_server::engine::{PageAsk, Retention, StateAsk, Sweep, Which};
use bellwether_server::store::Store;
use bellwether_shared::rules::document::{Author, Entry, fold};
use bellwether_shared::rules::patch::Patch;
use bellwether_shared::wire::{self, Event, EventKind, LogPage, PROBLEM_CBOR, Problem};
use serde_json::json;

use crate::audit::export;
use crate::contract::{Directory, ask, contract, ids, push, read, told};
use crate::device::{Device, dependent, event, event_with, patch, plain, write};
use crate::http::{Setup, get, push as post, send};

contract! {
    bodies_go_and_receipts_stay,
    what_either_keeps_is_kept,
    all_sessions_are_swept_in_small_steps,
    nothing_is_lost_or_doubled_under_load,
}

const LAST_FOUR: Retention = Retention { events: 4, age_ms: 0 };

async fn bodies_go_and_receipts_stay<S: Store>(store: S) {
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    let theme =
        |id: &str, value| patch(id, 1, id.len() as u64, vec![write("theme", &[], Some(value))]);
    let events =
        [plain(["a1"]), vec![theme("p2", "1"), event("start", "a3"), event("refuse", "a4")]];
    let first = ann.batch(&events.concat());
    let word = told(&push(&store, &first).await);
    push(&store, &ben.batch(&plain(["b1", "b2"]))).await;
    push(&store, &ann.batch(&[theme("patch6", "2"), event("plain", "a7")])).await;
    let (whole, anchor) = export(&store, "s").await;

    assert_eq!(sweep(&store, LAST_FOUR).await, (3, 2), "one step, and a look that finds nothing");
    let (epoch, head, floor) = (read(&store, "", "s", 3, 9).await.epoch, 7, 3);
    for after in [0, 2] {
        let gone = store.page(ask("", "s", after, 9)).await;
        assert_eq!(gone, Err(Fault::Compacted { epoch, head, floor }));
        let ask = PageAsk { which: Which::Patches, ..ask("", "s", after, 9) };
        assert_eq!(store.page(ask).await, Err(Fault::Compacted { epoch, head, floor }));
    }
    let page = read(&store, "", "s", 3, 9).await;
    assert_eq!((ids(&page).join(" "), page.floor), ("b1 b2 patch6 a7".into(), 3));
    let ask = PageAsk { which: Which::Patches, ..ask("", "s", 3, 9) };
    assert_eq!(ids(&store.page(ask).await.expect("it is kept")), ["patch6"]);

    // The same word, from its own stream and from others; the chain and the document go on.
    assert_eq!(told(&push(&store, &first).await), word);
    let mut eve = Device::new(3, "s", "eve");
    let again = [event("plain", "a1"), event("start", "a3"), event("plain", "b1")];
    let answer = push(&store, &eve.batch(&again)).await;
    assert_eq!(told(&answer), ["1: taken 1", "2: taken 3 gave {\"id\":1}", "3: taken 4"]);
    let bound = dependent("plain", "e4", "a3", Some(r#"{"/start": "/id"}"#));
    assert_eq!(told(&push(&store, &eve.batch(&[bound])).await), ["4: taken 8"]);
    let page = read(&store, "", "s", 7, 9).await;
    let bound = page.events[0].bound.as_deref().map(Vec::as_slice);
    assert_eq!(bound, Some(&br#"{"n":1,"start":1}"#[..]));
    assert_eq!(document(&store).await.1["theme"].version, 6);

    // The audit says what is not there any more, and proves it all the same.
    let (file, _) = export(&store, "s").await;
    let rules = Rules { anchors: vec![anchor], ..Rules::default() };
    let before = verify(&whole[..], &rules).expect("it is sound");
    assert_eq!((before.events, before.erased, before.erased_through), (7, 0, 0));
    let sound = verify(&file[..], &rules).expect("it is sound");
    assert_eq!((sound.events, sound.erased, sound.erased_through), (8, 3, 3));
    assert!(sound.to_string().contains("of 3, up to offset 3, the bodies are no longer kept"));
}

async fn what_either_keeps_is_kept<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    push(&store, &ann.batch(&plain(["a", "b", "c"]))).await;
    let long = 1_000_000;
    for (events, age_ms) in [(0, 0), (3, 0), (4, 0), (0, long), (1, long)] {
        let kept = Retention { events, age_ms };
        assert_eq!(sweep(&store, kept).await.0, 0, "{kept:?}");
    }
    let brief = Retention { events: 1, age_ms: 1 };
    while sweep(&store, brief).await.0 < 2 {
        // They are not old enough yet.
        tokio::task::yield_now().await;
        if read_from(&store, 2).await.is_some_and(|page| page.floor == 2) {
            break;
        }
    }
    assert_eq!(ids(&read(&store, "", "s", 2, 9).await), ["c"]);
    assert_eq!(sweep(&store, Retention { events: 0, age_ms: long }).await.0, 0);
}

async fn all_sessions_are_swept_in_small_steps<S: Store>(store: S) {
    for (number, session, pushes) in [(1, "few", 1_u64), (2, "many", 3), (3, "more", 1)] {
        let mut device = Device::new(number, session, "ann");
        for part in 0..pushes {
            let many: Vec<_> =
                (0..400).map(|at| event("plain", &format!("{session}-{part}-{at}"))).collect();
            push(&store, &device.batch(&many)).await;
        }
    }
    let mut device = Device::new(4, "large", "ann");
    for number in 0..8 {
        let large = event_with("plain", &format!("l{number}"), Some(&vec![b'1'; 250 * 1024]));
        push(&store, &device.batch(&[large])).await;
    }
    let kept = Retention { events: 2, age_ms: 0 };
    let (erased, steps) = sweep(&store, kept).await;
    assert_eq!(erased, 398 + 1_198 + 398 + 6);
    assert!(steps as u64 > erased.div_ceil(COMPACT_EVENTS), "{steps} steps");
    assert_eq!(read(&store, "", "many", 1_198, 9).await.floor, 1_198);
    assert_eq!(ids(&read(&store, "", "large", 6, 9).await), ["l6", "l7"]);
    assert_eq!(sweep(&store, kept).await, (0, 1), "once is enough");
}

async fn nothing_is_lost_or_doubled_under_load<S: Store>(store: S) {
    let store = Arc::new(store);
    let is_over = Arc::new(AtomicBool::new(false));
    let swept = tokio::spawn({
        let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
        async move {
            let mut erased = 0;
            while !is_over.load(Ordering::Relaxed) {
                erased += sweep(&*store, LOADED).await.0;
                tokio::task::yield_now().await;
            }
            erased + sweep(&*store, LOADED).await.0
        }
    });
    let quick = tokio::spawn(follow(Arc::clone(&store), 100));
    let slow = tokio::spawn(follow(Arc::clone(&store), 7));
    let folding = tokio::spawn(keep_document(Arc::clone(&store)));
    let writers = (1..=WRITERS).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut device = Device::new(number, "s", "ann");
            let mut words = Vec::new();
            for part in 0..PARTS {
                let batch = device.batch(&load(number, part));
                words.push((told(&push(&*store, &batch).await), batch));
                tokio::task::yield_now().await;
            }
            words
        })
    });
    let mut words = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        words.extend(writer.await.expect("it does not panic"));
    }
    is_over.store(true, Ordering::Relaxed);
    let erased = swept.await.expect("it does not panic");
    assert_eq!(erased, TOTAL - LOADED.events);
    for reader in [quick, slow] {
        let (seen, gaps) = reader.await.expect("it does not panic");
        assert_eq!(seen + gaps, TOTAL, "each was read, or told to be gone");
    }
    let (head, expected) = document(&*store).await;
    assert_eq!(head, TOTAL);
    assert_eq!(folding.await.expect("it does not panic"), expected);

    // Whoever did not hear the answer hears the same, and nothing is taken twice.
    let mut offsets = Vec::new();
    for (word, batch) in words {
        let answer = push(&*store, &batch).await;
        assert_eq!(told(&answer), word);
        offsets.extend(answer.results.iter().filter_map(|result| result.offset));
    }
    let mut other = Device::new(WRITERS + 1, "s", "ann");
    for (number, part) in [(1, 0), (WRITERS, PARTS - 1)] {
        let answer = push(&*store, &other.batch(&load(number, part))).await;
        assert_eq!(answer.log_head, TOTAL, "their ids are known");
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (1..=TOTAL).collect::<Vec<_>>());
    let (file, _) = export(&*store, "s").await;
    let sound = verify(&file[..], &Rules::default()).expect("it is sound");
    assert_eq!((sound.events, sound.erased), (TOTAL, erased));
}

const WRITERS: u8 = 4;
const PARTS: u64 = 12;
const EACH: u64 = 20;
const TOTAL: u64 = WRITERS as u64 * PARTS * EACH;
const LOADED: Retention = Retention { events: 60, age_ms: 0 };

/// A batch of events, the last of which is a patch.
fn load(number: u8, part: u64) -> Vec<Vec<u8>> {
    let events = (1..EACH).map(|at| event("plain", &format!("{number}-{part}-{at}")));
    let (id, value) = (format!("{number}-{part}-p"), format!("{part}"));
    let key = format!("k{}", part % 5);
    let change = patch(&id, number, part, vec![write(&key, &[], Some(&value))]);
    events.chain([change]).collect()
}

/// Reads a log to its end; gives how many events it saw, and how many it was told to be gone.
async fn follow<S: Store>(store: Arc<S>, limit: u32) -> (u64, u64) {
    let (mut after, mut seen, mut gaps) = (0, 0, 0);
    while after < TOTAL {
        match store.page(ask("", "s", after, limit)).await {
            Ok(page) => {
                for event in page.events {
                    assert_eq!(event.offset, after + 1, "none is missed, and none comes twice");
                    assert!(!event.sealed.is_empty());
                    (after, seen) = (event.offset, seen + 1);
                }
            }
            Err(Fault::Compacted { floor, head, .. }) => {
                assert!(floor > after && head >= floor);
                gaps += floor - after;
                after = floor;
            }
            Err(other) => panic!("{other}"),
        }
        tokio::task::yield_now().await;
    }
    (seen, gaps)
}

/// Keeps a document up to date by patches, and reads it anew where they are gone.
async fn keep_document<S: Store>(store: Arc<S>) -> BTreeMap<Box<str>, Entry> {
    let (mut after, mut document) = document(&*store).await;
    while after < TOTAL {
        let ask = PageAsk { which: Which::Patches, ..ask("", "s", after, 3) };
        match store.page(ask).await {
            Ok(page) => after = apply(&mut document, &page),
            Err(Fault::Compacted { .. }) => (after, document) = self::document(&*store).await,
            Err(other) => panic!("{other}"),
        }
        tokio::task::yield_now().await;
    }
    document
}

fn apply(document: &mut BTreeMap<Box<str>, Entry>, page: &LogPage) -> u64 {
    for logged in &page.events {
        let event: Event<'_> = wire::decode(&logged.sealed).expect("it was taken");
        assert_eq!(event.kind, EventKind::Patch);
        let patch: Patch<'_> = wire::decode(event.data.unwrap_or_default()).expect("it was taken");
        let (id, made, page) = (&event.id, event.stamp, event.page);
        let author = Author { id, made, page, taken_at: logged.taken_at, version: logged.offset };
        let changed = fold(|key| document.get(key).cloned(), &patch, author);
        document.extend(changed.iter().map(|(key, entry)| (key.clone(), entry.clone())));
    }
    page.through.expect("a page of patches tells it")
}

async fn document<S: Store>(store: &S) -> (u64, BTreeMap<Box<str>, Entry>) {
    let (tenant, session, after) = ("".into(), "s".into(), "".into());
    let ask = StateAsk { tenant, session, epoch: None, after };
    let snapshot = store.snapshot(ask).await.expect("the store works");
    assert!(!snapshot.more);
    let mut document = BTreeMap::new();
    for (key, entry) in snapshot.entries {
        document.insert(key, wire::decode(&entry).expect("it was encoded"));
    }
    (snapshot.head, document)
}

async fn read_from<S: Store>(store: &S, after: u64) -> Option<LogPage> {
    store.page(ask("", "s", after, 9)).await.ok()
}

/// Sweeps to the end; gives how many bodies are gone, and in how many steps.
pub(crate) async fn sweep<S: Store>(store: &S, kept: Retention) -> (u64, usize) {
    let (mut sweep, mut steps) = (Sweep::new(kept), 0);
    while !sweep.is_done() {
        sweep = store.sweep(sweep).await.expect("the store works");
        steps += 1;
    }
    (sweep.erased(), steps)
}

#[tokio::test]
async fn what_is_gone_stays_gone_after_reopening() {
    let directory = Directory::new();
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&plain(["a", "b", "c", "d", "e", "f"]));
    let store = directory.open();
    push(&store, &batch).await;
    assert_eq!(sweep(&store, LAST_FOUR).await.0, 2);
    drop(store);
    let store = directory.open();
    assert!(matches!(store.page(ask("", "s", 0, 9)).await, Err(Fault::Compacted { floor: 2, .. })));
    assert_eq!(push(&store, &batch).await.log_head, 6);
    assert_eq!(ids(&read(&store, "", "s", 2, 9).await), ["c", "d", "e", "f"]);
}

#[tokio::test]
async fn a_reader_is_told_what_is_gone() {
    let directory = Directory::new();
    let store = directory.open();
    let mut ann = Device::new(1, "s", "ann");
    let epoch = push(&store, &ann.batch(&plain(["a", "b", "c", "d", "e", "f"]))).await.log_epoch;
    sweep(&store, LAST_FOUR).await;
    let router = Setup::default().router_over(store);

    let reply = get(&router, "/v1/events?session=s&after=1").await;
    let problem = reply.json();
    assert_eq!(
        (reply.status, &problem["code"], &problem["floor"]),
        (410, &json!("compacted"), &json!(2))
    );
    let headers = [("accept", "application/cbor")];
    let reply = send(&router, "GET", "/v1/events?session=s&kind=patch&wait=9", &headers, "").await;
    assert_eq!(reply.header("content-type"), PROBLEM_CBOR);
    let problem: Problem = wire::from_cbor(&reply.body, usize::MAX).expect("a problem in CBOR");
    assert_eq!((&*problem.code, problem.floor), ("compacted", Some(2)));
    let page = get(&router, "/v1/events?session=s&after=2").await.json();
    assert_eq!((&page["events"][0]["id"], &page["floor"]), (&json!("c"), &json!(2)));

    // Live, he is told so and then of what comes.
    let mut live = crate::live::Live::open(&router, "session=s&after=1", None).await;
    live.next().await.expect("it is welcome");
    let hint = live.next().await.expect("there is more");
    let data = json!({"epoch": epoch, "head": 6, "code": "compacted", "floor": 2});
    assert_eq!((&*hint.name, hint.data), ("hint", data));
    post(&router, &ann.batch(&plain(["g"]))).await.answer();
    assert_eq!(live.ids(1).await, ["g"]);
    let mut whole = crate::live::Live::open(&router, "session=s&after=2", None).await;
    whole.next().await.expect("it is welcome");
    assert_eq!(whole.ids(5).await, ["c", "d", "e", "f", "g"]);
}
