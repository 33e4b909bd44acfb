//! What a page was told of an event that it has cancelled, replaced or tied to another holds (OUT-11, OUT-16).

use std::collections::{BTreeMap, BTreeSet};

use bellwether_shared::base::{EventId, limits};
use bellwether_shared::rows::{DoneRow, Op, Store, WriteBatch, read};
use bellwether_shared::wire::{Event, EventFlags, from_cbor};

use crate::model::Appended;
use crate::wishes::Granted;
use crate::world::World;

/// What is new in a log: nothing that was cancelled, nothing that was replaced, and nothing ahead of its prerequisite.
pub(super) fn logged(
    world: &World,
    session: &str,
    sealed: &[u8],
    before: &BTreeMap<EventId, u64>,
) -> Vec<String> {
    let Ok(event) = from_cbor::<Event<'_>>(sealed, limits::EVENT_BYTES_MAX) else {
        return Vec::new();
    };
    let Some(known) = world.events.get(&event.id) else { return Vec::new() };
    let id = &event.id;
    let mut found = requested(id, known);
    if let Some(made) = &known.patch {
        if **made != *sealed {
            found.push(format!("{id} is in the log, and not as it was made"));
        }
        return found;
    }
    if !known.wishes.copied
        && !event.data.and_then(content).is_some_and(|it| known.wishes.may_be(it))
    {
        let data = String::from_utf8_lossy(event.data.unwrap_or_default());
        found.push(format!("{id} is in the log as {data}, and another was given for it"));
    }
    let Some(after) = &known.after else { return found };
    if !before.contains_key(after) {
        if !known.flags.has(EventFlags::RELEASE) {
            found.push(format!("{id} is in the log, and its prerequisite {after} is not"));
        }
    } else if known.binds {
        let seen = world.server.seen(session, id).unwrap_or_default();
        let wanted = format!(r#""from":"{after}""#);
        if !String::from_utf8_lossy(seen).contains(&wanted) {
            found.push(format!("{id} took effect without what it takes from {after}"));
        }
    }
    found
}

/// Something takes effect that may have been cancelled.
pub(super) fn requested(id: &EventId, event: &Appended) -> Vec<String> {
    if event.wishes.cancel == Granted::Yes && !event.wishes.copied {
        vec![format!("{id} takes effect, and was cancelled")]
    } else {
        Vec::new()
    }
}

/// An event that goes even if its prerequisite fails has not gone before one that did not.
pub(super) fn at_rest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    if world.server_lost {
        return found;
    }
    for session in world.server.sessions() {
        let log = world.server.log(session);
        let mut before: BTreeSet<EventId> = BTreeSet::new();
        let mut early: Vec<(EventId, EventId)> = Vec::new();
        for event in log {
            let Some(id) = super::event_id(&event.sealed) else { continue };
            if let Some(after) = world.events.get(&id).and_then(|event| event.after.clone())
                && !before.contains(&after)
            {
                early.push((id.clone(), after));
            }
            before.insert(id);
        }
        for (id, after) in early.iter().filter(|(_, after)| before.contains(after)) {
            let kept = |event: &Appended| super::order::has_place(event) && !event.wishes.copied;
            let both = [id, after].into_iter().filter_map(|id| world.events.get(id));
            if both.filter(|event| kept(event)).count() == 2 {
                found.push(format!("{id} has overtaken its prerequisite {after}"));
            }
        }
    }
    found
}

/// Whether the app has wished, or chosen, that this event is not sent; and what was filed of it says so.
pub(super) fn excuses(world: &World, id: &EventId, code: &str) -> bool {
    let Some(event) = world.events.get(id) else { return false };
    match code {
        "cancelled" => event.wishes.cancel != Granted::Never,
        "superseded" => is_superseded(world, event),
        _ => false,
    }
}

// A later event of its kind is in the journal, or was.
fn is_superseded(world: &World, event: &Appended) -> bool {
    let later = |other: &Appended| {
        (other.device == event.device || event.wishes.copied)
            && other.number > event.number
            && other.flags.has(EventFlags::COLLAPSE)
            && (&other.stream, &other.type_, &other.key)
                == (&event.stream, &event.type_, &event.key)
    };
    event.flags.has(EventFlags::COLLAPSE) && world.events.values().any(later)
}

/// For the planted fault: whether an event is cancelled by it.
#[must_use]
pub fn cancels(batch: &WriteBatch) -> bool {
    let says = |row: &DoneRow| row.entries.iter().any(|it| it.code.as_deref() == Some("cancelled"));
    batch.ops.iter().any(|op| {
        matches!(op, Op::Put { store: Store::Done, row, .. } if read(row).is_ok_and(|row| says(&row)))
    })
}

// Which of the events that were given for one this is; 0 is the first.
fn content(data: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(data).ok()?;
    let number = text.strip_prefix(r#"{"n":"#)?.strip_suffix('}')?;
    number.parse::<usize>().ok()?.checked_sub(1)
}
