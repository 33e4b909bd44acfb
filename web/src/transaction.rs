//! One transaction: its requests are fired without a pause, and only its end is awaited.
//!
//! What always holds:
//! - it is done when it is complete; a request's success means nothing yet;
//! - why it was aborted is kept: a full disk shows in no other way;
//! - dropped before its end, it is aborted, so that half of it cannot be written.

use bellwether_shared::rows::Store;
use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbObjectStore, IdbTransaction};

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

pub(crate) struct Transaction {
    raw: IdbTransaction,
    end: Once<Result<(), StoreFault>>,
    over: bool,
    _listener: Listener,
}

impl Transaction {
    /// Begins one over `stores`.
    pub(crate) fn begin(
        db: &IdbDatabase,
        stores: &[Store],
        mode: Mode,
    ) -> Result<Self, StoreFault> {
        let names = stores.iter().map(|store| JsValue::from_str(store.name())).collect();
        Self::begin_named(db, &names, mode)
    }

    /// Begins one over stores of these names.
    pub(crate) fn begin_named(
        db: &IdbDatabase,
        names: &Array,
        mode: Mode,
    ) -> Result<Self, StoreFault> {
        let (mode, durability) = match mode {
            Mode::Read => ("readonly", "default"),
            Mode::Write { strict: true } => ("readwrite", "strict"),
            Mode::Write { strict: false } => ("readwrite", "relaxed"),
        };
        // https://w3c.github.io/IndexedDB/#dictdef-idbtransactionoptions
        let options = Members::none();
        options.set_text("durability", durability);
        let raw = db.unchecked_ref::<Database>().transaction(names, mode, &options)?;
        let end = Once::new();
        let (ended, observed) = (end.clone(), raw.clone());
        let listener = Listener::new(&raw, &["complete", "abort"], move |event| {
            let end = if event.type_() == "complete" { Ok(()) } else { Err(reason(&observed)) };
            drop(ended.put(end));
        });
        Ok(Self { raw, end, over: false, _listener: listener })
    }

    /// One of its stores.
    pub(crate) fn store(&self, store: Store) -> Result<IdbObjectStore, StoreFault> {
        Ok(self.raw.object_store(store.name())?)
    }

    /// The browser's own object.
    #[cfg(feature = "worker")]
    pub(crate) fn raw(&self) -> &IdbTransaction {
        &self.raw
    }

    /// Says that there is no more to come, and waits for the end.
    pub(crate) async fn commit(self) -> Result<(), StoreFault> {
        commit(&self.raw);
        self.done().await
    }

    /// Waits for the end.
    pub(crate) async fn done(mut self) -> Result<(), StoreFault> {
        let end = self.end.clone().get().await;
        self.over = true;
        end
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.over {
            // Fails when it is committing already; then it is whole.
            let _ = self.raw.abort();
        }
    }
}

/// Says that there is no more to come.
pub(crate) fn commit(transaction: &IdbTransaction) {
    // Where it is missing the transaction commits by itself, a little later.
    let _ = transaction.unchecked_ref::<Committing>().commit();
}

fn reason(transaction: &IdbTransaction) -> StoreFault {
    match transaction.error() {
        Some(error) => StoreFault::thrown(&error),
        None => StoreFault::Failed { name: "AbortError".into(), message: "".into() },
    }
}
