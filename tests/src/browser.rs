//! Browser profiles: their disks, the lives of their workers, and how those end.
//!
//! What always holds:
//! - whoever dies loses what it had asked for and not yet seen done, and nothing else;
//! - a message for the worker that is active starts it; one for a worker that was replaced does not.

use std::collections::BTreeSet;

use bellwether_shared::base::{DeviceId, Epoch, EventId, Mono, Now, PageId, Wall};
use bellwether_shared::bus::Notice;
use bellwether_shared::coordinator::{Client, Coordinator};
use bellwether_shared::rows::{
    Config, Key, LEASE_HOST, LeaseRow, META_CONFIG, Store, StreamKey, read,
};
use bellwether_shared::wire::to_cbor;

use crate::bus::Mail;
use crate::check;
use crate::check::sparing::Spared;
use crate::disk::{Disk, DiskFault};
use crate::driver::{Event, What};
use crate::realms::Realms;
use crate::tab::Tab;
use crate::transcript::Digest;
use crate::wishes::Wiped;
use crate::world::World;

/// A browser profile.
#[derive(Debug)]
pub struct Device {
    /// Its database.
    pub disk: Disk,
    /// How far its wall clock is off.
    pub skew_ms: i64,
    /// Workers that run, whether or not they are the current one.
    pub realms: Realms,
    /// The one that runs of the version that is active.
    pub current: Option<PageId>,
    /// Counts up with whom pages post to.
    pub version: u32,
    /// Which version of the worker is active.
    pub deployed: u32,
    /// Its pages that run the page's machine.
    pub pages: Vec<Tab>,
    /// What coordinators have said, to whomever; the last status alone, unless the world remembers all.
    pub heard: Vec<Notice>,
    /// Letters that were thrown away.
    pub discarded: BTreeSet<EventId>,
    /// What was to be wiped of it.
    pub wiped: Vec<Wiped>,
    /// Every kind of event it has made.
    pub streams: BTreeSet<StreamKey>,
    /// What a place outside of the database says of who it was.
    pub sentinel: Option<DeviceId>,
    /// The database is to be deleted as soon as no frozen page holds it open; until then nobody can open it.
    pub deleting: bool,
    /// A background sync was asked for.
    pub sync_asked: bool,
    /// Messages to the worker, in the order of sending.
    pub(crate) mail: Vec<Mail>,
}

/// One life of a worker, or of a coordinator in a page.
#[derive(Debug)]
pub struct Realm {
    /// The page that hosts it.
    pub page: Option<PageId>,
    /// The coordinator, once it has booted.
    pub machine: Option<Coordinator>,
    /// Under which of the device's counts pages post to it.
    pub version: u32,
    /// Which version of the worker it is.
    pub deployed: u32,
    /// Facts that an earlier coordinator in this worker has asked for are not handed to the next.
    pub(crate) life: u64,
    pub(crate) born_ms: u64,
    /// A boot is under way.
    pub(crate) booting: bool,
    /// The lease that it has found while it may not boot: another hosts.
    pub(crate) passive: Option<(Epoch, PageId)>,
    /// Since when that has been the same.
    pub(crate) passive_ms: u64,
    /// Its coordinator has found a configuration that can be read, or has written one.
    pub(crate) configured: bool,
    /// What waits for it.
    pub(crate) waiting: Vec<Event>,
    pub(crate) handle: Handle,
    /// What the handle had lost when the coordinator booted.
    pub(crate) losses: u32,
    /// The epoch and the holder that the last boot has written.
    pub(crate) lease: (Epoch, PageId),
    /// When it last took the role.
    pub(crate) taken_ms: Option<u64>,
    pub(crate) heard: Epoch,
    pub(crate) introduced: bool,
    /// Facts that the driver has asked the machine's host for, and which are under way.
    pub(crate) running: u32,
    pub(crate) alarm: Option<Mono>,
    /// The browser waits for what becomes of a background sync.
    pub(crate) syncing: bool,
    /// Pages as the browser listed them last.
    pub(crate) listed: Vec<Client>,
    /// Until when its events last at the latest; none lasts if it is past.
    pub(crate) slice_ms: u64,
    /// Since when no event has lasted.
    pub(crate) settled_ms: Option<u64>,
    /// What its coordinator spares the server and its pages.
    pub(crate) spared: Spared,
}

