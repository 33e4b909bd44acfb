//! The page machine's loop, and everything the client stands on.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use bellwether_shared::base::{Culprit, Fault, Hlc, PageId, RequestId, SortedMap, limits};
use bellwether_shared::bus::{Envelope, Identity, Notice, Reply, Request, Sync};
use bellwether_shared::page::{Effect, Input, Page};
use bellwether_shared::rows;
use bellwether_web::alarm::Alarm;
use bellwether_web::channel::Port;
use bellwether_web::fault::StoreFault;
use bellwether_web::journal::Journal;
use bellwether_web::lifecycle::{self, Life, Lifecycle};
use bellwether_web::worker_link::{self, Heard, Inbox};
use bellwether_web::{clock, entropy, task};
use futures::channel::oneshot;
use web_sys::{ServiceWorker, ServiceWorkerRegistration};

use crate::delivery::Deliveries;
use crate::group::{Group, Written};
use crate::options::{Options, Token};
use crate::register::{Following, active, find, follow};
use crate::status::{Happening, Status};

/// Calls back with what happens.
pub(crate) type Hear = Rc<dyn Fn(&Happening)>;

/// See the module.
pub(crate) struct Driver {
    pub(crate) me: PageId,
    pub(crate) options: Options,
    pub(crate) token: RefCell<Option<Token>>,
    pub(crate) clock: RefCell<Hlc>,
    pub(crate) group: Group,
    pub(crate) deliveries: Deliveries,
    journal: RefCell<Option<Journal>>,
    page: RefCell<Page>,
    status: RefCell<Status>,
    /// Events made durable here that the coordinator has not counted yet: the last position of each transaction, and
    /// how many it wrote.
    fresh: RefCell<VecDeque<(u64, u64)>>,
    hear: RefCell<Vec<Hear>>,
    answers: RefCell<SortedMap<RequestId, oneshot::Sender<Reply>>>,
    ready: Cell<bool>,
    worker: RefCell<Option<ServiceWorker>>,
    finding: Cell<bool>,
    port: RefCell<Option<Port>>,
    alarm: Alarm,
    listeners: RefCell<Option<Listeners>>,
    pub(crate) closed: Cell<bool>,
}

#[derive(Debug)]
struct Listeners {
    _life: Lifecycle,
    _inbox: Option<Inbox>,
    following: RefCell<Option<Rc<Following>>>,
}

impl Driver {
    pub(crate) fn new(options: Options, hear: Vec<Hear>) -> Rc<Self> {
        let me = PageId(entropy::bytes());
        let page = Page::new(me, &options.build, options.hello(), options.batch_age);
        let status = Status { online: lifecycle::online(), ..Status::default() };
        Rc::new(Self {
            me,
            token: RefCell::new(options.token.clone()),
            options,
            clock: RefCell::default(),
            group: Group::default(),
            deliveries: Deliveries::default(),
            journal: RefCell::default(),
            page: RefCell::new(page),
            status: RefCell::new(status),
            fresh: RefCell::default(),
            hear: RefCell::new(hear),
            answers: RefCell::default(),
            ready: Cell::default(),
            worker: RefCell::default(),
            finding: Cell::default(),
            port: RefCell::default(),
            alarm: Alarm::default(),
            listeners: RefCell::default(),
            closed: Cell::default(),
        })
    }

    /// Begins to listen, and looks for the worker; neither is waited for.
    pub(crate) fn start(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let life = Lifecycle::new(move |life| {
            if let Some(driver) = weak.upgrade() {
                driver.on_life(life);
            }
        });
        let weak = Rc::downgrade(self);
        let inbox = Inbox::new(&self.options.channel, move |heard| {
            if let Some(driver) = weak.upgrade() {
                match heard {
                    Heard::Message(bytes) => driver.hear(bytes),
                    Heard::Failed(why) => {
                        driver.change_status(|status| status.host_reason = why.into());
                    }
                    Heard::ControllerChanged => driver.find_worker(),
                }
            }
        });
        let following = RefCell::default();
        *self.listeners.borrow_mut() = Some(Listeners { _life: life, _inbox: inbox, following });
        self.find_worker();
        let driver = Rc::clone(self);
        task::spawn(async move { driver.count().await });
    }

    /// The journal, opened if it is not.
    pub(crate) async fn journal(&self) -> Result<Journal, StoreFault> {
        let open = self.journal.borrow().clone();
        if let Some(journal) = open {
            return Ok(journal);
        }
        let journal = Journal::open(&self.options.channel, OPEN_MAX).await?;
        *self.journal.borrow_mut() = Some(journal.clone());
        Ok(journal)
    }

