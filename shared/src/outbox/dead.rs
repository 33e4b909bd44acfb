//! Dead letters: events that will not be sent again by themselves (OUT-6).
//!
//! What always holds: without the app's choice nothing is dropped. At the cap there is no room, and what would
//! be buried stays where it is.

use minicbor::bytes::ByteVec;

use super::Ticket;
use super::batch::Held;
use crate::base::{EventId, Fault, SortedMap, Wall, decimal, joined};
use crate::bus::Notice;
use crate::rows::{
    DeadRow, JournalRow, Key, Op, Options, Overflow, ROW_VERSION, Reason, RowFault, Store,
    StreamKey, Wiping, read,
};
use crate::wire::{EventHead, decode, to_cbor};

/// The dead letters of this device, as they are on disk.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    rows: SortedMap<Key, Option<DeadRow>>,
    /// Letters as the disk has them that are leaving it, or are being edited. They take up room until that is done.
    leaving: Vec<(Ticket, Letter)>,
}

/// A letter and its key; one that cannot be read has no row.
type Letter = (Key, Option<DeadRow>);

/// A burial that has been decided, and is not on disk yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Burial {
    pub(super) key: Key,
    pub(super) ops: Vec<Op>,
    pub(super) notices: Vec<Notice>,
    pub(super) row: DeadRow,
}

impl DeadLetters {
    /// What is on disk. A letter that cannot be read still counts, and can be discarded.
    pub(super) fn restore(rows: &[(Key, Vec<u8>)]) -> Self {
        let letter = |bytes: &Vec<u8>| read::<DeadRow>(bytes).ok();
        let rows = rows.iter().map(|(key, bytes)| (key.clone(), letter(bytes))).collect();
        Self { rows, leaving: Vec::new() }
    }

    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// How many more can be buried.
    pub(super) fn room(&self, options: &Options) -> usize {
        match options.overflow {
            Overflow::DropOldest => usize::MAX,
            Overflow::Block => {
                (options.dead_max as usize).saturating_sub(self.rows.len() + self.leaving.len())
            }
        }
    }

    /// Buries an event. It counts at once; take it back with [`undo`](Self::undo) if the disk refuses.
    pub(super) fn bury(
        &mut self,
        stream: &StreamKey,
        event: &Held,
        reason: Reason,
        tries: u32,
        at: Wall,
        options: &Options,
    ) -> Burial {
        let key = Key::from(event.id.as_str());
        let row = DeadRow {
            version: ROW_VERSION,
            session: stream.session.clone(),
            user: stream.user.clone(),
            lane: stream.lane,
            sealed: ByteVec::from(event.sealed.clone()),
            reason,
            tries,
            buried_at: at,
        };
        self.insert(key, row, event.id.as_str(), options)
    }

    /// Sets a journal row aside that cannot be read.
    pub(super) fn set_aside(
        &mut self,
        position: u64,
        bytes: &[u8],
        at: Wall,
        options: &Options,
    ) -> Burial {
        let name = joined(&["journal:", &decimal(position)]);
        let row = DeadRow {
            version: ROW_VERSION,
            session: "".into(),
            user: "".into(),
            lane: crate::wire::Lane::Normal,
            sealed: ByteVec::from(bytes.to_vec()),
            reason: Reason {
                code: UNREADABLE.into(),
                message: "the journal held a row that is no event; its bytes are kept".into(),
            },
            tries: 0,
            buried_at: at,
        };
        self.insert(Key::from(&*name), row, &name, options)
    }

    fn insert(&mut self, key: Key, row: DeadRow, name: &str, options: &Options) -> Burial {
        let mut ops = Vec::new();
        let mut notices = Vec::new();
        if options.overflow == Overflow::DropOldest {
            while self.rows.len() >= options.dead_max.max(1) as usize {
                let Some(oldest) = self.oldest() else { break };
                self.rows.remove(&oldest);
                notices.push(Notice::Trouble(dropped(&oldest)));
                ops.push(Op::Delete { store: Store::Dead, key: oldest });
            }
        }
        ops.push(Op::Put { store: Store::Dead, key: key.clone(), row: to_cbor(&row) });
        notices.push(Notice::Buried {
            id: name.into(),
            type_: decode::<EventHead<'_>>(&row.sealed).map_or("", |event| event.type_).into(),
            reason: row.reason.clone(),
            tries: row.tries,
        });
        self.rows.insert(key.clone(), Some(row.clone()));
        Burial { key, ops, notices, row }
    }

    /// The disk refused the burial.
    pub(super) fn undo(&mut self, key: &Key) {
        self.rows.remove(key);
    }

    /// What sends a letter again: its row in the journal, and its end here. `None` if there is no such letter, or
    /// none that can be sent.
    pub(super) fn retry(&self, id: &EventId, at: Wall) -> Option<Vec<Op>> {
        let key = Key::from(id.as_str());
        let letter = self.rows.get(&key)?.as_ref()?;
        decode::<EventHead<'_>>(&letter.sealed).ok()?;
        let stream = StreamKey {
            session: letter.session.clone(),
            user: letter.user.clone(),
            lane: letter.lane,
        };
        let row = to_cbor(&JournalRow::new(&stream, &letter.sealed, at));
        Some(vec![Op::Append { row }, Op::Delete { store: Store::Dead, key }])
    }

