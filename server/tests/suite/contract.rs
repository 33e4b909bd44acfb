//! What every store must do, run on each of them, and on each behind a door that loses answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bellwether_server::Fault;
use bellwether_server::audit::Export;
use bellwether_server::engine::{
    Checked, PageAsk, Parting, Signatures, StateAsk, Sweep, Wanted, Which,
};
use bellwether_server::store::{Embedded, Memory, Opening, Store};
use bellwether_server::ticket::TicketKey;
use bellwether_shared::base::{EventId, LogEpoch, Seq};
use bellwether_shared::rules::chain;
use bellwether_shared::wire::{
    self, Answer, Event, EventKind, Former, LogPage, Outcome, Push, Snapshot, Verdict,
};

use crate::device::{Device, dependent, event, event_with, plain, released, unsealed};
use crate::effect::Scripted;

/// Commits, and then loses every other answer.
pub(crate) struct Faulty<S> {
    inner: S,
    pushes: AtomicU64,
}

impl<S: Store> Store for Faulty<S> {
    async fn push(&self, tenant: &str, push: Checked) -> Result<Answer, Fault> {
        let answer = self.inner.push(tenant, push).await;
        if self.pushes.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Err(Fault::unavailable(LOST));
        }
        answer
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

const LOST: &str = "the answer was lost";

/// A directory of its own, gone with the test.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("data-{}-{number}", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub(crate) fn opening(&self) -> Opening {
        Opening { directory: self.0.clone(), new_epoch: false }
    }

    pub(crate) fn open(&self) -> Embedded {
        Embedded::open(&self.opening(), Arc::new(Scripted::default())).expect("the store opens")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn memory() -> Memory {
    Memory::new(Arc::new(Scripted::default()))
}

pub(crate) fn faulty<S>(inner: S) -> Faulty<S> {
    Faulty { inner, pushes: AtomicU64::new(0) }
}

macro_rules! contract {
    ($($rule:ident),+ $(,)?) => {
        mod on_memory { $(#[tokio::test] async fn $rule() { super::$rule($crate::contract::memory()).await; })+ }
        mod on_memory_losing_answers {
            $(#[tokio::test] async fn $rule() { super::$rule($crate::contract::faulty($crate::contract::memory())).await; })+
        }
        mod on_sqlite {
            $(#[tokio::test] async fn $rule() {
                let directory = $crate::contract::Directory::new();
                super::$rule(directory.open()).await;
            })+
        }
        mod on_sqlite_losing_answers {
            $(#[tokio::test] async fn $rule() {
                let directory = $crate::contract::Directory::new();
                super::$rule($crate::contract::faulty(directory.open())).await;
            })+
        }
    };
}

pub(crate) use contract;

contract! {
    a_batch_is_taken_and_read_back,
    the_same_batch_gets_the_same_word,
    a_batch_may_overlap_what_is_consumed,
    a_hole_is_told_and_nothing_is_taken,
    another_event_at_a_taken_place_is_a_fork,
    an_incarnation_begins_from_its_genesis,
    another_life_of_the_log_is_told,
    a_stream_stays_with_its_tenant_and_key,
    an_older_host_is_refused,
    a_refused_event_uses_up_its_place_only,
    an_id_is_taken_once_per_session,
    a_refused_id_may_come_again_elsewhere,
    later_ends_the_prefix_and_comes_again,
    a_faulty_effect_ends_the_prefix,
    an_effect_shows_only_if_its_event_does,
    results_beyond_one_answer_are_asked_for_again,
    sessions_and_tenants_do_not_meet,
    a_question_writes_nothing,
    a_log_is_read_in_pages,
    a_dependent_takes_from_its_prerequisites_result,
    a_dependent_waits_for_a_prerequisite_that_is_not_known,
    a_dependent_of_a_refused_event_is_refused_unless_released,
    what_cannot_be_bound_is_refused,
    a_page_counts_what_was_bound,
}

async fn a_batch_is_taken_and_read_back<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let events = plain(["a", "b", "c"]);
    let answer = push(&store, &ann.batch(&events)).await;
    assert_eq!(told(&answer), ["1: taken 1", "2: taken 2", "3: taken 3"]);
    assert_eq!((answer.through, answer.durable, answer.log_head), (Seq(3), Seq(3), 3));
    assert_ne!(answer.log_epoch, LogEpoch::default());

    let page = read(&store, "", "s", 0, 100).await;
    assert_eq!((page.epoch, page.head, page.floor), (answer.log_epoch, 3, 0));
    let read: Vec<_> = page.events.iter().map(|event| event.sealed.to_vec()).collect();
    assert_eq!(read, events);
    assert!(page.events.iter().all(|event| event.stream("s") == ann.stream));
    store.ping().await.expect("the store answers");
}

async fn the_same_batch_gets_the_same_word<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&[event("count", "a"), event("refuse", "b"), event("count", "c")]);
    let expected = ["1: taken 1 gave 1", "2: refused no", "3: taken 2 gave 2"];
    assert_eq!(told(&push(&store, &batch).await), expected);
    let again = push(&store, &batch).await;
    assert_eq!(told(&again), expected);
    let outcomes: Vec<_> = again.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [Outcome::DUPLICATE, Outcome::REFUSED, Outcome::DUPLICATE]);
    push(&store, &ann.batch(&[event("count", "d")])).await;
    assert_eq!(told(&push(&store, &batch).await), expected, "also after others");
    assert_eq!(read(&store, "", "s", 0, 100).await.head, 3);
}

