//! What the server says when it cannot answer a request at all.
//!
//! In JSON it is a problem object of RFC 9457 with these members added; in CBOR the array below.

use crate::base::Culprit;
use crate::base::codec::array;

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Problem {
    /// Stable name, see [`code`].
    pub code: Box<str>,
    /// The HTTP status it came with.
    pub status: u16,
    /// Who has to act.
    pub culprit: Culprit,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// How long to wait before that.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub retry_after_ms: Option<u32>,
    /// What happened and what to do, for the developer.
    pub detail: Box<str>,
    /// For [`code::COMPACTED`]: events up to this offset are no longer kept.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub floor: Option<u64>,
}

array!(Problem {
    0: code,
    1: status,
    2: culprit,
    3: retryable,
    4: retry_after_ms,
    5: detail,
    6: floor,
});

/// The codes that the reference server uses.
pub mod code {
    /// The bytes are not a push, in CBOR or JSON.
    pub const MALFORMED: &str = "malformed";
    /// The body is over its bound.
    pub const BODY_TOO_LARGE: &str = "body-too-large";
    /// More events than a batch may have.
    pub const BATCH_TOO_LARGE: &str = "batch-too-large";
    /// The sender speaks no protocol version that the server knows.
    pub const PROTOCOL_UNKNOWN: &str = "protocol-unknown";
    /// No credential, or one that is not valid.
    pub const UNAUTHORIZED: &str = "unauthorized";
    /// The credential does not cover this session or user, or the stream is another's.
    pub const FORBIDDEN: &str = "forbidden";
    /// The signature does not fit.
    pub const SIGNATURE_INVALID: &str = "signature-invalid";
    /// A newer coordinator of this device has already spoken.
    pub const HOST_SUPERSEDED: &str = "host-superseded";
    /// The reader's place in the log is before what is kept.
    pub const COMPACTED: &str = "compacted";
    /// Too many requests.
    pub const THROTTLED: &str = "throttled";
    /// The server cannot work just now.
    pub const UNAVAILABLE: &str = "unavailable";
    /// The server's own fault.
    pub const INTERNAL: &str = "internal";
    /// No such address.
    pub const NOT_FOUND: &str = "not-found";
    /// An event's bytes cannot be read (per event, as a refusal).
    pub const EVENT_MALFORMED: &str = "event-malformed";
    /// An event is over a bound (per event, as a refusal).
    pub const EVENT_TOO_LARGE: &str = "event-too-large";
    /// An event's body is not JSON (per event, as a refusal).
    pub const EVENT_NOT_JSON: &str = "event-not-json";
}
