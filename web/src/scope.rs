//! What only a service worker has: its pages, and the wake-ups it may ask for.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Client, ClientQueryOptions, ClientType, Clients, ServiceWorkerGlobalScope,
    ServiceWorkerRegistration,
};

use crate::channel::Parcel;
use crate::dom::DomFault;

pub use crate::fetch::online;

#[wasm_bindgen]
extern "C" {
    // https://w3c.github.io/ServiceWorker/#windowclient, and the page's life from
    // https://wicg.github.io/page-lifecycle/#sec-api
    #[wasm_bindgen(extends = Client)]
    #[derive(Debug, Clone)]
    type Window;
    #[wasm_bindgen(method, getter, js_name = visibilityState)]
    fn visibility(this: &Window) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn focused(this: &Window) -> Option<bool>;
    #[wasm_bindgen(method, getter, js_name = lifecycleState)]
    fn lifecycle(this: &Window) -> Option<String>;

    // https://wicg.github.io/background-sync/spec/#sync-manager-interface
    #[wasm_bindgen(extends = ServiceWorkerRegistration)]
    type Registration;
    #[wasm_bindgen(method, getter)]
    fn sync(this: &Registration) -> Option<SyncManager>;

    type SyncManager;
    #[wasm_bindgen(method, catch)]
    fn register(this: &SyncManager, tag: &str) -> Result<Promise, JsValue>;
}

/// A page of this origin that the browser knows of.
#[derive(Debug, Clone)]
pub struct ClientRef {
    /// Its id, the same as a message event's `source.id`.
    pub id: String,
    /// Its address.
    pub url: String,
    /// Whether it can be seen.
    pub visible: bool,
    /// Whether the user is in it.
    pub focused: bool,
    /// Whether it is frozen: what is posted to it then is heard when it is resumed.
    pub frozen: bool,
    client: Client,
}

impl ClientRef {
    /// Posts `bytes` to the page.
    pub fn post(&self, channel: &str, bytes: &[u8]) -> Result<(), DomFault> {
        post_to(&self.client, channel, bytes)
    }
}

impl From<Client> for ClientRef {
    fn from(client: Client) -> Self {
        let window: &Window = client.unchecked_ref();
        Self {
            id: client.id(),
            url: client.url(),
            visible: window.visibility().as_deref() == Some("visible"),
            focused: window.focused().unwrap_or(false),
            frozen: window.lifecycle().as_deref() == Some("frozen"),
            client,
        }
    }
}

/// All pages of this origin, whether this worker controls them or not.
pub async fn clients_match_all() -> Result<Vec<ClientRef>, DomFault> {
    let options = ClientQueryOptions::new();
    options.set_include_uncontrolled(true);
    options.set_type(ClientType::Window);
    let found = JsFuture::from(clients().match_all_with_options(&options)).await?;
    Ok(found.unchecked_into::<Array>().iter().map(|it| ClientRef::from(Client::from(it))).collect())
}

/// Posts `bytes` to the page of this id; false if it is gone.
pub async fn post(id: &str, channel: &str, bytes: &[u8]) -> Result<bool, DomFault> {
    let found = JsFuture::from(clients().get(id)).await?;
    if found.is_undefined() {
        return Ok(false);
    }
    post_to(found.unchecked_ref(), channel, bytes).map(|()| true)
}

/// Asks to be woken when there is a network; false where that is not to be had.
pub async fn register_sync(tag: &str) -> bool {
    let registration: Registration = scope().registration().unchecked_into();
    let Some(asked) = registration.sync().and_then(|sync| sync.register(tag).ok()) else {
        return false;
    };
    JsFuture::from(asked).await.is_ok()
}

fn post_to(client: &Client, channel: &str, bytes: &[u8]) -> Result<(), DomFault> {
    let Parcel { message, transfer } = Parcel::new(channel, bytes);
    Ok(client.post_message_with_transfer(&message, &transfer)?)
}

fn clients() -> Clients {
    scope().clients()
}

fn scope() -> ServiceWorkerGlobalScope {
    js_sys::global().unchecked_into()
}