async fn a_batch_may_overlap_what_is_consumed<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let start = ann.head;
    push(&store, &ann.batch(&plain(["a", "b", "c"]))).await;
    let after_a = chain::head_after(start, [&plain(["a"])[0][..]]);
    #[rustfmt::skip]
    let cases = [
        ("the whole and one more",  Seq(1), start,   plain(["a", "b", "c", "d"]).to_vec(), 4),
        ("a part in the middle",    Seq(2), after_a, plain(["b", "c"]).to_vec(),           2),
        ("from the middle and on",  Seq(2), after_a, plain(["b", "c", "d", "e"]).to_vec(), 4),
    ];
    for (shows, first, previous, events, results) in cases {
        let answer = push(&store, &ann.push_at(first, previous, &events)).await;
        assert_eq!(answer.verdict, Verdict::Taken, "{shows}");
        assert_eq!(answer.results.len(), results, "{shows}");
        assert_eq!(answer.results[0].offset, Some(first.0), "{shows}");
    }
    assert_eq!(ids(&read(&store, "", "s", 0, 100).await), ["a", "b", "c", "d", "e"]);
}

async fn a_hole_is_told_and_nothing_is_taken<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let answer = push(&store, &ann.push_at(Seq(2), [9; 32], &plain(["x"]))).await;
    assert_eq!((answer.verdict, answer.through), (Verdict::Gap, Seq(0)));
    push(&store, &ann.batch(&plain(["a", "b"]))).await;
    let answer = push(&store, &ann.push_at(Seq(4), [9; 32], &plain(["x"]))).await;
    assert_eq!((answer.verdict, answer.through), (Verdict::Gap, Seq(2)));
    assert_eq!((answer.durable, answer.results.len()), (Seq(2), 0));
    assert_eq!(ids(&read(&store, "", "s", 0, 100).await), ["a", "b"]);
}

async fn another_event_at_a_taken_place_is_a_fork<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let start = ann.head;
    push(&store, &ann.batch(&plain(["a", "b", "c"]))).await;
    let end = ann.head;
    #[rustfmt::skip]
    let cases = [
        ("another first event",         Seq(1), start,   plain(["x", "b", "c"]).to_vec(), Seq(1)),
        ("another third event",         Seq(1), start,   plain(["a", "b", "x"]).to_vec(), Seq(3)),
        ("the same from elsewhere",     Seq(1), [9; 32], plain(["a"]).to_vec(),           Seq(1)),
        ("a repeat from elsewhere",     Seq(2), [9; 32], plain(["b"]).to_vec(),           Seq(2)),
        ("something new from elsewhere",Seq(4), [9; 32], plain(["d"]).to_vec(),           Seq(4)),
        ("a head of another place",     Seq(3), end,     plain(["c"]).to_vec(),           Seq(3)),
    ];
    for (shows, first, previous, events, at) in cases {
        let answer = push(&store, &ann.push_at(first, previous, &events)).await;
        assert_eq!(answer.verdict, Verdict::Forked { at }, "{shows}");
        assert_eq!((answer.through, answer.results.len()), (Seq(3), 0), "{shows}");
    }
    assert_eq!(ids(&read(&store, "", "s", 0, 100).await), ["a", "b", "c"]);
}

