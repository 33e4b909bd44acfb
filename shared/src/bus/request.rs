//! What a page says to the coordinator.

use minicbor::bytes::ByteVec;

use super::BusFault;
use super::envelope::Envelope;
use crate::base::codec::{Reader, array, index, read_one};
use crate::base::{Epoch, EventId, PageId, RequestId, limits};
use crate::rows::Options;
use crate::tape::Recording;
use crate::wire::to_cbor;

/// Whose events a page makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The session.
    pub session: Box<str>,
    /// The user; empty where the app names none.
    pub user: Box<str>,
}

array!(Identity { 0: session, 1: user });

/// A page registers, or says what has changed about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Whose events it makes.
    pub identity: Identity,
    /// Base URL of the sync server; empty where there is none.
    pub server: Box<str>,
    /// The app's options.
    pub options: Options,
    /// Whether the page can be asked for a token.
    pub has_token: bool,
    /// Whether the page is in sight.
    pub visible: bool,
    /// What the browser says of the network; absent where it says nothing (OUT-10).
    pub network: Option<Network>,
    /// Whether the page shows the session's document; absent where it is of a build that cannot.
    pub shows_state: Option<bool>,
    /// Whether it makes one of two where writes have disagreed; absent where it is of a build that does not say so (STATE-4).
    pub resolves: Option<bool>,
}

array!(Hello {
    0: identity,
    1: server,
    2: options,
    3: has_token,
    4: visible,
    5: network,
    6: shows_state,
    7: resolves,
});

/// What a browser says of the network (the Network Information API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Network {
    /// `effectiveType` is `4g`, or nothing that is known.
    #[default]
    Fast,
    /// `effectiveType` is `3g`.
    Medium,
    /// `effectiveType` is `2g` or `slow-2g`, or the user saves data.
    Slow,
}

index!(Network { 0: Fast, 1: Medium, 2: Slow });

/// A page goes, and leaves what is not yet durable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Farewell {
    /// Rows for the journal that the page could not see written.
    pub rows: Vec<ByteVec>,
    /// Whether the page may come back (back/forward cache).
    pub may_return: bool,
}

array!(Farewell { 0: rows, 1: may_return });

/// The answer to a [`TokenWanted`](super::Notice::TokenWanted).
#[derive(Clone, PartialEq, Eq)]
pub struct TokenGiven {
    /// Whose.
    pub identity: Identity,
    /// The token, if there is one.
    pub token: Option<Box<str>>,
}

array!(TokenGiven { 0: identity, 1: token });

// By hand, so that no log or recording can print a token.
impl core::fmt::Debug for TokenGiven {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenGiven").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A page gives a sealed event for one that is queued, or for a dead letter's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which event; the new one has the same id.
    pub id: EventId,
    /// The sealed [`Event`](crate::wire::Event) that takes its place; none where it is cancelled.
    pub sealed: Option<ByteVec>,
}

array!(Change { 0: id, 1: sealed });

/// What is to be removed from this device (STATE-13).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wipe {
    /// This session's alone; absent: every session's.
    pub session: Option<Box<str>>,
    /// This user's alone, in that session; absent: every user's.
    pub user: Option<Box<str>>,
    /// Undelivered events and dead letters, too.
    pub undelivered: bool,
}

array!(Wipe { 0: session, 1: user, 2: undelivered });

/// What a page says or asks. Only those after [`Token`](Request::Token) are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// See [`Hello`].
    Hello(Hello),
    /// There is something new in the journal, or it is time. `hurry` overrides a delay after a failure.
    Nudge {
        /// The browser says the network is back, or the page has come into sight.
        hurry: bool,
    },
    /// See [`Farewell`].
    Farewell(Farewell),
    /// See [`TokenGiven`].
    Token(TokenGiven),
    /// Send dead letters again: this one, or all.
    Retry {
        /// Which.
        id: Option<EventId>,
    },
    /// Throw a dead letter away.
    Discard {
        /// Which.
        id: EventId,
    },
    /// Stop delivering, or go on.
    Pause {
        /// Whether to stop.
        on: bool,
    },
    /// Deliver what is there, and say when nothing more can be done at once.
    Flush,
    /// Write down what happens, or do so no more.
    Record {
        /// How much.
        recording: Option<Recording>,
    },
    /// Take an event out of the queue, or give another for it, unless it is sealed (OUT-16).
    Replace(Change),
    /// Give another event for a dead letter's (OUT-6). It stays a letter.
    Edit(Change),
    /// See [`Wipe`].
    Wipe(Wipe),
    /// Ask the server for what is new in the session's document; done once it is on disk (STATE-6).
    Pull {
        /// How far the log goes, as the page has heard; absent where it wants to know.
        head: Option<u64>,
    },
    /// Somebody has made one of two of a patch that was refused for a conflict, and of what it lost against (STATE-4).
    Resolved {
        /// The refused patch's event.
        id: EventId,
    },
}

struct Switch {
    on: bool,
}

array!(Switch { 0: on });

