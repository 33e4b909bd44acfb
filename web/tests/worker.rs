//! The coordinator's half, in a dedicated worker.

#![cfg(target_arch = "wasm32")]

mod support;

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{Epoch, PageId, Wall};
use bellwether_shared::rows::{
    self, HostKind, Key, LEASE_HOST, LeaseRow, META_CONFIG, Op, Store as Place, WriteBatch,
};
use bellwether_shared::wire::{KeyKind, to_cbor};
use bellwether_web::fault::StoreFault;
use bellwether_web::store::{Boot, Store};
use bellwether_web::{registry, schema, sentinel, sign};
use futures::future::join_all;
use js_sys::{Function, Promise, Uint8Array};
use rexie::{Rexie, TransactionMode};
use support::{IMPATIENCE, PATIENCE, channel, idb, js};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn store(channel: &str) -> Store {
    Store::open(channel, PATIENCE).await.expect("the database opens")
}

/// What a worker does at boot: raise the epoch by one.
fn take(found: Option<&[u8]>) -> Option<Vec<u8>> {
    let before = found.map(|row| rows::read::<LeaseRow>(row).expect("a lease can be read"));
    let taken =
        LeaseRow::taken(before.as_ref(), PageId::default(), HostKind::Worker, "", Wall::default());
    Some(to_cbor(&taken))
}

fn epoch(boot: &Boot) -> u64 {
    let row = boot.lease.as_deref().expect("there is a lease");
    rows::read::<LeaseRow>(row).expect("a lease can be read").epoch.0
}

/// A store that has booted under epoch 1.
async fn booted(channel: &str) -> Store {
    let store = store(channel).await;
    assert_eq!(epoch(&store.boot(take).await.expect("it boots")), 1);
    store
}

fn batch(epoch: u64, ops: Vec<Op>) -> WriteBatch {
    WriteBatch { epoch: Epoch(epoch), holder: PageId::default(), strict: true, ops }
}

fn put(store: Place, key: Key, row: &[u8]) -> Op {
    Op::Put { store, key, row: row.to_vec() }
}

fn numbers(rows: &[(u64, Vec<u8>)]) -> Vec<u64> {
    rows.iter().map(|(number, _)| *number).collect()
}

#[wasm_bindgen_test]
async fn each_boot_raises_the_epoch_by_one() {
    let channel = channel("boot");
    let store = booted(&channel).await;
    let second = store.boot(take).await.expect("it boots");
    assert!(second.taken);
    assert_eq!(epoch(&second), 2);
    let left = store.boot(|found| found.and(None)).await.expect("it is read");
    assert!(!left.taken);
    assert_eq!(epoch(&left), 2);
}

#[wasm_bindgen_test]
async fn boots_at_once_are_one_after_the_other() {
    let channel = channel("boots");
    let stores = join_all((0..6).map(|_| store(&channel))).await;
    let boots = join_all(stores.iter().map(|store| store.boot(take))).await;
    let mut epochs: Vec<u64> =
        boots.iter().map(|boot| epoch(boot.as_ref().expect("it boots"))).collect();
    epochs.sort_unstable();
    assert_eq!(epochs, [1, 2, 3, 4, 5, 6]);
}

#[wasm_bindgen_test]
async fn a_boot_reads_all_that_a_coordinator_starts_from() {
    let store = booted(&channel("boot-all")).await;
    let empty = store.boot(|_| None).await.expect("it is read");
    assert_eq!((empty.dead, empty.answered, empty.device), (0, 0, None));
    assert!(empty.signing.is_none() && empty.config.is_none() && empty.streams.is_empty());
    let ops = vec![
        put(Place::Meta, META_CONFIG.into(), &[1]),
        put(Place::Stream, "b".into(), &[3]),
        put(Place::Stream, "a".into(), &[2]),
        put(Place::Flight, "f".into(), &[4]),
        put(Place::Cursor, "c".into(), &[5]),
        put(Place::Dead, "d".into(), &[6]),
        put(Place::Dead, "e".into(), &[7]),
        put(Place::Done, Key::Number(90), &[8]),
        put(Place::Done, Key::Number(120), &[9]),
    ];
    store.commit(&batch(1, ops)).await.expect("it is written");
    let (pair, ..) = sign::generate().await.expect("keys are made");
    store.mint(&[10], &pair, false).await.expect("it is minted");
    let boot = store.boot(take).await.expect("it boots");
    assert_eq!(epoch(&boot), 2);
    assert_eq!(boot.config.as_deref(), Some(&[1][..]));
    assert_eq!(boot.device.as_deref(), Some(&[10][..]));
    assert!(boot.signing.is_some());
    assert_eq!(boot.streams, [[2], [3]]);
    assert_eq!(boot.flights, [("f".into(), vec![4])]);
    assert_eq!(boot.cursors, [[5]]);
    assert_eq!((boot.dead, boot.answered), (2, 120));
}

