//! Where the coordinator runs, and who may be it.

mod succession;
mod watchdog;

pub use succession::{Asker, Verdict, decide};
pub use watchdog::{Suspicion, Watchdog};
