//! One request to the server, bounded in time and size.

use core::time::Duration;

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, RequestCredentials, RequestInit,
    RequestRedirect, Response,
};

use crate::alarm;
use crate::dom::DomFault;
use crate::realm::realm;

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

impl From<JsValue> for Unreachable {
    fn from(thrown: JsValue) -> Self {
        Self::Failed(DomFault::new(&thrown))
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
    let headers = Headers::new()?;
    headers.set("content-type", content_type)?;
    headers.set("accept", accept)?;
    if let Some(bearer) = bearer {
        headers.set("authorization", &["Bearer ", bearer].concat())?;
    }
    let aborting = Aborting(AbortController::new()?);
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers_headers(&headers);
    init.set_body(&Uint8Array::from(body));
    init.set_credentials(RequestCredentials::Omit);
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(&aborting.0.signal()));
    let exchange = async {
        let response: Response = JsFuture::from(realm().fetch(url, &init)?).await?.unchecked_into();
        let header = |name| response.headers().get(name).ok().flatten();
        Ok(Reply {
            status: response.status(),
            content_type: header("content-type"),
            retry_after: header("retry-after"),
            body: read(&response, answer_bytes_max).await?,
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

async fn read(response: &Response, bytes_max: usize) -> Result<Vec<u8>, Unreachable> {
    let mut body = Vec::new();
    let Some(stream) = response.body() else { return Ok(body) };
    let reader = ReadableStreamDefaultReader::new(&stream)?;
    loop {
        let step = JsFuture::from(reader.read()).await?;
        if Reflect::get(&step, &JsValue::from_str("done"))?.is_truthy() {
            return Ok(body);
        }
        let chunk = Reflect::get(&step, &JsValue::from_str("value"))?;
        let chunk: Uint8Array = chunk.unchecked_into();
        let length = body.len();
        if chunk.length() as usize > bytes_max - length {
            return Err(Unreachable::TooLarge);
        }
        body.resize(length + chunk.length() as usize, 0);
        chunk.copy_to(&mut body[length..]);
    }
}
