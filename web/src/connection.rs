//! A connection to a database, and transactions in it, typed; `store.js` does it.
//!
//! What always holds:
//! - a transaction is done when it is complete, and what it writes is written whole or not at all;
//! - it may be run once more on a new handle if the first was dead, and then all is asked again.

use std::rc::Rc;

use bellwether_shared::rows;
use core::time::Duration;
use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;

use crate::fault::StoreFault;
use crate::js;
use crate::task::{Boxed, settled};

#[wasm_bindgen(module = "/src/store.js")]
extern "C" {
    #[wasm_bindgen(js_name = Store)]
    type Raw;
    #[wasm_bindgen(constructor, js_class = "Store")]
    fn new(name: &str, stores: &Array, patience_ms: f64) -> Raw;
    #[wasm_bindgen(method)]
    fn open(this: &Raw) -> Promise;
    #[wasm_bindgen(method)]
    fn run(this: &Raw, requests: &Array, durability: &str, next: &JsValue) -> Promise;
    #[wasm_bindgen(method, getter)]
    fn losses(this: &Raw) -> u32;
    #[wasm_bindgen(method)]
    fn close(this: &Raw);
}

/// A connection that is opened at its first use. A clone shares it; with the last one it closes.
#[derive(Clone)]
pub(crate) struct Connection(Rc<Closing>);

struct Closing(Raw);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Read,
    /// Strict: complete only once the disk has it, not only the operating system.
    Write {
        strict: bool,
    },
}

/// Is shown what the first request has given, and gives further ones. With `None` nothing is written, and the
/// transaction fails.
pub(crate) type Next = Box<dyn FnMut(JsValue) -> Option<Requests>>;

impl Connection {
    /// A connection to the database of this name, which has to have stores of these names.
    pub(crate) fn new<'a>(
        name: &str,
        stores: impl IntoIterator<Item = &'a str>,
        patience: Duration,
    ) -> Self {
        let names = Array::new();
        for store in stores {
            names.push(&JsValue::from_str(store));
        }
        Self(Rc::new(Closing(Raw::new(name, &names, js::from_duration(patience)))))
    }

    /// What does the same, made elsewhere: an object with the methods of the class in `store.js`.
    pub(crate) fn over(store: JsValue) -> Self {
        Self(Rc::new(Closing(store.unchecked_into())))
    }

    /// Opens the database if it is not open.
    pub(crate) async fn open(&self) -> Result<(), StoreFault> {
        settled(Ok(self.0.0.open())).await?;
        Ok(())
    }

    /// One transaction over the stores of `requests`, whose answers it gives.
    pub(crate) fn run(
        &self,
        requests: &Requests,
        mode: Mode,
        next: Option<Next>,
    ) -> Boxed<'static, Result<Answers, StoreFault>> {
        // https://w3c.github.io/IndexedDB/#dictdef-idbtransactionoptions
        let durability = match mode {
            Mode::Read => "default",
            Mode::Write { strict: true } => "strict",
            Mode::Write { strict: false } => "relaxed",
        };
        let next = next.map(|mut next| {
            let more = move |first| next(first).map(|more| more.0.into()).unwrap_or_default();
            Closure::<dyn FnMut(JsValue) -> JsValue>::wrap(Box::new(more))
        });
        let function = next.as_ref().map_or(JsValue::UNDEFINED, |next| next.as_ref().clone());
        let done = settled(Ok(self.0.0.run(&requests.0, durability, &function)));
        Box::pin(async move {
            let answers = done.await;
            // It had to live until here.
            drop(next);
            Ok(Answers(answers?.unchecked_into()))
        })
    }

    /// How often the browser has taken the database away. What is opened after that may be another one.
    pub(crate) fn losses(&self) -> u32 {
        self.0.0.losses()
    }

    /// Lets go of the database; the next use opens it again. What is under way ends as usual.
    pub(crate) fn close(&self) {
        self.0.0.close();
    }
}

/// The requests of a transaction, in their order.
#[derive(Default)]
pub(crate) struct Requests(Array);

impl Requests {
    pub(crate) fn get(&self, store: rows::Store, key: &JsValue) {
        self.ask(store.name(), "get", key, &JsValue::UNDEFINED);
    }

    /// All in `range`, up to `limit`, in the order of their keys; `undefined` is all of them.
    pub(crate) fn all(&self, store: rows::Store, range: &JsValue, limit: &JsValue) {
        self.ask(store.name(), "getAll", range, limit);
    }

    /// The keys of the same.
    pub(crate) fn keys(&self, store: &str, range: &JsValue, limit: &JsValue) {
        self.ask(store, "getAllKeys", range, limit);
    }

    pub(crate) fn count(&self, store: rows::Store) {
        self.ask(store.name(), "count", &JsValue::UNDEFINED, &JsValue::UNDEFINED);
    }

    /// A cursor at the last key; `null` if there is none.
    pub(crate) fn last_key(&self, store: rows::Store) {
        let backwards = JsValue::from_str("prev");
        self.ask(store.name(), "openKeyCursor", &JsValue::UNDEFINED, &backwards);
    }

    pub(crate) fn put(&self, store: &str, key: &JsValue, row: &JsValue) {
        self.ask(store, "put", row, key);
    }

    pub(crate) fn add(&self, store: rows::Store, row: &JsValue) {
        self.ask(store.name(), "add", row, &JsValue::UNDEFINED);
    }

    /// Deletes the row of a key, or the rows of a range.
    pub(crate) fn delete(&self, store: rows::Store, key: &JsValue) {
        self.ask(store.name(), "delete", key, &JsValue::UNDEFINED);
    }

    #[inline(never)]
    fn ask(&self, store: &str, method: &str, first: &JsValue, second: &JsValue) {
        let [store, method] = [store, method].map(JsValue::from_str);
        self.0.push(&Array::of4(&store, &method, first, second));
    }
}

/// What the requests of a transaction gave, in their order.
pub(crate) struct Answers(Array);

impl Answers {
    pub(crate) fn value(&self, at: u32) -> JsValue {
        self.0.get(at)
    }

    /// The same, as the row that it is; `None` if there is none.
    pub(crate) fn row(&self, at: u32) -> Option<Vec<u8>> {
        js::to_row(&self.value(at))
    }

    /// The same, as the list that it is.
    pub(crate) fn list(&self, at: u32) -> Array {
        self.value(at).unchecked_into()
    }

    /// The same, as the number that it is.
    pub(crate) fn number(&self, at: u32) -> u64 {
        self.value(at).as_f64().unwrap_or_default() as u64
    }

    /// What was asked for keys and right after that for their rows, together. A key that is not ours is left out.
    pub(crate) fn pairs(&self, at: u32) -> Vec<(rows::Key, Vec<u8>)> {
        let (keys, rows) = (self.list(at), self.list(at + 1));
        let mut pairs = Vec::with_capacity(keys.length() as usize);
        for at in 0..keys.length() {
            if let Some(key) = js::to_key(&keys.get(at)) {
                pairs.push((key, js::to_bytes(&rows.get(at))));
            }
        }
        pairs
    }
}
