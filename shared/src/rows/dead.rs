//! A dead letter: an event that will not be sent again by itself (OUT-6).

use minicbor::bytes::ByteVec;

use crate::base::Wall;
use crate::base::codec::{array, map};
use crate::wire::Lane;

/// Why an event was buried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable name: the server's code, `tries-spent`, or `unreadable`.
    pub code: Box<str>,
    /// For the developer.
    pub message: Box<str>,
}

array!(Reason { 0: code, 1: message });

/// One dead letter. Its key is the event's id, or `journal:` and the position of an unreadable row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRow {
    /// Version of the row.
    pub version: u16,
    /// The session.
    pub session: Box<str>,
    /// The user.
    pub user: Box<str>,
    /// The lane.
    pub lane: Lane,
    /// The sealed event; for an unreadable journal row the row as it was found.
    pub sealed: ByteVec,
    /// Why.
    pub reason: Reason,
    /// Tries it had spent.
    pub tries: u32,
    /// When it was buried.
    pub buried_at: Wall,
}

map!(DeadRow {
    0: version,
    1: session,
    2: user,
    3: lane,
    4: sealed,
    5: reason,
    6: tries,
    7: buried_at,
});
