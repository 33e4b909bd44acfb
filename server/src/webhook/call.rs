//! One call: what is posted, how it is signed, and what is made of the reply.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwether_shared::base::{DeviceId, EventId, Incarnation, PageId, Wall, limits};
use bellwether_shared::wire::{Event, Lane, StreamId};
use reqwest::{StatusCode, Url, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::bounds::{CODE_BYTES_MAX, MESSAGE_BYTES_MAX, WEBHOOK_REPLY_BYTES_MAX, cut};
use crate::effect::EffectOutcome;
use crate::store::wall;

/// Whom to call, and how.
pub struct Caller {
    client: reqwest::Client,
    url: Url,
    secret: Option<Secret>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}

/// What calls are signed with.
pub struct Secret(hmac::Key);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// As it stands in a file: `whsec_` and base64, or else the bytes themselves; 24 of them at least.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self, &'static str> {
        let text = text.trim_ascii();
        let decoded = match text.strip_prefix(b"whsec_") {
            Some(base64) => STANDARD.decode(base64).map_err(|_| "is not base64 after whsec_")?,
            None => text.to_vec(),
        };
        if decoded.len() < SECRET_BYTES_MIN {
            return Err("has fewer than 24 bytes");
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &decoded)))
    }
}

/// The value of `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over id, timestamp and body.
#[must_use]
pub fn sign(secret: &Secret, id: &str, timestamp_s: u64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&secret.0);
    context.update(format!("{id}.{timestamp_s}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

/// What is posted.
#[derive(Debug, Serialize)]
struct Posted<'a> {
    #[serde(rename = "type")]
    type_: &'a str,
    id: &'a EventId,
    tenant: &'a str,
    session: &'a str,
    user: &'a str,
    lane: Lane,
    device: DeviceId,
    client: Incarnation,
    key: Option<&'a str>,
    data: Option<&'a RawValue>,
    schema: u32,
    stamp: String,
    at: Wall,
    correlation_id: Option<&'a str>,
    page: PageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a EventId>,
}

/// A reply's body that says why: RFC 9457, as far as it is looked at.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    code: Option<String>,
    detail: Option<String>,
}

impl Caller {
    /// Calls `url`, and waits `timeout` for each whole reply.
    ///
    /// # Errors
    /// A sentence: it is no HTTP address, or there is no TLS on this machine.
    pub fn new(url: &str, secret: Option<Secret>, timeout: Duration) -> Result<Self, String> {
        let url: Url = url.parse().map_err(|fault| format!("{url} is no address: {fault}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{url} is not of http or https"));
        }
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("bellwether-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|fault| format!("cannot make calls: {fault}"))?;
        Ok(Self { client, url, secret })
    }

    /// Posts one event, and says what its reply makes of it.
    pub(super) async fn call(
        &self,
        tenant: &str,
        stream: &StreamId,
        event: &Event<'_>,
    ) -> EffectOutcome {
        let body = match posted(tenant, stream, event) {
            Ok(body) => body,
            Err(fault) => {
                tracing::error!(id = %event.id, %fault, "an event cannot be posted");
                return EffectOutcome::Refuse {
                    code: "event-malformed".into(),
                    message: "the event cannot be written as JSON".into(),
                };
            }
        };
        let now_s = wall().0 / 1_000;
        let id = event.id.as_str();
        let mut request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", id)
            .header("webhook-id", id)
            .header("webhook-timestamp", now_s);
        if let Some(secret) = &self.secret {
            request = request.header("webhook-signature", sign(secret, id, now_s, &body));
        }
        match request.body(body).send().await {
            Ok(response) => answered(event, response).await,
            Err(fault) => failed(event, &fault),
        }
    }
}

fn posted(tenant: &str, stream: &StreamId, event: &Event<'_>) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Posted {
        type_: event.type_,
        id: &event.id,
        tenant,
        session: &stream.session,
        user: &stream.user,
        lane: stream.lane,
        device: stream.device,
        client: stream.incarnation,
        key: event.key,
        data: event.data.map(serde_json::from_slice).transpose()?,
        schema: event.schema,
        stamp: event.stamp.0.to_string(),
        at: event.at,
        correlation_id: event.correlation,
        page: event.page,
        after: event.after.as_ref(),
    })
}

