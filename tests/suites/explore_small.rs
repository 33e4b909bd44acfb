//! All stories of small worlds, and of small worlds with a planted fault. `cargo xtask sim --small` plays larger ones.

use bellwether_tests::small::Small;
use bellwether_tests::transcript::Detail;

#[test]
fn every_story_of_a_small_world_ends_well() {
    for (name, small) in Small::QUICK {
        let report = small.explore(STORIES_MAX);
        if let Some(found) = &report.found {
            panic!("{name}: {}\n{}", found.violation, small.told(&found.choices, Detail::Facts));
        }
        assert!(report.completed, "{name}: {report:?}");
    }
}

#[test]
fn planted_faults_are_found_among_all_stories() {
    for (fault, words) in [
        ("forget_early", "leaves the disk, and the server has never held it"),
        ("complete_early", "a batch leaves that is not on disk"),
        ("no_epoch_check", "writes after another has booted"),
        ("no_repeats", "took effect 2 times"),
    ] {
        let (_, mut small) = Small::QUICK[0];
        assert!(small.planted.plant(fault), "{fault}");
        let report = small.explore(STORIES_MAX);
        let found = report.found.unwrap_or_else(|| panic!("{fault} is not found"));
        let story = small.told(&found.choices, Detail::Story);
        assert!(found.violation.contains(words), "{fault}: {}\n{story}", found.violation);
    }
}

const STORIES_MAX: u64 = 100_000;
