//! The bytes of every row and message, pinned: what is stored or sent by one build is read by all.
//!
//! Each case is encoded, compared with its line in `golden.txt`, and read back. A line is never edited;
//! a new field makes a new case.

#![cfg(feature = "machines")]

use bellwether_shared::base::{
    Culprit, DeviceId, Epoch, EventId, Fault, Generation, Incarnation, LogEpoch, PageId, RequestId,
    Seq, Stamp, Wall,
};
use bellwether_shared::bus::{
    Ballot, Breaker, Call, Change, Changed, Envelope, Farewell, Folded, Hello, Identity, Network,
    Notice, Over, Reply, Request, Status, Sync, TokenGiven, Welcome, Wipe,
};
use bellwether_shared::rows::{
    Ahead, AheadRow, Config, CursorRow, DeadRow, Deliver, DeviceRow, DoneEntry, DoneRow, EntryRow,
    FlightRow, FoldRow, HostKind, JournalRow, LeaseRow, LoserRow, Options, Overflow, Reason,
    Replay, RetainedRow, Source, Span, StreamRow, Wiping,
};
use bellwether_shared::rules::breaker::BreakerRow;
use bellwether_shared::rules::document::{self, Leaf, Mark};
use bellwether_shared::rules::patch::{Base, Patch, Write};
use bellwether_shared::tape::{Chunk, Entry, File, Machine, Recording};
use bellwether_shared::wire::audit::{
    Begin, End, Followed, LoggedEvent, Record, SignedBatch, SparePlace, Stream,
};
use bellwether_shared::wire::farewell::{self as wire, Tickets, TicketsWanted};
use bellwether_shared::wire::{
    Answer, DeviceKey, Event, EventFlags, EventKind, EventResult, Former, KeyKind, Lane, Later,
    LogEvent, LogPage, Outcome, Problem, Push, Snapshot, StreamId, Verdict, from_cbor, to_cbor,
};
use minicbor::bytes::ByteArray;

const GOLDEN: &str = include_str!("golden.txt");

#[test]
fn every_row_and_message_keeps_its_bytes() {
    let written: Vec<String> = cases().iter().map(|(name, bytes)| line(name, bytes)).collect();
    for (written, kept) in written.iter().zip(GOLDEN.lines()) {
        assert_eq!(written, kept);
    }
    assert_eq!(written.len(), GOLDEN.lines().count(), "{}", written.join("\n"));
}

fn line(name: &str, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {hex}")
}

/// Encodes each value, and sees that it is read back as it was.
macro_rules! encoded {
    ($($name:literal: $type:ty = $value:expr,)+) => {
        vec![$({
            let value: $type = $value;
            let bytes = to_cbor(&value);
            let read: $type = from_cbor(&bytes, usize::MAX).expect($name);
            assert_eq!(read, value, "{}", $name);
            ($name, bytes.clone())
        },)+]
    };
}

fn hello() -> Hello {
    Hello {
        identity: identity(),
        server: "".into(),
        options: Options::default(),
        has_token: false,
        visible: true,
        network: None,
        shows_state: None,
        resolves: None,
    }
}

