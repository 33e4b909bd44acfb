//! The journal as a page sees it, typed: appending to it, and reading the stores. `journal.js` does it.
//!
//! What always holds:
//! - rows of one call are written together and in their order, at positions that follow one another;
//! - `append` is done when they are on disk, and fails when none of them is;
//! - `done` is called once, and never before the call has returned.
//!
//! Not here: what a row means, and when rows are grouped; the page decides that.

use core::fmt;
use core::time::Duration;

use bellwether_shared::base::joined;
use bellwether_shared::rows::{Key, Store};
use js_sys::Array;
use wasm_bindgen::prelude::*;

use crate::callback::once;
use crate::fault::StoreFault;
use crate::js;

#[wasm_bindgen(module = "/src/journal.js")]
extern "C" {
    #[derive(Clone)]
    #[wasm_bindgen(js_name = Journal)]
    type Raw;
    #[wasm_bindgen(constructor, js_class = "Journal")]
    fn new(name: &str, patience_ms: f64) -> Raw;
    #[wasm_bindgen(method)]
    fn open(this: &Raw, done: &JsValue);
    #[wasm_bindgen(method)]
    fn append(this: &Raw, bytes: &[u8], lengths: &[u32], durability: &str, done: &JsValue);
    #[wasm_bindgen(method)]
    fn read(this: &Raw, store: &str, after: f64, limit: u32, done: &JsValue);
    #[wasm_bindgen(method, js_name = readDocument)]
    fn read_document(this: &Raw, prefix: &str, whole: bool, done: &JsValue);
    #[wasm_bindgen(method)]
    fn count(this: &Raw, store: &str, done: &JsValue);
    #[wasm_bindgen(method)]
    fn close(this: &Raw);
    #[wasm_bindgen(method)]
    fn instead(this: &Raw, other: &JsValue);
}

/// Called with what came of it.
pub type Done<T> = Box<dyn FnOnce(Result<T, StoreFault>)>;

/// The journal of one channel. A clone shares the connection.
#[derive(Clone)]
pub struct Journal(Raw);

impl Journal {
    /// The journal of `channel`. Its database is opened by its first use, and created if it is new.
    ///
    /// A use that has to open it fails after `patience`, in which it tries twice.
    #[must_use]
    pub fn new(channel: &str, patience: Duration) -> Self {
        Self(Raw::new(&joined(&["bellwether:", channel]), js::from_duration(patience)))
    }

    /// From here on all is done by `other`, an object with the methods of the class in `journal.js`.
    pub fn instead(&self, other: &JsValue) {
        self.0.instead(other);
    }

    /// Opens the database if it is not open.
    pub fn open(&self, done: Done<()>) {
        self.0.open(&when_done(Box::new(|result| done(result.map(drop)))));
    }

    /// Appends `rows`, and gives the position of the last; the others are right before it. 0 for none.
    ///
    /// `strict`: done only once the disk has them, not only the operating system.
    pub fn append(&self, rows: &[Vec<u8>], strict: bool, done: Done<u64>) {
        let lengths: Vec<u32> = rows.iter().map(|row| row.len() as u32).collect();
        let durability = if strict { "strict" } else { "relaxed" };
        self.0.append(&rows.concat(), &lengths, durability, &number(done));
    }

    /// Rows of a store in the order of their keys, with numbers beyond `after` if that is given; at most
    /// `limit`, and all for 0.
    pub fn read(&self, store: Store, after: Option<u64>, limit: u32, done: Done<Pairs>) {
        let done = when_done(Box::new(|result| done(result.map(|found| pairs(&found)))));
        // Numbers of ours are not negative, and texts come after all numbers.
        let after = after.map_or(-1.0, |after| after as f64);
        self.0.read(store.name(), after, limit, &done);
    }

    /// The same, of the store of this name, as pairs in an array.
    pub fn read_as_is(&self, store: &str, after: f64, limit: u32, done: Done<JsValue>) {
        self.0.read(store, after, limit, &when_done(done));
    }

    /// Rows of `document` whose keys are texts that begin with this; and, as the same transaction sees them, those of
    /// the journal if it is a `whole`, else none.
    pub fn read_document(&self, prefix: &str, whole: bool, done: Done<[Pairs; 2]>) {
        let both = |found: JsValue| {
            let found: &Array = found.unchecked_ref();
            [0, 1].map(|at| pairs(&found.get(at)))
        };
        let done = when_done(Box::new(move |result| done(result.map(both))));
        self.0.read_document(prefix, whole, &done);
    }

    /// How many rows a store has.
    pub fn count(&self, store: Store, done: Done<u64>) {
        self.0.count(store.name(), &number(done));
    }

    /// Lets go of the database, as a page should in `pagehide`; the next use opens it again.
    pub fn close(&self) {
        self.0.close();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}

fn when_done(done: Done<JsValue>) -> JsValue {
    once(Box::new(move |value, fault| {
        done(if fault.is_undefined() { Ok(value) } else { Err(StoreFault::thrown(&fault)) });
    }))
}

fn number(done: Done<u64>) -> JsValue {
    when_done(Box::new(move |result| {
        done(result.map(|value| value.as_f64().unwrap_or_default() as u64));
    }))
}

/// Rows with their keys.
pub type Pairs = Vec<(Key, Vec<u8>)>;

// Of what is not there, none.
fn pairs(found: &JsValue) -> Pairs {
    let pair = |pair: JsValue| {
        let pair: &Array = pair.unchecked_ref();
        Some((js::to_key(&pair.get(0))?, js::to_bytes(&pair.get(1))))
    };
    let found = found.dyn_ref::<Array>();
    found.into_iter().flat_map(Array::iter).filter_map(pair).collect()
}
