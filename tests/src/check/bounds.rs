//! G10: messages, batches, letters and waits keep to their bounds.

use bellwether_shared::base::limits;
use bellwether_shared::rows::{Config, FlightRow, Key, META_CONFIG, Op, Store, WriteBatch, read};
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
pub(super) fn committed(world: &World, device: usize, batch: &WriteBatch) -> Vec<String> {
    let mut found = Vec::new();
    let disk = &world.devices[device].disk;
    // Without a configuration that can be read, a coordinator that no page has told yet knows of no other cap.
    let config = disk.get(Store::Meta, &Key::from(META_CONFIG)).map(read::<Config>);
    let known = matches!(config, Some(Ok(_)));
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
