//! Browser profiles: their disks, their workers' lives, and how those end.
//!
//! What always holds: whoever dies loses what it had asked for and not yet seen done, and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bellwether_shared::base::{Epoch, EventId, Mono, Now, PageId, Wall, limits};
use bellwether_shared::bus::Notice;
use bellwether_shared::coordinator::{Client, Coordinator, Restored};
use bellwether_shared::host::{Asker, Verdict, decide};
use bellwether_shared::outbox::OutboxRows;
use bellwether_shared::rows::{
    Config, HostKind, Key, LEASE_HOST, LeaseRow, META_CONFIG, Store, StreamKey, read,
};
use bellwether_shared::wire::to_cbor;

use crate::check;
use crate::disk::{Disk, Writer};
use crate::driver::Job;
use crate::tab::Tab;
use crate::world::World;

/// A browser profile.
#[derive(Debug)]
pub struct Device {
    /// Its database.
    pub disk: Disk,
    /// How far its wall clock is off.
    pub skew_ms: i64,
    /// Coordinators that live, whether or not they are the current one.
    pub realms: BTreeMap<PageId, Realm>,
    /// The one that messages go to.
    pub current: Option<PageId>,
    /// Its pages that run the page's machine.
    pub pages: Vec<Tab>,
    /// What coordinators have said, to whomever.
    pub heard: Vec<Notice>,
    /// Letters that were thrown away.
    pub discarded: BTreeSet<EventId>,
    /// Every kind of event it has made.
    pub streams: BTreeSet<StreamKey>,
    /// Messages to the worker, in order.
    pub(crate) mail: VecDeque<(Client, Vec<u8>)>,
}

/// One life of a worker.
#[derive(Debug)]
pub struct Realm {
    /// The coordinator.
    pub machine: Coordinator,
    pub(crate) born_ms: u64,
    pub(crate) introduced: bool,
    pub(crate) alarm: Option<Mono>,
}

impl Device {
    fn new(disk: Disk) -> Self {
        Self {
            disk,
            skew_ms: 0,
            realms: BTreeMap::new(),
            current: None,
            pages: Vec::new(),
            heard: Vec::new(),
            discarded: BTreeSet::new(),
            streams: BTreeSet::new(),
            mail: VecDeque::new(),
        }
    }
}

impl World {
    /// Adds a device that knows its server.
    pub fn add_device(&mut self) -> usize {
        let mut disk = Disk::new();
        disk.no_epoch_check = self.planted.no_epoch_check;
        disk.complete_early = self.planted.complete_early;
        let config = Config {
            server: "https://server.test".into(),
            options: self.options.clone(),
            recording: self.recording,
            ..Config::default()
        };
        disk.put(Store::Meta, Key::from(META_CONFIG), to_cbor(&config));
        self.devices.push(Device::new(disk));
        self.devices.len() - 1
    }

    /// Copies a browser profile. Nothing runs in the copy yet.
    pub fn clone_device(&mut self, device: usize) -> usize {
        let from = &self.devices[device];
        let mut copy = Device {
            skew_ms: from.skew_ms,
            discarded: from.discarded.clone(),
            streams: from.streams.clone(),
            ..Device::new(from.disk.clone())
        };
        copy.disk.dies(Writer::Page);
        copy.disk.dies(Writer::Worker);
        self.devices.push(copy);
        let copy = self.devices.len() - 1;
        self.note(|| format!("device {device} is copied to {copy}"));
        copy
    }

    /// Both clocks, as a realm born at `born_ms` reads them.
    pub(crate) fn clock(&self, device: usize, born_ms: u64) -> Now {
        let wall = self.now_ms.saturating_add_signed(self.devices[device].skew_ms);
        Now { mono: Mono(self.now_ms - born_ms), wall: Wall(wall) }
    }

    /// The current coordinator.
    #[must_use]
    pub fn coordinator(&self, device: usize) -> Option<&Coordinator> {
        let here = &self.devices[device];
        Some(&here.realms.get(&here.current?)?.machine)
    }

    /// Makes sure that a worker lives, as the driver does before each fact.
    pub fn boot(&mut self, device: usize) {
        let taken_long_ago = |realm: &Realm| self.now_ms - realm.born_ms >= limits::TAKE_MS_MIN;
        let here = &self.devices[device];
        let current = here.current.and_then(|realm| here.realms.get(&realm));
        if current.is_some_and(|realm| !realm.machine.is_fenced() || !taken_long_ago(realm)) {
            return;
        }
        self.boot_another(device);
    }

