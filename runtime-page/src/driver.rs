//! The page machine's loop, and everything the client stands on.

use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{
    Culprit, EventId, Fault, Hlc, Mono, PageId, RequestId, SortedMap, limits,
};
use bellwether_shared::bus::{Envelope, Identity, Notice, Reply, Request, Sync};
use bellwether_shared::host::{Suspicion, Watchdog};
use bellwether_shared::page::{Effect, Input, Page};
use bellwether_shared::rows::{Key, Store};
use bellwether_shared::tape::{self, Recording};
use bellwether_shared::wire::PATCH_TYPE;
use bellwether_web::fault::StoreFault;
use bellwether_web::journal::{Done, Journal};
use bellwether_web::link::{self, Heard, Link};
use bellwether_web::{clock, entropy, task};
use minicbor::bytes::ByteVec;
use wasm_bindgen::JsValue;

use crate::delivery::Outcomes;
use crate::document::Document;
use crate::group::{Begin, Group, Settle, Written};
use crate::listing::Rows;
use crate::options::{Options, WorkerChoice};
use crate::status::{Happening, Host, Status};

/// Calls back with what happens.
pub(crate) type Hear = Rc<dyn Fn(&Happening)>;

/// Asks the app for a token, to be given by [`Driver::give_token`].
pub(crate) type AskToken = Rc<dyn Fn(&Rc<Driver>, Identity)>;

/// See the module.
pub(crate) struct Driver {
    pub(crate) me: PageId,
    pub(crate) options: Options,
    pub(crate) clock: RefCell<Hlc>,
    /// Who waits for outcomes, once anybody does.
    pub(crate) outcomes: OnceCell<Box<dyn Outcomes>>,
    /// What the session's pages share.
    pub(crate) document: Document,
    group: Group,
    /// Transactions of a burst, of which the page machine was not told yet.
    untold: Cell<u32>,
    pub(crate) journal: Journal,
    pub(crate) link: Link,
    token: RefCell<Option<AskToken>>,
    page: RefCell<Page>,
    watchdog: RefCell<Watchdog>,
    /// What the link's timer was set to, and has not rung for.
    alarm: Cell<Option<Mono>>,
    status: RefCell<Status>,
    /// Events made durable here that the coordinator has not counted yet: the last position of each transaction, and
    /// how many it wrote.
    fresh: RefCell<Vec<(u64, u64)>>,
    hear: RefCell<Vec<Hear>>,
    answers: RefCell<SortedMap<RequestId, Settle<Reply>>>,
    ready: Cell<bool>,
    pub(crate) closed: Cell<bool>,
}

impl Driver {
    pub(crate) fn new(options: Options, token: Option<AskToken>, hear: Vec<Hear>) -> Rc<Self> {
        let me = PageId(entropy::bytes());
        let hello = options.hello(token.is_some());
        let page = Page::new(me, &options.build, hello, options.batch_age)
            .with_safety_net(options.safety_net);
        let document = Document::new(&options.identity().session);
        let status = Status { online: link::online(), ..Status::default() };
        Rc::new_cyclic(|weak: &std::rc::Weak<Self>| {
            let weak = weak.clone();
            let url = match &options.worker {
                WorkerChoice::Auto => None,
                WorkerChoice::At(url) => Some(&**url),
                WorkerChoice::Off => Some(""),
            };
            let link = Link::new(&options.channel, url, options.scope.as_deref(), move |heard| {
                if let Some(driver) = weak.upgrade() {
                    driver.on_heard(heard);
                }
            });
            Self {
                me,
                journal: Journal::new(&options.channel, OPEN_MAX),
                link,
                token: RefCell::new(token),
                options,
                clock: RefCell::default(),
                outcomes: OnceCell::new(),
                document,
                group: Group::default(),
                untold: Cell::default(),
                page: RefCell::new(page),
                watchdog: RefCell::default(),
                alarm: Cell::default(),
                status: RefCell::new(status),
                fresh: RefCell::default(),
                hear: RefCell::new(hear),
                answers: RefCell::default(),
                ready: Cell::default(),
                closed: Cell::default(),
            }
        })
    }

