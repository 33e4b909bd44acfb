//! What became of answered batches, and the events themselves for a while.
//!
//! Both stores are keyed by the number of events that this device has had answered, up to and with the
//! batch. So "the last 10,000" is a range of keys, and trimming reads nothing.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::base::{EventId, Wall};
use crate::wire::{Lane, Outcome};

/// The outcome of one event.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DoneEntry {
    /// Which event.
    #[n(0)]
    pub id: EventId,
    /// What the server decided.
    #[n(1)]
    pub outcome: Outcome,
    /// Its offset in the session's log.
    #[n(2)]
    pub offset: Option<u64>,
    /// What the app's effect gave back, as JSON text.
    #[n(3)]
    pub result: Option<ByteVec>,
    /// Why it was refused.
    #[n(4)]
    pub code: Option<Box<str>>,
    /// Why it was refused, for the developer.
    #[n(5)]
    pub message: Option<Box<str>>,
}

/// Outcomes of one answered batch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DoneRow {
    /// Version of the row.
    #[n(0)]
    pub version: u16,
    /// When the answer came.
    #[n(1)]
    pub at: Wall,
    /// The outcomes, in the batch's order.
    #[n(2)]
    pub entries: Vec<DoneEntry>,
}

/// Acknowledged events of one batch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RetainedRow {
    /// Version of the row.
    #[n(0)]
    pub version: u16,
    /// When they were acknowledged.
    #[n(1)]
    pub at: Wall,
    /// Their session.
    #[n(2)]
    pub session: Box<str>,
    /// Their user.
    #[n(3)]
    pub user: Box<str>,
    /// Their lane.
    #[n(4)]
    pub lane: Lane,
    /// The sealed bytes, in the stream's order.
    #[n(5)]
    pub events: Vec<ByteVec>,
}
