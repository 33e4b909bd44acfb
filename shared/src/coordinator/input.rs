//! Every fact that a host can report.

use crate::base::Fault;
use crate::outbox::{Response, Ticket};
use crate::rows::{DeviceRow, Key, Store};

/// A page as the browser names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client(pub Box<str>);

/// What woke the host, other than a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// It was started, updated, or simply given time.
    Start,
    /// A background sync that was asked for.
    Sync,
    /// A periodic sync, or an alarm.
    PeriodicSync,
    /// A push message.
    Push,
}

/// A fact from outside, already true when it is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A page has said something.
    Message {
        /// Who, as the browser names it.
        from: Client,
        /// What: an envelope, or anything.
        bytes: Vec<u8>,
    },
    /// These pages are there.
    Clients(Vec<Client>),
    /// This is the device: read, or minted.
    Device(DeviceRow),
    /// Who the device is could not be read, nor a new one minted; it is tried again with the next event.
    DeviceFailed(Fault),
    /// The database was minted anew although there had been one.
    DatabaseLost,
    /// Rows of the journal, as asked for.
    Journal {
        /// Positions and rows, in order.
        rows: Vec<(u64, Vec<u8>)>,
        /// Whether there are none after them.
        ended: bool,
    },
    /// The journal could not be read.
    JournalFailed(Fault),
    /// Rows of `retained`, or of the store that was asked for.
    Retained {
        /// For whom.
        ticket: Ticket,
        /// Keys and rows, in order.
        rows: Vec<(u64, Vec<u8>)>,
    },
    /// The rows of a session's document have been read.
    Document {
        /// For whom.
        ticket: Ticket,
        /// Keys and rows, in order.
        rows: Vec<(Key, Vec<u8>)>,
    },
    /// What the worker's hook has made of the two that `Resolve` names: a row for the journal, or none where all is left as it
    /// stands. Absent where nothing was made of them: they wait for a page.
    Resolution {
        /// For whom.
        ticket: Ticket,
        /// What.
        made: Option<Vec<Vec<u8>>>,
    },
    /// They could not be read, or those of a document.
    RetainedFailed {
        /// For whom.
        ticket: Ticket,
        /// Why.
        fault: Fault,
    },
    /// The oldest rows of a store, as asked for.
    Old {
        /// Which store.
        store: Store,
        /// Keys and rows, in order.
        rows: Vec<(u64, Vec<u8>)>,
    },
    /// A transaction is complete.
    Committed(Ticket),
    /// A transaction has failed, and nothing of it was written.
    CommitFailed {
        /// Which.
        ticket: Ticket,
        /// Why.
        fault: Fault,
    },
    /// The disk says that a newer coordinator has booted.
    Fenced,
    /// A signature has been made; `None` if the browser could not.
    Signed {
        /// For whom.
        ticket: Ticket,
        /// The signature.
        signature: Option<Vec<u8>>,
    },
    /// Something came back for a pull, or did not.
    Pulled {
        /// For whom.
        ticket: Ticket,
        /// What.
        response: Response,
    },
    /// Something came back for a push, or did not.
    Response {
        /// For whom.
        ticket: Ticket,
        /// What.
        response: Response,
    },
    /// The host was woken.
    Trigger(Trigger),
    /// The time that `poll_timeout` named has come, or any other.
    Timeout,
}
