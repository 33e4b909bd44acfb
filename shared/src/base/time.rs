//! Two clocks that are never mixed: one to measure with, one to store.
//!
//! Arithmetic saturates: a clock gone wild yields a far moment, never a panic.

use super::codec::transparent;

use core::time::Duration;

/// Milliseconds since this realm began. Never stored, never sent; the only clock to measure with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mono(pub u64);

/// Milliseconds since the Unix epoch. The only clock to store; it may jump either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Wall(pub u64);

transparent!(Wall);

/// Both clocks, read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The clock to measure with.
    pub mono: Mono,
    /// The clock to store.
    pub wall: Wall,
}

impl Mono {
    /// The earlier one of those that there are.
    #[must_use]
    pub fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        // By hand, because a chain of iterators is three times as large.
        let Some(at) = one else { return other };
        Some(other.map_or(at, |other| other.min(at)))
    }

    /// The moment `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Wall {
    /// The moment `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Now {
    /// The measuring clock's reading at which the stored moment `due` is reached.
    #[must_use]
    pub fn mono_at(self, due: Wall) -> Mono {
        self.mono.after(due.since(self.wall))
    }

    /// The stored moment that the measuring clock's `at` stands for.
    #[must_use]
    pub fn wall_at(self, at: Mono) -> Wall {
        self.wall.after(at.since(self.mono))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
