//! Values of every type that is stored or sent, drawn at random.

use bellwether_shared::base::{
    Culprit, DeviceId, Epoch, EventId, Fault, Generation, Incarnation, LogEpoch, PageId, RequestId,
    Seq, Stamp, Wall,
};
use bellwether_shared::bus::{
    Change, Changed, Farewell, Folded, Hello, Identity, Network, Notice, Over, Reply, Request,
    Status, Sync, TokenGiven, Welcome, Wipe,
};
use bellwether_shared::rows::{
    Ahead, Config, CursorRow, DeadRow, Deliver, DeviceRow, DoneEntry, DoneRow, FlightRow, HostKind,
    LeaseRow, Options, Overflow, Reason, Replay, RetainedRow, Source, Span, StreamKey, StreamRow,
    Wiping,
};
use bellwether_shared::tape::Recording;
use bellwether_shared::wire::audit::{
    Begin, End, Followed, LoggedEvent, Record, SignedBatch, SparePlace, Stream,
};
use bellwether_shared::wire::farewell::{self as wire, Tickets, TicketsWanted};
use bellwether_shared::wire::{
    Answer, DeviceKey, EventResult, Former, KeyKind, Lane, Later, LogEvent, LogPage, Outcome,
    Problem, Push, StreamId, Verdict,
};
use minicbor::bytes::{ByteArray, ByteVec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn number() -> impl Strategy<Value = u64> {
    // As many short ones as long ones.
    (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
}

fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32_u32).prop_map(|(number, shift)| number >> shift)
}

pub(crate) fn text() -> impl Strategy<Value = Box<str>> {
    prop::collection::vec(any::<char>(), 0..12)
        .prop_map(|letters| letters.into_iter().collect::<String>().into())
}

pub(crate) fn bytes() -> impl Strategy<Value = ByteVec> {
    prop::collection::vec(any::<u8>(), 0..30).prop_map(ByteVec::from)
}

fn hash() -> impl Strategy<Value = ByteArray<32>> {
    any::<[u8; 32]>().prop_map(ByteArray::from)
}

pub(crate) fn id() -> impl Strategy<Value = EventId> {
    "[!-~]{1,20}".prop_map(|text| EventId::new(&text).expect("visible ASCII"))
}

pub(crate) fn wall() -> impl Strategy<Value = Wall> {
    number().prop_map(Wall)
}

pub(crate) fn page() -> impl Strategy<Value = PageId> {
    any::<[u8; 16]>().prop_map(PageId)
}

pub(crate) fn request_id() -> impl Strategy<Value = RequestId> {
    number().prop_map(RequestId)
}

pub(crate) fn epoch() -> impl Strategy<Value = Epoch> {
    number().prop_map(Epoch)
}

pub(crate) fn generation() -> impl Strategy<Value = Generation> {
    number().prop_map(Generation)
}

pub(crate) fn stamp() -> impl Strategy<Value = Stamp> {
    number().prop_map(Stamp)
}

fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(Seq)
}

fn incarnation() -> impl Strategy<Value = Incarnation> {
    any::<[u8; 16]>().prop_map(Incarnation)
}

pub(crate) fn log_epoch() -> impl Strategy<Value = LogEpoch> {
    any::<[u8; 16]>().prop_map(LogEpoch)
}

fn device_id() -> impl Strategy<Value = DeviceId> {
    any::<[u8; 16]>().prop_map(DeviceId)
}

pub(crate) fn lane() -> impl Strategy<Value = Lane> {
    select(vec![Lane::Critical, Lane::Normal, Lane::Bulk])
}

fn host() -> impl Strategy<Value = HostKind> {
    select(vec![HostKind::Worker, HostKind::Page])
}

fn culprit() -> impl Strategy<Value = Culprit> {
    use Culprit::{App, Browser, Peer, Server, Us};
    select(vec![App, Server, Peer, Browser, Us])
}

