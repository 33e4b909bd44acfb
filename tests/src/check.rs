//! What must hold, judged from what was appended, what lies on disks and what the server holds.
//!
//! What always holds: no checker asks the core. Each gives sentences; none is good news.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_shared::base::{EventId, limits};
use bellwether_shared::bus::Notice;
use bellwether_shared::rows::{
    DeadRow, FlightRow, JournalRow, Key, Op, RetainedRow, Store, StreamKey, WriteBatch, read,
};
use bellwether_shared::wire::{Event, Push, from_cbor};

use crate::disk::Disk;
use crate::world::World;

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

/// The ids in the journal.
#[must_use]
pub fn journal_ids(disk: &Disk) -> BTreeSet<EventId> {
    disk.rows(Store::Journal).filter_map(|(_, row)| row_id(row)).collect()
}

/// The ids of the acknowledged events that are kept.
#[must_use]
pub fn retained_ids(disk: &Disk) -> BTreeSet<EventId> {
    let rows = disk.rows(Store::Retained);
    let rows = rows.filter_map(|(_, row)| read::<RetainedRow>(row).ok());
    rows.flat_map(|row| row.events.iter().filter_map(|sealed| event_id(sealed)).collect::<Vec<_>>())
        .collect()
}

/// Before a commit: it is the current coordinator's; what leaves the journal is at the server or among the dead
/// letters; dead letters leave only for the journal or by the app's wish; nobody spends a try in an outage.
#[must_use]
pub fn commit(world: &World, device: usize, batch: &WriteBatch) -> Vec<String> {
    let mut found = Vec::new();
    let here = &world.devices[device];
    if batch.epoch != here.disk.epoch() {
        let (wrote, now) = (batch.epoch.0, here.disk.epoch().0);
        found.push(format!("epoch {wrote} writes while epoch {now} hosts"));
    }
    let put: BTreeSet<Key> = batch.ops.iter().filter_map(|op| put_into(op, Store::Dead)).collect();
    let appended: BTreeSet<EventId> = batch
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::Append { row } => row_id(row),
            Op::Put { .. } | Op::Delete { .. } | Op::DeleteSpan { .. } => None,
        })
        .collect();
    let gone: Vec<(u64, Option<EventId>)> = here
        .disk
        .rows(Store::Journal)
        .filter_map(|(key, row)| match key {
            Key::Number(at) if batch.ops.iter().any(|op| deletes(op, Store::Journal, *at)) => {
                Some((*at, row_id(row)))
            }
            Key::Number(_) | Key::Text(_) => None,
        })
        .collect();
    let gone_positions: BTreeSet<u64> = gone.iter().map(|(position, _)| *position).collect();
    for (position, id) in gone {
        let Some(id) = id else {
            if !put.contains(&Key::from(&*format!("journal:{position}"))) {
                found.push(format!("the unreadable row {position} is deleted"));
            }
            continue;
        };
        let has_copy = || {
            here.disk.rows(Store::Journal).any(|(key, row)| {
                !matches!(key, Key::Number(at) if gone_positions.contains(at))
                    && row_id(row).as_ref() == Some(&id)
            })
        };
        let letter = Key::from(id.as_str());
        let safe = world.server.ever.contains(&id)
            || put.contains(&letter)
            || here.disk.get(Store::Dead, &letter).is_some()
            || has_copy();
        if !safe {
            found.push(format!("{id} leaves the disk, and the server has never held it"));
        }
    }
    for op in &batch.ops {
        match op {
            Op::Delete { store: Store::Dead, key: Key::Text(text) } => {
                let wished = EventId::new(text)
                    .is_ok_and(|id| appended.contains(&id) || here.discarded.contains(&id));
                if !wished {
                    found.push(format!("the dead letter {text} is dropped"));
                }
            }
            Op::Put { store: Store::Flight, row, .. } => {
                let tries = read::<FlightRow>(row).map_or(0, |flight| flight.tries);
                let server = &world.server;
                let blameless = server.poison.is_empty()
                    && server.put_off.is_empty()
                    && server.failed_alone.is_empty();
                if tries > 0 && blameless {
                    found.push("a try is spent in an outage".into());
                }
            }
            Op::Put { .. } | Op::Append { .. } | Op::Delete { .. } | Op::DeleteSpan { .. } => {}
        }
    }
    found
}

