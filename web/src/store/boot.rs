//! The one transaction that a coordinator starts with.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use bellwether_shared::rows::{self, LEASE_HOST, META_CONFIG, META_DEVICE, META_SIGNING};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbCursor, IdbCursorDirection, IdbDatabase, IdbRequest};

use super::Boot;
use crate::fault::StoreFault;
use crate::listen::Listener;
use crate::transaction::{Mode, Transaction};
use crate::{js, read};

/// Asked once, whatever happens to the database.
pub(super) type Decide = Rc<Cell<Option<Box<dyn FnOnce(Option<&[u8]>) -> Option<Vec<u8>>>>>>;

// All readings are fired before the lease is decided about: nothing else can write to these stores while
// the transaction lasts, so the order within it does not matter.
pub(super) async fn boot(db: &IdbDatabase, decide: &Decide) -> Result<Boot, StoreFault> {
    let transaction = Transaction::begin(db, &STORES, Mode::Write { strict: false })?;
    let lease = transaction.store(rows::Store::Lease)?;
    let found = lease.get(&JsValue::from_str(LEASE_HOST))?;
    let verdict = Rc::new(RefCell::new(Verdict::Pending));
    let _listener = {
        let (decide, verdict) = (Rc::clone(decide), Rc::clone(&verdict));
        let (raw, found) = (transaction.raw().clone(), found.clone());
        Listener::new(&found.clone(), &["success"], move |_| {
            let row = js::to_row(&found.result().unwrap_or(JsValue::UNDEFINED));
            let Some(decide) = decide.take() else {
                // An earlier try asked it, and then lost the database.
                let _ = raw.abort();
                return;
            };
            let next = match decide(row.as_deref()) {
                None => Verdict::Left(row),
                Some(row) => {
                    let key = JsValue::from_str(LEASE_HOST);
                    match lease.put_with_key(&js::from_bytes(&row), &key) {
                        Ok(_) => Verdict::Taken(row),
                        Err(why) => {
                            let _ = raw.abort();
                            Verdict::Refused(why)
                        }
                    }
                }
            };
            *verdict.borrow_mut() = next;
        })
    };
    let meta = transaction.store(rows::Store::Meta)?;
    let device = meta.get(&JsValue::from_str(META_DEVICE))?;
    let config = meta.get(&JsValue::from_str(META_CONFIG))?;
    let signing = meta.get(&JsValue::from_str(META_SIGNING))?;
    let streams = transaction.store(rows::Store::Stream)?.get_all()?;
    let cursors = transaction.store(rows::Store::Cursor)?.get_all()?;
    let flight = transaction.store(rows::Store::Flight)?;
    let (flight_keys, flights) = (flight.get_all_keys()?, flight.get_all()?);
    let dead = transaction.store(rows::Store::Dead)?.count()?;
    let answered = transaction
        .store(rows::Store::Done)?
        .open_key_cursor_with_range_and_direction(&JsValue::UNDEFINED, IdbCursorDirection::Prev)?;
    let done = transaction.done().await;
    let (lease, taken) = match verdict.take() {
        Verdict::Taken(row) => (Some(row), true),
        Verdict::Left(row) => (row, false),
        Verdict::Refused(why) => return Err(StoreFault::thrown(&why)),
        Verdict::Pending => (None, false),
    };
    done?;
    let signing = signing.result()?;
    Ok(Boot {
        lease,
        taken,
        device: js::to_row(&device.result()?),
        config: js::to_row(&config.result()?),
        signing: (!signing.is_undefined() && !signing.is_null()).then_some(signing),
        streams: all(&streams)?,
        flights: read::pairs(&flight_keys, &flights)?,
        cursors: all(&cursors)?,
        dead: read::number(&dead)?,
        answered: last_number(&answered)?,
    })
}

const STORES: [rows::Store; 7] = [
    rows::Store::Lease,
    rows::Store::Meta,
    rows::Store::Stream,
    rows::Store::Flight,
    rows::Store::Cursor,
    rows::Store::Dead,
    rows::Store::Done,
];

#[derive(Default)]
enum Verdict {
    #[default]
    Pending,
    Taken(Vec<u8>),
    Left(Option<Vec<u8>>),
    Refused(JsValue),
}

fn all(request: &IdbRequest) -> Result<Vec<Vec<u8>>, StoreFault> {
    Ok(read::array(request)?.iter().map(|row| js::to_bytes(&row)).collect())
}

fn last_number(request: &IdbRequest) -> Result<u64, StoreFault> {
    let result = request.result()?;
    // No row, no cursor.
    if result.is_null() {
        return Ok(0);
    }
    let key = result.unchecked_into::<IdbCursor>().key()?;
    Ok(key.as_f64().unwrap_or_default() as u64)
}
