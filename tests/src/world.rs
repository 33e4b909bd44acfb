//! Devices, a network and a server, moved on one thing at a time.
//!
//! What always holds:
//! - a worker is driven as the shipped driver does it: booted in one transaction, every effect carried out, its
//!   fact handed back; what is outstanding at one time happens in any order, but commits in the order of asking;
//! - whoever dies loses what it had asked for and not yet seen done, and nothing else;
//! - after each step the checkers have had their look.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use bellwether_server::fault::Fault;
use bellwether_shared::base::{
    DeviceId, Epoch, EventId, Mono, Now, PageId, Rng, Stamp, Wall, limits,
};
use bellwether_shared::bus::{Envelope, Hello, Identity, Notice};
use bellwether_shared::coordinator::{Client, Coordinator, Effect, Input, Restored, To, Trigger};
use bellwether_shared::host::{Asker, Verdict, decide};
use bellwether_shared::outbox::{OutboxRows, Response};
use bellwether_shared::page;
use bellwether_shared::rows::{
    Config, DeviceRow, HostKind, JournalRow, Key, LEASE_HOST, LeaseRow, META_CONFIG, META_DEVICE,
    Options, ROW_VERSION, Store, StreamKey, read,
};
use bellwether_shared::wire::{
    Answer, DeviceKey, Event, EventKind, KeyKind, Lane, Push, from_cbor, to_cbor,
};

use crate::check;
use crate::disk::{CommitFault, Disk, Writer};
use crate::fault::Planted;
use crate::server::{Server, Tables, problem};
use crate::weather::Weather;

/// See the module.
#[derive(Debug)]
pub struct World {
    /// Chance.
    pub rng: Rng,
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
    /// What happened, in short.
    pub story: Vec<String>,
    /// Faults planted on purpose.
    pub planted: Planted,
    /// Options of every device.
    pub options: Options,
    /// Whether devices sign.
    pub signed: bool,
    /// When a push was sent, and of how many events.
    pub sent: Vec<(u64, usize)>,
    backups: Vec<Tables>,
    outstanding: Vec<(usize, PageId, Job)>,
    count: u64,
}

/// An event as its page knows it.
#[derive(Debug, Clone)]
pub struct Appended {
    /// On which device.
    pub device: usize,
    /// The session, user and lane.
    pub stream: StreamKey,
    /// Its ordering key.
    pub key: Box<str>,
    /// Its type.
    pub type_: Box<str>,
    /// Counts all events in the order of appending.
    pub number: u64,
    /// Whether completion meant that the disk had it.
    pub strict: bool,
    /// Whether it was ever sent again from the dead letters, so that its place in the order is another.
    pub retried: bool,
}

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
    pub pages: Vec<PageRealm>,
    /// What coordinators have said, to whomever.
    pub heard: Vec<Notice>,
    /// Letters that were thrown away.
    pub discarded: BTreeSet<EventId>,
    /// Every kind of event it has made.
    pub streams: BTreeSet<StreamKey>,
    mail: VecDeque<(Client, Vec<u8>)>,
}

/// One life of a worker.
#[derive(Debug)]
pub struct Realm {
    /// The coordinator.
    pub machine: Coordinator,
    born_ms: u64,
    introduced: bool,
    alarm: Option<Mono>,
}

/// A page that runs the page's machine.
#[derive(Debug)]
pub struct PageRealm {
    /// What the browser calls it.
    pub client: Client,
    /// The machine.
    pub machine: page::Page,
    /// What it has told its app.
    pub said: Vec<page::Effect>,
    /// Posts it has made.
    pub posts: u64,
    /// The token it gives when asked.
    pub token: Option<Box<str>>,
    born_ms: u64,
    inbox: VecDeque<Vec<u8>>,
}

/// Something outstanding.
#[derive(Debug)]
enum Job {
    Do(Effect),
    Tell(Input),
    Introduce,
}

/// Something that can happen now.
#[derive(Debug, Clone, Copy)]
enum Choice {
    Job(usize),
    Mail(usize),
    Inbox(usize, usize),
    Alarm(usize, PageId),
    PageAlarm(usize, usize),
    Stray(usize),
}

