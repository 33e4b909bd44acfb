//! Everything in memory: for tests and first steps. Nothing survives the process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bellwether_shared::base::{EventId, Seq, Wall};
use bellwether_shared::rules::chain::{self, Hash};
use bellwether_shared::wire::audit::Followed;
use bellwether_shared::wire::{Answer, LogEvent, LogPage, Push, Snapshot, StreamId};

use super::{Store, entropy, moment, wall};
use crate::audit::Export;
use crate::effect::{self, AcceptedEvent, Effect, EffectFault, EffectOutcome, Room};
use crate::engine::{
    self, Appended, Archive, ArchivedBody, ArchivedEvent, ArchivedStream, Checked, Clerk, Keeper,
    Ledger, Moment, NewStream, PageAsk, Parting, Place, Proof, Reader, SessionRow, StateAsk,
    StoreFault, StreamRow, Sweep, Taken, Wanted, Which,
};
use crate::fault::Fault;
use crate::ticket::{Ticket, TicketKey};

/// The store without a disk.
pub struct Memory {
    tables: Mutex<Tables>,
    effect: Arc<dyn Effect>,
    ticket_key: TicketKey,
}

impl Memory {
    /// An empty store.
    ///
    /// # Panics
    /// The system gives no random bytes.
    #[must_use]
    pub fn new(effect: Arc<dyn Effect>) -> Self {
        let key = entropy().expect("a system without entropy can serve nobody");
        Self { tables: Mutex::default(), effect, ticket_key: TicketKey::new(&key) }
    }

    // The engine does not panic, and an effect's panic is caught; so no guard is dropped half way.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Store for Memory {
    async fn wanted(&self, tenant: &str, push: Checked) -> Result<(Checked, Vec<Wanted>), Fault> {
        let wanted = engine::wanted(&*self.tables(), &*self.effect, tenant, &push)?;
        Ok((push, wanted))
    }

    async fn push(&self, tenant: &str, push: Checked) -> Result<Answer, Fault> {
        let moment = moment()?;
        engine::push(&mut *self.tables(), &*self.effect, tenant, &push, moment)
    }

    fn ticket_key(&self) -> &TicketKey {
        &self.ticket_key
    }

    async fn farewell(&self, parting: Parting) -> Result<Answer, Fault> {
        let moment = moment()?;
        engine::farewell(&mut *self.tables(), &*self.effect, &parting, moment)
    }

    async fn wanted_of(&self, parting: Parting) -> Result<(Parting, Vec<Wanted>), Fault> {
        let wanted = engine::wanted_of(&*self.tables(), &*self.effect, &parting)?;
        Ok((parting, wanted))
    }

    async fn position(&self, tenant: &str, push: Push) -> Result<Answer, Fault> {
        engine::position(&*self.tables(), tenant, &push, wall())
    }

    async fn page(&self, ask: PageAsk) -> Result<LogPage, Fault> {
        engine::page(&*self.tables(), &ask)
    }

    async fn snapshot(&self, ask: StateAsk) -> Result<Snapshot, Fault> {
        engine::snapshot(&*self.tables(), &ask)
    }

