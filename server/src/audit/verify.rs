//! Whether an audit file is sound, and if not, where and why.
//!
//! What always holds of a file that is found sound:
//! - each event's bytes, its place and all places before it are those that the stream's key has signed,
//!   unless [`Rules::unsigned`] lets it pass;
//! - offsets begin with 1 and have no holes, and no place of a stream is missing before its last;
//! - each byte of the file was read: a record that is not written as this build writes it is refused.
//!
//! Not here: whether a key is the device's, and whether something came after the end. Who has noted an
//! [`Anchor`] before can tell the latter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};
use bellwether_shared::base::{Seq, limits};
use bellwether_shared::rules::chain::{self, Hash};
use bellwether_shared::wire::audit::{
    Begin, End, FORMAT, LoggedEvent, Record, SignedBatch, SparePlace, Stream,
};
use bellwether_shared::wire::{self, DeviceKey, KeyKind, StreamId};

use super::anchor::{Anchor, finish};
use crate::bounds::AUDIT_RECORD_BYTES_MAX;
use crate::engine::is_signed_by;

/// What a file is held to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether events pass that nobody has signed.
    pub unsigned: bool,
    /// What was noted of the log before.
    pub anchors: Vec<Anchor>,
}

/// The first thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where its record begins in the file.
    pub byte: u64,
    /// The offset in the log, where one is concerned.
    pub offset: Option<u64>,
    /// The stream, where one is concerned.
    pub stream: Option<Box<StreamId>>,
    /// The place there.
    pub seq: Option<Seq>,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What can be wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There is no last record.
    #[error("the file is cut off here")]
    Cut,
    /// No record of this format, or one that is written in another way.
    #[error("the bytes are not a record of this format")]
    Unreadable,
    /// A format of another version.
    #[error("the file has format {found}, and this build knows {FORMAT}")]
    FormatUnknown {
        /// Which.
        found: u16,
    },
    /// A record where none of its kind may be, or that refers to nothing.
    #[error("a record of this kind does not belong here")]
    Misplaced,
    /// The genesis does not follow from the stream's name and the head of the one before.
    #[error("the stream's chain does not begin as its name has it")]
    GenesisWrong,
    /// An offset is not the next.
    #[error("the event at offset {expected} is missing before this one")]
    OffsetMissing {
        /// The next.
        expected: u64,
    },
    /// A place is not the next.
    #[error("place {} of the stream is missing here", expected.0)]
    PlaceMissing {
        /// The next.
        expected: Seq,
    },
    /// The head does not follow from the head before and the event.
    #[error("the event is not the one that the device put at this place")]
    EventChanged,
    /// There is neither an event nor its hash.
    #[error("neither the event nor its hash is there")]
    EventMissing,
    /// What the batch says of its places does not fit them.
    #[error("the signed batch does not fit the places that it is for")]
    BatchUnfit,
    /// The signature is not the stream's key's, or is over something else.
    #[error("the signature does not fit the batch and the stream's key")]
    SignatureInvalid,
    /// Nobody has signed it.
    #[error("nobody has signed the event at this place")]
    Unsigned,
    /// The order of the log is not what was noted.
    #[error("the log up to this offset is not the one that the anchor was noted of")]
    AnchorWrong,
    /// The last record counts or hashes something else.
    #[error("the file is not as it was written: its end does not fit what stands before")]
    EndWrong,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.byte)?;
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        if let Some(stream) = &self.stream {
            let StreamId { device, user, lane, incarnation, .. } = &**stream;
            write!(f, ", device {device}, incarnation {incarnation}, user {user:?}, ")?;
            write!(f, "lane {}", lane.name())?;
        }
        if let Some(seq) = self.seq {
            write!(f, ", place {}", seq.0)?;
        }
        write!(f, ": {}", self.flaw)
    }
}

