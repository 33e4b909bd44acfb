//! Group commit: events that are enqueued while a transaction is under way share the next one (OUT-1).
//!
//! What always holds: an event is settled once, after the transaction that wrote it is complete or has failed;
//! rows are written in the order of enqueueing.

use core::cell::{Cell, RefCell};
use core::fmt;
use std::rc::Rc;

use bellwether_shared::base::{Culprit, Fault, limits};
use bellwether_web::fault::StoreFault;
use bellwether_web::journal::Journal;
use futures::channel::oneshot;
use minicbor::bytes::ByteVec;

/// Told where the event lies once it is durable.
pub(crate) type Settle = Box<dyn FnOnce(Result<u64, Fault>)>;

struct Waiting {
    settle: Settle,
    urgent: bool,
}

/// What one transaction has made durable.
pub(crate) struct Written {
    /// How many events.
    pub(crate) count: u64,
    /// The position of the last.
    pub(crate) last: u64,
    /// Whether one of them is to go at once.
    pub(crate) urgent: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Group {
    rows: RefCell<Vec<Vec<u8>>>,
    waiting: RefCell<Vec<Waiting>>,
    bytes: Cell<usize>,
    /// Rows of the transaction under way: they may, or may not, be durable.
    unsure: RefCell<Rc<Vec<Vec<u8>>>>,
    writing: Cell<bool>,
    over: RefCell<Vec<oneshot::Sender<()>>>,
}

impl Group {
    /// Takes an event in. `true` if nobody is writing: the caller then calls [`write`](Self::write), after
    /// whatever else is enqueued in the same turn.
    pub(crate) fn push(&self, row: Vec<u8>, urgent: bool, settle: Settle) -> Result<bool, Fault> {
        let mut rows = self.rows.borrow_mut();
        if rows.len() >= limits::PAGE_QUEUE_ROWS_MAX {
            return Err(Fault::new(
                "outbox-full",
                Culprit::Browser,
                "the disk does not keep up: 100,000 events wait to be written; enqueue again later",
            ));
        }
        self.bytes.set(self.bytes.get() + row.len());
        rows.push(row);
        self.waiting.borrow_mut().push(Waiting { settle, urgent });
        Ok(!self.writing.replace(true))
    }

    /// Writes what waits, transaction after transaction, until nothing does.
    pub(crate) async fn write(
        &self,
        open: impl AsyncFn() -> Result<Journal, StoreFault>,
        strict: bool,
        written: impl Fn(Written),
    ) {
        while !self.rows.borrow().is_empty() {
            let (rows, waiting) = self.take();
            let rows = Rc::new(rows);
            *self.unsure.borrow_mut() = Rc::clone(&rows);
            let result = match open().await {
                Ok(journal) => journal.append(&rows, strict).await,
                Err(fault) => Err(fault),
            };
            *self.unsure.borrow_mut() = Rc::default();
            match result {
                Ok(last) => {
                    let count = waiting.len() as u64;
                    let urgent = waiting.iter().any(|waiting| waiting.urgent);
                    // Positions within one transaction follow one another.
                    let first = (last + 1).saturating_sub(count);
                    for (at, waiting) in waiting.into_iter().enumerate() {
                        (waiting.settle)(Ok(first + at as u64));
                    }
                    written(Written { count, last, urgent });
                }
                Err(fault) => {
                    let fault = fault.to_fault();
                    for waiting in waiting {
                        (waiting.settle)(Err(fault.clone()));
                    }
                }
            }
        }
        self.writing.set(false);
        for over in self.over.take() {
            // Whoever waited may be gone.
            let _ = over.send(());
        }
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing.get()
    }

    /// Tells when nothing is being written any more.
    pub(crate) fn when_written(&self, over: oneshot::Sender<()>) {
        self.over.borrow_mut().push(over);
    }

    /// Rows that this page has not seen written.
    pub(crate) fn unwritten(&self) -> Vec<ByteVec> {
        let unsure = Rc::clone(&self.unsure.borrow());
        let rows = self.rows.borrow();
        unsure.iter().chain(rows.iter()).map(|row| ByteVec::from(row.clone())).collect()
    }

    fn take(&self) -> (Vec<Vec<u8>>, Vec<Waiting>) {
        let mut rows = self.rows.borrow_mut();
        let mut waiting = self.waiting.borrow_mut();
        if rows.len() <= limits::GROUP_ROWS_MAX && self.bytes.get() <= limits::GROUP_BYTES_MAX {
            self.bytes.set(0);
            return (core::mem::take(&mut *rows), core::mem::take(&mut *waiting));
        }
        let mut bytes = 0;
        let fits = |row: &&Vec<u8>| {
            bytes += row.len();
            bytes <= limits::GROUP_BYTES_MAX
        };
        let count = rows.iter().take(limits::GROUP_ROWS_MAX).take_while(fits).count().max(1);
        let (later, left) = (rows.split_off(count), waiting.split_off(count));
        let taken = core::mem::replace(&mut *rows, later);
        self.bytes.set(rows.iter().map(Vec::len).sum());
        (taken, core::mem::replace(&mut *waiting, left))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Group")
    }
}
