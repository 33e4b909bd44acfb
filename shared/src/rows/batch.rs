//! Everything one transaction writes, guarded by the lease (HOST-6).
//!
//! The driver reads the host's lease inside the transaction, compares its epoch and its holder with
//! the batch's, and only then fires the operations, all at once. Success is the
//! transaction's completion, nothing less.

use crate::base::{Epoch, PageId};

/// The object stores. All exist from the first version of the database on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// Durable rows not yet done with; keys from the key generator.
    Journal,
    /// Sealed batches.
    Flight,
    /// Outcomes of answered batches; keys count the events answered.
    Done,
    /// Acknowledged events kept for a server that loses them; keys as in `Done`.
    Retained,
    /// Dead letters.
    Dead,
    /// The session document.
    Document,
    /// Streams.
    Stream,
    /// How far each session's log is known.
    Cursor,
    /// Who hosts, who leads.
    Lease,
    /// Session timers.
    Idle,
    /// The device and the channel's configuration.
    Meta,
    /// Spare, so that no upgrade is ever needed.
    Kv,
}

impl Store {
    /// Every store.
    pub const ALL: [Self; 12] = [
        Self::Journal,
        Self::Flight,
        Self::Done,
        Self::Retained,
        Self::Dead,
        Self::Document,
        Self::Stream,
        Self::Cursor,
        Self::Lease,
        Self::Idle,
        Self::Meta,
        Self::Kv,
    ];

    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Flight => "flight",
            Self::Done => "done",
            Self::Retained => "retained",
            Self::Dead => "dead",
            Self::Document => "document",
            Self::Stream => "stream",
            Self::Cursor => "cursor",
            Self::Lease => "lease",
            Self::Idle => "idle",
            Self::Meta => "meta",
            Self::Kv => "kv",
        }
    }
}

/// A key in a store. Numbers sort before texts, as in IndexedDB.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// At most 2⁵³ − 1, which is as far as IndexedDB counts.
    Number(u64),
    /// Any text.
    Text(Box<str>),
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes or overwrites a row.
    Put {
        /// Where.
        store: Store,
        /// Under which key.
        key: Key,
        /// The encoded row.
        row: Vec<u8>,
    },
    /// Appends a row to the journal.
    Append {
        /// The encoded row.
        row: Vec<u8>,
    },
    /// Deletes the row of this key, if there is one.
    Delete {
        /// Where.
        store: Store,
        /// Which.
        key: Key,
    },
    /// Deletes the rows of numbers `from` to `through`, both included.
    DeleteSpan {
        /// Where.
        store: Store,
        /// The first.
        from: u64,
        /// The last.
        through: u64,
    },
}

impl Op {
    /// The store it writes to.
    #[must_use]
    pub fn store(&self) -> Store {
        match self {
            Self::Put { store, .. }
            | Self::Delete { store, .. }
            | Self::DeleteSpan { store, .. } => *store,
            Self::Append { .. } => Store::Journal,
        }
    }
}

/// Operations that happen together, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteBatch {
    /// The epoch under which they were decided; under any other nothing is written.
    pub epoch: Epoch,
    /// Who decided them. A database made anew may count up to the same epoch for another.
    pub holder: PageId,
    /// Whether completion must mean that the disk has it: for what a power cut must not undo.
    pub strict: bool,
    /// What is written, in this order.
    pub ops: Vec<Op>,
}

impl WriteBatch {
    /// The stores it touches, each once, in order; the lease is always among them.
    #[must_use]
    pub fn stores(&self) -> Vec<Store> {
        let touches = |store: &Store| {
            *store == Store::Lease || self.ops.iter().any(|op| op.store() == *store)
        };
        Store::ALL.into_iter().filter(touches).collect()
    }
}