    // Until a coordinator has answered, the page says itself how much waits.
    async fn count(&self) {
        let Ok(journal) = self.journal().await else { return };
        let counted = journal.count(rows::Store::Journal).await;
        if let (Ok(count), false) = (counted, self.ready.get()) {
            self.change_status(|status| status.pending = count);
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.page.borrow().identity().clone()
    }

    pub(crate) fn status(&self) -> Status {
        let status = self.status.borrow().clone();
        let fresh: u64 = self.fresh.borrow().iter().map(|(_, count)| count).sum();
        let pending = status.pending + fresh;
        let waits = pending > 0 && status.sync == Sync::Synchronized;
        let sync = if waits { Sync::Synchronizing } else { status.sync };
        Status { pending, sync, ..status }
    }

    pub(crate) fn listen(&self, hear: Hear) {
        self.hear.borrow_mut().push(hear);
    }

    pub(crate) fn on_written(self: &Rc<Self>, written: &Written) {
        self.fresh.borrow_mut().push_back((written.last, written.count));
        self.handle(Input::Appended { urgent: written.urgent });
        self.tell(&Happening::Status(self.status()));
    }

    pub(crate) fn tell_trouble(&self, fault: Fault) {
        self.tell(&Happening::Trouble(fault));
    }

    /// Asks the coordinator; its answer, or that it is silent.
    pub(crate) async fn ask(self: &Rc<Self>, request: Request) -> Option<Reply> {
        let (sender, receiver) = oneshot::channel();
        let id = self.page.borrow_mut().ask(clock::now(), request);
        self.answers.borrow_mut().insert(id, sender);
        self.pump();
        receiver.await.ok()
    }

    pub(crate) fn identify(self: &Rc<Self>, identity: Identity, token: Option<Token>) {
        let has_token = token.is_some();
        *self.token.borrow_mut() = token;
        self.page.borrow_mut().identify(clock::now(), identity, has_token);
        self.pump();
    }

    pub(crate) fn close(self: &Rc<Self>) {
        if self.closed.replace(true) {
            return;
        }
        self.leave(false);
        self.alarm.set(None, || {});
        drop(self.listeners.take());
        drop(self.port.take());
        drop(self.answers.take());
        self.deliveries.close(&closed());
        if let Some(journal) = self.journal.take() {
            journal.close();
        }
        self.hear.borrow_mut().clear();
    }

    fn handle(self: &Rc<Self>, input: Input) {
        self.page.borrow_mut().handle(clock::now(), input);
        self.pump();
    }

    // A function of its own, so that the borrow ends before the effect is carried out.
    fn next_effect(&self) -> Option<Effect> {
        self.page.borrow_mut().poll_effect()
    }

    fn pump(self: &Rc<Self>) {
        while let Some(effect) = self.next_effect() {
            self.perform(effect);
        }
        let now = clock::now();
        let next = self.page.borrow().poll_timeout();
        let weak = Rc::downgrade(self);
        self.alarm.set(next.map(|at| at.since(now.mono)), move || {
            if let Some(driver) = weak.upgrade() {
                driver.handle(Input::Timeout);
            }
        });
    }

    fn perform(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Post { message, fast, hello } => self.post(&message, fast, hello),
            Effect::Welcomed => {
                if !self.ready.replace(true) {
                    self.tell(&Happening::Ready);
                }
            }
            Effect::Status(epoch, build, told) => {
                self.fresh.borrow_mut().retain(|(last, _)| *last > told.read_through);
                self.change_status(|status| status.take(epoch, build, &told));
                self.look_for_deliveries();
            }
            Effect::Answered(id, reply) => {
                let sender = self.answers.borrow_mut().remove(&id);
                if let Some(sender) = sender {
                    // Whoever asked may not want to know any more.
                    let _ = sender.send(reply);
                }
            }
            Effect::Buried { id, type_, reason, tries } => {
                self.tell(&Happening::DeadLetter { id, type_, reason, tries });
            }
            Effect::StateLost { what, session, from, to } => {
                // Positions of a database that is gone say nothing about the next.
                if &*what == "database" {
                    self.fresh.borrow_mut().clear();
                }
                self.tell(&Happening::StateLost { what, session, from, to });
            }
            Effect::TokenWanted(identity) => self.give_token(identity),
            Effect::Trouble(fault) => self.tell(&Happening::Trouble(fault)),
            Effect::ReloadNeeded(build) => self.tell(&Happening::ReloadNeeded(build)),
        }
    }

    fn hear(self: &Rc<Self>, bytes: Vec<u8>) {
        self.log(&bytes, false);
        self.handle(Input::Message(bytes));
    }

    fn log(&self, message: &[u8], out: bool) {
        if self.options.debug
            && let Ok(envelope) = Envelope::read(message)
        {
            let name = if out { Request::name(envelope.kind) } else { Notice::name(envelope.kind) };
            self.tell(&Happening::Message { out, name });
        }
    }

