//! What was appended, as the world knows it without asking the core.

use bellwether_shared::base::{EventId, PageId, Stamp, Wall};
use bellwether_shared::rows::{JournalRow, StreamKey};
use bellwether_shared::wire::{Event, EventFlags, EventKind, Lane, to_cbor};

use crate::check;
use crate::wishes::Wishes;
use crate::world::World;

/// An event as its page knows it.
#[derive(Debug, Clone)]
pub struct Appended {
    /// On which device.
    pub device: usize,
    /// The session, user and lane.
    pub stream: StreamKey,
    /// Its ordering key.
    pub key: Box<str>,
    /// Its type.
    pub type_: Box<str>,
    /// Counts all events in the order in which they first lay in a journal; 0 until then.
    pub number: u64,
    /// Which database of the device it was written to last.
    pub life: u32,
    /// Whether completion meant that the disk had it.
    pub strict: bool,
    /// Whether it was reported durable, and nothing has happened since that takes the promise back.
    pub promised: bool,
    /// Whether it was ever a dead letter: what followed has gone on without it.
    pub buried: bool,
    /// Counts all events in the order in which they were made.
    pub made: u64,
    /// Its prerequisite.
    pub after: Option<EventId>,
    /// Whether it takes something from its prerequisite's result.
    pub binds: bool,
    /// What its app has chosen for it.
    pub flags: EventFlags,
    /// What its app has asked for since.
    pub wishes: Wishes,
    /// Whether whoever orders the patches has ever refused it; a copy of the device may have more luck with it.
    pub refused: bool,
    /// Of a write to the document, the sealed event.
    pub patch: Option<Vec<u8>>,
}

/// What to append.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The session.
    pub session: Box<str>,
    /// The user.
    pub user: Box<str>,
    /// The lane.
    pub lane: Lane,
    /// The ordering key.
    pub key: Box<str>,
    /// The type.
    pub type_: Box<str>,
    /// Its prerequisite.
    pub after: Option<EventId>,
    /// Whether it takes something from its prerequisite's result.
    pub binds: bool,
    /// What its app has chosen for it.
    pub flags: EventFlags,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            session: "s".into(),
            user: "".into(),
            lane: Lane::Normal,
            key: "k".into(),
            type_: "plain".into(),
            after: None,
            binds: false,
            flags: EventFlags(0),
        }
    }
}

impl Draft {
    /// The stream that the event will be part of.
    #[must_use]
    pub fn stream(&self) -> StreamKey {
        StreamKey { session: self.session.clone(), user: self.user.clone(), lane: self.lane }
    }
}

impl World {
    /// A page makes an event durable. `None` if the disk refused.
    pub fn append(&mut self, device: usize, draft: &Draft) -> Option<EventId> {
        self.append_all(device, std::slice::from_ref(draft), true)?.pop()
    }

    /// A page makes events durable in one transaction. `None` if the disk refused.
    pub fn append_all(
        &mut self,
        device: usize,
        drafts: &[Draft],
        strict: bool,
    ) -> Option<Vec<EventId>> {
        let made: Vec<(EventId, Vec<u8>)> =
            drafts.iter().map(|draft| self.make(device, draft, strict)).collect();
        let rows: Vec<Vec<u8>> = made.iter().map(|(_, row)| row.clone()).collect();
        self.devices[device].disk.append(rows.clone(), strict).ok()?;
        rows.iter().for_each(|row| self.lies(device, row));
        made.iter().for_each(|(id, _)| self.promise(id));
        Some(made.into_iter().map(|(id, _)| id).collect())
    }

    // An event, and its row; nobody has promised anything of it yet.
    pub(crate) fn make(
        &mut self,
        device: usize,
        draft: &Draft,
        strict: bool,
    ) -> (EventId, Vec<u8>) {
        self.count += 1;
        let wall = self.clock(device, self.now_ms).wall;
        let id = EventId::new(&format!("e{}", self.count)).expect("short and visible");
        let sealed = seal(&id, draft, self.count, wall, 0);
        let stream = draft.stream();
        let row = to_cbor(&JournalRow::new(&stream, &sealed, wall));
        self.devices[device].streams.insert(stream.clone());
        let mut event = Appended {
            device,
            stream,
            key: draft.key.clone(),
            type_: draft.type_.clone(),
            number: 0,
            life: 0,
            strict,
            promised: false,
            buried: false,
            made: self.count,
            after: draft.after.clone(),
            binds: draft.binds,
            flags: draft.flags,
            wishes: Wishes::default(),
            refused: false,
            patch: None,
        };
        let wiped = &self.devices[device].wiped;
        event.wishes.wiped = wiped.iter().any(|wiped| wiped.covers(&event));
        self.events.insert(id.clone(), event);
        (id, row)
    }

    // A row lies in the journal. Its event's place in the order is the first that it had.
    pub(crate) fn lies(&mut self, device: usize, row: &[u8]) {
        let Some(id) = check::row_id(row) else { return };
        let life = self.devices[device].disk.life;
        let Some(event) = self.events.get_mut(&id).filter(|event| event.device == device) else {
            return;
        };
        event.life = life;
        if event.number == 0 {
            self.written += 1;
            event.number = self.written;
        }
    }

    // The page was told that its event is durable. The database may have gone between the writing and the word of it,
    // and with it what lay only there.
    pub(crate) fn promise(&mut self, id: &EventId) {
        let Some(event) = self.events.get_mut(id) else { return };
        let disk = &self.devices[event.device].disk;
        event.promised = event.life == disk.life || check::held(disk).contains(id);
    }
}

/// An event as a page encodes it; `content` counts what its app has given for it before.
#[must_use]
pub fn seal(id: &EventId, draft: &Draft, number: u64, at: Wall, content: usize) -> Vec<u8> {
    to_cbor(&Event {
        id: id.clone(),
        kind: EventKind::App,
        type_: &draft.type_,
        key: Some(&draft.key),
        data: Some(format!(r#"{{"n":{}}}"#, content + 1).as_bytes()),
        schema: 0,
        stamp: Stamp(number),
        page: PageId([1; 16]),
        at,
        correlation: None,
        after: draft.after.clone(),
        binds: draft.binds.then_some(br#"{"/from":"/id"}"#),
        flags: (draft.flags.0 != 0).then_some(draft.flags),
    })
}
