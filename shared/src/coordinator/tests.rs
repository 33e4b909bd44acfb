//! A driver in a few lines: facts in, effects out, by hand.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::{DeviceId, EventId, Generation, Incarnation, LogEpoch, Stamp, Wall};
use crate::bus::{Farewell, Identity, Wipe};
use crate::outbox::{OutboxRows, Response};
use crate::rows::{
    DeviceRow, FoldRow, HostKind, Key, LeaseRow, LoserRow, Op, Options, Place, Replay, Store,
    StreamKey, StreamRow, read,
};
use crate::rules::breaker::BreakerRow;
use crate::rules::patch::{Base, Patch, Write};
use crate::tape::Recording;
use crate::wire::{CBOR, DeviceKey, Event, EventKind, KeyKind, Lane, LogPage, PATCH_TYPE};

fn at(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_000_000 + ms) }
}

fn restored(outbox: OutboxRows) -> Restored {
    let holder = PageId([1; 16]);
    let lease = LeaseRow::taken(None, holder, HostKind::Worker, "test", Wall(1_000_000));
    let config = Config {
        server: "https://server.test".into(),
        recording: Some(Recording::WithoutBodies),
        ..Config::default()
    };
    Restored { lease, config: Some(to_cbor(&config)), outbox }
}

fn device() -> DeviceRow {
    let key = DeviceKey { kind: KeyKind::None, public: Vec::new().into() };
    DeviceRow { version: ROW_VERSION, device: DeviceId([2; 16]), key, minted_at: Wall(1) }
}

fn row(id: &str) -> Vec<u8> {
    row_of(event(id))
}

fn event(id: &str) -> Event<'static> {
    Event {
        id: EventId::new(id).expect("tests use fit ids"),
        kind: EventKind::App,
        type_: "plain",
        key: None,
        data: Some(br#"{"its":"body"}"#),
        schema: 0,
        stamp: Stamp(1),
        page: PageId([7; 16]),
        at: Wall(1),
        correlation: None,
        after: None,
        binds: None,
        flags: None,
    }
}

fn row_of(event: Event<'_>) -> Vec<u8> {
    let sealed = to_cbor(&event);
    let stream = StreamKey { session: "s".into(), user: "".into(), lane: Lane::Normal };
    to_cbor(&JournalRow { generation: Generation(0), ..JournalRow::new(&stream, &sealed, Wall(1)) })
}

fn hello(server: &str) -> Hello {
    Hello {
        identity: Identity { session: "s".into(), user: "".into() },
        server: server.into(),
        options: Options::default(),
        has_token: false,
        visible: true,
        network: None,
        shows_state: None,
        resolves: None,
    }
}

fn effects(coordinator: &mut Coordinator) -> Vec<Effect> {
    core::iter::from_fn(|| coordinator.poll_effect()).collect()
}

/// Hands in what a driver would until a push leaves; gives its ticket.
fn until_pushed(coordinator: &mut Coordinator) -> Ticket {
    coordinator.handle(at(1), Input::Device(device()));
    let rows = vec![(1, row("a")), (2, row("b"))];
    coordinator.handle(at(2), Input::Journal { rows, ended: true });
    for _ in 0..10 {
        for effect in effects(coordinator) {
            match effect {
                Effect::Sign { ticket, .. } => {
                    let signature = Some(Vec::new());
                    coordinator.handle(at(3), Input::Signed { ticket, signature });
                }
                Effect::Commit { ticket, .. } => {
                    coordinator.handle(at(3), Input::Committed(ticket))
                }
                Effect::Push { ticket, .. } => return ticket,
                Effect::ReadJournal { .. } => {
                    let rows = Vec::new();
                    coordinator.handle(at(3), Input::Journal { rows, ended: true });
                }
                Effect::ReadRetained { .. }
                | Effect::ReadOld { .. }
                | Effect::ListClients
                | Effect::Send { .. }
                | Effect::AskForSync
                | Effect::Request { .. }
                | Effect::WantToken { .. }
                | Effect::Pull { .. }
                | Effect::ReadDocument { .. }
                | Effect::Resolve { .. }
                | Effect::TellHook { .. }
                | Effect::StartOver => {}
            }
        }
    }
    panic!("no push leaves");
}