#[wasm_bindgen_test]
async fn a_batch_of_the_right_epoch_is_written() {
    let store = booted(&channel("commit")).await;
    let rows = |count: u8| (1..=count).map(|row| Op::Append { row: vec![row] });
    support::watch_durability().await;
    store.commit(&batch(1, rows(9).collect())).await.expect("it is written");
    let mut relaxed = batch(1, vec![put(Place::Kv, "k".into(), &[1])]);
    relaxed.strict = false;
    store.commit(&relaxed).await.expect("it is written");
    assert_eq!(support::durabilities_seen().await, "strict,relaxed");
    let ops = vec![
        Op::DeleteSpan { store: Place::Journal, from: 2, through: 4 },
        Op::DeleteSpan { store: Place::Journal, from: 9, through: 8 },
        Op::DeleteSpan { store: Place::Done, from: 0, through: u64::MAX },
        Op::Delete { store: Place::Journal, key: Key::Number(7) },
        Op::Delete { store: Place::Kv, key: "k".into() },
        Op::Append { row: vec![10] },
        put(Place::Kv, "k".into(), &[2]),
        put(Place::Kv, "k".into(), &[3]),
    ];
    store.commit(&batch(1, ops)).await.expect("it is written");
    let journal = store.read_numbers(Place::Journal, 0, 100).await.expect("it is read");
    assert_eq!(numbers(&journal), [1, 5, 6, 8, 9, 10]);
    assert!(journal.iter().all(|(number, row)| row == &[*number as u8]));
    assert_eq!(store.read_one(Place::Kv, &"k".into()).await, Ok(Some(vec![3])));
    store.commit(&batch(1, Vec::new())).await.expect("nothing is written");
}

#[wasm_bindgen_test]
async fn a_batch_of_another_epoch_writes_nothing() {
    let channel = channel("fenced");
    let (old, new) = (booted(&channel).await, store(&channel).await);
    new.boot(take).await.expect("it boots");
    let ops = || vec![Op::Append { row: vec![1] }, put(Place::Kv, "k".into(), &[1])];
    for epoch in [1, 3] {
        let refused = old.commit(&batch(epoch, ops())).await;
        assert_eq!(refused, Err(StoreFault::Fenced { found: Epoch(2) }));
    }
    assert_eq!(old.count(Place::Journal).await, Ok(0));
    assert_eq!(old.read_one(Place::Kv, &"k".into()).await, Ok(None));
    new.commit(&batch(2, ops())).await.expect("it is written");
    // What was rolled back has used up no position that would be seen as a hole that matters.
    assert_eq!(new.count(Place::Journal).await, Ok(1));
}

// The browser takes a database away, and another worker boots on the next one: it counts from 1 again.
#[wasm_bindgen_test]
async fn a_batch_of_another_holder_writes_nothing_though_its_epoch_is_the_same() {
    let channel = channel("same-epoch");
    let old = booted(&channel).await;
    idb(&channel, "await gone()").await;
    let new = booted(&channel).await;
    let of = |holder, ops| WriteBatch { holder, ..batch(1, ops) };
    let refused = old.commit(&of(PageId([1; 16]), vec![Op::Append { row: vec![1] }])).await;
    assert_eq!(refused, Err(StoreFault::Fenced { found: Epoch(1) }));
    assert_eq!(new.count(Place::Journal).await, Ok(0));
    let written = new.commit(&of(PageId::default(), vec![Op::Append { row: vec![1] }])).await;
    assert_eq!(written, Ok(()));
}