    /// Opens the journal, begins to listen, and looks for the worker, which is not waited for. Calls `done` when the
    /// journal is open or known not to be openable.
    pub(crate) fn start(self: &Rc<Self>, done: impl FnOnce(Result<(), Fault>) + 'static) {
        let driver = Rc::clone(self);
        self.journal.open(Box::new(move |result| {
            // Tried again by each use; whoever enqueues is told why it did not work.
            driver.link.start();
            driver.count();
            // What other pages say from here on is heard, and what they have said before is on disk, or will be told of.
            driver.read_document_and(move || done(result.map_err(|fault| fault.to_fault())));
        }));
    }

    /// Rows are kept elsewhere from here on.
    pub(crate) fn keep_in(self: &Rc<Self>, journal: &JsValue) {
        self.journal.instead(journal);
        self.count();
        self.read_document();
    }

    // Until a coordinator has answered, the page says itself how much waits.
    fn count(self: &Rc<Self>) {
        let driver = Rc::clone(self);
        self.journal.count(
            Store::Journal,
            Box::new(move |counted| {
                if let (Ok(count), false) = (counted, driver.ready.get()) {
                    driver.change_status(|status| status.pending = count);
                }
            }),
        );
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

    pub(crate) fn tell_trouble(&self, fault: Fault) {
        self.tell(&Happening::Trouble(fault));
    }

    /// Appends a row; what is appended in the same turn, or while a transaction is under way, shares the next.
    pub(crate) fn append(
        self: &Rc<Self>,
        row: Vec<u8>,
        urgent: bool,
        settle: Settle<u64>,
    ) -> Result<(), Fault> {
        match self.group.push(row, urgent, settle)? {
            Begin::Now => self.write(),
            Begin::Soon => {
                let driver = Rc::clone(self);
                task::soon(move || driver.write());
            }
            Begin::Later => {}
        }
        Ok(())
    }

    // Writes what waits, transaction after transaction, until nothing does.
    fn write(self: &Rc<Self>) {
        let Some((number, rows)) = self.group.begin() else { return };
        let driver = Rc::clone(self);
        let strict = !self.options.relaxed;
        self.journal.append(
            &rows,
            strict,
            Box::new(move |result| {
                match driver.group.end(number, result) {
                    Some(written) => driver.on_written(&written),
                    // What was written before it is still to be told of.
                    None if driver.untold.replace(0) > 0 => {
                        driver.handle(Input::Appended { urgent: false });
                    }
                    None => {}
                }
                driver.write();
            }),
        );
    }

    // The coordinator reads what it is nudged for, from the disk that is being written: of a burst it hears at the end.
    fn on_written(self: &Rc<Self>, written: &Written) {
        self.fresh.borrow_mut().push((written.last, written.count));
        let untold = self.untold.get() + 1;
        if written.urgent || !self.group.is_busy() || untold == UNTOLD_MAX {
            self.untold.set(0);
            self.handle(Input::Appended { urgent: written.urgent });
        } else {
            self.untold.set(untold);
        }
        self.tell(&Happening::Status(self.status()));
    }

    /// Reads up to so many rows of a store as are listed.
    pub(crate) fn read(&self, store: Store, settle: Settle<Rows>) {
        let done = |found: Result<_, StoreFault>| settle(found.map_err(|fault| fault.to_fault()));
        self.journal.read(store, None, LISTED_MAX, Box::new(done));
    }

    /// The same, as the browser gives them.
    pub(crate) fn read_as_is(&self, store: &str, after: f64, settle: Settle<JsValue>) {
        if self.closed.get() {
            return settle(Err(closed()));
        }
        let done = |found: Result<_, StoreFault>| settle(found.map_err(|fault| fault.to_fault()));
        self.journal.read_as_is(store, after, LISTED_MAX, Box::new(done));
    }

    /// Rows that this page has not seen written.
    pub(crate) fn unwritten(&self) -> Vec<ByteVec> {
        self.group.unwritten()
    }

    /// Asks the coordinator; its answer, or that it is silent.
    pub(crate) fn ask(self: &Rc<Self>, request: Request, settle: Settle<Reply>) {
        if self.closed.get() {
            return settle(Err(closed()));
        }
        let id = self.page.borrow_mut().ask(clock::now(), request);
        self.answers.borrow_mut().insert(id, settle);
        self.pump();
    }

    /// Writes down from here on what happens, or ends it; and so does the coordinator.
    pub(crate) fn record(self: &Rc<Self>, recording: Option<Recording>) {
        self.page.borrow_mut().record(recording);
        // Nobody waits for the answer.
        self.ask(Request::Record { recording }, Box::new(drop));
    }

    /// What was written down. Without a disk there is what the page knows.
    pub(crate) fn recording(self: &Rc<Self>, settle: impl FnOnce(Vec<u8>) + 'static) {
        let driver = Rc::clone(self);
        let done = move |found: Result<Rows, StoreFault>| {
            let mut chunks = driver.page.borrow().recorded();
            chunks.extend(found.unwrap_or_default().into_iter().map(|(_, row)| row));
            settle(tape::file(chunks.iter().map(|chunk| &chunk[..]).collect()));
        };
        self.journal.read(Store::Kv, None, 0, Box::new(done));
    }

    pub(crate) fn identify(self: &Rc<Self>, identity: Identity, token: Option<AskToken>) {
        let has_token = token.is_some();
        *self.token.borrow_mut() = token;
        let session = identity.session.clone();
        self.page.borrow_mut().identify(clock::now(), identity, has_token);
        self.pump();
        self.change_session(&session);
    }

    /// The app has answered what it was asked for.
    pub(crate) fn give_token(self: &Rc<Self>, identity: Identity, token: Option<Box<str>>) {
        let token = token.filter(|token| token.len() <= limits::TOKEN_BYTES_MAX);
        self.page.borrow_mut().give_token(identity, token);
        self.pump();
    }

    /// Leaves once what is being written is written.
    pub(crate) fn close_when_written(self: &Rc<Self>, closed: impl FnOnce() + 'static) {
        let driver = Rc::clone(self);
        self.group.when_written(Box::new(move || {
            driver.close();
            closed();
        }));
    }

    pub(crate) fn close(self: &Rc<Self>) {
        if self.closed.replace(true) {
            return;
        }
        self.leave(false);
        self.link.close();
        let answers = self.answers.take();
        answers.into_values().for_each(|settle| settle(Err(closed())));
        if let Some(outcomes) = self.outcomes.get() {
            outcomes.close(&closed());
        }
        self.journal.close();
        self.hear.borrow_mut().clear();
    }

    /// The app looks at the session's document.
    pub(crate) fn show_state(self: &Rc<Self>) {
        self.page.borrow_mut().show_state(clock::now());
        self.pump();
    }

    fn handle(self: &Rc<Self>, input: Input) {
        self.page.borrow_mut().handle(clock::now(), input);
        self.pump();
    }

    // A function of its own, so that the borrow ends before the effect is carried out.
    fn next_effect(&self) -> Option<Effect> {
        self.page.borrow_mut().poll_effect()
    }

    pub(crate) fn pump(self: &Rc<Self>) {
        while let Some(effect) = self.next_effect() {
            self.perform(effect);
        }
        let next = Mono::earlier(self.page.borrow().poll_timeout(), self.document_due());
        let next = Mono::earlier(next, self.watchdog.borrow().poll_timeout());
        // Moving a timer costs more than to write an event down. One that rings early finds nothing to do, and is set anew.
        let Some(at) = next.filter(|at| self.alarm.get().is_none_or(|set| *at < set)) else {
            return;
        };
        self.alarm.set(Some(at));
        self.link.wake(Some(at.since(clock::now().mono)));
    }

    fn perform(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Post { message, fast, hello } => {
                self.log(&message, true);
                if hello {
                    self.watchdog.borrow_mut().asked(clock::now().mono);
                }
                self.link.post(&message, fast, hello);
            }
            Effect::Welcomed => {
                if !self.ready.replace(true) {
                    self.tell(&Happening::Ready);
                }
                // What was told before this one knew of the page may not have been heard.
                self.read_document();
            }
            Effect::Changed(changed) => self.on_changed(changed),
            Effect::Status(epoch, build, told) => {
                self.fresh.borrow_mut().retain(|(last, _)| *last > told.read_through);
                if told.pending == 0 {
                    self.on_drained();
                }
                self.change_status(|status| status.take(self.me, epoch, build, &told));
                if let Some(outcomes) = self.outcomes.get() {
                    outcomes.look(self);
                }
            }
            Effect::Answered(id, reply) => {
                let settle = self.answers.borrow_mut().remove(&id);
                if let Some(settle) = settle {
                    settle(Ok(reply));
                }
            }
            Effect::Buried { id, type_, reason, tries } => {
                if let (PATCH_TYPE, Ok(id)) = (&*type_, EventId::new(&id)) {
                    self.take_back(&id);
                }
                self.tell(&Happening::DeadLetter { id, type_, reason, tries });
            }
            Effect::StateLost { what, session, from, to } => {
                // Positions of a database that is gone say nothing about the next.
                if &*what == "database" {
                    self.fresh.borrow_mut().clear();
                    self.read_document();
                }
                self.tell(&Happening::StateLost { what, session, from, to });
            }
            Effect::TokenWanted(identity) => {
                let token = self.token.borrow().clone();
                if let Some(ask) = token {
                    ask(self, identity);
                }
            }
            Effect::Trouble(fault) => self.tell(&Happening::Trouble(fault)),
            Effect::ReloadNeeded(build) => self.tell(&Happening::ReloadNeeded(build)),
            Effect::HostedByPage => self.lose_host("a page hosts the coordinator"),
        }
    }

