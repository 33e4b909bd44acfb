//! Reading the stores, each time in one transaction.

use bellwether_shared::rows::{Key, Store};
use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbKeyRange, IdbRequest};

use crate::fault::StoreFault;
use crate::js;
use crate::transaction::{Mode, Transaction};

/// Rows in the order of their keys, up to `limit`: all, or those with numbers beyond `after`.
pub(crate) async fn rows(
    db: &IdbDatabase,
    store: Store,
    after: Option<u64>,
    limit: u32,
) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
    // To IndexedDB a limit of 0 is none.
    if limit == 0 {
        return Ok(Vec::new());
    }
    let range = match after {
        Some(after) => beyond(after)?.into(),
        None => JsValue::UNDEFINED,
    };
    let transaction = Transaction::begin(db, &[store], Mode::Read)?;
    let store = transaction.store(store)?;
    // Both at once: one after the other takes twice as long.
    let keys = store.get_all_keys_with_key_and_limit(&range, limit)?;
    let values = store.get_all_with_key_and_limit(&range, limit)?;
    transaction.done().await?;
    pairs(&keys, &values)
}

/// One row.
pub(crate) async fn one(
    db: &IdbDatabase,
    store: Store,
    key: &Key,
) -> Result<Option<Vec<u8>>, StoreFault> {
    let transaction = Transaction::begin(db, &[store], Mode::Read)?;
    let request = transaction.store(store)?.get(&js::from_key(key))?;
    transaction.done().await?;
    Ok(js::to_row(&request.result()?))
}

/// How many rows there are.
pub(crate) async fn count(db: &IdbDatabase, store: Store) -> Result<u64, StoreFault> {
    let transaction = Transaction::begin(db, &[store], Mode::Read)?;
    let request = transaction.store(store)?.count()?;
    transaction.done().await?;
    number(&request)
}

/// What the requests for all keys and for all rows gave, together. A key that is not ours is left out.
pub(crate) fn pairs(
    keys: &IdbRequest,
    rows: &IdbRequest,
) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
    let (keys, rows) = (array(keys)?, array(rows)?);
    let mut pairs = Vec::with_capacity(keys.length() as usize);
    for at in 0..keys.length() {
        if let Some(key) = js::to_key(&keys.get(at)) {
            pairs.push((key, js::to_bytes(&rows.get(at))));
        }
    }
    Ok(pairs)
}

/// What a request for all rows gave.
pub(crate) fn array(request: &IdbRequest) -> Result<Array, StoreFault> {
    Ok(request.result()?.unchecked_into())
}

/// The number that a request gave.
pub(crate) fn number(request: &IdbRequest) -> Result<u64, StoreFault> {
    Ok(request.result()?.as_f64().unwrap_or_default() as u64)
}

// Texts come after all numbers.
fn beyond(after: u64) -> Result<IdbKeyRange, JsValue> {
    let (lower, upper) = (js::from_number(after), JsValue::from_f64(f64::INFINITY));
    IdbKeyRange::bound_with_lower_open(&lower, &upper, true)
}
