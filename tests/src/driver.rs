//! A worker's driver, as thin as the browser's: every effect is carried out, its fact handed back.
//!
//! What always holds: what is outstanding at one time happens in any order, but commits in the order of asking, and
//! messages at once.

use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use bellwether_shared::base::{Culprit, DeviceId, Fault, PageId};
use bellwether_shared::coordinator::{Effect, Input, Trigger};
use bellwether_shared::rows::{DeviceRow, Key, META_DEVICE, ROW_VERSION, Store, read};
use bellwether_shared::wire::{DeviceKey, KeyKind, to_cbor};

use crate::check;
use crate::disk::CommitFault;
use crate::transcript;
use crate::world::World;

/// Something outstanding.
#[derive(Debug)]
pub(crate) enum Job {
    /// An effect has been asked for.
    Do(Effect),
    /// It is done, and its fact is on the way back.
    Tell(Input),
    /// The device is to be found out, or minted.
    Introduce,
}

impl World {
    /// Something other than a page wakes the worker.
    pub fn trigger(&mut self, device: usize, trigger: Trigger) {
        self.boot(device);
        self.tell_current(device, Input::Trigger(trigger));
    }

    /// The current coordinator is told something.
    pub fn tell_current(&mut self, device: usize, input: Input) {
        if let Some(realm) = self.devices[device].current {
            self.hand_in(device, realm, input);
            let Some(here) = self.devices[device].realms.get_mut(&realm) else { return };
            if !std::mem::replace(&mut here.introduced, true) {
                self.outstanding.push((device, realm, Job::Introduce));
            }
        }
    }

    pub(crate) fn hand_in(&mut self, device: usize, id: PageId, input: Input) {
        let Some(realm) = self.devices[device].realms.get(&id) else { return };
        let (born_ms, epoch) = (realm.born_ms, realm.machine.epoch().0);
        let now = self.clock(device, born_ms);
        self.fact(&input, || format!("{device}.worker{epoch} < {}", transcript::fact(&input)));
        if let Some(realm) = self.devices[device].realms.get_mut(&id) {
            realm.machine.handle(now, input);
        }
        self.pump(device, id);
    }

    pub(crate) fn pump(&mut self, device: usize, id: PageId) {
        let Some(realm) = self.devices[device].realms.get(&id) else { return };
        let (born_ms, epoch) = (realm.born_ms, realm.machine.epoch().0);
        let now = self.clock(device, born_ms);
        while let Some(realm) = self.devices[device].realms.get_mut(&id) {
            let Some(effect) = realm.machine.poll_effect() else {
                realm.alarm = realm.machine.poll_timeout(now);
                return;
            };
            self.fact(&effect, || {
                format!("{device}.worker{epoch} > {}", transcript::effect(&effect))
            });
            self.keep_saved(&effect);
            match effect {
                Effect::Send { to, message } => self.send(device, &to, &message),
                Effect::AskForSync => {}
                Effect::StartOver
                | Effect::Commit { .. }
                | Effect::Sign { .. }
                | Effect::Push { .. }
                | Effect::ReadJournal { .. }
                | Effect::ReadRetained { .. }
                | Effect::ReadOld { .. }
                | Effect::ListClients => self.outstanding.push((device, id, Job::Do(effect))),
            }
        }
    }

    pub(crate) fn perform(&mut self, device: usize, realm: PageId, job: Job) {
        let fact = match job {
            Job::Tell(input) => return self.hand_in(device, realm, input),
            Job::Introduce => self.introduce(device),
            Job::Do(effect) => self.carry_out(device, realm, effect),
        };
        if let Some(fact) = fact {
            self.outstanding.push((device, realm, Job::Tell(fact)));
        }
    }

    fn introduce(&mut self, device: usize) -> Option<Input> {
        let key = Key::from(META_DEVICE);
        if let Some(row) = self.devices[device].disk.get(Store::Meta, &key) {
            return Some(Input::Device(read(row).expect("the device row is this build's")));
        }
        let minted_at = self.clock(device, self.now_ms).wall;
        let (id, seed): ([u8; 16], [u8; 32]) = (self.ids.bytes(), self.ids.bytes());
        let disk = &mut self.devices[device].disk;
        let kind = if self.signed { KeyKind::Ed25519 } else { KeyKind::None };
        if self.signed {
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes are a seed");
            disk.pair = Some(Arc::new(pair));
        }
        let row = DeviceRow {
            version: ROW_VERSION,
            device: DeviceId(id),
            key: DeviceKey { kind, public: disk.public_key().into() },
            minted_at,
        };
        disk.put(Store::Meta, key, to_cbor(&row));
        Some(Input::Device(row))
    }

    fn carry_out(&mut self, device: usize, realm: PageId, effect: Effect) -> Option<Input> {
        Some(match effect {
            Effect::Commit { ticket, batch } => {
                let found = check::commit(self, device, &batch);
                match self.devices[device].disk.commit(&batch) {
                    Ok(()) => {
                        self.violations.extend(found);
                        Input::Committed(ticket)
                    }
                    Err(CommitFault::Fenced { found }) if found < batch.epoch => {
                        self.kill_realm(device, realm);
                        self.boot(device);
                        return None;
                    }
                    Err(CommitFault::Fenced { .. }) => Input::Fenced,
                    Err(CommitFault::Quota) => Input::CommitFailed { ticket, fault: full() },
                }
            }
            Effect::Sign { ticket, statement } => {
                let pair = self.devices[device].disk.pair.as_ref();
                let signature = pair.map(|pair| pair.sign(&statement).as_ref().to_vec());
                Input::Signed { ticket, signature: Some(signature.unwrap_or_default()) }
            }
            Effect::Push { ticket, token, body, .. } => {
                let token = token.map(|token| token.0);
                let response = self.push(device, realm, token.as_deref(), &body);
                Input::Response { ticket, response }
            }
            Effect::ReadJournal { after, limit } => {
                let rows = self.devices[device].disk.numbered(Store::Journal, after, limit);
                Input::Journal { ended: rows.len() < limit as usize, rows }
            }
            Effect::ReadRetained { ticket, after, limit } => {
                let rows = self.devices[device].disk.numbered(Store::Retained, after, limit);
                Input::Retained { ticket, rows }
            }
            Effect::ReadOld { store, limit } => {
                let rows = self.devices[device].disk.numbered(store, 0, limit);
                Input::Old { store, rows }
            }
            Effect::ListClients => {
                let pages = self.devices[device].pages.iter();
                Input::Clients(pages.map(|page| page.client.clone()).collect())
            }
            Effect::StartOver => {
                self.kill_realm(device, realm);
                self.boot(device);
                return None;
            }
            Effect::Send { .. } | Effect::AskForSync => return None,
        })
    }
}

fn full() -> Fault {
    Fault::new("store-quota", Culprit::Browser, "the disk is full")
}
