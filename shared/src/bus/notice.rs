//! What the coordinator says to pages.

use minicbor::{Decode, Encode};

use super::BusFault;
use super::envelope::{Envelope, PROTOCOL_MAX, PROTOCOL_MIN};
use super::request::Identity;
use crate::base::{Epoch, Fault, LogEpoch, PageId, RequestId, Wall, limits};
use crate::rows::{HostKind, Reason};
use crate::wire::{from_cbor, to_cbor};

/// How it stands with delivery, in one word (OUT-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Sync {
    /// Nothing is waiting.
    #[default]
    #[n(0)]
    Synchronized,
    /// Something is on its way.
    #[n(1)]
    Synchronizing,
    /// Something waits for the server to be reached.
    #[n(2)]
    Offline,
    /// Something waits for somebody to act; the reason says for what.
    #[n(3)]
    Blocked,
}

/// What pages are told of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// What hosts it.
    #[n(0)]
    pub host: HostKind,
    /// Events on this device that the server has not answered.
    #[n(1)]
    pub pending: u64,
    /// Dead letters.
    #[n(2)]
    pub dead: u64,
    /// Events of this device that the server has ever answered; the newest key in `done`.
    #[n(3)]
    pub answered: u64,
    /// Pages present.
    #[n(4)]
    pub pages: u32,
    /// The page that is to wake the coordinator at `wake_at`.
    #[n(5)]
    pub pump: Option<PageId>,
    /// When it has something to do again.
    #[n(6)]
    pub wake_at: Option<Wall>,
    /// When the next delivery is tried.
    #[n(7)]
    pub next_attempt_at: Option<Wall>,
    /// How it stands.
    #[n(8)]
    pub sync: Sync,
    /// Why it is blocked or cannot reach the server: a stable code; empty where nothing is wrong.
    #[n(9)]
    pub reason: Box<str>,
    /// Whether the app has paused delivery.
    #[n(10)]
    pub paused: bool,
    /// Whether the server answered the last time it was asked; absent before the first time.
    #[n(11)]
    pub reachable: Option<bool>,
}

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    /// How things stand.
    #[n(0)]
    pub status: Status,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// It is done, for so many letters.
    #[n(0)]
    Done(#[n(0)] u64),
    /// Nothing more can be delivered at once.
    #[n(1)]
    Flushed {
        /// Events answered since the request came.
        #[n(0)]
        delivered: u64,
        /// Events still waiting.
        #[n(1)]
        pending: u64,
        /// Dead letters.
        #[n(2)]
        dead: u64,
    },
    /// It could not be done.
    #[n(2)]
    Failed(#[n(0)] Fault),
}

/// What the coordinator tells one page or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// To a page that said hello.
    Welcome(Welcome),
    /// Something about [`Status`] has changed.
    Status(Status),
    /// The answer to the request that the envelope names.
    Reply(Reply),
    /// An event was buried.
    Buried {
        /// Which.
        id: Box<str>,
        /// Its type.
        type_: Box<str>,
        /// Why.
        reason: Reason,
        /// Tries it had spent.
        tries: u32,
    },
    /// Something that was thought safe is gone: the server's log, or this device's database.
    StateLost {
        /// `server-log` or `database`.
        what: Box<str>,
        /// The session it concerns; empty for the database.
        session: Box<str>,
        /// The life of the log before.
        from: Option<LogEpoch>,
        /// Its present life.
        to: Option<LogEpoch>,
    },
    /// A token is needed to send this identity's events.
    TokenWanted(Identity),
    /// The coordinator lives elsewhere.
    HostedBy {
        /// What hosts it there.
        kind: HostKind,
    },
    /// Something went wrong that the developer should know.
    Trouble(Fault),
    /// The page is of a build too far apart to be understood.
    ReloadNeeded,
}

#[derive(Encode, Decode)]
struct Buried {
    #[n(0)]
    id: Box<str>,
    #[n(1)]
    type_: Box<str>,
    #[n(2)]
    reason: Reason,
    #[n(3)]
    tries: u32,
}

#[derive(Encode, Decode)]
struct StateLost {
    #[n(0)]
    what: Box<str>,
    #[n(1)]
    session: Box<str>,
    #[n(2)]
    from: Option<LogEpoch>,
    #[n(3)]
    to: Option<LogEpoch>,
}

impl Notice {
    const WELCOME: u8 = 1;
    const STATUS: u8 = 2;
    const REPLY: u8 = 3;
    const BURIED: u8 = 4;
    const STATE_LOST: u8 = 5;
    const TOKEN_WANTED: u8 = 6;
    const HOSTED_BY: u8 = 7;
    const TROUBLE: u8 = 8;
    const RELOAD_NEEDED: u8 = 9;

    /// The message with its header.
    #[must_use]
    pub fn seal(&self, build: &str, sender: PageId, request: RequestId, epoch: Epoch) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Welcome(welcome) => (Self::WELCOME, to_cbor(welcome)),
            Self::Status(status) => (Self::STATUS, to_cbor(status)),
            Self::Reply(reply) => (Self::REPLY, to_cbor(reply)),
            Self::Buried { id, type_, reason, tries } => {
                let (id, type_, reason) = (id.clone(), type_.clone(), reason.clone());
                (Self::BURIED, to_cbor(&Buried { id, type_, reason, tries: *tries }))
            }
            Self::StateLost { what, session, from, to } => {
                let (what, session) = (what.clone(), session.clone());
                (Self::STATE_LOST, to_cbor(&StateLost { what, session, from: *from, to: *to }))
            }
            Self::TokenWanted(identity) => (Self::TOKEN_WANTED, to_cbor(identity)),
            Self::HostedBy { kind } => (Self::HOSTED_BY, to_cbor(kind)),
            Self::Trouble(fault) => (Self::TROUBLE, to_cbor(fault)),
            Self::ReloadNeeded => (Self::RELOAD_NEEDED, Vec::new()),
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
            Self::WELCOME => Self::Welcome(body(bytes)?),
            Self::STATUS => Self::Status(body(bytes)?),
            Self::REPLY => Self::Reply(body(bytes)?),
            Self::BURIED => {
                let Buried { id, type_, reason, tries } = body(bytes)?;
                Self::Buried { id, type_, reason, tries }
            }
            Self::STATE_LOST => {
                let StateLost { what, session, from, to } = body(bytes)?;
                Self::StateLost { what, session, from, to }
            }
            Self::TOKEN_WANTED => Self::TokenWanted(body(bytes)?),
            Self::HOSTED_BY => Self::HostedBy { kind: body(bytes)? },
            Self::TROUBLE => Self::Trouble(body(bytes)?),
            Self::RELOAD_NEEDED => Self::ReloadNeeded,
            _ => return Ok(None),
        }))
    }
}