fn put_into(op: &Op, wanted: Store) -> Option<Key> {
    match op {
        Op::Put { store, key, .. } if *store == wanted => Some(key.clone()),
        Op::Put { .. } | Op::Append { .. } | Op::Delete { .. } | Op::DeleteSpan { .. } => None,
    }
}

fn deletes(op: &Op, wanted: Store, position: u64) -> bool {
    match op {
        Op::Delete { store, key } => *store == wanted && *key == Key::Number(position),
        Op::DeleteSpan { store, from, through } => {
            *store == wanted && (*from..=*through).contains(&position)
        }
        Op::Put { .. } | Op::Append { .. } => false,
    }
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
        row.incarnation == stream.incarnation
            && row.first == push.first
            && row.head == push.head
            && row.signature == push.signature
            && row.count == push.events.len() as u64
    });
    if sealed { Vec::new() } else { vec![format!("a batch leaves that is not on disk: {key:?}")] }
}

/// When all is quiet and the weather has been good: each event took effect once, in order, or is a dead letter for
/// a reason; and nothing waits.
#[must_use]
pub fn at_rest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let mut places: BTreeMap<EventId, (u64, u32)> = BTreeMap::new();
    let sessions: Vec<String> = world.server.sessions().map(String::from).collect();
    let mut effects: BTreeMap<EventId, u32> = BTreeMap::new();
    for session in &sessions {
        for event in world.server.log(session) {
            let Some(id) = event_id(&event.sealed) else {
                found.push("the log holds what is no event".into());
                continue;
            };
            if !world.events.contains_key(&id) && !world.server.ever.contains(&id) {
                found.push(format!("the log holds {id}, which nobody appended"));
            }
            let place = places.entry(id).or_insert((event.offset, 0));
            place.1 += 1;
        }
        effects.extend(world.server.effects(session));
    }
    for (id, (_, times)) in &places {
        let shown = effects.get(id).copied().unwrap_or(0);
        if *times != 1 || shown != 1 {
            found.push(format!("{id} is {times} times in the log, and took effect {shown} times"));
        }
    }
    for (id, event) in &world.events {
        if !places.contains_key(id) {
            found.extend(excuse(world, id, &event.type_));
        }
    }
    found.extend(order(world, &places));
    for (number, device) in world.devices.iter().enumerate() {
        let told = device.heard.iter().rev().find_map(|notice| {
            if let Notice::Status(status) = notice { Some(status.pending) } else { None }
        });
        let pending = world.coordinator(number).and(told);
        let journal = device.disk.rows(Store::Journal).count();
        let flights = device.disk.rows(Store::Flight).count();
        if journal > 0 || flights > 0 || pending.is_some_and(|pending| pending > 0) {
            found.push(format!(
                "device {number} is quiet with {journal} rows, {flights} flights, {pending:?} pending"
            ));
        }
    }
    found
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
    let deserved = match &*letter.reason.code {
        "no" => server.refused.contains(type_),
        "busy" => server.put_off.contains(type_) && letter.tries >= world.options.tries_max,
        "tries-spent" => alone >= world.options.tries_max,
        _ => false,
    };
    (!deserved).then(|| {
        format!(
            "{id} ({type_}) was buried for {}, and failed alone {alone} times",
            letter.reason.code
        )
    })
}

fn order(world: &World, places: &BTreeMap<EventId, (u64, u32)>) -> Vec<String> {
    let mut found = Vec::new();
    let mut last: BTreeMap<(usize, &StreamKey, &str), (u64, &EventId)> = BTreeMap::new();
    let mut events: Vec<_> = world.events.iter().filter(|(_, event)| !event.retried).collect();
    events.sort_by_key(|(_, event)| event.number);
    for (id, event) in events {
        let Some((offset, _)) = places.get(id) else { continue };
        let line = (event.device, &event.stream, &*event.key);
        if let Some((before, other)) = last.insert(line, (*offset, id))
            && before > *offset
        {
            found.push(format!("{id} (at {offset}) overtook {other} (at {before})"));
        }
    }
    found
}
