//! `POST /v1/push`: one batch of one stream, and the server's answer for a prefix of it (OUT-3).
//!
//! A batch is sent byte for byte the same until the server has spoken. The server recognises what it
//! has by place, hash and id. A push without events asks for the stream's position and changes nothing.
//!
//! What always holds of an answer: `results` are in order and without a gap; every place up to `through`
//! has been consumed; `later` is the place after `through`, if it is there at all. `durable` says up to
//! which place the server's promise survives its own failure: only those may be forgotten.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::StreamId;
use crate::base::{EventId, Incarnation, LogEpoch, Seq, Wall};

/// One batch. JSON carries byte strings as lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Push {
    /// The oldest and the newest protocol version the sender speaks.
    #[n(0)]
    pub protocol: (u16, u16),
    /// Whose sequence this is.
    #[n(1)]
    pub stream: StreamId,
    /// Place of the first event.
    #[n(2)]
    pub first: Seq,
    /// Chain head before the first event.
    #[n(3)]
    #[cfg_attr(feature = "json", serde(with = "super::text::hex32"))]
    pub previous: ByteArray<32>,
    /// Chain head after the last event.
    #[n(4)]
    #[cfg_attr(feature = "json", serde(with = "super::text::hex32"))]
    pub head: ByteArray<32>,
    /// The device's public key; the stream is bound to it by its first push.
    #[n(5)]
    pub key: DeviceKey,
    /// Signature over [`statement`](crate::rules::chain::statement).
    #[n(6)]
    #[cfg_attr(feature = "json", serde(with = "super::text::hex"))]
    pub signature: ByteVec,
    /// Which coordinator sends; refused only if lower than one seen before in this incarnation.
    #[n(7)]
    pub host_epoch: u64,
    /// The incarnation that this one follows, and the head it is known to have reached.
    #[n(8)]
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub former: Option<Former>,
    /// The life of the session's log that the sender last heard of. If the log lives another one, the answer names it and consumes nothing.
    #[n(9)]
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub log_epoch: Option<LogEpoch>,
    /// Build id of the sender, for diagnosis.
    #[n(10)]
    #[cfg_attr(feature = "json", serde(default))]
    pub build: Box<str>,
    /// The sealed [`Event`](super::Event)s, as they were stored and hashed.
    #[n(11)]
    #[cfg_attr(feature = "json", serde(with = "super::text::hex_list"))]
    pub events: Vec<ByteVec>,
}

/// A device's public key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceKey {
    /// What it is.
    #[n(0)]
    pub kind: KeyKind,
    /// Its raw bytes: 32 for Ed25519, 65 (uncompressed point) for P-256.
    #[n(1)]
    #[cfg_attr(feature = "json", serde(with = "super::text::hex"))]
    pub public: ByteVec,
}

/// How a device signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "json", serde(rename_all = "lowercase"))]
#[cbor(index_only)]
pub enum KeyKind {
    /// The browser offers no WebCrypto; key and signature are empty.
    #[n(0)]
    None,
    /// Ed25519 (RFC 8032).
    #[n(1)]
    Ed25519,
    /// ECDSA over P-256 with SHA-256, signature as r‖s (FIPS 186-5), for engines without Ed25519.
    #[n(2)]
    P256,
}

/// The end of the incarnation before.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Former {
    /// Which one.
    #[n(0)]
    pub incarnation: Incarnation,
    /// Its chain head, as far as the server had confirmed it.
    #[n(1)]
    #[cfg_attr(feature = "json", serde(with = "super::text::hex32"))]
    pub head: ByteArray<32>,
}

/// The server's answer to a push that it could read.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Answer {
    /// Which life of the session's log this is.
    #[n(0)]
    pub log_epoch: LogEpoch,
    /// What became of the batch as a whole.
    #[n(1)]
    pub verdict: Verdict,
    /// The last place of this stream that is consumed.
    #[n(2)]
    pub through: Seq,
    /// The last place of this stream that survives the server's failure.
    #[n(3)]
    pub durable: Seq,
    /// One for each place of the batch up to `through`, in order.
    #[n(4)]
    #[cfg_attr(feature = "json", serde(default))]
    pub results: Vec<EventResult>,
    /// The event that can only be taken later, if it ended the prefix. This costs it a try.
    #[n(5)]
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub later: Option<Later>,
    /// How long to wait before sending what is left; for nobody's fault in particular where `later` is absent.
    #[n(6)]
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub retry_after_ms: Option<u32>,
    /// The last offset of the session's log.
    #[n(7)]
    pub log_head: u64,
    /// The server's wall clock.
    #[n(8)]
    pub server_time: Wall,
}

/// What became of a batch as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "json", serde(rename_all = "kebab-case"))]
#[cbor(flat)]
pub enum Verdict {
    /// Its prefix was consumed; `results` say how.
    #[n(0)]
    Taken,
    /// Places are missing before it; nothing was consumed. `through` says where the server stands.
    #[n(1)]
    Gap,
    /// This place is taken by another event, or the chain does not continue from here. Nothing was consumed.
    #[n(2)]
    Forked {
        /// The first place that differs.
        #[n(0)]
        at: Seq,
    },
    /// The log lives another life than the push names. Nothing was consumed.
    #[n(3)]
    EpochChanged,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct EventResult {
    /// Its place.
    #[n(0)]
    pub seq: Seq,
    /// What was decided.
    #[n(1)]
    pub outcome: Outcome,
    /// Its offset in the session's log; absent if refused.
    #[n(2)]
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub offset: Option<u64>,
    /// What the app's effect gave back, as JSON text.
    #[n(3)]
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none", with = "super::text::json_text")
    )]
    pub result: Option<ByteVec>,
    /// Why it was refused: a stable code.
    #[n(4)]
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub code: Option<Box<str>>,
    /// Why it was refused, for the developer.
    #[n(5)]
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub message: Option<Box<str>>,
}

/// The kinds of outcome. A number, so that a kind of the future is not an error: see [`Outcome::is_known`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cbor(transparent)]
pub struct Outcome(#[n(0)] pub u8);

impl Outcome {
    /// It took effect by this push.
    pub const ACCEPTED: Self = Self(0);
    /// It had taken effect before, from this place or under the same id from another.
    pub const DUPLICATE: Self = Self(1);
    /// It will never be taken.
    pub const REFUSED: Self = Self(2);

    /// Whether this build knows what it means.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.0 <= Self::REFUSED.0
    }

    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ACCEPTED => "accepted",
            Self::DUPLICATE => "duplicate",
            Self::REFUSED => "refused",
            _ => "unknown",
        }
    }
}

/// The event that ended the prefix.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Later {
    /// Its place.
    #[n(0)]
    pub seq: Seq,
    /// Its id.
    #[n(1)]
    pub id: EventId,
    /// Why not now: a stable code.
    #[n(2)]
    pub code: Box<str>,
}
