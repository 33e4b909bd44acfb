//! The page's half, in a window.

#![cfg(target_arch = "wasm32")]

mod support;

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::rows::{Key, Store};
use bellwether_web::alarm::{Alarm, within};
use bellwether_web::channel::{Port, read_message};
use bellwether_web::dom::DomFault;
use bellwether_web::fault::StoreFault;
use bellwether_web::journal::Journal;
use bellwether_web::lifecycle::{Life, Lifecycle};
use bellwether_web::{clock, entropy, store, worker_link};
use futures::future::join_all;
use support::{IMPATIENCE, PATIENCE, channel, idb, js};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

async fn journal(channel: &str) -> Journal {
    Journal::open(channel, PATIENCE).await.expect("the database opens")
}

fn rows(count: usize, filler: u8) -> Vec<Vec<u8>> {
    (0..count).map(|at| vec![filler, (at >> 8) as u8, at as u8]).collect()
}

#[wasm_bindgen_test]
async fn appended_rows_stand_one_after_the_other() {
    let journal = journal(&channel("append")).await;
    assert_eq!(journal.append(&rows(500, 1), true).await, Ok(500));
    assert_eq!(journal.append(&rows(1, 2), false).await, Ok(501));
    let read = journal.read(Store::Journal, 1_000).await.expect("it is read");
    let positions: Vec<Key> = (1..=501).map(Key::Number).collect();
    assert_eq!(read.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), positions);
    assert_eq!(read.iter().map(|(_, row)| row.clone()).take(500).collect::<Vec<_>>(), rows(500, 1));
    assert_eq!(journal.count(Store::Journal).await, Ok(501));
    assert_eq!(journal.read(Store::Journal, 3).await.map(|rows| rows.len()), Ok(3));
    assert_eq!(journal.read(Store::Journal, 0).await.map(|rows| rows.len()), Ok(0));
    let last = journal.read_one(Store::Journal, &Key::Number(501)).await;
    assert_eq!(last, Ok(Some(vec![2, 0, 0])));
    assert_eq!(journal.read_one(Store::Meta, &"device".into()).await, Ok(None));
    assert_eq!(journal.append(&[], true).await, Ok(0));
}

#[wasm_bindgen_test]
async fn appends_of_two_pages_at_once_do_not_mix() {
    let channel = channel("concurrent");
    let pages = [journal(&channel).await, journal(&channel).await];
    let groups: Vec<_> = (0..20_u8).map(|group| rows(10, group)).collect();
    let appends = groups.iter().enumerate().map(|(at, rows)| pages[at % 2].append(rows, true));
    let lasts = join_all(appends).await;
    let all = pages[0].read(Store::Journal, 1_000).await.expect("it is read");
    assert_eq!(all.len(), 200);
    for (last, rows) in lasts.into_iter().zip(groups) {
        let last = last.expect("it is appended") as usize;
        let written: Vec<_> = all[last - 10..last].iter().map(|(_, row)| row.clone()).collect();
        assert_eq!(written, rows);
    }
}

#[wasm_bindgen_test]
async fn a_disk_is_waited_for_if_that_was_asked() {
    let journal = journal(&channel("durability")).await;
    support::watch_durability().await;
    journal.append(&rows(1, 1), true).await.expect("it is appended");
    journal.append(&rows(1, 1), false).await.expect("it is appended");
    assert_eq!(support::durabilities_seen().await, "strict,relaxed");
}

#[wasm_bindgen_test]
async fn a_failed_append_leaves_nothing() {
    let channel = channel("constraint");
    let journal = journal(&channel).await;
    support::exhaust_positions(&channel).await;
    let fault = journal.append(&rows(3, 1), true).await.expect_err("there are only two places");
    assert!(matches!(&fault, StoreFault::Failed { name, .. } if &**name == "ConstraintError"));
    assert_eq!(fault.code(), "store-failed");
    assert_eq!(journal.count(Store::Journal).await, Ok(1));
    assert_eq!(journal.append(&rows(2, 1), true).await, Ok(1 << 53));
}

