//! Devices, a network and a server, moved on one thing at a time.
//!
//! What always holds:
//! - whatever could as well be otherwise is asked of the [`Chooser`]; the same choices make the same world;
//! - one thing happens at a time, and time passes only when it is chosen to, or when nothing else can happen;
//! - after each step the checkers have had their look.
//!
//! Not here: what can befall the world (`generate`), and how its parts work: `browser`, `driver`, `tab`, `bus`,
//! `network`, `model`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use bellwether_shared::base::{DeviceId, Epoch, EventId, PageId, Rng};
use bellwether_shared::bus::Network;
use bellwether_shared::coordinator::{Coordinator, Input, Trigger};
use bellwether_shared::page;
use bellwether_shared::rows::Options;
use bellwether_shared::tape::Recording;

use crate::browser::{Device, IDLE_MS, Realm};
use crate::check::{self, LogWatch};
use crate::choice::Chooser;
use crate::disk::Disk;
use crate::driver::{Job, What};
use crate::fault::Planted;
use crate::model::Appended;
use crate::server::{Server, Tables};
use crate::tab::Tab;
use crate::transcript::{Detail, Transcript};
use crate::weather::Weather;

/// See the module.
#[derive(Debug)]
pub struct World {
    /// Everything that could as well be otherwise.
    pub chooser: Chooser,
    /// Ids, keys, and seeds of coordinators.
    pub ids: Rng,
    /// True time.
    pub now_ms: u64,
    /// Devices, clones included.
    pub devices: Vec<Device>,
    /// The server.
    pub server: Server,
    /// What befalls requests.
    pub weather: Weather,
    /// Requests that will arrive some time, whoever sent them.
    pub strays: Vec<Vec<u8>>,
    /// Users whose pushes in session `s` need the token `good`.
    pub guarded: BTreeSet<Box<str>>,
    /// What was ever appended and reported durable.
    pub events: BTreeMap<EventId, Appended>,
    /// What the checkers have found.
    pub violations: Vec<String>,
    /// Whether it remembers every word of a coordinator, and not only the last status.
    pub remembers: bool,
    /// What happened, as far as it is written down.
    pub transcript: Transcript,
    /// Faults planted on purpose.
    pub planted: Planted,
    /// Options of every device.
    pub options: Options,
    /// What the browser says of the network.
    pub network: Option<Network>,
    /// Whether what the server held was ever taken back.
    pub server_lost: bool,
    /// Whether it was taken back without saying so: the log lives on under the same name, and holds something else.
    pub server_lied: bool,
    /// Whether devices sign.
    pub signed: bool,
    /// When a push was sent, and of how many events.
    pub sent: Vec<(u64, usize)>,
    /// Whether coordinators and pages record what they are told.
    pub recording: Option<Recording>,
    pub(crate) tapes: Vec<Vec<u8>>,
    /// Whether the browser stops a worker whose events have been over for 30 s.
    pub idle_limit: bool,
    pub(crate) backups: Vec<Tables>,
    pub(crate) disk_backups: Vec<(usize, Disk, Option<DeviceId>)>,
    pub(crate) outstanding: Vec<Job>,
    /// What the checkers have seen of the server's logs.
    pub(crate) watch: BTreeMap<Box<str>, LogWatch>,
    /// The epochs of each database.
    pub(crate) epochs: BTreeMap<(usize, u32), BTreeSet<Epoch>>,
    /// Whether pages show the session's document, and write to it.
    pub shares: bool,
    /// Whether there is a server; else each device keeps the document alone.
    pub served: bool,
    /// Patches that a coordinator has refused itself, for a conflict.
    pub(crate) conflicts: BTreeSet<EventId>,
    /// How far clocks have jumped in all.
    pub jumped_ms: u64,
    /// Room for the turns of a step.
    pub(crate) turns: Vec<Turn>,
    /// Counts events, pages and realms.
    pub(crate) count: u64,
    /// Counts events in the order in which they first lay in a journal.
    pub(crate) written: u64,
}

/// Something that can happen now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    Job(usize),
    Mail(usize, usize),
    Inbox(usize, usize),
    Word(usize, usize, usize),
    Alarm(usize, PageId),
    PageAlarm(usize, usize),
    Stray(usize),
}