/// Why a file was not found sound.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// It cannot be read from the disk.
    #[error("cannot read the file: {0}")]
    Unread(#[from] io::Error),
    /// It is not sound.
    #[error("{0}")]
    Found(Box<Finding>),
}

/// What a sound file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sound {
    /// How many events.
    pub events: u64,
    /// How many of them by their hash alone: their bodies are no longer kept.
    pub erased: u64,
    /// The last offset of those; 0 for none.
    pub erased_through: u64,
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, erased, erased_through } = self;
        write!(f, "{events} events are sound; of {erased}, up to offset {erased_through}, ")?;
        write!(f, "the bodies are no longer kept, and their hashes stand for them")
    }
}

/// Checks a whole file, with memory for one record and for each stream.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(mut from: impl Read, rules: &Rules) -> Result<Sound, Unsound> {
    let mut verifier = Verifier::new(rules.clone());
    let mut window = Vec::new();
    let mut is_all = false;
    loop {
        if !is_all && window.len() < AUDIT_RECORD_BYTES_MAX {
            let wanted = 2 * AUDIT_RECORD_BYTES_MAX - window.len();
            let read = from.by_ref().take(wanted as u64).read_to_end(&mut window)?;
            is_all = read < wanted;
        }
        if window.is_empty() {
            return verifier.finish().map_err(|found| Unsound::Found(Box::new(found)));
        }
        let mut used = 0;
        while used < window.len() && (is_all || window.len() - used >= AUDIT_RECORD_BYTES_MAX) {
            let taken = verifier.take(&window[used..]);
            used += taken.map_err(|found| Unsound::Found(Box::new(found)))?;
        }
        window.drain(..used);
    }
}

/// A file being checked.
#[derive(Debug)]
pub struct Verifier {
    rules: Rules,
    byte: u64,
    begin: Option<Begin>,
    is_at_end: bool,
    streams: Vec<Chain>,
    names: BTreeSet<StreamId>,
    anchor: Anchor,
    sound: Sound,
    /// Events that came outside of their streams, until one brings them.
    outside: BTreeMap<u64, (u64, Hash)>,
    digest: Digest,
}

struct Digest(Context);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// How far a stream is checked.
#[derive(Debug)]
struct Chain {
    id: StreamId,
    key: DeviceKey,
    /// The last place, and the head there.
    through: Seq,
    head: Hash,
    /// The last place that a batch was given for, and the head there.
    proved: Seq,
    proved_head: Hash,
    /// The first place after that one, and its offset if it has one.
    unproved: Option<(Seq, Option<u64>)>,
    /// A place whose event is not known.
    unknown: Option<Seq>,
    /// Offsets of events that came outside, and that the places after the last batch bring.
    brought: Vec<u64>,
}

/// Where a flaw is, beside the byte.
#[derive(Debug, Clone, Copy, Default)]
struct At {
    offset: Option<u64>,
    stream: Option<u64>,
    seq: Option<Seq>,
}

type Checked = Result<(), (At, Flaw)>;

