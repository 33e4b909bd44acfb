//! What a page says to the coordinator.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::BusFault;
use super::envelope::{Envelope, PROTOCOL_MAX, PROTOCOL_MIN};
use crate::base::{Epoch, EventId, PageId, RequestId, limits};
use crate::rows::Options;
use crate::wire::{from_cbor, to_cbor};

/// Whose events a page makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Identity {
    /// The session.
    #[n(0)]
    pub session: Box<str>,
    /// The user; empty where the app names none.
    #[n(1)]
    pub user: Box<str>,
}

/// A page registers, or says what has changed about it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// Whose events it makes.
    #[n(0)]
    pub identity: Identity,
    /// Base URL of the sync server; empty where there is none.
    #[n(1)]
    pub server: Box<str>,
    /// The app's options.
    #[n(2)]
    pub options: Options,
    /// Whether the page can be asked for a token.
    #[n(3)]
    pub has_token: bool,
    /// Whether the page is in sight.
    #[n(4)]
    pub visible: bool,
}

/// A page goes, and leaves what is not yet durable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Farewell {
    /// Rows for the journal that the page could not see written.
    #[n(0)]
    pub rows: Vec<ByteVec>,
    /// Whether the page may come back (back/forward cache).
    #[n(1)]
    pub may_return: bool,
}

/// The answer to a [`TokenWanted`](super::Notice::TokenWanted).
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct TokenGiven {
    /// Whose.
    #[n(0)]
    pub identity: Identity,
    /// The token, if there is one.
    #[n(1)]
    pub token: Option<Box<str>>,
}

// By hand, so that no log or recording can print a token.
impl core::fmt::Debug for TokenGiven {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenGiven").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// What a page says or asks. Only the last four are answered.
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
}

#[derive(Encode, Decode)]
struct One<T>(#[n(0)] T);

impl Request {
    const HELLO: u8 = 1;
    const NUDGE: u8 = 2;
    const FAREWELL: u8 = 3;
    const TOKEN: u8 = 4;
    const RETRY: u8 = 5;
    const DISCARD: u8 = 6;
    const PAUSE: u8 = 7;
    const FLUSH: u8 = 8;

    /// The message with its header.
    #[must_use]
    pub fn seal(&self, build: &str, sender: PageId, request: RequestId, epoch: Epoch) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Hello(hello) => (Self::HELLO, to_cbor(hello)),
            Self::Nudge { hurry } => (Self::NUDGE, to_cbor(&One(*hurry))),
            Self::Farewell(farewell) => (Self::FAREWELL, to_cbor(farewell)),
            Self::Token(token) => (Self::TOKEN, to_cbor(token)),
            Self::Retry { id } => (Self::RETRY, to_cbor(&One(id.clone()))),
            Self::Discard { id } => (Self::DISCARD, to_cbor(&One(id.clone()))),
            Self::Pause { on } => (Self::PAUSE, to_cbor(&One(*on))),
            Self::Flush => (Self::FLUSH, Vec::new()),
        };
        to_cbor(&Envelope {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            build,
            sender,
            request,
            epoch,
            kind,
            flags: 0,
            body: &body,
        })
    }

    /// Reads the body; `None` for a kind that this build does not know.
    pub fn open(envelope: &Envelope<'_>) -> Result<Option<Self>, BusFault> {
        fn body<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, BusFault> {
            from_cbor(bytes, limits::BUS_BYTES_MAX).map_err(|_| BusFault::Malformed)
        }
        let bytes = envelope.body;
        Ok(Some(match envelope.kind {
            Self::HELLO => Self::Hello(body(bytes)?),
            Self::NUDGE => Self::Nudge { hurry: body::<One<bool>>(bytes)?.0 },
            Self::FAREWELL => Self::Farewell(body(bytes)?),
            Self::TOKEN => Self::Token(body(bytes)?),
            Self::RETRY => Self::Retry { id: body::<One<Option<EventId>>>(bytes)?.0 },
            Self::DISCARD => Self::Discard { id: body::<One<EventId>>(bytes)?.0 },
            Self::PAUSE => Self::Pause { on: body::<One<bool>>(bytes)?.0 },
            Self::FLUSH => Self::Flush,
            _ => return Ok(None),
        }))
    }
}
