//! Many stories, each from its seed, and the ones that once went wrong. The search for more is an example,
//! `tests/examples/stories.rs`.

use bellwether_tests::scenario::{Plot, play, told};

#[test]
fn no_story_loses_repeats_or_reorders_an_event() {
    for seed in 0..STORIES {
        holds(seed);
    }
}

/// Stories that once went wrong, by what they found. A seed tells another story when the core or the world draws
/// differently; the rules themselves have tests of their own in `rules.rs`.
#[test]
fn stories_that_once_went_wrong_end_well() {
    #[rustfmt::skip]
    let kept = [
        ("the server stands further on than the batch",       1),
        ("a full dead letter box keeps waking the worker",    4),
        ("a poisoned repeat is sent without end",             16),
        ("a log that went back, and idle streams",            111),
        ("a retained batch that is given up",                 599),
        ("a relaxed append, a power cut, a wiped server",     679),
    ];
    for (shows, seed) in kept {
        let world = play(seed, &Plot::default());
        assert!(world.violations.is_empty(), "{shows}: {}", told(seed, &world));
    }
}

fn holds(seed: u64) {
    let world = play(seed, &Plot::default());
    assert!(world.violations.is_empty(), "{}", told(seed, &world));
}

const STORIES: u64 = 500;