#[test]
fn a_boot_asks_once_which_pages_are_there() {
    let mut coordinator = Coordinator::restore(at(0), &restored(OutboxRows::default()), 7);
    coordinator.handle(at(0), Input::Device(device()));
    let asked = effects(&mut coordinator);
    assert_eq!(asked.iter().filter(|effect| **effect == Effect::ListClients).count(), 1);
}

#[test]
fn no_push_leaves_before_its_seal_is_on_disk() {
    let mut coordinator = Coordinator::restore(at(0), &restored(OutboxRows::default()), 7);
    coordinator.handle(at(1), Input::Device(device()));
    let rows = vec![(1, row("a"))];
    coordinator.handle(at(2), Input::Journal { rows, ended: true });
    let mut sealed = None;
    for effect in effects(&mut coordinator) {
        if let Effect::Sign { ticket, .. } = effect {
            coordinator.handle(at(3), Input::Signed { ticket, signature: Some(Vec::new()) });
        }
    }
    for effect in effects(&mut coordinator) {
        match effect {
            Effect::Commit { ticket, batch } => {
                let flight = |op: &Op| op.store() == Store::Flight;
                assert!(batch.ops.iter().any(flight) && batch.epoch == coordinator.epoch());
                sealed = Some(ticket);
            }
            Effect::Push { .. } => panic!("a push leaves before the disk has answered"),
            Effect::Sign { .. }
            | Effect::ReadJournal { .. }
            | Effect::ReadRetained { .. }
            | Effect::ReadOld { .. }
            | Effect::ListClients
            | Effect::Send { .. }
            | Effect::AskForSync
            | Effect::Request { .. }
            | Effect::WantToken { .. }
            | Effect::Pull { .. }
            | Effect::ReadDocument { .. }
            | Effect::Resolve { .. }
            | Effect::TellHook { .. }
            | Effect::StartOver => {}
        }
    }
    coordinator.handle(at(9), Input::Timeout);
    assert!(!effects(&mut coordinator).iter().any(|effect| matches!(effect, Effect::Push { .. })));
    coordinator.handle(at(10), Input::Committed(sealed.expect("a seal was asked for")));
    assert!(effects(&mut coordinator).iter().any(|effect| matches!(effect, Effect::Push { .. })));
}

#[test]
fn another_server_is_not_spared_for_what_befell_the_first() {
    let told = |server: &str| {
        let breaker = BreakerRow { failures: 9, until: at(20_000).wall };
        let config = Config {
            server: "https://server.test".into(),
            breaker: Some(breaker),
            ..Config::default()
        };
        let restored =
            Restored { config: Some(to_cbor(&config)), ..restored(OutboxRows::default()) };
        let mut coordinator = Coordinator::restore(at(0), &restored, 1);
        let options = Options { tries_max: 2, ..Options::default() };
        let hello = Hello { options, ..hello(server) };
        let bytes = Request::Hello(hello).seal("test", PageId([3; 16]), RequestId(0), Epoch(1));
        coordinator.handle(at(1), Input::Message { from: Client("page".into()), bytes });
        let stored = effects(&mut coordinator).into_iter().find_map(|effect| {
            let Effect::Commit { batch, .. } = effect else { return None };
            let [Op::Put { row, .. }] = &batch.ops[..] else { return None };
            read::<Config>(row).ok()
        });
        stored.expect("the options have changed").breaker.map(|row| row.failures)
    };
    assert_eq!(told("https://server.test"), Some(9));
    assert_eq!(told("https://other.test"), None);
}