#[wasm_bindgen_test]
async fn without_a_lease_nothing_is_written() {
    let store = store(&channel("no-lease")).await;
    let refused = store.commit(&batch(1, vec![Op::Append { row: vec![1] }])).await;
    assert_eq!(refused, Err(StoreFault::Fenced { found: Epoch(0) }));
    assert_eq!(store.count(Place::Journal).await, Ok(0));
}

#[wasm_bindgen_test]
async fn a_lease_of_a_newer_build_still_fences() {
    let channel = channel("newer-lease");
    let store = booted(&channel).await;
    let newer = |found: Option<&[u8]>| {
        let mut lease = rows::read::<LeaseRow>(found?).ok()?;
        lease.version = 99;
        lease.epoch = Epoch(5);
        Some(to_cbor(&lease))
    };
    store.boot(newer).await.expect("it boots");
    let refused = store.commit(&batch(1, Vec::new())).await;
    assert_eq!(refused, Err(StoreFault::Fenced { found: Epoch(5) }));
    store.commit(&batch(5, Vec::new())).await.expect("it holds");
}

#[wasm_bindgen_test]
async fn a_batch_that_fails_in_the_middle_writes_nothing() {
    let channel = channel("constraint");
    let store = booted(&channel).await;
    support::exhaust_positions(&channel).await;
    let mut ops = vec![put(Place::Kv, "k".into(), &[1])];
    ops.extend((0..3).map(|row| Op::Append { row: vec![row] }));
    ops.push(put(Place::Kv, "l".into(), &[1]));
    let fault = store.commit(&batch(1, ops)).await.expect_err("there are only two places");
    assert!(matches!(&fault, StoreFault::Failed { name, .. } if &**name == "ConstraintError"));
    assert_eq!(store.count(Place::Kv).await, Ok(0));
    assert_eq!(store.count(Place::Journal).await, Ok(1));
}

/// A request that is refused before it is made: the ones before it must not be written either.
#[wasm_bindgen_test]
async fn a_batch_that_throws_in_the_middle_writes_nothing() {
    let store = booted(&channel("throws")).await;
    let ops = vec![
        put(Place::Kv, "k".into(), &[1]),
        put(Place::Journal, Key::Number(1 << 60), &[1]),
        Op::Append { row: vec![1] },
    ];
    js(
        "",
        "globalThis.add = IDBObjectStore.prototype.add;
         IDBObjectStore.prototype.add = () => { throw new DOMException('no', 'DataError') };",
    )
    .await;
    let fault = store.commit(&batch(1, ops)).await.expect_err("it throws");
    js("", "IDBObjectStore.prototype.add = add").await;
    assert_eq!(fault.to_string(), "the database failed: DataError: no");
    assert_eq!(store.count(Place::Kv).await, Ok(0));
    assert_eq!(store.count(Place::Journal).await, Ok(0));
}

#[wasm_bindgen_test]
async fn numbers_are_read_from_any_place_on() {
    let store = booted(&channel("numbers")).await;
    let mut ops: Vec<Op> = (0..30).map(|row| Op::Append { row: vec![row] }).collect();
    ops.push(put(Place::Journal, "a text".into(), &[0]));
    ops.push(Op::DeleteSpan { store: Place::Journal, from: 5, through: 25 });
    store.commit(&batch(1, ops)).await.expect("it is written");
    let read = async |after, limit| {
        numbers(&store.read_numbers(Place::Journal, after, limit).await.expect("it is read"))
    };
    assert_eq!(read(0, 3).await, [1, 2, 3]);
    assert_eq!(read(3, 3).await, [4, 26, 27]);
    assert_eq!(read(29, 100).await, [30]);
    assert!(read(30, 100).await.is_empty());
    assert!(read(0, 0).await.is_empty());
    assert!(read(u64::MAX, 9).await.is_empty());
    let all = store.read(Place::Journal, 100).await.expect("it is read");
    assert_eq!(all.len(), 10);
    assert_eq!(all[9].0, "a text".into());
    assert_eq!(store.read_one(Place::Lease, &"nobody".into()).await, Ok(None));
    assert!(store.read_one(Place::Lease, &LEASE_HOST.into()).await.is_ok_and(|row| row.is_some()));
}

