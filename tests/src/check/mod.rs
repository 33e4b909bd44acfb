//! What must hold, judged from what was appended, what lies on disks and what the server holds.
//!
//! What always holds: no checker asks the core, and none is told by it what it should say. Each gives sentences; none
//! is good news. There is one file for each guarantee; G7 has no machine yet, and so no checker.

pub mod agree;
pub mod bounds;
pub mod changed;
pub mod document;
pub mod durable;
pub mod isolation;
mod once;
mod order;
pub mod progress;
pub mod sparing;
pub mod versions;
pub mod writer;

use std::collections::BTreeSet;

use bellwether_shared::base::{EventId, PageId, limits};
use bellwether_shared::rows::{JournalRow, Key, RetainedRow, Store, WriteBatch, read};
use bellwether_shared::wire::{Event, Push, from_cbor};

use crate::disk::{Before, Disk};
use crate::world::World;

pub use durable::push;
pub use once::LogWatch;

/// After a commit: who wrote, and what has left the disk by it.
#[must_use]
pub fn commit(
    world: &World,
    device: usize,
    realm: PageId,
    batch: &WriteBatch,
    before: &[Before],
) -> Vec<String> {
    let mut found = writer::committed(&world.devices[device], realm, batch);
    found.extend(durable::committed(world, device, batch, before));
    found.extend(progress::committed(world, batch));
    found.extend(bounds::committed(world, device, realm, batch));
    found.extend(document::committed(world, device, batch, before));
    found
}

/// After the server has done something: what its logs say of it.
#[must_use]
pub fn log(world: &mut World) -> Vec<String> {
    once::log(world)
}

/// After the server of plain requests has done one.
#[must_use]
pub fn plain(world: &World, id: &EventId) -> Vec<String> {
    let Some(event) = world.events.get(id) else {
        return vec![format!("{id} is requested, which nobody appended")];
    };
    let mut found = changed::requested(id, event);
    found.extend(order::requested(world, id, event));
    found
}

/// When all is quiet and the weather has been good.
#[must_use]
pub fn at_rest(world: &World) -> Vec<String> {
    let mut found = once::at_rest(world);
    found.extend(durable::at_rest(world));
    found.extend(order::at_rest(world));
    found.extend(changed::at_rest(world));
    found.extend(progress::at_rest(world));
    found.extend(agree::at_rest(world));
    found.extend(document::at_rest(world));
    found.extend(versions::at_rest(world));
    found
}

/// The id of a sealed event.
#[must_use]
pub fn event_id(sealed: &[u8]) -> Option<EventId> {
    from_cbor::<Event<'_>>(sealed, limits::EVENT_BYTES_MAX).ok().map(|event| event.id)
}

/// The id of a journal row's event.
#[must_use]
pub fn row_id(row: &[u8]) -> Option<EventId> {
    event_id(read::<JournalRow<'_>>(row).ok()?.sealed)
}

/// The ids of a push's events.
#[must_use]
pub fn push_ids(push: &Push) -> BTreeSet<EventId> {
    push.events.iter().filter_map(|sealed| event_id(sealed)).collect()
}

/// The ids of all events that a disk holds in any way.
#[must_use]
pub fn held(disk: &Disk) -> BTreeSet<EventId> {
    let journal = disk.rows(Store::Journal).filter_map(|(_, row)| row_id(row));
    let retained = disk.rows(Store::Retained);
    let retained = retained.filter_map(|(_, row)| read::<RetainedRow>(row).ok());
    let retained = retained.flat_map(|row| {
        row.events.iter().filter_map(|sealed| event_id(sealed)).collect::<Vec<_>>()
    });
    let dead = disk.rows(Store::Dead).filter_map(|(key, _)| match key {
        Key::Text(text) => EventId::new(text).ok(),
        Key::Number(_) => None,
    });
    journal.chain(retained).chain(dead).collect()
}
