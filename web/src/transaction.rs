//! One transaction: its requests are fired without a pause, and only its end is awaited.
//!
//! What always holds:
//! - it is done when it is complete; a request's success means nothing yet;
//! - the first request that is refused ends it: it is aborted, and none is fired after it;
//! - why it was aborted is kept: a full disk shows in no other way;
//! - left before its end, it is aborted, so that half of it cannot be written.

use bellwether_shared::rows;
use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbObjectStore, IdbRequest, IdbTransaction};

use crate::fault::StoreFault;
use crate::listen::Listener;
use crate::members::Members;
use crate::once::Once;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = IdbDatabase)]
    type Database;

    // https://w3c.github.io/IndexedDB/#dom-idbdatabase-transaction
    #[wasm_bindgen(method, catch, js_name = transaction)]
    fn transaction(
        this: &Database,
        stores: &Array,
        mode: &str,
        options: &Members,
    ) -> Result<IdbTransaction, JsValue>;

    #[wasm_bindgen(extends = IdbTransaction)]
    type Committing;

    // https://w3c.github.io/IndexedDB/#dom-idbtransaction-commit, which web-sys calls deprecated.
    #[wasm_bindgen(method, catch)]
    fn commit(this: &Committing) -> Result<(), JsValue>;
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

/// A transaction that lasts, for those who fire its requests. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Transaction {
    raw: IdbTransaction,
    end: Once<Result<(), StoreFault>>,
}

/// One of its stores.
#[derive(Clone)]
pub(crate) struct Rows {
    transaction: Transaction,
    /// Absent if the transaction is over, or has no such store.
    raw: Option<IdbObjectStore>,
}

/// A request; none if it was refused.
#[derive(Clone, Default)]
pub(crate) struct Request(Option<IdbRequest>);

/// Begins one over the stores of these names, has its requests fired, and waits for its end.
pub(crate) async fn run(
    db: &IdbDatabase,
    names: &Array,
    mode: Mode,
    fire: Fire<'_>,
) -> Result<(), StoreFault> {
    let mut running = Running::begin(db, names, mode)?;
    fire(&running.transaction);
    let end = running.transaction.end.clone().get().await;
    running.over = true;
    end
}

/// What fires the requests of a transaction, and does not wait for anything.
pub(crate) type Fire<'a> = &'a mut dyn FnMut(&Transaction);

/// The names of stores, as a transaction wants them.
pub(crate) fn names(stores: &[rows::Store]) -> Array {
    let names = Array::new();
    for store in stores {
        names.push(&JsValue::from_str(store.name()));
    }
    names
}

impl Transaction {
    /// One of its stores.
    pub(crate) fn store(&self, store: rows::Store) -> Rows {
        self.named(store.name())
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &str) -> Rows {
        let raw = self.raw.object_store(name);
        let raw = raw.map_err(|thrown| self.fail(StoreFault::thrown(&thrown))).ok();
        Rows { transaction: self.clone(), raw }
    }

    /// Says that there is no more to come.
    pub(crate) fn commit(&self) {
        // Where it is missing the transaction commits by itself, a little later.
        let _ = self.raw.unchecked_ref::<Committing>().commit();
    }

    /// Takes back whatever was fired; the transaction ends with `fault`.
    pub(crate) fn fail(&self, fault: StoreFault) {
        drop(self.end.put(Err(fault)));
        self.abort();
    }

    /// Takes back whatever was fired.
    pub(crate) fn abort(&self) {
        // Fails when it is committing already; then it is whole.
        let _ = self.raw.abort();
    }
}

impl Rows {
    pub(crate) fn get(&self, key: &JsValue) -> Request {
        self.fire(&|rows| rows.get(key))
    }

    /// All in `range`, up to `limit`, in the order of their keys; `undefined` is all of them.
    pub(crate) fn all(&self, range: &JsValue, limit: u32) -> Request {
        self.fire(&|rows| rows.get_all_with_key_and_limit(range, limit))
    }

