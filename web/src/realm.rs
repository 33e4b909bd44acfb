//! What the global object has, whether it is a window or a worker. Every getter may find nothing.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The global object.
    pub(crate) type Realm;

    // https://w3c.github.io/IndexedDB/#dom-windoworworkerglobalscope-indexeddb
    #[wasm_bindgen(method, getter, catch, js_name = indexedDB)]
    pub(crate) fn indexed_db(this: &Realm) -> Result<Option<web_sys::IdbFactory>, JsValue>;

    // https://html.spec.whatwg.org/multipage/system-state.html#the-navigator-object
    #[wasm_bindgen(method, getter)]
    pub(crate) fn navigator(this: &Realm) -> Navigator;

    /// `navigator`, of a window or of a worker.
    pub(crate) type Navigator;

    // https://html.spec.whatwg.org/multipage/system-state.html#navigator.online
    #[wasm_bindgen(method, getter, js_name = onLine)]
    pub(crate) fn on_line(this: &Navigator) -> Option<bool>;

    // https://w3c.github.io/ServiceWorker/#self-caches; throws where storage is switched off.
    #[cfg(feature = "worker")]
    #[wasm_bindgen(method, getter, catch)]
    pub(crate) fn caches(this: &Realm) -> Result<Option<web_sys::CacheStorage>, JsValue>;

    // https://w3c.github.io/webcrypto/#crypto-interface; `subtle` is missing where the page is not secure.
    #[cfg(feature = "worker")]
    #[wasm_bindgen(js_namespace = crypto, js_name = subtle, thread_local_v2)]
    pub(crate) static SUBTLE: Option<web_sys::SubtleCrypto>;

    // https://fetch.spec.whatwg.org/#fetch-method
    #[cfg(feature = "worker")]
    #[wasm_bindgen(method, catch)]
    pub(crate) fn fetch(
        this: &Realm,
        url: &str,
        init: &crate::members::Members,
    ) -> Result<js_sys::Promise, JsValue>;
}

/// The global object of this realm.
pub(crate) fn realm() -> Realm {
    js_sys::global().unchecked_into()
}
