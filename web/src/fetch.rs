//! One request to the server, bounded in time and size.

use core::time::Duration;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, Headers, ReadableStreamDefaultReader};

use crate::alarm;
use crate::dom::DomFault;
use crate::members::Members;
use crate::realm::realm;
use crate::task::settled;

/// What came back, whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The header `Retry-After`, as it was sent; readable across origins only if the server exposes it.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no reply. Whatever was sent may have arrived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// It took longer than it may.
    #[error("no answer in time")]
    Timeout,
    /// The body is larger than it may be; it was not read to its end.
    #[error("the answer is too large")]
    TooLarge,
    /// The network, the browser, or a redirection, which is not followed.
    #[error("{0}")]
    Failed(DomFault),
}

impl From<DomFault> for Unreachable {
    fn from(fault: DomFault) -> Self {
        Self::Failed(fault)
    }
}

/// Posts `body` to `url`: no cookies, no redirection. The cache mode is left alone: a post is
/// never answered from a cache, and `no-store` would have every one preceded by a preflight. The answer's body ends at `answer_bytes_max`.
///
/// Dropped, or at `timeout`, the request is aborted.
pub async fn post(
    url: &str,
    content_type: &str,
    accept: &str,
    bearer: Option<&str>,
    body: &[u8],
    timeout: Duration,
    answer_bytes_max: usize,
) -> Result<Reply, Unreachable> {
    let headers = Members::none();
    headers.set_text("content-type", content_type);
    headers.set_text("accept", accept);
    if let Some(bearer) = bearer {
        headers.set_text("authorization", &["Bearer ", bearer].concat());
    }
    let aborting = Aborting(AbortController::new().map_err(DomFault::from)?);
    // https://fetch.spec.whatwg.org/#requestinit
    let init = Members::none();
    init.set_text("method", "POST");
    init.set("headers", &headers);
    init.set("body", &Uint8Array::from(body));
    init.set_text("credentials", "omit");
    init.set_text("redirect", "error");
    init.set("signal", &Members::of(&aborting.0).get("signal"));
    let exchange = async {
        let response = settled(realm().fetch(url, &init)).await?;
        // https://fetch.spec.whatwg.org/#response-class
        let response = Members::of(&response);
        let headers: Headers = response.get("headers").unchecked_into();
        let header = |name| headers.get(name).ok().flatten();
        Ok(Reply {
            status: response.get("status").as_f64().unwrap_or_default() as u16,
            content_type: header("content-type"),
            retry_after: header("retry-after"),
            body: read(response.get("body"), answer_bytes_max).await?,
        })
    };
    alarm::within(timeout, exchange).await.unwrap_or(Err(Unreachable::Timeout))
}

/// Whether the browser says that there is a network; true where it does not say.
#[must_use]
pub fn online() -> bool {
    realm().navigator().on_line().unwrap_or(true)
}

// Ends whatever is left of an exchange; of one that is over nothing is left.
struct Aborting(AbortController);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read(stream: JsValue, bytes_max: usize) -> Result<Vec<u8>, Unreachable> {
    let mut body = Vec::new();
    if stream.is_null() {
        return Ok(body);
    }
    let reader = ReadableStreamDefaultReader::new(stream.unchecked_ref());
    let reader = reader.map_err(DomFault::from)?;
    loop {
        let step = settled(Ok(reader.read())).await?;
        let step = Members::of(&step);
        if step.get("done").is_truthy() {
            return Ok(body);
        }
        let chunk: Uint8Array = step.get("value").unchecked_into();
        let length = body.len();
        if chunk.length() as usize > bytes_max - length {
            return Err(Unreachable::TooLarge);
        }
        body.resize(length + chunk.length() as usize, 0);
        chunk.copy_to(&mut body[length..]);
    }
}