/// The database as a library that knows nothing of us opens it.
async fn rexie(channel: &str) -> Rexie {
    let name = schema::database_name(channel);
    Rexie::builder(&name).build().await.expect("it opens")
}

fn bytes(row: Option<JsValue>) -> Option<Vec<u8>> {
    row.map(|row| row.unchecked_into::<Uint8Array>().to_vec())
}

#[wasm_bindgen_test]
async fn what_the_store_wrote_any_library_can_read() {
    let channel = channel("read-by-rexie");
    let store = booted(&channel).await;
    let ops = vec![
        put(Place::Stream, "s".into(), &[1]),
        put(Place::Done, Key::Number(7), &[2]),
        Op::Append { row: vec![3] },
        Op::Append { row: vec![4] },
        put(Place::Dead, "gone".into(), &[5]),
        Op::Delete { store: Place::Dead, key: "gone".into() },
    ];
    store.commit(&batch(1, ops)).await.expect("it is written");
    let rexie = rexie(&channel).await;
    let mut names = rexie.store_names();
    let mut expected = Place::ALL.map(Place::name);
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    let transaction = rexie.transaction(&expected, TransactionMode::ReadOnly).expect("it begins");
    #[rustfmt::skip]
    let cases = [
        // store,        key,                      row
        (Place::Stream,  JsValue::from("s"),       Some(vec![1])),
        (Place::Done,    JsValue::from(7),         Some(vec![2])),
        (Place::Journal, JsValue::from(1),         Some(vec![3])),
        (Place::Journal, JsValue::from(2),         Some(vec![4])),
        (Place::Dead,    JsValue::from("gone"),    None),
    ];
    for (place, key, expected) in cases {
        let rows = transaction.store(place.name()).expect("it is there");
        let row = rows.get(key).await.expect("it is read");
        assert_eq!(bytes(row), expected, "{}", place.name());
    }
    let lease = transaction.store(Place::Lease.name()).expect("it is there");
    let lease = bytes(lease.get(LEASE_HOST.into()).await.expect("it is read"));
    let lease = rows::read::<LeaseRow>(&lease.expect("there is one")).expect("it can be read");
    assert_eq!(lease.epoch, Epoch(1));
    transaction.done().await.expect("it ends");
    rexie.close();
}

#[wasm_bindgen_test]
async fn what_any_library_wrote_the_store_reads() {
    let channel = channel("written-by-rexie");
    let store = booted(&channel).await;
    let rexie = rexie(&channel).await;
    let stores = [Place::Journal, Place::Kv, Place::Retained].map(Place::name);
    let transaction = rexie.transaction(&stores, TransactionMode::ReadWrite).expect("it begins");
    let row = |row: u8| JsValue::from(Uint8Array::from(&[row][..]));
    let [journal, kv, retained] = stores.map(|it| transaction.store(it).expect("it is there"));
    for at in 1..=3 {
        journal.add(&row(at), None).await.expect("it is written");
    }
    for (key, at) in [(JsValue::from("text"), 4), (JsValue::from(9), 5)] {
        kv.put(&row(at), Some(&key)).await.expect("it is written");
        retained.put(&row(at), Some(&key)).await.expect("it is written");
    }
    transaction.done().await.expect("it ends");
    rexie.close();
    let read = store.read_numbers(Place::Journal, 1, 9).await;
    assert_eq!(read, Ok(vec![(2, vec![2]), (3, vec![3])]));
    let read = store.read_numbers(Place::Retained, 0, 9).await;
    assert_eq!(read, Ok(vec![(9, vec![5])]));
    let read = store.read(Place::Kv, 9).await;
    assert_eq!(read, Ok(vec![(Key::Number(9), vec![5]), ("text".into(), vec![4])]));
    assert_eq!(store.read_one(Place::Kv, &"text".into()).await, Ok(Some(vec![4])));
    assert_eq!(store.count(Place::Journal).await, Ok(3));
}

