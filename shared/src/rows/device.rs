//! The device: one database, minted with it.

use crate::base::codec::map;
use crate::base::{DeviceId, Wall};
use crate::wire::DeviceKey;

/// Who this database is. The private key stands beside it, where no script can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Version of the row.
    pub version: u16,
    /// Its id.
    pub device: DeviceId,
    /// Its public key.
    pub key: DeviceKey,
    /// When it was minted.
    pub minted_at: Wall,
}

map!(DeviceRow { 0: version, 1: device, 2: key, 3: minted_at });
