//! Where the coordinator runs, and who may be it.

mod succession;

pub use succession::{Asker, Verdict, decide};
