//! How a page that hosts the coordinator reaches the other pages, and itself: what the page's script gives.

use core::fmt;

use bellwether_shared::coordinator::Client;
use bellwether_web::store::Store;
use bellwether_web::task::settled;
use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// See the module.
    #[wasm_bindgen(js_name = Object, typescript_type = "Bus")]
    pub type Bus;
    /// Posts to one page; or to all, if `to` is empty.
    #[wasm_bindgen(method)]
    fn post(this: &Bus, to: &str, message: Uint8Array);
    /// Promises the pages that are there, as an array of their addresses.
    #[wasm_bindgen(method)]
    fn list(this: &Bus) -> Promise;
    /// What keeps the rows where there is no database.
    #[wasm_bindgen(method, getter)]
    fn store(this: &Bus) -> JsValue;
    /// This coordinator is over: another has taken over, or it is to be started `anew`.
    #[wasm_bindgen(method)]
    fn over(this: &Bus, anew: bool);
}

impl Bus {
    pub(crate) fn send(&self, to: &str, message: &[u8]) {
        self.post(to, Uint8Array::from(message));
    }

    pub(crate) fn kept(&self) -> Option<Store> {
        Some(self.store()).filter(|store| !store.is_undefined()).map(Store::over)
    }

    /// None if the browser does not say.
    pub(crate) async fn clients(&self) -> Option<Vec<Client>> {
        let listed: Array = settled(Ok(self.list())).await.ok()?.unchecked_into();
        Some(listed.iter().filter_map(|it| Some(Client(it.as_string()?.into()))).collect())
    }

    pub(crate) fn tell_over(&self, anew: bool) {
        self.over(anew);
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bus")
    }
}
