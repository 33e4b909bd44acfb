//! The one transaction that a coordinator starts with.

use core::cell::RefCell;
use std::rc::Rc;

use bellwether_shared::rows::{
    self, LEASE_HOST, META_CONFIG, META_DEVICE, META_LOST, META_SIGNING,
};
use js_sys::Array;
use wasm_bindgen::JsValue;

use super::Boot;
use crate::connection::{Connection, Mode, Requests};
use crate::fault::StoreFault;
use crate::js;
use crate::members::Members;

/// Is shown the lease as it is, and gives the one to write.
pub(super) type Decide = Box<dyn FnOnce(Option<&[u8]>) -> Option<Vec<u8>>>;

pub(super) async fn boot(connection: &Connection, decide: Decide) -> Result<Boot, StoreFault> {
    let lease = Rc::new(RefCell::new((None, false)));
    let decided = Rc::clone(&lease);
    // Asked once, whatever happens to the database: a second try is given up.
    let mut decide = Some(decide);
    let next = move |found: JsValue| {
        let found = js::to_row(&found);
        let next = decide.take()?(found.as_deref());
        let more = Requests::default();
        if let Some(row) = &next {
            let key = JsValue::from_str(LEASE_HOST);
            more.put(rows::Store::Lease.name(), &key, &js::from_bytes(row));
        }
        let taken = next.is_some();
        *decided.borrow_mut() = (next.or(found), taken);
        Some(more)
    };
    let mode = Mode::Write { strict: false };
    let answers = connection.run(&asked(), mode, Some(Box::new(next))).await?;
    let (lease, taken) = lease.take();
    let signing = answers.value(3);
    Ok(Boot {
        lease,
        taken,
        device: answers.row(1),
        config: answers.row(2),
        signing: (!signing.is_undefined() && !signing.is_null()).then_some(signing),
        lost: !answers.value(4).is_undefined(),
        streams: rows(&answers.list(5)),
        cursors: rows(&answers.list(6)),
        flights: answers.pairs(7),
        dead: answers.number(9),
        answered: last_number(&answers.value(10)),
    })
}

// All readings are fired before the lease is decided about: nothing else can write to these stores while the
// transaction lasts, so the order within it does not matter.
fn asked() -> Requests {
    let asked = Requests::default();
    let all = JsValue::UNDEFINED;
    asked.get(rows::Store::Lease, &JsValue::from_str(LEASE_HOST));
    for key in [META_DEVICE, META_CONFIG, META_SIGNING, META_LOST] {
        asked.get(rows::Store::Meta, &JsValue::from_str(key));
    }
    asked.all(rows::Store::Stream, &all, &all);
    asked.all(rows::Store::Cursor, &all, &all);
    asked.keys(rows::Store::Flight.name(), &all, &all);
    asked.all(rows::Store::Flight, &all, &all);
    asked.count(rows::Store::Dead);
    asked.last_key(rows::Store::Done);
    asked
}

fn rows(list: &Array) -> Vec<Vec<u8>> {
    list.iter().map(|row| js::to_bytes(&row)).collect()
}

fn last_number(cursor: &JsValue) -> u64 {
    // No row, no cursor, and no key.
    Members::of(cursor).get("key").as_f64().unwrap_or_default() as u64
}
