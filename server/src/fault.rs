//! Why a whole request is refused, and what stands in the answer.
//!
//! What always holds: each fault has one code, one status and one culprit, all given in one table
//! below, and its text names no secret and no path of this machine.
//!
//! Not here: refusals of single events, which are part of a well-formed answer.

use bellwether_shared::base::{Culprit, LogEpoch};
use bellwether_shared::wire::{Problem, code};

/// The log lives another life than the reader names (for `GET /v1/events`).
pub const EPOCH_CHANGED: &str = "epoch-changed";
/// The body's media type is neither CBOR nor JSON.
pub const MEDIA_UNKNOWN: &str = "media-unknown";

/// The body's content encoding is not gzip.
pub const ENCODING_UNKNOWN: &str = "encoding-unknown";

/// A request that is refused as a whole; nothing of it was consumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes or parameters are not what they should be.
    #[error("{0}")]
    Malformed(Box<str>),
    /// The body is of a type that this address does not take.
    #[error("send application/cbor or application/json, and say so in Content-Type")]
    MediaUnknown,
    /// The body is compressed in a way that is not known here.
    #[error("the body's Content-Encoding {0:?} is not known here; send gzip, or no encoding")]
    EncodingUnknown(Box<str>),
    /// The body is over its bound.
    #[error("the body has more than {bound} bytes; send fewer events in one push")]
    BodyTooLarge {
        /// How many bytes are taken.
        bound: usize,
    },
    /// The batch has too many events.
    #[error("the batch has {found} events, at most {bound} are taken")]
    BatchTooLarge {
        /// How many events it has.
        found: usize,
        /// How many are taken.
        bound: usize,
    },
    /// No protocol version in common.
    #[error("the sender speaks protocol {} to {}, this server speaks {spoken}", found.0, found.1)]
    ProtocolUnknown {
        /// The sender's oldest and newest version.
        found: (u16, u16),
        /// The server's.
        spoken: u16,
    },
    /// No credential, or one that is not valid.
    #[error("{0}")]
    Unauthorized(Box<str>),
    /// The credential does not cover what is asked, or the place asked for is another's.
    #[error("{0}")]
    Forbidden(Box<str>),
    /// The ticket is of another store, or of another session, user or device.
    #[error("the ticket is not one for this session, user and device")]
    TicketInvalid,
    /// The ticket's time is over.
    #[error("the ticket's time is over; ask for another")]
    TicketExpired,
    /// The ticket has brought events before.
    #[error("the ticket is used up; the events of its farewell are in the log")]
    TicketUsed,
    /// The signature was not made by the key over this batch.
    #[error("the signature does not fit the batch and its key")]
    SignatureInvalid,
    /// A newer coordinator of this device has already spoken.
    #[error("host epoch {found} is behind {seen}, which has already spoken in this incarnation")]
    HostSuperseded {
        /// The sender's epoch.
        found: u64,
        /// The highest seen.
        seen: u64,
    },
    /// The log lives another life than the reader names.
    #[error("the log lives the life {epoch}; begin again from its first event")]
    EpochChanged {
        /// Which one it lives.
        epoch: LogEpoch,
    },
    /// What the reader wants is not kept any more.
    #[error(
        "events up to offset {floor} are no longer kept; read the document, and go on from there or from {floor}"
    )]
    Compacted {
        /// Which life of the log this is.
        epoch: LogEpoch,
        /// The last offset.
        head: u64,
        /// Events up to this offset are no longer kept.
        floor: u64,
    },
    /// No such address.
    #[error("there is nothing at this address")]
    NotFound,
    /// The address takes another method.
    #[error("this address takes another method")]
    MethodUnknown,
    /// Too many requests.
    #[error("too many requests just now")]
    Throttled {
        /// When to come again.
        retry_after_ms: u32,
    },
    /// The server cannot work just now; nothing was consumed.
    #[error("{why}")]
    Unavailable {
        /// What is in the way.
        why: Box<str>,
        /// When to come again.
        retry_after_ms: u32,
    },
    /// The server's own fault.
    #[error("{0}")]
    Internal(Box<str>),
}

impl Fault {
    /// The store did not do what it was asked.
    #[must_use]
    pub fn unavailable(why: impl Into<Box<str>>) -> Self {
        Self::Unavailable { why: why.into(), retry_after_ms: RETRY_AFTER_MS }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.row().1
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().0
    }

    /// How long to wait before the same request may succeed, where that is known.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u32> {
        match self {
            Self::Throttled { retry_after_ms } | Self::Unavailable { retry_after_ms, .. } => {
                Some(*retry_after_ms)
            }
            Self::Malformed(_)
            | Self::MediaUnknown
            | Self::EncodingUnknown(_)
            | Self::BodyTooLarge { .. }
            | Self::BatchTooLarge { .. }
            | Self::ProtocolUnknown { .. }
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::TicketInvalid
            | Self::TicketExpired
            | Self::TicketUsed
            | Self::SignatureInvalid
            | Self::HostSuperseded { .. }
            | Self::EpochChanged { .. }
            | Self::Compacted { .. }
            | Self::NotFound
            | Self::MethodUnknown
            | Self::Internal(_) => None,
        }
    }

    /// The body of the answer.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (code, status, culprit, retryable) = self.row();
        Problem {
            code: code.into(),
            status,
            culprit,
            retryable,
            retry_after_ms: self.retry_after_ms(),
            detail: self.to_string().into(),
            floor: if let Self::Compacted { floor, .. } = self { Some(*floor) } else { None },
        }
    }

    // Code, status, who has to act, and whether the same request may succeed later.
    fn row(&self) -> (&'static str, u16, Culprit, bool) {
        use Culprit::{App, Peer, Server, Us};
        match self {
            Self::Malformed(_) => (code::MALFORMED, 400, Us, false),
            Self::MediaUnknown => (MEDIA_UNKNOWN, 415, App, false),
            Self::EncodingUnknown(_) => (ENCODING_UNKNOWN, 415, App, false),
            Self::BodyTooLarge { .. } => (code::BODY_TOO_LARGE, 413, Us, false),
            Self::BatchTooLarge { .. } => (code::BATCH_TOO_LARGE, 413, Us, false),
            Self::ProtocolUnknown { .. } => (code::PROTOCOL_UNKNOWN, 400, App, false),
            Self::Unauthorized(_) => (code::UNAUTHORIZED, 401, App, true),
            Self::Forbidden(_) => (code::FORBIDDEN, 403, App, false),
            Self::TicketInvalid => ("ticket-invalid", 403, App, false),
            Self::TicketExpired => ("ticket-expired", 403, App, false),
            Self::TicketUsed => ("ticket-used", 409, App, false),
            Self::SignatureInvalid => (code::SIGNATURE_INVALID, 400, Us, false),
            Self::HostSuperseded { .. } => (code::HOST_SUPERSEDED, 409, Peer, false),
            Self::EpochChanged { .. } => (EPOCH_CHANGED, 409, Server, false),
            Self::Compacted { .. } => (code::COMPACTED, 410, Server, false),
            Self::NotFound => (code::NOT_FOUND, 404, App, false),
            Self::MethodUnknown => ("method-unknown", 405, App, false),
            Self::Throttled { .. } => (code::THROTTLED, 429, App, true),
            Self::Unavailable { .. } => (code::UNAVAILABLE, 503, Server, true),
            Self::Internal(_) => (code::INTERNAL, 500, Server, true),
        }
    }
}

const RETRY_AFTER_MS: u32 = 1_000;
