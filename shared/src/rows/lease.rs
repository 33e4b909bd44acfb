//! Who holds a role, under which epoch (HOST-6).

use super::ROW_VERSION;
use crate::base::codec::{index, map};
use crate::base::{Epoch, PageId, Wall};

/// What hosts the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// The service worker.
    Worker,
    /// A page.
    Page,
}

index!(HostKind { 0: Worker, 1: Page });

/// The lease of a role. A worker writes it once, when it boots; a page renews it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// Version of the row.
    pub version: u16,
    /// The realm that holds it: a page, or one life of a worker.
    pub holder: PageId,
    /// What the holder is.
    pub kind: HostKind,
    /// Raised by one each time the role is taken.
    pub epoch: Epoch,
    /// Until when it holds, by the holder's wall clock; for people, never judged by.
    pub until: Wall,
    /// How often the holder renews it; 0 if never.
    pub heartbeat_every_ms: u32,
    /// When it was last written, by the holder's wall clock.
    pub updated_at: Wall,
    /// Counts the writes, so that a change can be seen whatever the clocks say.
    pub writes: u64,
    /// The holder has let go.
    pub resigned: bool,
    /// Build id of the holder.
    pub build: Box<str>,
}

map!(LeaseRow {
    0: version,
    1: holder,
    2: kind,
    3: epoch,
    4: until,
    5: heartbeat_every_ms,
    6: updated_at,
    7: writes,
    8: resigned,
    9: build,
});

impl LeaseRow {
    /// The same, written once more by its holder; or for the last time, if it has `resigned`.
    #[must_use]
    pub fn renewed(&self, every_ms: u32, resigned: bool, at: Wall) -> Self {
        Self {
            until: Wall(at.0.saturating_add(u64::from(every_ms) * 3)),
            heartbeat_every_ms: every_ms,
            updated_at: at,
            writes: self.writes.saturating_add(1),
            resigned,
            ..self.clone()
        }
    }

    /// The same, under an epoch later than `newest`: the row before may be of a database made anew, and know of none.
    #[must_use]
    pub fn beyond(self, newest: Epoch) -> Self {
        Self { epoch: self.epoch.max(newest.next()), ..self }
    }

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
