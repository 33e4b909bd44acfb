//! Faults planted on purpose: each has to be found by a checker, or the checkers prove nothing.
//!
//! The plots are plain on purpose: without a wiped server or a copied profile, only the fault can be to blame.
//! Each is found by one of the first few seeds; which, and in which words, is told with `--nocapture`.

use bellwether_tests::fault::Planted;
use bellwether_tests::generate::{Plot, play};

/// Gives the first seed whose story shows the fault, and what was said.
fn found(planted: Planted, words: &str) -> (u64, String) {
    let plain = Plot { server_loses: false, clones: false, culprits: false, ..Plot::default() };
    for seed in 0..SEEDS {
        let world = play(seed, &Plot { planted, ..plain });
        if let Some(violation) = world.violations.iter().find(|found| found.contains(words)) {
            return (seed, violation.clone());
        }
    }
    panic!("no story of {SEEDS} shows the fault: {planted:?}");
}

#[test]
fn without_a_fault_the_same_stories_end_well() {
    let plain = Plot { server_loses: false, clones: false, culprits: false, ..Plot::default() };
    for seed in 0..100 {
        let world = play(seed, &plain);
        assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn forgetting_before_the_acknowledgement_is_found() {
    let planted = Planted { forget_early: true, ..Planted::default() };
    tell(found(planted, "leaves the disk, and the server has never held it"));
}

#[test]
fn acknowledging_before_completion_is_found() {
    let planted = Planted { complete_early: true, ..Planted::default() };
    tell(found(planted, "is lost"));
    tell(found(planted, "a batch leaves that is not on disk"));
}

#[test]
fn a_disk_that_skips_the_epoch_check_is_found() {
    let planted = Planted { no_epoch_check: true, ..Planted::default() };
    tell(found(planted, "writes while epoch"));
}

#[test]
fn a_repeat_that_is_not_recognised_is_found() {
    let planted = Planted { no_repeats: true, ..Planted::default() };
    tell(found(planted, "times in the log"));
}

// Which seed it was can be seen with `--nocapture`.
#[expect(clippy::print_stdout, reason = "the seed is worth knowing, and only shown when asked for")]
fn tell((seed, violation): (u64, String)) {
    println!("seed {seed}: {violation}");
}

const SEEDS: u64 = 300;
