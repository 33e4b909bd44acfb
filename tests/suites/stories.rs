//! Many stories, each from its seed. The search for more is `cargo xtask sim`.

use bellwether_tests::generate::Plot;
use bellwether_tests::scenario::Scenario;
use bellwether_tests::transcript::Detail;

#[test]
fn no_story_loses_repeats_or_reorders_an_event() {
    for seed in 0..STORIES {
        let (scenario, world) = Scenario::drawn(seed, Plot::default(), Detail::Nothing);
        assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}\n{}", scenario.write());
    }
}

#[test]
fn the_choices_of_a_story_tell_it_again() {
    for seed in 0..20 {
        let (scenario, world) = Scenario::drawn(seed, Plot::default(), Detail::Facts);
        let again = scenario.play(Detail::Facts);
        assert!(again.transcript.text() == world.transcript.text(), "seed {seed}");
    }
}

const STORIES: u64 = 500;