    fn log(&self, message: &[u8], out: bool) {
        if self.options.debug
            && let Ok(envelope) = Envelope::read(message)
        {
            let name = if out { Request::name(envelope.kind) } else { Notice::name(envelope.kind) };
            self.tell(&Happening::Message { out, name });
        }
    }

    /// The rows of a store with numbers beyond `from`.
    pub(crate) fn read_beyond(&self, store: Store, from: u64, done: Done<Vec<(Key, Vec<u8>)>>) {
        self.journal.read(store, Some(from), 0, done);
    }

    fn on_heard(self: &Rc<Self>, heard: Heard) {
        match heard {
            Heard::Message(bytes) => {
                self.log(&bytes, false);
                self.watchdog.borrow_mut().heard();
                self.handle(Input::Message(bytes));
            }
            Heard::Failed(why) => self.lose_host(&why),
            Heard::Linked => {
                self.watchdog.borrow_mut().heard();
                self.handle(Input::Linked);
            }
            Heard::Visible(visible) => self.handle(Input::Visible(visible)),
            Heard::Left { may_return } => self.leave(may_return),
            Heard::Peer(bytes) => self.on_word(&bytes),
            Heard::Returned => {
                self.read_document();
                self.handle(Input::Returned);
            }
            Heard::Online(online) => {
                self.change_status(|status| status.online = online);
                if online {
                    self.handle(Input::Online);
                }
            }
            Heard::Network(network) => self.handle(Input::Network(network)),
            Heard::Timeout => {
                self.alarm.set(None);
                self.look_around();
                self.watch();
                self.handle(Input::Timeout);
            }
        }
    }

