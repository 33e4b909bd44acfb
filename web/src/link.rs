//! The page's link to the worker, its life, and its timer: what `link.js` tells, typed.

use core::fmt;
use core::time::Duration;

use bellwether_shared::bus::Network;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use crate::callback::Callback;
use crate::js;

#[wasm_bindgen(module = "/src/link.js")]
extern "C" {
    #[wasm_bindgen(js_name = Link)]
    type Raw;
    #[wasm_bindgen(constructor, js_class = "Link")]
    fn new(channel: &str, url: Option<&str>, scope: Option<&str>, hear: &JsValue) -> Raw;
    #[wasm_bindgen(method)]
    fn start(this: &Raw);
    #[wasm_bindgen(method)]
    fn post(this: &Raw, bytes: &[u8], fast: bool, hello: bool);
    #[wasm_bindgen(method)]
    fn say(this: &Raw, bytes: &[u8]);
    #[wasm_bindgen(method)]
    fn via(this: &Raw, post: &JsValue, offered: &JsValue) -> JsValue;
    #[wasm_bindgen(method)]
    fn accuse(this: &Raw, wedged: bool);
    #[wasm_bindgen(method)]
    fn back(this: &Raw, worker: &JsValue);
    #[wasm_bindgen(method)]
    fn wake(this: &Raw, ms: f64);
    #[wasm_bindgen(method)]
    fn rest(this: &Raw);
    #[wasm_bindgen(method)]
    fn close(this: &Raw);
    #[wasm_bindgen(static_method_of = Raw, js_class = "Link", js_name = isVisible)]
    fn is_visible() -> bool;
    #[wasm_bindgen(static_method_of = Raw, js_class = "Link", js_name = isOnline)]
    fn is_online() -> bool;
    #[wasm_bindgen(static_method_of = Raw, js_class = "Link")]
    fn network() -> JsValue;
}

/// What a page hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message of the link's channel.
    Message(Vec<u8>),
    /// There is no worker, or it could not start the coordinator; a sentence.
    Failed(Box<str>),
    /// A worker is there to be posted to, another than before.
    Linked,
    /// The page has come into sight, or gone out of it.
    Visible(bool),
    /// It is being left; this may be its last moment.
    Left {
        /// The browser may bring it back as it is.
        may_return: bool,
    },
    /// It runs again after it was left or frozen.
    Returned,
    /// The browser says that there is a network, or that there is none.
    Online(bool),
    /// It is the time that was asked for.
    Timeout,
    /// What the browser says of the network has changed.
    Network(Option<Network>),
    /// Another page of the channel has said something.
    Peer(Vec<u8>),
}

impl Heard {
    fn new(what: &JsValue, value: &JsValue) -> Self {
        match what.as_f64().unwrap_or_default() as u32 {
            0 => Self::Message(value.unchecked_ref::<Uint8Array>().to_vec()),
            1 => Self::Failed(value.as_string().unwrap_or_default().into()),
            2 => Self::Linked,
            3 => Self::Visible(value.is_truthy()),
            4 => Self::Left { may_return: value.is_truthy() },
            5 => Self::Returned,
            6 => Self::Online(value.is_truthy()),
            8 => Self::Network(network_of(value)),
            9 => Self::Peer(value.unchecked_ref::<Uint8Array>().to_vec()),
            _ => Self::Timeout,
        }
    }
}

/// The link of one channel. Dropped, it hears no more.
pub struct Link {
    raw: Raw,
    _hear: Callback,
}

impl Link {
    /// A link to the worker at `url`, or to none if that is empty; `None` for the one that is there, or the
    /// stock script. It calls `hear` from its start on.
    pub fn new(
        channel: &str,
        url: Option<&str>,
        scope: Option<&str>,
        hear: impl Fn(Heard) + 'static,
    ) -> Self {
        let hear = Callback::new(Box::new(move |what, value| hear(Heard::new(&what, &value))));
        Self { raw: Raw::new(channel, url, scope, hear.function()), _hear: hear }
    }

    /// Begins to listen, and looks for the worker.
    pub fn start(&self) {
        self.raw.start();
    }

    /// Posts `bytes` to the worker, which wakes it; or, `fast`, through the port that went with the last
    /// `hello`, which wakes nobody.
    pub fn post(&self, bytes: &[u8], fast: bool, hello: bool) {
        self.raw.post(bytes, fast, hello);
    }

    /// Says something to the other pages of the channel, if there is a way.
    pub fn say(&self, bytes: &[u8]) {
        self.raw.say(bytes);
    }

    /// Posts through `post` from here on, to the page that hosts the coordinator. Gives a function for what comes from there.
    /// A worker that is found meanwhile is `offered`.
    pub fn via(&self, post: &JsValue, offered: &JsValue) -> JsValue {
        self.raw.via(post, offered)
    }

    /// The worker is silent: that it has failed is told unless its script answers; at once if it is `wedged`.
    pub fn accuse(&self, wedged: bool) {
        self.raw.accuse(wedged);
    }

    /// Goes back to a worker that was offered; or looks for one, if it is `undefined`.
    pub fn back(&self, worker: &JsValue) {
        self.raw.back(worker);
    }

    /// Replaces the time that was asked for; `None` only takes it away. One beyond 24 days comes early.
    pub fn wake(&self, after: Option<Duration>) {
        match after {
            Some(after) => self.raw.wake(js::from_duration(after)),
            None => self.raw.rest(),
        }
    }

    /// Hears no more, and forgets the time.
    pub fn close(&self) {
        self.raw.close();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// Whether the page can be seen.
#[must_use]
pub fn visible() -> bool {
    Raw::is_visible()
}

/// Whether the browser says that there is a network; true where it does not say.
#[must_use]
pub fn online() -> bool {
    Raw::is_online()
}

/// What the browser says of the network, where it does.
#[must_use]
pub fn network() -> Option<Network> {
    network_of(&Raw::network())
}

fn network_of(value: &JsValue) -> Option<Network> {
    Some(match value.as_f64()? as u32 {
        0 => Network::Fast,
        1 => Network::Medium,
        _ => Network::Slow,
    })
}
