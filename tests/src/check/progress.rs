//! G6: while the server can be reached, everything drains, every request is answered, and nobody pays for an outage.

use bellwether_shared::base::RequestId;
use bellwether_shared::bus::Reply;
use bellwether_shared::rows::{FlightRow, Op, Store, WriteBatch, read};

use super::row_id;
use crate::tab::Tab;
use crate::world::World;

/// Nobody spends a try in an outage.
pub(super) fn committed(world: &World, batch: &WriteBatch) -> Vec<String> {
    let server = &world.server;
    let blameless =
        server.poison.is_empty() && server.put_off.is_empty() && server.failed_alone.is_empty();
    // An event whose prerequisite the server does not know is put off by it.
    let blameless = blameless && server.named.is_empty();
    let spent = |op: &Op| match op {
        Op::Put { store: Store::Flight, row, .. } => {
            read::<FlightRow>(row).is_ok_and(|flight| flight.tries > 0)
        }
        Op::Put { .. } | Op::Append { .. } | Op::Delete { .. } | Op::DeleteSpan { .. } => false,
    };
    if blameless && batch.ops.iter().any(spent) {
        vec!["a try is spent in an outage".into()]
    } else {
        Vec::new()
    }
}

/// What was asked while no message was lost is not given up.
#[must_use]
pub fn answered(page: &Tab, id: RequestId, reply: &Reply) -> Vec<String> {
    let fair = page.asks.iter().any(|(asked, fair)| *asked == id && *fair);
    match reply {
        Reply::Failed(fault) if &*fault.code == "coordinator-silent" && fair => {
            vec![format!("the request {} is given up, though nothing was lost", id.0)]
        }
        Reply::Failed(_) | Reply::Done(_) | Reply::Flushed { .. } => Vec::new(),
    }
}

/// Nothing waits any more: no row, no batch, no request.
pub(super) fn at_rest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (number, device) in world.devices.iter().enumerate() {
        // A row that cannot be read may wait for room among the dead letters, and a repeat that the disk refused to
        // delete for the next boot.
        let swept_later = |id| device.disk.refused > 0 && world.server.ever.contains(&id);
        let rows = device.disk.rows(Store::Journal);
        let journal =
            rows.filter(|(_, row)| row_id(row).is_some_and(|id| !swept_later(id))).count();
        let flights = device.disk.count(Store::Flight);
        if journal > 0 || flights > 0 {
            found.push(format!(
                "device {number} is quiet with {journal} rows and {flights} batches"
            ));
        }
        for (at, page) in device.pages.iter().enumerate() {
            if let Some((id, _)) = page.asks.first().filter(|_| !page.frozen) {
                found.push(format!("page {at} of device {number} waits for request {}", id.0));
            }
        }
    }
    found
}
