//! One channel's coordinator, in a worker or in a page, and everything it stands on: facts in, effects out, until quiet.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::pending;
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{Epoch, Fault, Mono, PageId, RequestId, joined, limits};
use bellwether_shared::bus::{Envelope, Notice};
use bellwether_shared::coordinator::{Client, Coordinator, Effect, Input, Trigger};
use bellwether_shared::rows::HostKind;
use bellwether_web::alarm::{self, Alarm};
use bellwether_web::fault::StoreFault;
use bellwether_web::once::Once;
use bellwether_web::{clock, entropy, scope, task};
use web_sys::MessagePort;

use crate::api::TAG;
use crate::bus::Bus;
use crate::clients::Clients;
use crate::disk::{Asks, Booted, Disk};
use crate::quiet::Quiet;

/// See the module.
pub(crate) struct Driver {
    pub(crate) channel: Box<str>,
    pub(crate) build: Rc<str>,
    /// This life of the coordinator.
    realm: Cell<PageId>,
    /// The newest epoch heard of, from pages and from the disk.
    heard: Cell<Epoch>,
    pub(crate) disk: Disk,
    pub(crate) clients: Clients,
    machine: RefCell<Option<Coordinator>>,
    /// Those who wait for the boot that is under way.
    booting: RefCell<Option<Vec<Once<()>>>>,
    /// Counts the coordinators: facts that one has asked for are not handed to the next.
    life: Cell<u64>,
    /// When it last took the role.
    taken: Cell<Option<Mono>>,
    /// Another hosts; what, and since when its lease has looked the same.
    passive: RefCell<Option<Passive>>,
    /// The device is known, or being found out.
    introduced: Cell<bool>,
    /// Effects that are being carried out.
    running: Cell<u32>,
    quiet: Quiet,
    alarm: Alarm,
    /// When a page writes its lease again.
    renewal: Alarm,
}

/// Another realm hosts the coordinator.
#[derive(Debug, Clone)]
pub(crate) struct Passive {
    pub(crate) kind: HostKind,
    pub(crate) epoch: Epoch,
    pub(crate) holder: PageId,
    pub(crate) lease: Vec<u8>,
    pub(crate) since: Mono,
}

impl Driver {
    /// Of a worker.
    pub(crate) fn new(channel: &str, build: &Rc<str>) -> Self {
        Self::reaching(channel, build, None)
    }

    /// Of a page that was elected.
    pub(crate) fn embedded(channel: &str, build: &Rc<str>, bus: Bus) -> Self {
        Self::reaching(channel, build, Some(bus))
    }

    fn reaching(channel: &str, build: &Rc<str>, bus: Option<Bus>) -> Self {
        Self {
            channel: channel.into(),
            build: Rc::clone(build),
            realm: Cell::new(PageId(entropy::bytes())),
            heard: Cell::default(),
            disk: Disk::new(bus.as_ref().and_then(Bus::kept)),
            clients: Clients::new(channel, bus),
            machine: RefCell::default(),
            booting: RefCell::default(),
            life: Cell::default(),
            taken: Cell::default(),
            passive: RefCell::default(),
            introduced: Cell::default(),
            running: Cell::default(),
            quiet: Quiet::default(),
            alarm: Alarm::default(),
            renewal: Alarm::default(),
        }
    }

    pub(crate) fn realm(&self) -> PageId {
        self.realm.get()
    }

    /// A page has handed over a port for the fast path.
    pub(crate) fn take_port(self: &Rc<Self>, from: &str, port: MessagePort) {
        let driver = Rc::downgrade(self);
        let client = Client(from.into());
        self.clients.take_port(from, port, move |bytes| {
            if let Some(driver) = driver.upgrade() {
                let from = client.clone();
                task::spawn(async move { driver.on_message(from.0, bytes).await });
            }
        });
    }

    /// A page has said something; ends when everything that follows from it is done, or with the slice.
    pub(crate) async fn on_message(self: &Rc<Self>, from: Box<str>, bytes: Vec<u8>) {
        let from = Client(from);
        // A page may know of more boots than a database made anew.
        if let Ok(envelope) = Envelope::read(&bytes) {
            self.hear_of(envelope.epoch);
        }
        self.boot().await;
        if self.machine.borrow().is_none() {
            self.answer_passively(&from, &bytes).await;
            return self.outlast_page().await;
        }
        self.tell(Input::Message { from, bytes }).await;
    }

    /// The worker was woken by something else than a page.
    pub(crate) async fn on_trigger(self: &Rc<Self>, trigger: Trigger) {
        self.boot().await;
        self.outlast_page().await;
        self.tell(Input::Trigger(trigger)).await;
    }

    // The page that hosts may be gone, and nobody else may come within this life of the worker: its lease passes on once it
    // has stood for its time.
    async fn outlast_page(self: &Rc<Self>) {
        let passive = self.passive.borrow().as_ref().map(|passive| passive.kind);
        if passive == Some(HostKind::Page) {
            let patience = Duration::from_millis(limits::LEASE_PATIENCE_MS);
            let _ = alarm::within(patience, pending::<()>()).await;
            self.boot().await;
        }
    }

