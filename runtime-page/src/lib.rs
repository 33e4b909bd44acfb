//! The page client: appends events to the journal, keeps in touch with the coordinator, and tells the app.
//!
//! As a Rust API it is [`Bellwether`]; the npm package wraps the same client for JavaScript (PKG-1, PKG-2).
//!
//! What always holds:
//! - an event is durable by this page's own transaction; no worker and no network stands in between;
//! - no borrow crosses an `await` or a call into the app;
//! - whatever listens stops listening when the client is closed or dropped.

// Without a browser there is no page.
#![cfg(target_arch = "wasm32")]

mod api;
mod client;
mod delivery;
mod document;
mod driver;
mod group;
mod listing;
mod options;
mod status;

pub use bellwether_shared::base::{EventId, Fault, PageId};
pub use bellwether_shared::bus::{Breaker, Wipe};
pub use bellwether_shared::wire::{EventFlags, EventKind, Lane};

pub use client::{Bellwether, FlushReport, NewEvent, Receipt};
pub use delivery::Delivery;
pub use listing::{DeadLetter, Journey, QueuedEvent};
pub use options::{Options, Token, WorkerChoice};
pub use status::{Happening, Host, Origin, Status};