    async fn audit(&self, mut export: Export) -> Result<(Export, Vec<u8>), Fault> {
        let part = export.part(&*self.tables(), wall())?;
        Ok((export, part))
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Sweep, Fault> {
        let (mut tables, now) = (self.tables(), wall());
        let Some(session) = sweep.next(&*tables, now)? else { return Ok(sweep.after(None)) };
        let floor = sweep.step(&mut *tables, &session, now)?;
        Ok(sweep.after(Some((&session, floor))))
    }

    async fn ping(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// Keys of rows are their places here, counted from 1.
#[derive(Debug, Default)]
struct Tables {
    session_keys: BTreeMap<(Box<str>, Box<str>), i64>,
    sessions: Vec<Session>,
    stream_keys: BTreeMap<StreamId, i64>,
    streams: Vec<Stream>,
    /// Nonces of tickets that are used up, and until when they would be good.
    used: BTreeMap<[u8; 16], Wall>,
}

#[derive(Debug)]
struct Session {
    row: SessionRow,
    log: Vec<LogEvent>,
    /// The stream and the id of each event of the log.
    appended: Vec<(i64, EventId)>,
    /// The offsets of the patches after the floor.
    patches: Vec<u64>,
    /// The hashes of the events up to the floor.
    hashes: Vec<Hash>,
    ids: BTreeMap<EventId, Taken>,
    values: BTreeMap<Box<str>, Vec<u8>>,
    document: BTreeMap<Box<str>, Vec<u8>>,
}

#[derive(Debug)]
struct Stream {
    id: StreamId,
    session: i64,
    row: StreamRow,
    former: Option<Followed>,
    places: Vec<Place>,
    proofs: Vec<Proof>,
}

impl Tables {
    fn session_at(&self, row: &SessionRow) -> Option<&Session> {
        self.sessions.get(at(row.key))
    }

    fn session_mut(&mut self, row: &SessionRow) -> Result<&mut Session, StoreFault> {
        self.sessions.get_mut(at(row.key)).ok_or_else(|| StoreFault::new("no such session"))
    }

    fn stream_mut(&mut self, row: &StreamRow) -> Result<&mut Stream, StoreFault> {
        self.streams.get_mut(at(row.key)).ok_or_else(|| StoreFault::new("no such stream"))
    }
}

impl Reader for Tables {
    fn session(&self, tenant: &str, name: &str) -> Result<Option<SessionRow>, StoreFault> {
        let key = self.session_keys.get(&(tenant.into(), name.into()));
        Ok(key.and_then(|key| self.sessions.get(at(*key))).map(|session| session.row.clone()))
    }

    fn stream(&self, stream: &StreamId) -> Result<Option<StreamRow>, StoreFault> {
        let key = self.stream_keys.get(stream);
        Ok(key.and_then(|key| self.streams.get(at(*key))).map(|stream| stream.row.clone()))
    }

    fn places(&self, stream: &StreamRow, first: Seq, last: Seq) -> Result<Vec<Place>, StoreFault> {
        let places = self.streams.get(at(stream.key)).map_or(&[][..], |stream| &stream.places);
        // The first place is 1, and none is missing.
        let before = usize::try_from(first.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let wanted = places.iter().skip(before).take_while(|place| place.seq <= last);
        Ok(wanted.cloned().collect())
    }

    fn taken(&self, session: &SessionRow, id: &EventId) -> Result<Option<Taken>, StoreFault> {
        Ok(self.session_at(session).and_then(|session| session.ids.get(id)).cloned())
    }

    fn log(
        &self,
        session: &SessionRow,
        which: Which,
        after: u64,
        limit: u32,
        each: &mut dyn FnMut(LogEvent) -> bool,
    ) -> Result<(), StoreFault> {
        let Some(session) = self.session_at(session) else { return Ok(()) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let page: Vec<&LogEvent> = match which {
            Which::All => {
                let skip = usize::try_from(after).unwrap_or(usize::MAX);
                session.log.iter().skip(skip).take(limit).collect()
            }
            Which::Patches => {
                let known = session.patches.partition_point(|offset| *offset <= after);
                let wanted = session.patches.iter().skip(known).take(limit);
                wanted.filter_map(|offset| session.log.get(index(*offset))).collect()
            }
        };
        page.into_iter().cloned().map(each).take_while(|more| *more).for_each(drop);
        Ok(())
    }

    fn entry(&self, session: &SessionRow, key: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.session_at(session).and_then(|session| session.document.get(key)).cloned())
    }

    fn entries(
        &self,
        session: &SessionRow,
        after: &str,
        each: &mut dyn FnMut(&str, Vec<u8>) -> bool,
    ) -> Result<(), StoreFault> {
        let beyond = (Bound::Excluded(after), Bound::Unbounded);
        let document =
            self.session_at(session).map(|session| session.document.range::<str, _>(beyond));
        let mut entries = document.into_iter().flatten();
        while entries.next().is_some_and(|(key, entry)| each(key, entry.clone())) {}
        Ok(())
    }

    fn entry_count(&self, session: &SessionRow) -> Result<u64, StoreFault> {
        Ok(self.session_at(session).map_or(0, |session| session.document.len() as u64))
    }
}

impl Archive for Tables {
    fn streams(&self, session: &SessionRow) -> Result<Vec<ArchivedStream>, StoreFault> {
        let of_session = self.streams.iter().filter(|stream| stream.session == session.key);
        let archived = of_session.map(|Stream { id, row, former, .. }| ArchivedStream {
            id: id.clone(),
            row: row.clone(),
            former: former.clone(),
        });
        Ok(archived.collect())
    }

    fn events(
        &self,
        session: &SessionRow,
        after: u64,
        each: &mut dyn FnMut(ArchivedEvent) -> bool,
    ) -> Result<(), StoreFault> {
        let Some(session) = self.session_at(session) else { return Ok(()) };
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        for (event, (stream, id)) in session.log.iter().zip(&session.appended).skip(skip) {
            let place =
                self.streams.get(at(*stream)).and_then(|s| s.places.get(index(event.seq.0)));
            let taken = session.ids.get(id);
            let archived = ArchivedEvent {
                offset: event.offset,
                stream: *stream,
                seq: event.seq,
                head: place.map(|place| place.head),
                taken_at: event.taken_at,
                body: match session.hashes.get(index(event.offset)) {
                    Some(hash) => ArchivedBody::Erased(*hash),
                    None => ArchivedBody::Sealed(event.sealed.to_vec()),
                },
                result: taken.and_then(|taken| taken.result.clone()),
            };
            if !each(archived) {
                break;
            }
        }
        Ok(())
    }

    fn proof(&self, stream: &StreamRow, from: Seq) -> Result<Option<Proof>, StoreFault> {
        let proofs = self.streams.get(at(stream.key)).map_or(&[][..], |stream| &stream.proofs);
        let before = proofs.partition_point(|proof| proof.from < from);
        Ok(proofs.get(before).cloned())
    }
}

impl Keeper for Tables {
    fn overdue(
        &self,
        from: i64,
        keep: u64,
        before: Wall,
    ) -> Result<Option<SessionRow>, StoreFault> {
        let is_overdue = |session: &&Session| {
            let SessionRow { key, head, floor, .. } = session.row;
            let first = session.log.get(index(floor + 1));
            key >= from && head - floor > keep && first.is_some_and(|event| event.taken_at < before)
        };
        Ok(self.sessions.iter().find(is_overdue).map(|session| session.row.clone()))
    }

    fn erase(
        &mut self,
        session: &SessionRow,
        through: u64,
        before: Wall,
    ) -> Result<u64, StoreFault> {
        let session = self.session_mut(session)?;
        while session.row.floor < through
            && let Some(event) = session.log.get_mut(index(session.row.floor + 1))
            && event.taken_at < before
        {
            session.hashes.push(chain::event_hash(&event.sealed));
            event.sealed = Vec::new().into();
            session.row.floor += 1;
        }
        let kept = session.patches.partition_point(|offset| *offset <= session.row.floor);
        session.patches.drain(..kept);
        Ok(session.row.floor)
    }
}

impl Clerk for Tables {
    fn is_used(&self, nonce: &[u8; 16]) -> Result<bool, StoreFault> {
        Ok(self.used.contains_key(nonce))
    }

    fn use_up(&mut self, ticket: &Ticket, now: Wall) -> Result<(), StoreFault> {
        self.used.retain(|_, expires_at| *expires_at >= now);
        self.used.insert(ticket.nonce, ticket.expires_at);
        Ok(())
    }
}

impl Ledger for Tables {
    fn open_session(
        &mut self,
        tenant: &str,
        name: &str,
        moment: Moment,
    ) -> Result<SessionRow, StoreFault> {
        let key = key(self.sessions.len());
        let row = SessionRow { key, epoch: moment.fresh_epoch, head: 0, floor: 0 };
        self.session_keys.insert((tenant.into(), name.into()), key);
        self.sessions.push(Session {
            row: row.clone(),
            log: Vec::new(),
            appended: Vec::new(),
            patches: Vec::new(),
            hashes: Vec::new(),
            ids: BTreeMap::new(),
            values: BTreeMap::new(),
            document: BTreeMap::new(),
        });
        Ok(row)
    }

    fn open_stream(
        &mut self,
        session: &SessionRow,
        stream: NewStream<'_>,
        _: Wall,
    ) -> Result<StreamRow, StoreFault> {
        let key = key(self.streams.len());
        let row = StreamRow {
            key,
            tenant: stream.tenant.into(),
            device_key: stream.push.key.clone(),
            genesis: stream.genesis,
            through: Seq(0),
            head: stream.genesis,
            host_epoch: stream.push.host_epoch,
        };
        let id = stream.push.stream.clone();
        self.stream_keys.insert(id.clone(), key);
        let former = stream
            .push
            .former
            .as_ref()
            .map(|former| Followed { incarnation: former.incarnation, head: Some(former.head) });
        self.streams.push(Stream {
            id,
            session: session.key,
            row: row.clone(),
            former,
            places: Vec::new(),
            proofs: Vec::new(),
        });
        Ok(row)
    }

    fn run(
        &mut self,
        session: &SessionRow,
        effect: &dyn Effect,
        event: &AcceptedEvent<'_>,
    ) -> Result<EffectOutcome, StoreFault> {
        let values = &mut self.session_mut(session)?.values;
        let held = Held { below: values, writes: RefCell::default() };
        let outcome = effect::ask(effect, &held, event);
        let writes = held.writes.into_inner();
        if matches!(outcome, EffectOutcome::Done { .. }) {
            for (key, value) in writes {
                match value {
                    Some(value) => values.insert(key, value),
                    None => values.remove(&key),
                };
            }
        }
        Ok(outcome)
    }

    fn append(&mut self, session: &SessionRow, event: Appended<'_>) -> Result<(), StoreFault> {
        let id = self.stream_mut(event.stream)?.id.clone();
        let session = self.session_mut(session)?;
        session.ids.insert(event.id.clone(), event.taken.clone());
        session.appended.push((event.stream.key, event.id.clone()));
        if event.is_patch {
            session.patches.push(event.taken.offset);
        }
        session.log.push(LogEvent {
            offset: event.taken.offset,
            device: id.device,
            incarnation: id.incarnation,
            user: id.user,
            lane: id.lane,
            seq: event.seq,
            taken_at: event.taken_at,
            sealed: event.sealed.to_vec().into(),
            bound: None,
        });
        Ok(())
    }

    fn put_entry(
        &mut self,
        session: &SessionRow,
        key: &str,
        entry: &[u8],
    ) -> Result<(), StoreFault> {
        self.session_mut(session)?.document.insert(key.into(), entry.to_vec());
        Ok(())
    }

    fn fill(&mut self, stream: &StreamRow, place: &Place) -> Result<(), StoreFault> {
        self.stream_mut(stream)?.places.push(place.clone());
        Ok(())
    }

    fn prove(&mut self, stream: &StreamRow, proof: &Proof) -> Result<(), StoreFault> {
        self.stream_mut(stream)?.proofs.push(proof.clone());
        Ok(())
    }

    fn save(&mut self, session: &SessionRow, stream: &StreamRow) -> Result<(), StoreFault> {
        self.session_mut(session)?.row = session.clone();
        self.stream_mut(stream)?.row = stream.clone();
        Ok(())
    }
}

/// An effect's writes, held back until its outcome is known.
#[derive(Debug)]
struct Held<'a> {
    below: &'a BTreeMap<Box<str>, Vec<u8>>,
    writes: RefCell<BTreeMap<Box<str>, Option<Vec<u8>>>>,
}

impl Room for Held<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EffectFault> {
        match self.writes.borrow().get(key) {
            Some(value) => Ok(value.clone()),
            None => Ok(self.below.get(key).cloned()),
        }
    }

    fn put(&self, key: &str, value: Option<&[u8]>) -> Result<(), EffectFault> {
        self.writes.borrow_mut().insert(key.into(), value.map(<[u8]>::to_vec));
        Ok(())
    }

    fn sql(&self) -> Result<Option<&rusqlite::Connection>, EffectFault> {
        Ok(None)
    }
}

// Keys begin with 1, so that the row of a session that is not known leads nowhere.
fn at(key: i64) -> usize {
    usize::try_from(key - 1).unwrap_or(usize::MAX)
}

// Places and offsets begin with 1; 0 is none.
fn index(place: u64) -> usize {
    place.checked_sub(1).and_then(|place| usize::try_from(place).ok()).unwrap_or(usize::MAX)
}

fn key(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX - 1) + 1
}
