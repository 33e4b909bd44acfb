//! Work that goes on by itself, and promises of it.
//!
//! Whatever the future is, it is boxed here: what runs it is compiled once and not once for each.

use core::future::Future;
use core::pin::Pin;

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{future_to_promise, spawn_local};

#[cfg(feature = "worker")]
use crate::dom::DomFault;

#[cfg(feature = "page")]
#[wasm_bindgen]
extern "C" {
    // https://html.spec.whatwg.org/multipage/timers-and-user-prompts.html#microtask-queuing
    #[wasm_bindgen(js_name = queueMicrotask)]
    fn queue_microtask(work: &JsValue);
}

/// A future whose kind is not told: what awaits it does not carry its code, however often it does.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Lets `work` run, from the next turn on.
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    spawn_boxed(Box::pin(work));
}

/// Does `work` after whatever else is done in this turn.
#[cfg(feature = "page")]
pub fn soon(work: impl FnOnce() + 'static) {
    queue_microtask(&crate::callback::once(Box::new(|_, _| work())));
}

/// Lets `work` run, from the next turn on, and promises what comes of it.
pub fn promise(work: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    promise_boxed(Box::pin(work))
}

/// What comes of a promise; or why there is none.
#[cfg(feature = "worker")]
pub fn settled(promise: Result<Promise, JsValue>) -> Boxed<'static, Result<JsValue, DomFault>> {
    Box::pin(async { Ok(wasm_bindgen_futures::JsFuture::from(promise?).await?) })
}

#[inline(never)]
fn spawn_boxed(work: Boxed<'static, ()>) {
    spawn_local(work);
}

#[inline(never)]
fn promise_boxed(work: Boxed<'static, Result<JsValue, JsValue>>) -> Promise {
    future_to_promise(work)
}
