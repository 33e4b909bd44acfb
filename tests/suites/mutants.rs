//! Faults planted on purpose: each has to be found by a checker, or the checkers prove nothing; and its story has
//! to shrink to one that a person can read.
//!
//! The plots are plain on purpose: without a wiped server or a copied profile, only the fault can be to blame.
//! Each is found by one of the first few seeds; which, and the story, is told with `--nocapture`.

use bellwether_tests::generate::Plot;
use bellwether_tests::scenario::Scenario;
use bellwether_tests::shrink::{class, shrink};
use bellwether_tests::transcript::Detail;

#[test]
fn without_a_fault_the_same_stories_end_well() {
    for seed in 0..100 {
        let (_, world) = Scenario::drawn(seed, plot("none"), Detail::Nothing);
        assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn forgetting_before_the_acknowledgement_is_found() {
    found("forget_early", "leaves the disk, and the server has never held it");
}

#[test]
fn acknowledging_before_completion_is_found() {
    found("complete_early", "is lost");
    found("complete_early", "a batch leaves that is not on disk");
}

#[test]
fn a_disk_that_skips_the_epoch_check_is_found() {
    found("no_epoch_check", "writes while epoch");
}

#[test]
fn a_repeat_that_is_not_recognised_is_found() {
    found("no_repeats", "times in the log");
}

// The first seed whose story goes wrong in these words before any others; its shrunk file tells the same in few lines.
#[expect(
    clippy::print_stdout,
    reason = "seed and story are worth knowing, and only shown when asked for"
)]
fn found(fault: &str, words: &str) {
    let plot = plot(fault);
    let shows = (0..SEEDS).find_map(|seed| {
        let (scenario, world) = Scenario::drawn(seed, plot, Detail::Nothing);
        let violation = world.violations.first().filter(|found| found.contains(words))?;
        Some((seed, scenario, violation.clone()))
    });
    let Some((seed, scenario, violation)) = shows else {
        panic!("no story of {SEEDS} shows `{fault}` by `{words}`")
    };
    let shrunk = shrink(&scenario, PLAYS_MAX);
    let file = shrunk.scenario.write();
    let read = Scenario::read(&file).expect("what is written can be read");
    let world = read.play(Detail::Story);
    let story = world.transcript.text();
    println!("{fault}, seed {seed}: {violation}\n{story}{file}({} plays)\n", shrunk.plays);
    let ways: Vec<String> = world.violations.iter().map(|found| class(found)).collect();
    assert!(ways.contains(&class(&violation)), "the shrunk file tells another story: {ways:?}");
    assert!(world.transcript.lines.len() <= LINES_MAX, "a long story:\n{story}");
    assert_eq!(story, read.play(Detail::Story).transcript.text());
}

fn plot(fault: &str) -> Plot {
    let mut plot = Plot { server_loses: false, clones: false, culprits: false, ..Plot::default() };
    plot.planted.plant(fault);
    plot
}

const SEEDS: u64 = 300;
const PLAYS_MAX: u32 = 2_000;
const LINES_MAX: usize = 12;