async fn an_incarnation_begins_from_its_genesis<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    push(&store, &ann.batch(&plain(["a"]))).await;
    let former = Former { incarnation: ann.stream.incarnation, head: ann.head.into() };
    let mut next = ann.reborn(2, Some(former));
    let no_former = Push { former: None, ..next.push_at(Seq(1), next.head, &plain(["a"])) };
    assert_eq!(push(&store, &no_former).await.verdict, Verdict::Forked { at: Seq(1) });

    let batch = next.batch(&plain(["a", "b"]));
    assert_eq!(told(&push(&store, &batch).await), ["1: taken 1", "2: taken 2"]);
    assert_eq!(told(&push(&store, &batch).await), ["1: taken 1", "2: taken 2"]);
    assert_eq!(ids(&read(&store, "", "s", 0, 100).await), ["a", "b"]);
}

async fn another_life_of_the_log_is_told<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&plain(["a"]));
    let elsewhere = Push { log_epoch: Some(LogEpoch([9; 16])), ..batch.clone() };
    let answer = push(&store, &elsewhere).await;
    assert_eq!((answer.verdict, answer.through), (Verdict::EpochChanged, Seq(0)));
    let epoch = answer.log_epoch;
    assert_ne!(epoch, LogEpoch::default());
    assert_eq!(read(&store, "", "s", 0, 100).await.head, 0);

    for named in [Some(epoch), None, Some(LogEpoch::default())] {
        let answer = push(&store, &Push { log_epoch: named, ..batch.clone() }).await;
        assert_eq!((answer.verdict, answer.log_epoch), (Verdict::Taken, epoch), "{named:?}");
    }
    let answer = push(&store, &elsewhere).await;
    assert_eq!((answer.verdict, answer.through), (Verdict::EpochChanged, Seq(1)));
    let question = Push { log_epoch: Some(LogEpoch([9; 16])), ..ann.question() };
    let answer = store.position("", question).await.expect("a question is answered");
    assert_eq!((answer.verdict, answer.log_epoch), (Verdict::EpochChanged, epoch));
}

async fn a_stream_stays_with_its_tenant_and_key<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    push(&store, &ann.batch(&plain(["a"]))).await;
    let mut thief = Device::new(2, "s", "ann");
    thief.stream = ann.stream.clone();
    let stolen = thief.push_at(ann.next, ann.head, &plain(["b"]));
    assert!(matches!(refused(&store, "", &stolen).await, Fault::Forbidden(_)));
    let own = ann.push_at(ann.next, ann.head, &plain(["b"]));
    assert!(matches!(refused(&store, "other", &own).await, Fault::Forbidden(_)));
    let asked = store.position("other", ann.question()).await;
    assert!(matches!(asked, Err(Fault::Forbidden(_))));
    assert_eq!(read(&store, "other", "s", 0, 100).await.epoch, LogEpoch::default());
    assert_eq!(push(&store, &own).await.verdict, Verdict::Taken);
}

async fn an_older_host_is_refused<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    ann.host_epoch = 5;
    let first = ann.batch(&plain(["a"]));
    push(&store, &first).await;
    let older = Push { host_epoch: 4, ..first.clone() };
    let fault = refused(&store, "", &older).await;
    assert_eq!(fault, Fault::HostSuperseded { found: 4, seen: 5 });
    assert_eq!(push(&store, &first).await.verdict, Verdict::Taken, "an equal one is not older");
    push(&store, &Push { host_epoch: 7, ..first.clone() }).await;
    let fault = refused(&store, "", &first).await;
    assert_eq!(fault, Fault::HostSuperseded { found: 5, seen: 7 }, "a repeat counts, too");
    ann.host_epoch = 1;
    let mut next = ann.reborn(2, None);
    assert_eq!(push(&store, &next.batch(&plain(["b"]))).await.verdict, Verdict::Taken);
}

