//! Waiting for an event's outcome: the page reads it from disk, where the coordinator has put it.
//!
//! What always holds: the outcome of an event delivered yesterday is found like that of one delivered now.
//!
//! Not here: the same for pages in JavaScript (`npm/src/outcomes.ts`). The driver knows of what is here by a trait alone,
//! so that their wasm is without it.

use core::cell::{Cell, RefCell};
use core::{fmt, mem};
use std::rc::Rc;

use bellwether_shared::base::{EventId, Fault, SortedMap};
use bellwether_shared::rows::{DoneEntry, DoneRow, Key, Store, read};

use crate::driver::Driver;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which event.
    pub id: EventId,
    /// `accepted`, `duplicate` or `refused`.
    pub status: &'static str,
    /// Its offset in the session's log; absent if refused.
    pub offset: Option<u64>,
    /// What the app's effect on the server gave back, as JSON text.
    pub result: Option<Box<str>>,
    /// Why it was refused: a stable code.
    pub code: Option<Box<str>>,
    /// Why it was refused, for the developer.
    pub message: Option<Box<str>>,
}

impl From<&DoneEntry> for Delivery {
    fn from(entry: &DoneEntry) -> Self {
        let text =
            |bytes: &minicbor::bytes::ByteVec| core::str::from_utf8(bytes).ok().map(Box::from);
        Self {
            id: entry.id.clone(),
            status: entry.outcome.name(),
            offset: entry.offset,
            result: entry.result.as_ref().and_then(text),
            code: entry.code.clone(),
            message: entry.message.clone(),
        }
    }
}

/// Told what became of an event.
pub(crate) type SettleDelivery = Box<dyn FnOnce(Result<&DoneEntry, Fault>)>;

/// Somebody who waits for outcomes.
pub(crate) trait Outcomes {
    /// `settle` is told what becomes of the event.
    fn wait(&self, driver: &Driver, id: EventId, settle: SettleDelivery);
    /// There may be new ones on disk.
    fn look(&self, driver: &Driver);
    /// Nobody will be told any more.
    fn close(&self, fault: &Fault);
}

/// Those who wait.
#[derive(Default)]
pub(crate) struct Deliveries {
    awaited: RefCell<SortedMap<EventId, Vec<SettleDelivery>>>,
    /// The newest outcome that everybody who waits has been compared with.
    through: Cell<u64>,
}

impl Deliveries {
    // Compares what was found beyond `from` with who waits. Of several outcomes of one event the newest counts: it may
    // have been refused, mended and taken.
    fn compare(&self, from: u64, found: &[(Key, Vec<u8>)]) {
        for (_, bytes) in found.iter().rev() {
            let Ok(row) = read::<DoneRow>(bytes) else { continue };
            for entry in &row.entries {
                let waiting = self.awaited.borrow_mut().get_mut(&entry.id).map(mem::take);
                for settle in waiting.into_iter().flatten() {
                    settle(Ok(entry));
                }
            }
            // Thousands may wait; taken out one by one, each would move all that follow.
            self.awaited.borrow_mut().retain(|_, waiting| !waiting.is_empty());
        }
        // Somebody who came meanwhile has set it back, and is looked after next.
        if let (Some((Key::Number(key), _)), true) = (found.last(), self.through.get() >= from) {
            self.through.set(*key);
        }
    }
}

impl Outcomes for Rc<Deliveries> {
    fn wait(&self, driver: &Driver, id: EventId, settle: SettleDelivery) {
        self.awaited.borrow_mut().get_or_insert_with(id, Vec::new).push(settle);
        // The outcome may be an old one.
        self.through.set(0);
        self.look(driver);
    }

    fn look(&self, driver: &Driver) {
        if self.awaited.borrow().is_empty() {
            return;
        }
        let (from, this) = (self.through.get(), Self::clone(self));
        let compare = Box::new(move |found: Result<Vec<_>, _>| {
            this.compare(from, &found.unwrap_or_default());
        });
        driver.read_beyond(Store::Done, from, compare);
    }

    fn close(&self, fault: &Fault) {
        let waiting = self.awaited.take();
        for settle in waiting.into_values().flatten() {
            settle(Err(fault.clone()));
        }
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deliveries")
    }
}