fn cases() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = encoded! {
        "fault": Fault = fault(),
        "journal-row": JournalRow<'_> = JournalRow {
            version: 1, session: "board", user: "", lane: Lane::Critical, sealed: &[1, 2, 3],
            appended_at: WALL, generation: Generation(24),
        },
        "flight-row": FlightRow = flight(Source::Journal(vec![
            Span { from: 1, through: 23 },
            Span { from: 256, through: 65_536 },
        ]), None),
        "flight-row-again": FlightRow = flight(
            Source::Retained { keys: vec![7, u64::MAX], skip: 2 },
            Some(fault()),
        ),
        "flight-row-empty": FlightRow = flight(Source::Journal(Vec::new()), None),
        "flight-row-ahead": FlightRow = FlightRow {
            ahead: Some(Ahead {
                count: 2,
                spans: vec![Span { from: 24, through: 25 }],
                head: [4; 32].into(),
                signature: vec![5; 64].into(),
            }),
            ..flight(Source::Journal(vec![Span { from: 1, through: 23 }]), None)
        },
        "done-row": DoneRow = DoneRow { version: 1, at: WALL, entries: vec![
            DoneEntry { id: id(), outcome: Outcome::ACCEPTED, offset: Some(9),
                result: Some(b"{}".to_vec().into()), code: None, message: None },
            DoneEntry { id: id(), outcome: Outcome::REFUSED, offset: None, result: None,
                code: Some("no".into()), message: Some("because".into()) },
            DoneEntry { id: id(), outcome: Outcome(77), offset: None, result: None, code: None,
                message: None },
        ], session: None, user: None },
        "done-row-owned": DoneRow = DoneRow { version: 1, at: WALL, entries: Vec::new(),
            session: Some("s".into()), user: Some("u".into()) },
        "retained-row": RetainedRow = RetainedRow { version: 1, at: WALL, session: "s".into(),
            user: "ü".into(), lane: Lane::Bulk, events: vec![vec![0; 30].into(), Vec::new().into()] },
        "dead-row": DeadRow = DeadRow { version: 1, session: "s".into(), user: "u".into(),
            lane: Lane::Normal, sealed: vec![9].into(), reason: reason(), tries: 5, buried_at: WALL },
        "device-row": DeviceRow = DeviceRow { version: 1, device: DeviceId([4; 16]), key: key(),
            minted_at: WALL },
        "config": Config = Config::default(),
        "config-set": Config = Config { version: 1, server: "https://example.org".into(),
            options: Options { tries_max: 0, base_delay_ms: 255, max_delay_ms: 256,
                batch_events: 65_535, dead_max: u32::MAX, overflow: Overflow::DropOldest, deliver: None },
            paused: true, build: "b".into(), recording: None, breaker: None, wiping: None },
        "config-breaker": Config = Config { breaker: Some(BreakerRow { failures: 5, until: WALL }),
            ..Config::default() },
        "config-recorded": Config = Config { recording: Some(Recording::WithBodies),
            ..Config::default() },
        "config-wiping": Config = Config { wiping: Some(Wiping { session: Some("s".into()),
            user: None, undelivered: true, through: 300 }), ..Config::default() },
        "tape-chunk": Chunk<'_> = Chunk { version: 1, of: Machine::Page, build: "b",
            realm: PageId([5; 16]), life: 7, number: 1, recording: Recording::WithoutBodies,
            entries: &[1, 2] },
        "tape-entry": Entry<'_> = Entry { mono_ms: 1, wall_ms: WALL.0, fact: &[0x81, 16],
            hashes: &[], effects: &[8; 8], timeout_ms: Some(5) },
        "tape-file": File<'_> = File { magic: "bellwether-tape", version: 1, chunks: vec![&[1]] },
        "lease-row": LeaseRow = LeaseRow { version: 1, holder: PageId([5; 16]), kind: HostKind::Page,
            epoch: Epoch(3), until: WALL, heartbeat_every_ms: 2_000, updated_at: Wall(0), writes: 10,
            resigned: false, build: "b".into() },
        "stream-row": StreamRow = stream(None, None),
        "stream-row-former": StreamRow = stream(Some(former()), None),
        "stream-row-sealed": StreamRow = StreamRow { sealed_through: Some(1 << 33), ..stream(None, None) },
        "stream-row-replay": StreamRow = stream(None, Some(Replay { from: 1, through: 2, skip: 0 })),
        "entry-row": EntryRow = EntryRow { version: 1, entry: document::Entry { version: 3,
            writer: Some(id()), leaves: Vec::new() } },
        "fold-row": FoldRow = FoldRow { version: 1, epoch: LogEpoch([8; 16]), offset: 300, alone: false },
        "ahead-row": AheadRow = AheadRow { version: 1, offset: 301, taken_at: WALL,
            sealed: vec![1].into(), epoch: LogEpoch([8; 16]) },
        "loser-row": LoserRow = LoserRow { version: 1, at: WALL, sealed: vec![1].into(), user: None },
        "loser-row-of": LoserRow = LoserRow { version: 1, at: WALL, sealed: vec![1].into(),
            user: Some("ann".into()) },
        "cursor-row": CursorRow = CursorRow { version: 1, session: "s".into(),
            epoch: LogEpoch([6; 16]), offset: 1_000_000 },
        "event": Event<'_> = Event { id: id(), kind: EventKind::App, type_: "added", key: Some("k"),
            data: Some(b"[1]"), schema: 3, stamp: Stamp(1 << 40), page: PageId([7; 16]), at: WALL,
            correlation: Some("c") , after: None, binds: None, flags: None},
        "event-bare": Event<'_> = Event { id: id(), kind: EventKind::App, type_: "added", key: None,
            data: None, schema: 0, stamp: Stamp(0), page: PageId([7; 16]), at: WALL,
            correlation: None , after: None, binds: None, flags: None},
        "event-after": Event<'_> = Event { id: id(), kind: EventKind::Request, type_: "ended",
            key: None, data: None, schema: 0, stamp: Stamp(0), page: PageId([7; 16]), at: WALL,
            correlation: None, after: Some(id()), binds: Some(br#"{"/a":"/b"}"#),
            flags: Some(EventFlags(3)) },
        "stream-id": StreamId = stream_id(),
        "push": Push = push(None, None),
        "push-former": Push = push(Some(former()), None),
        "push-epoch": Push = push(None, Some(LogEpoch([8; 16]))),
        "answer": Answer = answer(Verdict::Taken),
        "answer-gap": Answer = Answer { results: Vec::new(), later: None, retry_after_ms: Some(5),
            ..answer(Verdict::Gap) },
        "answer-forked": Answer = answer(Verdict::Forked { at: Seq(300) }),
        "answer-epoch": Answer = answer(Verdict::EpochChanged),
        "problem": Problem = Problem { code: "throttled".into(), status: 429, culprit: Culprit::App,
            retryable: true, retry_after_ms: Some(1_000), detail: "".into(), floor: None },
        "problem-brief": Problem = Problem { code: "internal".into(), status: 500,
            culprit: Culprit::Us, retryable: false, retry_after_ms: None, detail: "why".into(), floor: None },
        "problem-floor": Problem = Problem { code: "compacted".into(), status: 410, culprit: Culprit::Server,
            retryable: false, retry_after_ms: None, detail: "why".into(), floor: Some(300) },
        "log-page": LogPage = LogPage { epoch: LogEpoch([8; 16]), events: vec![LogEvent { offset: 1,
            device: DeviceId([4; 16]), incarnation: Incarnation([2; 16]), user: "u".into(),
            lane: Lane::Normal, seq: Seq(1), taken_at: WALL, sealed: vec![1].into(), bound: None }],
            head: 5, floor: 0, more: true, through: None },
        "log-page-bound": LogPage = LogPage { epoch: LogEpoch([8; 16]), events: vec![LogEvent {
            offset: 1, device: DeviceId([4; 16]), incarnation: Incarnation([2; 16]),
            user: "u".into(), lane: Lane::Normal, seq: Seq(1), taken_at: WALL,
            sealed: vec![1].into(), bound: Some(b"{}".to_vec().into()) }], head: 1, floor: 0,
            more: false, through: None },
        "log-page-through": LogPage = LogPage { epoch: LogEpoch([8; 16]), events: Vec::new(), head: 300,
            floor: 7, more: false, through: Some(300) },
        "patch": Patch<'_> = Patch { writes: vec![
            Write { key: "theme", path: vec![], value: Some(b"\"dark\""), base: None },
            Write { key: "profile", path: vec!["home", "town"], value: None,
                base: Some(Base { version: 300, after: None }) },
            Write { key: "seat", path: vec![], value: Some(b"7"),
                base: Some(Base { version: 0, after: Some(id()) }) },
        ] },
        "document-entry": document::Entry = document::Entry { version: 300, writer: Some(id()), leaves: vec![
            Leaf { path: vec![], mark: mark(), value: Some(b"{}".to_vec().into()) },
            Leaf { path: vec!["home".into(), "town".into()], mark: mark(), value: None },
        ] },
        "document-entry-blank": document::Entry = document::Entry::default(),
        "snapshot": Snapshot = Snapshot { epoch: LogEpoch([8; 16]), head: 7, more: true,
            entries: vec![("theme".into(), to_cbor(&document::Entry::default()).into())] },
        "tickets-wanted": TicketsWanted = TicketsWanted { protocol: (1, 2), device: DeviceId([4; 16]),
            session: "board".into(), user: "ann".into(), count: None },
        "tickets-wanted-count": TicketsWanted = TicketsWanted { protocol: (1, 1),
            device: DeviceId([4; 16]), session: "board".into(), user: "".into(), count: Some(8) },
        "tickets": Tickets = Tickets { tickets: vec![vec![1; 30].into(), vec![2].into()],
            expires_at: WALL, server_time: Wall(1) },
        "wire-farewell": wire::Farewell = wire::Farewell { protocol: (1, 2),
            ticket: vec![7; 90].into(), device: DeviceId([4; 16]), session: "board".into(),
            user: "ann".into(), events: vec![vec![1, 2].into(), vec![0; 300].into()] },
        "audit-begin": Record = Record::Begin(Begin { format: 1, tenant: "".into(),
            session: "board".into(), log_epoch: LogEpoch([8; 16]), head: 300, at: WALL }),
        "audit-stream": Record = audit_stream(None),
        "audit-stream-former": Record = audit_stream(Some(Some([0xaa; 32].into()))),
        "audit-stream-former-unkept": Record = audit_stream(Some(None)),
        "audit-event": Record = Record::Event(LoggedEvent { offset: 300, stream: 1, seq: Seq(2),
            head: Some([2; 32].into()), taken_at: WALL, sealed: Some(vec![9; 3].into()), hash: None,
            result: Some(b"{}".to_vec().into()) }),
        "audit-event-erased": Record = Record::Event(LoggedEvent { offset: 1, stream: 1,
            seq: Seq(0), head: None, taken_at: WALL, sealed: None, hash: Some([7; 32].into()),
            result: None }),
        "audit-place-known": Record = Record::Place(SparePlace { stream: 1, seq: Seq(3),
            head: [3; 32].into(), hash: Some([7; 32].into()), id: Some(id()), offset: Some(4),
            code: None, message: None }),
        "audit-place-refused": Record = Record::Place(SparePlace { stream: 1, seq: Seq(3),
            head: [3; 32].into(), hash: None, id: None, offset: None, code: Some("no".into()),
            message: Some("because".into()) }),
        "audit-batch": Record = Record::Batch(SignedBatch { stream: 1, from: Seq(3), first: Seq(2),
            count: 4, previous: [1; 32].into(), head: [5; 32].into(), signature: vec![3; 64].into(),
            tail: vec![7; 32].into() }),
        "audit-end": Record = Record::End(End { events: 300, anchor: [1; 32].into(),
            digest: [2; 32].into() }),
        "reply-done": Reply = Reply::Done(3),
        "reply-flushed": Reply = Reply::Flushed { delivered: 1, pending: 2, dead: 300 },
        "reply-failed": Reply = Reply::Failed(fault()),
        "farewell-none": Farewell = Farewell::default(),
        "envelope": Envelope<'_> = Envelope { protocol_min: 1, protocol_max: 700, build: "b",
            sender: PageId([9; 16]), request: RequestId(0), epoch: Epoch(1), kind: 255, flags: 0,
            body: &[1, 2] },
        "kinds": Vec<KeyKind> = vec![KeyKind::None, KeyKind::Ed25519, KeyKind::P256],
        "hosts": Vec<HostKind> = vec![HostKind::Worker, HostKind::Page],
        "syncs": Vec<Sync> =
            vec![Sync::Synchronized, Sync::Synchronizing, Sync::Offline, Sync::Blocked],
        "culprits": Vec<Culprit> =
            vec![Culprit::App, Culprit::Server, Culprit::Peer, Culprit::Browser, Culprit::Us],
    };
    let requests = [
        ("request-hello", Request::Hello(Hello { has_token: true, visible: false, ..hello() })),
        ("request-nudge", Request::Nudge { hurry: true }),
        (
            "request-farewell",
            Request::Farewell(Farewell { rows: vec![vec![1, 2].into()], may_return: true }),
        ),
        (
            "request-token",
            Request::Token(TokenGiven { identity: identity(), token: Some("t".into()) }),
        ),
        ("request-no-token", Request::Token(TokenGiven { identity: identity(), token: None })),
        ("request-retry", Request::Retry { id: Some(id()) }),
        ("request-retry-all", Request::Retry { id: None }),
        ("request-discard", Request::Discard { id: id() }),
        ("request-pause", Request::Pause { on: false }),
        ("request-flush", Request::Flush),
        ("request-record", Request::Record { recording: Some(Recording::WithoutBodies) }),
        ("request-record-off", Request::Record { recording: None }),
        ("request-cancel", Request::Replace(Change { id: id(), sealed: None })),
        ("request-replace", Request::Replace(Change { id: id(), sealed: Some(vec![9, 8].into()) })),
        ("request-edit", Request::Edit(Change { id: id(), sealed: Some(vec![9].into()) })),
        ("request-wipe", Request::Wipe(Wipe::default())),
        (
            "request-wipe-user",
            Request::Wipe(Wipe {
                session: Some("board".into()),
                user: Some("ann".into()),
                undelivered: true,
            }),
        ),
        (
            "request-hello-network",
            Request::Hello(Hello {
                options: Options { deliver: Some(Deliver::Requests), ..Options::default() },
                network: Some(Network::Slow),
                ..hello()
            }),
        ),
        ("request-hello-state", Request::Hello(Hello { shows_state: Some(true), ..hello() })),
        (
            "request-hello-resolves",
            Request::Hello(Hello { shows_state: Some(true), resolves: Some(true), ..hello() }),
        ),
        ("request-pull", Request::Pull { head: None }),
        ("request-pull-to", Request::Pull { head: Some(300) }),
        ("request-resolved", Request::Resolved { id: id() }),
    ];
    for (name, request) in requests {
        let bytes = request.seal("build", PageId([1; 16]), RequestId(7), Epoch(40));
        let envelope = Envelope::read(&bytes).expect(name);
        assert_eq!(Request::open(&envelope), Ok(Some(request)), "{name}");
        all.push((name, bytes));
    }
    let notices = [
        ("notice-welcome", Notice::Welcome(Welcome { status: status() })),
        (
            "notice-status",
            Notice::Status(Status {
                pump: None,
                wake_at: None,
                next_attempt_at: Some(WALL),
                reachable: None,
                ..status()
            }),
        ),
        ("notice-reply", Notice::Reply(Reply::Done(0))),
        (
            "notice-buried",
            Notice::Buried { id: "i".into(), type_: "t".into(), reason: reason(), tries: 5 },
        ),
        (
            "notice-state-lost",
            Notice::StateLost {
                what: "server-log".into(),
                session: "s".into(),
                from: None,
                to: Some(LogEpoch([8; 16])),
            },
        ),
        (
            "notice-state-lost-all",
            Notice::StateLost {
                what: "database".into(),
                session: "".into(),
                from: Some(LogEpoch([8; 16])),
                to: None,
            },
        ),
        ("notice-token-wanted", Notice::TokenWanted(identity())),
        ("notice-hosted-by", Notice::HostedBy { kind: HostKind::Page }),
        ("notice-trouble", Notice::Trouble(fault())),
        ("notice-reload-needed", Notice::ReloadNeeded),
        (
            "notice-changed",
            Notice::Changed(Changed {
                session: "s".into(),
                keys: vec!["theme".into()],
                over: vec![Over::taken(id()), Over { id: id(), refused: Some(reason()) }],
                folded: None,
            }),
        ),
        (
            "notice-changed-folded",
            Notice::Changed(Changed {
                session: "s".into(),
                keys: vec!["theme".into()],
                over: vec![Over::taken(id())],
                folded: Some(Folded {
                    since: 7,
                    rows: vec![("1 s k theme".into(), b"row".to_vec().into())],
                }),
            }),
        ),
        (
            "notice-status-breaker",
            Notice::Status(Status { breaker: Some(Breaker::HalfOpen), ..status() }),
        ),
    ];
    for (name, notice) in notices {
        let bytes = notice.seal("build", PageId([1; 16]), RequestId(7), Epoch(40));
        let envelope = Envelope::read(&bytes).expect(name);
        assert_eq!(Notice::open(&envelope), Ok(Some(notice)), "{name}");
        all.push((name, bytes));
    }
    let calls = [
        ("ballot-comes", Call::Comes),
        ("ballot-here", Call::Here),
        ("ballot-stands", Call::Stands),
        ("ballot-votes", Call::Votes(PageId([9; 16]))),
        ("ballot-leads", Call::Leads),
        ("ballot-gone", Call::Gone),
    ];
    for (name, call) in calls {
        let ballot = Ballot { term: Epoch(300), call };
        let bytes = ballot.seal("build", PageId([1; 16]));
        let envelope = Envelope::read(&bytes).expect(name);
        assert_eq!(Ballot::open(&envelope), Ok(Some(ballot)), "{name}");
        all.push((name, bytes));
    }
    all
}

