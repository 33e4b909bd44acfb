//! The way of a push through the shipped server, without sockets and credentials.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bellwether_server::NoEffect;
use bellwether_server::bounds::{CBOR_BODY_BYTES_MAX, JSON_BODY_BYTES_MAX};
use bellwether_server::engine::{Checked, PageAsk, Signatures, check_frame};
use bellwether_server::store::{Memory, Store as _};
use bellwether_shared::base::{DeviceId, Incarnation, Seq};
use bellwether_shared::rules::chain;
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
    let store = Memory::new(Arc::new(NoEffect));
    let checked = Checked::of(push.clone(), Signatures::Optional).expect("it is properly chained");
    let first = at_once(store.push("", checked.clone())).expect("nobody has bound the stream");
    is_proper(&push, &first);
    assert_eq!(first.through.0, events.len() as u64, "any bytes use up their place");
    let again = at_once(store.push("", checked)).expect("the same device comes again");
    for (one, other) in first.results.iter().zip(&again.results) {
        let refused = one.outcome == Outcome::REFUSED;
        let expected = if refused { Outcome::REFUSED } else { Outcome::DUPLICATE };
        assert_eq!((other.outcome, other.offset), (expected, one.offset));
    }
    let (tenant, session) = ("".into(), "s".into());
    let ask = PageAsk { tenant, session, epoch: None, after: 0, limit: 1_000 };
    let page: LogPage = at_once(store.page(ask)).expect("the log can be read");
    assert_eq!(page.head, page.events.len() as u64, "each is in the log once");
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