impl Verifier {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            byte: 0,
            begin: None,
            is_at_end: false,
            streams: Vec::new(),
            names: BTreeSet::new(),
            anchor: Anchor { offset: 0, hash: [0; 32] },
            sound: Sound::default(),
            outside: BTreeMap::new(),
            digest: Digest(Context::new(&SHA256)),
        }
    }

    /// Checks the record that `bytes` begin with, and says how long it is. There must be as many bytes as
    /// [`AUDIT_RECORD_BYTES_MAX`], or all that are left.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, Finding> {
        let mut reader = wire::Reader::new(bytes);
        reader.skip();
        let raw = &bytes[..reader.position().min(bytes.len())];
        let record = reader.finish().and_then(|()| wire::decode::<Record>(raw));
        let checked = match record {
            Ok(record) if wire::to_cbor(&record) == raw => self.check(&record, raw),
            Ok(_) => Err((At::default(), Flaw::Unreadable)),
            Err(_) if bytes.len() < AUDIT_RECORD_BYTES_MAX && is_cut(bytes) => {
                Err((At::default(), Flaw::Cut))
            }
            Err(_) => Err((At::default(), Flaw::Unreadable)),
        };
        checked.map_err(|(at, flaw)| self.finding(at, flaw))?;
        self.digest.0.update(raw);
        self.byte += raw.len() as u64;
        Ok(raw.len())
    }

    /// There are no more bytes.
    ///
    /// # Errors
    /// The file has no end.
    pub fn finish(self) -> Result<Sound, Finding> {
        if self.is_at_end { Ok(self.sound) } else { Err(self.finding(At::default(), Flaw::Cut)) }
    }

    // Where nothing nearer is known: after which event it is.
    fn finding(&self, at: At, flaw: Flaw) -> Finding {
        let chain = at.stream.and_then(|number| self.chain(number));
        let is_lost = matches!(flaw, Flaw::Cut | Flaw::Unreadable | Flaw::Misplaced);
        let next = (is_lost && !self.is_at_end).then_some(self.anchor.offset + 1);
        Finding {
            byte: self.byte,
            offset: at.offset.or(next),
            stream: chain.map(|chain| Box::new(chain.id.clone())),
            seq: at.seq,
            flaw,
        }
    }

    fn chain(&self, number: u64) -> Option<&Chain> {
        self.streams.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    fn chain_mut(&mut self, number: u64) -> Result<&mut Chain, (At, Flaw)> {
        let place = number.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        let chain = place.and_then(|place| self.streams.get_mut(place));
        chain.ok_or((At::default(), Flaw::Misplaced))
    }

    fn check(&mut self, record: &Record, raw: &[u8]) -> Checked {
        if self.begin.is_some() == matches!(record, Record::Begin(_)) || self.is_at_end {
            return Err((At::default(), Flaw::Misplaced));
        }
        match record {
            Record::Begin(begin) => self.begin(begin),
            Record::Stream(stream) => self.stream(stream),
            Record::Event(event) => self.event(event),
            Record::Place(place) => self.place(place),
            Record::Batch(batch) => self.batch(batch),
            Record::End(end) => self.end(end, raw),
        }
    }

    fn begin(&mut self, begin: &Begin) -> Checked {
        if begin.format != FORMAT {
            return Err((At::default(), Flaw::FormatUnknown { found: begin.format }));
        }
        self.anchor = Anchor::begin(&begin.tenant, &begin.session);
        self.begin = Some(begin.clone());
        self.compare_anchor()
    }

    fn stream(&mut self, stream: &Stream) -> Checked {
        let session = self.begin.as_ref().map_or("", |begin| &begin.session);
        let id = stream.id(session);
        let is_new = self.names.insert(id.clone());
        if stream.number != self.streams.len() as u64 + 1 || !is_new {
            return Err((At::default(), Flaw::Misplaced));
        }
        let genesis = *stream.genesis;
        let expected = match &stream.former {
            None => Some(chain::genesis(&id, None)),
            Some(former) => former.head.as_ref().map(|head| chain::genesis(&id, Some(head))),
        };
        self.streams.push(Chain {
            id,
            key: stream.key.clone(),
            through: Seq(0),
            head: genesis,
            proved: Seq(0),
            proved_head: genesis,
            unproved: None,
            unknown: None,
            brought: Vec::new(),
        });
        // A genesis that cannot be made here is bound by the first signature, and by nothing else.
        if expected.is_none_or(|expected| expected == genesis) {
            return Ok(());
        }
        let at = At { stream: Some(stream.number), seq: Some(Seq(1)), offset: None };
        Err((At { offset: Some(self.anchor.offset + 1), ..at }, Flaw::GenesisWrong))
    }

    fn event(&mut self, event: &LoggedEvent) -> Checked {
        let LoggedEvent { offset, stream, seq, .. } = *event;
        let at = At { offset: Some(offset), stream: Some(stream), seq: Some(seq) };
        let expected = self.anchor.offset + 1;
        if offset != expected {
            return Err((at, Flaw::OffsetMissing { expected }));
        }
        let hash = match (&event.sealed, &event.hash) {
            (Some(sealed), None) => chain::event_hash(sealed),
            (None, Some(hash)) => **hash,
            (Some(_), Some(_)) | (None, None) => return Err((at, Flaw::EventMissing)),
        };
        let chain = self.chain_mut(stream).map_err(|(_, flaw)| (at, flaw))?;
        match &event.head {
            Some(head) => chain.link(seq, Some(offset), Some(&hash), head).map_err(|f| (at, f))?,
            None if seq == Seq(0) => {}
            None => return Err((at, Flaw::EventChanged)),
        }
        let anchor = self.chain(stream).map(|chain| self.anchor.after(&chain.id, seq, &hash));
        self.anchor = anchor.ok_or((at, Flaw::Misplaced))?;
        self.sound.events += 1;
        if event.sealed.is_none() {
            self.sound.erased += 1;
            self.sound.erased_through = offset;
        }
        if event.head.is_none() {
            self.outside.insert(offset, (stream, hash));
        }
        self.compare_anchor()
    }

    fn place(&mut self, place: &SparePlace) -> Checked {
        let SparePlace { stream, seq, offset, .. } = *place;
        let at = At { offset, stream: Some(stream), seq: Some(seq) };
        let hash = place.hash.as_deref();
        let outside = offset.and_then(|offset| self.outside.get(&offset));
        let brings = outside.is_some_and(|(_, outside)| hash == Some(outside));
        let chain = self.chain_mut(stream).map_err(|(_, flaw)| (at, flaw))?;
        chain.link(seq, None, hash, &place.head).map_err(|flaw| (at, flaw))?;
        if let Some(offset) = offset.filter(|_| brings) {
            chain.brought.push(offset);
        }
        Ok(())
    }

    fn batch(&mut self, batch: &SignedBatch) -> Checked {
        let unsigned = self.rules.unsigned;
        let stream = Some(batch.stream);
        let at = At { stream, seq: Some(batch.from), offset: None };
        let chain = self.chain_mut(batch.stream).map_err(|(_, flaw)| (at, flaw))?;
        let brought = chain
            .prove(batch, unsigned)
            .map_err(|(seq, offset, flaw)| (At { stream, seq: Some(seq), offset }, flaw))?;
        for offset in brought {
            self.outside.remove(&offset);
        }
        Ok(())
    }

    fn end(&mut self, end: &End, raw: &[u8]) -> Checked {
        let begin = self.begin.as_ref();
        if begin.is_some_and(|begin| begin.head != self.anchor.offset) {
            let expected = self.anchor.offset + 1;
            let at = At { offset: Some(expected), ..At::default() };
            return Err((at, Flaw::OffsetMissing { expected }));
        }
        if !self.rules.unsigned {
            self.all_signed()?;
        }
        let beyond = self.rules.anchors.iter().find(|anchor| anchor.offset > self.anchor.offset);
        if let Some(beyond) = beyond {
            let at = At { offset: Some(beyond.offset), ..At::default() };
            return Err((at, Flaw::AnchorWrong));
        }
        let digest = finish(self.digest.0.clone());
        let Anchor { offset, hash } = self.anchor;
        let expected = End { events: offset, anchor: hash.into(), digest: digest.into() };
        if *end != expected || raw.is_empty() {
            return Err((At::default(), Flaw::EndWrong));
        }
        self.is_at_end = true;
        Ok(())
    }

    fn all_signed(&self) -> Checked {
        let in_streams = self.streams.iter().zip(1..).filter_map(|(chain, number)| {
            let (seq, offset) = chain.unproved?;
            Some(At { stream: Some(number), seq: Some(seq), offset })
        });
        let outside = self.outside.iter().map(|(offset, (stream, _))| At {
            offset: Some(*offset),
            stream: Some(*stream),
            seq: Some(Seq(0)),
        });
        // The first in the log; what is not in the log comes last.
        let first = in_streams.chain(outside).min_by_key(|at| at.offset.unwrap_or(u64::MAX));
        first.map_or(Ok(()), |at| Err((at, Flaw::Unsigned)))
    }

    fn compare_anchor(&self) -> Checked {
        let at = self.anchor.offset;
        let noted = self.rules.anchors.iter().filter(|anchor| anchor.offset == at);
        if noted.into_iter().all(|anchor| *anchor == self.anchor) {
            return Ok(());
        }
        Err((At { offset: Some(at), ..At::default() }, Flaw::AnchorWrong))
    }
}