    /// The ids of all letters that name an event, prerequisites before what comes after them.
    pub(super) fn ids(&self) -> Vec<EventId> {
        let text = |key: &Key| match key {
            Key::Text(text) => EventId::new(text).ok(),
            Key::Number(_) => None,
        };
        let mut left: Vec<EventId> = self.rows.keys().filter_map(text).collect();
        let mut ids = Vec::new();
        while !left.is_empty() {
            let leads = |id: &EventId| self.after(id).is_none_or(|after| !left.contains(&after));
            let at = left.iter().position(leads).unwrap_or(0);
            ids.push(left.remove(at));
        }
        ids
    }

    // The prerequisite of a letter.
    fn after(&self, id: &EventId) -> Option<EventId> {
        let letter = self.rows.get(&Key::from(id.as_str()))?.as_ref()?;
        decode::<EventHead<'_>>(&letter.sealed).ok()?.after
    }

    /// Whether there is a letter of this id.
    pub(super) fn holds(&self, id: &EventId) -> bool {
        self.rows.contains_key(&Key::from(id.as_str()))
    }

    /// Whether an event has to be buried for its prerequisite (OUT-16).
    pub(super) fn dooms(&self, event: &Held) -> bool {
        !event.release && event.after.as_ref().is_some_and(|after| self.holds(after))
    }

    /// Gives another event for a letter's, with the write of `ticket`. `None` if there is no such letter.
    pub(super) fn edit(&mut self, id: &EventId, sealed: &[u8], ticket: Ticket) -> Option<Op> {
        let key = Key::from(id.as_str());
        // What could not be read of the journal belongs to nobody, and is no event.
        let letter = self.rows.get_mut(&key).filter(|letter| !is_unreadable(letter))?;
        let new = DeadRow { sealed: sealed.to_vec().into(), tries: 0, ..letter.clone()? };
        let op = Op::Put { store: Store::Dead, key: key.clone(), row: to_cbor(&new) };
        self.leaving.push((ticket, (key, letter.replace(new))));
        Some(op)
    }

    /// The keys of the letters that are to be removed; of those that belong to nobody only if everything is.
    pub(super) fn keys_of(&self, wiping: &Wiping) -> Vec<Key> {
        let covers = |row: &Option<DeadRow>| match row {
            Some(letter) if !is_unreadable(row) => wiping.covers(&letter.session, &letter.user),
            Some(_) | None => wiping.covers_all(),
        };
        self.rows.iter().filter(|(_, row)| covers(row)).map(|(key, _)| key.clone()).collect()
    }

    /// A letter leaves the disk with the write of `ticket`. `false` if there is none of that id.
    pub(super) fn leave(&mut self, id: &EventId, ticket: Ticket) -> bool {
        let letter = self.rows.remove_entry(&Key::from(id.as_str()));
        letter.map(|letter| self.leaving.push((ticket, letter))).is_some()
    }

    /// The write of `ticket` has ended: what was to leave with it is gone, or back if the disk `refused`.
    pub(super) fn left(&mut self, ticket: Ticket, refused: bool) {
        let Some(at) = self.leaving.iter().position(|(leaving, _)| *leaving == ticket) else {
            return;
        };
        let (_, (key, row)) = self.leaving.swap_remove(at);
        // One that was edited may be leaving by now.
        if refused && !self.leaving.iter().any(|(_, (leaving, _))| *leaving == key) {
            self.rows.insert(key, row);
        }
    }

    fn oldest(&self) -> Option<Key> {
        let age = |row: &Option<DeadRow>| row.as_ref().map_or(Wall(0), |row| row.buried_at);
        self.rows.iter().min_by_key(|(_, row)| age(row)).map(|(key, _)| key.clone())
    }
}

fn is_unreadable(letter: &Option<DeadRow>) -> bool {
    letter.as_ref().is_none_or(|letter| &*letter.reason.code == UNREADABLE)
}

fn dropped(key: &Key) -> Fault {
    let name = match key {
        Key::Text(text) => text.clone(),
        Key::Number(number) => decimal(*number).into(),
    };
    Fault::new(
        "dead-letter-dropped",
        crate::base::Culprit::App,
        joined(&["the dead letter ", &name, " was dropped to make room, as the app chose"]),
    )
}

/// What a journal row is to this build.
#[derive(Debug)]
pub(super) enum Found {
    /// An event of this stream.
    Event(StreamKey, Held),
    /// A row of a newer build, of this stream if that much can be read.
    Newer(Option<StreamKey>),
    /// Nothing that can be read.
    Unreadable,
}

/// Reads a journal row. Total: any bytes are one of the three.
pub(super) fn find(position: u64, bytes: &[u8]) -> Found {
    match read::<JournalRow<'_>>(bytes) {
        Ok(row) => match Held::read(row.sealed, position, true) {
            Some(held) => Found::Event(row.stream(), held),
            None => Found::Unreadable,
        },
        Err(RowFault::Newer { .. }) => {
            Found::Newer(decode::<JournalRow<'_>>(bytes).ok().map(|row| row.stream()))
        }
        Err(RowFault::Unreadable) => Found::Unreadable,
    }
}

/// Why a letter is one that holds a journal row instead of an event.
const UNREADABLE: &str = "unreadable";
