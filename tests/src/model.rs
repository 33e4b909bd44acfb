//! What was appended, as the world knows it without asking the core.

use bellwether_shared::base::{EventId, PageId, Stamp, Wall};
use bellwether_shared::rows::{JournalRow, StreamKey};
use bellwether_shared::wire::{Event, EventKind, Lane, to_cbor};

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
    /// Counts all events in the order of appending.
    pub number: u64,
    /// Whether completion meant that the disk had it.
    pub strict: bool,
    /// Whether it was ever sent again from the dead letters, so that its place in the order is another.
    pub retried: bool,
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
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            session: "s".into(),
            user: "".into(),
            lane: Lane::Normal,
            key: "k".into(),
            type_: "plain".into(),
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
        let wall = self.clock(device, self.now_ms).wall;
        let mut rows = Vec::new();
        let mut made = Vec::new();
        for draft in drafts {
            self.count += 1;
            let id = EventId::new(&format!("e{}", self.count)).expect("short and visible");
            let sealed = seal(&id, draft, self.count, wall);
            let stream = draft.stream();
            rows.push(to_cbor(&JournalRow::new(&stream, &sealed, wall)));
            let appended = Appended {
                device,
                stream,
                key: draft.key.clone(),
                type_: draft.type_.clone(),
                number: self.count,
                strict,
                retried: false,
            };
            made.push((id, appended));
        }
        self.devices[device].disk.append(rows, strict).ok()?;
        let ids = made.iter().map(|(id, _)| id.clone()).collect();
        self.devices[device].streams.extend(drafts.iter().map(Draft::stream));
        self.events.extend(made);
        Some(ids)
    }
}

/// An event as a page encodes it.
#[must_use]
pub fn seal(id: &EventId, draft: &Draft, number: u64, at: Wall) -> Vec<u8> {
    to_cbor(&Event {
        id: id.clone(),
        kind: EventKind::App,
        type_: &draft.type_,
        key: Some(&draft.key),
        data: Some(br#"{"n":1}"#),
        schema: 0,
        stamp: Stamp(number),
        page: PageId([1; 16]),
        at,
        correlation: None,
    })
}