struct Recorder {
    recording: Option<Recording>,
}

array!(Recorder { 0: recording });

struct Heard {
    head: Option<u64>,
}

array!(Heard { 0: head });

struct Letter {
    id: Option<EventId>,
}

array!(Letter { 0: id });

impl Request {
    const HELLO: u8 = 1;
    const NUDGE: u8 = 2;
    pub(crate) const FAREWELL: u8 = 3;
    pub(crate) const TOKEN: u8 = 4;
    const RETRY: u8 = 5;
    const DISCARD: u8 = 6;
    const PAUSE: u8 = 7;
    const FLUSH: u8 = 8;
    const RECORD: u8 = 9;
    pub(crate) const REPLACE: u8 = 10;
    pub(crate) const EDIT: u8 = 11;
    const WIPE: u8 = 12;
    const PULL: u8 = 13;
    const RESOLVED: u8 = 14;
    /// The last kind that this build knows. One that carries a body or a token needs a path in `tape`, and is private.
    pub(crate) const LAST: u8 = Self::RESOLVED;

    /// Whether a message of this kind may have a body or a token in it.
    pub(crate) fn is_private(kind: u8) -> bool {
        matches!(kind, Self::FAREWELL | Self::TOKEN | Self::REPLACE | Self::EDIT)
    }

    /// What a message of this kind is called in a log.
    #[must_use]
    pub fn name(kind: u8) -> &'static str {
        const NAMES: &[&str] = &[
            "hello", "nudge", "farewell", "token", "retry", "discard", "pause", "flush", "record",
            "replace", "edit", "wipe", "pull", "resolved",
        ];
        NAMES.get(usize::from(kind).wrapping_sub(1)).copied().unwrap_or("unknown")
    }

    /// The message with its header.
    #[must_use]
    pub fn seal(&self, build: &str, sender: PageId, request: RequestId, epoch: Epoch) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Hello(hello) => (Self::HELLO, to_cbor(hello)),
            Self::Nudge { hurry } => (Self::NUDGE, to_cbor(&Switch { on: *hurry })),
            Self::Farewell(farewell) => (Self::FAREWELL, to_cbor(farewell)),
            Self::Token(token) => (Self::TOKEN, to_cbor(token)),
            Self::Retry { id } => (Self::RETRY, to_cbor(&Letter { id: id.clone() })),
            Self::Discard { id } => (Self::DISCARD, to_cbor(&Letter { id: Some(id.clone()) })),
            Self::Pause { on } => (Self::PAUSE, to_cbor(&Switch { on: *on })),
            Self::Flush => (Self::FLUSH, Vec::new()),
            Self::Record { recording } => {
                (Self::RECORD, to_cbor(&Recorder { recording: *recording }))
            }
            Self::Replace(change) => (Self::REPLACE, to_cbor(change)),
            Self::Edit(change) => (Self::EDIT, to_cbor(change)),
            Self::Wipe(wipe) => (Self::WIPE, to_cbor(wipe)),
            Self::Pull { head } => (Self::PULL, to_cbor(&Heard { head: *head })),
            Self::Resolved { id } => (Self::RESOLVED, to_cbor(&Letter { id: Some(id.clone()) })),
        };
        Envelope { kind, body: &body, ..Envelope::blank(build, sender, request, epoch) }.seal()
    }

    /// Reads the body; `None` for a kind that this build does not know.
    pub fn open(envelope: &Envelope<'_>) -> Result<Option<Self>, BusFault> {
        if envelope.body.len() > limits::BUS_BYTES_MAX {
            return Err(BusFault::Malformed);
        }
        let mut from = Reader::new(envelope.body);
        let from = &mut from;
        let read = match envelope.kind {
            Self::HELLO => Self::Hello(read_one(from)),
            Self::NUDGE => Self::Nudge { hurry: read_one::<Switch>(from).on },
            Self::FAREWELL => Self::Farewell(read_one(from)),
            Self::TOKEN => Self::Token(read_one(from)),
            Self::RETRY => Self::Retry { id: read_one::<Letter>(from).id },
            Self::DISCARD => {
                Self::Discard { id: read_one::<Letter>(from).id.ok_or(BusFault::Malformed)? }
            }
            Self::PAUSE => Self::Pause { on: read_one::<Switch>(from).on },
            Self::FLUSH => Self::Flush,
            Self::RECORD => Self::Record { recording: read_one::<Recorder>(from).recording },
            Self::REPLACE => Self::Replace(read_one(from)),
            Self::EDIT => Self::Edit(read_one(from)),
            Self::WIPE => Self::Wipe(read_one(from)),
            Self::PULL => Self::Pull { head: read_one::<Heard>(from).head },
            Self::RESOLVED => {
                Self::Resolved { id: read_one::<Letter>(from).id.ok_or(BusFault::Malformed)? }
            }
            _ => return Ok(None),
        };
        from.finish().map(|()| Some(read)).map_err(|_| BusFault::Malformed)
    }
}