#[test]
fn a_fenced_coordinator_asks_for_nothing_whatever_it_is_told() {
    let mut coordinator = Coordinator::restore(at(0), &restored(OutboxRows::default()), 7);
    let ticket = until_pushed(&mut coordinator);
    coordinator.handle(at(5), Input::Fenced);
    let response = Response::Unreachable;
    let message = Request::Flush.seal("test", PageId([5; 16]), RequestId(1), Epoch(0));
    let from = Client("page".into());
    let facts = [
        Input::Response { ticket, response },
        Input::Trigger(Trigger::Sync),
        Input::Message { from, bytes: message },
        Input::Journal { rows: vec![(9, row("c"))], ended: true },
        Input::Timeout,
    ];
    for fact in facts {
        coordinator.handle(at(60_000), fact);
        assert_eq!(effects(&mut coordinator), []);
    }
    assert_eq!(coordinator.poll_timeout(at(60_000)), None);
    assert!(coordinator.is_quiet() && !coordinator.has_work());
}

// "Nothing is retained" would end what is sent again to a server that has lost its log.
#[test]
fn retained_rows_that_cannot_be_read_are_asked_for_again() {
    let key = StreamKey { session: "s".into(), user: "".into(), lane: Lane::Normal };
    let replay = Some(Replay { from: 1, through: 3, skip: 0 });
    let stream = StreamRow::begin(&key, DeviceId([2; 16]), Incarnation([3; 16]), None, replay);
    let rows = OutboxRows { streams: vec![to_cbor(&stream)], answered: 3, ..OutboxRows::default() };
    let mut coordinator = Coordinator::restore(at(0), &restored(rows), 7);
    let reads = |coordinator: &mut Coordinator| {
        let mut asked = Vec::new();
        for effect in effects(coordinator) {
            if let Effect::ReadRetained { ticket, after, .. } = effect {
                asked.push((ticket, after));
            }
        }
        asked
    };
    coordinator.handle(at(1), Input::Device(device()));
    let [(ticket, 0)] = reads(&mut coordinator)[..] else { panic!("it is not read") };
    coordinator.handle(at(2), Input::RetainedFailed { ticket, fault: letter_unknown() });
    coordinator.handle(at(3), Input::Journal { rows: Vec::new(), ended: true });
    assert_eq!(reads(&mut coordinator), []);
    assert_eq!(coordinator.poll_timeout(at(3)), Some(Mono(1_002)));
    coordinator.handle(at(1_002), Input::Timeout);
    let [(again, 0)] = reads(&mut coordinator)[..] else { panic!("it is not read again") };
    assert_ne!(again, ticket);
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        // A row that was cut, or of which one byte has turned.
        (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(|(at, to, cut)| {
            let mut row = row("a");
            let at = at.index(row.len());
            if cut {
                row.truncate(at);
            } else {
                row[at] = to;
            }
            row
        }),
    ]
}

