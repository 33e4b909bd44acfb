//! The driver of the coordinator, inside a service worker or where there is none inside a page: facts in, effects out, and nothing decided.
//!
//! What always holds:
//! - whatever an event causes is inside the future that its `waitUntil` gets, in a slice of at most 20 s;
//! - every event awaits the quiet that all events share, not only what it started itself;
//! - no borrow crosses an `await`.
//!
//! Not here: listeners, and finding the wasm, which is the script's; what to do, which is the core's.

// Without a browser there is nothing to drive.
#![cfg(target_arch = "wasm32")]

mod api;
mod bus;
mod clients;
mod disk;
mod driver;
mod embedded;
mod network;
mod perform;
mod quiet;

pub use api::Worker;
pub use embedded::Embedded;
