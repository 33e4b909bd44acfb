//! The way of a push through the shipped server, without sockets and credentials.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bellwether_server::audit::{AuditAsk, Export};
use bellwether_server::bounds::{CBOR_BODY_BYTES_MAX, JSON_BODY_BYTES_MAX};
use bellwether_server::engine::{
    Checked, PREREQUISITE_UNKNOWN, PageAsk, Parting, Signatures, Which, check_frame,
};
use bellwether_server::store::{Memory, Store as _};
use bellwether_server::ticket::{Ticket, TicketKey};
use bellwether_server::{AcceptedEvent, Effect, EffectOutcome, EffectTx, NoEffect};
use bellwether_shared::base::{DeviceId, Incarnation, Seq, Wall};
use bellwether_shared::rules::chain;
use bellwether_shared::wire::farewell::{FAREWELL_BYTES_MAX, FAREWELL_EVENTS_MAX, Farewell};
use bellwether_shared::wire::{
    Answer, DeviceKey, KeyKind, Lane, LogPage, Outcome, PROTOCOL, Push, StreamId, Verdict,
    from_cbor,
};

/// A body in CBOR, or else in JSON.
pub(super) fn push(bytes: &[u8]) {
    let json = || (bytes.len() <= JSON_BODY_BYTES_MAX).then(|| serde_json::from_slice(bytes).ok());
    let push = from_cbor(bytes, CBOR_BODY_BYTES_MAX).ok().or_else(|| json().flatten());
    let Some(push): Option<Push> = push else { return };
    if check_frame(&push).is_err() {
        return;
    }
    let store = Memory::new(Arc::new(NoEffect));
    if push.events.is_empty() {
        let answer = at_once(store.position("", push)).expect("an empty store has a position");
        assert_eq!((answer.through, answer.results.len()), (Seq(0), 0));
        return;
    }
    if let Ok(checked) = Checked::of(push.clone(), Signatures::Optional) {
        let answer = at_once(store.push("", checked)).expect("a stream that nobody has bound");
        is_proper(&push, &answer);
    }
}

/// Each piece between two bytes `ff` is a sealed event of one batch. Sent twice, it has one effect.
pub(super) fn events(bytes: &[u8]) {
    let events: Vec<&[u8]> = bytes.split(|byte| *byte == 0xff).take(EVENTS_MAX).collect();
    let push = unsigned_push(&events);
    let store = Memory::new(Arc::new(Numbered));
    let checked = Checked::of(push.clone(), Signatures::Optional).expect("it is properly chained");
    let first = at_once(store.push("", checked.clone())).expect("nobody has bound the stream");
    is_proper(&push, &first);
    uses_up(&first, events.len());
    let again = at_once(store.push("", checked)).expect("the same device comes again");
    for (one, other) in first.results.iter().zip(&again.results) {
        let refused = one.outcome == Outcome::REFUSED;
        let expected = if refused { Outcome::REFUSED } else { Outcome::DUPLICATE };
        assert_eq!((other.outcome, other.offset), (expected, one.offset));
    }
    let (tenant, session) = ("".into(), "s".into());
    let ask = PageAsk { tenant, session, epoch: None, after: 0, limit: 1_000, which: Which::All };
    let page: LogPage = at_once(store.page(ask)).expect("the log can be read");
    assert_eq!(page.head, page.events.len() as u64, "each is in the log once");
}

