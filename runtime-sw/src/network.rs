//! Pushes and pulls: bytes out, whatever came back in.

use core::time::Duration;

use bellwether_shared::base::{joined, limits};
use bellwether_shared::outbox::Response;
use bellwether_shared::wire::{CBOR, PROBLEM_CBOR};
use bellwether_web::fetch::{self, Reply, Unreachable};

/// Sends one push.
pub(crate) async fn push(url: &str, token: Option<&str>, body: &[u8], compress: bool) -> Response {
    let accept = joined(&[CBOR, ", ", PROBLEM_CBOR]);
    let timeout = Duration::from_millis(limits::PUSH_TIMEOUT_MS.into());
    let most = limits::ANSWER_BYTES_MAX;
    heard(fetch::post(url, CBOR, &accept, token, body, timeout, most, compress).await)
}

/// Asks the server for what is new.
pub(crate) async fn pull(url: &str, token: Option<&str>) -> Response {
    let accept = joined(&[CBOR, ", ", PROBLEM_CBOR]);
    let timeout = Duration::from_millis(limits::PUSH_TIMEOUT_MS.into());
    heard(fetch::get(url, &accept, token, timeout, limits::ANSWER_BYTES_MAX).await)
}

/// Sends one plain request.
pub(crate) async fn request(json: &[u8], key: &str, token: Option<&str>, server: &str) -> Response {
    // What is no JSON text holds no request, and `fetch.js` says so.
    let json = core::str::from_utf8(json).unwrap_or_default();
    let timeout = Duration::from_millis(limits::PUSH_TIMEOUT_MS.into());
    heard(fetch::replay(json, key, token, server, timeout, limits::ANSWER_BYTES_MAX).await)
}

fn heard(reply: Result<Reply, Unreachable>) -> Response {
    match reply {
        Ok(reply) => Response::Http {
            status: reply.status,
            content_type: reply.content_type.unwrap_or_default().into(),
            retry_after_ms: reply.retry_after.as_deref().and_then(seconds),
            body: reply.body,
        },
        Err(_) => Response::Unreachable,
    }
}

// The header's other form, a date, is left aside: its clock is not ours.
fn seconds(text: &str) -> Option<u32> {
    text.trim().parse::<u32>().ok().map(|seconds| seconds.saturating_mul(1_000))
}
