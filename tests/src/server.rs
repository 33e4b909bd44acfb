//! The reference server's engine on tables of its own, which can be copied, put back and wiped.
//!
//! What always holds: what the engine decides is what the shipped server decides; only the tables and the app's
//! effect are the world's. An effect is chosen by the event's type: see [`Server::effects`].

use std::collections::{BTreeMap, BTreeSet};

use bellwether_server::effect::{AcceptedEvent, Effect, EffectOutcome, EffectTx};
use bellwether_server::engine::{
    self, Appended, Checked, Filled, Ledger, Moment, NewStream, Place, Reader, SessionRow,
    Signatures, StoreFault, StreamRow, Taken, Which,
};
use bellwether_server::fault::Fault;
use bellwether_shared::base::{EventId, LogEpoch, Rng, Seq, Wall, limits};
use bellwether_shared::outbox::Response;
use bellwether_shared::wire::{
    CBOR, Event, EventKind, EventResult, LogEvent, Outcome, PROBLEM_CBOR, Push, StreamId,
    from_cbor, to_cbor,
};

use crate::fault::Planted;
use crate::transcript::Digest;

/// The server, its log, and what it is made to do.
#[derive(Debug, Clone)]
pub struct Server {
    tables: Tables,
    /// What the disk held before the last push, for a fault that loses that.
    before_last: Option<Tables>,
    rng: Rng,
    /// Types that are refused for ever.
    pub refused: BTreeSet<Box<str>>,
    /// Types that can never be taken now.
    pub put_off: BTreeSet<Box<str>>,
    /// Types with which a whole push fails, with this status.
    pub poison: BTreeMap<Box<str>, u16>,
    /// Faults planted on purpose.
    pub planted: Planted,
    /// All ids that any life of the log has ever held.
    pub ever: BTreeSet<EventId>,
    /// Whether it remembers its pushes.
    pub remembers: bool,
    /// Whether effects give results.
    pub results: bool,
    /// Plain requests that it has done, in order.
    pub plain: Vec<EventId>,
    /// Each push with events that could be read, in order, if it remembers them.
    pub pushes: Vec<Push>,
    /// Pushes of a single event that failed as a whole, by its id.
    pub failed_alone: BTreeMap<EventId, u32>,
    /// How often an event was put off, by its id.
    pub named: BTreeMap<EventId, u32>,
    /// Patches that it has refused for a conflict, each with how long the log was.
    pub conflicts: BTreeMap<EventId, u64>,
}

