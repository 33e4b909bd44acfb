//! A worker's boot: one transaction, the letters that it has found, and who the device is.
//!
//! What always holds: as in the shipped driver, a boot raises the epoch in the transaction that loads the rows; who the
//! device is is found out beside it. A worker that was replaced does not boot.

use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use bellwether_shared::base::{DeviceId, Epoch, Fault, PageId, RequestId, limits};
use bellwether_shared::bus::{Envelope, Notice, Request};
use bellwether_shared::coordinator::{Client, Coordinator, Input, Restored, To, too_old};
use bellwether_shared::host::{Asker, Verdict, decide};
use bellwether_shared::outbox::OutboxRows;
use bellwether_shared::rows::{
    Config, DeviceRow, HostKind, Key, LEASE_HOST, LeaseRow, META_CONFIG, META_DEVICE, META_LOST,
    Op, ROW_VERSION, Store, WriteBatch, read,
};
use bellwether_shared::wire::{DeviceKey, KeyKind, to_cbor};

use crate::check;
use crate::check::sparing::Spared;
use crate::disk::Disk;
use crate::driver::{Event, What, words};
use crate::world::World;

/// How a boot ends: with what was read, or with nothing where another hosts.
pub(crate) type Booted = Result<Option<Box<Restored>>, Fault>;

impl World {
    // One transaction: read the lease, decide, raise the epoch, load the rows.
    pub(crate) fn boot_once(&mut self, device: usize, realm: PageId) -> Booted {
        let holder = self.fresh_realm();
        let wall = self.clock(device, self.now_ms).wall;
        let here = &mut self.devices[device];
        let Some(worker) = here.realms.get_mut(&realm) else { return Err(too_old()) };
        let found = here.disk.get(Store::Lease, &Key::from(LEASE_HOST));
        let same = worker.passive == Some(here.disk.lease());
        let unchanged = if same { self.now_ms - worker.passive_ms } else { 0 };
        let asker = Asker {
            realm: holder,
            kind: if worker.page.is_some() { HostKind::Page } else { HostKind::Worker },
            build: format!("worker-{}", worker.version).into(),
            floor: worker.heard,
            unchanged: std::time::Duration::from_millis(unchanged),
            replaced: worker.page.is_none() && worker.deployed < here.deployed,
            rested: worker.taken_ms.is_none_or(|taken| self.now_ms - taken >= limits::TAKE_MS_MIN),
            held: worker.taken_ms.map(|_| worker.lease.1),
            elected: worker.page.is_some(),
        };
        let lease = match decide(found.map(read::<LeaseRow>), &asker, wall) {
            Verdict::Take(lease) => lease,
            Verdict::Wait { .. } => {
                if !same {
                    worker.passive = Some(here.disk.lease());
                    worker.passive_ms = self.now_ms;
                }
                return Ok(None);
            }
            Verdict::TooOld => return Err(too_old()),
        };
        let lease = if self.planted.lease_kept && lease.epoch.0 > 1 {
            LeaseRow { epoch: Epoch(lease.epoch.0 - 1), ..lease }
        } else {
            lease
        };
        let (key, row) = (Key::from(LEASE_HOST), to_cbor(&lease));
        here.disk.boot(realm, Op::Put { store: Store::Lease, key, row }).map_err(words)?;
        if let Some(worker) = here.realms.get_mut(&realm) {
            worker.losses = worker.handle.losses;
            worker.lease = (lease.epoch, lease.holder);
        }
        let restored = restored(&here.disk, lease);
        let config = restored.config.as_deref().map(read::<Config>);
        if let Some(worker) = here.realms.get_mut(&realm) {
            worker.configured = matches!(config, Some(Ok(_)));
        }
        let found = check::writer::booted(self, device, &restored.lease);
        self.violations.extend(found);
        Ok(Some(Box::new(restored)))
    }

    pub(crate) fn booted(&mut self, device: usize, realm: PageId, result: Booted) {
        let seed = self.ids.next_u64();
        let born_ms = self.devices[device].realms.get(&realm).map_or(0, |realm| realm.born_ms);
        let now = self.clock(device, born_ms);
        let row = self.devices[device].disk.get(Store::Meta, &Key::from(META_DEVICE));
        let row = row.map(<[u8]>::to_vec);
        let Some(here) = self.devices[device].realms.get_mut(&realm) else { return };
        here.booting = false;
        let waiting = std::mem::take(&mut here.waiting);
        match result {
            Ok(Some(restored)) => {
                self.keep_realm(device, realm);
                let machine = Coordinator::restore(now, &restored, seed);
                let Some(here) = self.devices[device].realms.get_mut(&realm) else { return };
                let epoch = machine.epoch();
                here.machine = Some(machine);
                here.passive = None;
                here.life += 1;
                here.spared = Spared::default();
                here.heard = here.heard.max(epoch);
                here.taken_ms = Some(self.now_ms);
                here.introduced = true;
                here.running += 1;
                self.note(|| format!("device {device} boots epoch {}", epoch.0));
                self.pump(device, realm);
                self.later(device, realm, 0, What::Introduce(row));
            }
            // A page is never told to wait: whoever it takes the role from was taken for dead.
            Ok(None) => {
                self.give_up(device, realm);
                self.pump(device, realm);
                let trigger = waiting.iter().rev().find_map(|event| match event {
                    Event::Trigger(trigger) => Some(*trigger),
                    Event::Message(..) => None,
                });
                let lease = self.devices[device].disk.get(Store::Lease, &Key::from(LEASE_HOST));
                let lease = lease.and_then(|lease| read::<LeaseRow>(lease).ok());
                if lease.is_some_and(|lease| lease.kind == HostKind::Page) {
                    let patience = limits::LEASE_PATIENCE_MS;
                    self.later(device, realm, patience, What::Again(trigger));
                }
            }
            Err(fault) => {
                let notice = Notice::Trouble(fault);
                let message = notice.seal("worker", realm, RequestId(0), Epoch(0));
                self.list(device, realm);
                self.send(device, realm, &To::All, &message);
            }
        }
        for event in waiting {
            self.tell(device, realm, event);
        }
    }

