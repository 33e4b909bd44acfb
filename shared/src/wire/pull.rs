//! `GET /v1/events`: a page of a session's log. `GET /v1/state`: its document.

use minicbor::bytes::ByteVec;

use super::{Lane, StreamId};
use crate::base::codec::array;
use crate::base::{DeviceId, Incarnation, LogEpoch, Seq, Wall};

/// Events of one session after an offset, in the log's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// Which life of the log this is.
    pub epoch: LogEpoch,
    /// The events.
    pub events: Vec<LogEvent>,
    /// The last offset there is.
    pub head: u64,
    /// Events up to this offset are no longer kept.
    pub floor: u64,
    /// Whether there are events after the last one here, or after `through`.
    pub more: bool,
    /// Where only some kind of events is wanted: up to which offset the log was looked at. Who reads on goes on from there.
    pub through: Option<u64>,
}

array!(LogPage { 0: epoch, 1: events, 2: head, 3: floor, 4: more, 5: through });

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Its place in the session's log; the first is 1.
    pub offset: u64,
    /// The device it came from.
    pub device: DeviceId,
    /// The incarnation of the stream it came by.
    pub incarnation: Incarnation,
    /// That stream's user.
    pub user: Box<str>,
    /// That stream's lane.
    pub lane: Lane,
    /// Its place there.
    pub seq: Seq,
    /// When the server took it.
    pub taken_at: Wall,
    /// The sealed [`Event`](super::Event).
    pub sealed: ByteVec,
    /// The event's data as its effect saw it, where that took something from its prerequisite's result (OUT-16).
    pub bound: Option<ByteVec>,
}

array!(LogEvent {
    0: offset,
    1: device,
    2: incarnation,
    3: user,
    4: lane,
    5: seq,
    6: taken_at,
    7: sealed,
    8: bound,
});

impl LogEvent {
    /// The stream it came by.
    #[must_use]
    pub fn stream(&self, session: &str) -> StreamId {
        StreamId {
            device: self.device,
            session: session.into(),
            user: self.user.clone(),
            lane: self.lane,
            incarnation: self.incarnation,
        }
    }
}

/// A session's document, or the next part of one. Each key is as it was when its part was read: later than `head`, maybe, but
/// never earlier. Who goes on from there with the log's patches after `head` leaves out of each what a key's version covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which life of the log this is.
    pub epoch: LogEpoch,
    /// The last offset there was when this part was read.
    pub head: u64,
    /// Keys in order, each with its encoded [`Entry`](crate::rules::document::Entry).
    pub entries: Vec<(Box<str>, ByteVec)>,
    /// Whether there are keys after the last one here.
    pub more: bool,
}

array!(Snapshot { 0: epoch, 1: head, 2: entries, 3: more });
