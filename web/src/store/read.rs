//! Reading, by way of `rexie`.
//!
//! It has a connection of its own, opened when something is first read: a boot does without it. It never
//! builds a schema: the database is there, complete, before it is opened without a version.

use core::cell::RefCell;
use std::rc::Rc;

use bellwether_shared::rows::{self, Key};
use rexie::{KeyRange, Rexie, TransactionMode};
use wasm_bindgen::JsValue;

use super::open::{Idb, thrown};
use crate::connection::{Connection, opened_within};
use crate::fault::StoreFault;
use crate::js;

#[derive(Default)]
pub(super) struct Reader(RefCell<Option<Rc<Open>>>);

/// A connection that closes with its last user.
struct Open(Option<Rexie>);

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(rexie) = self.0.take() {
            rexie.close();
        }
    }
}

impl Reader {
    pub(super) async fn numbers(
        &self,
        connection: &Rc<Connection<Idb>>,
        store: rows::Store,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreFault> {
        let beyond = || {
            let (lower, upper) = (js::from_number(after), JsValue::from_f64(f64::INFINITY));
            KeyRange::bound(&lower, &upper, Some(true), None).map_err(thrown)
        };
        let pairs = self
            .with(connection, async |rexie| pairs(rexie, store, Some(beyond()?), limit).await)
            .await?;
        let number = |key: &JsValue| key.as_f64().map(|number| number as u64);
        Ok(pairs.iter().filter_map(|(key, row)| Some((number(key)?, js::to_bytes(row)))).collect())
    }

    pub(super) async fn rows(
        &self,
        connection: &Rc<Connection<Idb>>,
        store: rows::Store,
        limit: u32,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        let pairs =
            self.with(connection, async |rexie| pairs(rexie, store, None, limit).await).await?;
        Ok(pairs
            .iter()
            .filter_map(|(key, row)| Some((js::to_key(key)?, js::to_bytes(row))))
            .collect())
    }

    pub(super) async fn one(
        &self,
        connection: &Rc<Connection<Idb>>,
        store: rows::Store,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreFault> {
        let get = async |rexie: &Rexie| {
            let row = open(rexie, store)?.get(js::from_key(key)).await.map_err(fault)?;
            Ok(row.as_ref().and_then(js::to_row))
        };
        self.with(connection, get).await
    }

    pub(super) async fn count(
        &self,
        connection: &Rc<Connection<Idb>>,
        store: rows::Store,
    ) -> Result<u64, StoreFault> {
        let count = async |rexie: &Rexie| open(rexie, store)?.count(None).await.map_err(fault);
        self.with(connection, count).await.map(u64::from)
    }

    /// Lets go of the connection; the next read opens it again.
    pub(super) fn close(&self) {
        let open = self.0.take();
        drop(open);
    }

    async fn with<T>(
        &self,
        connection: &Rc<Connection<Idb>>,
        read: impl AsyncFn(&Rexie) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        // A loop, so that what is awaited is compiled once.
        let mut repeated = false;
        loop {
            let open = self.open(connection).await?;
            let Some(rexie) = &open.0 else { return Err(StoreFault::Closed) };
            match read(rexie).await {
                Err(fault) if !repeated && fault.is_of_handle() => self.close(),
                done => return done,
            }
            repeated = true;
        }
    }

    async fn open(&self, connection: &Rc<Connection<Idb>>) -> Result<Rc<Open>, StoreFault> {
        if let Some(open) = self.current() {
            return Ok(open);
        }
        connection.database().await?;
        let opening = Rexie::builder(connection.name()).build();
        let opening = async { Ok(Open(Some(opening.await.map_err(fault)?))) };
        let opened = opened_within(connection.timeout(), opening, drop).await;
        let open = Rc::new(opened.unwrap_or(Err(StoreFault::Timeout))?);
        // Two reads may have opened at once; the first stays.
        Ok(Rc::clone(self.0.borrow_mut().get_or_insert(open)))
    }

    fn current(&self) -> Option<Rc<Open>> {
        self.0.borrow().clone()
    }
}

fn open(rexie: &Rexie, store: rows::Store) -> Result<rexie::Store, StoreFault> {
    let transaction = rexie.transaction(&[store.name()], TransactionMode::ReadOnly);
    transaction.and_then(|transaction| transaction.store(store.name())).map_err(fault)
}

async fn pairs(
    rexie: &Rexie,
    store: rows::Store,
    range: Option<KeyRange>,
    limit: u32,
) -> Result<Vec<(JsValue, JsValue)>, StoreFault> {
    // To IndexedDB a limit of 0 is none.
    if limit == 0 {
        return Ok(Vec::new());
    }
    let store = open(rexie, store)?;
    // Both at once: one after the other takes twice as long.
    let keys = store.get_all_keys(range.clone(), Some(limit));
    let rows = store.get_all(range, Some(limit));
    let (keys, rows) = futures::try_join!(keys, rows).map_err(fault)?;
    Ok(keys.into_iter().zip(rows).collect())
}

fn fault(error: rexie::Error) -> StoreFault {
    match error {
        rexie::Error::IdbError(error) => thrown(error),
        rexie::Error::TransactionAbortFailed | rexie::Error::TransactioncommitFailed | _ => {
            StoreFault::Failed { name: "rexie".into(), message: "something unforeseen".into() }
        }
    }
}
