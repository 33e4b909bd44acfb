//! One request to the server, bounded in time and size; `fetch.js` makes it.

use core::time::Duration;

use bellwether_shared::base::joined;
use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;

use crate::dom::DomFault;
use crate::js;
use crate::members::Members;
use crate::task::settled;

#[wasm_bindgen(module = "/src/fetch.js")]
extern "C" {
    #[wasm_bindgen(js_name = post)]
    fn raw_post(
        url: &str,
        headers: &Members,
        body: &[u8],
        timeout_ms: f64,
        bytes_max: usize,
        compress: bool,
    ) -> Promise;

    #[wasm_bindgen(js_name = get)]
    fn raw_get(url: &str, headers: &Members, timeout_ms: f64, bytes_max: usize) -> Promise;

    #[wasm_bindgen(js_name = tellHook)]
    fn raw_tell_hook(id: &str, type_: &str, code: &str, message: &str, tries: u32) -> Promise;

    #[wasm_bindgen(js_name = replay)]
    fn raw_replay(
        json: &str,
        key: &str,
        token: Option<&str>,
        server: &str,
        timeout_ms: f64,
        bytes_max: usize,
    ) -> Promise;

    #[wasm_bindgen(js_name = resolveConflict)]
    fn raw_resolve(
        key: &str,
        local: Option<&str>,
        remote: Option<&str>,
        timeout_ms: f64,
    ) -> Promise;

    #[wasm_bindgen(js_name = token)]
    fn raw_token(user: &str, session: &str) -> Promise;
}

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
        // What `fetch.js` says.
        match &*fault.name {
            "timeout" => Self::Timeout,
            "too-large" => Self::TooLarge,
            _ => Self::Failed(fault),
        }
    }
}

/// Posts `body` to `url`: no cookies, no redirection. The cache mode is left alone: a post is
/// never answered from a cache, and `no-store` would have every one preceded by a preflight. The answer's body ends at `answer_bytes_max`.
///
/// At `timeout` the request is aborted. With `compress` the body is, where the browser can.
#[expect(clippy::too_many_arguments, reason = "they are a request")]
pub async fn post(
    url: &str,
    content_type: &str,
    accept: &str,
    bearer: Option<&str>,
    body: &[u8],
    timeout: Duration,
    answer_bytes_max: usize,
    compress: bool,
) -> Result<Reply, Unreachable> {
    let headers = Members::none();
    headers.set_text("content-type", content_type);
    headers.set_text("accept", accept);
    authorize(&headers, bearer);
    let timeout_ms = js::from_duration(timeout);
    read(raw_post(url, &headers, body, timeout_ms, answer_bytes_max, compress)).await
}

/// Asks `url`: no cookies, no redirection, nothing from a cache. The rest is as in [`post`].
pub async fn get(
    url: &str,
    accept: &str,
    bearer: Option<&str>,
    timeout: Duration,
    answer_bytes_max: usize,
) -> Result<Reply, Unreachable> {
    let headers = Members::none();
    headers.set_text("accept", accept);
    authorize(&headers, bearer);
    read(raw_get(url, &headers, js::from_duration(timeout), answer_bytes_max)).await
}

/// Sends a plain request, told as JSON text; see `fetch.js`. What is no request gets the status 0.
pub async fn replay(
    json: &str,
    key: &str,
    token: Option<&str>,
    server: &str,
    timeout: Duration,
    answer_bytes_max: usize,
) -> Result<Reply, Unreachable> {
    let timeout_ms = js::from_duration(timeout);
    read(raw_replay(json, key, token, server, timeout_ms, answer_bytes_max)).await
}

/// Has the app's hook in this worker make one of two of a key, all as JSON: `Err` if there is no hook, or if it has made nothing
/// of them; `None` if what stands is to stay.
pub async fn resolve_conflict(
    key: &str,
    local: Option<&str>,
    remote: Option<&str>,
    timeout: Duration,
) -> Result<Option<String>, DomFault> {
    let made = raw_resolve(key, local, remote, js::from_duration(timeout));
    Ok(settled(Ok(made)).await?.as_string())
}

/// Asks the app's hook in this worker for a token: `Err` if there is no hook, `None` if it has none.
pub async fn token(user: &str, session: &str) -> Result<Option<String>, DomFault> {
    match settled(Ok(raw_token(user, session))).await {
        Ok(token) => Ok(token.as_string()),
        Err(fault) if &*fault.name == "none" => Err(fault),
        // A hook that fails has none.
        Err(_) => Ok(None),
    }
}

/// Tells the app's hook in this worker of an event that was given up, and waits for it.
pub async fn tell_hook(id: &str, type_: &str, code: &str, message: &str, tries: u32) {
    // What goes wrong in the app's hook is told where the app sees it.
    let _ = settled(Ok(raw_tell_hook(id, type_, code, message, tries))).await;
}

fn authorize(headers: &Members, bearer: Option<&str>) {
    if let Some(bearer) = bearer {
        headers.set_text("authorization", &joined(&["Bearer ", bearer]));
    }
}

async fn read(sent: Promise) -> Result<Reply, Unreachable> {
    let reply: Array = settled(Ok(sent)).await?.unchecked_into();
    Ok(Reply {
        status: reply.get(0).as_f64().unwrap_or_default() as u16,
        content_type: reply.get(1).as_string(),
        retry_after: reply.get(2).as_string(),
        body: js::to_bytes(&reply.get(3)),
    })
}

/// Whether the browser says that there is a network; true where it does not say.
#[must_use]
pub fn online() -> bool {
    // https://html.spec.whatwg.org/multipage/system-state.html#navigator.online
    let navigator = Members::of(&js_sys::global()).get("navigator");
    Members::of(&navigator).get("onLine").as_bool().unwrap_or(true)
}