/// A realm's connection to the database, as the shipped one behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Handle {
    /// Which database it is connected to.
    pub(crate) life: Option<u32>,
    /// How often the browser has taken the database away.
    pub(crate) losses: u32,
}

impl Realm {
    /// Whether its coordinator has booted from the database that is there.
    pub(crate) fn knows(&self, life: u32) -> bool {
        self.handle.life == Some(life) && self.handle.losses == self.losses && !self.booting
    }
}

impl Handle {
    pub(crate) fn lose(&mut self) {
        self.life = None;
        self.losses += 1;
    }
}

impl Device {
    fn new(disk: Disk) -> Self {
        Self {
            disk,
            skew_ms: 0,
            realms: Realms::default(),
            current: None,
            version: 1,
            deployed: 1,
            pages: Vec::new(),
            heard: Vec::new(),
            discarded: BTreeSet::new(),
            wiped: Vec::new(),
            streams: BTreeSet::new(),
            sentinel: None,
            deleting: false,
            sync_asked: false,
            mail: Vec::new(),
        }
    }

    /// Adds everything on which the rest of a story depends.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self {
            disk,
            skew_ms,
            realms,
            current,
            version,
            deployed,
            pages,
            heard,
            discarded,
            wiped,
            streams,
            sentinel,
            deleting,
            sync_asked,
            mail,
        } = self;
        disk.digest(digest);
        // Of all that was said, only the last status is ever looked at again.
        let status = heard.iter().rev().find(|notice| matches!(notice, Notice::Status(_)));
        digest.add(&(skew_ms, realms, current, version, status, discarded, streams));
        digest.add(&(sentinel, deleting, sync_asked, mail, wiped, deployed));
        pages.iter().for_each(|page| page.digest(digest));
    }

    pub(crate) fn handle(&mut self, realm: PageId) -> Option<&mut Handle> {
        if let Some(worker) = self.realms.get_mut(&realm) {
            return Some(&mut worker.handle);
        }
        self.pages.iter_mut().find(|page| page.id == realm).map(|page| &mut page.handle)
    }
}