impl Server {
    /// A new server, whose log lives a life drawn from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            tables: Tables::default(),
            rng: Rng::new(seed),
            refused: BTreeSet::new(),
            put_off: BTreeSet::new(),
            poison: BTreeMap::new(),
            planted: Planted::default(),
            before_last: None,
            ever: BTreeSet::new(),
            remembers: false,
            results: false,
            plain: Vec::new(),
            pushes: Vec::new(),
            failed_alone: BTreeMap::new(),
            named: BTreeMap::new(),
            conflicts: BTreeMap::new(),
        }
    }

    /// Adds everything on which the rest of a story depends.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self {
            tables,
            before_last,
            rng,
            refused,
            put_off,
            poison,
            planted: _,
            ever,
            remembers: _,
            results: _,
            plain,
            pushes: _,
            failed_alone,
            named,
            conflicts,
        } = self;
        digest.add(&(
            tables,
            before_last,
            rng,
            refused,
            put_off,
            poison,
            ever,
            failed_alone,
            named,
            plain,
            conflicts,
        ));
    }

    /// A backup of the data directory.
    #[must_use]
    pub fn backup(&self) -> Tables {
        self.tables.clone()
    }

    /// The backup is put back; with a new epoch, the log says that it lives another life.
    pub fn restore(&mut self, backup: &Tables, new_epoch: bool) {
        self.tables = backup.clone();
        if new_epoch {
            let rng = &mut self.rng;
            let sessions = self.tables.sessions.iter_mut();
            sessions.for_each(|session| session.row.epoch = LogEpoch(rng.bytes()));
        }
    }

    /// It is stopped, and started again: what it has acknowledged is there.
    pub fn restart(&mut self) {
        if let Some(tables) = self.before_last.take().filter(|_| self.planted.restart_forgets) {
            self.tables = tables;
        }
    }

    /// The data directory is deleted.
    pub fn wipe(&mut self) {
        self.tables = Tables::default();
    }

    /// Takes a request's body, and gives what the shipped route would answer.
    pub fn handle(&mut self, body: &[u8], now: Wall) -> Response {
        let push: Push = match from_cbor(body, limits::PUSH_BYTES_MAX) {
            Ok(push) => push,
            Err(fault) => return problem(&Fault::Malformed(fault.to_string().into())),
        };
        match self.take(push, now) {
            Ok(answer) => http(200, CBOR, to_cbor(&answer)),
            Err(fault) => problem(&fault),
        }
    }

    fn take(&mut self, push: Push, now: Wall) -> Result<bellwether_shared::wire::Answer, Fault> {
        engine::check_frame(&push)?;
        if push.events.is_empty() {
            return engine::position(&self.tables, "", &push, now);
        }
        if self.remembers {
            self.pushes.push(push.clone());
        }
        let poison = push.events.iter().find_map(|sealed| {
            let event: Event<'_> = from_cbor(sealed, limits::EVENT_BYTES_MAX).ok()?;
            self.poison.get(event.type_).copied()
        });
        match poison {
            Some(400) => return Err(Fault::Malformed("poisoned".into())),
            Some(_) => return Err(Fault::Internal("poisoned".into())),
            None => {}
        }
        let moment = Moment { now, fresh_epoch: LogEpoch(self.rng.bytes()) };
        let session = push.stream.session.clone();
        let checked = Checked::of(push, Signatures::Optional)?;
        self.tables.refused.clone_from(&self.refused);
        self.tables.put_off.clone_from(&self.put_off);
        self.tables.planted = self.planted;
        self.tables.results = self.results;
        self.tables.refusals.clear();
        if self.planted.prerequisites_ignored {
            self.tables.pushed = crate::check::push_ids(checked.push());
        }
        if self.planted.restart_forgets {
            self.before_last = Some(self.tables.clone());
        }
        if self.planted.no_repeats {
            self.tables.forget_repeats(checked.push());
        }
        if self.planted.hashes_unchecked {
            self.tables.believe(&checked);
        }
        let mut answer = engine::push(&mut self.tables, &Nothing, "", &checked, moment)?;
        if self.planted.effects_swapped {
            self.tables.swap_last(&session);
        }
        if self.planted.answer_too_far && answer.later.is_some() {
            answer.through = answer.through.next();
            answer.durable = answer.through;
            let (offset, outcome) = (Some(answer.log_head + 1), Outcome::ACCEPTED);
            let seq = answer.through;
            let (result, code, message) = (None, None, None);
            answer.results.push(EventResult { seq, outcome, offset, result, code, message });
            answer.later = None;
        }
        self.ever.append(&mut self.tables.fresh);
        let push = checked.push();
        for (seq, length) in std::mem::take(&mut self.tables.refusals) {
            let at = seq.0.checked_sub(push.first.0).and_then(|at| usize::try_from(at).ok());
            let sealed = at.and_then(|at| push.events.get(at));
            if let Some(id) = sealed.and_then(|sealed| crate::check::event_id(sealed)) {
                self.conflicts.insert(id, length);
            }
        }
        if let Some(later) = &answer.later {
            *self.named.entry(later.id.clone()).or_default() += 1;
        }
        Ok(answer)
    }

    /// Answers what is asked for by address: a page of a session's log, or its document.
    #[must_use]
    pub fn pull(&self, url: &str) -> Response {
        let of = |name: &str| {
            let parts = url.split(['?', '&']);
            parts.filter_map(|part| part.split_once('=')).find(|(it, _)| *it == name).map(|it| it.1)
        };
        let number =
            |name: &str| -> u64 { of(name).and_then(|it| it.parse().ok()).unwrap_or_default() };
        let (tenant, session) = (Box::from(""), Box::from(of("session").unwrap_or_default()));
        let epoch = of("epoch").and_then(LogEpoch::parse);
        let answer = if url.contains("/v1/state") {
            let after = of("after").unwrap_or_default().into();
            let ask = engine::StateAsk { tenant, session, epoch, after };
            engine::snapshot(&self.tables, &ask).map(|part| to_cbor(&part))
        } else {
            let (after, limit) = (number("after"), number("limit").max(1) as u32);
            let which = Which::Patches;
            let ask = engine::PageAsk { tenant, session, epoch, after, limit, which };
            engine::page(&self.tables, &ask).map(|page| to_cbor(&page))
        };
        match answer {
            Ok(body) => http(200, CBOR, body),
            Err(fault) => problem(&fault),
        }
    }

    /// A push failed as a whole at whoever answered in the server's place.
    pub fn note_failure(&mut self, body: &[u8]) {
        let Ok(push) = from_cbor::<Push>(body, limits::PUSH_BYTES_MAX) else { return };
        if let [only] = &push.events[..]
            && let Ok(event) = from_cbor::<Event<'_>>(only, limits::EVENT_BYTES_MAX)
        {
            *self.failed_alone.entry(event.id).or_default() += 1;
        }
    }

    /// The log of a session.
    #[must_use]
    pub fn log(&self, session: &str) -> &[LogEvent] {
        let key = self.tables.session_keys.get(session);
        key.and_then(|key| self.tables.sessions.get(at(*key))).map_or(&[], |session| &session.log)
    }

    /// The document of a session, key by key, as it is stored.
    #[must_use]
    pub fn document(&self, session: &str) -> Option<&BTreeMap<Box<str>, Vec<u8>>> {
        let key = self.tables.session_keys.get(session)?;
        Some(&self.tables.sessions.get(at(*key))?.document)
    }

    /// The names of all sessions.
    pub fn sessions(&self) -> impl Iterator<Item = &str> {
        self.tables.session_keys.keys().map(|name| &**name)
    }

    /// How often the app's effect of each event has shown, in the log as it lives now.
    #[must_use]
    pub fn effects(&self, session: &str) -> Option<&BTreeMap<EventId, u32>> {
        let key = self.tables.session_keys.get(session)?;
        Some(&self.tables.sessions.get(at(*key))?.effects)
    }

    /// The data that the effect of an event with a prerequisite saw.
    #[must_use]
    pub fn seen(&self, session: &str, id: &EventId) -> Option<&[u8]> {
        let key = self.tables.session_keys.get(session)?;
        self.tables.sessions.get(at(*key))?.seen.get(id).map(|data| &**data)
    }
}

