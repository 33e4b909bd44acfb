//! Reading the stores, each time in one transaction.

use std::rc::Rc;

use bellwether_shared::rows::{Key, Store};
use wasm_bindgen::JsValue;
use web_sys::IdbKeyRange;

use crate::connection::Connection;
use crate::fault::StoreFault;
use crate::js;
use crate::transaction::{Mode, Request, Transaction, names};

/// Rows in the order of their keys, up to `limit`: all, or those with numbers beyond `after`.
pub(crate) async fn rows(
    connection: &Rc<Connection>,
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
    let (mut keys, mut rows) = (Request::default(), Request::default());
    let fire = &mut |transaction: &Transaction| {
        let store = transaction.store(store);
        // Both at once: one after the other takes twice as long.
        (keys, rows) = (store.keys(&range, limit), store.all(&range, limit));
    };
    connection.run(names(&[store]), Mode::Read, fire).await?;
    Ok(pairs(&keys, &rows))
}

/// One row.
pub(crate) async fn one(
    connection: &Rc<Connection>,
    store: Store,
    key: &Key,
) -> Result<Option<Vec<u8>>, StoreFault> {
    let mut row = Request::default();
    let fire = &mut |transaction: &Transaction| {
        row = transaction.store(store).get(&js::from_key(key));
    };
    connection.run(names(&[store]), Mode::Read, fire).await?;
    Ok(js::to_row(&row.value()))
}

/// How many rows there are.
pub(crate) async fn count(connection: &Rc<Connection>, store: Store) -> Result<u64, StoreFault> {
    let mut count = Request::default();
    let fire = &mut |transaction: &Transaction| count = transaction.store(store).count();
    connection.run(names(&[store]), Mode::Read, fire).await?;
    Ok(count.number())
}

/// What the requests for keys and for their rows gave, together. A key that is not ours is left out.
pub(crate) fn pairs(keys: &Request, rows: &Request) -> Vec<(Key, Vec<u8>)> {
    let (keys, rows) = (keys.list(), rows.list());
    let mut pairs = Vec::with_capacity(keys.length() as usize);
    for at in 0..keys.length() {
        if let Some(key) = js::to_key(&keys.get(at)) {
            pairs.push((key, js::to_bytes(&rows.get(at))));
        }
    }
    pairs
}

// Texts come after all numbers.
fn beyond(after: u64) -> Result<IdbKeyRange, JsValue> {
    let (lower, upper) = (js::from_number(after), JsValue::from_f64(f64::INFINITY));
    IdbKeyRange::bound_with_lower_open(&lower, &upper, true)
}
