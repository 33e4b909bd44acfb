//! The machine by itself: steps, patience, expiry, renewal, letting go.

use super::*;

const USUAL: Patience = Patience { timeout_ms: 5_000, interval_ms: 50, retries_max: 100 };

/// Two registers, and everything that was asked for.
#[derive(Default)]
struct World {
    x: Mark,
    y: Mark,
    now_ms: u64,
    steps: Vec<Step>,
}

impl World {
    /// Steps of one asker up to the first that is not about registers or a pause.
    fn run(&mut self, asker: &mut FastMutex) -> Step {
        let mut seen = NOBODY;
        loop {
            let step = asker.next(Mono(self.now_ms), seen);
            self.steps.push(step);
            match step {
                Step::ReadX => seen = self.x,
                Step::ReadY => seen = self.y,
                Step::WriteX(mark) => self.x = mark,
                Step::WriteY(mark) => self.y = mark,
                Step::EraseY => self.y = NOBODY,
                Step::Pause(_) if asker.holds_until().is_some() => return step,
                Step::Pause(ms) => self.now_ms += ms,
                Step::Held | Step::GaveUp | Step::Lost | Step::Released => return step,
            }
        }
    }
}

fn begun(seed: u64, now_ms: u64, patience: Patience) -> FastMutex {
    let mut asker = FastMutex::new(seed);
    asker.begin(Mono(now_ms), patience);
    asker
}

#[test]
fn who_is_alone_has_it_after_one_pause_and_leaves_nothing_behind() {
    let mut world = World::default();
    let mut ann = begun(1, 0, USUAL);
    assert_eq!(world.run(&mut ann), Step::Held);
    assert_eq!(world.now_ms, limits::LOCK_SETTLE_MS);
    let mark = world.y;
    let expected = [
        Step::ReadY,
        Step::WriteX(mark),
        Step::ReadY,
        Step::WriteY(mark),
        Step::Pause(limits::LOCK_SETTLE_MS),
        Step::ReadX,
        Step::ReadY,
        Step::Held,
    ];
    assert_eq!(world.steps, expected);
    ann.leave();
    assert_eq!(world.run(&mut ann), Step::Released);
    assert_eq!(world.y, NOBODY);
}

#[test]
fn somebody_else_at_the_door_makes_the_pause_longer() {
    let mut world = World::default();
    let mut ann = begun(1, 0, USUAL);
    for step in 0..5 {
        let seen = ann.next(Mono(0), NOBODY);
        assert_eq!(matches!(seen, Step::Pause(_)), step == 4, "{seen:?}");
    }
    (world.x, world.y, world.now_ms) = (Mark(7), ann.mark, limits::LOCK_SETTLE_MS);
    assert_eq!(world.run(&mut ann), Step::Held);
    assert_eq!(world.now_ms, 2 * limits::LOCK_SETTLE_MS);
}

#[test]
fn patience_ends_by_time_and_by_looks() {
    #[rustfmt::skip]
    let cases = [
        // what it shows        patience                                                       looks     over after
        ("by time",             Patience { timeout_ms: 1_000, interval_ms: 400, retries_max: 9 }, 3..=5,  1_000..=1_000),
        ("by looks",            Patience { timeout_ms: 9_000, interval_ms: 100, retries_max: 3 }, 4..=4,    225..=375),
        ("not at all",          Patience { timeout_ms: 0, interval_ms: 50, retries_max: 100 },    1..=1,      0..=0),
        ("one look",            Patience { timeout_ms: 5_000, interval_ms: 50, retries_max: 0 },  1..=1,      0..=0),
    ];
    for (shows, patience, looks, after) in cases {
        let mut world = World { y: Mark(7), ..World::default() };
        assert_eq!(world.run(&mut begun(1, 0, patience)), Step::GaveUp, "{shows}");
        let looked = world.steps.iter().filter(|step| **step == Step::ReadY).count();
        assert!(looks.contains(&looked), "{shows}: {looked} looks");
        assert!(after.contains(&world.now_ms), "{shows}: after {}", world.now_ms);
        assert_eq!((world.x, world.y), (NOBODY, Mark(7)), "{shows}");
    }
}