proptest! {
    /// Whatever lies on disk and whatever is said, there is a coordinator, and it goes on. What was recorded of it
    /// can be replayed.
    #[test]
    fn no_row_and_no_message_stops_it(
        streams in prop::collection::vec(bytes(), 0..3),
        flights in prop::collection::vec(bytes(), 0..3),
        dead in prop::collection::vec(bytes(), 0..3),
        journal in prop::collection::vec(bytes(), 0..6),
        messages in prop::collection::vec(bytes(), 0..3),
        answers in prop::collection::vec(bytes(), 0..3),
    ) {
        let dead = dead.into_iter().zip(0..).map(|(row, key)| (Key::Number(key), row)).collect();
        let cursors = streams.clone();
        let rows = OutboxRows { streams, flights, cursors, dead, answered: 3 };
        let mut coordinator = Coordinator::restore(at(0), &restored(rows), 7);
        coordinator.handle(at(1), Input::Device(device()));
        for bytes in messages {
            coordinator.handle(at(2), Input::Message { from: Client("page".into()), bytes });
        }
        let rows = (1..).zip(journal).collect();
        coordinator.handle(at(3), Input::Journal { rows, ended: true });
        let mut answers = answers.into_iter();
        let mut chunks = Vec::new();
        for ms in 4..40 {
            for effect in effects(&mut coordinator) {
                chunks.extend(saved(&effect));
                let fact = match effect {
                    Effect::Commit { ticket, .. } => Input::Committed(ticket),
                    Effect::Sign { ticket, .. } => Input::Signed { ticket, signature: Some(vec![1]) },
                    Effect::Push { ticket, .. } => {
                        let body = answers.next().unwrap_or_default();
                        let (status, content_type) = (200, CBOR.into());
                        let response =
                            Response::Http { status, content_type, retry_after_ms: None, body };
                        Input::Response { ticket, response }
                    }
                    Effect::ReadJournal { .. } => Input::Journal { rows: Vec::new(), ended: true },
                    Effect::ReadRetained { ticket, .. } => Input::Retained { ticket, rows: Vec::new() },
                    Effect::ReadOld { store, .. } => Input::Old { store, rows: Vec::new() },
                    Effect::ListClients => Input::Clients(Vec::new()),
                    Effect::Send { .. } | Effect::AskForSync | Effect::Request { .. } | Effect::WantToken { .. } | Effect::Pull { .. } | Effect::ReadDocument { .. } | Effect::Resolve { .. } | Effect::TellHook { .. } | Effect::StartOver => continue,
                };
                coordinator.handle(at(ms), fact);
            }
        }
        prop_assert!(coordinator.is_quiet());
        prop_assert!(!chunks.is_empty());
        replays(&chunks);
    }
}

#[test]
fn of_a_long_life_the_first_part_is_kept_and_the_last() {
    let mut coordinator = Coordinator::restore(at(0), &restored(OutboxRows::default()), 7);
    let mut kept: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for ms in 1..150 {
        let bytes = vec![0xff; limits::TAPE_CHUNK_BYTES / 2 + 1];
        coordinator.handle(at(ms), Input::Message { from: Client("page".into()), bytes });
        for effect in effects(&mut coordinator) {
            let Effect::Commit { ticket: TAPE, batch } = effect else { continue };
            for op in batch.ops {
                match op {
                    Op::Put { key: Key::Number(key), row, .. } => drop(kept.insert(key, row)),
                    Op::DeleteSpan { from, through, .. } => {
                        kept.retain(|key, _| *key < from || *key > through);
                    }
                    Op::Put { .. } | Op::Append { .. } | Op::Delete { .. } => unreachable!(),
                }
            }
            coordinator.handle(at(ms), Input::Committed(TAPE));
        }
    }
    let bytes: usize = kept.values().map(Vec::len).sum();
    assert!(bytes < limits::TAPE_LIFE_BYTES_MAX + 4 * limits::TAPE_CHUNK_BYTES, "{bytes}");
    assert!(kept.contains_key(&first_key(1)));
    assert!(kept.len() > 20 && !kept.contains_key(&(first_key(1) + 1)));
    #[cfg(feature = "replay")]
    {
        let file = crate::tape::file(kept.values().map(|chunk| &chunk[..]).collect());
        let lives = crate::replay::read(&file).expect("what was just written can be read");
        let played = crate::replay::play(&lives[0], usize::MAX, &mut |_| {});
        assert!(lives[0].missing() > 0 && played.facts > 0 && played.shown > 0);
        assert_eq!(played.difference, None);
    }
}

#[test]
fn a_refused_part_ends_the_recording_and_nothing_else() {
    let mut coordinator = Coordinator::restore(at(0), &restored(OutboxRows::default()), 7);
    let mut refused = 0;
    for ms in 1..60 {
        for effect in effects(&mut coordinator) {
            let fact = match effect {
                Effect::Commit { ticket: TAPE, .. } => {
                    refused += 1;
                    Input::CommitFailed { ticket: TAPE, fault: letter_unknown() }
                }
                Effect::ReadJournal { .. } => Input::Journal { rows: Vec::new(), ended: true },
                Effect::Commit { .. }
                | Effect::Sign { .. }
                | Effect::Push { .. }
                | Effect::ReadRetained { .. }
                | Effect::ReadOld { .. }
                | Effect::ListClients
                | Effect::Send { .. }
                | Effect::AskForSync
                | Effect::Request { .. }
                | Effect::WantToken { .. }
                | Effect::Pull { .. }
                | Effect::ReadDocument { .. }
                | Effect::Resolve { .. }
                | Effect::TellHook { .. }
                | Effect::StartOver => continue,
            };
            coordinator.handle(at(ms), fact);
        }
    }
    assert_eq!(refused, 1);
    coordinator.handle(at(60), Input::Trigger(Trigger::Start));
    until_pushed(&mut coordinator);
}

