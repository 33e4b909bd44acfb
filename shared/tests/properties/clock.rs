//! The hybrid clock, in the company of others.

use bellwether_shared::base::{Hlc, Mono, Now, Stamp, Wall, limits};
use core::time::Duration;
use proptest::prelude::*;

/// What happens to one of three clocks. Wall times are relative to a common true time, and wrong by their realm's own error.
#[derive(Debug, Clone, Copy)]
enum Step {
    Tick { at: usize },
    Hear { at: usize, from: usize },
    Restart { at: usize },
    Pass { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize).prop_map(|at| Step::Tick { at }),
        3 => (0..3_usize, 0..3_usize).prop_map(|(at, from)| Step::Hear { at, from }),
        1 => (0..3_usize).prop_map(|at| Step::Restart { at }),
        2 => (0..100_000_u64).prop_map(|ms| Step::Pass { ms }),
    ]
}

const BEGIN: u64 = 1_790_000_000_000;
const YEAR_MS: u64 = 365 * 24 * 3_600_000;

proptest! {
    /// Two clocks are right but for seconds, the third is a year ahead. Each one's stamps rise; what it has heard of
    /// lies behind its next stamp, unless that was beyond belief; and the wild one moves the others by a minute.
    #[test]
    fn a_clock_gone_wild_does_not_drag_the_others_along(
        steps in prop::collection::vec(step(), 1..60), slow in 0..5_000_u64, ahead in 0..2 * YEAR_MS,
    ) {
        let mut clocks = [Hlc::default(), Hlc::default(), Hlc::default()];
        let mut last = [Stamp(0); 3];
        let mut ticks = 0;
        let mut now = BEGIN;
        for step in steps {
            let wall = [Wall(now), Wall(now - slow), Wall(now + ahead)];
            match step {
                Step::Tick { at } => {
                    ticks += 1;
                    let stamp = clocks[at].tick(wall[at]);
                    prop_assert!(stamp > last[at], "stamps rise");
                    prop_assert!(stamp.wall() >= wall[at], "never behind the wall clock");
                    last[at] = stamp;
                }
                Step::Hear { at, from } => {
                    clocks[at].observe(last[from], wall[at]);
                    let mut next = clocks[at].clone();
                    let believed = last[from].wall().0 < wall[at].0 + limits::STAMP_AHEAD_MS_MAX;
                    if believed {
                        prop_assert!(next.tick(wall[at]) > last[from], "the effect comes after its cause");
                    }
                }
                Step::Restart { at } => clocks[at] = Hlc::resume(last[at]),
                Step::Pass { ms } => now += ms,
            }
            for last in &last[..2] {
                // The counter may carry: one millisecond for 65,536 stamps.
                let bound = now + limits::STAMP_AHEAD_MS_MAX + ticks / 65_536 + 1;
                prop_assert!(last.wall().0 <= bound, "{} of {}", last.wall().0, bound);
            }
        }
        // Once true time has caught up with the minute, the sound clocks tell it again.
        let later = Wall(now + limits::STAMP_AHEAD_MS_MAX + 1_000 + slow);
        for clock in &mut clocks[..2] {
            prop_assert_eq!(clock.tick(later).wall(), later);
        }
    }

    /// Two stamps of one moment and one realm are told apart by the counter; of two realms, by the page beside them.
    #[test]
    fn ties_are_broken_within_a_realm(wall in 0..1_u64 << 47, count in 2..200_usize) {
        let mut clock = Hlc::default();
        let stamps: Vec<Stamp> = (0..count).map(|_| clock.tick(Wall(wall))).collect();
        prop_assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(stamps.iter().all(|stamp| stamp.wall() == Wall(wall)));
    }

    /// The two clocks of one moment agree about any other, and arithmetic saturates.
    #[test]
    fn a_stored_moment_and_a_measured_one_are_the_same(mono: u64, wall: u64, by in any::<u64>()) {
        let now = Now { mono: Mono(mono), wall: Wall(wall) };
        let by = Duration::from_millis(by);
        let measured = now.mono.after(by);
        prop_assert!(measured >= now.mono);
        prop_assert_eq!(measured.since(now.mono), by.min(Duration::from_millis(u64::MAX - mono)));
        if mono.checked_add(by.as_millis() as u64).is_some() && wall.checked_add(by.as_millis() as u64).is_some() {
            prop_assert_eq!(now.mono_at(now.wall.after(by)), measured);
            prop_assert_eq!(now.wall_at(measured), now.wall.after(by));
        }
        prop_assert_eq!(now.mono_at(Wall(wall / 2)), now.mono, "what is past is due");
    }
}
