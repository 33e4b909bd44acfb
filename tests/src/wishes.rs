//! What apps ask for of events that are queued or buried: they cancel, replace and edit them, and wipe the device.
//!
//! What always holds: a wish excuses from when it was asked for, since it may be granted unseen; it binds from when its
//! page was told that it is granted.

use bellwether_shared::base::{EventId, Fault, RequestId, Wall};
use bellwether_shared::bus::{Change, Reply, Request, Wipe};
use bellwether_shared::rows::{Key, Store, Wiping};
use bellwether_shared::wire::EventFlags;

use crate::check;
use crate::model::{Appended, Draft, seal};
use crate::world::World;

/// What was asked for of one event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// That it is cancelled.
    pub cancel: Granted,
    /// What was given for it, in the order of asking.
    pub given: Vec<Given>,
    /// A later one has taken its place, and the device has filed that.
    pub superseded: bool,
    /// What is known of it was to be wiped, on whatever device.
    pub wiped: bool,
    /// An older copy of its device is about, which does not know what was granted.
    pub copied: bool,
}

/// An event that was given for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Given {
    /// How many had been given when its page was told what becomes of it.
    pub told_at: Option<usize>,
    /// Whether that was that it takes the other's place.
    pub granted: bool,
}

impl Wishes {
    /// Whether a device may have been rid of it, as its app wished.
    #[must_use]
    pub fn may_be_gone(&self) -> bool {
        self.superseded || self.wiped || self.cancel != Granted::Never
    }

    /// Whether what was given as the `which`th may be what the server gets; 0 is the event as it was made. What was
    /// asked for later and granted has taken its place; of two that were under way at one time either may be last.
    #[must_use]
    pub fn may_be(&self, which: usize) -> bool {
        let told_at = match which.checked_sub(1) {
            None => Some(0),
            Some(at) => match self.given.get(at) {
                Some(Given { told_at: Some(_), granted: false }) | None => return false,
                Some(given) => given.told_at,
            },
        };
        let later = told_at.map_or(&[][..], |told_at| &self.given[told_at..]);
        !later.iter().any(|given| given.granted)
    }
}

/// How a wish stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Granted {
    /// Nobody has asked.
    #[default]
    Never,
    /// Somebody has, and may get it.
    Asked,
    /// Whoever has asked was told so.
    Yes,
}

/// A request of a page that is under way.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Cancel(EventId),
    /// Which, and when it was asked for.
    Give(EventId, usize, u64),
    /// And what it must leave nothing of.
    Wipe(usize, Vec<EventId>),
}

/// What is to be wiped of a device.
#[derive(Debug, Clone)]
pub struct Wiped {
    /// Whose.
    pub whose: Wiping,
    /// What was made later stays; without this whatever is made.
    pub made_max: Option<u64>,
}

impl Wiped {
    /// Whether the event may go.
    #[must_use]
    pub fn excuses(&self, event: &Appended) -> bool {
        self.whose.undelivered && self.covers(event)
    }

    /// Whether it is about the event at all.
    #[must_use]
    pub fn covers(&self, event: &Appended) -> bool {
        self.whose.covers(&event.stream.session, &event.stream.user)
            && self.made_max.is_none_or(|last| event.made <= last)
    }
}

impl Appended {
    /// The event once more, with other content.
    fn with(&self, id: &EventId, content: usize, at: Wall) -> Vec<u8> {
        let draft = Draft {
            session: self.stream.session.clone(),
            user: self.stream.user.clone(),
            lane: self.stream.lane,
            key: self.key.clone(),
            type_: self.type_.clone(),
            after: self.after.clone(),
            binds: self.binds,
            flags: self.flags,
        };
        seal(id, &draft, self.made, at, content)
    }
}