fn http(status: u16, media: &str, body: Vec<u8>) -> Response {
    Response::Http { status, content_type: media.into(), retry_after_ms: None, body }
}

/// What the shipped route makes of a fault.
#[must_use]
pub fn problem(fault: &Fault) -> Response {
    let problem = fault.problem();
    let retry_after_ms = problem.retry_after_ms;
    Response::Http {
        status: problem.status,
        content_type: PROBLEM_CBOR.into(),
        retry_after_ms,
        body: to_cbor(&problem),
    }
}

/// The engine asks for an effect; the tables choose it.
#[derive(Debug)]
struct Nothing;

impl Effect for Nothing {
    fn apply(&self, _: &EffectTx<'_>, _: &AcceptedEvent<'_>) -> EffectOutcome {
        EffectOutcome::Done { result: None }
    }
}

/// The server's data directory.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    session_keys: BTreeMap<Box<str>, i64>,
    sessions: Vec<Session>,
    stream_keys: BTreeMap<StreamId, i64>,
    streams: Vec<Stream>,
    refused: BTreeSet<Box<str>>,
    put_off: BTreeSet<Box<str>>,
    planted: Planted,
    results: bool,
    /// For the planted fault: the ids of the push under way.
    pushed: BTreeSet<EventId>,
    /// Ids that the push under way has appended.
    fresh: BTreeSet<EventId>,
    /// Places of the push under way that were refused for a conflict, each with how long the log was.
    refusals: Vec<(Seq, u64)>,
}

#[derive(Debug, Clone)]
struct Session {
    row: SessionRow,
    log: Vec<LogEvent>,
    ids: BTreeMap<EventId, Taken>,
    effects: BTreeMap<EventId, u32>,
    /// The data that the effects of events with a prerequisite saw.
    seen: BTreeMap<EventId, Box<[u8]>>,
    document: BTreeMap<Box<str>, Vec<u8>>,
}

#[derive(Debug, Clone)]
struct Stream {
    id: StreamId,
    row: StreamRow,
    places: Vec<Place>,
}

impl Tables {
    fn session_mut(&mut self, row: &SessionRow) -> Result<&mut Session, StoreFault> {
        self.sessions.get_mut(at(row.key)).ok_or_else(|| StoreFault::new("no such session"))
    }

    fn stream_mut(&mut self, row: &StreamRow) -> Result<&mut Stream, StoreFault> {
        self.streams.get_mut(at(row.key)).ok_or_else(|| StoreFault::new("no such stream"))
    }

