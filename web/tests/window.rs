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
use bellwether_web::journal::{self, Done};
use bellwether_web::link::{self, Heard, Link};
use bellwether_web::{clock, entropy, store, task};
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use futures::future::join_all;
use support::{IMPATIENCE, PATIENCE, channel, idb, js};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// A journal whose calls are awaited.
struct Journal(journal::Journal);

impl Journal {
    async fn open(channel: &str, patience: Duration) -> Result<Self, StoreFault> {
        let journal = journal::Journal::new(channel, patience);
        awaited(|done| journal.open(done)).await.map(|()| Self(journal))
    }

    async fn append(&self, rows: &[Vec<u8>], strict: bool) -> Result<u64, StoreFault> {
        awaited(|done| self.0.append(rows, strict, done)).await
    }

    async fn read(
        &self,
        store: Store,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        awaited(|done| self.0.read(store, after, limit, done)).await
    }

    async fn count(&self, store: Store) -> Result<u64, StoreFault> {
        awaited(|done| self.0.count(store, done)).await
    }
}

async fn awaited<T: 'static>(call: impl FnOnce(Done<T>)) -> Result<T, StoreFault> {
    let (sender, receiver) = oneshot::channel();
    call(Box::new(|result| drop(sender.send(result))));
    receiver.await.expect("it is called once")
}

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
    let read = journal.read(Store::Journal, None, 1_000).await.expect("it is read");
    let positions: Vec<Key> = (1..=501).map(Key::Number).collect();
    assert_eq!(read.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), positions);
    assert_eq!(read.iter().map(|(_, row)| row.clone()).take(500).collect::<Vec<_>>(), rows(500, 1));
    assert_eq!(journal.count(Store::Journal).await, Ok(501));
    for (after, limit, count) in
        [(None, 3, 3), (None, 0, 501), (Some(499), 0, 2), (Some(501), 9, 0)]
    {
        let read = journal.read(Store::Journal, after, limit).await;
        assert_eq!(read.map(|rows| rows.len()), Ok(count), "{after:?}, {limit}");
    }
    let last = journal.read(Store::Journal, Some(500), 1).await;
    assert_eq!(last, Ok(vec![(Key::Number(501), vec![2, 0, 0])]));
    assert_eq!(journal.append(&[], true).await, Ok(0));
}

#[wasm_bindgen_test]
async fn appends_of_two_pages_at_once_do_not_mix() {
    let channel = channel("concurrent");
    let pages = [journal(&channel).await, journal(&channel).await];
    let groups: Vec<_> = (0..20_u8).map(|group| rows(10, group)).collect();
    let appends = groups.iter().enumerate().map(|(at, rows)| pages[at % 2].append(rows, true));
    let lasts = join_all(appends).await;
    let all = pages[0].read(Store::Journal, None, 1_000).await.expect("it is read");
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
    journal.0.close();
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
    journal(&channel).await.0.close();
    idb(
        &channel,
        "globalThis.held = await open(1);
         globalThis.upgrading = open(2);",
    )
    .await;
    let late = Journal::open(&channel, IMPATIENCE).await;
    assert_eq!(late.err(), Some(StoreFault::Timeout));
    let freed = idb(&channel, "held.close(); (await upgrading).close(); await gone()");
    assert!(within(PATIENCE, freed).await.is_some());
    assert_eq!(journal(&channel).await.append(&rows(1, 1), true).await, Ok(1));
}

#[wasm_bindgen_test]
async fn a_database_that_lacks_stores_gets_them() {
    let channel = channel("bare");
    idb(&channel, "globalThis.bare = await open(1)").await;
    let blocked = Journal::open(&channel, IMPATIENCE).await;
    assert_eq!(blocked.err(), Some(StoreFault::Blocked));
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
    assert_eq!(page.err(), Some(StoreFault::Unavailable("switched off".into())));
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

/// Those who wait for their turn have it in their order, and after what is done in this one.
#[wasm_bindgen_test]
async fn what_is_to_be_done_soon_is_done_after_this_turn() {
    let done = Rc::new(RefCell::new(Vec::new()));
    for at in 1..=3 {
        let done = Rc::clone(&done);
        task::soon(move || done.borrow_mut().push(at));
    }
    assert!(done.borrow().is_empty());
    js("", "").await;
    assert_eq!(*done.borrow(), [1, 2, 3]);
}

/// A link, and what it hears.
fn link(url: &str) -> (Link, Rc<RefCell<Vec<Heard>>>) {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hear = Rc::clone(&heard);
    let link = Link::new("c", Some(url), None, move |it| hear.borrow_mut().push(it));
    (link, heard)
}

#[wasm_bindgen_test]
async fn the_pages_life_is_heard_until_nobody_listens() {
    let (link, heard) = link("");
    link.start();
    const EVENTS: &str = "
        for (const kind of ['freeze', 'resume', 'visibilitychange']) document.dispatchEvent(new Event(kind));
        for (const kind of ['online', 'offline']) dispatchEvent(new Event(kind));
        dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}));
        Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => 'hidden'});
        document.dispatchEvent(new Event('visibilitychange'));
        delete document.visibilityState;
        dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}));
        document.dispatchEvent(new Event('visibilitychange'));
        for (const kind of ['pagehide', 'pageshow']) dispatchEvent(new Event(kind));";
    js("", EVENTS).await;
    drop(link);
    js("", EVENTS).await;
    let expected = [
        Heard::Returned,
        Heard::Visible(link::visible()),
        Heard::Online(true),
        Heard::Online(false),
        Heard::Left { may_return: true },
        Heard::Left { may_return: true },
        Heard::Returned,
        Heard::Visible(link::visible()),
        Heard::Left { may_return: false },
    ];
    let is_life = |heard: &&Heard| !matches!(heard, Heard::Failed(_));
    assert_eq!(heard.borrow().iter().filter(is_life).cloned().collect::<Vec<_>>(), expected);
    assert!(link::online());
}

