//! Writes facts and effects down, and leaves out what must not be recorded.

use core::fmt;

use super::Recording;
use super::blank::{
    AHEAD_ROW, ANSWER, CHANGE, ENTRY_ROW, FAREWELL, FOLDED, LOSER_ROW, MESSAGE, Mark, PAGE,
    PAGE_BOUND, PUSH, Path, SNAPSHOT, TOKEN, blank,
};
use crate::base::codec::{Encode, begin_array, write_uint};
use crate::bus::{Envelope, Notice, Request};
use crate::rows::{Key, Place};
use crate::wire::{LogPage, decode};

/// Who has said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A page.
    Page,
    /// A coordinator.
    Coordinator,
}

/// See the module.
pub struct Scribe<'a> {
    to: Vec<u8>,
    recording: Recording,
    leave_out: &'a mut dyn FnMut(&[u8]) -> Mark,
}

impl fmt::Debug for Scribe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scribe").field("bytes", &self.to.len()).finish_non_exhaustive()
    }
}

impl<'a> Scribe<'a> {
    /// Has written nothing yet. `leave_out` is shown each event before its body is left out.
    pub fn new(recording: Recording, leave_out: &'a mut dyn FnMut(&[u8]) -> Mark) -> Self {
        Self { to: Vec::new(), recording, leave_out }
    }

    /// What it has written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.to
    }

    /// Something of this kind, of which `parts` are to follow.
    pub fn kind(&mut self, kind: u8, parts: u64) {
        begin_array(&mut self.to, parts + 1);
        write_uint(&mut self.to, kind.into());
    }

    /// The head of a list.
    pub fn list(&mut self, count: usize) {
        begin_array(&mut self.to, count as u64);
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        write_uint(&mut self.to, number);
    }

    /// Something that holds nothing to be left out.
    pub fn value(&mut self, value: &dyn Encode) {
        value.write(&mut self.to);
    }

    /// A row or the like, with bodies or results where `path` leads.
    #[inline(never)]
    pub fn row(&mut self, bytes: &[u8], path: Path) {
        bytes.write(&mut self.to);
        if self.recording == Recording::WithoutBodies {
            self.blank(bytes.len(), path);
        }
    }

    /// Rows with their numbers.
    pub fn rows(&mut self, rows: &[(u64, Vec<u8>)], path: Path) {
        self.list(rows.len());
        for (number, row) in rows {
            self.list(2);
            self.number(*number);
            self.row(row, path);
        }
    }

    /// A row of a session's document.
    pub fn document(&mut self, key: &Key, row: &[u8]) {
        match Place::named(key) {
            Some(Place::Fold) => self.value(&row),
            Some(Place::Key(_)) => self.row(row, ENTRY_ROW),
            Some(Place::Ahead(_)) => self.row(row, AHEAD_ROW),
            Some(Place::Loser(_)) => self.row(row, LOSER_ROW),
            None => self.row(row, MESSAGE),
        }
    }

    /// What came back for a pull.
    pub fn pulled(&mut self, bytes: &[u8]) {
        if decode::<LogPage>(bytes).is_ok() {
            self.row(bytes, PAGE);
            if self.recording == Recording::WithoutBodies {
                self.blank(bytes.len(), PAGE_BOUND);
            }
        } else {
            self.row(bytes, SNAPSHOT);
        }
    }

    /// A push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.row(bytes, PUSH);
    }

    /// An answer to a push.
    pub fn answer(&mut self, bytes: &[u8]) {
        self.row(bytes, ANSWER);
    }

    /// A message of the bus. What this build does not know may be anything.
    pub fn message(&mut self, bytes: &[u8], said_by: Side) {
        bytes.write(&mut self.to);
        let kind = Envelope::read(bytes).map(|envelope| envelope.kind);
        let path = match (said_by, kind) {
            (Side::Page, Ok(Request::TOKEN)) => TOKEN,
            (Side::Page, Ok(kind @ (Request::FAREWELL | Request::REPLACE | Request::EDIT))) => {
                match self.recording {
                    Recording::WithoutBodies if kind == Request::FAREWELL => FAREWELL,
                    Recording::WithoutBodies => CHANGE,
                    Recording::WithBodies => return,
                }
            }
            (Side::Coordinator, Ok(Notice::CHANGED)) => match self.recording {
                Recording::WithoutBodies => FOLDED,
                Recording::WithBodies => return,
            },
            (Side::Page, Ok(1..=Request::LAST)) | (Side::Coordinator, Ok(1..=Notice::LAST)) => {
                return;
            }
            (_, _) => MESSAGE,
        };
        self.blank(bytes.len(), path);
    }

    // The last `count` bytes.
    fn blank(&mut self, count: usize, path: Path) {
        let at = self.to.len() - count;
        if let Some(bytes) = self.to.get_mut(at..) {
            blank(bytes, path, self.leave_out);
        }
    }
}

/// What is written down of an effect instead of all of it: its kind, and 56 bits of FNV-1a. `write` gives the kind.
#[must_use]
pub fn digest(recording: Recording, write: &dyn Fn(&mut Scribe<'_>) -> u8) -> [u8; 8] {
    let mut left_out = |_: &[u8]| Mark::default();
    let mut to = Scribe::new(recording, &mut left_out);
    let kind = write(&mut to);
    let mut digest = to.into_bytes().iter().fold(FNV_START, fnv).to_be_bytes();
    digest[0] = kind;
    digest
}

/// FNV-1a, one byte further (<https://datatracker.ietf.org/doc/draft-eastlake-fnv/>).
#[must_use]
pub fn fnv(hash: u64, byte: &u8) -> u64 {
    (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
}

/// FNV-1a of nothing.
pub const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
