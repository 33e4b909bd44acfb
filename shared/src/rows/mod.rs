//! What is on disk: one database per channel, every store of it, every row.
//!
//! Rows are CBOR maps with integer keys. Each carries its own version and is read by any build: fields
//! that are not known are skipped, and what is of a newer version says so instead of being misread. The
//! database itself never needs an upgrade: every store that is planned exists from version 1 on.
//!
//! Who writes: any page appends to `journal`; everything else is written by the coordinator of the
//! current epoch alone, in a [`WriteBatch`] that asserts it (G4).

mod batch;
mod config;
mod dead;
mod device;
mod document;
mod done;
mod flight;
mod journal;
mod lease;
mod migrate;
mod stream;

pub use batch::{Key, Op, Store, WriteBatch};
pub use config::{Config, Deliver, Options, Overflow, Wiping};
pub use dead::{DeadRow, Reason};
pub use device::DeviceRow;
pub use document::{AheadRow, EntryRow, FoldRow, LoserRow, Place, document_prefix};
pub use done::{DoneEntry, DoneRow, RetainedRow};
pub use flight::{Ahead, FlightRow, FlightSource, Source, Span};
pub use journal::JournalRow;
pub use lease::{HostKind, LeaseRow};
pub use migrate::{RowFault, read};
pub use stream::{CursorRow, Replay, StreamKey, StreamRow};

/// The version that rows are written in.
pub const ROW_VERSION: u16 = 1;

/// Key of the host's lease in `lease`.
pub const LEASE_HOST: &str = "host";
/// Key of the device row in `meta`.
pub const META_DEVICE: &str = "device";
/// Key of the signing key pair in `meta`: the one value that is no row but a `CryptoKeyPair`.
pub const META_SIGNING: &str = "signing";
/// Key in `meta` of an empty row: the database before this one was lost, and no page has been told yet.
pub const META_LOST: &str = "lost";
/// Key of the channel's configuration in `meta`.
pub const META_CONFIG: &str = "config";
