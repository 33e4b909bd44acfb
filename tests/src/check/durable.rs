//! G1: what was promised is on disk until the server holds it, or until its page has thrown it away.

use std::collections::BTreeSet;

use bellwether_shared::base::EventId;
use bellwether_shared::rows::{
    DeadRow, DoneRow, FlightRow, JournalRow, Key, Op, RowFault, Store, StreamKey, WriteBatch, read,
};
use bellwether_shared::wire::Push;

use super::row_id;
use crate::disk::{Before, Disk};
use crate::world::World;

/// What leaves the journal is at the server and filed as such, or is a dead letter, or lies there once more. A dead
/// letter leaves for the journal, or by the app's wish.
pub(super) fn committed(
    world: &World,
    device: usize,
    batch: &WriteBatch,
    before: &[Before],
) -> Vec<String> {
    let mut found = Vec::new();
    let here = &world.devices[device];
    let gone = |before: &&Before| {
        before.row.is_some() && here.disk.get(before.store, &before.key).is_none()
    };
    let mut filed: Option<BTreeSet<EventId>> = None;
    for before in before.iter().filter(gone) {
        let row = before.row.as_deref().unwrap_or_default();
        match (before.store, &before.key) {
            (Store::Journal, Key::Number(position)) => {
                if let Err(RowFault::Newer { .. }) = read::<JournalRow<'_>>(row) {
                    found.push(format!("the row {position} of a newer build is deleted"));
                    continue;
                }
                let Some(id) = row_id(row) else {
                    let aside = Key::from(&*format!("journal:{position}"));
                    if here.disk.get(Store::Dead, &aside).is_none() {
                        found.push(format!("the unreadable row {position} is deleted"));
                    }
                    continue;
                };
                let known = world.server.ever.contains(&id);
                let told = filed.get_or_insert_with(|| outcomes(batch)).contains(&id);
                let letter = || here.disk.get(Store::Dead, &Key::from(id.as_str())).is_some();
                if (known && told) || letter() || has_copy(&here.disk, &id) {
                    continue;
                }
                if !known {
                    found.push(format!("{id} leaves the disk, and the server has never held it"));
                }
                if !told && !is_filed(&here.disk, &id) {
                    found.push(format!("{id} leaves the disk, and nothing says what became of it"));
                }
            }
            (Store::Dead, Key::Text(text)) => {
                let appended = |op: &Op| matches!(op, Op::Append { row } if row_id(row).is_some_and(|id| id.as_str() == &**text));
                let wished = EventId::new(text).is_ok_and(|id| here.discarded.contains(&id));
                if !wished && !batch.ops.iter().any(appended) {
                    found.push(format!("the dead letter {text} is dropped"));
                }
            }
            _ => {}
        }
    }
    found
}

fn has_copy(disk: &Disk, id: &EventId) -> bool {
    disk.rows(Store::Journal).any(|(_, row)| row_id(row).as_ref() == Some(id))
}

// A second row of an event may leave later than the first.
fn is_filed(disk: &Disk, id: &EventId) -> bool {
    disk.rows(Store::Done).any(|(_, row)| {
        read::<DoneRow>(row).is_ok_and(|row| row.entries.iter().any(|entry| entry.id == *id))
    })
}

fn outcomes(batch: &WriteBatch) -> BTreeSet<EventId> {
    let mut ids = BTreeSet::new();
    for op in &batch.ops {
        if let Op::Put { store: Store::Done, row, .. } = op
            && let Ok(row) = read::<DoneRow>(row)
        {
            ids.extend(row.entries.into_iter().map(|entry| entry.id));
        }
    }
    ids
}

/// Before a push leaves: its batch lies on disk as it is sent.
#[must_use]
pub fn push(disk: &Disk, push: &Push) -> Vec<String> {
    if push.events.is_empty() {
        return Vec::new();
    }
    let stream = &push.stream;
    let (session, user) = (stream.session.clone(), stream.user.clone());
    let key = StreamKey { session, user, lane: stream.lane }.key();
    let row = disk.get(Store::Flight, &key).and_then(|row| read::<FlightRow>(row).ok());
    let sealed = row.is_some_and(|row| {
        // It may be the one behind, which leaves while the answer to the one before is filed.
        let behind = row.next().filter(|behind| behind.first == push.first);
        let row = behind.unwrap_or(row);
        row.incarnation == stream.incarnation
            && row.first == push.first
            && row.head == push.head
            && row.signature == push.signature
            && row.count == push.events.len() as u64
    });
    if sealed { Vec::new() } else { vec![format!("a batch leaves that is not on disk: {key:?}")] }
}

/// Whatever was promised is in the log, or a dead letter for a reason, or was thrown away.
pub(super) fn at_rest(world: &World) -> Vec<String> {
    let sessions = world.server.sessions();
    let logged: BTreeSet<EventId> = sessions
        .flat_map(|session| world.server.log(session))
        .filter_map(|event| super::event_id(&event.sealed))
        .collect();
    let missing = world.events.iter().filter(|(id, event)| event.promised && !logged.contains(*id));
    missing.filter_map(|(id, event)| excuse(world, id, &event.type_)).collect()
}

// An event that is not in the log has to be a dead letter, or to have been one; and there has to be a reason.
fn excuse(world: &World, id: &EventId, type_: &str) -> Option<String> {
    if world.devices.iter().any(|device| device.discarded.contains(id)) {
        return None;
    }
    let letter = world.devices.iter().find_map(|device| {
        let row = device.disk.get(Store::Dead, &Key::from(id.as_str()))?;
        read::<DeadRow>(row).ok()
    });
    let Some(letter) = letter else { return Some(format!("{id} is lost")) };
    let server = &world.server;
    let alone = server.failed_alone.get(id).copied().unwrap_or(0);
    let tries = alone + server.named.get(id).copied().unwrap_or(0);
    let spent = tries >= world.options.tries_max;
    let deserved = match &*letter.reason.code {
        "no" => server.refused.contains(type_),
        "busy" => server.put_off.contains(type_) && spent,
        "tries-spent" => alone > 0 && spent,
        _ => false,
    };
    (!deserved).then(|| {
        let why = &letter.reason.code;
        format!("{id} ({type_}) was buried for {why}, after {tries} tries, {alone} of them alone")
    })
}
