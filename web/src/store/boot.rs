//! The one transaction that a coordinator starts with.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use bellwether_shared::rows::{
    self, LEASE_HOST, META_CONFIG, META_DEVICE, META_LOST, META_SIGNING,
};
use wasm_bindgen::JsValue;

use super::Boot;
use crate::connection::Connection;
use crate::fault::StoreFault;
use crate::listen::Listener;
use crate::members::Members;
use crate::transaction::{Mode, Request, Transaction, names};
use crate::{js, read};

/// Asked once, whatever happens to the database.
pub(super) type Decide = Rc<Cell<Option<Box<dyn FnOnce(Option<&[u8]>) -> Option<Vec<u8>>>>>>;

pub(super) async fn boot(connection: &Rc<Connection>, decide: Decide) -> Result<Boot, StoreFault> {
    let mut asked = Asked::default();
    let fire = &mut |transaction: &Transaction| asked = Asked::fire(transaction, &decide);
    connection.run(names(&STORES), Mode::Write { strict: false }, fire).await?;
    Ok(asked.answers())
}

#[derive(Default)]
struct Asked {
    /// The lease as it is now, and whether it was taken.
    lease: Rc<RefCell<(Option<Vec<u8>>, bool)>>,
    device: Request,
    lost: Request,
    config: Request,
    signing: Request,
    streams: Request,
    flight_keys: Request,
    flights: Request,
    cursors: Request,
    dead: Request,
    done: Request,
    _deciding: Option<Listener>,
}

impl Asked {
    // All readings are fired before the lease is decided about: nothing else can write to these stores while
    // the transaction lasts, so the order within it does not matter.
    fn fire(transaction: &Transaction, decide: &Decide) -> Self {
        let key = JsValue::from_str(LEASE_HOST);
        let leases = transaction.store(rows::Store::Lease);
        let lease = Rc::<RefCell<_>>::default();
        let found = leases.get(&key);
        let deciding = {
            let (transaction, decide) = (transaction.clone(), Rc::clone(decide));
            let decided = Rc::clone(&lease);
            found.then(move |found| {
                let found = js::to_row(&found);
                let Some(decide) = decide.take() else {
                    // An earlier try asked it, and then lost the database.
                    return transaction.abort();
                };
                let next = decide(found.as_deref());
                if let Some(row) = &next {
                    leases.put(&key, &js::from_bytes(row));
                }
                let taken = next.is_some();
                *decided.borrow_mut() = (next.or(found), taken);
            })
        };
        let meta = transaction.store(rows::Store::Meta);
        let all = |store| transaction.store(store).all(&JsValue::UNDEFINED, u32::MAX);
        Self {
            lease,
            device: meta.get(&JsValue::from_str(META_DEVICE)),
            lost: meta.get(&JsValue::from_str(META_LOST)),
            config: meta.get(&JsValue::from_str(META_CONFIG)),
            signing: meta.get(&JsValue::from_str(META_SIGNING)),
            streams: all(rows::Store::Stream),
            flight_keys: transaction.store(rows::Store::Flight).keys(&JsValue::UNDEFINED, u32::MAX),
            flights: all(rows::Store::Flight),
            cursors: all(rows::Store::Cursor),
            dead: transaction.store(rows::Store::Dead).count(),
            done: transaction.store(rows::Store::Done).last_key(),
            _deciding: deciding,
        }
    }

    fn answers(&self) -> Boot {
        let (lease, taken) = self.lease.take();
        let signing = self.signing.value();
        Boot {
            lease,
            taken,
            device: js::to_row(&self.device.value()),
            lost: !self.lost.value().is_undefined(),
            config: js::to_row(&self.config.value()),
            signing: (!signing.is_undefined() && !signing.is_null()).then_some(signing),
            streams: rows(&self.streams),
            flights: read::pairs(&self.flight_keys, &self.flights),
            cursors: rows(&self.cursors),
            dead: self.dead.number(),
            answered: last_number(&self.done.value()),
        }
    }
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

fn rows(request: &Request) -> Vec<Vec<u8>> {
    request.list().iter().map(|row| js::to_bytes(&row)).collect()
}

fn last_number(cursor: &JsValue) -> u64 {
    // No row, no cursor, and no key.
    Members::of(cursor).get("key").as_f64().unwrap_or_default() as u64
}