async fn answered(event: &Event<'_>, response: reqwest::Response) -> EffectOutcome {
    let status = response.status();
    let wait_ms = retry_after_ms(response.headers());
    let body = match read(response).await {
        Ok(body) => body,
        Err(fault) => return failed(event, &fault),
    };
    match verdict(status) {
        Said::Done => EffectOutcome::Done { result: result(event, body) },
        Said::Refuse => {
            let why: Refusal =
                body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
            let code = why.code.filter(|code| !code.is_empty());
            let code = code.unwrap_or_else(|| format!("webhook-{}", status.as_u16()));
            let message = why.detail.unwrap_or_default();
            EffectOutcome::Refuse {
                code: cut(&code, CODE_BYTES_MAX).into(),
                message: cut(&message, MESSAGE_BYTES_MAX).into(),
            }
        }
        Said::Pause => {
            tracing::warn!(status = status.as_u16(), "the webhook cannot take events now");
            EffectOutcome::Pause { retry_after_ms: wait_ms.unwrap_or(RETRY_AFTER_MS) }
        }
        Said::Later => {
            tracing::warn!(status = status.as_u16(), id = %event.id, "the webhook failed");
            EffectOutcome::Later {
                code: format!("webhook-{}", status.as_u16()).into(),
                retry_after_ms: wait_ms.unwrap_or(RETRY_AFTER_MS),
            }
        }
    }
}

/// What a status says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Done,
    Refuse,
    Later,
    Pause,
}

fn verdict(status: StatusCode) -> Said {
    match status.as_u16() {
        200..=299 => Said::Done,
        // About the app's back end as a whole, or the way to it.
        408 | 425 | 429 | 502 | 503 | 504 => Said::Pause,
        // Settings that can be mended, and a conflict that can pass.
        401 | 403 | 409 => Said::Later,
        400..=499 => Said::Refuse,
        _ => Said::Later,
    }
}

// A back end that is away is nobody's fault; one that did not answer in time may have had trouble with
// this event.
fn failed(event: &Event<'_>, fault: &reqwest::Error) -> EffectOutcome {
    tracing::warn!(id = %event.id, fault = %fault.to_string(), "the webhook gave no answer");
    if fault.is_connect() {
        return EffectOutcome::Pause { retry_after_ms: RETRY_AFTER_MS };
    }
    EffectOutcome::Later { code: "webhook-no-answer".into(), retry_after_ms: RETRY_AFTER_MS }
}

// The event has taken effect, whatever its reply looks like: a result that is none is left away.
fn result(event: &Event<'_>, body: Option<Vec<u8>>) -> Option<Box<[u8]>> {
    let body = body?;
    let body = body.trim_ascii();
    if body.is_empty() {
        return None;
    }
    let is_fit =
        body.len() <= limits::RESULT_BYTES_MAX && serde_json::from_slice::<&RawValue>(body).is_ok();
    if !is_fit {
        tracing::warn!(id = %event.id, "the webhook's reply is too large for a result, or no JSON");
    }
    is_fit.then(|| body.into())
}

/// The body, or none if it is too large.
async fn read(mut response: reqwest::Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > WEBHOOK_REPLY_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

// Whole seconds; a date is not looked at.
fn retry_after_ms(headers: &header::HeaderMap) -> Option<u32> {
    let seconds: u32 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.saturating_mul(1_000).min(limits::RETRY_AFTER_MS_MAX))
}

const RETRY_AFTER_MS: u32 = 2_000;
const SECRET_BYTES_MIN: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_told_apart() {
        #[rustfmt::skip]
        let cases = [
            (&[200, 201, 204, 299][..],                Said::Done),
            (&[400, 404, 410, 413, 422, 451][..],      Said::Refuse),
            (&[401, 403, 409, 301, 308, 500, 501][..], Said::Later),
            (&[408, 425, 429, 502, 503, 504][..],      Said::Pause),
        ];
        for (statuses, said) in cases {
            for status in statuses {
                let status = StatusCode::from_u16(*status).expect("a status");
                assert_eq!(verdict(status), said, "{status}");
            }
        }
    }

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        let secret = Secret::read(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("a secret");
        let body = br#"{"test": 2432232314}"#;
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_enough_bytes() {
        let cases = [(&b"whsec_!"[..], false), (b"whsec_c2hvcnQ=", false), (b"short", false)];
        for (text, is_fit) in cases {
            assert_eq!(Secret::read(text).is_ok(), is_fit, "{text:?}");
        }
        assert!(Secret::read(b"just twenty-four letters").is_ok());
    }
}
