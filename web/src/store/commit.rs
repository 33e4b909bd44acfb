//! Writing: one batch under its epoch, and the device once.
//!
//! All requests are fired at once, the reading of the lease first; so the answer about the lease comes
//! before any other, and a batch of another epoch is aborted with everything that was fired after it.

use core::cell::Cell;
use std::rc::Rc;

use bellwether_shared::base::Epoch;
use bellwether_shared::rows::{
    self, LEASE_HOST, LeaseRow, META_DEVICE, META_SIGNING, Op, WriteBatch,
};
use bellwether_shared::wire;
use wasm_bindgen::JsValue;
use web_sys::{IdbDatabase, IdbKeyRange};

use crate::fault::StoreFault;
use crate::js;
use crate::listen::Listener;
use crate::transaction::{self, Mode, Transaction};

/// A lease is a few numbers and two short texts.
const LEASE_BYTES_MAX: usize = 16 * 1024;

// Repeating it on a new handle is safe although appending is not idempotent: `Err` says that the
// transaction never began or was aborted. One whose end is not known never gets here.
pub(super) async fn commit(db: &IdbDatabase, batch: &WriteBatch) -> Result<(), StoreFault> {
    let mode = Mode::Write { strict: batch.strict };
    let transaction = Transaction::begin(db, &batch.stores(), mode)?;
    let lease = transaction.store(rows::Store::Lease)?.get(&JsValue::from_str(LEASE_HOST))?;
    let fenced = Rc::new(Cell::new(None));
    let (raw, request) = (transaction.raw().clone(), lease.clone());
    let (found, epoch) = (Rc::clone(&fenced), batch.epoch);
    let _listener = Listener::new(&lease, &["success"], move |_| {
        let holds = epoch_of(&request.result().unwrap_or(JsValue::UNDEFINED));
        if holds == epoch {
            transaction::commit(&raw);
        } else {
            found.set(Some(holds));
            let _ = raw.abort();
        }
    });
    for op in &batch.ops {
        fire(&transaction, op)?;
    }
    let done = transaction.done().await;
    match fenced.get() {
        Some(found) => Err(StoreFault::Fenced { found }),
        None => done,
    }
}

pub(super) async fn mint(
    db: &IdbDatabase,
    device: &[u8],
    signing: &JsValue,
) -> Result<(Vec<u8>, JsValue), StoreFault> {
    let transaction = Transaction::begin(db, &[rows::Store::Meta], Mode::Write { strict: true })?;
    let meta = transaction.store(rows::Store::Meta)?;
    let (device_key, signing_key) =
        (JsValue::from_str(META_DEVICE), JsValue::from_str(META_SIGNING));
    let (known, pair) = (meta.get(&device_key)?, meta.get(&signing_key)?);
    let refused = Rc::new(Cell::new(None));
    let (request, row, key_pair) = (known.clone(), js::from_bytes(device), signing.clone());
    let (thrown, raw) = (Rc::clone(&refused), transaction.raw().clone());
    let _listener = Listener::new(&known, &["success"], move |_| {
        if request.result().is_ok_and(|row| !row.is_undefined()) {
            return;
        }
        let put = meta.put_with_key(&row, &device_key);
        if let Err(why) = put.and_then(|_| meta.put_with_key(&key_pair, &signing_key)) {
            thrown.set(Some(why));
            let _ = raw.abort();
        }
    });
    let done = transaction.done().await;
    if let Some(why) = refused.take() {
        return Err(StoreFault::thrown(&why));
    }
    done?;
    match js::to_row(&known.result()?) {
        Some(known) => Ok((known, pair.result()?)),
        None => Ok((device.to_vec(), signing.clone())),
    }
}

fn fire(transaction: &Transaction, op: &Op) -> Result<(), StoreFault> {
    let store = transaction.store(op.store())?;
    match op {
        Op::Put { key, row, .. } => store.put_with_key(&js::from_bytes(row), &js::from_key(key))?,
        Op::Append { row } => store.add(&js::from_bytes(row))?,
        Op::Delete { key, .. } => store.delete(&js::from_key(key))?,
        Op::DeleteSpan { from, through, .. } if from <= through => {
            let span = IdbKeyRange::bound(&js::from_number(*from), &js::from_number(*through))?;
            store.delete(&span)?
        }
        // IndexedDB refuses a range that is the wrong way round; it holds no row.
        Op::DeleteSpan { .. } => return Ok(()),
    };
    Ok(())
}

// Read without a look at the row's version: fields are added and never changed, and an epoch is an
// epoch, whichever build has written it.
fn epoch_of(lease: &JsValue) -> Epoch {
    let row = js::to_row(lease).unwrap_or_default();
    wire::from_cbor::<LeaseRow>(&row, LEASE_BYTES_MAX).map_or(Epoch(0), |lease| lease.epoch)
}
