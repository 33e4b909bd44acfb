//! One SQLite file: one thread writes, a few connections read.
//!
//! ```text
//!  push ─▶ bounded queue ─▶ writer: BEGIN ─ SAVEPOINT each ─ COMMIT ─▶ answers
//!  page ─▶ a read-only connection, on the last commit
//! ```
//!
//! What always holds: a write-ahead log with `synchronous = FULL`, so what is committed survives the
//! power cut, and an answer is given out only after the commit; nothing is remembered between two
//! transactions but prepared statements, so a restart has nothing to restore.

mod archive;
mod keeper;
mod ledger;
mod schema;
mod writer;

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bellwether_shared::wire::{Answer, LogPage, Push, Snapshot};
use rusqlite::Connection;
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::ledger::SqlLedger;
use self::writer::{Job, Work};
use super::{Store, entropy, wall};
use crate::audit::Export;
use crate::bounds;
use crate::effect::Effect;
use crate::engine::{self, Checked, PageAsk, Parting, StateAsk, StoreFault, Sweep, Wanted};
use crate::fault::Fault;
use crate::ticket::TicketKey;

/// The store in one file.
pub struct Embedded {
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
    effect: Arc<dyn Effect>,
    ticket_key: TicketKey,
    // Held for as long as the store is open, so that two servers do not share a directory unawares.
    _lock: File,
}

/// How to open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The directory of the store; created where there is none.
    pub directory: PathBuf,
    /// Gives every session's log a new epoch: for a directory that was put back from a copy. The
    /// copy cannot be told from the original, and clients must not take offsets of the one for
    /// offsets of the other.
    pub new_epoch: bool,
}

impl Embedded {
    /// Opens the store, brings its tables up to date and starts the writer.
    ///
    /// # Errors
    /// A sentence on what is in the way: the directory, another server in it, or the file.
    pub fn open(opening: &Opening, effect: Arc<dyn Effect>) -> Result<Self, String> {
        let directory = &opening.directory;
        fs::create_dir_all(directory)
            .map_err(|fault| format!("cannot create {}: {fault}", directory.display()))?;
        let lock = lock(directory)?;
        let file = directory.join(FILE);
        let describe = |fault: rusqlite::Error| format!("cannot open {}: {fault}", file.display());
        let connection = schema::open_to_write(&file).map_err(describe)?;
        schema::migrate(&connection)?;
        if opening.new_epoch {
            schema::renew_epochs(&connection).map_err(describe)?;
        }
        let fresh = entropy().map_err(|fault| fault.to_string())?;
        let ticket_key = schema::ticket_key(&connection, fresh).map_err(describe)?;
        let readers = (0..READERS)
            .map(|_| schema::open_to_read(&file))
            .collect::<Result<_, _>>()
            .map_err(describe)?;
        let (jobs, queue) = mpsc::channel(bounds::WRITER_QUEUE_MAX);
        let applied = Arc::clone(&effect);
        let writer = std::thread::Builder::new()
            .name("bellwether-writer".into())
            .spawn(move || writer::run(&connection, &*applied, queue))
            .map_err(|fault| format!("cannot start the writing thread: {fault}"))?;
        Ok(Self {
            jobs: Some(jobs),
            writer: Some(writer),
            readers: Arc::new(Readers {
                idle: Mutex::new(readers),
                permits: Semaphore::new(READERS),
            }),
            effect,
            ticket_key,
            _lock: lock,
        })
    }

    async fn write(&self, work: Work) -> Result<Answer, Fault> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.try_send(Job { work, reply }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Fault::unavailable("too many pushes wait"),
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        answer.await.map_err(|_| gone())??.into_answer()
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SqlLedger<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let readers = Arc::clone(&self.readers);
        let permit = self.readers.permits.acquire().await;
        let _permit = permit.map_err(|_| Fault::unavailable("the server is closing"))?;
        let read = tokio::task::spawn_blocking(move || readers.with(work));
        read.await
            .map_err(|fault| Fault::Internal(format!("a read did not end: {fault}").into()))?
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

/// Waits for the writer, which commits what it has before it ends.
impl Drop for Embedded {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writing thread panicked");
        }
    }
}

impl Store for Embedded {
    async fn wanted(&self, tenant: &str, push: Checked) -> Result<(Checked, Vec<Wanted>), Fault> {
        let (tenant, effect) = (Box::<str>::from(tenant), Arc::clone(&self.effect));
        self.read(move |ledger| {
            let wanted = engine::wanted(ledger, &*effect, &tenant, &push)?;
            Ok((push, wanted))
        })
        .await
    }

