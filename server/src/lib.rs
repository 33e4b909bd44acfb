//! The reference sync server, and the library it is made of.
//!
//! One ordered log per session. Clients push batches of sealed events; each event takes effect
//! once, in the transaction that appends it. The binary is this library with no effect; an app
//! that has one brings its own `main` and an [`Effect`].
//!
//! - [`engine`] decides, and knows neither sockets nor SQL;
//! - [`store`] keeps, in memory or in one SQLite file;
//! - [`audit`] writes a log with its proofs, and checks such a file with nothing else;
//! - [`app()`] is the HTTP face, testable without a port; [`serve()`] gives it one;
//!
//! - [`live`] tells who waits that a log has grown.
//!
//! Not here: the client's machines.

pub mod app;
pub mod audit;
pub mod auth;
pub mod bounds;
pub mod command;
pub mod compaction;
pub mod config;
pub mod effect;
pub mod engine;
pub mod fault;
pub mod live;
pub mod mood;
pub mod observe;
mod route;
pub mod serve;
pub mod store;
pub mod ticket;
pub mod webhook;

pub use app::{App, app};
pub use compaction::compact;
pub use effect::{AcceptedEvent, Effect, EffectFault, EffectOutcome, EffectTx, NoEffect, Only};
pub use fault::Fault;
pub use serve::serve;
