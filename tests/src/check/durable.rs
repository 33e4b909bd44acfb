//! G1: what was promised is on disk until the server holds it, or until its page has thrown it away.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_shared::base::EventId;
use bellwether_shared::rows::{
    DeadRow, DoneRow, FlightRow, JournalRow, Key, Op, RowFault, Store, StreamKey, WriteBatch, read,
};
use bellwether_shared::wire::{EventFlags, Push};

use super::{changed, document, row_id};
use crate::browser::Device;
use crate::disk::{Before, Disk};
use crate::model::Appended;
use crate::wishes::{Granted, Wiped, Wishes};
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
    let mut filed: Option<BTreeMap<EventId, Option<Box<str>>>> = None;
    // Whoever wipes everything wipes what cannot be read, too.
    let all_wiped =
        here.wiped.iter().any(|wiped| wiped.whose.covers_all() && wiped.whose.undelivered);
    let wiped = |id: &EventId| {
        let event = world.events.get(id);
        event.is_some_and(|event| here.wiped.iter().any(|wiped| wiped.excuses(event)))
    };
    for before in before.iter().filter(gone) {
        let row = before.row.as_deref().unwrap_or_default();
        match (before.store, &before.key) {
            (Store::Journal, Key::Number(position)) => {
                if let Err(RowFault::Newer { .. }) = read::<JournalRow<'_>>(row)
                    && !all_wiped
                {
                    found.push(format!("the row {position} of a newer build is deleted"));
                    continue;
                }
                let Some(id) = row_id(row) else {
                    let aside = Key::from(&*format!("journal:{position}"));
                    if here.disk.get(Store::Dead, &aside).is_none() && !all_wiped {
                        found.push(format!("the unreadable row {position} is deleted"));
                    }
                    continue;
                };
                let outcome = filed.get_or_insert_with(|| outcomes(batch)).get(&id);
                let code = outcome.and_then(Option::as_deref).unwrap_or_default();
                // A second row of what the app has cancelled, or others have taken the place of, goes without a word.
                let given_up = || {
                    let wishes = world.events.get(&id).map(|event| &event.wishes);
                    let gone = wishes.is_some_and(Wishes::may_be_gone);
                    (gone || document::is_refused(world, &id)) && is_filed(&here.disk, &id)
                };
                let known = world.server.ever.contains(&id)
                    || changed::excuses(world, &id, code)
                    || document::settles(world, &id, outcome.and_then(Option::as_deref))
                    || given_up();
                let told = outcome.is_some();
                let letter = || here.disk.get(Store::Dead, &Key::from(id.as_str())).is_some();
                if (known && told) || letter() || has_copy(&here.disk, &id) || wiped(&id) {
                    continue;
                }
                if !known {
                    found.push(format!("{id} leaves the disk, and the server has never held it"));
                }
                // Who has wiped the outcomes does not know them any more.
                if !told && here.wiped.is_empty() && !is_filed(&here.disk, &id) {
                    found.push(format!("{id} leaves the disk, and nothing says what became of it"));
                }
            }
            (Store::Dead, Key::Text(text)) => {
                let appended = |op: &Op| matches!(op, Op::Append { row } if row_id(row).is_some_and(|id| id.as_str() == &**text));
                let wished = match EventId::new(text) {
                    Ok(id) => here.discarded.contains(&id) || wiped(&id) || all_wiped,
                    Err(_) => all_wiped,
                };
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

fn outcomes(batch: &WriteBatch) -> BTreeMap<EventId, Option<Box<str>>> {
    let mut ids = BTreeMap::new();
    for op in &batch.ops {
        if let Op::Put { store: Store::Done, row, .. } = op
            && let Ok(row) = read::<DoneRow>(row)
        {
            ids.extend(row.entries.into_iter().map(|entry| (entry.id, entry.code)));
        }
    }
    ids
}

/// What a batch files of events that others have taken the place of is remembered: they are in no log.
pub(crate) fn filed(world: &mut World, batch: &WriteBatch) {
    for (id, code) in outcomes(batch) {
        if code.as_deref() == Some("superseded")
            && changed::excuses(world, &id, "superseded")
            && let Some(event) = world.events.get_mut(&id)
        {
            event.wishes.superseded = true;
        }
    }
}

/// Before a plain request leaves: its event lies on disk.
#[must_use]
pub fn request(disk: &Disk, id: &EventId) -> Vec<String> {
    if has_copy(disk, id) {
        return Vec::new();
    }
    vec![format!("the request {id} leaves, which is not on disk")]
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
        .chain(world.server.plain.iter().cloned())
        .collect();
    let missing = world.events.iter().filter(|(id, event)| event.promised && !logged.contains(*id));
    missing.filter_map(|(id, event)| excuse(world, id, event, &logged)).collect()
}

// An event that is not in the log has to be a dead letter, or to have been one; and there has to be a reason.
fn excuse(
    world: &World,
    id: &EventId,
    event: &Appended,
    logged: &BTreeSet<EventId>,
) -> Option<String> {
    let type_ = &*event.type_;
    // What was wiped after the server has held it cannot be sent to it again.
    let held = world.server.ever.contains(id);
    let gone = |device: &Device| {
        // What a device has kept alone is gone with what is known of the session.
        let held = held || event.patch.is_some() && world.keeps_alone();
        let wiped = |it: &Wiped| it.excuses(event) || held && it.covers(event);
        device.discarded.contains(id) || device.wiped.iter().any(wiped)
    };
    if event.wishes.superseded
        || event.wishes.cancel != Granted::Never
        || world.devices.iter().any(gone)
    {
        return None;
    }
    let kept = |device: &Device| world.keeps_alone() && is_filed(&device.disk, id);
    if event.patch.is_some() && (document::is_refused(world, id) || world.devices.iter().any(kept))
    {
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
    // What was a letter once may have gone later.
    let waits_in_vain = || {
        event.after.as_ref().is_some_and(|after| {
            let gone = |event: &Appended| {
                event.buried || !event.promised || event.wishes.copied || event.wishes.may_be_gone()
            };
            !logged.contains(after) || world.events.get(after).is_some_and(gone)
        }) || world.server_lost
    };
    let deserved = match &*letter.reason.code {
        "no" => server.refused.contains(type_),
        "busy" => server.put_off.contains(type_) && spent,
        "tries-spent" => alone > 0 && spent,
        // A plain server's.
        "http-404" => server.refused.contains(type_),
        "http-409" => server.put_off.contains(type_) && spent,
        "http-500" => server.poison.contains_key(type_) && spent,
        "prerequisite-failed" => !event.flags.has(EventFlags::RELEASE) && waits_in_vain(),
        "prerequisite-unknown" => waits_in_vain() && spent,
        _ => false,
    };
    (!deserved).then(|| {
        let why = &letter.reason.code;
        format!("{id} ({type_}) was buried for {why}, after {tries} tries, {alone} of them alone")
    })
}
