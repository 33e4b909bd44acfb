//! Writes a session's log with its proofs, part by part, so that no session is too long.
//!
//! Between two parts no transaction is open. What is there only grows, so that the head of the log
//! and the ends of the streams, all read at the beginning, bound one consistent state.
//!
//! What always holds: an event, a place and a batch stand after what they refer to; a batch stands
//! right after the last place that was consumed for it.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use bellwether_shared::base::{LogEpoch, Seq, Wall};
use bellwether_shared::rules::chain::{self, Hash};
use bellwether_shared::wire;
use bellwether_shared::wire::audit::{
    Begin, End, FORMAT, LoggedEvent, Record, SignedBatch, SparePlace, Stream,
};

use super::anchor::{Anchor, finish};
use crate::bounds::{AUDIT_PART_BYTES, AUDIT_PLACES};
use crate::engine::{
    Archive, ArchivedBody, ArchivedEvent, ArchivedStream, Filled, Place, Proof, SessionRow,
    StoreFault,
};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditAsk {
    /// Whose session.
    pub tenant: Box<str>,
    /// Which.
    pub session: Box<str>,
}

/// An export under way.
#[derive(Debug)]
pub struct Export {
    ask: AuditAsk,
    phase: Phase,
    session: SessionRow,
    trails: BTreeMap<i64, Trail>,
    numbered: u64,
    anchor: Anchor,
    out: Out,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Beginning,
    Log,
    Rest,
    Done,
}

/// How far a stream is written.
#[derive(Debug)]
struct Trail {
    stream: ArchivedStream,
    number: u64,
    next: Seq,
    head: Hash,
    proof: Proving,
}

#[derive(Debug)]
enum Proving {
    Unread,
    Next(Proof),
    Ended,
}

/// A part being written, and the digest of all parts.
#[derive(Debug)]
struct Out {
    part: Vec<u8>,
    digest: Digest,
}

struct Digest(Context);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

impl Out {
    fn put(&mut self, record: &Record) {
        let bytes = wire::to_cbor(record);
        self.digest.0.update(&bytes);
        self.part.extend_from_slice(&bytes);
    }

    fn is_full(&self) -> bool {
        self.part.len() >= AUDIT_PART_BYTES
    }
}

impl Export {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(ask: AuditAsk) -> Self {
        let anchor = Anchor::begin(&ask.tenant, &ask.session);
        Self {
            ask,
            phase: Phase::Beginning,
            session: SessionRow::default(),
            trails: BTreeMap::new(),
            numbered: 0,
            anchor,
            out: Out { part: Vec::new(), digest: Digest(Context::new(&SHA256)) },
        }
    }

    /// Whether there are no more parts.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// The anchor at the last offset that is written.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// The next part of the file. All its reads belong into one transaction.
    ///
    /// # Errors
    /// The store failed, or lacks what it should have.
    pub fn part<A: Archive>(&mut self, archive: &A, now: Wall) -> Result<Vec<u8>, StoreFault> {
        if self.phase == Phase::Beginning {
            self.begin(archive, now)?;
            self.phase = Phase::Log;
        }
        while self.phase == Phase::Log && !self.out.is_full() {
            self.log(archive)?;
        }
        while self.phase == Phase::Rest && !self.out.is_full() {
            self.rest(archive)?;
        }
        Ok(std::mem::take(&mut self.out.part))
    }

    fn begin<A: Archive>(&mut self, archive: &A, now: Wall) -> Result<(), StoreFault> {
        let AuditAsk { tenant, session } = &self.ask;
        if let Some(row) = archive.session(tenant, session)? {
            for stream in archive.streams(&row)? {
                let (head, next) = (stream.row.genesis, Seq(1));
                let (key, proof) = (stream.row.key, Proving::Unread);
                self.trails.insert(key, Trail { stream, number: 0, next, head, proof });
            }
            self.session = row;
        }
        let log_epoch: LogEpoch = self.session.epoch;
        self.out.put(&Record::Begin(Begin {
            format: FORMAT,
            tenant: tenant.clone(),
            session: session.clone(),
            log_epoch,
            head: self.session.head,
            at: now,
        }));
        Ok(())
    }

    fn log<A: Archive>(&mut self, archive: &A) -> Result<(), StoreFault> {
        let mut events = Vec::new();
        let mut bytes = 0;
        let head = self.session.head;
        let room = AUDIT_PART_BYTES.saturating_sub(self.out.part.len());
        if self.anchor.offset < head {
            archive.events(&self.session, self.anchor.offset, &mut |event| {
                bytes += EVENT_BYTES;
                if let ArchivedBody::Sealed(sealed) = &event.body {
                    bytes += sealed.len();
                }
                let is_last = event.offset >= head;
                events.push(event);
                bytes < room && !is_last
            })?;
        }
        for event in events {
            if event.offset != self.anchor.offset + 1 {
                return Err(StoreFault::new("an offset is missing from the log"));
            }
            self.event(archive, event)?;
        }
        if self.anchor.offset >= head {
            self.phase = Phase::Rest;
        } else if bytes == 0 {
            return Err(StoreFault::new("the log ends before its head"));
        }
        Ok(())
    }