/// A full disk shows as an abort with a reason, after every request has succeeded.
#[wasm_bindgen_test]
async fn a_full_disk_is_told_by_its_name() {
    let journal = journal(&channel("quota")).await;
    js(
        "",
        "globalThis.add = IDBObjectStore.prototype.add;
         globalThis.error = Object.getOwnPropertyDescriptor(IDBTransaction.prototype, 'error');
         Object.defineProperty(IDBTransaction.prototype, 'error', {
             configurable: true,
             get: () => new DOMException('no room', 'QuotaExceededError'),
         });
         IDBTransaction.prototype.commit_ = IDBTransaction.prototype.commit;
         IDBTransaction.prototype.commit = () => {};
         IDBObjectStore.prototype.add = function (row) {
             const request = globalThis.add.call(this, row);
             request.addEventListener('success', () => this.transaction.abort());
             return request;
         };",
    )
    .await;
    let full = journal.append(&rows(1, 1), true).await;
    js(
        "",
        "IDBObjectStore.prototype.add = globalThis.add;
         IDBTransaction.prototype.commit = IDBTransaction.prototype.commit_;
         Object.defineProperty(IDBTransaction.prototype, 'error', globalThis.error);",
    )
    .await;
    assert_eq!(full, Err(StoreFault::Quota));
    assert_eq!(journal.count(Store::Journal).await, Ok(0));
}

#[wasm_bindgen_test]
async fn an_append_that_nobody_awaits_any_more_is_whole_or_nothing() {
    let journal = journal(&channel("dropped")).await;
    let gone = within(Duration::ZERO, journal.append(&rows(300, 1), true)).await;
    let found = journal.count(Store::Journal).await.expect("it is counted");
    assert!(found == 300 || (found == 0 && gone.is_none()), "{found}");
}

#[wasm_bindgen_test]
async fn an_upgrade_is_let_through_and_the_next_use_opens_again() {
    let channel = channel("versionchange");
    let journal = journal(&channel).await;
    assert_eq!(journal.append(&rows(1, 1), true).await, Ok(1));
    idb(&channel, "(await open(2)).close()").await;
    assert_eq!(journal.append(&rows(1, 1), true).await, Ok(2));
    let (one, two) = (rows(1, 1), rows(1, 2));
    idb(&channel, "(await open(3)).close()").await;
    let both = join_all([journal.append(&one, true), journal.append(&two, true)]).await;
    assert_eq!(both, [Ok(3), Ok(4)]);
    idb(&channel, "(await open(4)).close()").await;
}

#[wasm_bindgen_test]
async fn a_deleted_database_is_made_anew() {
    let channel = channel("deleted");
    let journal = journal(&channel).await;
    assert_eq!(journal.append(&rows(7, 1), true).await, Ok(7));
    idb(&channel, "await gone()").await;
    assert_eq!(journal.append(&rows(1, 1), true).await, Ok(1));
    journal.close();
    idb(&channel, "await gone()").await;
    assert_eq!(journal.count(Store::Journal).await, Ok(0));
}

/// Browsers may close a handle without a word; what is left throws `InvalidStateError`.
#[wasm_bindgen_test]
async fn a_handle_that_died_silently_is_replaced() {
    let channel = channel("dead");
    js(
        "",
        "globalThis.handles = [];
         globalThis.plain ??= IDBDatabase.prototype.transaction;
         IDBDatabase.prototype.transaction = function (...all) {
             handles.push(this);
             return globalThis.plain.apply(this, all);
         };",
    )
    .await;
    let journal = journal(&channel).await;
    assert_eq!(journal.append(&rows(1, 1), true).await, Ok(1));
    js("", "IDBDatabase.prototype.transaction = plain; handles.forEach(it => it.close())").await;
    assert_eq!(journal.append(&rows(1, 1), true).await, Ok(2));
}

#[wasm_bindgen_test]
async fn an_opening_that_comes_too_late_stands_in_nobodys_way() {
    let channel = channel("held");
    journal(&channel).await.close();
    idb(
        &channel,
        "globalThis.held = await open(1);
         globalThis.upgrading = open(2);",
    )
    .await;
    let late = Journal::open(&channel, IMPATIENCE).await;
    assert_eq!(late.expect_err("it is held"), StoreFault::Timeout);
    let freed = idb(&channel, "held.close(); (await upgrading).close(); await gone()");
    assert!(within(PATIENCE, freed).await.is_some());
    assert_eq!(journal(&channel).await.append(&rows(1, 1), true).await, Ok(1));
}

#[wasm_bindgen_test]
async fn a_database_that_lacks_stores_gets_them() {
    let channel = channel("bare");
    idb(&channel, "globalThis.bare = await open(1)").await;
    let blocked = Journal::open(&channel, IMPATIENCE).await;
    assert_eq!(blocked.expect_err("it is open in another page"), StoreFault::Blocked);
    idb(&channel, "bare.close()").await;
    assert_eq!(journal(&channel).await.append(&rows(1, 1), true).await, Ok(1));
}

