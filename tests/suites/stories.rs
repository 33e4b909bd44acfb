//! Many stories, each from its seed. The search for more is an example,
//! `tests/examples/stories.rs`.

use bellwether_tests::generate::{Plot, play, told};

#[test]
fn no_story_loses_repeats_or_reorders_an_event() {
    for seed in 0..STORIES {
        holds(seed);
    }
}

fn holds(seed: u64) {
    let world = play(seed, &Plot::default());
    assert!(world.violations.is_empty(), "{}", told(seed, &Plot::default()));
}

const STORIES: u64 = 500;