    fn event<A: Archive>(&mut self, archive: &A, event: ArchivedEvent) -> Result<(), StoreFault> {
        let ArchivedEvent { offset, stream, seq, head, taken_at, body, result } = event;
        let trail = self.trails.get_mut(&stream);
        let trail = trail.ok_or_else(|| StoreFault::new("a stream of the log is missing"))?;
        let out = &mut self.out;
        trail.declare(&mut self.numbered, out);
        trail.spare_until(archive, seq, out)?;
        let hash = match &body {
            ArchivedBody::Sealed(sealed) => chain::event_hash(sealed),
            ArchivedBody::Erased(hash) => *hash,
        };
        let (sealed, erased) = match body {
            ArchivedBody::Sealed(sealed) => (Some(sealed.into()), None),
            ArchivedBody::Erased(hash) => (None, Some(hash.into())),
        };
        self.anchor = self.anchor.after(&trail.stream.id, seq, &hash);
        out.put(&Record::Event(LoggedEvent {
            offset,
            stream: trail.number,
            seq,
            head: head.map(Hash::into),
            taken_at,
            sealed,
            hash: erased,
            result: result.map(|result| result.into_vec().into()),
        }));
        match head {
            Some(head) => trail.pass(archive, seq, head, out),
            None => Ok(()),
        }
    }

    // What came after the last event of each stream, then the end.
    fn rest<A: Archive>(&mut self, archive: &A) -> Result<(), StoreFault> {
        let unfinished = self.trails.values_mut().find(|trail| trail.next <= trail.through());
        if let Some(trail) = unfinished {
            trail.declare(&mut self.numbered, &mut self.out);
            let end = Seq(trail.through().0.min(trail.next.0 + AUDIT_PLACES - 1));
            return trail.spare_until(archive, end.next(), &mut self.out);
        }
        let digest = finish(self.out.digest.0.clone()).into();
        let Anchor { offset: events, hash } = self.anchor;
        self.out.put(&Record::End(End { events, anchor: hash.into(), digest }));
        self.phase = Phase::Done;
        Ok(())
    }
}

impl Trail {
    /// The last place when the export began.
    fn through(&self) -> Seq {
        self.stream.row.through
    }

    fn declare(&mut self, numbered: &mut u64, out: &mut Out) {
        if self.number > 0 {
            return;
        }
        *numbered += 1;
        self.number = *numbered;
        let ArchivedStream { id, row, former } = &self.stream;
        out.put(&Record::Stream(Stream {
            number: self.number,
            device: id.device,
            user: id.user.clone(),
            lane: id.lane,
            incarnation: id.incarnation,
            key: row.device_key.clone(),
            former: former.clone(),
            genesis: row.genesis.into(),
        }));
    }

    /// Writes the places before `end` that have no event of their own.
    fn spare_until<A: Archive>(
        &mut self,
        archive: &A,
        end: Seq,
        out: &mut Out,
    ) -> Result<(), StoreFault> {
        while self.next < end {
            let last = Seq((end.0 - 1).min(self.next.0 + AUDIT_PLACES - 1));
            let places = archive.places(&self.stream.row, self.next, last)?;
            if places.len() as u64 != last.0 - self.next.0 + 1 {
                return Err(StoreFault::new("places of a stream are missing from the store"));
            }
            for place in places {
                let (seq, head) = (place.seq, place.head);
                out.put(&Record::Place(spare(self.number, place)));
                self.pass(archive, seq, head, out)?;
            }
        }
        Ok(())
    }

    /// One place is written; if a batch ends with it, that too.
    fn pass<A: Archive>(
        &mut self,
        archive: &A,
        seq: Seq,
        head: Hash,
        out: &mut Out,
    ) -> Result<(), StoreFault> {
        (self.next, self.head) = (seq.next(), head);
        if matches!(self.proof, Proving::Unread) {
            let found = archive.proof(&self.stream.row, seq)?;
            self.proof = found.map_or(Proving::Ended, Proving::Next);
        }
        let proof = match &self.proof {
            Proving::Next(proof) if proof.through() == seq => proof,
            Proving::Unread | Proving::Next(_) | Proving::Ended => return Ok(()),
        };
        let before = Seq(proof.first.0.saturating_sub(1));
        let previous = if before.0 == 0 {
            self.stream.row.genesis
        } else {
            let places = archive.places(&self.stream.row, before, before)?;
            let place = places.first();
            place.ok_or_else(|| StoreFault::new("a batch follows a place that is missing"))?.head
        };
        out.put(&Record::Batch(SignedBatch {
            stream: self.number,
            from: proof.from,
            first: proof.first,
            count: proof.count,
            previous: previous.into(),
            head: proof.tail.iter().fold(head, |head, hash| chain::link(&head, hash)).into(),
            signature: proof.signature.to_vec().into(),
            tail: proof.tail.as_flattened().to_vec().into(),
        }));
        self.proof = Proving::Unread;
        Ok(())
    }
}

fn spare(stream: u64, place: Place) -> SparePlace {
    let Place { seq, head, hash, id, filled } = place;
    let (offset, code, message) = match filled {
        Filled::Taken(taken) => (Some(taken.offset), None, None),
        Filled::Refused { code, message } => (None, Some(code), Some(message)),
    };
    let (head, hash) = (head.into(), hash.map(Hash::into));
    SparePlace { stream, seq, head, hash, id, offset, code, message }
}

/// What stands around a sealed event, roughly.
const EVENT_BYTES: usize = 100;
