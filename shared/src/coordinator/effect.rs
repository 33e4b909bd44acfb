//! Everything that a host can be asked for. The process may die before, during or after doing any of it.

use core::fmt;

use super::input::Client;
use crate::base::EventId;
use crate::bus::Identity;
use crate::outbox::Ticket;
use crate::rows::{Reason, Store, WriteBatch};

/// A bearer token, which no log or recording can print.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub Box<str>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// One page.
    Client(Client),
    /// Every page that the browser knows of, registered or not.
    All,
}

/// Something the driver is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this; answered by `Committed`, `CommitFailed` or `Fenced`. Commits happen in the order of asking.
    Commit {
        /// Names it.
        ticket: Ticket,
        /// What.
        batch: WriteBatch,
    },
    /// Sign this with the device's key; answered by `Signed`.
    Sign {
        /// Names it.
        ticket: Ticket,
        /// What.
        statement: Vec<u8>,
    },
    /// Send this to the server; answered by `Response`.
    Push {
        /// Names it.
        ticket: Ticket,
        /// Where to.
        url: Box<str>,
        /// Under which token.
        token: Option<Token>,
        /// The encoded push.
        body: Vec<u8>,
        /// Whether that is worth compressing, if it can be.
        compress: bool,
    },
    /// Ask the server; answered by `Pulled`.
    Pull {
        /// Names it.
        ticket: Ticket,
        /// Where.
        url: Box<str>,
        /// Under which token.
        token: Option<Token>,
    },
    /// Send a plain request; answered by `Response` (OUT-14).
    Request {
        /// Names it.
        ticket: Ticket,
        /// The only server that may see the token.
        server: Box<str>,
        /// The token, if there is one.
        token: Option<Token>,
        /// The event, as the key by which a repeat is known.
        id: EventId,
        /// Method, URL, headers and body, as JSON text.
        request: Vec<u8>,
    },
    /// Tell the worker's hook of an event that was given up while no page is there. Told once at the most: the letter
    /// lies there for whoever comes.
    TellHook {
        /// Which event.
        id: Box<str>,
        /// Its type.
        type_: Box<str>,
        /// Why.
        reason: Reason,
        /// Tries that it has spent.
        tries: u32,
    },
    /// Get a token: of the worker's hook, or else of a page. Whoever has one says so in a message (OUT-7).
    WantToken {
        /// Whose.
        identity: Identity,
        /// A page that may have one.
        page: Option<Client>,
        /// What it is to be asked.
        message: Vec<u8>,
    },
    /// Read rows of the journal; answered by `Journal` or `JournalFailed`.
    ReadJournal {
        /// Positions greater than this.
        after: u64,
        /// How many at the most.
        limit: u32,
    },
    /// Read rows of a store; answered by `Retained` or `RetainedFailed`.
    ReadRetained {
        /// Names it.
        ticket: Ticket,
        /// Which: `retained`, but for a wipe.
        store: Store,
        /// Keys greater than this.
        after: u64,
        /// How many at the most.
        limit: u32,
    },
    /// Read the rows of a session's document: those whose keys begin with this; answered by `Document` or
    /// `RetainedFailed`.
    ReadDocument {
        /// Names it.
        ticket: Ticket,
        /// What their keys begin with.
        prefix: Box<str>,
    },
    /// Have the worker's hook make one of two: of a patch that was refused, and of what it lost against, as the disk has both;
    /// answered by `Resolution` (STATE-4).
    Resolve {
        /// Names it.
        ticket: Ticket,
        /// The session, and whose patch it will be.
        identity: Identity,
        /// The refused patch's event.
        id: EventId,
    },
    /// Read the oldest rows of a store; answered by `Old`.
    ReadOld {
        /// Which.
        store: Store,
        /// How many at the most.
        limit: u32,
    },
    /// Say which pages are there; answered by `Clients`.
    ListClients,
    /// Send this to a page, or to all. Whether it arrives is not reported.
    Send {
        /// To whom.
        to: To,
        /// The sealed envelope.
        message: Vec<u8>,
    },
    /// Ask the browser for a background sync, if it has such a thing.
    AskForSync,
    /// Boot another coordinator from the disk, as after a death, and give this one up.
    StartOver,
}
