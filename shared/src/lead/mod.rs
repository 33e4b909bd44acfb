//! Who leads among pages, where the browser itself cannot say (LEAD-2, LEAD-8, HOST-4).
//!
//! Two ways, each a machine of its own: a [`Lease`] in a row that pages share, and a [`Vote`] among pages that share
//! nothing but a bus.
//!
//! What always holds:
//! - a leader has an epoch that is higher than any that its page had heard of, and writes only under it;
//! - a leader that finds it has slept lets go before it does anything else;
//! - no wall clock makes anybody a leader. One that has run on while the page slept makes a leader let go.
//!
//! What it does not promise: that a former leader knows. It may have slept and not run since; what it still writes
//! is refused by its epoch, and what it still sends the server recognises (HOST-6).
//!
//! Not here: what a leader does, and the disk and the bus themselves.

pub mod lease;
pub mod vote;

pub use lease::Lease;
pub use vote::Vote;

use core::time::Duration;

use crate::base::{Now, limits};

/// Why a page does not lead any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its time ran out before it was renewed: the page has slept, or its disk was slow.
    Slept,
    /// Another leads.
    Replaced,
    /// It was asked to let go, or is hidden away.
    Resigned,
}

/// How long ago `earlier` was by the clock that says more: one of them may stand while the device sleeps.
fn age(earlier: Now, now: Now) -> Duration {
    now.mono.since(earlier.mono).max(now.wall.since(earlier.wall))
}

const BEAT: Duration = Duration::from_millis(limits::LEAD_BEAT_MS);
const TERM: Duration = Duration::from_millis(limits::LEAD_TERM_MS);
