//! Group commit: events that are enqueued in one turn share a transaction, and so do those that are enqueued while two are
//! under way (OUT-1). The second waits in the database for the first, so that nothing is lost between them; a third would
//! only keep its events apart from others that are about to come. A full group waits for none of them, so that the disk works
//! while a long turn goes on enqueueing.
//!
//! What always holds: an event is settled once, after the transaction that wrote it is complete or has failed;
//! rows are written in the order of enqueueing, for a database runs transactions that write to one store in the
//! order of their beginnings.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::mem::{replace, take};
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

/// A transaction that is under way: its rows may, or may not, be durable.
struct Writing {
    number: u64,
    rows: Rc<Vec<Vec<u8>>>,
    waiting: Vec<Waiting>,
}

/// When the next transaction is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Now: there is enough for one.
    Now,
    /// After whatever else is enqueued in the same turn.
    Soon,
    /// With the end of another, or it is seen to already.
    Later,
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
    /// In the order of their beginnings.
    writing: RefCell<Vec<Writing>>,
    begun: Cell<u64>,
    /// Somebody will call [`begin`](Self::begin) at the end of the turn.
    expected: Cell<bool>,
    over: RefCell<Vec<Box<dyn FnOnce()>>>,
}

impl Group {
    /// Takes an event in, and says when the caller is to see to it that [`begin`](Self::begin) is called.
    pub(crate) fn push(
        &self,
        row: Vec<u8>,
        urgent: bool,
        settle: Settle<u64>,
    ) -> Result<Begin, Fault> {
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
        Ok(match self.writing.borrow().len() {
            0 | 1 if rows.len() >= limits::GROUP_ROWS_MAX => Begin::Now,
            0 | 1 if !self.expected.replace(true) => Begin::Soon,
            _ => Begin::Later,
        })
    }

    /// The rows of the next transaction and its number, with which it is over in [`end`](Self::end); none if nothing
    /// waits, or if what waits is to wait for more.
    pub(crate) fn begin(&self) -> Option<(u64, Rc<Vec<Vec<u8>>>)> {
        self.expected.set(false);
        let (rows, under_way) = (self.rows.borrow().len(), self.writing.borrow().len());
        if rows == 0 && under_way == 0 {
            take(&mut *self.over.borrow_mut()).into_iter().for_each(|over| over());
        }
        if rows == 0 || under_way > 1 && rows < limits::GROUP_ROWS_MAX {
            return None;
        }
        let (number, (rows, waiting)) = (self.begun.get(), self.take());
        let rows = Rc::new(rows);
        self.begun.set(number + 1);
        self.writing.borrow_mut().push(Writing { number, rows: Rc::clone(&rows), waiting });
        Some((number, rows))
    }

    /// Settles the events of a transaction that is over.
    pub(crate) fn end(&self, number: u64, result: Result<u64, StoreFault>) -> Option<Written> {
        let mut writing = self.writing.borrow_mut();
        let at = writing.iter().position(|writing| writing.number == number)?;
        let written = writing.remove(at).waiting;
        drop(writing);
        let count = written.len() as u64;
        let urgent = written.iter().any(|waiting| waiting.urgent);
        let result = result.map_err(|fault| fault.to_fault());
        // Positions within one transaction follow one another.
        for (before, waiting) in (0..count).rev().zip(written) {
            (waiting.settle)(result.clone().map(|last| last.saturating_sub(before)));
        }
        result.ok().map(|last| Written { count, last, urgent })
    }

    /// Whether more is being written, or about to be.
    pub(crate) fn is_busy(&self) -> bool {
        !self.rows.borrow().is_empty() || !self.writing.borrow().is_empty()
    }

    /// Tells when nothing is being written any more, which may be now.
    pub(crate) fn when_written(&self, over: Box<dyn FnOnce()>) {
        if self.is_busy() {
            self.over.borrow_mut().push(over);
        } else {
            over();
        }
    }

    /// Rows that this page has not seen written.
    pub(crate) fn unwritten(&self) -> Vec<ByteVec> {
        let mut unwritten = Vec::new();
        let mut add = |rows: &[Vec<u8>]| {
            unwritten.extend(rows.iter().map(|row| ByteVec::from(row.clone())));
        };
        self.writing.borrow().iter().for_each(|writing| add(&writing.rows));
        add(&self.rows.borrow());
        unwritten
    }

    fn take(&self) -> (Vec<Vec<u8>>, Vec<Waiting>) {
        let mut rows = self.rows.borrow_mut();
        let mut bytes = 0;
        let fits = |row: &&Vec<u8>| {
            bytes += row.len();
            bytes <= limits::GROUP_BYTES_MAX
        };
        let count = rows.iter().take(limits::GROUP_ROWS_MAX).take_while(fits).count().max(1);
        let mut waiting = self.waiting.borrow_mut();
        let (later, left) = (rows.split_off(count), waiting.split_off(count));
        (replace(&mut *rows, later), replace(&mut *waiting, left))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Group")
    }
}