/// What to append.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The session.
    pub session: Box<str>,
    /// The user.
    pub user: Box<str>,
    /// The lane.
    pub lane: Lane,
    /// The ordering key.
    pub key: Box<str>,
    /// The type.
    pub type_: Box<str>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            session: "s".into(),
            user: "".into(),
            lane: Lane::Normal,
            key: "k".into(),
            type_: "plain".into(),
        }
    }
}

impl World {
    /// A world without devices, in fair weather.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            now_ms: START_MS,
            devices: Vec::new(),
            server: Server::new(seed ^ 0x5eed),
            weather: Weather::default(),
            strays: Vec::new(),
            guarded: BTreeSet::new(),
            events: BTreeMap::new(),
            violations: Vec::new(),
            story: Vec::new(),
            planted: Planted::default(),
            options: Options::default(),
            signed: false,
            sent: Vec::new(),
            backups: Vec::new(),
            outstanding: Vec::new(),
            count: 0,
        }
    }

    /// A world with one device.
    #[must_use]
    pub fn with_device(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.add_device();
        world
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    /// Whether something of this chance in a hundred happens.
    pub fn chance(&mut self, in_a_hundred: u64) -> bool {
        self.below(100) < in_a_hundred
    }

    /// Notes what happens.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.story.push(format!("{:>8} {text}", self.now_ms - START_MS));
    }

    /// Adds a device that knows its server.
    pub fn add_device(&mut self) -> usize {
        let mut disk = Disk::new();
        disk.no_epoch_check = self.planted.no_epoch_check;
        disk.complete_early = self.planted.complete_early;
        let config = Config {
            server: "https://server.test".into(),
            options: self.options.clone(),
            ..Config::default()
        };
        disk.put(Store::Meta, Key::from(META_CONFIG), to_cbor(&config));
        self.devices.push(Device {
            disk,
            skew_ms: 0,
            realms: BTreeMap::new(),
            current: None,
            pages: Vec::new(),
            heard: Vec::new(),
            discarded: BTreeSet::new(),
            streams: BTreeSet::new(),
            mail: VecDeque::new(),
        });
        self.devices.len() - 1
    }

    /// Copies a browser profile. Nothing runs in the copy yet.
    pub fn clone_device(&mut self, device: usize) -> usize {
        let from = &self.devices[device];
        let copy = Device {
            disk: from.disk.clone(),
            skew_ms: from.skew_ms,
            realms: BTreeMap::new(),
            current: None,
            pages: Vec::new(),
            heard: Vec::new(),
            discarded: from.discarded.clone(),
            streams: from.streams.clone(),
            mail: VecDeque::new(),
        };
        self.devices.push(copy);
        let copy = self.devices.len() - 1;
        self.devices[copy].disk.dies(Writer::Page);
        self.devices[copy].disk.dies(Writer::Worker);
        self.note(format!("device {device} is copied to {copy}"));
        copy
    }

    /// Both clocks, as a realm born at `born_ms` reads them.
    fn clock(&self, device: usize, born_ms: u64) -> Now {
        let wall = self.now_ms.saturating_add_signed(self.devices[device].skew_ms);
        Now { mono: Mono(self.now_ms - born_ms), wall: Wall(wall) }
    }

    /// A page makes an event durable. `None` if the disk refused.
    pub fn append(&mut self, device: usize, draft: &Draft) -> Option<EventId> {
        self.append_all(device, std::slice::from_ref(draft), true)?.pop()
    }

    /// A page makes events durable in one transaction. `None` if the disk refused.
    pub fn append_all(
        &mut self,
        device: usize,
        drafts: &[Draft],
        strict: bool,
    ) -> Option<Vec<EventId>> {
        let wall = self.clock(device, self.now_ms).wall;
        let mut rows = Vec::new();
        let mut made = Vec::new();
        for draft in drafts {
            self.count += 1;
            let id = EventId::new(&format!("e{}", self.count)).expect("short and visible");
            let sealed = seal(&id, draft, self.count, wall);
            let stream = draft.stream();
            rows.push(to_cbor(&JournalRow::new(&stream, &sealed, wall)));
            let appended = Appended {
                device,
                stream,
                key: draft.key.clone(),
                type_: draft.type_.clone(),
                number: self.count,
                strict,
                retried: false,
            };
            made.push((id, appended));
        }
        self.devices[device].disk.append(rows, strict).ok()?;
        let ids = made.iter().map(|(id, _)| id.clone()).collect();
        self.devices[device].streams.extend(drafts.iter().map(Draft::stream));
        self.events.extend(made);
        Some(ids)
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
        let realm = PageId(self.rng.bytes());
        let seed = self.rng.next_u64();
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
        let rows = |store| here.disk.rows(store).map(|(_, row)| row.clone()).collect();
        let last_done = here.disk.rows(Store::Done).last().map(|(key, _)| key.clone());
        let restored = Restored {
            lease,
            config: here.disk.get(Store::Meta, &Key::from(META_CONFIG)).map(<[u8]>::to_vec),
            outbox: OutboxRows {
                streams: rows(Store::Stream),
                flights: rows(Store::Flight),
                cursors: rows(Store::Cursor),
                dead: here
                    .disk
                    .rows(Store::Dead)
                    .map(|(key, row)| (key.clone(), row.clone()))
                    .collect(),
                answered: match last_done {
                    Some(Key::Number(number)) => number,
                    Some(Key::Text(_)) | None => 0,
                },
            },
        };
        let now = Now { mono: Mono(0), ..now };
        let machine = Coordinator::restore(now, &restored, seed);
        let epoch = machine.epoch().0;
        here.realms
            .insert(realm, Realm { machine, born_ms: self.now_ms, introduced: true, alarm: None });
        here.current = Some(realm);
        self.note(format!("device {device} boots epoch {epoch}"));
        self.pump(device, realm);
        self.outstanding.push((device, realm, Job::Introduce));
    }

    /// Every coordinator of the device is killed.
    pub fn kill(&mut self, device: usize) {
        let realms: Vec<PageId> = self.devices[device].realms.keys().copied().collect();
        realms.into_iter().for_each(|realm| self.kill_realm(device, realm));
    }

    fn kill_realm(&mut self, device: usize, realm: PageId) {
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
        let here = &mut self.devices[device];
        here.pages.clear();
        here.mail.clear();
        here.disk.dies(Writer::Page);
    }

    /// The power fails: what was only relaxed may be gone.
    pub fn power_cut(&mut self, device: usize) {
        self.kill_browser(device);
        self.devices[device].disk.power_cut(&mut self.rng);
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

    /// A page without a machine of its own says something.
    pub fn say(&mut self, device: usize, client: &str, bytes: Vec<u8>) {
        self.devices[device].mail.push_back((Client(client.into()), bytes));
    }

    /// The current coordinator.
    #[must_use]
    pub fn coordinator(&self, device: usize) -> Option<&Coordinator> {
        let here = &self.devices[device];
        Some(&here.realms.get(&here.current?)?.machine)
    }

    /// Opens a page that runs the page's machine, linked to the worker.
    pub fn open_page(&mut self, device: usize, user: &str, token: Option<&str>) -> usize {
        let id = PageId(self.rng.bytes());
        let hello = Hello {
            identity: Identity { session: "s".into(), user: user.into() },
            server: "https://server.test".into(),
            options: self.options.clone(),
            has_token: token.is_some(),
            visible: true,
        };
        let age = Duration::from_millis(limits::BATCH_AGE_MS.into());
        self.devices[device].pages.push(PageRealm {
            client: Client(format!("client-{}", self.count).into()),
            machine: page::Page::new(id, "test", hello, age),
            said: Vec::new(),
            posts: 0,
            token: token.map(Box::from),
            born_ms: self.now_ms,
            inbox: VecDeque::new(),
        });
        self.count += 1;
        let page = self.devices[device].pages.len() - 1;
        self.tell_page(device, page, page::Input::Linked);
        page
    }

    /// A page's machine is told something.
    pub fn tell_page(&mut self, device: usize, page: usize, input: page::Input) {
        let now = self.clock(device, self.devices[device].pages[page].born_ms);
        self.devices[device].pages[page].machine.handle(now, input);
        self.pump_page(device, page);
    }

    /// A page's machine is asked for something.
    pub fn ask(
        &mut self,
        device: usize,
        page: usize,
        request: bellwether_shared::bus::Request,
    ) -> bellwether_shared::base::RequestId {
        let now = self.clock(device, self.devices[device].pages[page].born_ms);
        let id = self.devices[device].pages[page].machine.ask(now, request);
        self.pump_page(device, page);
        id
    }

    fn pump_page(&mut self, device: usize, page: usize) {
        loop {
            let here = &mut self.devices[device].pages[page];
            let Some(effect) = here.machine.poll_effect() else { return };
            match effect {
                page::Effect::Post { message, fast, .. } => {
                    here.posts += 1;
                    let client = here.client.clone();
                    let dead = self.devices[device].current.is_none();
                    let lost = (fast && dead) || self.chance(self.weather.lose_message);
                    if !lost {
                        self.devices[device].mail.push_back((client, message));
                    }
                }
                page::Effect::TokenWanted(identity) => {
                    let token = here.token.clone();
                    here.machine.give_token(identity, token);
                }
                page::Effect::Welcomed
                | page::Effect::Status(..)
                | page::Effect::Answered(..)
                | page::Effect::Buried { .. }
                | page::Effect::StateLost { .. }
                | page::Effect::Trouble(_)
                | page::Effect::ReloadNeeded(_) => here.said.push(effect),
            }
        }
    }

    /// Keeps a backup of the server.
    pub fn back_up_server(&mut self) {
        self.backups.push(self.server.backup());
    }

    /// Puts some backup of the server back.
    pub fn restore_server(&mut self) {
        if self.backups.is_empty() {
            return;
        }
        let which = self.below(self.backups.len() as u64) as usize;
        let backup = self.backups[which].clone();
        // What came later than this belongs to another history.
        self.backups.truncate(which + 1);
        self.server.restore(&backup);
        self.note(format!("the server's backup {which} is put back"));
    }

    /// Deletes the server's data.
    pub fn wipe_server(&mut self) {
        self.server.wipe();
        self.backups.clear();
        self.note("the server's data is deleted");
    }

    /// One thing happens. `false` if there is nothing that can happen now.
    pub fn step(&mut self) -> bool {
        self.now_ms += self.rng.next_u64() % 3;
        if self.planted.complete_early && self.chance(50) {
            self.devices.iter_mut().for_each(|device| device.disk.catch_up());
        }
        let mut choices = self.choices();
        if self.chance(20) || choices.is_empty() {
            choices.extend((0..self.strays.len()).map(Choice::Stray));
        }
        if choices.is_empty() {
            return false;
        }
        let choice = choices[self.below(choices.len() as u64) as usize];
        self.happen(choice);
        true
    }

    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        let mut committing = BTreeSet::new();
        for (at, (_, realm, job)) in self.outstanding.iter().enumerate() {
            // Transactions that write happen in the order of asking.
            if !matches!(job, Job::Do(Effect::Commit { .. })) || committing.insert(*realm) {
                choices.push(Choice::Job(at));
            }
        }
        for (number, device) in self.devices.iter().enumerate() {
            if !device.mail.is_empty() {
                choices.push(Choice::Mail(number));
            }
            for (id, realm) in &device.realms {
                let age = self.now_ms - realm.born_ms;
                if realm.alarm.is_some_and(|at| at.0 <= age) {
                    choices.push(Choice::Alarm(number, *id));
                }
            }
            for (at, page) in device.pages.iter().enumerate() {
                if !page.inbox.is_empty() {
                    choices.push(Choice::Inbox(number, at));
                }
                let age = self.now_ms - page.born_ms;
                if page.machine.poll_timeout().is_some_and(|at| at.0 <= age) {
                    choices.push(Choice::PageAlarm(number, at));
                }
            }
        }
        choices
    }

    fn happen(&mut self, choice: Choice) {
        match choice {
            Choice::Job(at) => {
                let (device, realm, job) = self.outstanding.remove(at);
                self.perform(device, realm, job);
            }
            Choice::Mail(device) => {
                let Some((from, bytes)) = self.devices[device].mail.pop_front() else { return };
                self.boot(device);
                self.tell_current(device, Input::Message { from, bytes });
            }
            Choice::Inbox(device, page) => {
                let message = self.devices[device].pages[page].inbox.pop_front();
                if let Some(message) = message {
                    self.tell_page(device, page, page::Input::Message(message));
                }
            }
            Choice::Alarm(device, realm) => self.hand_in(device, realm, Input::Timeout),
            Choice::PageAlarm(device, page) => {
                self.tell_page(device, page, page::Input::Timeout);
            }
            Choice::Stray(at) => {
                let body = self.strays.swap_remove(at);
                let wall = Wall(self.now_ms);
                self.server.handle(&body, wall);
            }
        }
    }

    /// Time passes until somebody's alarm. `false` if nobody has set one.
    pub fn advance(&mut self) -> bool {
        let realms = self.devices.iter().flat_map(|device| device.realms.values());
        let alarms = realms.filter_map(|realm| Some(realm.born_ms.saturating_add(realm.alarm?.0)));
        let pages = self.devices.iter().flat_map(|device| &device.pages);
        let pages = pages
            .filter_map(|page| Some(page.born_ms.saturating_add(page.machine.poll_timeout()?.0)));
        let Some(next) = alarms.chain(pages).min() else { return false };
        self.now_ms = self.now_ms.max(next);
        true
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

    fn hand_in(&mut self, device: usize, realm: PageId, input: Input) {
        let Some(born_ms) = self.devices[device].realms.get(&realm).map(|realm| realm.born_ms)
        else {
            return;
        };
        let now = self.clock(device, born_ms);
        if let Some(realm) = self.devices[device].realms.get_mut(&realm) {
            realm.machine.handle(now, input);
        }
        self.pump(device, realm);
    }

    fn pump(&mut self, device: usize, id: PageId) {
        loop {
            let Some(realm) = self.devices[device].realms.get_mut(&id) else { return };
            match realm.machine.poll_effect() {
                Some(Effect::Send { to, message }) => self.send(device, &to, &message),
                Some(effect) => self.outstanding.push((device, id, Job::Do(effect))),
                None => break,
            }
        }
        let Some(born_ms) = self.devices[device].realms.get(&id).map(|realm| realm.born_ms) else {
            return;
        };
        let now = self.clock(device, born_ms);
        if let Some(realm) = self.devices[device].realms.get_mut(&id) {
            realm.alarm = realm.machine.poll_timeout(now);
        }
    }

    fn send(&mut self, device: usize, to: &To, message: &[u8]) {
        let lost = self.chance(self.weather.lose_message);
        if let Ok(envelope) = Envelope::read(message)
            && let Ok(Some(notice)) = Notice::open(&envelope)
        {
            self.devices[device].heard.push(notice);
        }
        for page in &mut self.devices[device].pages {
            let meant = match to {
                To::All => true,
                To::Client(client) => *client == page.client,
            };
            if meant && !lost {
                page.inbox.push_back(message.to_vec());
            }
        }
    }

    fn perform(&mut self, device: usize, realm: PageId, job: Job) {
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
        let (id, seed): ([u8; 16], [u8; 32]) = (self.rng.bytes(), self.rng.bytes());
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
            Effect::Send { .. } | Effect::AskForSync => return None,
        })
    }

    fn push(&mut self, device: usize, realm: PageId, token: Option<&str>, body: &[u8]) -> Response {
        let response = self.deliver(device, realm, token, body);
        if let Ok(push) = from_cbor::<Push>(body, limits::PUSH_BYTES_MAX) {
            self.sent.push((self.now_ms, push.events.len()));
            let ids: Vec<String> = check::push_ids(&push).iter().map(EventId::to_string).collect();
            let stream = &push.stream;
            let life = u16::from_be_bytes([stream.incarnation.0[0], stream.incarnation.0[1]]);
            self.note(format!(
                "device {device} pushes {}/{}/{} {life:04x} {}: {} -> {}",
                stream.session,
                stream.user,
                stream.lane.name(),
                push.first.0,
                ids.join(" "),
                short(&response),
            ));
        }
        response
    }

    fn deliver(
        &mut self,
        device: usize,
        realm: PageId,
        token: Option<&str>,
        body: &[u8],
    ) -> Response {
        let push: Push = match from_cbor(body, limits::PUSH_BYTES_MAX) {
            Ok(push) => push,
            Err(fault) => {
                self.violations.push(format!("a push cannot be read: {fault}"));
                return Response::Unreachable;
            }
        };
        let is_current = self.devices[device].current == Some(realm);
        if is_current {
            self.violations.extend(check::push(&self.devices[device].disk, &push));
        }
        if self.planted.forget_early {
            self.forget(device, &push);
        }
        if let Some(answer) = self.weather.mood.answer() {
            if matches!(answer, Response::Http { .. }) {
                self.server.note_failure(body);
            }
            return answer;
        }
        let guarded = &*push.stream.session == "s" && self.guarded.contains(&push.stream.user);
        if guarded && token != Some("good") {
            return problem(&Fault::Unauthorized("a token is needed".into()));
        }
        if self.chance(self.weather.lose_request) {
            return Response::Unreachable;
        }
        if self.chance(self.weather.late) {
            self.strays.push(body.to_vec());
            return Response::Unreachable;
        }
        if self.chance(self.weather.repeat) {
            self.strays.push(body.to_vec());
        }
        let response = self.server.handle(body, Wall(self.now_ms));
        if matches!(&response, Response::Http { status, .. } if *status != 200) {
            self.server.note_failure(body);
        }
        if self.chance(self.weather.lose_answer) {
            return Response::Unreachable;
        }
        response
    }

    // The planted fault: the worker believes that what it has sent has arrived.
    fn forget(&mut self, device: usize, push: &Push) {
        let ids = check::push_ids(push);
        let disk = &mut self.devices[device].disk;
        let rows = disk.rows(Store::Journal);
        let gone: Vec<Key> = rows
            .filter(|(_, row)| check::row_id(row).is_some_and(|id| ids.contains(&id)))
            .map(|(key, _)| key.clone())
            .collect();
        let ops = gone
            .into_iter()
            .map(|key| bellwether_shared::rows::Op::Delete { store: Store::Journal, key })
            .collect();
        let batch = bellwether_shared::rows::WriteBatch { epoch: disk.epoch(), strict: true, ops };
        let found = check::commit(self, device, &batch);
        self.violations.extend(found);
        let _ = self.devices[device].disk.commit(&batch);
    }
}