fn fault() -> impl Strategy<Value = Fault> {
    (text(), culprit(), text()).prop_map(|(code, culprit, message)| Fault {
        code,
        culprit,
        message,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![3 => 0..3_u8, 1 => any::<u8>()].prop_map(Outcome)
}

fn reason() -> impl Strategy<Value = Reason> {
    (text(), text()).prop_map(|(code, message)| Reason { code, message })
}

fn former() -> impl Strategy<Value = Former> {
    (incarnation(), hash()).prop_map(|(incarnation, head)| Former { incarnation, head })
}

fn key() -> impl Strategy<Value = DeviceKey> {
    (select(vec![KeyKind::None, KeyKind::Ed25519, KeyKind::P256]), bytes())
        .prop_map(|(kind, public)| DeviceKey { kind, public })
}

pub(crate) fn stream_key() -> impl Strategy<Value = StreamKey> {
    (text(), text(), lane()).prop_map(|(session, user, lane)| StreamKey { session, user, lane })
}

pub(crate) fn stream_id() -> impl Strategy<Value = StreamId> {
    (stream_key(), device_id(), incarnation()).prop_map(|(key, device, life)| key.id(device, life))
}

fn span() -> impl Strategy<Value = Span> {
    (number(), number()).prop_map(|(from, through)| Span { from, through })
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        prop::collection::vec(span(), 0..4).prop_map(Source::Journal),
        (prop::collection::vec(number(), 0..4), number())
            .prop_map(|(keys, skip)| Source::Retained { keys, skip }),
    ]
}

pub(crate) fn flight_row() -> impl Strategy<Value = FlightRow> {
    let place = (stream_key(), incarnation(), seq(), number(), source());
    let proof = (hash(), hash(), bytes());
    let ahead = (number(), prop::collection::vec(span(), 0..4), hash(), bytes())
        .prop_map(|(count, spans, head, signature)| Ahead { count, spans, head, signature });
    let fate = (small(), wall(), small(), of(fault()), of(ahead));
    (place, proof, fate).prop_map(|(place, (previous, head, signature), fate)| {
        let (StreamKey { session, user, lane }, incarnation, first, count, source) = place;
        let (attempt, due_at, tries, last_fault, ahead) = fate;
        #[rustfmt::skip]
        let row = FlightRow {
            version: 1, session, user, lane, incarnation, first, count, source, previous, head,
            signature, attempt, due_at, tries, last_fault, ahead,
        };
        row
    })
}

pub(crate) fn stream_row() -> impl Strategy<Value = StreamRow> {
    let replay = (number(), number(), number()).prop_map(|(from, through, skip)| Replay {
        from,
        through,
        skip,
    });
    let rest = (of(former()), of(replay), of(number()));
    (stream_key(), incarnation(), seq(), hash(), rest).prop_map(
        |(StreamKey { session, user, lane }, incarnation, confirmed, head, rest)| {
            let (former, replay, sealed_through) = rest;
            #[rustfmt::skip]
            let row = StreamRow {
                version: 1, session, user, lane, incarnation, confirmed, head, former, replay, sealed_through,
            };
            row
        },
    )
}

pub(crate) fn cursor_row() -> impl Strategy<Value = CursorRow> {
    (text(), log_epoch(), number()).prop_map(|(session, epoch, offset)| CursorRow {
        version: 1,
        session,
        epoch,
        offset,
    })
}

pub(crate) fn done_row() -> impl Strategy<Value = DoneRow> {
    let entry = (id(), outcome(), of(number()), of(bytes()), of(text()), of(text())).prop_map(
        |(id, outcome, offset, result, code, message)| DoneEntry {
            id,
            outcome,
            offset,
            result,
            code,
            message,
        },
    );
    (wall(), prop::collection::vec(entry, 0..4), of(text()), of(text()))
        .prop_map(|(at, entries, session, user)| DoneRow { version: 1, at, entries, session, user })
}

pub(crate) fn retained_row() -> impl Strategy<Value = RetainedRow> {
    (wall(), stream_key(), prop::collection::vec(bytes(), 0..4)).prop_map(
        |(at, StreamKey { session, user, lane }, events)| RetainedRow {
            version: 1,
            at,
            session,
            user,
            lane,
            events,
        },
    )
}

pub(crate) fn dead_row() -> impl Strategy<Value = DeadRow> {
    (stream_key(), bytes(), reason(), small(), wall()).prop_map(
        |(StreamKey { session, user, lane }, sealed, reason, tries, buried_at)| DeadRow {
            version: 1,
            session,
            user,
            lane,
            sealed,
            reason,
            tries,
            buried_at,
        },
    )
}

pub(crate) fn device_row() -> impl Strategy<Value = DeviceRow> {
    (device_id(), key(), wall()).prop_map(|(device, key, minted_at)| DeviceRow {
        version: 1,
        device,
        key,
        minted_at,
    })
}

pub(crate) fn lease_row() -> impl Strategy<Value = LeaseRow> {
    let times = (wall(), small(), wall(), number());
    (page(), host(), epoch(), times, any::<bool>(), text()).prop_map(
        |(
            holder,
            kind,
            epoch,
            (until, heartbeat_every_ms, updated_at, writes),
            resigned,
            build,
        )| {
            #[rustfmt::skip]
            let row = LeaseRow {
                version: 1, holder, kind, epoch, until, heartbeat_every_ms, updated_at, writes,
                resigned, build,
            };
            row
        },
    )
}

pub(crate) fn options() -> impl Strategy<Value = Options> {
    let overflow = select(vec![Overflow::Block, Overflow::DropOldest]);
    let deliver = of(select(vec![Deliver::Protocol, Deliver::Requests]));
    (small(), small(), small(), small(), small(), overflow, deliver).prop_map(
        |(tries_max, base_delay_ms, max_delay_ms, batch_events, dead_max, overflow, deliver)| {
            Options {
                tries_max,
                base_delay_ms,
                max_delay_ms,
                batch_events,
                dead_max,
                overflow,
                deliver,
            }
        },
    )
}

fn recording() -> impl Strategy<Value = Option<Recording>> {
    of(select(vec![Recording::WithoutBodies, Recording::WithBodies]))
}

fn wiping() -> impl Strategy<Value = Option<Wiping>> {
    of((of(text()), of(text()), any::<bool>(), number()).prop_map(
        |(session, user, undelivered, through)| Wiping { session, user, undelivered, through },
    ))
}

pub(crate) fn config() -> impl Strategy<Value = Config> {
    (text(), options(), any::<bool>(), text(), recording(), wiping()).prop_map(
        |(server, options, paused, build, recording, wiping)| Config {
            version: 1,
            server,
            options,
            paused,
            build,
            recording,
            breaker: None,
            wiping,
        },
    )
}

pub(crate) fn push() -> impl Strategy<Value = Push> {
    let sender = (any::<(u16, u16)>(), stream_id(), key(), number(), text());
    let proof = (seq(), hash(), hash(), bytes());
    let past = (of(former()), of(log_epoch()), prop::collection::vec(bytes(), 0..4));
    (sender, proof, past).prop_map(|(sender, (first, previous, head, signature), past)| {
        let (protocol, stream, key, host_epoch, build) = sender;
        let (former, log_epoch, events) = past;
        #[rustfmt::skip]
        let push = Push {
            protocol, stream, first, previous, head, key, signature, host_epoch, former, log_epoch,
            build, events,
        };
        push
    })
}

fn result() -> impl Strategy<Value = EventResult> {
    // JSON text is text: only that survives both encodings.
    let result =
        of(text()).prop_map(|text| text.map(|text| ByteVec::from(text.as_bytes().to_vec())));
    (seq(), outcome(), of(number()), result, of(text()), of(text())).prop_map(
        |(seq, outcome, offset, result, code, message)| EventResult {
            seq,
            outcome,
            offset,
            result,
            code,
            message,
        },
    )
}

pub(crate) fn answer() -> impl Strategy<Value = Answer> {
    let verdict = prop_oneof![
        Just(Verdict::Taken),
        Just(Verdict::Gap),
        seq().prop_map(|at| Verdict::Forked { at }),
        Just(Verdict::EpochChanged),
    ];
    let later = (seq(), id(), text()).prop_map(|(seq, id, code)| Later { seq, id, code });
    let results = prop::collection::vec(result(), 0..4);
    let rest = (of(later), of(small()), number(), wall());
    (log_epoch(), verdict, seq(), seq(), results, rest).prop_map(
        |(log_epoch, verdict, through, durable, results, rest)| {
            let (later, retry_after_ms, log_head, server_time) = rest;
            #[rustfmt::skip]
            let answer = Answer {
                log_epoch, verdict, through, durable, results, later, retry_after_ms, log_head,
                server_time,
            };
            answer
        },
    )
}

pub(crate) fn problem() -> impl Strategy<Value = Problem> {
    (text(), any::<u16>(), culprit(), any::<bool>(), of(small()), text(), of(number())).prop_map(
        |(code, status, culprit, retryable, retry_after_ms, detail, floor)| Problem {
            code,
            status,
            culprit,
            retryable,
            retry_after_ms,
            detail,
            floor,
        },
    )
}

pub(crate) fn log_page() -> impl Strategy<Value = LogPage> {
    let event = (number(), stream_id(), seq(), wall(), bytes(), of(bytes())).prop_map(
        |(offset, stream, seq, taken_at, sealed, bound)| {
            let StreamId { device, user, lane, incarnation, .. } = stream;
            LogEvent { offset, device, incarnation, user, lane, seq, taken_at, sealed, bound }
        },
    );
    let events = prop::collection::vec(event, 0..3);
    (log_epoch(), events, number(), number(), any::<bool>(), of(number())).prop_map(
        |(epoch, events, head, floor, more, through)| LogPage {
            epoch,
            events,
            head,
            floor,
            more,
            through,
        },
    )
}

fn identity() -> impl Strategy<Value = Identity> {
    (text(), text()).prop_map(|(session, user)| Identity { session, user })
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    let network = of(select(vec![Network::Fast, Network::Medium, Network::Slow]));
    let flags = (any::<bool>(), any::<bool>(), any::<Option<bool>>(), any::<Option<bool>>());
    let hello = (identity(), text(), options(), flags, network).prop_map(
        |(identity, server, options, (has_token, visible, shows_state, resolves), network)| Hello {
            identity,
            server,
            options,
            has_token,
            visible,
            network,
            shows_state,
            resolves,
        },
    );
    let farewell = (prop::collection::vec(bytes(), 0..4), any::<bool>())
        .prop_map(|(rows, may_return)| Farewell { rows, may_return });
    let change = || (id(), of(bytes())).prop_map(|(id, sealed)| Change { id, sealed });
    let wipe = (of(text()), of(text()), any::<bool>())
        .prop_map(|(session, user, undelivered)| Wipe { session, user, undelivered });
    let token =
        (identity(), of(text())).prop_map(|(identity, token)| TokenGiven { identity, token });
    prop_oneof![
        hello.prop_map(Request::Hello),
        any::<bool>().prop_map(|hurry| Request::Nudge { hurry }),
        farewell.prop_map(Request::Farewell),
        token.prop_map(Request::Token),
        of(id()).prop_map(|id| Request::Retry { id }),
        id().prop_map(|id| Request::Discard { id }),
        any::<bool>().prop_map(|on| Request::Pause { on }),
        Just(Request::Flush),
        recording().prop_map(|recording| Request::Record { recording }),
        change().prop_map(Request::Replace),
        change().prop_map(Request::Edit),
        wipe.prop_map(Request::Wipe),
        of(number()).prop_map(|head| Request::Pull { head }),
        id().prop_map(|id| Request::Resolved { id }),
    ]
}

pub(crate) fn status() -> impl Strategy<Value = Status> {
    use Sync::{Blocked, Offline, Synchronized, Synchronizing};
    let counts = (number(), number(), number(), small(), number());
    let times = (of(page()), of(wall()), of(wall()));
    let sync = select(vec![Synchronized, Synchronizing, Offline, Blocked]);
    (host(), counts, times, sync, text(), any::<bool>(), of(any::<bool>())).prop_map(
        |(host, counts, (pump, wake_at, next_attempt_at), sync, reason, paused, reachable)| {
            let (pending, dead, answered, pages, read_through) = counts;
            #[rustfmt::skip]
            let status = Status {
                host, pending, dead, answered, pages, pump, wake_at, next_attempt_at, sync, reason,
                paused, reachable, read_through, breaker: None,
            };
            status
        },
    )
}

pub(crate) fn notice() -> impl Strategy<Value = Notice> {
    let flushed = (number(), number(), number())
        .prop_map(|(delivered, pending, dead)| Reply::Flushed { delivered, pending, dead });
    let reply =
        prop_oneof![number().prop_map(Reply::Done), flushed, fault().prop_map(Reply::Failed)];
    let buried = (text(), text(), reason(), small())
        .prop_map(|(id, type_, reason, tries)| Notice::Buried { id, type_, reason, tries });
    let lost = (text(), text(), of(log_epoch()), of(log_epoch()))
        .prop_map(|(what, session, from, to)| Notice::StateLost { what, session, from, to });
    let over = (id(), of(reason())).prop_map(|(id, refused)| Over { id, refused });
    let over = prop::collection::vec(over, 0..4);
    let rows = prop::collection::vec((text(), bytes()), 0..4);
    let folded = (number(), rows).prop_map(|(since, rows)| Folded { since, rows });
    let changed = (text(), prop::collection::vec(text(), 0..4), over, of(folded))
        .prop_map(|(session, keys, over, folded)| Changed { session, keys, over, folded });
    prop_oneof![
        changed.prop_map(Notice::Changed),
        status().prop_map(|status| Notice::Welcome(Welcome { status })),
        status().prop_map(Notice::Status),
        reply.prop_map(Notice::Reply),
        buried,
        lost,
        identity().prop_map(Notice::TokenWanted),
        host().prop_map(|kind| Notice::HostedBy { kind }),
        fault().prop_map(Notice::Trouble),
        Just(Notice::ReloadNeeded),
    ]
}

pub(crate) fn audit_record() -> impl Strategy<Value = Record> {
    let begin = (text(), text(), log_epoch(), number(), wall()).prop_map(
        |(tenant, session, log_epoch, head, at)| {
            Record::Begin(Begin { format: 1, tenant, session, log_epoch, head, at })
        },
    );
    let followed =
        (incarnation(), of(hash())).prop_map(|(incarnation, head)| Followed { incarnation, head });
    let stream = (number(), stream_id(), key(), of(followed), hash()).prop_map(
        |(number, StreamId { device, user, lane, incarnation, .. }, key, former, genesis)| {
            #[rustfmt::skip]
            let stream = Stream { number, device, user, lane, incarnation, key, former, genesis };
            Record::Stream(stream)
        },
    );
    let at = (number(), number(), seq());
    let event = (at, of(hash()), wall(), of(bytes()), of(hash()), of(bytes())).prop_map(
        |((offset, stream, seq), head, taken_at, sealed, hash, result)| {
            #[rustfmt::skip]
            let event =
                LoggedEvent { offset, stream, seq, head, taken_at, sealed, hash, result };
            Record::Event(event)
        },
    );
    let why = (of(id()), of(number()), of(text()), of(text()));
    let place = (number(), seq(), hash(), of(hash()), why).prop_map(
        |(stream, seq, head, hash, (id, offset, code, message))| {
            Record::Place(SparePlace { stream, seq, head, hash, id, offset, code, message })
        },
    );
    let signed = (hash(), hash(), bytes(), bytes());
    let batch = (number(), seq(), seq(), number(), signed).prop_map(
        |(stream, from, first, count, (previous, head, signature, tail))| {
            #[rustfmt::skip]
            let batch =
                SignedBatch { stream, from, first, count, previous, head, signature, tail };
            Record::Batch(batch)
        },
    );
    let end = (number(), hash(), hash())
        .prop_map(|(events, anchor, digest)| Record::End(End { events, anchor, digest }));
    prop_oneof![begin, stream, event, place, batch, end]
}

pub(crate) fn tickets_wanted() -> impl Strategy<Value = TicketsWanted> {
    (any::<(u16, u16)>(), stream_id(), of(any::<u16>())).prop_map(
        |(protocol, StreamId { device, session, user, .. }, count)| TicketsWanted {
            protocol,
            device,
            session,
            user,
            count,
        },
    )
}

pub(crate) fn tickets() -> impl Strategy<Value = Tickets> {
    (prop::collection::vec(bytes(), 0..4), wall(), wall())
        .prop_map(|(tickets, expires_at, server_time)| Tickets { tickets, expires_at, server_time })
}

pub(crate) fn wire_farewell() -> impl Strategy<Value = wire::Farewell> {
    let events = prop::collection::vec(bytes(), 0..4);
    (any::<(u16, u16)>(), bytes(), stream_id(), events).prop_map(
        |(protocol, ticket, StreamId { device, session, user, .. }, events)| wire::Farewell {
            protocol,
            ticket,
            device,
            session,
            user,
            events,
        },
    )
}