#[test]
fn a_mark_that_stands_still_is_passed_over_also_from_one_asking_to_the_next() {
    let mut world = World { y: Mark(7), ..World::default() };
    let mut ann = begun(1, 0, USUAL);
    assert_eq!(world.run(&mut ann), Step::GaveUp);
    world.now_ms = limits::LOCK_EXPIRY_MS - 200;
    ann.begin(Mono(world.now_ms), USUAL);
    assert_eq!(world.run(&mut ann), Step::Held);
    assert!((10_000..10_300).contains(&world.now_ms), "at {}", world.now_ms);

    // One that was renewed meanwhile is another.
    let mut world = World { y: Mark(7), ..World::default() };
    let mut ann = begun(1, 0, USUAL);
    assert_eq!(world.run(&mut ann), Step::GaveUp);
    (world.y, world.now_ms) = (Mark(8), limits::LOCK_EXPIRY_MS - 200);
    ann.begin(Mono(world.now_ms), USUAL);
    assert_eq!(world.run(&mut ann), Step::GaveUp);
}

#[test]
fn a_holder_renews_and_learns_of_its_loss() {
    let mut world = World::default();
    let mut ann = begun(1, 0, USUAL);
    assert_eq!(world.run(&mut ann), Step::Held);
    let before = world.y;
    for _ in 0..2 {
        assert_eq!(world.run(&mut ann), Step::Pause(limits::LOCK_RENEW_MS));
        world.now_ms += limits::LOCK_RENEW_MS;
    }
    assert_ne!(world.y, before);
    let until = ann.holds_until();
    assert_eq!(until, Some(Mono(50 + limits::LOCK_RENEW_MS + limits::LOCK_EXPIRY_MS)));

    for (shows, y, passed) in [
        ("another's mark", Mark(7), limits::LOCK_RENEW_MS),
        ("none at all", NOBODY, limits::LOCK_RENEW_MS),
        ("its own, too late", world.y, limits::LOCK_EXPIRY_MS),
    ] {
        let mut ann = ann.clone();
        let mut world = World { y, now_ms: world.now_ms + passed, ..World::default() };
        assert_eq!(world.run(&mut ann), Step::Lost, "{shows}");
        assert_eq!(world.y, y, "{shows}");
        assert_eq!(ann.holds_until(), None, "{shows}");
    }
}

#[test]
fn what_was_written_late_is_not_gone_by() {
    let mut ann = begun(1, 0, USUAL);
    for _ in 0..4 {
        ann.next(Mono(0), NOBODY);
    }
    let late = limits::LOCK_GAP_MS + 1;
    let mut world = World { y: ann.mark, now_ms: late, ..World::default() };
    assert_eq!(world.run(&mut ann), Step::GaveUp);
    assert_eq!(world.y, ann.mark, "it stays until it expires");
}

#[test]
fn a_mark_that_is_about_to_expire_is_not_erased() {
    for (passed, left) in [(4_900, false), (5_100, true)] {
        let mut world = World::default();
        let mut ann = begun(1, 0, USUAL);
        assert_eq!(world.run(&mut ann), Step::Held);
        world.now_ms += passed;
        ann.leave();
        assert_eq!(world.run(&mut ann), Step::Released);
        assert_eq!(world.y != NOBODY, left, "after {passed} ms");
    }
}

#[test]
fn who_leaves_while_it_waits_is_gone_and_at_the_door_it_erases_its_mark() {
    let mut world = World { y: Mark(7), ..World::default() };
    let mut ann = begun(1, 0, USUAL);
    ann.leave();
    assert_eq!(world.run(&mut ann), Step::GaveUp);
    assert_eq!((world.x, world.y), (NOBODY, Mark(7)));

    let mut world = World::default();
    let mut ann = begun(1, 0, USUAL);
    for _ in 0..5 {
        ann.next(Mono(0), NOBODY);
    }
    (world.x, world.y, world.now_ms) = (ann.mark, ann.mark, limits::LOCK_SETTLE_MS);
    ann.leave();
    assert_eq!(world.run(&mut ann), Step::Held);
    assert_eq!(world.run(&mut ann), Step::Released);
    assert_eq!(world.y, NOBODY);
}
