//! The journal as a page sees it: appending to it, and reading the stores.
//!
//! What always holds:
//! - rows of one call are written together and in their order, at positions that follow one another;
//! - `append` resolves when they are on disk, and fails when none of them is.
//!
//! Not here: what a row means, and when rows are grouped; the page's machine decides that.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::rows::{Key, Store};
use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbKeyRange, IdbOpenDbRequest, IdbRequest};

use crate::connection::{Connection, Open};
use crate::fault::StoreFault;
use crate::js;
use crate::listen::Listener;
use crate::once::Once;
use crate::realm::realm;
use crate::schema::{self, Schema};
use crate::transaction::{Mode, Transaction};

/// The journal of one channel. A clone shares the connection; with the last one it closes.
#[derive(Clone)]
pub struct Journal(Rc<Connection<Raw>>);

impl Journal {
    /// Opens the channel's database, and creates it if it is new.
    ///
    /// Fails after `timeout`, in which it tries twice; so does each later use that has to open it again.
    pub async fn open(channel: &str, timeout: Duration) -> Result<Self, StoreFault> {
        let name = schema::database_name(channel);
        let connection = Connection::new(&name, &schema::CHANNEL, timeout);
        connection.database().await?;
        Ok(Self(connection))
    }

    /// Appends `rows`, and gives the position of the last; the others are right before it. 0 for none.
    ///
    /// `strict`: resolves only once the disk has them, not only the operating system.
    pub async fn append(&self, rows: &[Vec<u8>], strict: bool) -> Result<u64, StoreFault> {
        self.0.with(async |db| append(db, rows, strict).await).await
    }

    /// Rows of a store in the order of their keys, up to `limit`.
    pub async fn read(&self, store: Store, limit: u32) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.0.with(async |db| read(db, store, &JsValue::UNDEFINED, limit).await).await
    }

    /// Rows of a store with numbers beyond `after`, ascending.
    pub async fn read_after(
        &self,
        store: Store,
        after: u64,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        let beyond = IdbKeyRange::lower_bound_with_open(&js::from_key(&Key::Number(after)), true)
            .map_err(|thrown| StoreFault::thrown(&thrown))?;
        self.0.with(async |db| read(db, store, &beyond, u32::MAX).await).await
    }

    /// One row.
    pub async fn read_one(&self, store: Store, key: &Key) -> Result<Option<Vec<u8>>, StoreFault> {
        self.0.with(async |db| read_one(db, store, key).await).await
    }

    /// How many rows a store has.
    pub async fn count(&self, store: Store) -> Result<u64, StoreFault> {
        self.0.with(async |db| count(db, store).await).await
    }

    /// Lets go of the database, as a page should in `pagehide`; the next use opens it again.
    pub fn close(&self) {
        self.0.close();
    }
}

impl core::fmt::Debug for Journal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Journal")
    }
}

async fn append(db: &IdbDatabase, rows: &[Vec<u8>], strict: bool) -> Result<u64, StoreFault> {
    let transaction = Transaction::begin(db, &[Store::Journal], Mode::Write { strict })?;
    let journal = transaction.store(Store::Journal)?;
    let mut last = None;
    for row in rows {
        last = Some(journal.add(&js::from_bytes(row))?);
    }
    transaction.commit().await?;
    match last {
        Some(request) => number(&request),
        None => Ok(0),
    }
}

async fn read(
    db: &IdbDatabase,
    store: Store,
    query: &JsValue,
    limit: u32,
) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
    let transaction = Transaction::begin(db, &[store], Mode::Read)?;
    let rows = transaction.store(store)?;
    let keys = rows.get_all_keys_with_key_and_limit(query, limit)?;
    let values = rows.get_all_with_key_and_limit(query, limit)?;
    transaction.done().await?;
    let (keys, values): (Array, Array) =
        (keys.result()?.unchecked_into(), values.result()?.unchecked_into());
    let pairs = keys.iter().zip(values.iter());
    Ok(pairs.filter_map(|(key, value)| Some((js::to_key(&key)?, js::to_bytes(&value)))).collect())
}

async fn read_one(
    db: &IdbDatabase,
    store: Store,
    key: &Key,
) -> Result<Option<Vec<u8>>, StoreFault> {
    let transaction = Transaction::begin(db, &[store], Mode::Read)?;
    let request = transaction.store(store)?.get(&js::from_key(key))?;
    transaction.done().await?;
    Ok(js::to_row(&request.result()?))
}

async fn count(db: &IdbDatabase, store: Store) -> Result<u64, StoreFault> {
    let transaction = Transaction::begin(db, &[store], Mode::Read)?;
    let request = transaction.store(store)?.count()?;
    transaction.done().await?;
    number(&request)
}

fn number(request: &IdbRequest) -> Result<u64, StoreFault> {
    Ok(request.result()?.as_f64().unwrap_or_default() as u64)
}

/// Opens a database with nothing but the browser's own calls.
enum Raw {}

impl Open for Raw {
    async fn open(
        name: &str,
        version: Option<u32>,
        schema: &'static Schema,
        blocked: Rc<Cell<bool>>,
    ) -> Result<IdbDatabase, StoreFault> {
        let request = request(name, version)?;
        let opened = Once::new();
        let (ended, observed) = (opened.clone(), request.clone());
        let kinds = &["upgradeneeded", "blocked", "success", "error"];
        let _listener = Listener::new(&request, kinds, move |event| match event.type_().as_str() {
            "upgradeneeded" => upgrade(&observed, schema),
            "blocked" => blocked.set(true),
            "success" => drop(ended.put(database(&observed))),
            _ => drop(ended.put(Err(reason(&observed)))),
        });
        opened.get().await
    }
}

fn request(name: &str, version: Option<u32>) -> Result<IdbOpenDbRequest, StoreFault> {
    let unavailable = |thrown: JsValue| {
        let why = crate::dom::DomFault::new(&thrown);
        StoreFault::Unavailable(why.message)
    };
    let factory = realm().indexed_db().map_err(unavailable)?;
    let factory = factory.ok_or_else(|| StoreFault::Unavailable("".into()))?;
    match version {
        Some(version) => factory.open_with_u32(name, version),
        None => factory.open(name),
    }
    .map_err(unavailable)
}

fn database(request: &IdbOpenDbRequest) -> Result<IdbDatabase, StoreFault> {
    Ok(request.result()?.unchecked_into())
}

// A schema that cannot be completed is none: the upgrade is undone, and the request fails.
fn upgrade(request: &IdbOpenDbRequest, schema: &Schema) {
    let upgraded = database(request).is_ok_and(|db| (schema.complete)(&db).is_ok());
    if let (false, Some(transaction)) = (upgraded, request.transaction()) {
        let _ = transaction.abort();
    }
}

fn reason(request: &IdbOpenDbRequest) -> StoreFault {
    match request.error() {
        Ok(Some(error)) => StoreFault::thrown(&error),
        Ok(None) | Err(_) => StoreFault::Closed,
    }
}