impl World {
    /// Where the server is; nowhere if there is none.
    pub(crate) fn server_url(&self) -> &'static str {
        if self.served { "https://server.test" } else { "" }
    }

    /// Adds a device that knows its server.
    pub fn add_device(&mut self) -> usize {
        let mut disk = Disk::new();
        disk.planted = self.planted;
        let config = Config {
            server: self.server_url().into(),
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
        let copy = Device {
            skew_ms: from.skew_ms,
            discarded: from.discarded.clone(),
            wiped: from.wiped.clone(),
            streams: from.streams.clone(),
            sentinel: from.sentinel,
            ..Device::new(from.disk.copy())
        };
        self.devices.push(copy);
        self.doubts(device);
        let copy = self.devices.len() - 1;
        self.note(|| format!("device {device} is copied to {copy}"));
        copy
    }

    /// Keeps a copy of a device's disk.
    pub fn back_up_device(&mut self, device: usize) {
        let here = &self.devices[device];
        let copy = (device, here.disk.copy(), here.sentinel);
        self.disk_backups.push(copy);
    }

    /// Puts an older copy of a device's disk back; its browser is not running. What was appended since is gone.
    pub fn restore_device(&mut self, which: usize) {
        if which >= self.disk_backups.len() {
            return;
        }
        let (device, disk, sentinel) = self.disk_backups[which].clone();
        self.kill_browser(device);
        let life = self.devices[device].disk.life;
        let here = &mut self.devices[device];
        here.disk = disk;
        here.disk.life = life + 1;
        here.disk.failing = 0;
        here.sentinel = sentinel;
        self.doubts(device);
        self.note(|| format!("device {device} is put back to an older copy"));
        self.release(device);
    }

    /// Both clocks, as a realm born at `born_ms` reads them.
    pub(crate) fn clock(&self, device: usize, born_ms: u64) -> Now {
        let wall = self.now_ms.saturating_add_signed(self.devices[device].skew_ms);
        Now { mono: Mono(self.now_ms.saturating_sub(born_ms)), wall: Wall(wall) }
    }

    /// The current coordinator.
    #[must_use]
    pub fn coordinator(&self, device: usize) -> Option<&Coordinator> {
        let here = &self.devices[device];
        here.realms.get(&here.current?)?.machine.as_ref()
    }

    /// A worker of the active version, started if none runs.
    pub(crate) fn wake(&mut self, device: usize) -> PageId {
        if let Some(realm) = self.devices[device].current {
            return realm;
        }
        let id = self.new_realm(device, None);
        self.devices[device].current = Some(id);
        id
    }

    /// A worker that is woken while a page hosts.
    pub(crate) fn wake_beside(&mut self, device: usize) -> PageId {
        let here = &self.devices[device];
        let worker = |realm: &Realm| realm.page.is_none() && realm.deployed == here.deployed;
        let there = here.realms.iter().find(|(_, realm)| worker(realm)).map(|(id, _)| *id);
        there.unwrap_or_else(|| self.new_realm(device, None))
    }

    /// The page that hosts the coordinator, if one does.
    pub(crate) fn hosting_page(&self, device: usize) -> Option<PageId> {
        let here = &self.devices[device];
        here.realms.get(&here.current?)?.page
    }

    /// The worker is wedged, or the page that hosts is taken for dead: a page takes over, whether or not it is gone.
    pub fn host_in_page(&mut self, device: usize, page: usize) {
        let id = self.devices[device].pages[page].id;
        self.devices[device].version += 1;
        let realm = self.new_realm(device, Some(id));
        self.devices[device].current = Some(realm);
        self.ask_boot(device, realm);
        self.all_follow(device);
    }

    /// The page that hosts is left, frozen or dead: the next one does, or a worker if there is none.
    pub(crate) fn leave_host(&mut self, device: usize, page: PageId) {
        let here = &self.devices[device];
        let of = |realm: &Realm| realm.page == Some(page);
        let gone: Vec<PageId> =
            here.realms.iter().filter(|(_, realm)| of(realm)).map(|(id, _)| *id).collect();
        let hosted = self.hosting_page(device) == Some(page);
        gone.into_iter().for_each(|realm| self.kill_realm(device, realm));
        if !hosted {
            return;
        }
        let pages = &self.devices[device].pages;
        let next = pages.iter().position(|other| other.id != page && !other.frozen);
        match next {
            Some(next) => self.host_in_page(device, next),
            None => self.go_to_worker(device),
        }
    }

    /// The page that hosts gives the role back to a worker.
    pub fn give_back(&mut self, device: usize) {
        let here = &mut self.devices[device];
        let Some((id, realm)) = here.current.and_then(|id| Some((id, here.realms.get(&id)?)))
        else {
            return;
        };
        if realm.page.is_none() {
            return;
        }
        let key = Key::from(LEASE_HOST);
        let lease = here.disk.get(Store::Lease, &key).map(read::<LeaseRow>);
        if let Some(Ok(lease)) = lease
            && (lease.epoch, lease.holder) == realm.lease
        {
            let row = to_cbor(&lease.renewed(0, true, Wall(self.now_ms)));
            here.disk.put(Store::Lease, key, row);
        }
        self.kill_realm(device, id);
        self.go_to_worker(device);
    }

    /// Pages go to a worker: one that is there, or one that their messages start.
    pub(crate) fn go_to_worker(&mut self, device: usize) {
        let here = &mut self.devices[device];
        let version = here.version;
        // One that was wedged may have come round.
        let deployed = here.deployed;
        let there = here.realms.iter().find(|(_, it)| it.page.is_none() && it.deployed == deployed);
        here.current = there.map(|(id, _)| *id);
        here.version += 1;
        if let Some(worker) = here.current.and_then(|id| here.realms.get_mut(&id)) {
            worker.version = version + 1;
        }
        self.all_follow(device);
    }

    fn all_follow(&mut self, device: usize) {
        let pages: Vec<PageId> = self.devices[device].pages.iter().map(|page| page.id).collect();
        pages.into_iter().for_each(|page| self.later(device, page, 0, What::Follow));
    }

    fn new_realm(&mut self, device: usize, page: Option<PageId>) -> PageId {
        let id = self.fresh_realm();
        let here = &mut self.devices[device];
        let realm = Realm {
            page,
            machine: None,
            version: here.version,
            deployed: here.deployed,
            life: 0,
            born_ms: self.now_ms,
            booting: false,
            passive: None,
            passive_ms: 0,
            configured: false,
            waiting: Vec::new(),
            handle: Handle::default(),
            losses: 0,
            lease: (Epoch(0), id),
            taken_ms: None,
            heard: Epoch(0),
            introduced: false,
            running: 0,
            alarm: None,
            syncing: false,
            listed: Vec::new(),
            slice_ms: 0,
            settled_ms: None,
            spared: Spared::default(),
        };
        here.realms.insert(id, realm);
        id
    }

    /// A new version of the worker takes over, whether or not the one before is gone. Pages follow it.
    pub fn boot_another(&mut self, device: usize) {
        // Pages go to it, and one that hosts gives the role back first.
        self.give_back(device);
        let here = &mut self.devices[device];
        here.version += 1;
        here.deployed += 1;
        here.current = None;
        let realm = self.wake(device);
        self.ask_boot(device, realm);
        self.all_follow(device);
    }

    /// An id for a realm. Later ones are greater, so that "the first" is the oldest.
    pub(crate) fn fresh_realm(&mut self) -> PageId {
        self.count += 1;
        let mut id = self.ids.bytes::<16>();
        id[..8].copy_from_slice(&self.count.to_be_bytes());
        PageId(id)
    }

    /// Every worker of the device is killed.
    pub fn kill(&mut self, device: usize) {
        let realms = self.devices[device].realms.iter();
        let workers: Vec<PageId> =
            realms.filter(|(_, realm)| realm.page.is_none()).map(|(id, _)| *id).collect();
        workers.into_iter().for_each(|realm| self.kill_realm(device, realm));
    }

    /// One life of a worker ends.
    pub fn kill_realm(&mut self, device: usize, realm: PageId) {
        self.keep_realm(device, realm);
        self.outstanding.retain(|job| (job.device, job.realm) != (device, realm));
        let here = &mut self.devices[device];
        let gone = here.realms.remove(&realm);
        here.sync_asked |= gone.is_some_and(|gone| gone.syncing);
        here.disk.dies(realm);
        if here.current == Some(realm) {
            here.current = None;
        }
    }

    /// Kills all workers but the current one.
    pub fn kill_zombies(&mut self, device: usize) {
        let here = &self.devices[device];
        let zombies: Vec<PageId> =
            here.realms.keys().copied().filter(|realm| Some(*realm) != here.current).collect();
        zombies.into_iter().for_each(|realm| self.kill_realm(device, realm));
    }

    /// Workers whose events have all been over for as long as the browser lets them live are killed.
    pub(crate) fn reap(&mut self) {
        if !self.idle_limit {
            return;
        }
        for device in 0..self.devices.len() {
            let over = |realm: &Realm| {
                realm.page.is_none()
                    && realm
                        .settled_ms
                        .is_some_and(|since| self.now_ms.saturating_sub(since) >= IDLE_MS)
            };
            let realms = &self.devices[device].realms;
            let idle: Vec<PageId> =
                realms.iter().filter(|(_, realm)| over(realm)).map(|(id, _)| *id).collect();
            for realm in idle {
                self.note(|| format!("device {device}: an idle worker is stopped"));
                self.kill_realm(device, realm);
            }
        }
    }

    /// Every page dies without a word.
    pub fn kill_pages(&mut self, device: usize) {
        while !self.devices[device].pages.is_empty() {
            self.kill_page(device, 0);
        }
    }

    /// The browser is killed with everything in it.
    pub fn kill_browser(&mut self, device: usize) {
        self.kill(device);
        self.kill_pages(device);
        let here = &mut self.devices[device];
        here.mail.clear();
        if std::mem::take(&mut here.deleting) {
            self.evict(device, false);
        }
    }

    /// The power fails: what was only relaxed may be gone.
    pub fn power_cut(&mut self, device: usize) {
        self.kill_browser(device);
        let disk = &mut self.devices[device].disk;
        disk.power_cut(&mut self.chooser);
        // A boot waits for no disk; whoever had the epoch is as gone as its lease.
        let (life, left) = (disk.life, disk.epoch());
        let epochs = self.epochs.get_mut(&(device, life));
        epochs.into_iter().for_each(|epochs| epochs.retain(|epoch| *epoch <= left));
        let held = check::held(&self.devices[device].disk);
        for (id, event) in &mut self.events {
            if event.device == device && !event.strict && !held.contains(id) {
                event.promised = false;
            }
        }
    }

    /// The browser takes the database away: whoever has it open finds out at once, or with its next use.
    pub fn evict(&mut self, device: usize, told: bool) {
        self.note(|| format!("device {device}: its database is gone"));
        let here = &mut self.devices[device];
        here.disk.evict();
        here.pages.iter_mut().for_each(Tab::excuse);
        if told {
            here.realms.values_mut().for_each(|realm| realm.handle.lose());
            here.pages.iter_mut().for_each(|page| page.handle.lose());
        }
        self.release(device);
    }

    /// The whole origin is cleared: its database, and what stands beside it.
    pub fn clear_origin(&mut self, device: usize) {
        self.evict(device, true);
        self.devices[device].sentinel = None;
    }

    /// Somebody asks to delete the database. A frozen page that has it open keeps it, and everybody from opening it.
    pub fn delete_database(&mut self, device: usize) {
        let here = &mut self.devices[device];
        here.realms.values_mut().for_each(|realm| realm.handle.lose());
        let awake = here.pages.iter_mut().filter(|page| !page.frozen);
        awake.for_each(|page| page.handle.lose());
        if here.pages.iter().any(|page| page.frozen && page.handle.life.is_some()) {
            here.deleting = true;
            self.note(|| format!("device {device}: deleting the database waits for a frozen page"));
        } else {
            self.evict(device, true);
        }
    }

    // What lay only on this device is nobody's promise any more.
    fn release(&mut self, device: usize) {
        let held = check::held(&self.devices[device].disk);
        for (id, event) in &mut self.events {
            if event.device == device && !held.contains(id) {
                event.promised = false;
            }
        }
    }

    /// The device sleeps for a while, and everything on it. The clock to measure with may stand still meanwhile.
    pub fn sleep(&mut self, device: usize, ms: u64, clock_stands: bool) {
        self.now_ms += ms;
        if clock_stands {
            let here = &mut self.devices[device];
            here.realms.values_mut().for_each(|realm| realm.born_ms += ms);
            here.pages.iter_mut().for_each(|page| page.born_ms += ms);
        }
        self.devices.iter_mut().flat_map(|it| &mut it.pages).for_each(Tab::excuse);
        self.note(|| format!("device {device} has slept for {ms} ms"));
    }

    pub(crate) fn is_blocked(&self, device: usize) -> bool {
        self.devices[device].deleting
    }
}

/// How long a worker without events lives.
pub(crate) const IDLE_MS: u64 = 30_000;
/// The fault of an opening that has waited in vain.
pub(crate) const NOT_OPENED: DiskFault = DiskFault::Blocked;