impl Draft {
    /// The stream that the event will be part of.
    #[must_use]
    pub fn stream(&self) -> StreamKey {
        StreamKey { session: self.session.clone(), user: self.user.clone(), lane: self.lane }
    }
}

/// An event as a page encodes it.
#[must_use]
pub fn seal(id: &EventId, draft: &Draft, number: u64, at: Wall) -> Vec<u8> {
    to_cbor(&Event {
        id: id.clone(),
        kind: EventKind::App,
        type_: &draft.type_,
        key: Some(&draft.key),
        data: Some(br#"{"n":1}"#),
        schema: 0,
        stamp: Stamp(number),
        page: PageId([1; 16]),
        at,
        correlation: None,
    })
}

fn short(response: &Response) -> String {
    match response {
        Response::Unreachable => "nothing".into(),
        Response::Http { status: 200, body, .. } => {
            match from_cbor::<Answer>(body, limits::ANSWER_BYTES_MAX) {
                Ok(answer) => {
                    let later = answer.later.map(|later| format!(" later {}", later.id));
                    let later = later.unwrap_or_default();
                    format!("{:?} through {}{later}", answer.verdict, answer.through.0)
                }
                Err(fault) => format!("no answer: {fault}"),
            }
        }
        Response::Http { status, .. } => status.to_string(),
    }
}

fn full() -> bellwether_shared::base::Fault {
    bellwether_shared::base::Fault::new(
        "store-quota",
        bellwether_shared::base::Culprit::Browser,
        "the disk is full",
    )
}

const START_MS: u64 = 1_750_000_000_000;
/// Far more than any story needs.
const STEPS_MAX: u32 = 60_000;