    fn post(self: &Rc<Self>, message: &[u8], fast: bool, hello: bool) {
        self.log(message, true);
        if fast && let Some(port) = self.port.borrow().as_ref() {
            return port.post(message);
        }
        let Some(worker) = self.worker.borrow().clone() else { return };
        let mut ports = Vec::new();
        if hello {
            let weak = Rc::downgrade(self);
            let heard = move |bytes| {
                if let Some(driver) = Weak::upgrade(&weak) {
                    driver.hear(bytes);
                }
            };
            if let Ok((port, theirs)) = Port::pair(&self.options.channel, heard) {
                let before = self.port.replace(Some(port));
                drop(before);
                ports.push(theirs);
            }
        }
        let ports: Vec<_> = ports.iter().collect();
        // A worker that cannot be posted to is redundant; the next one will be found.
        let _ = worker_link::post(&worker, &self.options.channel, message, &ports);
    }

    fn give_token(self: &Rc<Self>, identity: Identity) {
        let Some(token) = self.token.borrow().clone() else { return };
        let asked = token(&identity);
        let weak = Rc::downgrade(self);
        task::spawn(async move {
            let token = asked.await.filter(|token| token.len() <= limits::TOKEN_BYTES_MAX);
            if let Some(driver) = weak.upgrade() {
                driver.page.borrow_mut().give_token(identity, token);
                driver.pump();
            }
        });
    }

    /// Looks on disk for outcomes that somebody waits for.
    pub(crate) fn look_for_deliveries(self: &Rc<Self>) {
        let driver = Rc::clone(self);
        task::spawn(async move {
            if let Ok(journal) = driver.journal().await {
                driver.deliveries.look(&journal).await;
            }
        });
    }

    fn on_life(self: &Rc<Self>, life: Life) {
        match life {
            Life::Shown => self.handle(Input::Visible(true)),
            Life::Hidden => self.handle(Input::Visible(false)),
            Life::Left { may_return } => self.leave(may_return),
            Life::Entered { returned: false } | Life::Frozen => {}
            Life::Entered { returned: true } | Life::Resumed => {
                self.handle(Input::Returned);
                self.find_worker();
            }
            Life::Online => {
                self.change_status(|status| status.online = true);
                self.handle(Input::Online);
                self.find_worker();
            }
            Life::Offline => self.change_status(|status| status.online = false),
        }
    }

    fn leave(self: &Rc<Self>, may_return: bool) {
        self.handle(Input::Leaving { rows: self.group.unwritten(), may_return });
    }

    // Looks for the worker, and follows it; while one look lasts there is no other.
    fn find_worker(self: &Rc<Self>) {
        if self.closed.get() || self.finding.replace(true) {
            return;
        }
        let driver = Rc::clone(self);
        task::spawn(async move {
            let found = find(&driver.options).await;
            driver.finding.set(false);
            match found {
                Ok(registration) => driver.link(registration).await,
                Err(why) => driver.change_status(|status| status.host_reason = why),
            }
        });
    }

    async fn link(self: &Rc<Self>, registration: ServiceWorkerRegistration) {
        let weak = Rc::downgrade(self);
        let watched = registration.clone();
        let changed = Rc::new(move || {
            if let Some(driver) = weak.upgrade() {
                driver.take_worker(watched.active());
            }
        });
        if let Some(listeners) = self.listeners.borrow().as_ref() {
            let before = listeners.following.replace(Some(follow(&registration, changed)));
            drop(before);
        }
        self.take_worker(active(&registration).await);
    }

    fn take_worker(self: &Rc<Self>, worker: Option<ServiceWorker>) {
        let Some(worker) = worker else { return };
        let same = self.worker.borrow().as_ref() == Some(&worker);
        if same || self.closed.get() {
            return;
        }
        *self.worker.borrow_mut() = Some(worker);
        drop(self.port.take());
        self.change_status(|status| status.host_reason = "".into());
        self.handle(Input::Linked);
    }

    fn change_status(&self, change: impl FnOnce(&mut Status)) {
        let before = self.status.borrow().clone();
        change(&mut self.status.borrow_mut());
        self.tell_if_changed(&before);
    }

    // Apart, so that it is compiled once.
    #[inline(never)]
    fn tell_if_changed(&self, before: &Status) {
        if *self.status.borrow() != *before {
            self.tell(&Happening::Status(self.status()));
        }
    }

    fn tell(&self, happening: &Happening) {
        let hear = self.hear.borrow().clone();
        hear.iter().for_each(|hear| hear(happening));
    }
}

/// What is said of a client that is closed.
pub(crate) fn closed() -> Fault {
    Fault::new("closed", Culprit::App, "this client is closed: call `connect` again")
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("me", &self.me).finish_non_exhaustive()
    }
}

const OPEN_MAX: Duration = Duration::from_millis(2_900);
