//! Many stories, each from its seed, and the ones that once went wrong.

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

/// The search by night: `FROM=0 TO=100000 cargo test -p bellwether-tests --test suites search -- --ignored`.
#[test]
#[ignore = "takes as long as it is told to"]
fn search() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    for seed in number("FROM").unwrap_or(0)..number("TO").unwrap_or(10_000) {
        holds(seed);
    }
}

/// One story, told whether it ends well or not: `SEED=7 cargo test … one -- --ignored`.
#[test]
#[ignore = "for looking at one story"]
fn one() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let world = play(seed, &Plot::default());
    panic!("{}", told(seed, &world));
}

fn holds(seed: u64) {
    let world = play(seed, &Plot::default());
    assert!(world.violations.is_empty(), "{}", told(seed, &world));
}

const STORIES: u64 = 800;
