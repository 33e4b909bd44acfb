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
use crate::connection::Connection;
use crate::fault::StoreFault;
use crate::{alarm, js};

#[derive(Default)]
pub(super) struct Reader(RefCell<Option<Rc<Rexie>>>);

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
        let rexie = self.0.take();
        // One that is still read from closes with its reader.
        if let Some(rexie) = rexie.and_then(Rc::into_inner) {
            rexie.close();
        }
    }

    async fn with<T>(
        &self,
        connection: &Rc<Connection<Idb>>,
        read: impl AsyncFn(&Rexie) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        match read(&*self.rexie(connection).await?).await {
            Err(fault) if fault.is_of_handle() => {
                self.close();
                connection.close();
                read(&*self.rexie(connection).await?).await
            }
            done => done,
        }
    }

    async fn rexie(&self, connection: &Rc<Connection<Idb>>) -> Result<Rc<Rexie>, StoreFault> {
        if let Some(rexie) = self.current() {
            return Ok(rexie);
        }
        connection.database().await?;
        let opening = Rexie::builder(connection.name()).build();
        let opened = alarm::within(connection.timeout(), opening).await;
        let rexie = Rc::new(opened.ok_or(StoreFault::Timeout)?.map_err(fault)?);
        Ok(self.0.borrow_mut().get_or_insert(rexie).clone())
    }

    fn current(&self) -> Option<Rc<Rexie>> {
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
    let keys = store.get_all_keys(range.clone(), Some(limit)).await.map_err(fault)?;
    let rows = store.get_all(range, Some(limit)).await.map_err(fault)?;
    Ok(keys.into_iter().zip(rows).collect())
}

fn fault(error: rexie::Error) -> StoreFault {
    match error {
        rexie::Error::IdbError(error) => thrown(error),
        other @ (rexie::Error::TransactionAbortFailed
        | rexie::Error::TransactioncommitFailed
        | _) => StoreFault::Failed { name: "rexie".into(), message: other.to_string().into() },
    }
}
