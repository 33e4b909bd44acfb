//! What only a store on a disk can get wrong: reopening, copies, a full disk, a second server.

use std::sync::{Arc, Condvar, Mutex};

use bellwether_server::bounds::{GROUP_PUSHES_MAX, WRITER_QUEUE_MAX};
use bellwether_server::engine::{Checked, Signatures};
use bellwether_server::store::{Embedded, Opening, Store as _};
use bellwether_server::{AcceptedEvent, Effect, EffectOutcome, EffectTx, Fault};
use bellwether_shared::base::Seq;
use bellwether_shared::wire::Verdict;

use crate::contract::{Directory, ids, push, read};
use crate::device::{Device, event, plain};

#[tokio::test]
async fn what_was_taken_is_there_after_reopening() {
    let directory = Directory::new();
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&[event("count", "a"), event("refuse", "b")]);
    let before = push(&directory.open(), &batch).await;
    let store = directory.open();
    let again = push(&store, &batch).await;
    assert_eq!(again.log_epoch, before.log_epoch);
    assert_eq!(again.results[0].result, before.results[0].result);
    assert_eq!(again.results[1], before.results[1]);
    let next = push(&store, &ann.batch(&[event("count", "c")])).await;
    assert_eq!((next.through, next.log_head), (Seq(3), 2));
    assert_eq!(next.results[0].result.as_deref().map(Vec::as_slice), Some(&b"2"[..]));
}

#[tokio::test]
async fn a_copy_put_back_is_given_a_new_epoch_when_asked() {
    let directory = Directory::new();
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&plain(["a"]));
    let before = push(&directory.open(), &batch).await;
    let opening = Opening { new_epoch: true, ..directory.opening() };
    let store = Embedded::open(&opening, Arc::new(bellwether_server::NoEffect));
    let store = store.expect("the store opens");
    let named = bellwether_shared::wire::Push { log_epoch: Some(before.log_epoch), ..batch };
    let answer = push(&store, &named).await;
    assert_eq!(answer.verdict, Verdict::EpochChanged);
    assert_ne!(answer.log_epoch, before.log_epoch);
    assert_eq!(ids(&read(&store, "", "s", 0, 9).await), ["a"]);
}

#[tokio::test]
async fn a_directory_has_one_server() {
    let directory = Directory::new();
    let _first = directory.open();
    let second = Embedded::open(&directory.opening(), Arc::new(bellwether_server::NoEffect));
    assert!(second.expect_err("it is taken").contains("another server"));
}

#[tokio::test]
async fn a_file_of_a_newer_server_is_left_alone() {
    let directory = Directory::new();
    drop(directory.open());
    let file = rusqlite::Connection::open(directory.0.join("bellwether.sqlite"));
    let file = file.expect("it is a database");
    file.pragma_update(None, "user_version", 99).expect("it can be written");
    drop(file);
    let opened = Embedded::open(&directory.opening(), Arc::new(bellwether_server::NoEffect));
    assert!(opened.expect_err("it is newer").contains("newer server"));
}

/// Fills the disk, as far as SQLite can tell, and makes room again.
struct Disk;

impl Effect for Disk {
    fn apply(&self, tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome {
        let sql = tx.sql().expect("the store answers").expect("the store has SQL");
        let pages: i64 = match event.event.type_ {
            "fill" => 1,
            "mend" => 1_000_000,
            _ => return EffectOutcome::Done { result: None },
        };
        // No less than what is used already is ever set.
        sql.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .expect("the pragma is known");
        EffectOutcome::Done { result: None }
    }
}

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    let directory = Directory::new();
    let store = Embedded::open(&directory.opening(), Arc::new(Disk)).expect("the store opens");
    let mut ann = Device::new(1, "s", "ann");
    push(&store, &ann.batch(&plain(["a"]))).await;
    let mut small = ann.reborn(2, None);
    push(&store, &small.batch(&[event("fill", "b")])).await;