/// Draws what ties a new event to those before it.
pub(crate) fn tie(world: &mut World, device: usize, draft: &mut Draft) {
    if world.chance(15) {
        draft.flags.0 |= EventFlags::COLLAPSE.0;
    }
    if !world.chance(20) {
        return;
    }
    // An app knows an event that it can name; what another page has not written yet is not known.
    let here = |event: &&Appended| {
        event.device == device
            && event.promised
            && event.patch.is_none()
            && event.stream.session == draft.session
    };
    let mut made: Vec<(u64, &EventId)> =
        world.events.iter().filter(|(_, it)| here(it)).map(|(id, it)| (it.made, id)).collect();
    made.sort_unstable();
    let last: Vec<EventId> = made.iter().rev().take(5).map(|(_, id)| (*id).clone()).collect();
    if last.is_empty() {
        return;
    }
    draft.after = Some(last[world.below(last.len() as u64) as usize].clone());
    draft.binds = world.chance(50);
    if world.chance(30) {
        draft.flags.0 |= EventFlags::RELEASE.0;
    }
}

/// A page of the device asks for something.
pub(crate) fn ask(world: &mut World, device: usize) {
    let pages = world.devices[device].pages.len() as u64;
    let page = world.below(pages) as usize;
    if pages == 0 || world.devices[device].pages[page].frozen {
        return;
    }
    match world.chooser.weighted([8, 8, 4, 1]) {
        0 => {
            if let Some(id) = queued(world, device) {
                world.cancel(device, page, id);
            }
        }
        1 => {
            if let Some(id) = queued(world, device) {
                world.give(device, page, id, false);
            }
        }
        2 => {
            let mut letters = world.letters(device);
            letters.retain(|id| world.is_plain_event(id));
            if !letters.is_empty() {
                let id = letters[world.below(letters.len() as u64) as usize].clone();
                world.give(device, page, id, true);
            }
        }
        _ => {
            let session = world.chooser.pick([None, Some("s"), Some("t")]);
            let user = world.chooser.pick([None, Some(""), Some("ann")]);
            let undelivered = world.chance(50);
            let wipe =
                Wipe { session: session.map(Box::from), user: user.map(Box::from), undelivered };
            world.wipe(device, page, wipe);
        }
    }
}

// An event that lies in the journal, the last ones rather than the first.
fn queued(world: &mut World, device: usize) -> Option<EventId> {
    let rows = world.devices[device].disk.rows(Store::Journal).rev();
    let mut ids: Vec<EventId> = rows.take(5).filter_map(|(_, row)| check::row_id(row)).collect();
    ids.retain(|id| world.is_plain_event(id));
    if ids.is_empty() {
        return None;
    }
    Some(ids[world.below(ids.len() as u64) as usize].clone())
}

impl World {
    // Nobody changes a patch but by another.
    fn is_plain_event(&self, id: &EventId) -> bool {
        self.events.get(id).is_none_or(|event| event.patch.is_none())
    }

    /// The dead letters of a device.
    #[must_use]
    pub fn letters(&self, device: usize) -> Vec<EventId> {
        let rows = self.devices[device].disk.rows(Store::Dead);
        let ids = rows.filter_map(|(key, _)| match key {
            Key::Text(text) => EventId::new(text).ok(),
            Key::Number(_) => None,
        });
        ids.collect()
    }

    /// A page cancels an event.
    pub fn cancel(&mut self, device: usize, page: usize, id: EventId) -> RequestId {
        self.note(|| format!("device {device}: page {page} cancels {id}"));
        if let Some(event) = self.events.get_mut(&id) {
            event.wishes.cancel = event.wishes.cancel.max(Granted::Asked);
        }
        let change = Change { id: id.clone(), sealed: None };
        self.wish(device, page, Request::Replace(change), Wish::Cancel(id))
    }

