//! Reading rows of any version (HOST-7).
//!
//! What always holds: no bytes make this panic, and a row of a newer version is never taken for one
//! of ours. There is one version so far; a step from *n* to *n + 1* will be a function of its own
//! here, applied when a row is read, and never edited afterwards.

use super::ROW_VERSION;
use crate::base::codec::{self, Decode, Reader};

/// Why a row was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// It was written by a newer build and stays as it is.
    #[error("the row is of version {found}, newer than this build reads")]
    Newer {
        /// Its version.
        found: u16,
    },
    /// It is not what it should be.
    #[error("the row cannot be read")]
    Unreadable,
}

/// Reads a row.
pub fn read<'b, T: Decode<'b>>(bytes: &'b [u8]) -> Result<T, RowFault> {
    check(bytes)?;
    let mut row = T::blank();
    codec::fill(&mut row, bytes).map_err(|_| RowFault::Unreadable)?;
    Ok(row)
}

fn check(bytes: &[u8]) -> Result<(), RowFault> {
    match version(bytes) {
        Some(found) if found > ROW_VERSION => Err(RowFault::Newer { found }),
        Some(1..) => Ok(()),
        Some(0) | None => Err(RowFault::Unreadable),
    }
}

// Every row is a map whose field 0, the version, comes first.
fn version(bytes: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(bytes);
    if reader.open_map().next(&mut reader) != 0 {
        return None;
    }
    let version = reader.uint(u16::MAX.into()) as u16;
    reader.finish().is_ok().then_some(version)
}