    // The planted fault: whatever comes at a known place is what is known there.
    fn believe(&mut self, checked: &Checked) {
        let push = checked.push();
        let key = self.stream_keys.get(&push.stream).copied();
        let Some(stream) = key.and_then(|key| self.streams.get_mut(at(key))) else { return };
        let heads: BTreeMap<Seq, _> = checked
            .heads()
            .iter()
            .zip(push.first.0..)
            .map(|(head, seq)| (Seq(seq), *head))
            .collect();
        for place in &mut stream.places {
            if let Some(head) = heads.get(&place.seq) {
                place.head = *head;
            }
            if place.seq.next() == push.first {
                place.head = *push.previous;
            }
        }
        if stream.row.through.next() == push.first {
            stream.row.head = *push.previous;
        }
    }

    // The planted fault: what the push has appended last comes before what it has appended before.
    fn swap_last(&mut self, session: &str) {
        let key = self.session_keys.get(session).copied();
        let Some(session) = key.and_then(|key| self.sessions.get_mut(at(key))) else { return };
        let id = |event: &LogEvent| crate::check::event_id(&event.sealed);
        if let [.., one, other] = &mut session.log[..]
            && [&*one, &*other]
                .into_iter()
                .all(|it| id(it).is_some_and(|id| self.fresh.contains(&id)))
        {
            std::mem::swap(one, other);
            std::mem::swap(&mut one.offset, &mut other.offset);
        }
    }

    // The planted fault: what comes again is taken for something new, at its place and under its id.
    fn forget_repeats(&mut self, push: &Push) {
        self.sessions.iter_mut().for_each(|session| session.ids.clear());
        let key = self.stream_keys.get(&push.stream).copied();
        let Some(stream) = key.and_then(|key| self.streams.get_mut(at(key))) else { return };
        if push.first <= stream.row.through {
            stream.places.retain(|place| place.seq < push.first);
            stream.row.through = Seq(push.first.0 - 1);
            stream.row.head = *push.previous;
        }
    }
}

impl Reader for Tables {
    fn session(&self, _: &str, name: &str) -> Result<Option<SessionRow>, StoreFault> {
        let key = self.session_keys.get(name);
        Ok(key.and_then(|key| self.sessions.get(at(*key))).map(|session| session.row.clone()))
    }

    fn stream(&self, stream: &StreamId) -> Result<Option<StreamRow>, StoreFault> {
        let key = self.stream_keys.get(stream);
        Ok(key.and_then(|key| self.streams.get(at(*key))).map(|stream| stream.row.clone()))
    }

    fn places(&self, stream: &StreamRow, first: Seq, last: Seq) -> Result<Vec<Place>, StoreFault> {
        let places = self.streams.get(at(stream.key)).map_or(&[][..], |stream| &stream.places);
        let wanted = places.iter().filter(|place| (first..=last).contains(&place.seq));
        Ok(wanted.cloned().collect())
    }

