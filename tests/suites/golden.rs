//! Transcripts that people can read, and that every machine and profile has to reproduce byte for byte.
//!
//! Where a change is meant: `cargo xtask sim --replay tests/golden/X.scenario > tests/golden/X.txt`.

use std::fs;
use std::path::Path;

use bellwether_tests::scenario::Scenario;
use bellwether_tests::transcript::Detail;

#[test]
fn each_scenario_reads_as_it_is_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut read = 0;
    for entry in fs::read_dir(&folder).expect("the folder is part of the repository") {
        let file = entry.expect("it can be listed").path();
        if file.extension().is_none_or(|ending| ending != "scenario") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("it can be read");
        let scenario = Scenario::read(&text).unwrap_or_else(|fault| panic!("{file:?}: {fault}"));
        let kept = fs::read_to_string(file.with_extension("txt")).expect("its transcript is kept");
        for _ in 0..2 {
            let world = scenario.play(Detail::Facts);
            assert_eq!(world.violations, Vec::<String>::new(), "{file:?}");
            let told = world.transcript.text();
            let differs = told.lines().zip(kept.lines()).position(|(told, kept)| told != kept);
            assert!(
                differs.is_none() && told.lines().count() == kept.lines().count(),
                "{file:?} differs from line {:?}:\n{told}",
                differs.map(|line| line + 1)
            );
        }
        read += 1;
    }
    assert!(read > 0, "there are none");
}
