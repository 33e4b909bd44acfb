//! A dead letter: an event that will not be sent again by itself (OUT-6).

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::base::Wall;
use crate::wire::Lane;

/// Why an event was buried.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Reason {
    /// Stable name: the server's code, `tries-spent`, or `unreadable`.
    #[n(0)]
    pub code: Box<str>,
    /// For the developer.
    #[n(1)]
    pub message: Box<str>,
}

/// One dead letter. Its key is the event's id, or `journal:` and the position of an unreadable row.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadRow {
    /// Version of the row.
    #[n(0)]
    pub version: u16,
    /// The session.
    #[n(1)]
    pub session: Box<str>,
    /// The user.
    #[n(2)]
    pub user: Box<str>,
    /// The lane.
    #[n(3)]
    pub lane: Lane,
    /// The sealed event; for an unreadable journal row the row as it was found.
    #[n(4)]
    pub sealed: ByteVec,
    /// Why.
    #[n(5)]
    pub reason: Reason,
    /// Tries it had spent.
    #[n(6)]
    pub tries: u32,
    /// When it was buried.
    #[n(7)]
    pub buried_at: Wall,
}
