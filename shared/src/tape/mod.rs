//! The flight recorder's data: what a machine was told, and a digest of each thing it did (OBS-3).
//!
//! ```text
//!  file ─▶ chunk* ─▶ entry*      an entry: when, one fact, the effects' digests, the next timeout
//! ```
//!
//! The first entry of a coordinator's life says what it began with, and so does the first entry of each chunk of a
//! page. From there the facts alone give the same effects again, and the digests prove it.
//!
//! What always holds:
//! - a token is never in it, nor is a key that signs;
//! - unless asked for, neither are events' bodies and their results: they are zeros of the same length, but for a few
//!   bytes of the event's hash, which stands beside it, so that a replay comes to the same heads. Somebody who can
//!   guess the whole of an event can confirm the guess by that hash;
//! - a chunk that is not there leaves a gap in the numbers, and the file says so.
//!
//! Not here: which facts and effects there are (`coordinator`, `page`), and replaying them (`replay`).

mod blank;
mod scribe;

pub use blank::{DEAD, DONE, JOURNAL, Mark, Path, RETAINED};
pub use scribe::{FNV_START, Scribe, Side, digest, fnv};

use crate::base::codec::{array, encode, index, map};
use crate::base::{Now, PageId};

/// The version that tapes are written in.
pub const TAPE_VERSION: u16 = 1;
/// What a file begins with.
pub const MAGIC: &str = "bellwether-tape";

/// How much is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// All but events' bodies and results.
    WithoutBodies,
    /// Bodies and results, too.
    WithBodies,
}

index!(Recording { 0: WithoutBodies, 1: WithBodies });

/// Whose facts they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Machine {
    /// A coordinator's.
    Coordinator,
    /// A page's.
    Page,
}

index!(Machine { 0: Coordinator, 1: Page });

/// A part of one machine's tape. In `kv`, a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'b> {
    /// Version of the tape.
    pub version: u16,
    /// Whose it is.
    pub of: Machine,
    /// Build id of the machine.
    pub build: &'b str,
    /// The page, or this life of the coordinator.
    pub realm: PageId,
    /// The coordinator's epoch; 0 for a page.
    pub life: u64,
    /// Counts the life's chunks from 0.
    pub number: u64,
    /// How much is recorded.
    pub recording: Recording,
    /// The entries, one after another.
    pub entries: &'b [u8],
}

map!(Chunk<'b> {
    0: version, 1: of, 2: build, 3: realm, 4: life, 5: number, 6: recording, 7: entries,
});

/// One fact and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'b> {
    /// The measuring clock.
    pub mono_ms: u64,
    /// The stored clock.
    pub wall_ms: u64,
    /// The fact.
    pub fact: &'b [u8],
    /// The hashes of the events in it whose bodies are left out, in order, 32 bytes each.
    pub hashes: &'b [u8],
    /// A digest of each effect, 8 bytes each.
    pub effects: &'b [u8],
    /// When the machine then wanted to be called.
    pub timeout_ms: Option<u64>,
}

array!(Entry<'b> {
    0: mono_ms, 1: wall_ms, 2: fact, 3: hashes, 4: effects, 5: timeout_ms,
});

/// What is exported: the chunks of a page and of the coordinators that its device still knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File<'b> {
    /// [`MAGIC`].
    pub magic: &'b str,
    /// Version of the file.
    pub version: u16,
    /// The chunks, in any order.
    pub chunks: Vec<&'b [u8]>,
}

array!(File<'b> { 0: magic, 1: version, 2: chunks });

/// The file that holds these chunks.
#[must_use]
pub fn file(chunks: Vec<&[u8]>) -> Vec<u8> {
    encode(&File { magic: MAGIC, version: TAPE_VERSION, chunks })
}

/// Gives the hash of a sealed event.
pub type Hasher = fn(&[u8]) -> [u8; 32];

/// What is recorded of one machine, and not yet taken out.
#[derive(Debug)]
pub struct Tape {
    /// How much is recorded.
    pub recording: Recording,
    of: Machine,
    build: Box<str>,
    realm: PageId,
    life: u64,
    number: u64,
    entries: Vec<u8>,
    /// The fact that is being handled, and the hashes that go with it.
    open: (Now, Vec<u8>, Vec<u8>),
}

impl Tape {
    /// An empty one.
    #[must_use]
    pub fn new(of: Machine, build: &str, realm: PageId, life: u64, recording: Recording) -> Self {
        let open = (Now::default(), Vec::new(), Vec::new());
        let (build, number, entries) = (build.into(), 0, Vec::new());
        Self { recording, of, build, realm, life, number, entries, open }
    }

    /// The machine is told this fact, as `write` writes it. `hash` gives the hash of an event that is left out.
    pub fn begin(&mut self, now: Now, hash: Hasher, write: &dyn Fn(&mut Scribe<'_>)) {
        let mut hashes = Vec::new();
        let mut leave_out = |sealed: &[u8]| {
            let mut mark = Mark::default();
            let hash = hash(sealed);
            mark.copy_from_slice(&hash[..8]);
            hashes.extend_from_slice(&hash);
            mark
        };
        let mut scribe = Scribe::new(self.recording, &mut leave_out);
        write(&mut scribe);
        let fact = scribe.into_bytes();
        self.open = (now, fact, hashes);
    }

    /// The machine is told this fact, of which nothing had to be hashed.
    pub fn note(&mut self, now: Now, fact: Vec<u8>) {
        self.open = (now, fact, Vec::new());
    }

    /// This is what came of it.
    pub fn end(&mut self, effects: &[u8], timeout_ms: Option<u64>) {
        let (now, fact, hashes) = core::mem::take(&mut self.open);
        let (mono_ms, wall_ms) = (now.mono.0, now.wall.0);
        let entry = Entry { mono_ms, wall_ms, fact: &fact, hashes: &hashes, effects, timeout_ms };
        crate::base::codec::Encode::write(&entry, &mut self.entries);
    }

    /// Bytes of the entries that are not taken out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no such entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes the entries out as a chunk, with its number.
    pub fn take(&mut self) -> (u64, Vec<u8>) {
        let number = self.number;
        self.number += 1;
        let entries = core::mem::take(&mut self.entries);
        (number, encode(&self.chunk(number, &entries)))
    }

    /// The entries as a chunk that may still grow.
    #[must_use]
    pub fn peek(&self) -> Vec<u8> {
        encode(&self.chunk(self.number, &self.entries))
    }

    fn chunk<'b>(&'b self, number: u64, entries: &'b [u8]) -> Chunk<'b> {
        Chunk {
            version: TAPE_VERSION,
            of: self.of,
            build: &self.build,
            realm: self.realm,
            life: self.life,
            number,
            recording: self.recording,
            entries,
        }
    }
}
