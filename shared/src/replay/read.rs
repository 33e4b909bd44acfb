//! From bytes to lives: every fact that was recorded, as it was told. Total.

use crate::base::PageId;
use crate::base::codec::{Decode, Fields, Reader, decode};
use crate::bus::{Envelope, Request};
use crate::coordinator::{Client, Input, Restored, Trigger};
use crate::outbox::{OutboxRows, Response, Ticket};
use crate::page::{self, Asked, Page};
use crate::rows::{Key, Store};
use crate::rules::chain::Hash;
use crate::tape::{Chunk, Entry, File, MAGIC, Machine, Recording, TAPE_VERSION};

/// Bytes that are no recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TapeFault {
    /// They begin otherwise.
    #[error("this is not a recording")]
    NotATape,
    /// They are of a newer build.
    #[error("the recording is of version {found}, newer than this build reads ({TAPE_VERSION})")]
    Newer {
        /// Its version.
        found: u16,
    },
    /// Part of it is not what it should be.
    #[error("part {part} of the recording cannot be read: {what}")]
    Unreadable {
        /// Which part of the file, counted from 0.
        part: usize,
        /// What is wrong.
        what: Box<str>,
    },
}

/// A machine's tape, as far as it is there.
#[derive(Debug)]
pub struct Life {
    /// Whose.
    pub of: Machine,
    /// Build id of the machine.
    pub build: Box<str>,
    /// The page, or this life of the coordinator.
    pub realm: PageId,
    /// The coordinator's epoch; 0 for a page.
    pub life: u64,
    /// How much was recorded.
    pub recording: Recording,
    /// Its parts in order. A number that is missing is a part that is lost.
    pub parts: Vec<Part>,
}

/// A part of a life.
#[derive(Debug)]
pub struct Part {
    /// Counted from 0.
    pub number: u64,
    /// What happened.
    pub facts: Vec<Recorded>,
}

/// One fact, as it was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The measuring clock.
    pub mono_ms: u64,
    /// The stored clock.
    pub wall_ms: u64,
    /// What the machine was told.
    pub fact: Fact,
    /// The hashes of events whose bodies are left out.
    pub hashes: Vec<Hash>,
    /// The digest of each effect; its first byte is the effect's kind.
    pub effects: Vec<[u8; 8]>,
    /// When the machine wanted to be called next.
    pub timeout_ms: Option<u64>,
}

/// What a machine was told.
#[derive(Debug)]
pub enum Fact {
    /// A coordinator begins.
    Begins {
        /// What the disk said.
        restored: Box<Restored>,
        /// Its entropy.
        seed: u64,
    },
    /// A fact for a coordinator.
    Coordinator(Input),
    /// All that a page knows at this point.
    Resumes(Vec<u8>),
    /// A fact for a page.
    Page(page::Input),
    /// The app wants something of a page.
    Asked(Asked),
}

impl Life {
    /// Facts in all its parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.facts.len()).sum()
    }

    /// Whether there is no fact.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Parts before the last that are missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let last = self.parts.last().map_or(0, |part| part.number.saturating_add(1));
        last - self.parts.len() as u64
    }
}

/// Reads a file.
pub fn read(bytes: &[u8]) -> Result<Vec<Life>, TapeFault> {
    let mut reader = Reader::new(bytes);
    let mut fields = reader.open_array();
    fields.next(&mut reader);
    if reader.text() != MAGIC {
        return Err(TapeFault::NotATape);
    }
    fields.next(&mut reader);
    let found = reader.uint(u16::MAX.into()) as u16;
    if found > TAPE_VERSION {
        return Err(TapeFault::Newer { found });
    }
    let file: File<'_> = decode(bytes).map_err(|_| TapeFault::NotATape)?;
    let mut lives: Vec<Life> = Vec::new();
    for (at, bytes) in file.chunks.into_iter().enumerate() {
        let unreadable = |what: &str| TapeFault::Unreadable { part: at, what: what.into() };
        let chunk: Chunk<'_> = decode(bytes).map_err(|fault| unreadable(&fault.to_string()))?;
        if chunk.version > TAPE_VERSION {
            return Err(TapeFault::Newer { found: chunk.version });
        }
        let part = part(&chunk).map_err(|what| unreadable(&what))?;
        let same = |life: &&mut Life| {
            (life.of, life.realm, life.life) == (chunk.of, chunk.realm, chunk.life)
        };
        match lives.iter_mut().find(same) {
            Some(life) => match life.parts.binary_search_by_key(&part.number, |it| it.number) {
                Ok(_) => {}
                Err(place) => life.parts.insert(place, part),
            },
            None => lives.push(Life {
                of: chunk.of,
                build: chunk.build.into(),
                realm: chunk.realm,
                life: chunk.life,
                recording: chunk.recording,
                parts: vec![part],
            }),
        }
    }
    lives.sort_by_key(|life| (life.of, life.life, life.realm));
    Ok(lives)
}

