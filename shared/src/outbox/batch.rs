//! Events in hand, and a run of them as a batch (OUT-12).

use minicbor::bytes::ByteVec;

use super::coalesce::fold;
use crate::base::{Epoch, EventId, LogEpoch, Seq, Wall};
use crate::rows::{DeviceRow, FlightRow, ROW_VERSION, Source, Span, StreamRow};
use crate::rules::chain;
use crate::wire::{EventFlags, EventHead, PROTOCOL, Push, decode};

/// An event in hand: its bytes, and where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) id: EventId,
    pub(super) sealed: Vec<u8>,
    /// Its place in the journal; 0 for one that the server had before.
    pub(super) position: u64,
    /// Whether something that is not of its stream may lie just before it in the journal.
    pub(super) run_start: bool,
    /// Its prerequisite.
    pub(super) after: Option<EventId>,
    /// It goes even if its prerequisite failed.
    pub(super) release: bool,
    /// It is a change of the session's document.
    pub(super) is_patch: bool,
    /// If it loses against another, it waits for somebody who makes one of two.
    pub(super) resolve: bool,
    /// What events that may supersede each other have in common, and few others; 0 for one that supersedes none.
    pub(super) fold: u64,
}

impl Held {
    /// Reads what has to be known of an event. `None` if it is none.
    pub(super) fn read(sealed: &[u8], position: u64, run_start: bool) -> Option<Self> {
        let head: EventHead<'_> = decode(sealed).ok()?;
        let is_patch = head.is_patch();
        let EventHead { id, type_, key, after, flags, .. } = head;
        let flags = flags.unwrap_or_default();
        let fold = if flags.has(EventFlags::COLLAPSE) { fold(type_, key) } else { 0 };
        let release = flags.has(EventFlags::RELEASE);
        let resolve = flags.has(EventFlags::RESOLVE);
        let sealed = sealed.to_vec();
        Some(Self { id, sealed, position, run_start, after, release, is_patch, resolve, fold })
    }
}

/// A sealed batch with its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) row: FlightRow,
    pub(super) events: Vec<Held>,
    /// It was sealed in this life, and none of it before.
    pub(super) fresh: bool,
}

/// Journal ranges that hold exactly these events.
pub(super) fn spans(events: &[Held]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for event in events {
        match spans.last_mut() {
            Some(span) if !event.run_start => span.through = event.position,
            _ => spans.push(Span { from: event.position, through: event.position }),
        }
    }
    spans
}

/// Gives a run of events its numbers and its chain; the signature is still missing.
pub(super) fn seal(stream: &StreamRow, events: Vec<Held>, source: Source, at: Wall) -> Batch {
    let head = chain::head_after(*stream.head, events.iter().map(|event| &event.sealed[..]));
    let row = FlightRow {
        version: ROW_VERSION,
        session: stream.session.clone(),
        user: stream.user.clone(),
        lane: stream.lane,
        incarnation: stream.incarnation,
        first: stream.confirmed.next(),
        count: events.len() as u64,
        source,
        previous: stream.head,
        head: head.into(),
        signature: ByteVec::from(Vec::new()),
        attempt: 0,
        due_at: at,
        tries: 0,
        last_fault: None,
        ahead: None,
    };
    Batch { row, events, fresh: false }
}

impl Batch {
    /// What the device signs.
    pub(super) fn statement(&self, device: &DeviceRow) -> Vec<u8> {
        let FlightRow { first, count, previous, head, .. } = &self.row;
        let stream = self.row.key().id(device.device, self.row.incarnation);
        chain::statement(&stream, *first, *count, previous, head)
    }

    /// Whether its events lie in the journal, and have never been acknowledged.
    pub(super) fn is_from_journal(&self) -> bool {
        matches!(self.row.source, Source::Journal(_))
    }

    /// Whether the events are those that were sealed.
    pub(super) fn is_whole(&self) -> bool {
        let sealed = self.events.iter().map(|event| &event.sealed[..]);
        self.events.len() as u64 == self.row.count
            && chain::head_after(*self.row.previous, sealed) == *self.row.head
    }

    /// The push that sends it.
    pub(super) fn push(&self, about: &About<'_>) -> Push {
        Push {
            first: self.row.first,
            previous: self.row.previous,
            head: self.row.head,
            signature: self.row.signature.clone(),
            events: self.events.iter().map(|event| event.sealed.clone().into()).collect(),
            ..question(about)
        }
    }
}

/// What a push says about its sender.
#[derive(Debug)]
pub(super) struct About<'a> {
    pub(super) device: &'a DeviceRow,
    pub(super) stream: &'a StreamRow,
    pub(super) log_epoch: Option<LogEpoch>,
    pub(super) host_epoch: Epoch,
    pub(super) build: &'a str,
}

/// A push without events: it asks for the stream's position, and changes nothing.
pub(super) fn question(about: &About<'_>) -> Push {
    let About { device, stream, log_epoch, host_epoch, build } = about;
    Push {
        protocol: (PROTOCOL, PROTOCOL),
        stream: stream.key().id(device.device, stream.incarnation),
        first: stream.confirmed.next(),
        previous: stream.head,
        head: stream.head,
        key: device.key.clone(),
        signature: ByteVec::from(Vec::new()),
        host_epoch: host_epoch.0,
        former: stream.former.clone(),
        log_epoch: *log_epoch,
        build: (*build).into(),
        events: Vec::new(),
    }
}

/// The place and head that a stream has after the first `count` of `events`.
pub(super) fn advanced(
    stream: &StreamRow,
    events: &[Held],
) -> (Seq, minicbor::bytes::ByteArray<32>) {
    let head = chain::head_after(*stream.head, events.iter().map(|event| &event.sealed[..]));
    (stream.confirmed.plus(events.len() as u64), head.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_no_other_streams_rows() {
        let held = |position, run_start| Held {
            id: EventId::new("x").expect("a letter is an id"),
            sealed: Vec::new(),
            position,
            run_start,
            after: None,
            release: false,
            is_patch: false,
            resolve: false,
            fold: 0,
        };
        let span = |from, through| Span { from, through };
        #[rustfmt::skip]
        let cases = [
            ("none",                    vec![],                                                vec![]),
            ("one run",                 vec![held(3, true), held(4, false), held(7, false)],   vec![span(3, 7)]),
            ("cut by another's row",    vec![held(3, false), held(4, false), held(6, true)],   vec![span(3, 4), span(6, 6)]),
        ];
        for (shows, events, expected) in cases {
            assert_eq!(spans(&events), expected, "{shows}");
        }
    }
}
