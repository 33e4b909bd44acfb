//! A connection to a database, opened when it is first used and again when it has died.
//!
//! Browsers close databases: for an upgrade or a deletion (`versionchange`), when a profile is cleared
//! (`close`), or silently when a page slept. So a handle is never taken for granted: a use that fails
//! because of it happens once more on a new one.
//!
//! What always holds:
//! - at most one connection is kept, and one that opens too late is closed at once, so that it cannot
//!   stand in the way of others;
//! - a use that is repeated has written nothing: its transaction never began, or was aborted.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::rc::Rc;

use js_sys::Array;
use web_sys::IdbDatabase;

use crate::alarm;
use crate::fault::StoreFault;
use crate::listen::Listener;
use crate::members::Members;
use crate::once::Once;
use crate::open::open;
use crate::schema::Schema;
use crate::task::{self, Boxed};
use crate::transaction::{self, Fire, Mode};

pub(crate) struct Connection {
    name: Rc<str>,
    schema: &'static Schema,
    timeout: Duration,
    live: RefCell<Option<Live>>,
    losses: Cell<u32>,
}

struct Live {
    db: IdbDatabase,
    _farewell: Listener,
}

impl Connection {
    /// A connection that is opened at its first use.
    pub(crate) fn new(name: &str, schema: &'static Schema, timeout: Duration) -> Rc<Self> {
        Rc::new(Self {
            name: name.into(),
            schema,
            timeout,
            live: RefCell::new(None),
            losses: Cell::new(0),
        })
    }

    /// One transaction over the stores of these names; once more on a new handle if the first was dead, and
    /// then all is fired again.
    pub(crate) fn run<'a>(
        self: &'a Rc<Self>,
        names: Array,
        mode: Mode,
        fire: Fire<'a>,
    ) -> Boxed<'a, Result<(), StoreFault>> {
        Box::pin(async move {
            // A loop, so that what is awaited is compiled once.
            let mut repeated = false;
            loop {
                let db = self.database().await?;
                match transaction::run(&db, &names, mode, fire).await {
                    Err(fault) if !repeated && fault.is_of_handle() => self.lose(),
                    done => return done,
                }
                repeated = true;
            }
        })
    }

    /// The database, opened if need be.
    pub(crate) fn database(self: &Rc<Self>) -> Boxed<'_, Result<IdbDatabase, StoreFault>> {
        Box::pin(async {
            if let Some(db) = self.current() {
                return Ok(db);
            }
            let mut first = None;
            // Twice, because engines are known to leave a first opening without an answer for ever.
            loop {
                match (self.open().await, first) {
                    (Ok(db), _) => return Ok(self.keep(db)),
                    (Err(fault @ StoreFault::Unavailable(_)), None) => return Err(fault),
                    (Err(fault), None) => first = Some(fault),
                    // The second waits behind the first, and cannot know for what.
                    (Err(_), Some(first @ StoreFault::Blocked)) => return Err(first),
                    (Err(second), Some(_)) => return Err(second),
                }
            }
        })
    }

    /// Lets go of the database; the next use opens it again. What is under way ends as usual.
    pub(crate) fn close(&self) {
        let live = self.live.take();
        if let Some(live) = live {
            live.db.close();
        }
    }

    /// How often the browser has taken the database away. What is opened after that may be another one.
    #[cfg(feature = "worker")]
    pub(crate) fn losses(&self) -> u32 {
        self.losses.get()
    }

    pub(crate) fn lose(&self) {
        self.losses.set(self.losses.get().wrapping_add(1));
        self.close();
    }

    fn current(&self) -> Option<IdbDatabase> {
        self.live.borrow().as_ref().map(|live| live.db.clone())
    }

    async fn open(&self) -> Result<IdbDatabase, StoreFault> {
        let blocked = Rc::new(Cell::new(false));
        let (name, schema, waiting) = (Rc::clone(&self.name), self.schema, Rc::clone(&blocked));
        let opening = async move { open_complete(&name, schema, waiting).await };
        match opened_within(self.timeout / 2, opening).await {
            Some(opened) => opened,
            None if blocked.get() => Err(StoreFault::Blocked),
            None => Err(StoreFault::Timeout),
        }
    }

    // Two uses may have opened at once; the first stays.
    fn keep(self: &Rc<Self>, db: IdbDatabase) -> IdbDatabase {
        if let Some(first) = self.current() {
            db.close();
            return first;
        }
        let connection = Rc::downgrade(self);
        let farewell = Listener::new(&db, &["versionchange", "close"], move |_| {
            if let Some(connection) = connection.upgrade() {
                connection.lose();
            }
        });
        *self.live.borrow_mut() = Some(Live { db: db.clone(), _farewell: farewell });
        db
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            live.db.close();
        }
    }
}

/// What is opened, or `None` after `timeout`. The opening goes on whatever becomes of the caller, and what it
/// gives too late is closed, so that no connection is left behind.
async fn opened_within(
    timeout: Duration,
    opening: impl Future<Output = Result<IdbDatabase, StoreFault>> + 'static,
) -> Option<Result<IdbDatabase, StoreFault>> {
    let opened = Once::new();
    let late = opened.clone();
    task::spawn(async move {
        if let Err(Ok(unwanted)) = late.put(opening.await) {
            unwanted.close();
        }
    });
    alarm::within(timeout, opened.get()).await
}

// A database may be there without the stores: another opened it without knowing them. Then it is
// opened once more, one version up.
async fn open_complete(
    name: &str,
    schema: &'static Schema,
    blocked: Rc<Cell<bool>>,
) -> Result<IdbDatabase, StoreFault> {
    let db = open(name, None, schema, Rc::clone(&blocked)).await?;
    if (schema.is_complete)(&db) {
        return Ok(db);
    }
    let next = Members::of(&db).get("version").as_f64().unwrap_or_default() as u32 + 1;
    db.close();
    open(name, Some(next), schema, blocked).await
}