fn part(chunk: &Chunk<'_>) -> Result<Part, String> {
    let mut reader = Reader::new(chunk.entries);
    let mut facts = Vec::new();
    while !reader.is_at_end() {
        let mut entry = Entry::blank();
        entry.read(&mut reader);
        reader.finish().map_err(|fault| fault.to_string())?;
        let fact = match chunk.of {
            Machine::Coordinator => of_coordinator(entry.fact),
            Machine::Page => of_page(entry.fact),
        };
        let number = facts.len() + 1;
        let fact =
            fact.ok_or_else(|| format!("its fact {number} is not one that this build knows"))?;
        facts.push(Recorded {
            mono_ms: entry.mono_ms,
            wall_ms: entry.wall_ms,
            fact,
            hashes: exact(entry.hashes).ok_or("hashes of an impossible length")?,
            effects: exact(entry.effects).ok_or("digests of an impossible length")?,
            timeout_ms: entry.timeout_ms,
        });
    }
    Ok(Part { number: chunk.number, facts })
}

fn exact<const N: usize>(bytes: &[u8]) -> Option<Vec<[u8; N]>> {
    let chunks = bytes.chunks_exact(N);
    chunks.remainder().is_empty().then(|| chunks.filter_map(|it| it.try_into().ok()).collect())
}

/// The parts of something that a scribe has written.
struct Parts<'b> {
    fields: Fields,
    from: Reader<'b>,
}

impl<'b> Parts<'b> {
    fn open(bytes: &'b [u8]) -> (u64, Self) {
        let mut from = Reader::new(bytes);
        let fields = from.open_array();
        let mut parts = Self { fields, from };
        (parts.next(), parts)
    }

    fn next<T: Decode<'b>>(&mut self) -> T {
        if self.fields.next(&mut self.from) == Fields::END {
            self.from.refuse();
        }
        let mut part = T::blank();
        part.read(&mut self.from);
        part
    }

    fn bytes(&mut self) -> Vec<u8> {
        self.next::<&[u8]>().to_vec()
    }

    fn ticket(&mut self) -> Ticket {
        Ticket(self.next())
    }

    fn list(&mut self) -> Vec<Vec<u8>> {
        self.next::<Vec<&[u8]>>().into_iter().map(<[u8]>::to_vec).collect()
    }

    fn rows(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.next::<Vec<(u64, &[u8])>>().into_iter().map(|(key, row)| (key, row.to_vec())).collect()
    }

    fn end<T>(self, value: T) -> Option<T> {
        self.from.finish().ok().map(|()| value)
    }
}

