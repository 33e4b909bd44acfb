//! What only a service worker has: its pages, and the wake-ups it may ask for.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{Client, Clients};

use crate::channel::Parcel;
use crate::dom::DomFault;
use crate::members::Members;
use crate::task::settled;

pub use crate::fetch::online;

#[wasm_bindgen]
extern "C" {
    // https://wicg.github.io/background-sync/spec/#sync-manager-interface
    type SyncManager;
    #[wasm_bindgen(method, catch)]
    fn register(this: &SyncManager, tag: &str) -> Result<Promise, JsValue>;
}

/// A page of this origin that the browser knows of.
#[derive(Debug, Clone)]
pub struct ClientRef {
    /// Its id, the same as a message event's `source.id`.
    pub id: String,
    client: Client,
}

impl ClientRef {
    /// The page that a message came from or the browser lists; `None` for what is none.
    #[must_use]
    pub fn of(client: JsValue) -> Option<Self> {
        let id = Members::of(&client).text("id")?;
        Some(Self { id, client: client.unchecked_into() })
    }

    /// Posts `bytes` to the page.
    pub fn post(&self, channel: &str, bytes: &[u8]) -> Result<(), DomFault> {
        post_to(&self.client, channel, bytes)
    }
}

/// All pages of this origin, whether this worker controls them or not.
pub async fn clients_match_all() -> Result<Vec<ClientRef>, DomFault> {
    // https://w3c.github.io/ServiceWorker/#dictdef-clientqueryoptions
    let options = Members::none();
    options.set("includeUncontrolled", &JsValue::TRUE);
    options.set_text("type", "window");
    let found = clients().match_all_with_options(options.unchecked_ref());
    let found: Array = settled(Ok(found)).await?.unchecked_into();
    Ok(found.iter().filter_map(ClientRef::of).collect())
}

/// Posts `bytes` to the page of this id; false if it is gone.
pub async fn post(id: &str, channel: &str, bytes: &[u8]) -> Result<bool, DomFault> {
    let found = settled(Ok(clients().get(id))).await?;
    if found.is_undefined() {
        return Ok(false);
    }
    post_to(found.unchecked_ref(), channel, bytes).map(|()| true)
}

/// Asks to be woken when there is a network; false where that is not to be had.
pub async fn register_sync(tag: &str) -> bool {
    let sync = Members::of(&Members::of(&js_sys::global()).get("registration")).get("sync");
    sync.is_object() && settled(sync.unchecked_ref::<SyncManager>().register(tag)).await.is_ok()
}

/// Whether the browser has put another worker in this one's place. Firefox does not tell a worker its state: there it
/// is never known.
#[must_use]
pub fn is_replaced() -> bool {
    let worker = Members::of(&js_sys::global()).get("serviceWorker");
    Members::of(&worker).text("state").as_deref() == Some("redundant")
}

fn post_to(client: &Client, channel: &str, bytes: &[u8]) -> Result<(), DomFault> {
    Ok(Parcel::new(channel, bytes).post_to(client)?)
}

fn clients() -> Clients {
    Members::of(&js_sys::global()).get("clients").unchecked_into()
}
