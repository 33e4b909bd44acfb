//! G4: but for pages' appends, only the coordinator that has booted last can write.

use std::collections::BTreeSet;

use bellwether_shared::base::PageId;
use bellwether_shared::rows::{LeaseRow, WriteBatch};

use crate::browser::Device;
use crate::world::World;

/// Whoever wrote has booted last.
pub(super) fn committed(here: &Device, realm: PageId, batch: &WriteBatch) -> Vec<String> {
    if here.disk.host == Some(realm) {
        return Vec::new();
    }
    vec![format!("a coordinator of epoch {} writes after another has booted", batch.epoch.0)]
}

/// Every boot on one database has an epoch beyond all that were before.
#[must_use]
pub fn booted(world: &mut World, device: usize, lease: &LeaseRow) -> Vec<String> {
    let life = world.devices[device].disk.life;
    let epochs: &mut BTreeSet<_> = world.epochs.entry((device, life)).or_default();
    let beyond = epochs.last().is_none_or(|last| *last < lease.epoch);
    epochs.insert(lease.epoch);
    if beyond { Vec::new() } else { vec![format!("a boot takes epoch {} again", lease.epoch.0)] }
}
