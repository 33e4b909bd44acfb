//! A hybrid logical clock: wall time where it can be had, a counter where it cannot (OUT-2).
//!
//! After Kulkarni et al., "Logical Physical Clocks" (2014). What always holds:
//! - each stamp is greater than every stamp given or seen before;
//! - a peer's stamp moves the clock at most [`limits::STAMP_AHEAD_MS_MAX`] beyond wall time, so
//!   that one clock gone wild cannot drag the others along;
//! - nothing here looks at a clock.

use super::codec::transparent;
use super::{Wall, limits};

/// 48 bits of milliseconds since the Unix epoch, then a 16-bit counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Stamp(pub u64);

transparent!(Stamp);

impl Stamp {
    /// The wall time in it.
    #[must_use]
    pub fn wall(self) -> Wall {
        Wall(self.0 >> 16)
    }

    /// As much of it as is believed: at most [`limits::STAMP_AHEAD_MS_MAX`] beyond wall time.
    #[must_use]
    pub fn bounded(self, wall: Wall) -> Self {
        self.min(Self::at(Wall(wall.0.saturating_add(limits::STAMP_AHEAD_MS_MAX))))
    }

    fn at(wall: Wall) -> Self {
        Self(wall.0.min(u64::MAX >> 16) << 16)
    }
}

/// The clock of one realm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hlc {
    last: Stamp,
}

impl Hlc {
    /// Goes on from the last stamp known, however the wall clock has moved since.
    #[must_use]
    pub fn resume(last: Stamp) -> Self {
        Self { last }
    }

    /// A stamp for something that happens here.
    pub fn tick(&mut self, wall: Wall) -> Stamp {
        self.last = Stamp::at(wall).max(Stamp(self.last.0.saturating_add(1)));
        self.last
    }

    /// Takes note of a stamp that was bounded by somebody whose clock counts more than ours.
    pub fn trust(&mut self, seen: Stamp) {
        self.last = self.last.max(seen);
    }

    /// Takes note of a peer's stamp.
    pub fn observe(&mut self, seen: Stamp, wall: Wall) {
        self.last = self.last.max(seen.bounded(wall));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stamps_rise_whatever_the_wall_clock_does(walls in prop::collection::vec(any::<u64>(), 1..50)) {
            let mut clock = Hlc::default();
            let mut last = Stamp::default();
            for wall in walls {
                let stamp = clock.tick(Wall(wall));
                prop_assert!(stamp > last || stamp == Stamp(u64::MAX));
                last = stamp;
            }
        }

        #[test]
        fn a_wild_peer_moves_the_clock_by_a_minute_at_the_most(wall in 0..1u64 << 40, seen in any::<u64>()) {
            let mut clock = Hlc::default();
            clock.observe(Stamp(seen), Wall(wall));
            prop_assert!(clock.tick(Wall(wall)).wall().0 <= wall + limits::STAMP_AHEAD_MS_MAX);
        }
    }
}