#[wasm_bindgen_test]
async fn stores_of_others_and_newer_versions_are_left_alone() {
    let channel = channel("newer");
    idb(
        &channel,
        "const request = indexedDB.open(name, 9);
         request.onupgradeneeded = () => request.result.createObjectStore('theirs');
         (await settled(request)).close()",
    )
    .await;
    journal(&channel).await;
    let stores = idb(&channel, "return [...(await open()).objectStoreNames].join()").await;
    assert!(stores.as_string().expect("a text").contains("theirs"));
}

#[wasm_bindgen_test]
async fn page_and_coordinator_make_the_same_database() {
    const LIST: &str = "
        const db = await open();
        const names = [...db.objectStoreNames];
        const stores = names.map(name => db.transaction(name).objectStore(name));
        db.close();
        return `${db.version} ` + stores.map(it => `${it.name}:${it.keyPath}:${it.autoIncrement}`).join();";
    let (page, worker) = (channel("schema-page"), channel("schema-worker"));
    journal(&page).await;
    store::Store::open(&worker, PATIENCE).await.expect("the database opens");
    let (page, worker) = (idb(&page, LIST).await, idb(&worker, LIST).await);
    assert_eq!(page, worker);
    let expected = "1 cursor:null:false,dead:null:false,document:null:false,done:null:false,\
        flight:null:false,idle:null:false,journal:null:true,kv:null:false,lease:null:false,\
        meta:null:false,retained:null:false,stream:null:false";
    assert_eq!(page.as_string().as_deref(), Some(expected));
}

#[wasm_bindgen_test]
async fn without_a_database_it_says_so() {
    js(
        "",
        "globalThis.factory = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB');
         Object.defineProperty(globalThis, 'indexedDB', {
             configurable: true,
             get: () => { throw new DOMException('switched off', 'SecurityError'); },
         })",
    )
    .await;
    let page = Journal::open("none", PATIENCE).await;
    let worker = store::Store::open("none", PATIENCE).await;
    js("", "Object.defineProperty(globalThis, 'indexedDB', factory)").await;
    assert_eq!(page.expect_err("there is none"), StoreFault::Unavailable("switched off".into()));
    assert_eq!(worker.expect_err("there is none").code(), "store-unavailable");
    journal(&channel("back")).await;
}

#[wasm_bindgen_test]
fn a_stores_fault_can_be_shown() {
    let failed = StoreFault::Failed { name: "UnknownError".into(), message: "lost".into() };
    assert_eq!(failed.to_string(), "the database failed: UnknownError: lost");
    assert_eq!(StoreFault::Quota.to_string(), "the disk is full");
    assert_eq!(StoreFault::Unavailable("".into()).to_string(), "there is no database");
    let thrown: JsValue = js_sys::RangeError::new("too far").into();
    assert_eq!(DomFault::new(&thrown).to_string(), "RangeError: too far");
    assert_eq!(&*DomFault::new(&JsValue::from_str("a text")).message, "a text");
    assert_eq!(&*DomFault::new(&JsValue::UNDEFINED).name, "");
}

#[wasm_bindgen_test]
async fn an_alarm_rings_once_at_the_time_set_last() {
    let rung = Rc::new(RefCell::new(Vec::new()));
    let ring = |name: &'static str| {
        let rung = Rc::clone(&rung);
        move || rung.borrow_mut().push(name)
    };
    let alarm = Alarm::default();
    alarm.set(Some(Duration::from_millis(1)), ring("moved"));
    alarm.set(Some(Duration::MAX), ring("never"));
    alarm.set(Some(Duration::from_millis(20)), ring("set"));
    let dropped = Alarm::default();
    dropped.set(Some(Duration::from_millis(1)), ring("dropped"));
    drop(dropped);
    let taken = Alarm::default();
    taken.set(Some(Duration::from_millis(1)), ring("taken"));
    taken.set(None, || {});
    assert_eq!(within(Duration::from_millis(60), core::future::pending::<()>()).await, None);
    assert_eq!(*rung.borrow(), ["set"]);
    assert_eq!(within(PATIENCE, async { 7 }).await, Some(7));
}

/// The alarm's own closure is running when it sets the alarm again.
#[wasm_bindgen_test]
async fn an_alarm_may_be_set_by_its_own_ring() {
    let alarm = Rc::new(Alarm::default());
    let rung = Rc::new(RefCell::new(0));
    let (again, count) = (Rc::clone(&alarm), Rc::clone(&rung));
    alarm.set(Some(Duration::from_millis(1)), move || {
        *count.borrow_mut() += 1;
        let count = Rc::clone(&count);
        again.set(Some(Duration::from_millis(1)), move || *count.borrow_mut() += 1);
    });
    within(Duration::from_millis(60), core::future::pending::<()>()).await;
    assert_eq!(*rung.borrow(), 2);
}

