//! Named locks between the pages of one channel, where the browser has none of its own (LOCK-1, LOCK-2).

mod fast_mutex;

pub use fast_mutex::{FastMutex, Mark, Patience, Step};