    async fn push(&self, tenant: &str, push: Checked) -> Result<Answer, Fault> {
        self.write(Work::Push { tenant: tenant.into(), push: push.into() }).await
    }

    fn ticket_key(&self) -> &TicketKey {
        &self.ticket_key
    }

    async fn farewell(&self, parting: Parting) -> Result<Answer, Fault> {
        self.write(Work::Farewell(parting.into())).await
    }

    async fn wanted_of(&self, parting: Parting) -> Result<(Parting, Vec<Wanted>), Fault> {
        let effect = Arc::clone(&self.effect);
        self.read(move |ledger| {
            let wanted = engine::wanted_of(ledger, &*effect, &parting)?;
            Ok((parting, wanted))
        })
        .await
    }

    async fn position(&self, tenant: &str, push: Push) -> Result<Answer, Fault> {
        let tenant: Box<str> = tenant.into();
        self.read(move |ledger| engine::position(ledger, &tenant, &push, wall())).await
    }

    async fn page(&self, ask: PageAsk) -> Result<LogPage, Fault> {
        self.read(move |ledger| engine::page(ledger, &ask)).await
    }

    async fn snapshot(&self, ask: StateAsk) -> Result<Snapshot, Fault> {
        self.read(move |ledger| engine::snapshot(ledger, &ask)).await
    }

    async fn audit(&self, mut export: Export) -> Result<(Export, Vec<u8>), Fault> {
        self.read(move |ledger| {
            let part = export.part(ledger, wall())?;
            Ok((export, part))
        })
        .await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Sweep, Fault> {
        let looked = sweep.clone();
        let Some(session) = self.read(move |ledger| Ok(looked.next(ledger, wall())?)).await? else {
            return Ok(sweep.after(None));
        };
        let work = Work::Compact(sweep.clone().into(), session.clone());
        let (reply, floor) = oneshot::channel();
        // In its turn among the pushes, however many there are.
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Job { work, reply }).await.map_err(|_| gone())?;
        let floor = floor.await.map_err(|_| gone())??.into_floor()?;
        Ok(sweep.after(Some((&session, floor))))
    }

    async fn ping(&self) -> Result<(), Fault> {
        if self.jobs.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return Err(gone());
        }
        self.read(|ledger| Ok(ledger.ping()?)).await
    }
}

/// Reads a store offline, or beside a server that has it open.
#[derive(Debug)]
pub struct Archived {
    connection: Connection,
}

impl Archived {
    /// Opens the store to read.
    ///
    /// # Errors
    /// A sentence on what is in the way.
    pub fn open(directory: &Path) -> Result<Self, String> {
        let file = directory.join(FILE);
        let connection = schema::open_to_read(&file)
            .map_err(|fault| format!("cannot open {}: {fault}", file.display()))?;
        schema::check(&connection)?;
        Ok(Self { connection })
    }

    /// The next part of an audit; see [`Export::part`].
    ///
    /// # Errors
    /// A sentence in SQLite's own words.
    pub fn audit(&self, export: &mut Export) -> Result<Vec<u8>, String> {
        let failed = |fault: StoreFault| fault.to_string();
        let transaction = self.connection.unchecked_transaction().map_err(StoreFault::from);
        let transaction = transaction.map_err(failed)?;
        export.part(&SqlLedger::new(&transaction), wall()).map_err(failed)
    }
}

/// Read-only connections, lent one at a time.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    // A permit is held by whoever calls, so there is a connection for each.
    fn with<T>(&self, work: impl FnOnce(&SqlLedger<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let lent = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = lent.ok_or_else(|| Fault::unavailable("no connection to read by"))?;
        let done = read_at_once(&connection, work);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        done
    }
}

// One transaction around all reads, so that they see the same commit.
fn read_at_once<T>(
    connection: &Connection,
    work: impl FnOnce(&SqlLedger<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.unchecked_transaction().map_err(StoreFault::from)?;
    let done = work(&SqlLedger::new(&transaction));
    transaction.finish().map_err(StoreFault::from)?;
    done
}

fn lock(directory: &Path) -> Result<File, String> {
    let path = directory.join(LOCK);
    let describe = |fault: std::io::Error| format!("cannot lock {}: {fault}", path.display());
    let file = File::create(&path).map_err(describe)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(format!("another server is using {}", directory.display()))
        }
        Err(TryLockError::Error(fault)) => Err(describe(fault)),
    }
}

fn gone() -> Fault {
    Fault::unavailable("the store has stopped")
}

const FILE: &str = "bellwether.sqlite";
const LOCK: &str = "bellwether.lock";
const READERS: usize = 4;
