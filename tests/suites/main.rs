//! Tests of the core in a small world: direct scripts, stories from seeds, planted faults.

mod explore_lease;
mod explore_mutex;
mod explore_small;
mod explore_succession;
mod found;
mod golden;
mod happy;
mod mutants;
mod regress;
mod rules;
mod state;
mod stories;
mod tapes;