/// A body in CBOR, or else in JSON. Sent twice, with two tickets, it has one effect.
pub(super) fn farewell(bytes: &[u8]) {
    let json = || (bytes.len() <= FAREWELL_BYTES_MAX).then(|| serde_json::from_slice(bytes).ok());
    let farewell = from_cbor(bytes, FAREWELL_BYTES_MAX).ok().or_else(|| json().flatten());
    let Some(farewell): Option<Farewell> = farewell else { return };
    if farewell.events.len() > FAREWELL_EVENTS_MAX {
        return;
    }
    let count = farewell.events.len();
    let store = Memory::new(Arc::new(Numbered));
    let part = |nonce: u8| {
        let ticket = Ticket {
            tenant: "".into(),
            session: farewell.session.clone(),
            user: farewell.user.clone(),
            device: farewell.device,
            expires_at: Wall(u64::MAX),
            nonce: [nonce; 16],
        };
        let parting = Parting::of(farewell.clone(), ticket).expect("it is the ticket of this one");
        at_once(store.farewell(parting)).expect("a ticket that nobody has used")
    };
    let (first, again) = (part(1), part(2));
    uses_up(&first, count);
    assert_eq!(again.log_head, first.log_head, "each is in the log once");
    assert_eq!(first.results.len(), again.results.len());
    for (one, other) in first.results.iter().zip(&again.results) {
        assert_eq!((other.seq, other.offset), (one.seq, one.offset));
    }
}

/// The audit of a session that has these events by one batch which nobody has signed.
#[must_use]
pub fn exported(events: &[&[u8]]) -> Vec<u8> {
    let store = Memory::new(Arc::new(Numbered));
    let push = unsigned_push(events);
    let checked = Checked::of(push, Signatures::Optional).expect("it is properly chained");
    at_once(store.push("", checked)).expect("nobody has bound the stream");
    let mut export = Export::new(AuditAsk { tenant: "".into(), session: "s".into() });
    let mut file = Vec::new();
    while !export.is_done() {
        let (next, part) = at_once(store.audit(export)).expect("memory answers");
        file.extend(part);
        export = next;
    }
    file
}

/// Gives each event the same result, for those that take something from it.
struct Numbered;

impl Effect for Numbered {
    fn apply(&self, _: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome {
        if let Some(data) = event.event.data {
            let read = serde_json::from_slice::<serde::de::IgnoredAny>(data);
            assert!(read.is_ok(), "data is JSON, with bindings and without");
        }
        EffectOutcome::Done { result: Some(br#"{"id":7,"ids":[1,2]}"#.to_vec().into()) }
    }
}

/// The key of tickets in seeds.
#[must_use]
pub fn ticket_key() -> TicketKey {
    TicketKey::new(&[7; 32])
}

// Any bytes use up their place, but for an event whose prerequisite is not known.
fn uses_up(answer: &Answer, count: usize) {
    match &answer.later {
        Some(later) => {
            assert_eq!(&*later.code, PREREQUISITE_UNKNOWN);
            assert!(later.seq == answer.through.next() && answer.through.0 < count as u64);
        }
        None => assert_eq!(answer.through.0, count as u64, "any bytes use up their place"),
    }
}

/// A first push of a device without a key, which holds in itself.
#[must_use]
pub fn unsigned_push(events: &[&[u8]]) -> Push {
    let stream = StreamId {
        device: DeviceId([1; 16]),
        session: "s".into(),
        user: "".into(),
        lane: Lane::Normal,
        incarnation: Incarnation([2; 16]),
    };
    let previous = chain::genesis(&stream, None);
    Push {
        protocol: (PROTOCOL, PROTOCOL),
        stream,
        first: Seq(1),
        previous: previous.into(),
        head: chain::head_after(previous, events.iter().copied()).into(),
        key: DeviceKey { kind: KeyKind::None, public: Vec::new().into() },
        signature: Vec::new().into(),
        host_epoch: 1,
        former: None,
        log_epoch: None,
        build: "".into(),
        events: events.iter().map(|event| event.to_vec().into()).collect(),
    }
}

fn is_proper(push: &Push, answer: &Answer) {
    assert!(answer.durable <= answer.through);
    if answer.verdict == Verdict::Taken {
        let places = answer.results.iter().zip(push.first.0..);
        assert!(places.into_iter().all(|(result, place)| result.seq.0 == place), "{answer:?}");
        assert_eq!(answer.through.0, push.first.0 + answer.results.len() as u64 - 1);
    } else {
        assert!(answer.results.is_empty(), "{answer:?}");
    }
}

// The store in memory never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store in memory waits"),
    }
}

const EVENTS_MAX: usize = 16;
