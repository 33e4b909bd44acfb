//! `GET /v1/events`: a page of a session's log.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::{Lane, StreamId};
use crate::base::{DeviceId, Incarnation, LogEpoch, Seq, Wall};

/// Events of one session after an offset, in the log's order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogPage {
    /// Which life of the log this is.
    #[n(0)]
    pub epoch: LogEpoch,
    /// The events.
    #[n(1)]
    pub events: Vec<LogEvent>,
    /// The last offset there is.
    #[n(2)]
    pub head: u64,
    /// Offsets up to this one are no longer kept.
    #[n(3)]
    pub floor: u64,
    /// Whether there are events after the last one here.
    #[n(4)]
    pub more: bool,
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogEvent {
    /// Its place in the session's log; the first is 1.
    #[n(0)]
    pub offset: u64,
    /// The device it came from.
    #[n(1)]
    pub device: DeviceId,
    /// The incarnation of the stream it came by.
    #[n(2)]
    pub incarnation: Incarnation,
    /// That stream's user.
    #[n(3)]
    pub user: Box<str>,
    /// That stream's lane.
    #[n(4)]
    pub lane: Lane,
    /// Its place there.
    #[n(5)]
    pub seq: Seq,
    /// When the server took it.
    #[n(6)]
    pub taken_at: Wall,
    /// The sealed [`Event`](super::Event).
    #[n(7)]
    pub sealed: ByteVec,
}

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