    /// Whether anything is still to be sent; after a boot that has failed there may be, and where another had taken over
    /// meanwhile, which may be gone.
    pub(crate) fn has_work(&self) -> bool {
        let machine = self.machine.borrow();
        let left = |machine: &Coordinator| machine.is_fenced() || machine.has_work();
        machine.as_ref().map_or(self.passive.borrow().is_none(), left)
    }

    pub(crate) async fn ask_for_sync(&self) {
        scope::register_sync(&joined(&[TAG, &self.channel])).await;
    }

    async fn tell(self: &Rc<Self>, input: Input) {
        if self.machine.borrow().is_none() {
            return;
        }
        self.hand_in(input);
        if !self.introduced.get() {
            self.introduce();
        }
        let slice = Duration::from_millis(limits::SLICE_MS_MAX);
        let quiet = self.quiet.wait(clock::now().mono.after(slice));
        self.pump();
        // At the end of the slice the event lets go; whatever is under way goes on as long as the worker lives.
        let _ = alarm::within(slice, quiet).await;
    }

    // A function of its own, so that the borrow ends with it.
    fn hand_in(&self, input: Input) {
        if let Some(machine) = self.machine.borrow_mut().as_mut() {
            machine.handle(clock::now(), input);
        }
    }

    fn next_effect(&self) -> Option<Effect> {
        self.machine.borrow_mut().as_mut()?.poll_effect()
    }

    /// Carries out what is asked for, and arms the alarm for what is due later.
    pub(crate) fn pump(self: &Rc<Self>) {
        while let Some(effect) = self.next_effect() {
            if let Effect::Send { to, message } = effect {
                self.clients.send(&to, &message);
                continue;
            }
            self.running.set(self.running.get() + 1);
            let (driver, life) = (Rc::clone(self), self.life.get());
            task::spawn(async move {
                let input = driver.perform(effect).await;
                driver.running.set(driver.running.get() - 1);
                if let Some(input) = input.filter(|_| driver.life.get() == life) {
                    driver.hand_in(input);
                }
                driver.pump();
            });
        }
        self.arm();
    }

    fn arm(self: &Rc<Self>) {
        let now = clock::now();
        let (next, quiet) = match self.machine.borrow().as_ref() {
            Some(machine) => (machine.poll_timeout(now), machine.is_quiet()),
            None => (None, true),
        };
        let driver = Rc::downgrade(self);
        self.alarm.set(next.map(|at| at.since(now.mono)), move || {
            if let Some(driver) = driver.upgrade() {
                driver.hand_in(Input::Timeout);
                driver.pump();
            }
        });
        if quiet && self.running.get() == 0 {
            self.quiet.is_quiet_until(next);
        }
        self.leave_if_fenced();
    }

    /// Makes sure that there is a coordinator, unless another realm hosts it. One boot at a time; a failed
    /// one is forgotten, so that the next event tries again.
    pub(crate) async fn boot(self: &Rc<Self>) {
        if self.clients.bus.is_some() {
            let epoch = self.machine.borrow().as_ref().map(Coordinator::epoch);
            let knows_all = epoch.is_some_and(|epoch| epoch >= self.heard.get());
            if !knows_all || self.disk.is_lost() {
                self.leave(true);
            }
            return;
        }
        if !self.wants_boot() {
            return;
        }
        if let Some(over) = self.boot_under_way() {
            return over.get().await;
        }
        if let Err(fault) = self.boot_once().await {
            let notice = Notice::Trouble(fault);
            let message = notice.seal(&self.build, self.realm.get(), RequestId(0), Epoch(0));
            self.clients.list().await;
            self.clients.send(&bellwether_shared::coordinator::To::All, &message);
        }
        for waiting in self.booting.take().unwrap_or_default() {
            waiting.put(()).unwrap_or_default();
        }
    }

    // The end of the boot that is under way; if there is none, one is from here on.
    fn boot_under_way(&self) -> Option<Once<()>> {
        let mut booting = self.booting.borrow_mut();
        let Some(waiting) = booting.as_mut() else {
            *booting = Some(Vec::new());
            return None;
        };
        let over = Once::new();
        waiting.push(over.clone());
        Some(over)
    }

    /// Takes the role in a page, once.
    pub(crate) async fn take_role(self: &Rc<Self>, heard: Epoch) -> Result<(), Fault> {
        self.hear_of(heard);
        self.boot_once().await?;
        self.renew();
        Ok(())
    }

    /// Gives the role up, in a page.
    pub(crate) async fn resign(&self, note: bool) {
        self.renewal.set(None, || ());
        self.start_over();
        if note {
            // Where the disk refuses the next one waits until the lease has stood for its time.
            let _ = self.disk.renew(&self.channel, 0, true).await;
        }
    }

