//! The store as the driver needs it: opened when first wanted, booted from, and asked for the device.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{DeviceId, Epoch, Fault, PageId, limits};
use bellwether_shared::bus::{Envelope, Request};
use bellwether_shared::coordinator::{Restored, too_old};
use bellwether_shared::host::{Asker, Verdict, decide};
use bellwether_shared::outbox::OutboxRows;
use bellwether_shared::rows::{
    self, DeviceRow, HostKind, LeaseRow, Op, ROW_VERSION, RowFault, WriteBatch, read,
};
use bellwether_shared::wire::{DeviceKey, KeyKind, to_cbor};
use bellwether_web::dom::DomFault;
use bellwether_web::fault::StoreFault;
use bellwether_web::store::Store;
use bellwether_web::{clock, entropy, registry, scope, sentinel, sign};
use wasm_bindgen::JsValue;

use crate::driver::Passive;

/// What a driver knows of itself when it boots; see [`Asker`].
pub(crate) struct Asks {
    pub(crate) realm: PageId,
    pub(crate) kind: HostKind,
    pub(crate) floor: Epoch,
    pub(crate) rested: bool,
    pub(crate) held: Option<PageId>,
}

/// How a boot ended.
pub(crate) enum Booted {
    /// We host.
    Up(Restored),
    /// Another does.
    Passive(Passive),
}

/// See the module.
#[derive(Default)]
pub(crate) struct Disk {
    store: RefCell<Option<Store>>,
    /// It is not the browser's: each page that begins anew has another.
    is_kept: bool,
    /// The device row found at boot.
    found: RefCell<Option<Vec<u8>>>,
    /// No page has been told yet that there had been another database.
    untold: Cell<bool>,
    signing: RefCell<Option<(JsValue, KeyKind)>>,
    /// The lease of the last boot, as it was written last.
    lease: RefCell<Option<LeaseRow>>,
    /// What [`Store::losses`] was when the coordinator booted.
    losses: Cell<u32>,
}

impl Disk {
    /// A disk of the browser's, or one that is `kept` by something else.
    pub(crate) fn new(kept: Option<Store>) -> Self {
        Self { is_kept: kept.is_some(), store: RefCell::new(kept), ..Self::default() }
    }

    /// Whether the browser has taken the database away since the coordinator booted.
    pub(crate) fn is_lost(&self) -> bool {
        self.store.borrow().as_ref().is_some_and(|store| store.losses() != self.losses.get())
    }

    /// The store, opened if it is not.
    pub(crate) async fn store(&self, channel: &str) -> Result<Store, StoreFault> {
        let open = self.store.borrow().clone();
        if let Some(store) = open {
            return Ok(store);
        }
        let store = Store::open(channel, OPEN_MAX).await?;
        *self.store.borrow_mut() = Some(store.clone());
        Ok(store)
    }

    /// Everything known is of a database that is gone.
    pub(crate) fn forget(&self) {
        *self.found.borrow_mut() = None;
        *self.signing.borrow_mut() = None;
    }

    /// One transaction: read the lease, decide, raise the epoch, load the rows.
    pub(crate) async fn boot(
        &self,
        channel: &str,
        build: &str,
        asks: Asks,
        passive: Option<Passive>,
    ) -> Result<Booted, Fault> {
        let store = self.store(channel).await?;
        let losses = store.losses();
        let now = clock::now();
        let verdict = Rc::new(Cell::new(None));
        let decided = Rc::clone(&verdict);
        let before = passive.clone();
        let build: Box<str> = build.into();
        let boot = store.boot(move |found| {
            let same = |passive: &Passive| found == Some(passive.lease.as_slice());
            let unchanged = passive.as_ref().filter(|passive| same(passive));
            let unchanged =
                unchanged.map_or(Duration::ZERO, |passive| now.mono.since(passive.since));
            // A page starts one only once it was elected.
            let Asks { realm, kind, floor, rested, held } = asks;
            let (replaced, elected) = (scope::is_replaced(), kind == HostKind::Page);
            let asker =
                Asker { realm, kind, build, floor, unchanged, replaced, rested, held, elected };
            let verdict = decide(found.map(read::<LeaseRow>), &asker, now.wall);
            let row = match &verdict {
                Verdict::Take(lease) => Some(to_cbor(lease)),
                Verdict::Wait { .. } | Verdict::TooOld => None,
            };
            decided.set(Some(verdict));
            row
        });
        let boot = boot.await?;
        // Not before: while boots fail, whatever coordinator there is remains one of the database before.
        self.losses.set(losses);
        let lease = match verdict.take() {
            Some(Verdict::Take(lease)) => lease,
            Some(Verdict::Wait { kind, .. }) => {
                let lease = boot.lease.unwrap_or_default();
                let (epoch, holder) = read::<LeaseRow>(&lease)
                    .map_or_else(|_| Default::default(), |lease| (lease.epoch, lease.holder));
                let same = before.filter(|before| before.lease == lease);
                let since = same.map_or(now.mono, |before| before.since);
                return Ok(Booted::Passive(Passive { kind, epoch, holder, lease, since }));
            }
            Some(Verdict::TooOld) | None => return Err(too_old()),
        };
        let dead = if boot.dead > 0 {
            store.read(rows::Store::Dead, LETTERS_MAX).await?
        } else {
            Vec::new()
        };
        *self.lease.borrow_mut() = Some(lease.clone());
        *self.found.borrow_mut() = boot.device;
        self.untold.set(boot.lost);
        if let Some(pair) = boot.signing {
            *self.signing.borrow_mut() = Some((pair, KeyKind::None));
        }
        Ok(Booted::Up(Restored {
            lease,
            config: boot.config,
            outbox: OutboxRows {
                streams: boot.streams,
                flights: boot.flights.into_iter().map(|(_, row)| row).collect(),
                cursors: boot.cursors,
                dead,
                answered: boot.answered,
            },
        }))
    }

