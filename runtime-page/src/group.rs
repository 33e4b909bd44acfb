//! Group commit: events that are enqueued while a transaction is under way share the next one (OUT-1).
//!
//! What always holds: an event is settled once, after the transaction that wrote it is complete or has failed;
//! rows are written in the order of enqueueing.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::mem::take;
use std::rc::Rc;

use bellwether_shared::base::{Culprit, Fault, limits};
use bellwether_web::fault::StoreFault;
use minicbor::bytes::ByteVec;

/// Told what came of something.
pub(crate) type Settle<T> = Box<dyn FnOnce(Result<T, Fault>)>;

struct Waiting {
    /// Told where the event lies once it is durable.
    settle: Settle<u64>,
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
    /// Rows of the transaction under way: they may, or may not, be durable.
    unsure: RefCell<Rc<Vec<Vec<u8>>>>,
    /// Who waits for it.
    written: RefCell<Vec<Waiting>>,
    writing: Cell<bool>,
    over: RefCell<Vec<Box<dyn FnOnce()>>>,
}

impl Group {
    /// Takes an event in. `true` if nobody is writing: the caller then sees to it that [`begin`](Self::begin) is
    /// called, after whatever else is enqueued in the same turn.
    pub(crate) fn push(
        &self,
        row: Vec<u8>,
        urgent: bool,
        settle: Settle<u64>,
    ) -> Result<bool, Fault> {
        let mut rows = self.rows.borrow_mut();
        if rows.len() >= limits::PAGE_QUEUE_ROWS_MAX {
            return Err(Fault::new(
                "outbox-full",
                Culprit::Browser,
                "the disk does not keep up: 100,000 events wait to be written; enqueue again later",
            ));
        }
        rows.push(row);
        self.waiting.borrow_mut().push(Waiting { settle, urgent });
        Ok(!self.writing.replace(true))
    }

    /// The rows of the next transaction, which is over with [`end`](Self::end); none if nothing waits.
    pub(crate) fn begin(&self) -> Option<Rc<Vec<Vec<u8>>>> {
        if self.rows.borrow().is_empty() {
            self.writing.set(false);
            take(&mut *self.over.borrow_mut()).into_iter().for_each(|over| over());
            return None;
        }
        let rows = Rc::new(self.take());
        *self.unsure.borrow_mut() = Rc::clone(&rows);
        Some(rows)
    }

    /// Settles the events of a transaction that is over.
    pub(crate) fn end(&self, result: Result<u64, StoreFault>) -> Option<Written> {
        *self.unsure.borrow_mut() = Rc::default();
        let written = take(&mut *self.written.borrow_mut());
        let count = written.len() as u64;
        let urgent = written.iter().any(|waiting| waiting.urgent);
        let result = result.map_err(|fault| fault.to_fault());
        // Positions within one transaction follow one another.
        for (before, waiting) in (0..count).rev().zip(written) {
            (waiting.settle)(result.clone().map(|last| last.saturating_sub(before)));
        }
        result.ok().map(|last| Written { count, last, urgent })
    }

    /// Tells when nothing is being written any more, which may be now.
    pub(crate) fn when_written(&self, over: Box<dyn FnOnce()>) {
        if self.writing.get() {
            self.over.borrow_mut().push(over);
        } else {
            over();
        }
    }

    /// Rows that this page has not seen written.
    pub(crate) fn unwritten(&self) -> Vec<ByteVec> {
        let mut unwritten = Vec::new();
        for rows in [&**self.unsure.borrow(), &*self.rows.borrow()] {
            unwritten.extend(rows.iter().map(|row| ByteVec::from(row.clone())));
        }
        unwritten
    }

    fn take(&self) -> Vec<Vec<u8>> {
        let mut rows = self.rows.borrow_mut();
        let mut bytes = 0;
        let fits = |row: &&Vec<u8>| {
            bytes += row.len();
            bytes <= limits::GROUP_BYTES_MAX
        };
        let count = rows.iter().take(limits::GROUP_ROWS_MAX).take_while(fits).count().max(1);
        let mut waiting = self.waiting.borrow_mut();
        let (later, left) = (rows.split_off(count), waiting.split_off(count));
        *self.written.borrow_mut() = core::mem::replace(&mut *waiting, left);
        core::mem::replace(&mut *rows, later)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Group")
    }
}
