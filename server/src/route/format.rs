//! CBOR or JSON, bodies within their bounds, compressed or not, and problems in either.
//!
//! What always holds: a body over its bound is refused without being kept, whether it comes so or unpacks to it; an
//! answer is in the encoding that was asked for, and a problem in the same.

use std::io::Read as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bellwether_shared::wire::{self, CBOR, PROBLEM_CBOR, PROBLEM_JSON};
use flate2::bufread::GzDecoder;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::json;

use crate::bounds::{BODY_TIMEOUT_MS, cut};
use crate::fault::Fault;

/// An encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Cbor,
    Json,
}

impl Format {
    /// The encoding of a request's body.
    pub(crate) fn of_body(headers: &HeaderMap) -> Result<Self, Fault> {
        let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        named.and_then(Self::named).ok_or(Fault::MediaUnknown)
    }

    /// The encoding asked for in `Accept`, the first one that is known.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::ACCEPT).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|v| v.split(','))
            .find_map(Self::named)
    }

    fn named(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str()
        {
            CBOR | PROBLEM_CBOR => Some(Self::Cbor),
            JSON | PROBLEM_JSON => Some(Self::Json),
            _ => None,
        }
    }

    /// An answer of status 200.
    pub(crate) fn answer<T: wire::Encode + serde::Serialize>(self, message: &T) -> Response {
        match self {
            Self::Cbor => cbor_answer(message),
            Self::Json => json_answer(message),
        }
    }

    /// A problem.
    pub(crate) fn problem(self, fault: &Fault) -> Response {
        let problem = fault.problem();
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = match self {
            Self::Cbor => typed(status, PROBLEM_CBOR, wire::to_cbor(&problem)),
            Self::Json => {
                let mut body = json!({
                    "type": "about:blank",
                    "title": status.canonical_reason().unwrap_or_default(),
                    "status": problem.status,
                    "detail": problem.detail,
                    "code": problem.code,
                    "culprit": problem.culprit,
                    "retryable": problem.retryable,
                });
                if let Some(retry_after_ms) = problem.retry_after_ms {
                    body["retry_after_ms"] = retry_after_ms.into();
                }
                if let Some(floor) = problem.floor {
                    body["floor"] = floor.into();
                }
                typed(status, PROBLEM_JSON, body.to_string().into_bytes())
            }
        };
        let headers = response.headers_mut();
        if let Some(retry_after_ms) = problem.retry_after_ms {
            headers.insert(header::RETRY_AFTER, retry_after_ms.div_ceil(1_000).into());
        }
        if let Fault::EncodingUnknown(_) = fault {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"bellwether\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// A CBOR answer of status 200.
pub(crate) fn cbor_answer<T: wire::Encode>(message: &T) -> Response {
    typed(StatusCode::OK, CBOR, wire::to_cbor(message))
}

/// A JSON answer of status 200.
pub(crate) fn json_answer<T: serde::Serialize>(message: &T) -> Response {
    match serde_json::to_vec(message) {
        Ok(body) => typed(StatusCode::OK, JSON, body),
        Err(fault) => {
            Format::Json.problem(&Fault::Internal(format!("cannot write JSON: {fault}").into()))
        }
    }
}

/// Reads a body of at most `bound` bytes, and unpacks it to as many.
pub(crate) async fn read(headers: &HeaderMap, body: Body, bound: usize) -> Result<Bytes, Fault> {
    let is_packed = is_packed(headers)?;
    let body = collect(headers, body, bound).await?;
    if is_packed { unpacked(&body, bound).map(Into::into) } else { Ok(body) }
}

/// Whether the body is compressed by gzip, the one way that is known (OUT-10).
fn is_packed(headers: &HeaderMap) -> Result<bool, Fault> {
    let mut is_packed = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let named = value.to_str().unwrap_or("?").trim();
        match &*named.to_ascii_lowercase() {
            "identity" | "" => {}
            "gzip" | "x-gzip" if !is_packed => is_packed = true,
            _ => return Err(Fault::EncodingUnknown(cut(named, NAME_BYTES_MAX).into())),
        }
    }
    Ok(is_packed)
}

// A sender whose body is at its bound may have sent a few bytes more than it would have plain; such a body is
// not worth packing.
fn unpacked(packed: &[u8], bound: usize) -> Result<Vec<u8>, Fault> {
    let malformed = |what: &str| Fault::Malformed(format!("the body is not gzip: {what}").into());
    let mut unpacking = GzDecoder::new(packed);
    let mut body = Vec::new();
    let limit = bound as u64 + 1;
    let read = unpacking.by_ref().take(limit).read_to_end(&mut body);
    read.map_err(|fault| malformed(&fault.to_string()))?;
    if body.len() > bound {
        return Err(Fault::BodyTooLarge { bound });
    }
    if !unpacking.into_inner().is_empty() {
        return Err(malformed("something follows its end"));
    }
    Ok(body)
}

async fn collect(headers: &HeaderMap, body: Body, bound: usize) -> Result<Bytes, Fault> {
    let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let told = told.and_then(|length| length.parse::<u64>().ok());
    if told.is_some_and(|length| length > bound as u64) {
        return Err(Fault::BodyTooLarge { bound });
    }
    let patience = Duration::from_millis(BODY_TIMEOUT_MS);
    match tokio::time::timeout(patience, Limited::new(body, bound).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(Fault::BodyTooLarge { bound }),
        Ok(Err(_)) => Err(Fault::Malformed("the body ended before its end".into())),
        Err(_) => Err(Fault::Malformed("the body took too long".into())),
    }
}

fn typed(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

const JSON: &str = "application/json";
const NAME_BYTES_MAX: usize = 50;
