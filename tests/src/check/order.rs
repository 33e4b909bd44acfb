//! G3: within a session, user, lane and key, the events of one device take effect in the order of appending.

use std::collections::BTreeMap;

use bellwether_shared::base::EventId;
use bellwether_shared::rows::StreamKey;

use super::event_id;
use crate::model::Appended;
use crate::world::World;

/// Whose order is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    device: usize,
    stream: StreamKey,
    key: Box<str>,
}

impl Line {
    pub(super) fn of(event: &Appended) -> Self {
        Self { device: event.device, stream: event.stream.clone(), key: event.key.clone() }
    }
}

/// Whether its place in the order is the one that it was appended at. What was a dead letter comes later, if it comes at
/// all: tried again, or from a copy of the device that has not buried it, or cancelled or wiped it. What
/// others have taken the place of may come all the same, where the power was cut before the disk knew. What a device has lost may still come from a
/// copy, too.
pub(super) fn has_place(event: &Appended) -> bool {
    let superseded = event.wishes.superseded;
    event.promised
        && !(event.buried
            || event.refused
            || superseded
            || event.wishes.copied && event.wishes.may_be_gone())
}

/// A plain request is done for the first time, and those before it are done.
pub(super) fn requested(world: &World, id: &EventId, event: &Appended) -> Vec<String> {
    let done = &world.server.plain;
    if done.contains(id) || !has_place(event) {
        return Vec::new();
    }
    let line = Line::of(event);
    let overtook = done.iter().find(|other| {
        world.events.get(*other).is_some_and(|other| {
            has_place(other) && Line::of(other) == line && other.number > event.number
        })
    });
    overtook.map(|other| format!("{other} overtook {id}")).into_iter().collect()
}

/// The logs as they are, read once more.
pub(super) fn at_rest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for session in world.server.sessions() {
        let mut last: BTreeMap<Line, u64> = BTreeMap::new();
        for event in world.server.log(session) {
            let Some(id) = event_id(&event.sealed) else { continue };
            let Some(appended) = world.events.get(&id).filter(|event| has_place(event)) else {
                continue;
            };
            if last
                .insert(Line::of(appended), appended.number)
                .is_some_and(|it| it > appended.number)
            {
                found.push(format!("{id} (at {}) was overtaken", event.offset));
            }
        }
    }
    found
}
