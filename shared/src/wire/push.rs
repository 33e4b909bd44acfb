//! `POST /v1/push`: one batch of one stream, and the server's answer for a prefix of it (OUT-3).
//!
//! A batch is sent byte for byte the same until the server has spoken. The server recognises what it
//! has by place, hash and id. A push without events asks for the stream's position and changes nothing.
//!
//! What always holds of an answer: `results` are in order and without a gap; every place up to `through`
//! has been consumed; `later` is the place after `through`, if it is there at all. `durable` says up to
//! which place the server's promise survives its own failure: only those may be forgotten.

use minicbor::bytes::{ByteArray, ByteVec};

use super::StreamId;
use crate::base::codec::{
    Decode, Encode, Fields, Reader, array, begin_array, index, transparent, write_uint,
};
use crate::base::{EventId, Incarnation, LogEpoch, Seq, Wall};

/// One batch. JSON carries byte strings as lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Push {
    /// The oldest and the newest protocol version the sender speaks.
    pub protocol: (u16, u16),
    /// Whose sequence this is.
    pub stream: StreamId,
    /// Place of the first event.
    pub first: Seq,
    /// Chain head before the first event.
    #[cfg_attr(feature = "json", serde(with = "super::text::hex32"))]
    pub previous: ByteArray<32>,
    /// Chain head after the last event.
    #[cfg_attr(feature = "json", serde(with = "super::text::hex32"))]
    pub head: ByteArray<32>,
    /// The device's public key; the stream is bound to it by its first push.
    pub key: DeviceKey,
    /// Signature over [`statement`](crate::rules::chain::statement).
    #[cfg_attr(feature = "json", serde(with = "super::text::hex"))]
    pub signature: ByteVec,
    /// Which coordinator sends; refused only if lower than one seen before in this incarnation.
    pub host_epoch: u64,
    /// The incarnation that this one follows, and the head it is known to have reached.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub former: Option<Former>,
    /// The life of the session's log that the sender last heard of. If the log lives another one, the answer names it and consumes nothing.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub log_epoch: Option<LogEpoch>,
    /// Build id of the sender, for diagnosis.
    #[cfg_attr(feature = "json", serde(default))]
    pub build: Box<str>,
    /// The sealed [`Event`](super::Event)s, as they were stored and hashed.
    #[cfg_attr(feature = "json", serde(with = "super::text::hex_list"))]
    pub events: Vec<ByteVec>,
}

array!(Push {
    0: protocol,
    1: stream,
    2: first,
    3: previous,
    4: head,
    5: key,
    6: signature,
    7: host_epoch,
    8: former,
    9: log_epoch,
    10: build,
    11: events,
});

/// A device's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceKey {
    /// What it is.
    pub kind: KeyKind,
    /// Its raw bytes: 32 for Ed25519, 65 (uncompressed point) for P-256.
    #[cfg_attr(feature = "json", serde(with = "super::text::hex"))]
    pub public: ByteVec,
}

array!(DeviceKey { 0: kind, 1: public });

/// How a device signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "json", serde(rename_all = "lowercase"))]
pub enum KeyKind {
    /// The browser offers no WebCrypto; key and signature are empty.
    None,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA over P-256 with SHA-256, signature as r‖s (FIPS 186-5), for engines without Ed25519.
    P256,
}

index!(KeyKind { 0: None, 1: Ed25519, 2: P256 });

/// The end of the incarnation before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Former {
    /// Which one.
    pub incarnation: Incarnation,
    /// Its chain head, as far as the server had confirmed it.
    #[cfg_attr(feature = "json", serde(with = "super::text::hex32"))]
    pub head: ByteArray<32>,
}

array!(Former { 0: incarnation, 1: head });

/// The server's answer to a push that it could read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Answer {
    /// Which life of the session's log this is.
    pub log_epoch: LogEpoch,
    /// What became of the batch as a whole.
    pub verdict: Verdict,
    /// The last place of this stream that is consumed.
    pub through: Seq,
    /// The last place of this stream that survives the server's failure.
    pub durable: Seq,
    /// One for each place of the batch up to `through`, in order.
    #[cfg_attr(feature = "json", serde(default))]
    pub results: Vec<EventResult>,
    /// The event that can only be taken later, if it ended the prefix. This costs it a try.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub later: Option<Later>,
    /// How long to wait before sending what is left; for nobody's fault in particular where `later` is absent.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub retry_after_ms: Option<u32>,
    /// The last offset of the session's log.
    pub log_head: u64,
    /// The server's wall clock.
    pub server_time: Wall,
}

array!(Answer {
    0: log_epoch,
    1: verdict,
    2: through,
    3: durable,
    4: results,
    5: later,
    6: retry_after_ms,
    7: log_head,
    8: server_time,
});

/// What became of a batch as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "json", serde(rename_all = "kebab-case"))]
pub enum Verdict {
    /// Its prefix was consumed; `results` say how.
    Taken,
    /// Places are missing before it; nothing was consumed. `through` says where the server stands.
    Gap,
    /// This place is taken by another event, or the chain does not continue from here. Nothing was consumed.
    Forked {
        /// The first place that differs.
        at: Seq,
    },
    /// The log lives another life than the push names. Nothing was consumed.
    EpochChanged,
}

// An array of the kind's number and what belongs to it.
impl Encode for Verdict {
    fn write(&self, to: &mut Vec<u8>) {
        let kind: u64 = match self {
            Self::Taken => 0,
            Self::Gap => 1,
            Self::Forked { at } => return (2_u64, *at).write(to),
            Self::EpochChanged => 3,
        };
        begin_array(to, 1);
        write_uint(to, kind);
    }
}

impl<'b> Decode<'b> for Verdict {
    fn blank() -> Self {
        Self::Taken
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        let mut fields = from.open_array();
        loop {
            match fields.next(from) {
                0 => match from.uint(u64::MAX) {
                    0 => *self = Self::Taken,
                    1 => *self = Self::Gap,
                    2 => *self = Self::Forked { at: Seq(0) },
                    3 => *self = Self::EpochChanged,
                    _ => from.refuse_kind(),
                },
                1 if matches!(self, Self::Forked { .. }) => {
                    let mut at = Seq::blank();
                    at.read(from);
                    *self = Self::Forked { at };
                }
                Fields::END => break,
                _ => from.skip(),
            }
        }
        let required = if matches!(self, Self::Forked { .. }) { 0b11 } else { 0b01 };
        fields.check(from, required);
    }
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct EventResult {
    /// Its place.
    pub seq: Seq,
    /// What was decided.
    pub outcome: Outcome,
    /// Its offset in the session's log; absent if refused.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub offset: Option<u64>,
    /// What the app's effect gave back, as JSON text.
    #[cfg_attr(
        feature = "json",
        serde(default, skip_serializing_if = "Option::is_none", with = "super::text::json_text")
    )]
    pub result: Option<ByteVec>,
    /// Why it was refused: a stable code.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub code: Option<Box<str>>,
    /// Why it was refused, for the developer.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub message: Option<Box<str>>,
}

array!(EventResult { 0: seq, 1: outcome, 2: offset, 3: result, 4: code, 5: message });

/// The kinds of outcome. A number, so that a kind of the future is not an error: see [`Outcome::is_known`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Outcome(pub u8);

transparent!(Outcome);

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Later {
    /// Its place.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// Why not now: a stable code.
    pub code: Box<str>,
}

array!(Later { 0: seq, 1: id, 2: code });