async fn a_refused_event_uses_up_its_place_only<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let body = vec![b'1'; 256 * 1024 + 1];
    let whole = vec![b'1'; 270 * 1024];
    let long = format!("{{\"/{}\":\"\"}}", "x".repeat(4_096));
    let many: Vec<_> = (0..33).map(|number| format!("\"/{number}\":\"\"")).collect();
    let many = format!("{{{}}}", many.join(","));
    let request =
        || wire::to_cbor(&Event { kind: EventKind::Request, ..unsealed("GET", "b", Some(b"{}")) });
    let lonely = wire::to_cbor(&Event { binds: Some(b"{}"), ..unsealed("plain", "b", None) });
    #[rustfmt::skip]
    let cases = [
        ("no CBOR at all",      vec![0xff],                               "event-malformed"),
        ("nothing",             vec![],                                   "event-malformed"),
        ("no type",             event("", "b"),                           "event-malformed"),
        ("a long type",         event(&"x".repeat(201), "b"),             "event-too-large"),
        ("a large body",        event_with("plain", "b", Some(&body)),    "event-too-large"),
        ("a large whole",       event_with("plain", "b", Some(&whole)),   "event-too-large"),
        ("half a body",         event_with("plain", "b", Some(b"{")),     "event-not-json"),
        ("an empty body",       event_with("plain", "b", Some(b"")),      "event-not-json"),
        ("two bodies",          event_with("plain", "b", Some(b"1 2")),   "event-not-json"),
        ("a body not of text",  event_with("plain", "b", Some(b"\"\xff\"")), "event-not-json"),
        ("the effect says no",  event("refuse", "b"),                     "no"),
        ("an unknown type",     event("stranger", "b"),                   "type-unknown"),
        ("a plain request",     request(),                                "kind-unsupported"),
        ("large binds",         dependent("plain", "b", "before-0", Some(&long)), "event-too-large"),
        ("binds that are none", dependent("plain", "b", "before-0", Some("{")),   "binds-invalid"),
        ("too many binds",      dependent("plain", "b", "before-0", Some(&many)), "binds-invalid"),
        ("no pointer",          dependent("plain", "b", "before-0", Some(r#"{"a":"/b"}"#)), "binds-invalid"),
        ("binds from nothing",  lonely,                                   "binds-invalid"),
    ];
    for (number, (shows, bad, code)) in cases.into_iter().enumerate() {
        let (before, after) = (format!("before-{number}"), format!("after-{number}"));
        let batch = ann.batch(&[event("plain", &before), bad, event("plain", &after)]);
        let head = 2 * number as u64;
        for time in ["first", "again"] {
            let answer = push(&store, &batch).await;
            let results = &answer.results;
            assert_eq!(results[0].offset, Some(head + 1), "{shows}, {time}");
            assert_eq!(results[1].outcome, Outcome::REFUSED, "{shows}, {time}");
            assert_eq!(results[1].code.as_deref(), Some(code), "{shows}, {time}");
            assert_eq!(results[1].offset, None, "{shows}, {time}");
            assert_eq!(results[2].offset, Some(head + 2), "{shows}, {time}");
            assert_eq!((answer.through, answer.log_head), (Seq(batch.first.0 + 2), head + 2));
        }
    }
}

async fn an_id_is_taken_once_per_session<S: Store>(store: S) {
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    push(&store, &ann.batch(&[event("count", "a"), event("count", "b")])).await;
    let batch = ben.batch(&[event("count", "b"), event("count", "c"), event("count", "c")]);
    let answer = push(&store, &batch).await;
    let expected = ["1: taken 2 gave 2", "2: taken 3 gave 3", "3: taken 3 gave 3"];
    assert_eq!(told(&answer), expected);
    assert_eq!(answer.results[0].outcome, Outcome::DUPLICATE);
    assert_eq!(answer.results[2].outcome, Outcome::DUPLICATE);
    assert_eq!(told(&push(&store, &batch).await), expected);
    assert_eq!(ids(&read(&store, "", "s", 0, 100).await), ["a", "b", "c"]);
}

async fn a_refused_id_may_come_again_elsewhere<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let refused = ann.batch(&[event("refuse", "a")]);
    assert_eq!(told(&push(&store, &refused).await), ["1: refused no"]);
    assert_eq!(
        told(&push(&store, &ann.batch(&[event("count", "a")])).await),
        ["2: taken 1 gave 1"]
    );
    assert_eq!(
        told(&push(&store, &refused).await),
        ["1: refused no"],
        "the old place keeps its word"
    );
}

async fn later_ends_the_prefix_and_comes_again<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&[event("count", "a"), event("later-once", "b"), event("count", "c")]);
    let checked = Checked::of(batch.clone(), Signatures::Required).expect("it is well-formed");
    if let Ok(answer) = store.push("", checked).await {
        assert_eq!(told(&answer), ["1: taken 1 gave 1"]);
        assert_eq!((answer.through, answer.retry_after_ms), (Seq(1), Some(70)));
        let later = answer.later.expect("the second event is put off");
        assert_eq!((later.seq, later.id.as_str(), &*later.code), (Seq(2), "b", "busy"));
    }
    let answer = push(&store, &batch).await;
    let expected = ["1: taken 1 gave 1", "2: taken 2 gave true", "3: taken 3 gave 3"];
    assert_eq!(told(&answer), expected, "the counter was put back with the event");
    assert_eq!(answer.later, None);
}

