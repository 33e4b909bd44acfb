//! Plays a random story and writes down what its machines have recorded: `record SEED FILE`.
//!
//! So the tapes in `shared/tests/tapes` were made. They are made anew when the machines decide otherwise on purpose.

#![allow(clippy::print_stdout, reason = "this is what the program is for")]

use std::fs;

use bellwether_shared::tape::Recording;
use bellwether_tests::choice::Chooser;
use bellwether_tests::generate::{self, Plot};
use bellwether_tests::world::World;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, file] = arguments.as_slice() else { panic!("name a seed and a file") };
    let seed = seed.parse().expect("a seed is a number");
    let mut world = World::of(Chooser::random(seed), seed);
    world.recording = Some(Recording::WithoutBodies);
    generate::run(&mut world, &Plot::default());
    assert_eq!(world.violations, Vec::<String>::new());
    let tape = world.recorded();
    fs::write(file, &tape).expect("the file can be written");
    println!("{} bytes", tape.len());
}