    /// A new worker takes over, whether or not the one before is gone.
    pub fn boot_another(&mut self, device: usize) {
        let realm = self.fresh_realm();
        let seed = self.ids.next_u64();
        let now = self.clock(device, self.now_ms);
        let here = &mut self.devices[device];
        let found = here.disk.get(Store::Lease, &Key::from(LEASE_HOST));
        let asker = Asker {
            realm,
            kind: HostKind::Worker,
            build: "test".into(),
            floor: Epoch(0),
            unchanged: Duration::ZERO,
        };
        let Verdict::Take(lease) = decide(found.map(read::<LeaseRow>), &asker, now.wall) else {
            return;
        };
        here.disk.put(Store::Lease, Key::from(LEASE_HOST), to_cbor(&lease));
        let restored = restored(&here.disk, lease);
        let now = Now { mono: Mono(0), ..now };
        let machine = Coordinator::restore(now, &restored, seed);
        let epoch = machine.epoch().0;
        let born_ms = self.now_ms;
        here.realms.insert(realm, Realm { machine, born_ms, introduced: true, alarm: None });
        here.current = Some(realm);
        self.note(|| format!("device {device} boots epoch {epoch}"));
        self.pump(device, realm);
        self.outstanding.push((device, realm, Job::Introduce));
    }

    /// An id for a realm. Later ones are greater, so that "the first" is the oldest.
    pub(crate) fn fresh_realm(&mut self) -> PageId {
        self.count += 1;
        let mut id = self.ids.bytes::<16>();
        id[..8].copy_from_slice(&self.count.to_be_bytes());
        PageId(id)
    }

    /// Every coordinator of the device is killed.
    pub fn kill(&mut self, device: usize) {
        let realms: Vec<PageId> = self.devices[device].realms.keys().copied().collect();
        realms.into_iter().for_each(|realm| self.kill_realm(device, realm));
    }

    /// One life of a worker ends.
    pub fn kill_realm(&mut self, device: usize, realm: PageId) {
        self.keep_realm(device, realm);
        self.outstanding.retain(|(of, who, _)| (*of, *who) != (device, realm));
        let here = &mut self.devices[device];
        here.realms.remove(&realm);
        here.disk.dies(Writer::Worker);
        if here.current == Some(realm) {
            here.current = None;
        }
    }

    /// Kills all coordinators but the current one.
    pub fn kill_zombies(&mut self, device: usize) {
        let here = &self.devices[device];
        let zombies: Vec<PageId> =
            here.realms.keys().copied().filter(|realm| Some(*realm) != here.current).collect();
        zombies.into_iter().for_each(|realm| self.kill_realm(device, realm));
    }

    /// The browser is killed with everything in it.
    pub fn kill_browser(&mut self, device: usize) {
        self.kill(device);
        while !self.devices[device].pages.is_empty() {
            self.kill_page(device, 0);
        }
        let here = &mut self.devices[device];
        here.mail.clear();
        here.disk.dies(Writer::Page);
    }

    /// The power fails: what was only relaxed may be gone.
    pub fn power_cut(&mut self, device: usize) {
        self.kill_browser(device);
        self.devices[device].disk.power_cut(&mut self.chooser);
        let mut kept = check::journal_ids(&self.devices[device].disk);
        kept.extend(check::retained_ids(&self.devices[device].disk));
        let disk = &self.devices[device].disk;
        // What was only relaxed may be gone; nobody was promised more.
        self.events.retain(|id, event| {
            event.strict
                || event.device != device
                || kept.contains(id)
                || disk.get(Store::Dead, &Key::from(id.as_str())).is_some()
        });
    }
}

// What the transaction of a boot reads.
fn restored(disk: &Disk, lease: LeaseRow) -> Restored {
    let rows = |store| disk.rows(store).map(|(_, row)| row.clone()).collect();
    let last_done = disk.rows(Store::Done).last().map(|(key, _)| key.clone());
    Restored {
        lease,
        config: disk.get(Store::Meta, &Key::from(META_CONFIG)).map(<[u8]>::to_vec),
        outbox: OutboxRows {
            streams: rows(Store::Stream),
            flights: rows(Store::Flight),
            cursors: rows(Store::Cursor),
            dead: disk.rows(Store::Dead).map(|(key, row)| (key.clone(), row.clone())).collect(),
            answered: match last_done {
                Some(Key::Number(number)) => number,
                Some(Key::Text(_)) | None => 0,
            },
        },
    }
}