    /// The keys of the same.
    pub(crate) fn keys(&self, range: &JsValue, limit: u32) -> Request {
        self.fire(&|rows| rows.get_all_keys_with_key_and_limit(range, limit))
    }

    pub(crate) fn count(&self) -> Request {
        self.fire(&|rows| rows.count())
    }

    /// A cursor at the last key; `null` if there is none.
    #[cfg(feature = "worker")]
    pub(crate) fn last_key(&self) -> Request {
        let (all, backwards) = (JsValue::UNDEFINED, web_sys::IdbCursorDirection::Prev);
        self.fire(&|rows| rows.open_key_cursor_with_range_and_direction(&all, backwards))
    }

    #[cfg(feature = "worker")]
    pub(crate) fn put(&self, key: &JsValue, row: &JsValue) -> Request {
        self.fire(&|rows| rows.put_with_key(row, key))
    }

    pub(crate) fn add(&self, row: &JsValue) -> Request {
        self.fire(&|rows| rows.add(row))
    }

    /// Deletes the row of a key, or the rows of a range.
    #[cfg(feature = "worker")]
    pub(crate) fn delete(&self, key: &JsValue) -> Request {
        self.fire(&|rows| rows.delete(key))
    }

    fn fire(&self, call: &dyn Fn(&IdbObjectStore) -> Result<IdbRequest, JsValue>) -> Request {
        let fired = self.raw.as_ref().map(call);
        let fired = fired.transpose().map_err(|thrown| {
            self.transaction.fail(StoreFault::thrown(&thrown));
        });
        Request(fired.unwrap_or_default())
    }
}

impl Request {
    /// What it gave, when the transaction is complete.
    pub(crate) fn value(&self) -> JsValue {
        self.0.as_ref().map(|request| request.result().unwrap_or_default()).unwrap_or_default()
    }

    /// The same, as the list that it is.
    pub(crate) fn list(&self) -> Array {
        self.value().unchecked_into()
    }

    /// The same, as the number that it is.
    pub(crate) fn number(&self) -> u64 {
        self.value().as_f64().unwrap_or_default() as u64
    }

    /// Calls `heard` with what it gives, when it has succeeded and more can be fired.
    #[cfg(feature = "worker")]
    pub(crate) fn then(&self, mut heard: impl FnMut(JsValue) + 'static) -> Option<Listener> {
        let request = self.clone();
        let raw = self.0.as_ref()?;
        Some(Listener::new(raw, &["success"], move |_| heard(request.value())))
    }
}

/// A transaction, and the watch over it.
struct Running {
    transaction: Transaction,
    over: bool,
    _listener: Listener,
}

impl Running {
    fn begin(db: &IdbDatabase, names: &Array, mode: Mode) -> Result<Self, StoreFault> {
        let (mode, durability) = match mode {
            Mode::Read => ("readonly", "default"),
            Mode::Write { strict: true } => ("readwrite", "strict"),
            Mode::Write { strict: false } => ("readwrite", "relaxed"),
        };
        // https://w3c.github.io/IndexedDB/#dictdef-idbtransactionoptions
        let options = Members::none();
        options.set_text("durability", durability);
        let raw = db.unchecked_ref::<Database>().transaction(names, mode, &options)?;
        let transaction = Transaction { raw, end: Once::new() };
        let Transaction { raw, end } = transaction.clone();
        let listener = Listener::new(&transaction.raw, &["complete", "abort"], move |event| {
            drop(end.put(if event.type_() == "complete" { Ok(()) } else { Err(reason(&raw)) }));
        });
        Ok(Self { transaction, over: false, _listener: listener })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over {
            self.transaction.abort();
        }
    }
}

fn reason(transaction: &IdbTransaction) -> StoreFault {
    match transaction.error() {
        Some(error) => StoreFault::thrown(&error),
        None => StoreFault::Failed { name: "AbortError".into(), message: "".into() },
    }
}