const WALL: Wall = Wall(1_790_000_000_123);

fn mark() -> Mark {
    Mark { stamp: Stamp(1 << 40), made: Stamp(1 << 41), page: PageId([7; 16]), at: 1 }
}

fn id() -> EventId {
    EventId::new("order-17").expect("it is plain ASCII")
}

fn fault() -> Fault {
    Fault::new("store-quota", Culprit::Browser, "the disk is full")
}

fn reason() -> Reason {
    Reason { code: "tries-spent".into(), message: "five times".into() }
}

fn identity() -> Identity {
    Identity { session: "board".into(), user: "ann".into() }
}

fn key() -> DeviceKey {
    DeviceKey { kind: KeyKind::P256, public: vec![4; 65].into() }
}

fn former() -> Former {
    Former { incarnation: Incarnation([3; 16]), head: [0xaa; 32].into() }
}

fn audit_stream(former: Option<Option<ByteArray<32>>>) -> Record {
    Record::Stream(Stream {
        number: 1,
        device: DeviceId([4; 16]),
        user: "ann".into(),
        lane: Lane::Normal,
        incarnation: Incarnation([2; 16]),
        key: key(),
        former: former.map(|head| Followed { incarnation: Incarnation([3; 16]), head }),
        genesis: [0; 32].into(),
    })
}