// Pages look for outcomes when there are more: one that was told before they were on disk would find none, and wait for ever.
#[test]
fn pages_are_told_of_an_outcome_once_it_is_on_disk() {
    let restored =
        Restored { config: Some(to_cbor(&Config::default())), ..restored(OutboxRows::default()) };
    let mut coordinator = Coordinator::restore(at(0), &restored, 7);
    coordinator.handle(at(0), Input::Device(device()));
    let writes = vec![Write { key: "k", path: Vec::new(), value: Some(b"1"), base: None }];
    let data = to_cbor(&Patch { writes });
    let (kind, type_, data) = (EventKind::Patch, PATCH_TYPE, Some(&data[..]));
    let patch = row_of(Event { kind, type_, data, ..event("patch") });
    coordinator.handle(at(1), Input::Journal { rows: vec![(1, patch)], ended: true });
    let mut filing = None;
    for ms in 2..10 {
        for effect in effects(&mut coordinator) {
            if let Effect::ReadDocument { ticket, .. } = effect {
                let rows = Vec::new();
                coordinator.handle(at(ms), Input::Document { ticket, rows });
            } else if let Effect::Commit { ticket, batch } = effect {
                let files = batch.ops.iter().any(|op| op.store() == Store::Done);
                filing = filing.or(files.then_some(ticket));
            }
        }
    }
    let ticket = filing.expect("the patch is folded, and its outcome filed");
    let heard =
        |coordinator: &mut Coordinator| effects(coordinator).iter().filter_map(told).next_back();
    // Another page comes: all are told of that, and not of what may yet be refused.
    let (from, page) = (Client("other".into()), PageId([9; 16]));
    let bytes = Request::Hello(hello("")).seal("test", page, RequestId(0), Epoch(1));
    coordinator.handle(at(20), Input::Message { from, bytes });
    assert_eq!(heard(&mut coordinator), Some(0));
    coordinator.handle(at(200), Input::Committed(ticket));
    assert_eq!(heard(&mut coordinator), Some(1));
}

/// How many outcomes it tells of.
fn told(effect: &Effect) -> Option<u64> {
    let Effect::Send { message, .. } = effect else { return None };
    let envelope = Envelope::read(message).ok()?;
    let Ok(Some(Notice::Status(status))) = Notice::open(&envelope) else { return None };
    Some(status.answered)
}

#[test]
fn another_page_is_asked_for_the_token_as_soon_as_the_one_that_was_asked_has_gone() {
    let mut coordinator = Coordinator::restore(at(0), &restored(OutboxRows::default()), 7);
    let mut say = |ms, name: &str, request: Request| {
        let page = PageId([name.len() as u8; 16]);
        let bytes = request.seal("test", page, RequestId(0), Epoch(1));
        coordinator.handle(at(ms), Input::Message { from: Client(name.into()), bytes });
        let asked = effects(&mut coordinator).into_iter().filter_map(|effect| {
            let Effect::WantToken { page, .. } = effect else { return None };
            page
        });
        asked.map(|page| page.0.to_string()).collect::<Vec<_>>()
    };
    let hello = || Request::Hello(Hello { has_token: true, ..hello("https://server.test") });
    assert_eq!(say(1, "one", hello()), ["one"]);
    assert_eq!(say(2, "other", hello()), Vec::<String>::new(), "one is asked at a time");
    let farewell = Request::Farewell(Farewell { rows: Vec::new(), may_return: false });
    assert_eq!(say(3, "one", farewell), ["other"]);
}

