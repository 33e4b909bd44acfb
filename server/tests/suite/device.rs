//! A device as the server sees it: one key, one stream, batches chained and signed.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bellwether_shared::base::{DeviceId, EventId, Incarnation, PageId, Seq, Stamp, Wall};
use bellwether_shared::rules::chain::{self, Hash};
use bellwether_shared::rules::patch::{Patch, Write};
use bellwether_shared::wire::{
    self, DeviceKey, Event, EventFlags, EventKind, Former, KeyKind, Lane, PATCH_TYPE, PROTOCOL,
    Push, StreamId,
};

pub(crate) struct Device {
    pub(crate) stream: StreamId,
    pub(crate) host_epoch: u64,
    pub(crate) former: Option<Former>,
    pub(crate) next: Seq,
    pub(crate) head: Hash,
    keys: Ed25519KeyPair,
}

impl Device {
    /// Device number `number`, with a stream of its own in `session`.
    pub(crate) fn new(number: u8, session: &str, user: &str) -> Self {
        let stream = StreamId {
            device: DeviceId([number; 16]),
            session: session.into(),
            user: user.into(),
            lane: Lane::Normal,
            incarnation: Incarnation([number; 16]),
        };
        let keys = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("32 bytes are a seed");
        let head = chain::genesis(&stream, None);
        Self { stream, host_epoch: 1, former: None, next: Seq(1), head, keys }
    }

    /// Begins another incarnation, after `former` if given.
    pub(crate) fn reborn(&self, number: u8, former: Option<Former>) -> Self {
        let stream = StreamId { incarnation: Incarnation([number; 16]), ..self.stream.clone() };
        let head = chain::genesis(&stream, former.as_ref().map(|former| &*former.head));
        let keys = Ed25519KeyPair::from_seed_unchecked(&[self.stream.device.0[0]; 32]);
        let keys = keys.expect("32 bytes are a seed");
        Self { stream, host_epoch: self.host_epoch, former, next: Seq(1), head, keys }
    }

    /// The next batch; the device goes on after it.
    pub(crate) fn batch(&mut self, events: &[Vec<u8>]) -> Push {
        let push = self.push_at(self.next, self.head, events);
        self.next = self.next.plus(events.len() as u64);
        self.head = *push.head;
        push
    }

    /// A batch for any place and head.
    pub(crate) fn push_at(&self, first: Seq, previous: Hash, events: &[Vec<u8>]) -> Push {
        let head = chain::head_after(previous, events.iter().map(Vec::as_slice));
        let statement =
            chain::statement(&self.stream, first, events.len() as u64, &previous, &head);
        Push {
            protocol: (PROTOCOL, PROTOCOL),
            stream: self.stream.clone(),
            first,
            previous: previous.into(),
            head: head.into(),
            key: DeviceKey {
                kind: KeyKind::Ed25519,
                public: self.keys.public_key().as_ref().to_vec().into(),
            },
            signature: self.keys.sign(&statement).as_ref().to_vec().into(),
            host_epoch: self.host_epoch,
            former: self.former.clone(),
            log_epoch: None,
            build: "test".into(),
            events: events.iter().map(|sealed| sealed.clone().into()).collect(),
        }
    }

    /// A question where the stream stands.
    pub(crate) fn question(&self) -> Push {
        self.push_at(Seq(0), [0; 32], &[])
    }
}

/// An event of that type and id, with a small body.
pub(crate) fn event(type_: &str, id: &str) -> Vec<u8> {
    event_with(type_, id, Some(br#"{"n":1}"#))
}

/// An event with that body.
pub(crate) fn event_with(type_: &str, id: &str, data: Option<&[u8]>) -> Vec<u8> {
    wire::to_cbor(&unsealed(type_, id, data))
}

/// An event with the usual body and a prerequisite, from whose result it takes `binds`.
pub(crate) fn dependent(type_: &str, id: &str, after: &str, binds: Option<&str>) -> Vec<u8> {
    wire::to_cbor(&Event {
        after: Some(EventId::new(after).expect("tests use fit ids")),
        binds: binds.map(str::as_bytes),
        ..unsealed(type_, id, Some(br#"{"n":1}"#))
    })
}

/// The same, but it goes even if its prerequisite does not.
pub(crate) fn released(type_: &str, id: &str, after: &str, binds: Option<&str>) -> Vec<u8> {
    let sealed = dependent(type_, id, after, binds);
    let event: Event<'_> = wire::decode(&sealed).expect("it was just sealed");
    wire::to_cbor(&Event { flags: Some(EventFlags::RELEASE), ..event })
}

/// An event that is not sealed so far.
pub(crate) fn unsealed<'a>(type_: &'a str, id: &str, data: Option<&'a [u8]>) -> Event<'a> {
    Event {
        id: EventId::new(id).expect("tests use fit ids"),
        kind: EventKind::App,
        type_,
        key: Some("k"),
        data,
        schema: 3,
        stamp: Stamp(0x0199_0000_0000_0001),
        page: PageId([7; 16]),
        at: Wall(1_700_000_000_000),
        correlation: None,
        after: None,
        binds: None,
        flags: None,
    }
}

/// A patch that page number `page` made so many milliseconds after the usual time.
pub(crate) fn patch(id: &str, page: u8, later_ms: u64, writes: Vec<Write<'_>>) -> Vec<u8> {
    let data = wire::to_cbor(&Patch { writes });
    let patch = unsealed(PATCH_TYPE, id, Some(&data));
    let stamp = Stamp(patch.stamp.0 + (later_ms << 16));
    wire::to_cbor(&Event { kind: EventKind::Patch, stamp, page: PageId([page; 16]), ..patch })
}

/// A write of JSON text, or of a deletion, to a key or to a place below it.
pub(crate) fn write<'b>(key: &'b str, path: &[&'b str], value: Option<&'b str>) -> Write<'b> {
    Write { key, path: path.to_vec(), value: value.map(str::as_bytes), base: None }
}

/// Plain events with these ids.
pub(crate) fn plain<const N: usize>(ids: [&str; N]) -> Vec<Vec<u8>> {
    ids.iter().map(|id| event("plain", id)).collect()
}
