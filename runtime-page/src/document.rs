//! The session's document in this page: what it shows, what it writes, and what it hears of others (STATE-1, STATE-8).
//!
//! ```text
//!  write ─▶ shown here ─▶ told to the other pages ─▶ appended ─▶ durable: told, a little later ─▶ …the coordinator names it
//! ```
//!
//! What always holds: a write is shown before the call returns; one that could not be stored is taken back, here and in
//! the other pages.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{Culprit, EventId, Fault, Mono, PageId};
use bellwether_shared::bus::{Changed, Envelope, Folded, Identity, Over, Reply, Request, Word};
use bellwether_shared::rows::{JournalRow, Key, StreamKey, document_prefix};
use bellwether_shared::rules::document::Entry;
use bellwether_shared::rules::patch::{Patch, Write};
use bellwether_shared::state::{Mirror, Seen, last_writer};
use bellwether_shared::wire::{Event, EventFlags, EventKind, Lane, PATCH_TYPE, to_cbor};
use bellwether_web::journal::Pairs;
use bellwether_web::{clock, entropy};

use crate::driver::{Driver, closed};
use crate::group::Settle;
use crate::status::{Happening, Origin};

/// See the module.
#[derive(Default)]
pub(crate) struct Document {
    mirror: RefCell<Mirror>,
    /// A read of the whole disk is under way, and whether another is to follow.
    reading: Cell<bool>,
    again: Cell<bool>,
    /// Reads of its rows alone that are under way.
    looking: Cell<u32>,
    read: RefCell<Vec<Box<dyn FnOnce()>>>,
    /// What became durable here, and the other pages have not been told of yet.
    untold: RefCell<Vec<Vec<u8>>>,
    /// When they are to be.
    due: Cell<Option<Mono>>,
}

impl Document {
    pub(crate) fn new(session: &str) -> Self {
        Self { mirror: RefCell::new(Mirror::new(session)), ..Self::default() }
    }
}

impl Driver {
    /// What is shown.
    pub(crate) fn mirror<T>(&self, look: impl FnOnce(&Mirror) -> T) -> T {
        look(&self.document.mirror.borrow())
    }

    /// Writes to the document; gives the event's id at once, and tells nobody here: whoever writes knows. `settle` is told how far the log was known when it was
    /// durable. One that names a base is filled in, and may be refused yet.
    pub(crate) fn write_state(
        self: &Rc<Self>,
        writes: Vec<Write<'_>>,
        flags: EventFlags,
        settle: Settle<u64>,
    ) -> Result<EventId, Fault> {
        if self.closed.get() {
            return Err(closed());
        }
        let now = clock::now();
        // One key that is written as a whole, later than all that was written to it before.
        let sole = matches!(&writes[..], [Write { path, base: None, .. }] if path.is_empty());
        let patch = Patch { writes };
        patch.check().map_err(|why| unfit(why.words()))?;
        let data = to_cbor(&patch);
        let newest = self.mirror(Mirror::newest);
        let mut clock = self.clock.borrow_mut();
        clock.trust(newest);
        let event = Event {
            id: EventId::from_uuid(now.wall, entropy::bytes()),
            kind: EventKind::Patch,
            type_: PATCH_TYPE,
            key: patch.writes.first().filter(|_| sole).map(|write| write.key),
            data: Some(&data),
            schema: 0,
            stamp: clock.tick(now.wall),
            page: self.me,
            at: now.wall,
            correlation: None,
            after: None,
            binds: None,
            flags: Some(EventFlags(flags.0 | if sole { EventFlags::COLLAPSE.0 } else { 0 })),
        };
        drop(clock);
        event
            .check()
            .map_err(|_| unfit("more than 256 KiB are written at once: write in parts"))?;
        let (id, sealed) = (event.id.clone(), to_cbor(&event));
        let Identity { session, user } = self.identity();
        let stream = StreamKey { session, user, lane: Lane::Normal };
        // Before anything else, since they are waiting.
        self.say(&Word::Patch { session: &stream.session, sealed: &sealed });
        let row = to_cbor(&JournalRow::new(&stream, &sealed, now.wall));
        self.document.mirror.borrow_mut().on_written(now, &event, &patch, sealed);
        let session = stream.session;
        let (driver, of) = (Rc::clone(self), id.clone());
        let stored: Settle<u64> = Box::new(move |result| {
            driver.on_stored(&session, of, result, settle);
        });
        if let Err(fault) = self.append(row, false, stored) {
            self.document.mirror.borrow_mut().on_withdrawn(now, &id);
            let session = self.identity().session;
            self.say(&Word::Withdrawn { session: &session, id });
            return Err(fault);
        }
        Ok(id)
    }