    /// Another hosts: a page is told so, and what a closing page leaves is appended.
    pub(crate) fn answer_passively(
        &mut self,
        device: usize,
        realm: PageId,
        from: &Client,
        bytes: &[u8],
    ) {
        let here = self.devices[device].realms.get(&realm);
        let Some((epoch, holder)) = here.and_then(|here| here.passive) else { return };
        let Ok(envelope) = Envelope::read(bytes) else { return };
        let page = self.hosting_page(device);
        let kind = if page.is_some() { HostKind::Page } else { HostKind::Worker };
        let message = Notice::HostedBy { kind }.seal("worker", realm, envelope.request, epoch);
        let to = To::Client(from.clone());
        if let Ok(Some(Request::Farewell(farewell))) = Request::open(&envelope)
            && !farewell.rows.is_empty()
        {
            let rows = farewell.rows.into_iter();
            let ops = rows.map(|row| Op::Append { row: row.into() }).collect();
            let batch = WriteBatch { epoch, holder, strict: true, ops };
            return self.later(device, realm, 0, What::Farewell(batch, to, message));
        }
        self.send(device, realm, &to, &message);
    }

    /// The database was made anew under the coordinator: whatever it knows is of the old one.
    pub(crate) fn start_over(&mut self, device: usize, realm: PageId) {
        self.give_up(device, realm);
        self.ask_boot(device, realm);
    }

    fn give_up(&mut self, device: usize, realm: PageId) {
        self.keep_realm(device, realm);
        if let Some(here) = self.devices[device].realms.get_mut(&realm) {
            here.life += 1;
            here.machine = None;
        }
    }

    pub(crate) fn fresh_device(&mut self, device: usize) -> DeviceRow {
        let minted_at = self.clock(device, self.now_ms).wall;
        let kind = if self.signed { KeyKind::Ed25519 } else { KeyKind::None };
        let id = DeviceId(self.ids.bytes());
        let key = DeviceKey { kind, public: Vec::new().into() };
        DeviceRow { version: ROW_VERSION, device: id, key, minted_at }
    }

    // One transaction: the row and the pair are kept, unless there is a device already.
    pub(crate) fn mint(&mut self, device: usize, mut row: DeviceRow) -> Vec<Input> {
        let key = Key::from(META_DEVICE);
        let seed: [u8; 32] = self.ids.bytes();
        let here = &mut self.devices[device];
        let known = here.disk.get(Store::Meta, &key).map(read::<DeviceRow>);
        let in_force = match known {
            Some(Ok(row)) => row,
            Some(Err(_)) => return vec![Input::DeviceFailed(too_old())],
            None => {
                if row.key.kind == KeyKind::Ed25519 {
                    let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
                    here.disk.pair = Some(Arc::new(pair.expect("32 bytes are a seed")));
                    row.key.public = here.disk.public_key().into();
                }
                let mut ops = vec![Op::Put { store: Store::Meta, key, row: to_cbor(&row) }];
                if here.sentinel.is_some() {
                    let key = Key::from(META_LOST);
                    ops.push(Op::Put { store: Store::Meta, key, row: Vec::new() });
                }
                if let Err(fault) = here.disk.write(&ops, true) {
                    return vec![Input::DeviceFailed(words(fault))];
                }
                row
            }
        };
        let before = here.sentinel.replace(in_force.device);
        let lost = before.is_some_and(|before| before != in_force.device);
        let mut facts = if lost { vec![Input::DatabaseLost] } else { Vec::new() };
        facts.push(Input::Device(in_force));
        facts
    }

    pub(crate) fn introduced(
        &mut self,
        device: usize,
        realm: PageId,
        life: u64,
        facts: Vec<Input>,
    ) {
        self.ran(device, realm);
        let known = facts.iter().any(|fact| matches!(fact, Input::Device(_)));
        let Some(here) = self.devices[device].realms.get_mut(&realm) else { return };
        if here.life != life {
            return self.pump(device, realm);
        }
        here.introduced = known;
        facts.into_iter().for_each(|fact| self.hand_in(device, realm, fact));
        self.pump(device, realm);
    }
}

// What the transaction of a boot reads.
fn restored(disk: &Disk, lease: LeaseRow) -> Restored {
    let rows = |store| disk.rows(store).map(|(_, row)| row.clone()).collect();
    let last_done = disk.rows(Store::Done).next_back().map(|(key, _)| key.clone());
    Restored {
        lease,
        config: disk.get(Store::Meta, &Key::from(META_CONFIG)).map(<[u8]>::to_vec),
        outbox: OutboxRows {
            streams: rows(Store::Stream),
            flights: rows(Store::Flight),
            cursors: rows(Store::Cursor),
            dead: Vec::new(),
            answered: match last_done {
                Some(Key::Number(number)) => number,
                Some(Key::Text(_)) | None => 0,
            },
        },
    }
}
