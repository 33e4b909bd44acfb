//! A session's log with the proofs of the devices that made it: written, and checked offline (OUT-12).
//!
//! ```text
//!  store ─▶ Export, part by part ─▶ file ─▶ Verifier, record by record ─▶ sound, or where not
//! ```
//!
//! The format is [`wire::audit`](bellwether_shared::wire::audit), and told in `docs/audit.md`.
//!
//! What always holds: neither side keeps events in memory; what a device has signed is checked with
//! nothing but the file.

mod anchor;
mod export;
mod verify;

pub use anchor::Anchor;
pub use export::{AuditAsk, Export};
pub use verify::{Finding, Flaw, Rules, Sound, Unsound, Verifier, verify};
