//! G2: each event is in its session's log once, and took effect once. And G3 as far as one life of a log shows it.

use std::collections::BTreeMap;

use bellwether_shared::base::EventId;

use super::order::{Line, has_place};
use super::{changed, event_id};
use crate::world::World;

/// What was seen of a session's log, in the life that it lives.
#[derive(Debug, Clone, Default)]
pub struct LogWatch {
    seen: BTreeMap<EventId, u64>,
    last: BTreeMap<Line, (u64, EventId)>,
    /// Through this offset it comes from a backup: what a page was told since then could not reach it.
    put_back: u64,
}

impl LogWatch {
    /// A log that was put back, and holds so much.
    pub(crate) fn of_backup(events: usize) -> Self {
        Self { put_back: events as u64, ..Self::default() }
    }
}

/// What is new in the logs: dense offsets, no id twice, no event out of order, each with its one effect.
pub(super) fn log(world: &mut World) -> Vec<String> {
    let mut found = Vec::new();
    let mut watches = std::mem::take(&mut world.watch);
    let (server, events) = (&world.server, &world.events);
    for session in server.sessions() {
        let log = server.log(session);
        let known = watches.get(session).map_or(0, |watch| watch.seen.len());
        if log.len() == known {
            continue;
        }
        if log.len() < known {
            found.push(format!("the log of {session} has gone back, and nobody has put it back"));
            continue;
        }
        let watch = watches.entry(session.into()).or_default();
        for (at, event) in log.iter().enumerate().skip(known) {
            let Some(id) = event_id(&event.sealed) else {
                found.push("the log holds what is no event".into());
                continue;
            };
            if event.offset != at as u64 + 1 {
                found.push(format!("{id} is at offset {}, and not at {}", event.offset, at + 1));
            }
            let shown = server.effects(session).and_then(|it| it.get(&id)).copied().unwrap_or(0);
            if shown != 1 {
                found.push(format!("{id} is appended, and took effect {shown} times"));
            }
            if event.offset > watch.put_back {
                found.extend(changed::logged(world, session, &event.sealed, &watch.seen));
            }
            match events.get(&id) {
                None => found.push(format!("the log holds {id}, which nobody appended")),
                Some(event) if has_place(event) => {
                    let line = Line::of(event);
                    let last = watch.last.insert(line, (event.number, id.clone()));
                    if let Some((number, other)) = last
                        && number > event.number
                    {
                        found.push(format!("{other} overtook {id}"));
                    }
                }
                Some(_) => {}
            }
            if watch.seen.insert(id.clone(), event.offset).is_some() {
                found.push(format!("{id} is more than once in the log"));
            }
        }
    }
    world.watch = watches;
    found
}

/// All of it once more, from the beginning.
pub(super) fn at_rest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for session in world.server.sessions() {
        let mut times: BTreeMap<EventId, u32> = BTreeMap::new();
        for event in world.server.log(session) {
            let Some(id) = event_id(&event.sealed) else { continue };
            *times.entry(id).or_default() += 1;
        }
        let none = BTreeMap::new();
        let effects = world.server.effects(session).unwrap_or(&none);
        for (id, times) in &times {
            let shown = effects.get(id).copied().unwrap_or(0);
            if *times != 1 || shown != 1 {
                found.push(format!(
                    "{id} is {times} times in the log, and took effect {shown} times"
                ));
            }
        }
        for id in effects.keys().filter(|id| !times.contains_key(*id)) {
            found.push(format!("{id} took effect, and is not in the log"));
        }
    }
    found
}
