//! What of a log is kept, and what goes: the bodies of old events, and nothing else (SRV-3).
//!
//! What always holds:
//! - what goes is the oldest part of a log, up to its floor; what comes after is whole;
//! - of an event whose body is gone there still are id, offset, stream, place, result and hash: it is taken once, its sender gets the
//!   same word, a dependent gets its value, and the chain is proved as before;
//! - the document stays, and patches beyond the floor go on from it.
//!
//! Not here: when it is done; see `compaction.rs`.

use bellwether_shared::base::Wall;

use super::{Reader, SessionRow, StoreFault};
use crate::bounds::COMPACT_EVENTS;

/// Which events keep their bodies: those that one of the two keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// So many of the last ones of each session; 0: this keeps none.
    pub events: u64,
    /// Those that are not older than this, in milliseconds; 0: this keeps none.
    pub age_ms: u64,
}

impl Retention {
    /// Whether everything is kept.
    #[must_use]
    pub fn is_off(self) -> bool {
        self == Self::default()
    }

    // Events taken before this may go.
    fn before(self, now: Wall) -> Wall {
        if self.age_ms == 0 { Wall(u64::MAX) } else { Wall(now.0.saturating_sub(self.age_ms)) }
    }
}

/// One look at all sessions, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    retention: Retention,
    from: i64,
    erased: u64,
    is_done: bool,
}

impl Sweep {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self { retention, from: 0, erased: 0, is_done: retention.is_off() }
    }

    /// Whether there is nothing left to be done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// How many bodies are gone by it.
    #[must_use]
    pub fn erased(&self) -> u64 {
        self.erased
    }

    /// The next session with something that goes. Writes nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn next<K: Keeper>(&self, keeper: &K, now: Wall) -> Result<Option<SessionRow>, StoreFault> {
        let Retention { events, .. } = self.retention;
        keeper.overdue(self.from, events, self.retention.before(now))
    }

    /// Takes away a little of what goes of a session; gives its floor then.
    ///
    /// # Errors
    /// The store failed.
    pub fn step<K: Keeper>(
        &self,
        keeper: &mut K,
        session: &SessionRow,
        now: Wall,
    ) -> Result<u64, StoreFault> {
        let last = session.head.saturating_sub(self.retention.events);
        let through = last.min(session.floor.saturating_add(COMPACT_EVENTS));
        keeper.erase(session, through, self.retention.before(now))
    }

    /// A step was made, or there was none to make.
    #[must_use]
    pub fn after(self, made: Option<(&SessionRow, u64)>) -> Self {
        let Some((session, floor)) = made else { return Self { is_done: true, ..self } };
        let erased = floor.saturating_sub(session.floor);
        // There may be more of the same; one that does not yield is not asked for ever.
        let from = session.key + i64::from(erased == 0);
        Self { from, erased: self.erased + erased, ..self }
    }
}

/// A store that lets bodies go.
pub trait Keeper: Reader {
    /// The first session, from the one with key `from` on, that has more than `keep` events after its floor, the first of them
    /// taken before `before`.
    ///
    /// # Errors
    /// The store failed.
    fn overdue(&self, from: i64, keep: u64, before: Wall)
    -> Result<Option<SessionRow>, StoreFault>;

    /// Takes away the bodies of the events after the floor, at most up to `through`, and only up to the first that was not taken
    /// before `before`; keeps their hashes, and raises the floor. Gives the floor. May do less, but not nothing.
    ///
    /// # Errors
    /// The store failed.
    fn erase(
        &mut self,
        session: &SessionRow,
        through: u64,
        before: Wall,
    ) -> Result<u64, StoreFault>;
}
