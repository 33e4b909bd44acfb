//! The browser, typed: storage, timers, channels and crypto as Bellwether's drivers need them.
//!
//! Everything here does one thing and decides nothing: no retry but the reopening of a dead database
//! handle, no order, no protocol; but which worker's registration is the right one is found in `link.js`. A page
//! links the feature `page`, the coordinator links `worker`, which brings the whole store; both are thin faces of
//! JavaScript modules that come with this crate.
//!
//! What always holds:
//! - a write is done when its transaction is complete, never earlier;
//! - what the browser refuses comes back as a value; nothing here throws;
//! - whatever listens stops listening when it is dropped.

// With neither feature there is nobody to serve.
#![cfg(any(feature = "page", feature = "worker"))]

#[cfg(all(feature = "allocator", target_arch = "wasm32"))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

pub mod clock;
pub mod dom;
pub mod entropy;
pub mod fault;
pub mod members;
pub mod task;

mod js;

#[cfg(feature = "page")]
mod callback;
#[cfg(feature = "page")]
pub mod journal;
#[cfg(feature = "page")]
pub mod link;

#[cfg(feature = "worker")]
pub mod alarm;
#[cfg(feature = "worker")]
pub mod channel;
#[cfg(feature = "worker")]
pub mod fetch;
#[cfg(feature = "worker")]
pub mod listen;
#[cfg(feature = "worker")]
pub mod once;
#[cfg(feature = "worker")]
pub mod registry;
#[cfg(feature = "worker")]
pub mod schema;
#[cfg(feature = "worker")]
pub mod scope;
#[cfg(feature = "worker")]
pub mod sentinel;
#[cfg(feature = "worker")]
pub mod sign;
#[cfg(feature = "worker")]
pub mod store;

#[cfg(feature = "worker")]
mod connection;