    // A worker that wakes must not take a page for dead.
    fn renew(self: &Rc<Self>) {
        let driver = Rc::downgrade(self);
        self.renewal.set(Some(RENEW_EVERY), move || {
            let Some(driver) = driver.upgrade() else { return };
            task::spawn(async move {
                let every_ms = RENEW_EVERY.as_millis() as u32;
                match driver.disk.renew(&driver.channel, every_ms, false).await {
                    // Not a successor, but another database.
                    Err(StoreFault::Fenced { found }) if found < driver.heard.get() => {
                        driver.leave(true);
                    }
                    Err(StoreFault::Fenced { .. }) => {
                        driver.hand_in(Input::Fenced);
                        driver.leave_if_fenced();
                    }
                    Ok(()) | Err(_) => driver.renew(),
                }
            });
        });
    }

    // In a page: another coordinator has taken over, and this one is of no use any more.
    fn leave_if_fenced(&self) {
        let fenced = self.machine.borrow().as_ref().is_some_and(Coordinator::is_fenced);
        if fenced && self.clients.bus.is_some() {
            self.leave(false);
        }
    }

    fn leave(&self, anew: bool) {
        self.renewal.set(None, || ());
        self.start_over();
        if let Some(bus) = &self.clients.bus {
            bus.tell_over(anew);
        }
    }

    fn hear_of(&self, epoch: Epoch) {
        if epoch.0 <= EPOCH_MAX {
            self.heard.set(self.heard.get().max(epoch));
        }
    }

    // A coordinator that was replaced never takes back by itself; a page's wish may.
    fn wants_boot(&self) -> bool {
        match self.machine.borrow().as_ref() {
            None => true,
            Some(_) if self.disk.is_lost() => true,
            Some(machine) => machine.is_fenced() || machine.epoch() < self.heard.get(),
        }
    }

    async fn boot_once(self: &Rc<Self>) -> Result<(), Fault> {
        let passive = self.passive.borrow().clone();
        let (realm, floor) = (PageId(entropy::bytes()), self.heard.get());
        let kind = if self.clients.bus.is_some() { HostKind::Page } else { HostKind::Worker };
        let age = self.taken.get().map(|taken| clock::now().mono.since(taken));
        let rested = age.is_none_or(|age| age >= Duration::from_millis(limits::TAKE_MS_MIN));
        let held = age.map(|_| self.realm.get());
        let asks = Asks { realm, kind, floor, rested, held };
        match self.disk.boot(&self.channel, &self.build, asks, passive).await? {
            Booted::Up(restored) => {
                let now = clock::now();
                *self.passive.borrow_mut() = None;
                self.realm.set(realm);
                self.hear_of(restored.lease.epoch);
                self.taken.set(Some(now.mono));
                let machine = Coordinator::restore(now, &restored, entropy::seed());
                self.life.set(self.life.get() + 1);
                *self.machine.borrow_mut() = Some(machine);
                self.pump();
                self.introduce();
            }
            Booted::Passive(passive) => {
                self.start_over();
                *self.passive.borrow_mut() = Some(passive);
                self.pump();
            }
        }
        Ok(())
    }

    // The device is read or minted while the journal is being read already.
    fn introduce(self: &Rc<Self>) {
        self.introduced.set(true);
        let (driver, life) = (Rc::clone(self), self.life.get());
        self.running.set(self.running.get() + 1);
        task::spawn(async move {
            let device = driver.disk.device(&driver.channel).await;
            driver.running.set(driver.running.get() - 1);
            if driver.life.get() != life {
                return driver.pump();
            }
            driver.introduced.set(device.is_ok());
            match device {
                Ok((device, other)) => {
                    if other {
                        driver.hand_in(Input::DatabaseLost);
                    }
                    driver.hand_in(Input::Device(device));
                }
                Err(fault) => driver.hand_in(Input::DeviceFailed(fault)),
            }
            driver.pump();
        });
    }

    /// The coordinator is given up: its database was deleted and made anew, or another hosts.
    pub(crate) fn start_over(&self) {
        self.life.set(self.life.get() + 1);
        *self.machine.borrow_mut() = None;
        self.disk.forget();
    }

    // Another hosts: a page is told so, and what a closing page leaves is appended.
    async fn answer_passively(&self, from: &Client, bytes: &[u8]) {
        let Some(passive) = self.passive.borrow().clone() else { return };
        let Ok(envelope) = Envelope::read(bytes) else { return };
        self.disk.append_farewell(&envelope, &passive).await;
        let notice = Notice::HostedBy { kind: passive.kind };
        let message = notice.seal(&self.build, self.realm.get(), envelope.request, passive.epoch);
        self.clients.send(&bellwether_shared::coordinator::To::Client(from.clone()), &message);
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// A third of the time after which a lease that stays the same is taken for a dead one's.
const RENEW_EVERY: Duration = Duration::from_millis(limits::LEASE_PATIENCE_MS / 3);
/// As far as IndexedDB and JavaScript count; a message that names more is not believed.
const EPOCH_MAX: u64 = 1 << 53;