fn stream_id() -> StreamId {
    StreamId {
        device: DeviceId([4; 16]),
        session: "board".into(),
        user: "ann".into(),
        lane: Lane::Normal,
        incarnation: Incarnation([2; 16]),
    }
}

fn flight(source: Source, last_fault: Option<Fault>) -> FlightRow {
    FlightRow {
        version: 1,
        session: "board".into(),
        user: "ann".into(),
        lane: Lane::Normal,
        incarnation: Incarnation([2; 16]),
        first: Seq(1),
        count: 2,
        source,
        previous: [1; 32].into(),
        head: [2; 32].into(),
        signature: vec![3; 64].into(),
        attempt: 0,
        due_at: WALL,
        tries: 1,
        last_fault,
        ahead: None,
    }
}

fn stream(former: Option<Former>, replay: Option<Replay>) -> StreamRow {
    StreamRow {
        version: 1,
        session: "board".into(),
        user: "".into(),
        lane: Lane::Bulk,
        incarnation: Incarnation([2; 16]),
        confirmed: Seq(1 << 33),
        head: [2; 32].into(),
        former,
        replay,
        sealed_through: None,
    }
}

fn push(former: Option<Former>, log_epoch: Option<LogEpoch>) -> Push {
    Push {
        protocol: (1, 300),
        stream: stream_id(),
        first: Seq(1),
        previous: [1; 32].into(),
        head: [2; 32].into(),
        key: key(),
        signature: vec![3; 64].into(),
        host_epoch: 4,
        former,
        log_epoch,
        build: "b".into(),
        events: vec![vec![1, 2].into(), vec![0; 300].into()],
    }
}