#[test]
fn the_hook_is_asked_once_nothing_waits_that_would_be_sent_before_what_it_makes() {
    let (_, asked, _) = with_a_loser(vec![(1, row("a"))]);
    assert!(asked.is_none(), "one event waits");
    let (mut coordinator, asked, _) = with_a_loser(Vec::new());
    let ticket = asked.expect("none waits");
    let made = Some(vec![row("made")]);
    coordinator.handle(at(90), Input::Resolution { ticket, made });
    assert_eq!(appended(&mut coordinator), 1);
}

#[test]
fn what_the_hook_makes_during_a_wipe_is_not_written() {
    let (mut coordinator, asked, from) = with_a_loser(Vec::new());
    let ticket = asked.expect("none waits");
    let wipe = Wipe { session: None, user: None, undelivered: true };
    let bytes = Request::Wipe(wipe).seal("test", PageId([9; 16]), RequestId(1), Epoch(1));
    coordinator.handle(at(90), Input::Message { from, bytes });
    let made = Some(vec![row("made")]);
    coordinator.handle(at(91), Input::Resolution { ticket, made });
    assert_eq!(appended(&mut coordinator), 0);
}

fn appended(coordinator: &mut Coordinator) -> usize {
    let commits = effects(coordinator).into_iter().filter_map(|effect| {
        let Effect::Commit { batch, .. } = effect else { return None };
        Some(batch)
    });
    commits.flat_map(|it| it.ops).filter(|op| matches!(op, Op::Append { .. })).count()
}

/// A page shows a document of which a patch has lost, while some events wait to be sent. What the worker's hook is asked, and
/// the page.
fn with_a_loser(waiting: Vec<(u64, Vec<u8>)>) -> (Coordinator, Option<Ticket>, Client) {
    let mut coordinator = Coordinator::restore(at(0), &restored(OutboxRows::default()), 7);
    coordinator.handle(at(0), Input::Device(device()));
    let from = Client("page".into());
    let hello = Hello { shows_state: Some(true), ..hello("https://server.test") };
    let bytes = Request::Hello(hello).seal("test", PageId([9; 16]), RequestId(0), Epoch(1));
    coordinator.handle(at(1), Input::Message { from: from.clone(), bytes });
    let (version, epoch, offset) = (ROW_VERSION, LogEpoch([1; 16]), 5);
    let fold = to_cbor(&FoldRow { version, epoch, offset, alone: false });
    let base = Some(Base { version: 0, after: None });
    let writes = vec![Write { key: "k", path: Vec::new(), value: Some(b"1"), base }];
    let (kind, type_, data) = (EventKind::Patch, PATCH_TYPE, to_cbor(&Patch { writes }));
    let sealed = to_cbor(&Event { kind, type_, data: Some(&data), ..event("lost") });
    let loser = LoserRow { version, at: Wall(1), sealed: sealed.into(), user: None };
    let document = [(Place::Fold.key("s"), fold), (Place::Loser("lost").key("s"), to_cbor(&loser))];
    let mut asked = None;
    for ms in 2..40 {
        for effect in effects(&mut coordinator) {
            let fact = match effect {
                Effect::Resolve { ticket, .. } => {
                    asked = Some(ticket);
                    continue;
                }
                Effect::Commit { ticket, .. } => Input::Committed(ticket),
                Effect::Sign { ticket, .. } => Input::Signed { ticket, signature: None },
                Effect::ReadJournal { after, .. } => {
                    let rows = if after == 0 { waiting.clone() } else { Vec::new() };
                    Input::Journal { rows, ended: true }
                }
                Effect::ReadRetained { ticket, .. } => Input::Retained { ticket, rows: Vec::new() },
                Effect::ReadDocument { ticket, .. } => {
                    Input::Document { ticket, rows: document.to_vec() }
                }
                Effect::Pull { ticket, .. } => {
                    let (events, more, through) = (Vec::new(), false, None);
                    let page = LogPage { epoch, events, head: offset, floor: 0, more, through };
                    let (content_type, retry_after_ms) = (CBOR.into(), None);
                    let body = to_cbor(&page);
                    let response =
                        Response::Http { status: 200, content_type, retry_after_ms, body };
                    Input::Pulled { ticket, response }
                }
                Effect::ReadOld { .. }
                | Effect::Push { .. }
                | Effect::ListClients
                | Effect::Send { .. }
                | Effect::AskForSync
                | Effect::Request { .. }
                | Effect::WantToken { .. }
                | Effect::TellHook { .. }
                | Effect::StartOver => continue,
            };
            coordinator.handle(at(ms), fact);
        }
    }
    (coordinator, asked, from)
}

