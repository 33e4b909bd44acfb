//! Writing: one batch under its lease, and the device once.
//!
//! All requests are fired at once, the reading of the lease first; so the answer about the lease comes
//! before any other, and a batch of another lease is aborted with everything that was fired after it.

use core::cell::Cell;
use std::rc::Rc;

use bellwether_shared::base::{Epoch, PageId};
use bellwether_shared::rows::{
    self, LEASE_HOST, LeaseRow, META_DEVICE, META_LOST, META_SIGNING, Op, WriteBatch,
};
use bellwether_shared::wire;
use wasm_bindgen::JsValue;
use web_sys::IdbKeyRange;

use crate::connection::{Connection, Mode, Requests};
use crate::fault::StoreFault;
use crate::js;

/// A lease is a few numbers and two short texts.
const LEASE_BYTES_MAX: usize = 16 * 1024;

// Repeating it on a new handle is safe although appending is not idempotent: `Err` says that the
// transaction never began or was aborted. One whose end is not known never gets here.
pub(super) async fn commit(connection: &Connection, batch: &WriteBatch) -> Result<(), StoreFault> {
    let requests = Requests::default();
    requests.get(rows::Store::Lease, &JsValue::from_str(LEASE_HOST));
    batch.ops.iter().for_each(|op| ask(&requests, op));
    let fence = Rc::new(Cell::new(None));
    let (fenced, epoch, holder) = (Rc::clone(&fence), batch.epoch, batch.holder);
    let next = move |lease| {
        let (found, host) = lease_of(&lease);
        let holds = found == epoch && host == holder;
        fenced.set((!holds).then_some(found));
        holds.then(Requests::default)
    };
    let mode = Mode::Write { strict: batch.strict };
    let done = connection.run(&requests, mode, Some(Box::new(next))).await;
    match fence.get() {
        Some(found) => Err(StoreFault::Fenced { found }),
        None => done.map(drop),
    }
}

pub(super) async fn mint(
    connection: &Connection,
    device: &[u8],
    signing: &JsValue,
    lost: bool,
) -> Result<(Vec<u8>, JsValue), StoreFault> {
    let keys = [META_DEVICE, META_SIGNING, META_LOST].map(JsValue::from_str);
    let requests = Requests::default();
    keys.iter().take(2).for_each(|key| requests.get(rows::Store::Meta, key));
    let values = [js::from_bytes(device), signing.clone(), js::from_bytes(&[])];
    let next = move |known: JsValue| {
        let more = Requests::default();
        let count = if !known.is_undefined() {
            0
        } else if lost {
            3
        } else {
            2
        };
        for (key, value) in keys.iter().zip(&values).take(count) {
            more.put(rows::Store::Meta.name(), key, value);
        }
        Some(more)
    };
    let mode = Mode::Write { strict: true };
    let answers = connection.run(&requests, mode, Some(Box::new(next))).await?;
    match answers.row(0) {
        Some(known) => Ok((known, answers.value(1))),
        None => Ok((device.to_vec(), signing.clone())),
    }
}

fn ask(requests: &Requests, op: &Op) {
    let store = op.store();
    match op {
        Op::Put { key, row, .. } => {
            requests.put(store.name(), &js::from_key(key), &js::from_bytes(row));
        }
        Op::Append { row } => requests.add(store, &js::from_bytes(row)),
        Op::Delete { key, .. } => requests.delete(store, &js::from_key(key)),
        // IndexedDB refuses a range that is the wrong way round; it holds no row.
        Op::DeleteSpan { from, through, .. } if from > through => {}
        Op::DeleteSpan { from, through, .. } => {
            let span = [*from, *through].map(js::from_number);
            let span = IdbKeyRange::bound_with_lower_open(&span[0], &span[1], false);
            requests.delete(store, &span.map(JsValue::from).unwrap_or_default());
        }
    }
}

// Read without a look at the row's version: fields are added and never changed, and an epoch is an
// epoch, whichever build has written it.
fn lease_of(lease: &JsValue) -> (Epoch, PageId) {
    let row = js::to_row(lease).unwrap_or_default();
    let lease = wire::from_cbor::<LeaseRow>(&row, LEASE_BYTES_MAX);
    lease.map_or_else(|_| Default::default(), |lease| (lease.epoch, lease.holder))
}
