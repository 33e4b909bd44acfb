//! What became of answered batches, and the events themselves for a while.
//!
//! Both stores are keyed by the number of events that this device has had answered, up to and with the
//! batch. So "the last 10,000" is a range of keys, and trimming reads nothing.

use minicbor::bytes::ByteVec;

use crate::base::codec::{array, map};
use crate::base::{EventId, Wall};
use crate::wire::{Lane, Outcome};

/// The outcome of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneEntry {
    /// Which event.
    pub id: EventId,
    /// What the server decided.
    pub outcome: Outcome,
    /// Its offset in the session's log.
    pub offset: Option<u64>,
    /// What the app's effect gave back, as JSON text.
    pub result: Option<ByteVec>,
    /// Why it was refused.
    pub code: Option<Box<str>>,
    /// Why it was refused, for the developer.
    pub message: Option<Box<str>>,
}

array!(DoneEntry { 0: id, 1: outcome, 2: offset, 3: result, 4: code, 5: message });

/// Outcomes of one answered batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneRow {
    /// Version of the row.
    pub version: u16,
    /// When the answer came.
    pub at: Wall,
    /// The outcomes, in the batch's order.
    pub entries: Vec<DoneEntry>,
    /// Their session; absent in rows of older builds.
    pub session: Option<Box<str>>,
    /// Their user; absent in rows of older builds.
    pub user: Option<Box<str>>,
}

map!(DoneRow { 0: version, 1: at, 2: entries, 3: session, 4: user });

/// Acknowledged events of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetainedRow {
    /// Version of the row.
    pub version: u16,
    /// When they were acknowledged.
    pub at: Wall,
    /// Their session.
    pub session: Box<str>,
    /// Their user.
    pub user: Box<str>,
    /// Their lane.
    pub lane: Lane,
    /// The sealed bytes, in the stream's order.
    pub events: Vec<ByteVec>,
}

map!(RetainedRow { 0: version, 1: at, 2: session, 3: user, 4: lane, 5: events });