async fn a_faulty_effect_ends_the_prefix<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    for (type_, code) in [("too-large", "effect-result-unfit"), ("not-json", "effect-result-unfit")]
    {
        let batch = ann.push_at(ann.next, ann.head, &[event(type_, "x")]);
        let answer = push(&store, &batch).await;
        assert_eq!(answer.through, Seq(0), "{type_}");
        assert_eq!(answer.later.map(|later| later.code).as_deref(), Some(code), "{type_}");
    }
    let batch = ann.batch(&[event("panic-once", "a"), event("count", "b")]);
    let checked = Checked::of(batch.clone(), Signatures::Required).expect("it is well-formed");
    if let Ok(answer) = store.push("", checked).await {
        let later = answer.later.expect("the panic is caught");
        assert_eq!((later.seq, &*later.code), (Seq(1), "effect-panicked"));
    }
    let expected = ["1: taken 1 gave true", "2: taken 2 gave 2"];
    assert_eq!(told(&push(&store, &batch).await), expected);
}

async fn an_effect_shows_only_if_its_event_does<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    #[rustfmt::skip]
    let cases = [
        (event("count", "a"),  "1: taken 1 gave 1"),
        (event("refuse", "b"), "2: refused no"),
        (event("count", "c"),  "3: taken 2 gave 2"),
        (event("forget", "d"), "4: taken 3 gave null"),
        (event("count", "e"),  "5: taken 4 gave 1"),
    ];
    for (sealed, expected) in cases {
        assert_eq!(told(&push(&store, &ann.batch(&[sealed])).await), [expected]);
    }
}

async fn results_beyond_one_answer_are_asked_for_again<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let events: Vec<_> = (0..100).map(|number| event("large", &format!("e{number}"))).collect();
    let batch = ann.batch(&events);
    let answer = push(&store, &batch).await;
    assert_eq!((answer.through, answer.retry_after_ms), (Seq(64), Some(0)));
    assert_eq!(answer.later, None);
    let head = chain::head_after(*batch.previous, events[..64].iter().map(Vec::as_slice));
    let answer = push(&store, &ann.push_at(Seq(65), head, &events[64..])).await;
    assert_eq!((answer.through, answer.log_head), (Seq(100), 100));
    // The whole again fits, with the results that do.
    let answer = push(&store, &batch).await;
    assert_eq!(answer.results.len(), 100);
    assert_eq!(answer.results.iter().filter(|result| result.result.is_some()).count(), 64);
}

async fn sessions_and_tenants_do_not_meet<S: Store>(store: S) {
    let rooms = [("", "s", 1), ("", "t", 2), ("other", "s", 3)];
    let mut epochs = Vec::new();
    for (tenant, session, number) in rooms {
        let mut device = Device::new(number, session, "ann");
        let batch = device.batch(&[event("count", "same")]);
        let answer = push_as(&store, tenant, &batch).await;
        assert_eq!(told(&answer), ["1: taken 1 gave 1"], "{tenant} {session}");
        epochs.push(answer.log_epoch);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 3);
    for (tenant, session, number) in rooms {
        let page = read(&store, tenant, session, 0, 100).await;
        assert_eq!(page.events.len(), 1);
        assert_eq!(page.events[0].device.0, [number; 16], "{tenant} {session}");
    }
}