    fn on_stored(
        self: &Rc<Self>,
        session: &str,
        id: EventId,
        result: Result<u64, Fault>,
        settle: Settle<u64>,
    ) {
        let version = self.mirror(Mirror::version);
        match result {
            Ok(position) => {
                // It may have taken so long that it was given up.
                if !self.document.mirror.borrow_mut().on_durable(&id, position) {
                    self.read_document();
                }
                let word = self.sealed(&Word::Durable { session, id, position });
                let Document { untold, due, .. } = &self.document;
                untold.borrow_mut().push(word);
                if due.get().is_none() {
                    due.set(Some(clock::now().mono.after(DURABLE_AFTER)));
                }
                settle(Ok(version));
                self.pump();
            }
            // Where nothing can be stored it is a store of this page and of those that hear of it (STATE-12).
            Err(fault) if &*fault.code == "store-unavailable" => {
                self.document.mirror.borrow_mut().on_durable(&id, u64::MAX);
                settle(Ok(version));
            }
            Err(fault) => {
                self.say(&Word::Withdrawn { session, id: id.clone() });
                self.take_back(&id);
                settle(Err(fault));
            }
        }
    }

    /// When [`look_around`](Self::look_around) is wanted.
    pub(crate) fn document_due(&self) -> Option<Mono> {
        Mono::earlier(self.document.due.get(), self.mirror(Mirror::due))
    }

    /// Does what is due.
    pub(crate) fn look_around(self: &Rc<Self>) {
        let now = clock::now().mono;
        let is_due = |at: Option<Mono>| at.is_some_and(|at| at <= now);
        if is_due(self.document.due.get()) {
            self.say_durable();
        }
        if is_due(self.mirror(Mirror::due)) {
            self.read_document();
        }
    }

    /// Tells the other pages what has become durable. They show it already, and to be told so in the same moment as of the
    /// write itself would be at the cost of showing it.
    pub(crate) fn say_durable(&self) {
        self.document.due.set(None);
        self.document.untold.take().iter().for_each(|word| self.link.say(word));
    }

    /// A patch will never count.
    pub(crate) fn take_back(self: &Rc<Self>, id: &EventId) {
        let seen = self.document.mirror.borrow_mut().on_withdrawn(clock::now(), id);
        self.show(seen, self.me, Origin::Local);
    }

    /// Another page has said something.
    pub(crate) fn on_word(self: &Rc<Self>, bytes: &[u8]) {
        let Ok(envelope) = Envelope::read(bytes) else { return };
        let Ok(Some(word)) = Word::open(&envelope) else { return };
        let now = clock::now();
        let mine = |session: &str| self.mirror(|mirror| mirror.session() == session);
        match word {
            Word::Patch { session, sealed } if mine(session) => {
                let seen = self.document.mirror.borrow_mut().on_patch(now, sealed);
                // Whoever is shown it may answer, and that is later.
                if let Some(made) = seen.made {
                    self.clock.borrow_mut().observe(made, now.wall);
                }
                self.show(seen, envelope.sender, Origin::Page);
                self.pump();
            }
            Word::Durable { session, id, position } if mine(session) => {
                // Whoever has missed the first word looks for it.
                if !self.document.mirror.borrow_mut().on_durable(&id, position) {
                    self.read_document();
                }
            }
            Word::Withdrawn { session, id } if mine(session) => {
                let seen = self.document.mirror.borrow_mut().on_withdrawn(now, &id);
                self.show(seen, envelope.sender, Origin::Page);
            }
            Word::Patch { .. } | Word::Durable { .. } | Word::Withdrawn { .. } => {}
        }
    }

    /// What the disk has of the document has changed.
    pub(crate) fn on_changed(self: &Rc<Self>, changed: Changed) {
        if !self.mirror(|mirror| *mirror.session() == *changed.session) {
            return;
        }
        let looking = self.document.looking.get();
        // What is being read is older than what is told now.
        if let Some(folded) = changed.folded.as_ref().filter(|_| looking == 0)
            && let Some(seen) = self.fold(&changed.over, folded)
        {
            return self.show_confirmed(seen);
        }
        self.document.looking.set(looking + 1);
        let prefix = document_prefix(&changed.session);
        let driver = Rc::clone(self);
        let read = move |found: Result<[Pairs; 2], _>| {
            driver.document.looking.set(driver.document.looking.get() - 1);
            let Ok([rows, _]) = found else { return driver.read_document() };
            let now = clock::now();
            let seen = driver.document.mirror.borrow_mut().on_changed(now, &changed.over, &rows);
            driver.show_confirmed(seen);
        };
        self.journal.read_document(&prefix, false, Box::new(read));
    }

