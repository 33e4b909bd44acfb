//! G10: messages, batches, letters and waits keep to their bounds.

use bellwether_shared::base::{PageId, limits};
use bellwether_shared::rows::{FlightRow, Op, Store, WriteBatch, read};
use bellwether_shared::wire::{Push, to_cbor};

use crate::world::World;

/// A message between a page and a worker.
#[must_use]
pub fn message(bytes: &[u8]) -> Vec<String> {
    if bytes.len() <= limits::BUS_BYTES_MAX {
        return Vec::new();
    }
    vec![format!("a message of {} bytes", bytes.len())]
}

/// A push.
#[must_use]
pub fn push(push: &Push) -> Vec<String> {
    let mut found = Vec::new();
    if push.events.len() > limits::BATCH_EVENTS_MAX {
        found.push(format!("a batch of {} events", push.events.len()));
    }
    let bytes: usize = push.events.iter().map(|event| event.len()).sum();
    if bytes > limits::BATCH_BYTES_MAX && to_cbor(push).len() > limits::PUSH_BYTES_MAX {
        found.push(format!("a push of {bytes} bytes"));
    }
    found
}

/// What a coordinator has written: letters up to their cap, and no wait beyond the longest.
pub(super) fn committed(
    world: &World,
    device: usize,
    realm: PageId,
    batch: &WriteBatch,
) -> Vec<String> {
    let mut found = Vec::new();
    let disk = &world.devices[device].disk;
    // One that has booted without a configuration that can be read knows of no cap but its own, until a page tells it.
    let known = world.devices[device].realms.get(&realm).is_some_and(|realm| realm.configured);
    let most = world.options.dead_max as usize;
    let buries = batch.ops.iter().any(|op| matches!(op, Op::Put { store: Store::Dead, .. }));
    if buries && known && disk.count(Store::Dead) > most {
        found.push(format!("{} dead letters, and there may be {most}", disk.count(Store::Dead)));
    }
    let now = world.clock(device, world.now_ms).wall;
    for op in &batch.ops {
        if let Op::Put { store: Store::Flight, row, .. } = op
            && let Ok(flight) = read::<FlightRow>(row)
        {
            let wait = flight.due_at.since(now).as_millis() as u64;
            // The clock may have jumped back since it was decided.
            if wait > u64::from(limits::RETRY_AFTER_MS_MAX) + world.jumped_ms {
                found.push(format!("a batch is put off for {wait} ms"));
            }
        }
    }
    found
}

/// For the planted fault: the same, but a batch waits for an hour more.
pub fn put_off(op: &mut Op) {
    if let Op::Put { store: Store::Flight, row, .. } = op
        && let Ok(mut flight) = read::<FlightRow>(row)
    {
        flight.due_at.0 += 3_600_000;
        *row = to_cbor(&flight);
    }
}