    /// A page gives another event for one that is queued, or for a dead letter's.
    pub fn give(
        &mut self,
        device: usize,
        page: usize,
        id: EventId,
        letter: bool,
    ) -> Option<RequestId> {
        let (at, asked_ms) = (self.clock(device, self.now_ms).wall, self.now_ms);
        let event = self.events.get_mut(&id)?;
        event.wishes.given.push(Given::default());
        let given = event.wishes.given.len();
        let sealed = Some(event.with(&id, given, at).into());
        self.note(|| format!("device {device}: page {page} gives {given} for {id}"));
        let change = Change { id: id.clone(), sealed };
        let request = if letter { Request::Edit(change) } else { Request::Replace(change) };
        Some(self.wish(device, page, request, Wish::Give(id, given, asked_ms)))
    }

    /// Whether an event may have been wiped from a device.
    #[must_use]
    pub fn is_wiped(&self, device: usize, id: &EventId) -> bool {
        let event = self.events.get(id);
        event.is_some_and(|event| self.devices[device].wiped.iter().any(|it| it.excuses(event)))
    }

    /// A page has the device wiped.
    pub fn wipe(&mut self, device: usize, page: usize, wipe: Wipe) -> RequestId {
        self.note(|| format!("device {device}: page {page} wipes {wipe:?}"));
        let Wipe { session, user, undelivered } = wipe.clone();
        let whose = Wiping { session, user, undelivered, through: 0 };
        let wiped = Wiped { whose, made_max: None };
        let here = &mut self.devices[device];
        here.wiped.push(wiped.clone());
        let which = here.wiped.len() - 1;
        let held = check::held(&here.disk);
        for event in self.events.values_mut().filter(|event| wiped.covers(event)) {
            event.wishes.wiped = true;
        }
        let events = &self.events;
        let goes = |id: &EventId| events.get(id).is_some_and(|it| it.promised && wiped.excuses(it));
        let goes: Vec<EventId> = held.into_iter().filter(goes).collect();
        self.wish(device, page, Request::Wipe(wipe), Wish::Wipe(which, goes))
    }

    fn wish(&mut self, device: usize, page: usize, request: Request, wish: Wish) -> RequestId {
        let id = self.ask(device, page, request);
        self.devices[device].pages[page].wishes.push((id, wish));
        id
    }

    /// A page was told what becomes of what it has asked for.
    pub(crate) fn on_reply(&mut self, device: usize, wish: Wish, reply: &Reply) {
        let granted = matches!(reply, Reply::Done(_));
        // Whoever has not answered in time may grant it yet, one who does not know the event may have, and what a disk
        // has refused may have been asked for once more before its page heard of that.
        let refused = |fault: &Fault| {
            matches!(&*fault.code, "already-sealed" | "event-invalid" | "letter-unknown")
        };
        let unknown = !matches!(reply, Reply::Failed(fault) if refused(fault));
        match wish {
            Wish::Cancel(id) => {
                let Some(event) = self.events.get_mut(&id) else { return };
                if granted {
                    event.wishes.cancel = Granted::Yes;
                }
            }
            Wish::Give(id, given, asked_ms) => {
                // A page that has asked once more may hear what became of the first time, and get the second.
                let unknown = unknown || self.now_ms >= asked_ms + ASKED_AGAIN_MS;
                let Some(event) = self.events.get_mut(&id) else { return };
                let count = event.wishes.given.len();
                if granted || !unknown {
                    event.wishes.given[given - 1] = Given { told_at: Some(count), granted };
                }
            }
            Wish::Wipe(which, goes) if granted => {
                let made_max = Some(self.count);
                let here = &mut self.devices[device];
                here.wiped[which].made_max = made_max;
                let held = check::held(&here.disk);
                let left: Vec<&EventId> = goes.iter().filter(|id| held.contains(id)).collect();
                if !left.is_empty() {
                    self.violations.push(format!("device {device} was wiped, and holds {left:?}"));
                }
            }
            Wish::Wipe(..) => {}
        }
    }

    /// Older copies of a device are about, which do not know what is granted there.
    pub(crate) fn doubts(&mut self, device: usize) {
        let here = self.events.values_mut().filter(|event| event.device == device);
        here.for_each(|event| event.wishes.copied = true);
    }
}

/// No page asks again before.
const ASKED_AGAIN_MS: u64 = 1_000;
