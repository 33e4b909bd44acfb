//! The device: one database, minted with it.

use minicbor::{Decode, Encode};

use crate::base::{DeviceId, Wall};
use crate::wire::DeviceKey;

/// Who this database is. The private key stands beside it, where no script can read it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceRow {
    /// Version of the row.
    #[n(0)]
    pub version: u16,
    /// Its id.
    #[n(1)]
    pub device: DeviceId,
    /// Its public key.
    #[n(2)]
    pub key: DeviceKey,
    /// When it was minted.
    #[n(3)]
    pub minted_at: Wall,
}