#[test]
fn a_wipe_takes_the_document_of_its_session_or_of_all() {
    for (session, expected) in [(None, ""), (Some("s"), "1 s ")] {
        let mut coordinator = Coordinator::restore(at(0), &restored(OutboxRows::default()), 7);
        let wipe = Wipe { session: session.map(Box::from), user: None, undelivered: false };
        let page = PageId([9; 16]);
        let bytes = Request::Wipe(wipe).seal("test", page, RequestId(1), Epoch(1));
        coordinator.handle(at(1), Input::Message { from: Client("page".into()), bytes });
        let mut asked = Vec::new();
        let mut gone = Vec::new();
        for ms in 2..40 {
            for effect in effects(&mut coordinator) {
                let fact = match effect {
                    Effect::Commit { ticket, batch } => {
                        gone.extend(
                            batch.ops.into_iter().filter(|op| op.store() == Store::Document),
                        );
                        Input::Committed(ticket)
                    }
                    Effect::ReadJournal { .. } => Input::Journal { rows: Vec::new(), ended: true },
                    Effect::ReadRetained { ticket, .. } => {
                        Input::Retained { ticket, rows: Vec::new() }
                    }
                    Effect::ReadDocument { ticket, prefix } => {
                        asked.push(prefix);
                        let rows = vec![(Key::from("1 s /key/theme"), vec![1])];
                        Input::Document { ticket, rows }
                    }
                    Effect::Sign { .. }
                    | Effect::Push { .. }
                    | Effect::ReadOld { .. }
                    | Effect::ListClients
                    | Effect::Send { .. }
                    | Effect::AskForSync
                    | Effect::Request { .. }
                    | Effect::WantToken { .. }
                    | Effect::Pull { .. }
                    | Effect::Resolve { .. }
                    | Effect::TellHook { .. }
                    | Effect::StartOver => continue,
                };
                coordinator.handle(at(ms), fact);
            }
        }
        assert_eq!(asked, [expected.into()]);
        let (store, key) = (Store::Document, Key::from("1 s /key/theme"));
        assert_eq!(gone, [Op::Delete { store, key }]);
    }
}

/// The part of the tape that an effect saves.
fn saved(effect: &Effect) -> Option<Vec<u8>> {
    let Effect::Commit { ticket: TAPE, batch } = effect else { return None };
    let mut rows = batch.ops.iter().filter_map(|op| match op {
        Op::Put { row, .. } => Some(row.clone()),
        Op::Append { .. } | Op::Delete { .. } | Op::DeleteSpan { .. } => None,
    });
    rows.next()
}

#[cfg(not(feature = "replay"))]
fn replays(_: &[Vec<u8>]) {}

#[cfg(feature = "replay")]
fn replays(chunks: &[Vec<u8>]) {
    let file = crate::tape::file(chunks.iter().map(|chunk| &chunk[..]).collect());
    let lives = crate::replay::read(&file).expect("what was just written can be read");
    for life in &lives {
        let played = crate::replay::play(life, usize::MAX, &mut |_| {});
        assert_eq!((played.difference, played.shown), (None, 0));
    }
}