fn answer(verdict: Verdict) -> Answer {
    let result = |outcome, offset, result: Option<&[u8]>, code: Option<&str>| EventResult {
        seq: Seq(1),
        outcome,
        offset,
        result: result.map(|bytes| bytes.to_vec().into()),
        code: code.map(Box::from),
        message: code.map(Box::from),
    };
    Answer {
        log_epoch: LogEpoch([8; 16]),
        verdict,
        through: Seq(2),
        durable: Seq(1),
        results: vec![
            result(Outcome::ACCEPTED, Some(1), Some(b"null"), None),
            result(Outcome::DUPLICATE, Some(2), None, None),
            result(Outcome::REFUSED, None, None, Some("no")),
        ],
        later: Some(Later { seq: Seq(3), id: id(), code: "busy".into() }),
        retry_after_ms: None,
        log_head: 9,
        server_time: WALL,
    }
}

fn status() -> Status {
    Status {
        host: HostKind::Worker,
        pending: 1,
        dead: 2,
        answered: 3,
        pages: 4,
        pump: Some(PageId([1; 16])),
        wake_at: Some(WALL),
        next_attempt_at: None,
        sync: Sync::Blocked,
        reason: "unauthorized".into(),
        paused: false,
        reachable: Some(true),
        read_through: 5,
        breaker: None,
    }
}