/// A value that is no bytes is a row that nobody can read; it must not jam what comes after it.
#[wasm_bindgen_test]
async fn what_is_no_bytes_is_an_empty_row() {
    let channel = channel("foreign");
    let store = booted(&channel).await;
    idb(
        &channel,
        "const db = await open();
         const transaction = db.transaction('journal', 'readwrite');
         transaction.objectStore('journal').add({theirs: true});
         transaction.objectStore('journal').add(new Uint8Array([1]));
         await done(transaction);
         db.close();",
    )
    .await;
    let read = store.read_numbers(Place::Journal, 0, 9).await;
    assert_eq!(read, Ok(vec![(1, vec![]), (2, vec![1])]));
}

#[wasm_bindgen_test]
async fn a_device_is_minted_once() {
    let channel = channel("mint");
    let stores = [store(&channel).await, store(&channel).await];
    let pairs = [sign::generate().await, sign::generate().await].map(|it| it.expect("keys"));
    let mints = (0..2_usize).map(|at| {
        let (stores, pairs) = (&stores, &pairs);
        async move { stores[at].mint(&[at as u8], &pairs[at].0, false).await.expect("it is minted") }
    });
    let minted = join_all(mints).await;
    assert_eq!(minted[0].0, minted[1].0);
    let winner = usize::from(minted[0].0[0]);
    // Whichever is in force, both sign with it.
    for (_, pair) in &minted {
        let (_, kind, public) = &pairs[winner];
        let signature = sign::sign(pair, *kind, b"batch").await.expect("it is signed");
        assert!(verify(*kind, public, &signature, b"batch").await);
    }
    let again = stores[1].mint(&[9], &JsValue::NULL, false).await.expect("it is minted");
    assert_eq!(again.0, minted[0].0);
}

#[wasm_bindgen_test]
async fn a_device_without_keys_is_minted_too() {
    let store = booted(&channel("keyless")).await;
    let (device, pair) = store.mint(&[1], &JsValue::NULL, false).await.expect("it is minted");
    assert!(device == [1] && pair.is_null());
    assert!(store.boot(|_| None).await.expect("it is read").signing.is_none());
    let fault = store.mint(&[1], &Function::new_no_args(""), false).await;
    assert!(fault.is_ok(), "what is not written is not looked at");
    let fault = Store::open(&channel("uncloneable"), PATIENCE).await.expect("the database opens");
    let refused =
        fault.mint(&[1], &Function::new_no_args(""), false).await.expect_err("not cloneable");
    assert!(matches!(&refused, StoreFault::Failed { name, .. } if &**name == "DataCloneError"));
    assert!(fault.boot(|_| None).await.expect("it is read").device.is_none());
}

#[wasm_bindgen_test]
async fn an_upgrade_is_let_through_and_the_next_use_opens_again() {
    let channel = channel("versionchange");
    let store = booted(&channel).await;
    store.commit(&batch(1, vec![Op::Append { row: vec![1] }])).await.expect("it is written");
    assert_eq!(store.count(Place::Journal).await, Ok(1));
    idb(&channel, "(await open(2)).close()").await;
    assert_eq!(store.count(Place::Journal).await, Ok(1));
    store.commit(&batch(1, vec![Op::Append { row: vec![2] }])).await.expect("it is written");
    idb(&channel, "(await open(3)).close()").await;
    assert_eq!(epoch(&store.boot(take).await.expect("it boots")), 2);
    idb(&channel, "await gone()").await;
    assert_eq!(store.count(Place::Journal).await, Ok(0));
    let refused = store.commit(&batch(2, Vec::new())).await;
    assert_eq!(refused, Err(StoreFault::Fenced { found: Epoch(0) }));
    store.close();
    idb(&channel, "await gone()").await;
}