// What only lacks an end is sound with anything after it; zeros are as good as anything.
fn is_cut(bytes: &[u8]) -> bool {
    let padded = [bytes, &vec![0; AUDIT_RECORD_BYTES_MAX]].concat();
    let mut reader = wire::Reader::new(&padded);
    reader.skip();
    reader.finish().is_ok() && reader.position() > bytes.len()
}

impl Chain {
    /// Goes on by one place.
    fn link(
        &mut self,
        seq: Seq,
        offset: Option<u64>,
        event: Option<&Hash>,
        head: &Hash,
    ) -> Result<(), Flaw> {
        let expected = self.through.next();
        if seq != expected {
            return Err(Flaw::PlaceMissing { expected });
        }
        match event {
            Some(hash) if chain::link(&self.head, hash) != *head => return Err(Flaw::EventChanged),
            Some(_) => {}
            None => self.unknown = Some(seq),
        }
        (self.through, self.head) = (seq, *head);
        self.unproved.get_or_insert((seq, offset));
        Ok(())
    }

    /// Takes a batch for the places since the one before; gives the events from outside that they bring.
    fn prove(
        &mut self,
        batch: &SignedBatch,
        unsigned: bool,
    ) -> Result<Vec<u64>, (Seq, Option<u64>, Flaw)> {
        let (expected, offset) = self.unproved.unwrap_or((self.through.next(), None));
        if batch.from > expected && !unsigned {
            return Err((expected, offset, Flaw::Unsigned));
        }
        let unfit = || (batch.from, offset, Flaw::BatchUnfit);
        let (tail, rest) = batch.tail.as_chunks::<32>();
        let consumed = batch.count.checked_sub(tail.len() as u64).ok_or_else(unfit)?;
        let is_counted = rest.is_empty()
            && batch.count <= limits::BATCH_EVENTS_MAX as u64
            && (Seq(1)..=batch.from).contains(&batch.first)
            && batch.from >= expected;
        let last = batch.first.0.checked_add(consumed).ok_or_else(unfit)?.wrapping_sub(1);
        if !is_counted || last < batch.from.0 || last < self.through.0 {
            return Err(unfit());
        }
        if last > self.through.0 {
            let expected = self.through.next();
            return Err((expected, None, Flaw::PlaceMissing { expected }));
        }
        if let Some(unknown) = self.unknown.filter(|unknown| *unknown >= batch.from) {
            return Err((unknown, None, Flaw::EventMissing));
        }
        let head = tail.iter().fold(self.head, |head, hash| chain::link(&head, hash));
        let follows = batch.first != self.proved.next() || *batch.previous == self.proved_head;
        if head != *batch.head || !follows {
            return Err(unfit());
        }
        if self.key.kind == KeyKind::None && !unsigned {
            return Err((batch.from, offset, Flaw::Unsigned));
        }
        let statement =
            chain::statement(&self.id, batch.first, batch.count, &batch.previous, &batch.head);
        if !is_signed_by(&self.key, &statement, &batch.signature) {
            return Err((batch.from, offset, Flaw::SignatureInvalid));
        }
        (self.proved, self.proved_head) = (self.through, self.head);
        self.unproved = None;
        Ok(std::mem::take(&mut self.brought))
    }
}