async fn a_dependent_takes_from_its_prerequisites_result<S: Store>(store: S) {
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    let binds = Some(r#"{"/start":"/id","/n":""}"#);
    let events = [
        event("start", "a"),
        dependent("echo", "b", "a", binds),
        dependent("echo", "c", "b", Some(r#"{"/start":"/start"}"#)),
        dependent("echo", "d", "a", None),
    ];
    let batch = ann.batch(&events);
    let expected = [
        r#"1: taken 1 gave {"id":1}"#,
        r#"2: taken 2 gave {"n":{"id":1},"start":1}"#,
        r#"3: taken 3 gave {"n":1,"start":1}"#,
        r#"4: taken 4 gave {"n":1}"#,
    ];
    for time in ["in one push", "again"] {
        assert_eq!(told(&push(&store, &batch).await), expected, "{time}");
    }
    let batch =
        ben.batch(&[dependent("echo", "e", "a", binds), dependent("echo", "b", "x", binds)]);
    let expected = [
        r#"1: taken 5 gave {"n":{"id":1},"start":1}"#,
        r#"2: taken 2 gave {"n":{"id":1},"start":1}"#,
    ];
    assert_eq!(told(&push(&store, &batch).await), expected, "from the log; what is known is known");

    let page = read(&store, "", "s", 0, 100).await;
    let bound: Vec<_> = page.events.iter().map(|event| text(event.bound.as_deref())).collect();
    let started = r#"{"n":{"id":1},"start":1}"#;
    assert_eq!(bound, ["", started, r#"{"n":1,"start":1}"#, "", started]);
    let sealed: Vec<_> = page.events.iter().map(|event| event.sealed.to_vec()).collect();
    assert_eq!(sealed[..4], events, "what was sealed stays as it was made");
}

async fn a_dependent_waits_for_a_prerequisite_that_is_not_known<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let bound = |id: &str| dependent("echo", id, "x", Some(r#"{"/start":"/id"}"#));
    let batch = ann.batch(&[event("plain", "a"), bound("b"), event("plain", "c")]);
    // The same id in another session, and in that of another tenant, is another event.
    for (tenant, session, number) in [("", "t", 2), ("other", "s", 3)] {
        let mut device = Device::new(number, session, "ann");
        push_as(&store, tenant, &device.batch(&[event("start", "x")])).await;
    }
    for time in ["first", "again"] {
        let answer = push(&store, &batch).await;
        let later = answer.later.clone().expect("the prerequisite is not known");
        assert_eq!((later.seq, later.id.as_str()), (Seq(2), "b"), "{time}");
        assert_eq!(&*later.code, "prerequisite-unknown", "{time}");
        assert_eq!((answer.through, answer.retry_after_ms), (Seq(1), Some(1_000)), "{time}");
    }
    // One that was released does not wait, and stays without what comes later.
    let free = released("echo", "d", "x", Some(r#"{"/start":"/id"}"#));
    let mut ben = Device::new(4, "s", "ben");
    assert_eq!(told(&push(&store, &ben.batch(&[free])).await), [r#"1: taken 2 gave {"n":1}"#]);
    push(&store, &ben.batch(&[event("start", "x")])).await;
    let expected =
        ["1: taken 1", r#"2: taken 4 gave {"n":1,"start":2}"#, "3: taken 5"].map(str::to_owned);
    assert_eq!(told(&push(&store, &batch).await), expected);
    let page = read(&store, "", "s", 0, 100).await;
    let bound: Vec<_> = page.events.iter().map(|event| text(event.bound.as_deref())).collect();
    assert_eq!(bound, ["", "", "", r#"{"n":1,"start":2}"#, ""]);
}

async fn a_dependent_of_a_refused_event_is_refused_unless_released<S: Store>(store: S) {
    let ann = Device::new(1, "s", "ann");
    let start = ann.head;
    let binds = Some(r#"{"/start":"/id"}"#);
    let events = [
        event("refuse", "r"),
        dependent("echo", "a", "r", binds),
        released("echo", "b", "r", binds),
        dependent("echo", "c", "a", None),
        dependent("echo", "d", "bad", None),
        event_with("plain", "bad", Some(b"{")),
        dependent("echo", "e", "bad", None),
    ];
    let batch = ann.push_at(Seq(1), start, &events[..4]);
    let expected = [
        "1: refused no",
        "2: refused prerequisite-failed",
        r#"3: taken 1 gave {"n":1}"#,
        "4: refused prerequisite-failed",
    ];
    for time in ["first", "again"] {
        assert_eq!(told(&push(&store, &batch).await), expected, "{time}");
    }
    // What was refused before the dependent and what comes after it are two things.
    let answer = push(&store, &ann.push_at(Seq(1), start, &events)).await;
    assert_eq!(answer.through, Seq(4));
    let code = answer.later.map(|later| later.code);
    assert_eq!(code.as_deref(), Some("prerequisite-unknown"));
    let rest = [&events[..4], &events[5..]].concat();
    let told_of = told(&push(&store, &ann.push_at(Seq(1), start, &rest)).await);
    assert_eq!(told_of[4..], ["5: refused event-not-json", "6: refused prerequisite-failed"]);
    // A push that repeats the refusal knows it; a push without it does not.
    let longer = [&rest[..], &[dependent("echo", "f", "r", None)]].concat();
    let told_of = told(&push(&store, &ann.push_at(Seq(1), start, &longer)).await);
    assert_eq!(told_of[6..], ["7: refused prerequisite-failed"]);
    let head = chain::head_after(start, longer.iter().map(Vec::as_slice));
    let alone = ann.push_at(Seq(8), head, &[dependent("echo", "g", "r", None)]);
    assert!(push(&store, &alone).await.later.is_some());
    // What was refused and is taken after all is taken.
    let mended = [event("refuse", "m"), event("start", "m"), dependent("echo", "h", "m", binds)];
    let told_of = told(&push(&store, &ann.push_at(Seq(8), head, &mended)).await);
    let expected =
        ["8: refused no", r#"9: taken 2 gave {"id":2}"#, r#"10: taken 3 gave {"n":1,"start":2}"#];
    assert_eq!(told_of, expected);
}

async fn what_cannot_be_bound_is_refused<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let prerequisites =
        [event("start", "given"), event("plain", "nothing"), event("large", "large")];
    push(&store, &ann.batch(&prerequisites)).await;
    let sixteen: Vec<_> = (0..16).map(|number| format!("\"/{number}\":\"\"")).collect();
    let sixteen = format!("{{{}}}", sixteen.join(","));
    #[rustfmt::skip]
    let cases = [
        ("not in the result",    dependent("echo", "b", "given", Some(r#"{"/a":"/no"}"#)),   "binding-failed"),
        ("no result",            dependent("echo", "b", "nothing", Some(r#"{"/a":""}"#)),    "binding-failed"),
        ("no place in the data", dependent("echo", "b", "given", Some(r#"{"/n/a":"/id"}"#)), "binding-failed"),
        ("released all the same", released("echo", "b", "given", Some(r#"{"/a":"/no"}"#)),   "binding-failed"),
        ("too large together",   dependent("echo", "b", "large", Some(&sixteen)),            "event-too-large"),
    ];
    for (shows, sealed, code) in cases {
        let batch = ann.batch(&[sealed, dependent("echo", "c", "b", None)]);
        let expected = [code, "prerequisite-failed"];
        let answer = push(&store, &batch).await;
        let codes: Vec<_> = answer.results.iter().filter_map(|told| told.code.as_deref()).collect();
        assert_eq!(codes, expected, "{shows}");
        assert!(
            answer.results[0].message.as_deref().is_some_and(|said| said.len() > 20),
            "{shows}"
        );
    }
    assert_eq!(ids(&read(&store, "", "s", 0, 100).await), ["given", "nothing", "large"]);
    let root = wire::to_cbor(&Event {
        after: Some(EventId::new("given").expect("it is plain ASCII")),
        binds: Some(br#"{"/id":"/id"}"#),
        ..unsealed("echo", "b", None)
    });
    let told_of = told(&push(&store, &ann.batch(&[root])).await);
    assert!(told_of[0].ends_with(r#"gave {"id":1}"#), "{told_of:?}");
}

async fn a_page_counts_what_was_bound<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let binds: Vec<_> = (0..15).map(|number| format!("\"/{number}\":\"\"")).collect();
    let binds = format!("{{{}}}", binds.join(","));
    let mut events = vec![event("large", "large")];
    events.extend((0..20).map(|at| dependent("plain", &format!("e{at}"), "large", Some(&binds))));
    assert_eq!(push(&store, &ann.batch(&events)).await.through, Seq(21));
    let (mut after, mut pages) = (0, Vec::new());
    loop {
        let page = read(&store, "", "s", after, 1_000).await;
        let bytes = page
            .events
            .iter()
            .map(|event| event.sealed.len() + event.bound.as_ref().map_or(0, |bound| bound.len()));
        assert!(bytes.sum::<usize>() <= 2 * 1024 * 1024);
        after = page.events.last().expect("each page has something").offset;
        pages.push(page.events.len());
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, [9, 8, 4]);
}

fn text(bytes: Option<&Vec<u8>>) -> String {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

async fn a_question_writes_nothing<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let ask = || store.position("", ann.question());
    let answer = ask().await.expect("a question is answered");
    assert_eq!((answer.verdict, answer.through), (Verdict::Taken, Seq(0)));
    assert_eq!((answer.log_epoch, answer.log_head), (LogEpoch::default(), 0));
    assert_eq!(read(&store, "", "s", 0, 100).await.epoch, LogEpoch::default());

    push(&store, &ann.batch(&plain(["a", "b"]))).await;
    let answer = store.position("", ann.question()).await.expect("a question is answered");
    assert_eq!((answer.through, answer.durable, answer.log_head), (Seq(2), Seq(2), 2));
}

async fn a_log_is_read_in_pages<S: Store>(store: S) {
    let mut ann = Device::new(1, "s", "ann");
    let answer = push(&store, &ann.batch(&plain(["a", "b", "c", "d", "e"]))).await;
    #[rustfmt::skip]
    let cases: [(u64, u32, &[&str], bool); 6] = [
        (0,  2,   &["a", "b"],                true),
        (2,  2,   &["c", "d"],                true),
        (4,  2,   &["e"],                     false),
        (0,  5,   &["a", "b", "c", "d", "e"], false),
        (5,  5,   &[],                        false),
        (99, 5,   &[],                        false),
    ];
    for (after, limit, expected, more) in cases {
        let page = read(&store, "", "s", after, limit).await;
        assert_eq!(ids(&page), expected, "{after} {limit}");
        assert_eq!((page.more, page.head), (more, 5), "{after} {limit}");
    }
    let ask = |epoch| PageAsk { epoch, ..ask("", "s", 0, 5) };
    assert!(store.page(ask(Some(answer.log_epoch))).await.is_ok());
    let changed = store.page(ask(Some(LogEpoch([9; 16])))).await;
    assert_eq!(changed, Err(Fault::EpochChanged { epoch: answer.log_epoch }));

    // Ten events of a quarter of a megabyte do not fit one page.
    let body = vec![b'1'; 256 * 1024];
    for number in 0..10 {
        let large = event_with("plain", &format!("large-{number}"), Some(&body));
        push(&store, &ann.batch(&[large])).await;
    }
    let page = read(&store, "", "s", 5, 100).await;
    assert_eq!((page.events.len(), page.more), (7, true));
    assert_eq!(read(&store, "", "s", 12, 100).await.events.len(), 3);
}

/// Pushes until there is an answer.
pub(crate) async fn push<S: Store>(store: &S, push: &Push) -> Answer {
    push_as(store, "", push).await
}

async fn push_as<S: Store>(store: &S, tenant: &str, push: &Push) -> Answer {
    outlast(store, tenant, push).await.expect("the push is taken")
}

async fn refused<S: Store>(store: &S, tenant: &str, push: &Push) -> Fault {
    outlast(store, tenant, push).await.expect_err("the push is refused")
}

async fn outlast<S: Store>(store: &S, tenant: &str, push: &Push) -> Result<Answer, Fault> {
    let checked = Checked::of(push.clone(), Signatures::Required).expect("tests sign well");
    loop {
        match store.push(tenant, checked.clone()).await {
            Err(Fault::Unavailable { why, .. }) if &*why == LOST => {}
            answer => return answer,
        }
    }
}

pub(crate) async fn read<S: Store>(
    store: &S,
    tenant: &str,
    session: &str,
    after: u64,
    limit: u32,
) -> LogPage {
    store.page(ask(tenant, session, after, limit)).await.expect("the log is read")
}

pub(crate) fn ask(tenant: &str, session: &str, after: u64, limit: u32) -> PageAsk {
    let (tenant, session) = (tenant.into(), session.into());
    PageAsk { tenant, session, epoch: None, after, limit, which: Which::All }
}

/// The ids of a page's events.
pub(crate) fn ids(page: &LogPage) -> Vec<String> {
    let opened = page.events.iter().map(|event| {
        let event: Event<'_> = wire::decode(&event.sealed).expect("what was taken can be read");
        event.id.to_string()
    });
    opened.collect()
}

/// Results as text, with no difference between now and before: the answer to either may be lost.
pub(crate) fn told(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.verdict, Verdict::Taken);
    let results = answer.results.iter().map(|result| {
        let seq = result.seq.0;
        match (result.offset, &result.code, &result.result) {
            (Some(offset), None, None) => format!("{seq}: taken {offset}"),
            (Some(offset), None, Some(text)) => {
                format!("{seq}: taken {offset} gave {}", String::from_utf8_lossy(text))
            }
            (None, Some(code), None) => format!("{seq}: refused {code}"),
            odd => panic!("{seq}: {odd:?}"),
        }
    });
    results.collect()
}