    let body = vec![b'1'; 200 * 1024];
    let large = crate::device::event_with("plain", "c", Some(&body));
    let batch = ann.batch(&[large, event("plain", "d")]);
    let checked = Checked::of(batch.clone(), Signatures::Required).expect("it is well-formed");
    let answer = store.push("", checked).await;
    assert!(matches!(answer, Err(Fault::Unavailable { .. })), "{answer:?}");
    assert_eq!(ids(&read(&store, "", "s", 0, 9).await), ["a", "b"]);
    let position = store.position("", ann.question()).await.expect("it can be read");
    assert_eq!(position.through, Seq(1));

    push(&store, &small.batch(&[event("mend", "e")])).await;
    assert_eq!(push(&store, &batch).await.through, Seq(3));
    assert_eq!(ids(&read(&store, "", "s", 0, 9).await), ["a", "b", "e", "c", "d"]);
}

/// Keeps a table of its own beside the server's.
struct Table;

impl Effect for Table {
    fn apply(&self, tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome {
        let sql = tx.sql().expect("the store answers").expect("the store has SQL");
        sql.execute_batch("CREATE TABLE IF NOT EXISTS notes (id TEXT NOT NULL)")
            .expect("a table can be made");
        sql.execute("INSERT INTO notes VALUES (?1)", [event.event.id.as_str()])
            .expect("a row can be written");
        let count: i64 = sql
            .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
            .expect("rows can be counted");
        if event.event.type_ == "refuse" {
            return EffectOutcome::Refuse { code: "no".into(), message: "never".into() };
        }
        EffectOutcome::Done { result: Some(count.to_string().into_bytes().into()) }
    }
}

#[tokio::test]
async fn an_effect_may_keep_tables_in_the_same_transaction() {
    let directory = Directory::new();
    let store = Embedded::open(&directory.opening(), Arc::new(Table)).expect("the store opens");
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&[event("plain", "a"), event("refuse", "b"), event("plain", "c")]);
    for _ in 0..2 {
        let answer = push(&store, &batch).await;
        let results = answer.results.iter().map(|result| result.result.as_deref());
        let results: Vec<_> = results.map(|text| text.map(Vec::as_slice)).collect();
        assert_eq!(results, [Some(&b"1"[..]), None, Some(&b"2"[..])]);
    }
}

/// Holds the writer up until the gate is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Effect for Gate {
    fn apply(&self, _: &EffectTx<'_>, _: &AcceptedEvent<'_>) -> EffectOutcome {
        let open = self.open.lock().expect("no test panics while it holds this");
        let waited = self.opened.wait_while(open, |open| !*open);
        drop(waited.expect("no test panics while it holds this"));
        EffectOutcome::Done { result: None }
    }
}

#[tokio::test]
async fn pushes_beyond_the_queue_are_told_to_come_again() {
    let directory = Directory::new();
    let gate = Arc::<Gate>::default();
    let store = Embedded::open(&directory.opening(), gate.clone());
    let store = Arc::new(store.expect("the store opens"));
    let pushes: Vec<_> = (1..=200)
        .map(|number| {
            let batch = Device::new(number, "s", "ann").batch(&plain([&format!("e{number}")]));
            let checked = Checked::of(batch, Signatures::Required).expect("it is well-formed");
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.push("", checked).await })
        })
        .collect();
    // What does not fit the queue and the writer's hands is refused at once.
    let beyond = 200 - WRITER_QUEUE_MAX - GROUP_PUSHES_MAX;
    while pushes.iter().filter(|push| push.is_finished()).count() < beyond {
        tokio::task::yield_now().await;
    }
    *gate.open.lock().expect("no test panics while it holds this") = true;
    gate.opened.notify_all();
    let (mut taken, mut refused) = (0, 0);
    for push in pushes {
        match push.await.expect("it does not panic") {
            Ok(answer) => taken += u64::from(answer.through == Seq(1)),
            Err(Fault::Unavailable { retry_after_ms, .. }) if retry_after_ms > 0 => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused >= beyond as u64, "{refused} were refused");
    assert_eq!((taken + refused, read(&*store, "", "s", 0, 999).await.head), (200, taken));
}
