//! Writing: one batch under its lease, and the device once.
//!
//! All requests are fired at once, the reading of the lease first; so the answer about the lease comes
//! before any other, and a batch of another lease is aborted with everything that was fired after it.

use std::rc::Rc;

use bellwether_shared::base::{Epoch, PageId};
use bellwether_shared::rows::{
    self, LEASE_HOST, LeaseRow, META_DEVICE, META_LOST, META_SIGNING, Op, WriteBatch,
};
use bellwether_shared::wire;
use wasm_bindgen::JsValue;
use web_sys::IdbKeyRange;

use crate::connection::Connection;
use crate::fault::StoreFault;
use crate::js;
use crate::transaction::{Mode, Request, Transaction, names};

/// A lease is a few numbers and two short texts.
const LEASE_BYTES_MAX: usize = 16 * 1024;

// Repeating it on a new handle is safe although appending is not idempotent: `Err` says that the
// transaction never began or was aborted. One whose end is not known never gets here.
pub(super) async fn commit(
    connection: &Rc<Connection>,
    batch: &WriteBatch,
) -> Result<(), StoreFault> {
    let mut checking = None;
    let fire = &mut |transaction: &Transaction| {
        let lease = transaction.store(rows::Store::Lease).get(&JsValue::from_str(LEASE_HOST));
        let (fenced, epoch, holder) = (transaction.clone(), batch.epoch, batch.holder);
        checking = lease.then(move |lease| {
            let (found, host) = lease_of(&lease);
            if found == epoch && host == holder {
                fenced.commit();
            } else {
                fenced.fail(StoreFault::Fenced { found });
            }
        });
        batch.ops.iter().for_each(|op| write(transaction, op));
    };
    let mode = Mode::Write { strict: batch.strict };
    connection.run(names(&batch.stores()), mode, fire).await
}

pub(super) async fn mint(
    connection: &Rc<Connection>,
    device: &[u8],
    signing: &JsValue,
    lost: bool,
) -> Result<(Vec<u8>, JsValue), StoreFault> {
    let (mut known, mut pair, mut minting) = (Request::default(), Request::default(), None);
    let fire = &mut |transaction: &Transaction| {
        let meta = transaction.store(rows::Store::Meta);
        let keys = [META_DEVICE, META_SIGNING].map(JsValue::from_str);
        (known, pair) = (meta.get(&keys[0]), meta.get(&keys[1]));
        let values = [js::from_bytes(device), signing.clone()];
        minting = known.then(move |known| {
            if known.is_undefined() {
                for (key, value) in keys.iter().zip(&values) {
                    meta.put(key, value);
                }
                if lost {
                    meta.put(&JsValue::from_str(META_LOST), &js::from_bytes(&[]));
                }
            }
        });
    };
    connection.run(names(&[rows::Store::Meta]), Mode::Write { strict: true }, fire).await?;
    match js::to_row(&known.value()) {
        Some(known) => Ok((known, pair.value())),
        None => Ok((device.to_vec(), signing.clone())),
    }
}

fn write(transaction: &Transaction, op: &Op) {
    let store = transaction.store(op.store());
    match op {
        Op::Put { key, row, .. } => store.put(&js::from_key(key), &js::from_bytes(row)),
        Op::Append { row } => store.add(&js::from_bytes(row)),
        Op::Delete { key, .. } => store.delete(&js::from_key(key)),
        // IndexedDB refuses a range that is the wrong way round; it holds no row.
        Op::DeleteSpan { from, through, .. } if from > through => return,
        Op::DeleteSpan { from, through, .. } => {
            let span = [*from, *through].map(js::from_number);
            let span = IdbKeyRange::bound_with_lower_open(&span[0], &span[1], false);
            store.delete(&span.map(JsValue::from).unwrap_or_default())
        }
    };
}

// Read without a look at the row's version: fields are added and never changed, and an epoch is an
// epoch, whichever build has written it.
fn lease_of(lease: &JsValue) -> (Epoch, PageId) {
    let row = js::to_row(lease).unwrap_or_default();
    let lease = wire::from_cbor::<LeaseRow>(&row, LEASE_BYTES_MAX);
    lease.map_or_else(|_| Default::default(), |lease| (lease.epoch, lease.holder))
}
