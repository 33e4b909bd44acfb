//! Who holds a role, under which epoch (HOST-6).

use minicbor::{Decode, Encode};

use super::ROW_VERSION;
use crate::base::{Epoch, PageId, Wall};

/// What hosts the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum HostKind {
    /// The service worker.
    #[n(0)]
    Worker,
    /// A page.
    #[n(1)]
    Page,
}

/// The lease of a role. A worker writes it once, when it boots; a page renews it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LeaseRow {
    /// Version of the row.
    #[n(0)]
    pub version: u16,
    /// The realm that holds it: a page, or one life of a worker.
    #[n(1)]
    pub holder: PageId,
    /// What the holder is.
    #[n(2)]
    pub kind: HostKind,
    /// Raised by one each time the role is taken.
    #[n(3)]
    pub epoch: Epoch,
    /// Until when it holds, by the holder's wall clock; for people, never judged by.
    #[n(4)]
    pub until: Wall,
    /// How often the holder renews it; 0 if never.
    #[n(5)]
    pub heartbeat_every_ms: u32,
    /// When it was last written, by the holder's wall clock.
    #[n(6)]
    pub updated_at: Wall,
    /// Counts the writes, so that a change can be seen whatever the clocks say.
    #[n(7)]
    pub writes: u64,
    /// The holder has let go.
    #[n(8)]
    pub resigned: bool,
    /// Build id of the holder.
    #[n(9)]
    pub build: Box<str>,
}

impl LeaseRow {
    /// The lease after `holder` has taken it from whoever had it before.
    #[must_use]
    pub fn taken(
        before: Option<&Self>,
        holder: PageId,
        kind: HostKind,
        build: &str,
        at: Wall,
    ) -> Self {
        Self {
            version: ROW_VERSION,
            holder,
            kind,
            epoch: before.map_or(Epoch(0), |lease| lease.epoch).next(),
            until: at,
            heartbeat_every_ms: 0,
            updated_at: at,
            writes: before.map_or(0, |lease| lease.writes).saturating_add(1),
            resigned: false,
            build: build.into(),
        }
    }
}