impl World {
    /// A world without devices, in fair weather, that takes its turns by chance and tells what happens.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut world = Self::of(Chooser::random(seed), seed);
        world.transcript.detail = Detail::Story;
        world.remembers = true;
        world.server.remembers = true;
        world
    }

    /// A world without devices, in fair weather, that does as it is told.
    #[must_use]
    pub fn of(chooser: Chooser, ids: u64) -> Self {
        Self {
            chooser,
            ids: Rng::new(ids),
            now_ms: START_MS,
            devices: Vec::new(),
            server: Server::new(ids ^ 0x5eed),
            weather: Weather::default(),
            strays: Vec::new(),
            guarded: BTreeSet::new(),
            events: BTreeMap::new(),
            violations: Vec::new(),
            remembers: false,
            transcript: Transcript::default(),
            planted: Planted::default(),
            options: Options::default(),
            network: None,
            server_lost: false,
            server_lied: false,
            signed: false,
            sent: Vec::new(),
            recording: None,
            tapes: Vec::new(),
            idle_limit: false,
            backups: Vec::new(),
            disk_backups: Vec::new(),
            outstanding: Vec::new(),
            watch: BTreeMap::new(),
            epochs: BTreeMap::new(),
            shares: false,
            served: true,
            conflicts: BTreeSet::new(),
            jumped_ms: 0,
            turns: Vec::new(),
            count: 0,
            written: 0,
        }
    }

    /// A world with one device.
    #[must_use]
    pub fn with_device(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.add_device();
        world
    }

    /// Plants faults; before any device is added.
    pub fn plant(&mut self, planted: Planted) {
        self.planted = planted;
        self.server.planted = planted;
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.chooser.below(bound)
    }

    /// Whether something of this chance in a hundred happens.
    pub fn chance(&mut self, in_a_hundred: u64) -> bool {
        self.chooser.chance(in_a_hundred)
    }

    /// Notes what happens, if anybody wants to know.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        self.transcript.note(self.now_ms - START_MS, text);
    }

    /// Notes a fact or an effect, if anybody wants to know.
    pub(crate) fn fact(&mut self, whole: &dyn Debug, text: impl FnOnce() -> String) {
        self.transcript.fact(self.now_ms - START_MS, whole, text);
    }

    /// One thing happens. `false` if there is nothing that can happen now.
    pub fn step(&mut self) -> bool {
        self.now_ms += self.chooser.below(self.weather.pace_ms_max + 1);
        self.reap();
        let mut turns = std::mem::take(&mut self.turns);
        turns.clear();
        self.list_turns(&mut turns);
        // What was lost on the way does not come as often as what was not.
        let strays = self.strays.len();
        if turns.len() > strays && strays > 0 && !self.chance(20) {
            turns.truncate(turns.len() - strays);
        }
        let some = !turns.is_empty();
        if some {
            let turn = turns[self.chooser.below(turns.len() as u64) as usize];
            self.take(turn);
        }
        self.turns = turns;
        some
    }

    /// What can happen now, in the order in which it would if nothing were in the way.
    pub(crate) fn turns(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        self.list_turns(&mut turns);
        turns
    }

    fn list_turns(&self, turns: &mut Vec<Turn>) {
        for (at, job) in self.outstanding.iter().enumerate() {
            let here = &self.devices[job.device];
            let open = job.at_ms <= self.now_ms && job.tx.is_none_or(|tx| here.disk.may_run(tx));
            let frozen = || here.pages.iter().any(|page| page.id == job.realm && page.frozen);
            if open && !(job.what.is_news() && frozen()) && !self.waits_behind(at, job) {
                turns.push(Turn::Job(at));
            }
        }
        for (number, device) in self.devices.iter().enumerate() {
            turns.extend(self.can_arrive(number).map(|at| Turn::Mail(number, at)));
            for (id, realm) in device.realms.iter() {
                if realm.alarm.is_some_and(|at| realm.born_ms + at.0 <= self.now_ms) {
                    turns.push(Turn::Alarm(number, *id));
                }
            }
            for (at, page) in device.pages.iter().enumerate().filter(|(_, page)| !page.frozen) {
                if !page.inbox.is_empty() {
                    turns.push(Turn::Inbox(number, at));
                }
                let words = page.shown.iter().flat_map(|shown| shown.can_arrive());
                turns.extend(words.map(|word| Turn::Word(number, at, word)));
                if page.alarm_ms().is_some_and(|alarm| alarm <= self.now_ms) {
                    turns.push(Turn::PageAlarm(number, at));
                }
            }
        }
        turns.extend((0..self.strays.len()).map(Turn::Stray));
    }

    // What a page has read arrives in the order of reading: what a later read has seen was written after the earlier one.
    fn waits_behind(&self, at: usize, job: &Job) -> bool {
        let is_read = |job: &Job| matches!(job.what, What::Looked(..));
        is_read(job) && self.outstanding[..at].iter().any(|it| is_read(it) && it.realm == job.realm)
    }

    /// This happens.
    pub(crate) fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Job(at) => {
                let job = self.outstanding.remove(at);
                self.perform(job);
            }
            Turn::Mail(device, at) => self.deliver_mail(device, at),
            Turn::Inbox(device, page) => {
                let message = self.devices[device].pages[page].inbox.pop_front();
                if let Some(message) = message {
                    self.tell_page(device, page, page::Input::Message(message));
                }
            }
            Turn::Alarm(device, realm) => self.hand_in(device, realm, Input::Timeout),
            Turn::Word(device, page, at) => self.hear_word(device, page, at),
            Turn::PageAlarm(device, page) => {
                self.look_when_due(device, page);
                self.tell_page(device, page, page::Input::Timeout);
            }
            Turn::Stray(at) => self.arrive(at),
        }
    }

    /// Time passes until somebody's alarm. `false` if nobody has set one.
    pub fn advance(&mut self) -> bool {
        let found = check::document::shown(self);
        self.violations.extend(found);
        let realms = self.devices.iter().flat_map(|device| device.realms.values());
        let alarms = realms.filter_map(|realm| self.alarm_ms(realm));
        let pages = self.devices.iter().flat_map(|device| &device.pages);
        let pages = pages.filter(|page| !page.frozen).filter_map(Tab::alarm_ms);
        let jobs = self.outstanding.iter().map(|job| job.at_ms).filter(|at| *at > self.now_ms);
        let Some(next) = alarms.chain(pages).chain(jobs).min() else { return self.sync() };
        self.now_ms = self.now_ms.max(next);
        true
    }

    // Nothing is left to happen by itself: the browser does what it was asked for.
    fn sync(&mut self) -> bool {
        // One that has found itself replaced tells the browser that there may be more to do.
        let stopped = |device: &Device| {
            let current = device.current.and_then(|id| device.realms.get(&id));
            let machine = current.and_then(|realm| realm.machine.as_ref());
            self.idle_limit
                || device.current.is_none()
                || machine.is_some_and(Coordinator::is_fenced)
        };
        let asked = |device: &Device| device.sync_asked && stopped(device);
        let Some(device) = self.devices.iter().position(asked) else { return false };
        self.now_ms += SYNC_AFTER_MS;
        self.reap();
        self.devices[device].sync_asked = false;
        self.trigger(device, Trigger::Sync);
        true
    }

    // When a worker's alarm rings, unless the browser stops the worker before.
    fn alarm_ms(&self, realm: &Realm) -> Option<u64> {
        let at_ms = realm.born_ms.saturating_add(realm.alarm?.0);
        let ends = realm.settled_ms.filter(|_| self.idle_limit).map(|since| since + IDLE_MS);
        ends.is_none_or(|ends| at_ms < ends).then_some(at_ms)
    }

    /// At most `steps` things happen; time passes only when nothing can happen now.
    pub fn run(&mut self, steps: u32) -> bool {
        for _ in 0..steps {
            if !self.step() && !self.advance() {
                return true;
            }
        }
        false
    }

    /// Runs until true time has passed `ms` further on.
    pub fn run_for(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            if !self.step() && (!self.advance() || self.now_ms > end) {
                self.now_ms = end;
            }
        }
    }

    /// Runs until nothing can happen without time passing.
    pub fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.step() {
                return;
            }
        }
        self.violations.push("it does not become quiet".into());
    }

    /// Runs until nobody waits for anything. Complains if that does not come to an end.
    pub fn quiet(&mut self) {
        if !self.run(STEPS_MAX) {
            self.violations.push("it does not become quiet".into());
        }
    }
}

/// How long the browser takes its time with a background sync.
const SYNC_AFTER_MS: u64 = 60_000;
const START_MS: u64 = 1_750_000_000_000;
/// Far more than any story needs.
const STEPS_MAX: u32 = 60_000;