#[wasm_bindgen_test]
fn clocks_and_dice_are_there() {
    let (earlier, later) = (clock::now(), clock::now());
    assert!(earlier.mono <= later.mono);
    assert!(earlier.wall.0 > 1_700_000_000_000);
    assert_ne!(entropy::seed(), entropy::seed());
    assert_ne!(entropy::bytes::<16>(), [0; 16]);
}

#[wasm_bindgen_test]
async fn a_port_carries_bytes_of_its_channel_and_nothing_else() {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hear = || {
        let heard = Rc::clone(&heard);
        move |bytes: Vec<u8>| heard.borrow_mut().push(bytes)
    };
    let (near, far) = Port::pair("ours", hear()).expect("ports are there");
    let far = Port::new(far, "ours", hear());
    near.post(&[1]);
    far.post(&[2, 2]);
    let (near, far) = Port::pair("ours", hear()).expect("ports are there");
    let far = Port::new(far, "theirs", hear());
    near.post(&[3]);
    far.post(&[4]);
    within(Duration::from_millis(60), core::future::pending::<()>()).await;
    heard.borrow_mut().sort();
    assert_eq!(*heard.borrow(), [vec![1], vec![2, 2]]);
}

#[wasm_bindgen_test]
async fn only_a_message_of_ours_is_read_as_one() {
    #[rustfmt::skip]
    let cases = [
        ("ours",              "{bellwether: 'c', m: new Uint8Array([7])}",       true),
        ("no bytes",          "{bellwether: 'c', m: [7]}",                       false),
        ("another view",      "{bellwether: 'c', m: new Uint16Array([7])}",      false),
        ("no channel",        "{m: new Uint8Array([7])}",                        false),
        ("channel no text",   "{bellwether: 1, m: new Uint8Array([7])}",         false),
        ("channel too long",  "{bellwether: 'c'.repeat(201), m: new Uint8Array([7])}", false),
        ("too large",         "{bellwether: 'c', m: new Uint8Array(2 ** 22 + 1)}", false),
        ("throws",            "{get bellwether() { throw 1 }, m: new Uint8Array([7])}", false),
        ("a text",            "'bellwether'",                                    false),
        ("null",              "null",                                            false),
        ("undefined",         "undefined",                                       false),
    ];
    for (shows, data, ours) in cases {
        let data = js("", &format!("return {data}")).await;
        let expected = ours.then(|| (String::from("c"), vec![7]));
        assert_eq!(read_message(&data), expected, "{shows}");
    }
}

#[wasm_bindgen_test]
async fn the_pages_life_is_heard_until_nobody_listens() {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hear = Rc::clone(&heard);
    let lifecycle = Lifecycle::new(move |life| hear.borrow_mut().push(life));
    const EVENTS: &str = "
        for (const kind of ['freeze', 'resume']) document.dispatchEvent(new Event(kind));
        for (const kind of ['online', 'offline']) dispatchEvent(new Event(kind));
        for (const kind of ['pagehide', 'pageshow'])
            dispatchEvent(new PageTransitionEvent(kind, {persisted: true}));
        dispatchEvent(new Event('pagehide'));";
    js("", EVENTS).await;
    drop(lifecycle);
    js("", EVENTS).await;
    let expected = [
        Life::Frozen,
        Life::Resumed,
        Life::Online,
        Life::Offline,
        Life::Left { may_return: true },
        Life::Entered { returned: true },
        Life::Left { may_return: false },
    ];
    assert_eq!(*heard.borrow(), expected);
    assert!(bellwether_web::lifecycle::online());
}

#[wasm_bindgen_test]
async fn a_worker_is_asked_on_a_port_of_its_own() {
    assert!(worker_link::supported());
    let working = "const {bellwether, probe} = message;
        transfer[0].postMessage({bellwether, build: probe === true ? 'b7' : '?'});";
    for (answers, build) in [(working, Some("b7")), ("", None), ("throw new Error('gone')", None)] {
        let worker = format!("return {{postMessage: (message, transfer) => {{ {answers} }}}}");
        let worker: web_sys::ServiceWorker = js("", &worker).await.unchecked_into();
        let answer = worker_link::probe(&worker, "c", IMPATIENCE).await;
        assert_eq!(answer.as_deref(), build, "{answers}");
    }
}

#[wasm_bindgen_test]
async fn a_worker_that_cannot_be_had_is_a_fault() {
    let fault = worker_link::register("/there-is-none.js", None).await;
    assert_ne!(&*fault.expect_err("there is none").name, "");
    assert!(worker_link::registration("/").await.expect("it is looked up").is_none());
    assert!(worker_link::controller().is_none());
    assert!(worker_link::Inbox::new("c", |_| {}).is_some());
}