    // A function of its own, so that the borrow ends before anybody is told.
    fn fold(&self, over: &[Over], folded: &Folded) -> Option<Seen> {
        self.document.mirror.borrow_mut().on_folded(clock::now(), over, folded)
    }

    /// The coordinator has nothing left to send.
    pub(crate) fn on_drained(&self) {
        self.document.mirror.borrow_mut().on_drained(clock::now());
    }

    /// Reads all that the disk has of it, and what waits in the journal; calls `done` when that is over.
    pub(crate) fn read_document_and(self: &Rc<Self>, done: impl FnOnce() + 'static) {
        self.document.read.borrow_mut().push(Box::new(done));
        self.read_document();
    }

    /// The same; while one read is under way, another follows it.
    pub(crate) fn read_document(self: &Rc<Self>) {
        let document = &self.document;
        if document.reading.replace(true) {
            document.again.set(true);
            return;
        }
        let number = document.mirror.borrow_mut().begin_read();
        let session: Box<str> = self.mirror(|mirror| mirror.session().into());
        let prefix = document_prefix(&session);
        let driver = Rc::clone(self);
        let waiting = document.read.take();
        let read = move |found: Result<[Pairs; 2], _>| {
            driver.document.reading.set(false);
            let same = driver.mirror(|mirror| *mirror.session() == *session);
            if same && found.is_err() {
                driver.document.mirror.borrow_mut().on_read_failed(clock::now());
                driver.pump();
            }
            if let (Ok([rows, journal]), true) = (found, same) {
                let number_of = |(key, row)| match key {
                    Key::Number(number) => Some((number, row)),
                    Key::Text(_) => None,
                };
                let journal: Vec<_> = journal.into_iter().filter_map(number_of).collect();
                let now = clock::now();
                let seen =
                    driver.document.mirror.borrow_mut().on_read(now, number, &rows, &journal);
                driver.show_confirmed(seen);
            }
            waiting.into_iter().for_each(|done| done());
            if driver.document.again.replace(false) || !driver.document.read.borrow().is_empty() {
                driver.read_document();
            }
        };
        self.journal.read_document(&prefix, true, Box::new(read));
    }

    /// Has the coordinator ask the server for what is new; settles once it is shown.
    pub(crate) fn pull(self: &Rc<Self>, head: Option<u64>, settle: Settle<Reply>) {
        let driver = Rc::clone(self);
        let answered: Settle<Reply> = Box::new(move |reply| {
            driver.read_document_and(move || settle(reply));
        });
        self.ask(Request::Pull { head }, answered);
    }

    /// The document is another session's from here on.
    pub(crate) fn change_session(self: &Rc<Self>, session: &str) {
        if self.mirror(|mirror| mirror.session() == session) {
            return;
        }
        let before = self.document.mirror.replace(Mirror::new(session));
        let seen = Seen { keys: before.keys(), ..Seen::default() };
        self.show(seen, PageId::default(), Origin::Server);
        self.read_document();
    }

    fn show_confirmed(&self, seen: Seen) {
        let writer = |mirror: &Mirror| {
            let entry: Option<&Entry> = seen.keys.first().and_then(|key| mirror.get(key));
            entry.map(last_writer)
        };
        let source = self.mirror(writer).unwrap_or_default();
        self.show(seen, source, Origin::Server);
    }

    fn show(&self, seen: Seen, source: PageId, origin: Origin) {
        let Seen { keys, clashes, lost, .. } = seen;
        if !keys.is_empty() || lost {
            let version = self.mirror(Mirror::version);
            self.tell(&Happening::State { keys, source, origin, version });
        }
        for clash in clashes {
            self.tell(&Happening::Clash(clash));
        }
    }

    fn say(&self, word: &Word<'_>) {
        self.link.say(&self.sealed(word));
    }

    fn sealed(&self, word: &Word<'_>) -> Vec<u8> {
        word.seal(&self.options.build, self.me)
    }
}

/// How long the other pages are left to show writes before they are told that these are durable.
const DURABLE_AFTER: Duration = Duration::from_millis(500);

fn unfit(words: &str) -> Fault {
    Fault::new("state-invalid", Culprit::App, words)
}
