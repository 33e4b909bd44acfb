//! Stories of pages that share a document: with kills, partitions, clocks that are a year apart, and more than one device.

use bellwether_tests::fault::Planted;
use bellwether_tests::generate::Plot;
use bellwether_tests::scenario::Scenario;
use bellwether_tests::transcript::Detail;

#[test]
fn pages_devices_and_the_server_agree_when_all_is_quiet() {
    let mut shared = 0;
    for seed in 0..STORIES {
        for plot in [ALONE, TOGETHER, Plot::default()] {
            let (scenario, world) = Scenario::drawn(seed, plot, Detail::Nothing);
            let story = || scenario.write();
            assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}\n{}", story());
            shared += u64::from(world.shares);
        }
    }
    assert!(shared > STORIES, "{shared} of them share a document");
}

#[test]
fn the_choices_of_a_story_with_a_document_tell_it_again() {
    for seed in 0..20 {
        let (scenario, world) = Scenario::drawn(seed, TOGETHER, Detail::Facts);
        let read = Scenario::read(&scenario.write()).expect("what is written can be read");
        let again = read.play(Detail::Facts);
        assert!(again.transcript.text() == world.transcript.text(), "seed {seed}");
    }
}

/// Nothing befalls the server or the disks; only the network, the workers and the pages.
const ALONE: Plot = Plot {
    length: 80,
    server_loses: false,
    clones: false,
    culprits: false,
    device_loses: false,
    changes: false,
    state: true,
    planted: Planted::NONE,
};
const TOGETHER: Plot = Plot { clones: true, device_loses: true, changes: true, ..ALONE };

const STORIES: u64 = 300;