/// A handle that is left behind stands in the way of an upgrade until it is collected.
#[wasm_bindgen_test]
async fn a_store_that_is_gone_leaves_no_handle_behind() {
    js(
        "",
        "globalThis.handles = new Set();
         globalThis.plain_open = IDBFactory.prototype.open;
         globalThis.plain_close = IDBDatabase.prototype.close;
         IDBFactory.prototype.open = function (...all) {
             const request = plain_open.apply(this, all);
             request.addEventListener('success', () => handles.add(request.result));
             return request;
         };
         IDBDatabase.prototype.close = function () {
             handles.delete(this);
             plain_close.call(this);
         };",
    )
    .await;
    let channel = channel("gone");
    let store = booted(&channel).await;
    let other = store.clone();
    store.count(Place::Journal).await.expect("it is counted");
    drop(store);
    assert_eq!(other.count(Place::Journal).await, Ok(0));
    let held = js("", "return handles.size").await;
    drop(other);
    let left = js("", "return handles.size").await;
    let late = Store::open(&channel, Duration::ZERO).await;
    idb(&channel, "(await open()).close()").await;
    let left_late = js("", "return handles.size").await;
    js("", "IDBFactory.prototype.open = plain_open; IDBDatabase.prototype.close = plain_close")
        .await;
    assert_eq!(
        (held.as_f64(), left.as_f64(), left_late.as_f64()),
        (Some(1.0), Some(0.0), Some(0.0))
    );
    assert_eq!(late.err(), Some(StoreFault::Timeout));
}

/// Browsers may close a handle without a word; what is left throws `InvalidStateError`.
#[wasm_bindgen_test]
async fn a_handle_that_died_silently_is_replaced_and_counted() {
    js(
        "",
        "globalThis.dying = [];
         globalThis.plain_transaction = IDBDatabase.prototype.transaction;
         IDBDatabase.prototype.transaction = function (...all) {
             dying.push(this);
             return plain_transaction.apply(this, all);
         };",
    )
    .await;
    let store = booted(&channel("dead")).await;
    js(
        "",
        "IDBDatabase.prototype.transaction = plain_transaction; dying.forEach(it => it.close())",
    )
    .await;
    assert_eq!(store.losses(), 0);
    let op = Op::Append { row: vec![1] };
    assert_eq!(store.commit(&batch(1, vec![op])).await, Ok(()));
    assert_eq!((store.losses(), store.count(Place::Journal).await), (1, Ok(1)));
}

#[wasm_bindgen_test]
async fn a_database_that_lacks_stores_gets_them() {
    let channel = channel("bare");
    idb(&channel, "globalThis.bare = await open(1)").await;
    let blocked = Store::open(&channel, IMPATIENCE).await;
    assert_eq!(blocked.err(), Some(StoreFault::Blocked));
    idb(&channel, "bare.close()").await;
    booted(&channel).await;
}

#[wasm_bindgen_test]
async fn an_opening_that_comes_too_late_stands_in_nobodys_way() {
    let channel = channel("held");
    store(&channel).await.close();
    idb(&channel, "globalThis.held = await open(1); globalThis.upgrading = open(2);").await;
    let late = Store::open(&channel, IMPATIENCE).await;
    assert_eq!(late.err(), Some(StoreFault::Timeout));
    idb(&channel, "held.close(); (await upgrading).close(); await gone()").await;
    booted(&channel).await;
}

/// A database that is lost in the middle of a boot may be another one afterwards, about which nothing is decided.
#[wasm_bindgen_test]
async fn a_boot_decides_once_whatever_happens_to_the_database() {
    let store = booted(&channel("boot-once")).await;
    js(
        "",
        "globalThis.plain_put = IDBObjectStore.prototype.put;
         IDBObjectStore.prototype.put = () => { throw new DOMException('gone', 'UnknownError') };",
    )
    .await;
    let asked = Rc::new(Cell::new(0));
    let asking = Rc::clone(&asked);
    let lost = store.boot(move |found| {
        asking.set(asking.get() + 1);
        take(found)
    });
    assert!(lost.await.is_err());
    js("", "IDBObjectStore.prototype.put = plain_put").await;
    assert_eq!(asked.get(), 1);
    assert_eq!(epoch(&store.boot(take).await.expect("it boots")), 2);
}

