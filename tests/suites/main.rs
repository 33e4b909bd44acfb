//! Tests of the core in a small world: direct scripts, stories from seeds, planted faults.

mod happy;
mod mutants;
mod rules;
mod stories;
mod tapes;
