//! A sealed batch: on disk before it leaves, and until the server has spoken about all of it.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::StreamKey;
use crate::base::{Fault, Incarnation, Seq, Wall};
use crate::wire::Lane;

/// Journal positions `from` to `through`, both included, with no other stream's row among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Span {
    /// The first position.
    #[n(0)]
    pub from: u64,
    /// The last position.
    #[n(1)]
    pub through: u64,
}

/// Where a batch's events lie.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// In the journal, in this order.
    #[n(0)]
    Journal(#[n(0)] Vec<Span>),
    /// In these rows of `retained`: the server had them, and lost them. The first row's events
    /// before `skip` are not part of the batch.
    #[n(1)]
    Retained {
        /// Keys of the rows.
        #[n(0)]
        keys: Vec<u64>,
        /// Events of the first row that come before the batch.
        #[n(1)]
        skip: u64,
    },
}

/// A sealed batch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FlightRow {
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
    /// The stream's life in which it was sealed.
    #[n(4)]
    pub incarnation: Incarnation,
    /// Place of its first event.
    #[n(5)]
    pub first: Seq,
    /// How many events it has.
    #[n(6)]
    pub count: u64,
    /// Where they lie.
    #[n(7)]
    pub source: Source,
    /// Chain head before it.
    #[n(8)]
    pub previous: ByteArray<32>,
    /// Chain head after it.
    #[n(9)]
    pub head: ByteArray<32>,
    /// The device's signature.
    #[n(10)]
    pub signature: ByteVec,
    /// Failures in a row.
    #[n(11)]
    pub attempt: u32,
    /// When it is sent next.
    #[n(12)]
    pub due_at: Wall,
    /// Tries spent by its first event.
    #[n(13)]
    pub tries: u32,
    /// What happened last.
    #[n(14)]
    pub last_fault: Option<Fault>,
}

impl FlightRow {
    /// Which stream it belongs to.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        StreamKey { session: self.session.clone(), user: self.user.clone(), lane: self.lane }
    }

    /// Whether the journal row at `position` is part of it.
    #[must_use]
    pub fn covers(&self, position: u64) -> bool {
        match &self.source {
            Source::Journal(spans) => {
                spans.iter().any(|span| (span.from..=span.through).contains(&position))
            }
            Source::Retained { .. } => false,
        }
    }
}