#[wasm_bindgen_test]
async fn a_link_wakes_once_at_the_time_asked_for_last() {
    let (link, heard) = link("");
    link.wake(Some(Duration::from_millis(1)));
    link.wake(Some(Duration::MAX));
    link.wake(Some(Duration::from_millis(20)));
    let (rested, early) = self::link("");
    rested.wake(Some(Duration::from_millis(1)));
    rested.wake(None);
    let (gone, late) = self::link("");
    gone.wake(Some(Duration::from_millis(1)));
    drop(gone);
    assert_eq!(within(Duration::from_millis(60), core::future::pending::<()>()).await, None);
    assert_eq!(*heard.borrow(), [Heard::Timeout]);
    assert!(early.borrow().is_empty() && late.borrow().is_empty());
}

#[wasm_bindgen_test]
async fn only_messages_of_its_channel_are_for_a_link() {
    let (link, heard) = link("");
    link.start();
    #[rustfmt::skip]
    let cases = [
        ("ours",             "{bellwether: 'c', m: new Uint8Array([7])}",             Some(Heard::Message(vec![7]))),
        ("another channel",  "{bellwether: 'd', m: new Uint8Array([7])}",             None),
        ("no bytes",         "{bellwether: 'c', m: [7]}",                             None),
        ("another view",     "{bellwether: 'c', m: new Uint16Array([7])}",            None),
        ("no channel",       "{m: new Uint8Array([7])}",                              None),
        ("too large",        "{bellwether: 'c', m: new Uint8Array(2 ** 22 + 1)}",     None),
        ("a failure",        "{bellwether: 'c', failed: 'f', message: 'words'}",      Some(Heard::Failed("words".into()))),
        ("no words",         "{bellwether: 'c', failed: 'f', message: 7}",            None),
        ("a text",           "'bellwether'",                                          None),
        ("null",             "null",                                                  None),
    ];
    js("", "").await;
    for (shows, data, expected) in cases {
        heard.borrow_mut().clear();
        let message = format!(
            "navigator.serviceWorker.dispatchEvent(new MessageEvent('message', {{data: {data}}}))"
        );
        js("", &message).await;
        assert_eq!(heard.borrow().first(), expected.as_ref(), "{shows}");
    }
}

#[wasm_bindgen(module = "/src/link.js")]
extern "C" {
    fn probe(worker: &JsValue, channel: &str, ms: u32) -> js_sys::Promise;
}

#[wasm_bindgen_test]
async fn a_worker_is_asked_on_a_port_of_its_own() {
    let working = "const {bellwether, probe} = message;
        transfer[0].postMessage({bellwether, build: probe === true ? 'b7' : 7});";
    for (answers, speaks) in [(working, true), ("", false), ("throw new Error('gone')", false)] {
        let worker = format!("return {{postMessage: (message, transfer) => {{ {answers} }}}}");
        let worker = js("", &worker).await;
        let answer = wasm_bindgen_futures::JsFuture::from(probe(&worker, "c", 400)).await;
        assert_eq!(answer, Ok(JsValue::from_bool(speaks)), "{answers}");
    }
}

#[wasm_bindgen_test]
async fn why_there_is_no_worker_is_said() {
    for (url, why) in [
        ("", "service worker: switched off by the option `worker` or `hosts`"),
        ("/there-is-none.js", "service worker: "),
    ] {
        let (sender, mut heard) = mpsc::unbounded();
        let link = Link::new("c", Some(url), None, move |it| drop(sender.unbounded_send(it)));
        link.start();
        let heard = within(PATIENCE, heard.next()).await.flatten();
        let Some(Heard::Failed(told)) = &heard else { panic!("{url}: {heard:?}") };
        assert!(told.starts_with(why), "{told}");
    }
}
