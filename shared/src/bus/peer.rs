//! What pages say to one another, without the coordinator: that they have written to the session's document (STATE-8).
//!
//! What always holds: nothing here is needed for what is durable. A word that is lost is made up for by the disk.

use super::BusFault;
use super::envelope::Envelope;
use crate::base::codec::{Reader, array, read_one};
use crate::base::{Epoch, EventId, PageId, RequestId, limits};
use crate::wire::to_cbor;

/// A word to the other pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word<'b> {
    /// A patch was made; whether it is durable will be told.
    Patch {
        /// The session.
        session: &'b str,
        /// The sealed event.
        sealed: &'b [u8],
    },
    /// It is durable, at this place in the journal.
    Durable {
        /// The session.
        session: &'b str,
        /// Its event.
        id: EventId,
        /// Its place.
        position: u64,
    },
    /// It will never be.
    Withdrawn {
        /// The session.
        session: &'b str,
        /// Its event.
        id: EventId,
    },
}

struct Patch<'b> {
    session: &'b str,
    sealed: &'b [u8],
}

array!(Patch<'b> { 0: session, 1: sealed });

struct Durable<'b> {
    session: &'b str,
    id: EventId,
    /// Absent where it will never be durable.
    position: Option<u64>,
}

array!(Durable<'b> { 0: session, 1: id, 2: position });

impl<'b> Word<'b> {
    const PATCH: u8 = 1;
    const DURABLE: u8 = 2;

    /// The message with its header.
    #[must_use]
    pub fn seal(&self, build: &str, sender: PageId) -> Vec<u8> {
        let durable = |session: &'b str, id: &EventId, position| {
            let id = id.clone();
            (Self::DURABLE, to_cbor(&Durable { session, id, position }))
        };
        let (kind, body) = match self {
            Self::Patch { session, sealed } => (Self::PATCH, to_cbor(&Patch { session, sealed })),
            Self::Durable { session, id, position } => durable(session, id, Some(*position)),
            Self::Withdrawn { session, id } => durable(session, id, None),
        };
        let blank = Envelope::blank(build, sender, RequestId(0), Epoch(0));
        Envelope { kind, body: &body, ..blank }.seal()
    }

    /// Reads the body; `None` for a kind that this build does not know.
    pub fn open(envelope: &Envelope<'b>) -> Result<Option<Self>, BusFault> {
        if envelope.body.len() > limits::BUS_BYTES_MAX {
            return Err(BusFault::Malformed);
        }
        let mut from = Reader::new(envelope.body);
        let from = &mut from;
        let word = match envelope.kind {
            Self::PATCH => {
                let Patch { session, sealed } = read_one(from);
                Self::Patch { session, sealed }
            }
            Self::DURABLE => {
                let Durable { session, id, position } = read_one(from);
                match position {
                    Some(position) => Self::Durable { session, id, position },
                    None => Self::Withdrawn { session, id },
                }
            }
            _ => return Ok(None),
        };
        from.finish().map(|()| Some(word)).map_err(|_| BusFault::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_it_was_said_and_others_are_left_alone() {
        let id = || EventId::new("e-1").expect("short and visible");
        let words = [
            Word::Patch { session: "s", sealed: b"bytes" },
            Word::Durable { session: "s", id: id(), position: 7 },
            Word::Withdrawn { session: "s", id: id() },
        ];
        for word in words {
            let bytes = word.seal("build", PageId([1; 16]));
            let envelope = Envelope::read(&bytes).expect("our own envelope");
            assert_eq!(Word::open(&envelope), Ok(Some(word.clone())));
            assert_eq!(Word::open(&Envelope { kind: 99, ..envelope.clone() }), Ok(None));
            let cut = &envelope.body[..envelope.body.len() - 1];
            let cut = Word::open(&Envelope { body: cut, ..envelope });
            assert_eq!(cut, Err(BusFault::Malformed), "{word:?}");
        }
    }
}
