//! Page ↔ coordinator: the messages between them (HOST-2).
//!
//! What always holds:
//! - an envelope of another protocol version is understood as far as its header, so that both sides can
//!   say in words what does not fit (HOST-7);
//! - a kind that is not known is skipped and counted, never an error;
//! - every request has an id of its page's own; asking again with the same id is the same request.
//!
//! Not here: when to ask again (`page`), and which requests were seen before (`coordinator`).

mod ballot;
mod envelope;
mod notice;
mod peer;
mod request;

pub use ballot::{Ballot, Call};
pub use envelope::{BusFault, Envelope, PROTOCOL_MAX, PROTOCOL_MIN};
pub use notice::{Breaker, Changed, Folded, Notice, Over, Reply, Status, Sync, Welcome};
pub use peer::Word;
pub use request::{Change, Farewell, Hello, Identity, Network, Request, TokenGiven, Wipe};
