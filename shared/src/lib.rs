//! Bellwether's core, sans-IO: everything that is decided is decided here.
//!
//! Two halves. The **data half** says what things look like: [`base`], [`wire`], [`rules`], and
//! with feature `machines` also `rows`, `bus` and `tape`. The **machines** decide: `outbox`, `state`,
//! `lead`, `lock`, `host`, `coordinator` and `page`. Each takes facts with an explicit `now`, gives out effects and one
//! timeout, and does nothing itself.
//!
//! What every machine promises:
//! - facts are never refused: what cannot be is reported, and outlasted;
//! - the process may die between any two effects, and `restore` takes up from what the disk says;
//! - an effect that depends on a write is held back until the write is confirmed;
//! - the same facts at the same times give the same effects.
//!
//! Not here: clocks, randomness, storage, network, `async`, JavaScript.

pub mod base;
pub mod rules;
pub mod wire;

#[cfg(feature = "machines")]
pub mod bus;
#[cfg(feature = "machines")]
pub mod coordinator;
#[cfg(feature = "machines")]
pub mod host;
#[cfg(feature = "machines")]
pub mod lead;
#[cfg(feature = "machines")]
pub mod lock;
#[cfg(feature = "machines")]
pub mod outbox;
#[cfg(feature = "machines")]
pub mod page;
#[cfg(feature = "replay")]
pub mod replay;
#[cfg(feature = "machines")]
pub mod rows;
#[cfg(feature = "machines")]
pub mod state;
#[cfg(feature = "machines")]
pub mod tape;
