//! A sealed batch: on disk before it leaves, and until the server has spoken about all of it.

use minicbor::bytes::{ByteArray, ByteVec};

use super::StreamKey;
use crate::base::codec::{Decode, Encode, Fields, Reader, array, begin_array, map, write_uint};
use crate::base::{Fault, Incarnation, Seq, Wall};
use crate::wire::Lane;

/// Journal positions `from` to `through`, both included, with no other stream's row among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first position.
    pub from: u64,
    /// The last position.
    pub through: u64,
}

array!(Span { 0: from, 1: through });

/// Where a batch's events lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the journal, in this order.
    Journal(Vec<Span>),
    /// In these rows of `retained`: the server had them, and lost them. The first row's events
    /// before `skip` are not part of the batch.
    Retained {
        /// Keys of the rows.
        keys: Vec<u64>,
        /// Events of the first row that come before the batch.
        skip: u64,
    },
}

/// What [`Source::Journal`] says, as it is written.
struct Journal {
    spans: Vec<Span>,
}

array!(Journal { 0: spans });

/// What [`Source::Retained`] says, as it is written.
struct Kept {
    keys: Vec<u64>,
    skip: u64,
}

array!(Kept { 0: keys, 1: skip });

impl Source {
    /// Whether the journal row at `position` is there.
    #[must_use]
    pub fn covers(&self, position: u64) -> bool {
        match self {
            Self::Journal(spans) => {
                spans.iter().any(|span| (span.from..=span.through).contains(&position))
            }
            Self::Retained { .. } => false,
        }
    }
}

// An array of the kind's number and an array of what belongs to it.
impl Encode for Source {
    fn write(&self, to: &mut Vec<u8>) {
        begin_array(to, 2);
        match self {
            Self::Journal(spans) => {
                write_uint(to, 0);
                begin_array(to, 1);
                spans.write(to);
            }
            Self::Retained { keys, skip } => {
                write_uint(to, 1);
                begin_array(to, 2);
                keys.write(to);
                skip.write(to);
            }
        }
    }
}

impl<'b> Decode<'b> for Source {
    fn blank() -> Self {
        Self::Journal(Vec::new())
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        let mut fields = from.open_array();
        let mut kind = 0;
        loop {
            match fields.next(from) {
                0 => kind = from.uint(u64::MAX),
                1 => *self = read_source(kind, from),
                Fields::END => break,
                _ => from.skip(),
            }
        }
        fields.check(from, 0b11);
    }
}

fn read_source(kind: u64, from: &mut Reader<'_>) -> Source {
    match kind {
        0 => {
            let mut journal = Journal::blank();
            journal.read(from);
            Source::Journal(journal.spans)
        }
        1 => {
            let mut kept = Kept::blank();
            kept.read(from);
            Source::Retained { keys: kept.keys, skip: kept.skip }
        }
        _ => {
            from.refuse_kind();
            Source::blank()
        }
    }
}

/// A sealed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlightRow {
    /// Version of the row.
    pub version: u16,
    /// The session.
    pub session: Box<str>,
    /// The user.
    pub user: Box<str>,
    /// The lane.
    pub lane: Lane,
    /// The stream's life in which it was sealed.
    pub incarnation: Incarnation,
    /// Place of its first event.
    pub first: Seq,
    /// How many events it has.
    pub count: u64,
    /// Where they lie.
    pub source: Source,
    /// Chain head before it.
    pub previous: ByteArray<32>,
    /// Chain head after it.
    pub head: ByteArray<32>,
    /// The device's signature.
    pub signature: ByteVec,
    /// Failures in a row.
    pub attempt: u32,
    /// When it is sent next.
    pub due_at: Wall,
    /// Tries spent by its first event.
    pub tries: u32,
    /// What happened last.
    pub last_fault: Option<Fault>,
    /// The batch behind it, which may leave as soon as the server has taken all of this one.
    pub ahead: Option<Ahead>,
}

map!(FlightRow {
    0: version,
    1: session,
    2: user,
    3: lane,
    4: incarnation,
    5: first,
    6: count,
    7: source,
    8: previous,
    9: head,
    10: signature,
    11: attempt,
    12: due_at,
    13: tries,
    14: last_fault,
    15: ahead,
});

/// A batch of the journal that is sealed behind another: its places and its chain go on from that one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// How many events it has.
    pub count: u64,
    /// Where they lie.
    pub spans: Vec<Span>,
    /// Chain head after it.
    pub head: ByteArray<32>,
    /// The device's signature.
    pub signature: ByteVec,
}

map!(Ahead { 0: count, 1: spans, 2: head, 3: signature });

/// What a page reads of a [`FlightRow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlightSource {
    /// Version of the row.
    pub version: u16,
    /// Where the batch's events lie.
    pub source: Source,
}

map!(FlightSource { 0: version, 7: source });

impl FlightRow {
    /// Which stream it belongs to.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        StreamKey { session: self.session.clone(), user: self.user.clone(), lane: self.lane }
    }

    /// The batch behind it, as a row of its own.
    #[must_use]
    pub fn next(&self) -> Option<Self> {
        let Ahead { count, spans, head, signature } = self.ahead.clone()?;
        let fresh = Self { attempt: 0, tries: 0, last_fault: None, ahead: None, ..self.clone() };
        Some(Self {
            first: self.first.plus(self.count),
            count,
            source: Source::Journal(spans),
            previous: self.head,
            head,
            signature,
            ..fresh
        })
    }

    /// What is kept of it in the row of the batch before; nothing for what does not lie in the journal.
    #[must_use]
    pub fn behind(&self) -> Option<Ahead> {
        let Source::Journal(spans) = &self.source else { return None };
        let (spans, signature) = (spans.clone(), self.signature.clone());
        Some(Ahead { count: self.count, spans, head: self.head, signature })
    }
}
