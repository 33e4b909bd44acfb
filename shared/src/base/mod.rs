//! The vocabulary every other module speaks: times, ids, counters, bounds, faults.
//!
//! Nothing here decides anything, and nothing here asks the world for time or randomness.

pub mod codec;
mod fault;
mod hlc;
mod ids;
pub mod limits;
mod rng;
mod seq;
mod sorted;
mod text;
mod time;

pub use fault::{Culprit, Fault};
pub use hlc::{Hlc, Stamp};
pub use ids::{DeviceId, EventId, IdUnfit, Incarnation, LogEpoch, PageId, RequestId, uuid_v7};
pub use rng::Rng;
pub use seq::{Epoch, Generation, Position, Seq, Ticket};
pub use sorted::SortedMap;
pub use text::{decimal, joined};
pub use time::{Mono, Now, Wall};