async fn verify(kind: KeyKind, public: &[u8], signature: &[u8], bytes: &[u8]) -> bool {
    let algorithm = match kind {
        KeyKind::P256 => "{name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256'}",
        KeyKind::None | KeyKind::Ed25519 => "{name: 'Ed25519'}",
    };
    let body = format!(
        "return crypto.subtle.importKey('raw', key, {algorithm}, false, ['verify'])
             .then(key => crypto.subtle.verify({algorithm}, key, signature, bytes))"
    );
    let [key, signature, bytes] = [public, signature, bytes].map(Uint8Array::from);
    let verified = Function::new_with_args("key,signature,bytes", &body);
    let verified = verified.call3(&JsValue::NULL, &key, &signature, &bytes).expect("a promise");
    let verified = JsFuture::from(verified.unchecked_into::<Promise>()).await;
    verified.expect("it is verified").is_truthy()
}

#[wasm_bindgen_test]
async fn a_signature_holds_for_its_bytes_alone() {
    let (pair, kind, public) = sign::generate().await.expect("keys are made");
    assert_eq!((kind, public.len()), (KeyKind::Ed25519, 32));
    let signature = sign::sign(&pair, kind, b"batch").await.expect("it is signed");
    assert_eq!(signature.len(), 64);
    assert!(verify(kind, &public, &signature, b"batch").await);
    assert!(!verify(kind, &public, &signature, b"catch").await);
    let private = js_sys::Reflect::get(&pair, &"privateKey".into()).expect("it is there");
    let extractable = js_sys::Reflect::get(&private, &"extractable".into());
    assert_eq!(extractable, Ok(JsValue::FALSE));
}

#[wasm_bindgen_test]
async fn an_older_browser_signs_in_another_way() {
    js(
        "",
        "globalThis.generateKey = crypto.subtle.generateKey;
         crypto.subtle.generateKey = function (algorithm, ...rest) {
             return algorithm.name === 'Ed25519'
                 ? Promise.reject(new DOMException('', 'NotSupportedError'))
                 : globalThis.generateKey.call(this, algorithm, ...rest);
         };",
    )
    .await;
    let (pair, kind, public) = sign::generate().await.expect("keys are made");
    js(
        "",
        "crypto.subtle.generateKey =
             () => Promise.reject(new DOMException('', 'NotSupportedError'))",
    )
    .await;
    let none = sign::generate().await.expect("to have none is no failure");
    js("", "delete crypto.subtle.generateKey").await;
    assert_eq!((kind, public.len()), (KeyKind::P256, 65));
    let signature = sign::sign(&pair, kind, b"batch").await.expect("it is signed");
    assert_eq!(signature.len(), 64);
    assert!(verify(kind, &public, &signature, b"batch").await);
    assert!(none.0.is_null() && none.1 == KeyKind::None && none.2.is_empty());
    assert_eq!(sign::sign(&none.0, none.1, b"batch").await, Ok(Vec::new()));
    assert!(sign::sign(&JsValue::NULL, KeyKind::Ed25519, b"batch").await.is_err());
}

#[wasm_bindgen_test]
async fn channels_are_remembered_once_each() {
    let names = [channel("a"), channel("b")];
    for name in names.iter().chain(&names) {
        registry::remember(name).await.expect("it is written");
    }
    let known = registry::channels().await.expect("it is read");
    for name in &names {
        assert_eq!(known.iter().filter(|known| *known == name).count(), 1, "{name}");
    }
}

#[wasm_bindgen_test]
async fn the_sentinel_outlives_the_database() {
    let channel = channel("a/b?c#d e&f");
    assert_eq!(sentinel::get(&channel).await, Ok(None));
    assert_eq!(sentinel::put(&channel, "one").await, Ok(true));
    assert_eq!(sentinel::put(&channel, "two").await, Ok(true));
    assert_eq!(sentinel::get(&channel).await, Ok(Some(String::from("two"))));
    assert_eq!(sentinel::get(&support::channel("a")).await, Ok(None));
}