    /// Writes the lease once more; or for the last time, if it is `resigned`.
    pub(crate) async fn renew(
        &self,
        channel: &str,
        every_ms: u32,
        resigned: bool,
    ) -> Result<(), StoreFault> {
        let Some(lease) = self.lease.borrow().clone() else { return Ok(()) };
        let lease = lease.renewed(every_ms, resigned, clock::now().wall);
        let (epoch, holder) = (lease.epoch, lease.holder);
        let (key, row) = (rows::LEASE_HOST.into(), to_cbor(&lease));
        let ops = vec![Op::Put { store: rows::Store::Lease, key, row }];
        *self.lease.borrow_mut() = Some(lease);
        // What is lost of it is written again.
        self.store(channel).await?.commit(&WriteBatch { epoch, holder, strict: false, ops }).await
    }

    /// The device, minted with its keys if the database is new; and whether there had been another.
    pub(crate) async fn device(&self, channel: &str) -> Result<(DeviceRow, bool), Fault> {
        let found = self.found.borrow_mut().take();
        let pair = self.signing.borrow_mut().take().map(|(pair, _)| pair);
        if let Some(found) = found {
            match read::<DeviceRow>(&found) {
                Ok(device) => {
                    let pair = pair.unwrap_or(JsValue::NULL);
                    *self.signing.borrow_mut() = Some((pair, device.key.kind));
                    return Ok((device, self.untold.get()));
                }
                Err(RowFault::Newer { .. }) => return Err(too_old()),
                // Who this was cannot be known any more: a device begins anew.
                Err(RowFault::Unreadable) => {
                    let op = Op::Delete { store: rows::Store::Meta, key: rows::META_DEVICE.into() };
                    let lease = self.lease.borrow().as_ref().map(|it| (it.epoch, it.holder));
                    let (epoch, holder) = lease.unwrap_or_default();
                    let batch = WriteBatch { epoch, holder, strict: true, ops: vec![op] };
                    self.store(channel).await?.commit(&batch).await?;
                }
            }
        }
        self.mint(channel).await
    }

    async fn mint(&self, channel: &str) -> Result<(DeviceRow, bool), Fault> {
        let unsigned = |DomFault { name, message }| StoreFault::Failed { name, message };
        let (pair, kind, public) = sign::generate().await.map_err(unsigned)?;
        let row = DeviceRow {
            version: ROW_VERSION,
            device: DeviceId(entropy::bytes()),
            key: DeviceKey { kind, public: public.into() },
            minted_at: clock::now().wall,
        };
        // The sentinel only ever tells of a loss; without it nothing else is worse. What it tells lies on disk with
        // the device: if this worker is killed now, the next one tells it.
        let before = if self.is_kept { None } else { sentinel::get(channel).await.ok().flatten() };
        let store = self.store(channel).await?;
        let (in_force, pair) = store.mint(&to_cbor(&row), &pair, before.is_some()).await?;
        let device = read::<DeviceRow>(&in_force).map_err(|_| too_old())?;
        *self.signing.borrow_mut() = Some((pair, device.key.kind));
        let name = device.device.text();
        if !self.is_kept {
            let _ = sentinel::put(channel, &name).await;
            let _ = registry::remember(channel).await;
        }
        Ok((device, before.is_some_and(|before| before != name)))
    }

    /// The device's signature; `None` if the browser could not.
    pub(crate) async fn sign(&self, statement: &[u8]) -> Option<Vec<u8>> {
        let (pair, kind) = self.signing.borrow().clone()?;
        sign::sign(&pair, kind, statement).await.ok()
    }

    /// While another hosts: what a closing page leaves is appended, which needs no role but the current lease.
    pub(crate) async fn append_farewell(&self, envelope: &Envelope<'_>, passive: &Passive) {
        let Ok(Some(Request::Farewell(farewell))) = Request::open(envelope) else { return };
        let fits =
            |row: &Vec<u8>| row.len() <= limits::EVENT_BYTES_MAX + limits::NAME_BYTES_MAX * 2;
        let rows = farewell.rows.into_iter().map(Vec::from).filter(fits);
        let ops: Vec<Op> = rows.map(|row| Op::Append { row }).collect();
        let open = self.store.borrow().clone();
        if let (Some(store), false) = (open, ops.is_empty()) {
            // If the host has changed meanwhile, the page will hear of the new one.
            let Passive { epoch, holder, .. } = *passive;
            let _ = store.commit(&WriteBatch { epoch, holder, strict: true, ops }).await;
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

const OPEN_MAX: Duration = Duration::from_secs(3);
/// Letters are capped where they are buried; a cap that was lowered since leaves the others readable.
const LETTERS_MAX: u32 = 10_000;
