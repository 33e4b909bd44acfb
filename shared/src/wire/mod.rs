//! Client ↔ server: the messages, and their two encodings.
//!
//! CBOR (RFC 8949) is canonical: arrays with fixed places, in which new fields get the next place
//! and are optional. JSON of the same model exists behind the feature `json`, for people, tools and
//! back ends that prefer it. Event bodies are the app's JSON text and are never looked into.
//!
//! What always holds: bytes over their bound are refused before they are parsed; fields and kinds
//! that are not known are skipped, never an error.

use crate::base::codec;

pub mod audit;
mod event;
pub mod farewell;
mod problem;
mod pull;
mod push;
mod stream;
#[cfg(feature = "json")]
pub mod text;

pub use crate::base::codec::{Decode, Encode, Reader, Unreadable, decode};

pub use event::{Event, EventFlags, EventHead, EventKind, EventUnfit, PATCH_TYPE};
pub use problem::{Problem, code};
pub use pull::{LogEvent, LogPage, Snapshot};
pub use push::{Answer, DeviceKey, EventResult, Former, KeyKind, Later, Outcome, Push, Verdict};
pub use stream::{Lane, StreamId};

/// The protocol version this build speaks, and the oldest it understands (SRV-5).
pub const PROTOCOL: u16 = 1;

/// Media type of requests, answers and pages in CBOR.
pub const CBOR: &str = "application/cbor";
/// Media type of a problem in CBOR; the JSON form is RFC 9457's `application/problem+json`.
pub const PROBLEM_CBOR: &str = "application/problem+cbor";
/// Media type of a problem in JSON.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Bytes that cannot be read as what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// More bytes than the bound; nothing was parsed.
    #[error("{found} bytes, where at most {bound} are taken")]
    TooLarge {
        /// How many bytes there were.
        found: usize,
        /// How many are taken.
        bound: usize,
    },
    /// Not CBOR, or not of this shape.
    #[error("the bytes have another shape: {0}")]
    Malformed(Unreadable),
}

/// Encodes a message. Cannot fail, because the buffer grows.
pub fn to_cbor<T: Encode>(message: &T) -> Vec<u8> {
    codec::encode(message)
}

/// Decodes a message of at most `bound` bytes.
pub fn from_cbor<'b, T: Decode<'b>>(bytes: &'b [u8], bound: usize) -> Result<T, WireFault> {
    if bytes.len() > bound {
        return Err(WireFault::TooLarge { found: bytes.len(), bound });
    }
    let mut message = T::blank();
    codec::fill(&mut message, bytes).map_err(WireFault::Malformed)?;
    Ok(message)
}
