//! Stories that are kept: those that once went wrong end well, and those with a planted fault still show it.

use std::fs;
use std::path::Path;

use bellwether_tests::scenario::Scenario;
use bellwether_tests::transcript::Detail;

#[test]
fn kept_stories_end_as_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kept");
    let mut played = 0;
    for entry in fs::read_dir(&folder).expect("the folder is part of the repository") {
        let file = entry.expect("it can be listed").path();
        let text = fs::read_to_string(&file).expect("it can be read");
        let scenario = Scenario::read(&text).unwrap_or_else(|fault| panic!("{file:?}: {fault}"));
        let world = scenario.play(Detail::Story);
        let is_planted = !scenario.plot.planted.names().is_empty();
        let story = world.transcript.text();
        assert_eq!(
            !world.violations.is_empty(),
            is_planted,
            "{file:?}: {:?}\n{story}",
            world.violations
        );
        played += 1;
    }
    assert!(played > 0, "there are none");
}