    fn taken(&self, session: &SessionRow, id: &EventId) -> Result<Option<Taken>, StoreFault> {
        if self.planted.ids_forgotten {
            return Ok(None);
        }
        let known = self.sessions.get(at(session.key)).and_then(|session| session.ids.get(id));
        if known.is_none() && self.planted.prerequisites_ignored && !self.pushed.contains(id) {
            return Ok(Some(Taken { offset: 0, result: Some(br#"{"id":""}"#.as_slice().into()) }));
        }
        Ok(known.cloned())
    }

    fn log(
        &self,
        session: &SessionRow,
        which: Which,
        after: u64,
        limit: u32,
        each: &mut dyn FnMut(LogEvent) -> bool,
    ) -> Result<(), StoreFault> {
        let log = self.sessions.get(at(session.key)).map_or(&[][..], |session| &session.log);
        let is_patch = |event: &&LogEvent| {
            let opened = from_cbor::<Event<'_>>(&event.sealed, usize::MAX);
            opened.is_ok_and(|opened| opened.kind == EventKind::Patch)
        };
        let wanted = log.iter().skip(after as usize);
        let wanted = wanted.filter(|event| which == Which::All || is_patch(event));
        let page = wanted.take(limit as usize);
        page.cloned().map(each).take_while(|more| *more).for_each(drop);
        Ok(())
    }

    fn entry(&self, session: &SessionRow, key: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        let session = self.sessions.get(at(session.key));
        Ok(session.and_then(|session| session.document.get(key)).cloned())
    }

    fn entries(
        &self,
        session: &SessionRow,
        after: &str,
        each: &mut dyn FnMut(&str, Vec<u8>) -> bool,
    ) -> Result<(), StoreFault> {
        let document = self.sessions.get(at(session.key)).map(|session| &session.document);
        let beyond = document.into_iter().flatten().filter(|(key, _)| &***key > after);
        beyond.map(|(key, entry)| each(key, entry.clone())).take_while(|more| *more).for_each(drop);
        Ok(())
    }

    fn entry_count(&self, session: &SessionRow) -> Result<u64, StoreFault> {
        let session = self.sessions.get(at(session.key));
        Ok(session.map_or(0, |session| session.document.len() as u64))
    }
}

impl Ledger for Tables {
    fn open_session(
        &mut self,
        _: &str,
        name: &str,
        moment: Moment,
    ) -> Result<SessionRow, StoreFault> {
        let key = key(self.sessions.len());
        let row = SessionRow { key, epoch: moment.fresh_epoch, head: 0, floor: 0 };
        self.session_keys.insert(name.into(), key);
        let (log, ids, effects) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let (seen, document) = (BTreeMap::new(), BTreeMap::new());
        self.sessions.push(Session { row: row.clone(), log, ids, effects, seen, document });
        Ok(row)
    }

    fn open_stream(
        &mut self,
        _: &SessionRow,
        stream: NewStream<'_>,
        _: Wall,
    ) -> Result<StreamRow, StoreFault> {
        let row = StreamRow {
            key: key(self.streams.len()),
            tenant: stream.tenant.into(),
            device_key: stream.push.key.clone(),
            genesis: stream.genesis,
            through: Seq(0),
            head: stream.genesis,
            host_epoch: stream.push.host_epoch,
        };
        let id = stream.push.stream.clone();
        self.stream_keys.insert(id.clone(), row.key);
        self.streams.push(Stream { id, row: row.clone(), places: Vec::new() });
        Ok(row)
    }

    fn run(
        &mut self,
        session: &SessionRow,
        _: &dyn Effect,
        event: &AcceptedEvent<'_>,
    ) -> Result<EffectOutcome, StoreFault> {
        if self.refused.contains(event.event.type_) {
            return Ok(EffectOutcome::Refuse { code: "no".into(), message: "never".into() });
        }
        if self.put_off.contains(event.event.type_) {
            return Ok(EffectOutcome::Later { code: "busy".into(), retry_after_ms: 500 });
        }
        if self.planted.append_without_effect {
            return Ok(EffectOutcome::Done { result: None });
        }
        let id = event.event.id.clone();
        let result = self.results.then(|| format!(r#"{{"id":"{id}"}}"#).into_bytes().into());
        let ignored = self.planted.bindings_ignored;
        let here = self.session_mut(session)?;
        if event.event.after.is_some() && !ignored {
            here.seen.insert(id.clone(), event.event.data.unwrap_or_default().into());
        }
        *here.effects.entry(id).or_default() += 1;
        Ok(EffectOutcome::Done { result })
    }

    fn append(&mut self, session: &SessionRow, event: Appended<'_>) -> Result<(), StoreFault> {
        if self.planted.effect_without_append {
            return Ok(());
        }
        self.fresh.insert(event.id.clone());
        let id = self.stream_mut(event.stream)?.id.clone();
        let session = self.session_mut(session)?;
        if event.is_patch {
            // Its effect is on the document.
            *session.effects.entry(event.id.clone()).or_default() += 1;
        }
        session.ids.insert(event.id.clone(), event.taken.clone());
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
        if self.planted.entry_left_out && session.head % 3 == 2 {
            return Ok(());
        }
        self.session_mut(session)?.document.insert(key.into(), entry.to_vec());
        Ok(())
    }

    fn fill(&mut self, stream: &StreamRow, place: &Place) -> Result<(), StoreFault> {
        debug_assert!(matches!(place.filled, Filled::Taken(_) | Filled::Refused { .. }));
        if let Filled::Refused { code, .. } = &place.filled
            && &**code == "state-conflict"
        {
            let session = self.stream_mut(stream)?.id.session.clone();
            let key = self.session_keys.get(&session);
            let log = key.and_then(|key| self.sessions.get(at(*key))).map(|it| it.log.len());
            self.refusals.push((place.seq, log.unwrap_or_default() as u64));
        }
        self.stream_mut(stream)?.places.push(place.clone());
        Ok(())
    }

    fn save(&mut self, session: &SessionRow, stream: &StreamRow) -> Result<(), StoreFault> {
        let reused = u64::from(self.planted.offset_reused && session.head > 1);
        let row = SessionRow { head: session.head - reused, ..session.clone() };
        self.session_mut(session)?.row = row;
        self.stream_mut(stream)?.row = stream.clone();
        Ok(())
    }
}

// Keys begin with 1, so that the row of a session that is not known leads nowhere.
fn at(key: i64) -> usize {
    usize::try_from(key - 1).unwrap_or(usize::MAX)
}

fn key(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX - 1) + 1
}