fn of_coordinator(bytes: &[u8]) -> Option<Fact> {
    let (kind, mut parts) = Parts::open(bytes);
    let input = match kind {
        0 => {
            let seed = parts.next();
            let lease = parts.next();
            let config = parts.next::<Option<&[u8]>>().map(<[u8]>::to_vec);
            let (streams, flights, cursors) = (parts.list(), parts.list(), parts.list());
            let dead = parts.next::<Vec<(RowKey, &[u8])>>().into_iter();
            let dead = dead.map(|(key, row)| (key.0, row.to_vec())).collect();
            let outbox = OutboxRows { streams, flights, cursors, dead, answered: parts.next() };
            let restored = Box::new(Restored { lease, config, outbox });
            return parts.end(Fact::Begins { restored, seed });
        }
        1 => Input::Message { from: Client(parts.next()), bytes: parts.bytes() },
        2 => {
            let names: Vec<Box<str>> = parts.next();
            Input::Clients(names.into_iter().map(Client).collect())
        }
        3 => Input::Device(parts.next()),
        4 => Input::DeviceFailed(parts.next()),
        5 => Input::DatabaseLost,
        6 => Input::Journal { ended: parts.next(), rows: parts.rows() },
        7 => Input::JournalFailed(parts.next()),
        8 => Input::Retained { ticket: parts.ticket(), rows: parts.rows() },
        9 => {
            let store = usize::try_from(parts.next::<u64>()).ok()?;
            Input::Old { store: *Store::ALL.get(store)?, rows: parts.rows() }
        }
        10 => Input::Committed(parts.ticket()),
        11 => Input::CommitFailed { ticket: parts.ticket(), fault: parts.next() },
        12 => Input::Fenced,
        13 => {
            let ticket = parts.ticket();
            let signature = parts.next::<Option<&[u8]>>().map(<[u8]>::to_vec);
            Input::Signed { ticket, signature }
        }
        14 => Input::Response { ticket: parts.ticket(), response: parts.next::<Answer>().0 },
        15 => Input::Trigger(match parts.next::<u64>() {
            0 => Trigger::Start,
            1 => Trigger::Sync,
            2 => Trigger::PeriodicSync,
            3 => Trigger::Push,
            _ => return None,
        }),
        16 => Input::Timeout,
        17 => Input::RetainedFailed { ticket: parts.ticket(), fault: parts.next() },
        18 => {
            let ticket = parts.ticket();
            let rows = parts.next::<Vec<(RowKey, &[u8])>>().into_iter();
            Input::Document { ticket, rows: rows.map(|(key, row)| (key.0, row.to_vec())).collect() }
        }
        20 => {
            let ticket = parts.ticket();
            let rows = parts.next::<Option<Vec<&[u8]>>>();
            let made = rows.map(|rows| rows.into_iter().map(<[u8]>::to_vec).collect());
            Input::Resolution { ticket, made }
        }
        19 => Input::Pulled { ticket: parts.ticket(), response: parts.next::<Answer>().0 },
        _ => return None,
    };
    parts.end(Fact::Coordinator(input))
}

fn of_page(bytes: &[u8]) -> Option<Fact> {
    let (kind, mut parts) = Parts::open(bytes);
    let fact = match kind {
        0 => return Page::resume(bytes).map(|_| Fact::Resumes(bytes.to_vec())),
        1 => Fact::Page(page::Input::Linked),
        2 => Fact::Page(page::Input::Unlinked),
        3 => Fact::Page(page::Input::Message(parts.bytes())),
        4 => Fact::Page(page::Input::Appended { urgent: parts.next() }),
        5 => Fact::Page(page::Input::Visible(parts.next())),
        6 => Fact::Page(page::Input::Online),
        7 => Fact::Page(page::Input::Returned),
        8 => {
            let may_return = parts.next();
            Fact::Page(page::Input::Leaving { may_return, rows: parts.next() })
        }
        9 => Fact::Page(page::Input::Timeout),
        10 => Fact::Asked(Asked::Ask(request(parts.next())?)),
        11 => Fact::Asked(Asked::Identify(parts.next(), parts.next())),
        12 => Fact::Asked(Asked::Token(parts.next(), parts.next())),
        13 => Fact::Page(page::Input::Network(parts.next())),
        14 => Fact::Asked(Asked::ShowsState),
        _ => return None,
    };
    parts.end(fact)
}

fn request(bytes: &[u8]) -> Option<Request> {
    Request::open(&Envelope::read(bytes).ok()?).ok()?
}

struct RowKey(Key);

impl<'b> Decode<'b> for RowKey {
    fn blank() -> Self {
        Self(Key::Number(0))
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        let mut number = *from;
        let found = number.uint(u64::MAX);
        self.0 = if number.finish().is_ok() {
            *from = number;
            Key::Number(found)
        } else {
            Key::Text(from.text().into())
        };
    }
}

struct Answer(Response);

impl<'b> Decode<'b> for Answer {
    fn blank() -> Self {
        Self(Response::Unreachable)
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        let mut fields = from.open_array();
        if fields.next(from) == Fields::END {
            return;
        }
        let mut status = u16::blank();
        status.read(from);
        let mut next = |from: &mut Reader<'b>| {
            if fields.next(from) == Fields::END {
                from.refuse();
            }
        };
        next(from);
        let content_type = from.text().into();
        next(from);
        let mut retry_after_ms: Option<u32> = None;
        retry_after_ms.read(from);
        next(from);
        let body = from.bytes().to_vec();
        self.0 = Response::Http { status, content_type, retry_after_ms, body };
    }
}