    fn watch(&self) {
        let suspicion = self.watchdog.borrow_mut().suspects(clock::now().mono);
        if let Some(suspicion) = suspicion {
            self.link.accuse(suspicion == Suspicion::Wedged);
        }
    }

    // Nobody hosts the coordinator who could be asked.
    fn lose_host(&self, why: &str) {
        self.change_status(|status| {
            status.host = Host::Starting;
            status.host_reason = why.into();
            status.leads = false;
        });
    }

    /// A page hosts the coordinator.
    pub(crate) fn via(&self, post: &JsValue, offered: &JsValue) -> JsValue {
        self.watchdog.borrow_mut().asks_page(true);
        self.link.via(post, offered)
    }

    /// A worker hosts the coordinator again; or one is looked for.
    pub(crate) fn back(&self, worker: &JsValue) {
        if !worker.is_undefined() {
            self.watchdog.borrow_mut().asks_page(false);
            // Should it fail, too, that is news.
            self.change_status(|status| status.host_reason = "".into());
        }
        self.link.back(worker);
    }

    fn leave(self: &Rc<Self>, may_return: bool) {
        self.say_durable();
        self.handle(Input::Leaving { rows: self.group.unwritten(), may_return });
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

    pub(crate) fn tell(&self, happening: &Happening) {
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

/// Transactions of a burst after which the coordinator hears of it all the same.
const UNTOLD_MAX: u32 = 16;
/// Rows that are listed at the most; the status counts them all.
const LISTED_MAX: u32 = limits::PAGE_QUEUE_ROWS_MAX as u32;
