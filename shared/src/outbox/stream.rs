//! One stream: one sequence, one chain, one batch in flight, and the way out of a fork.
//!
//! ```text
//!            run of rows          signed           on disk          answered
//!  Idle ───────────────▶ Signing ───────▶ Storing ────────▶ Sending ────────▶ Signing or Storing ─▶ …
//!   ▲                                        ▲                 │ failed
//!   └──── nothing left                       └──── Resting ◀───┘
//! ```
//!
//! What always holds:
//! - a batch is on disk before it leaves, and is sent with the same numbers and bytes until the server has
//!   spoken about all of it;
//! - what the server consumed is forgotten in the transaction that stores what it said;
//! - every change is computed first, written, and only then in force here; if the disk refuses, nothing has changed;
//! - a stream that the server does not recognise begins anew under the same event ids (G6).
//!
//! While a batch is on the wire the next one is hashed and signed, so that the answer and the next seal
//! are one transaction. It is not sealed before that: whatever else happens, its events go back.

use core::time::Duration;
use std::collections::VecDeque;

use minicbor::bytes::ByteVec;

use super::answer::{believed, refusal};
use super::backlog::Backlog;
use super::batch::{About, Batch, Held, advanced, question, seal, spans};
use super::dead::{Burial, DeadLetters};
use super::retry::{Failure, FailureKind, Heard, Response, clamp_due, due, hear};
use super::{Effect, Ticket};
use crate::base::{
    Culprit, Epoch, EventId, Fault, Incarnation, LogEpoch, Mono, Now, Rng, SortedMap, limits,
};
use crate::bus::{Identity, Notice};
use crate::rows::{
    Config, CursorRow, DeviceRow, DoneEntry, DoneRow, FlightRow, Op, ROW_VERSION, Reason, Replay,
    RetainedRow, Source, Store, StreamKey, StreamRow, read,
};
use crate::wire::{Answer, Former, Outcome, Verdict, decode, to_cbor};

/// What a stream shares with the others.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) device: Option<DeviceRow>,
    pub(super) config: Config,
    pub(super) host_epoch: Epoch,
    pub(super) build: Box<str>,
    pub(super) cursors: SortedMap<Box<str>, CursorRow>,
    pub(super) dead: DeadLetters,
    /// Events of this device ever answered: the newest key in `done`.
    pub(super) answered: u64,
    /// Whether any stream is sending again what the server lost: nothing retained may go meanwhile.
    pub(super) replaying: bool,
    pub(super) rng: Rng,
    pub(super) last_ticket: Ticket,
    pub(super) effects: VecDeque<Effect>,
    /// Whether the server answered the last time.
    pub(super) reachable: Option<bool>,
}

impl Shared {
    pub(super) fn ticket(&mut self) -> Ticket {
        self.last_ticket.0 += 1;
        self.last_ticket
    }

    fn may_send(&self) -> bool {
        self.device.is_some() && !self.config.paused && !self.config.server.is_empty()
    }

    fn log_epoch(&self, session: &str) -> Option<LogEpoch> {
        self.cursors.get(session).map(|cursor| cursor.epoch)
    }
}

/// Why a stream has to begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// The session's log lives another life, which has been reported for all of its streams.
    Renewed,
    /// The server's log has gone back: acknowledged events are lost there.
    Lost,
    /// The server knows another continuation: a copy of this device has sent one.
    Forked,
    /// What is on this disk does not fit together.
    Torn,
}

/// What one stream has heard that concerns every stream of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The log lives this life, which is another than was known.
    Renewed(LogEpoch),
    /// The log has gone back.
    Lost,
}

/// Something about to be written, and what is in force once it is.
#[derive(Debug)]
struct Change {
    row: StreamRow,
    batch: Option<Batch>,
    /// The batch's events were taken from the backlog.
    from_backlog: bool,
    put_back: Vec<Held>,
    over: Vec<EventId>,
    ops: Vec<Op>,
    burials: Vec<Burial>,
    notices: Vec<Notice>,
    /// Whether a power cut must not undo it. What the server has said can be asked again, and a run of rows is
    /// sealed again to the same bytes: neither needs the disk to be waited for.
    strict: bool,
    /// When the batch is to be sent.
    due: Mono,
    /// The break that it ends.
    why: Option<Break>,
}

#[derive(Debug)]
enum Phase {
    /// Nothing is under way.
    Idle,
    /// Rows of `retained` have been asked for.
    Loading(Ticket),
    /// A signature has been asked for.
    Signing(Ticket, Box<Change>),
    /// A transaction is under way.
    Storing(Ticket, Box<Change>),
    /// A batch, or the question that a failed batch is accused by, is on the wire.
    Sending(Ticket, Option<Failure>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    key: StreamKey,
    row: Option<StreamRow>,
    batch: Option<Batch>,
    /// The batch that would follow the one on the wire, if all of that is taken.
    ahead: Option<Batch>,
    /// Its signature has been asked for.
    signing_ahead: Option<Ticket>,
    /// A batch that was sealed before this life began, until its events have been read.
    gathering: Option<Batch>,
    backlog: Backlog,
    phase: Phase,
    due: Mono,
    last_sent: Option<Mono>,
    /// Failures of whole requests in a row.
    failures: u32,
    /// Events in a batch, while a culprit is looked for or was of late.
    run_max: Option<u64>,
    breaking: Option<Break>,
    /// Waits for room among the dead letters.
    full: bool,
    last_fault: Option<Fault>,
    blocked: bool,
    /// The batch was sent again because the server stands further on than was known.
    resent: bool,
    /// The disk has refused a change; until then none is tried.
    refused_until: Option<Mono>,
}

impl Stream {
    pub(super) fn new(key: StreamKey, row: Option<StreamRow>) -> Self {
        Self {
            key,
            row,
            batch: None,
            ahead: None,
            signing_ahead: None,
            gathering: None,
            backlog: Backlog::default(),
            phase: Phase::Idle,
            due: Mono(0),
            last_sent: None,
            failures: 0,
            run_max: None,
            breaking: None,
            full: false,
            last_fault: None,
            blocked: false,
            resent: false,
            refused_until: None,
        }
    }

    /// Takes up a batch that was sealed in an earlier life.
    pub(super) fn resume(&mut self, flight: FlightRow, now: Now) {
        let fits = self.row.as_ref().is_some_and(|row| {
            row.incarnation == flight.incarnation
                && row.confirmed.next() == flight.first
                && row.head == flight.previous
                && flight.count > 0
        });
        if !fits {
            self.breaking = Some(Break::Torn);
        }
        self.due = now.mono_at(clamp_due(flight.due_at, now.wall));
        self.last_fault = flight.last_fault.clone();
        self.gathering = Some(Batch { row: flight, events: Vec::new() });
    }

    /// What has to be read of `retained` before this stream can go on.
    fn wanted(&self) -> Option<(u64, u64)> {
        match self.gathering.as_ref().map(|batch| &batch.row.source) {
            Some(Source::Retained { keys, .. }) => {
                Some((keys.first().copied()?, keys.last().copied()?))
            }
            Some(Source::Journal(_)) => None,
            None => {
                let replay = self.row.as_ref()?.replay?;
                self.batch.is_none().then_some((replay.from, replay.through))
            }
        }
    }

    /// A row of this stream, as the journal is read forward. `true` if its id is queued already.
    pub(super) fn on_row(&mut self, held: Held) -> bool {
        match &mut self.gathering {
            Some(batch) if batch.row.covers(held.position) => {
                self.backlog.note(held.id.clone());
                batch.events.push(held);
                false
            }
            Some(_) | None => self.backlog.offer(held) == super::backlog::Taken::Repeat,
        }
    }

    /// The journal has been read as far as the position `through`.
    pub(super) fn on_read(&mut self, through: u64, now: Now, shared: &mut Shared) {
        let last = match self.gathering.as_ref().map(|batch| &batch.row.source) {
            Some(Source::Journal(spans)) => Some(spans.last().map_or(0, |span| span.through)),
            Some(Source::Retained { .. }) | None => None,
        };
        if last.is_some_and(|last| last <= through) {
            self.gathered();
        }
        self.go(now, shared);
    }

    fn gathered(&mut self) {
        let Some(batch) = self.gathering.take() else { return };
        if batch.is_whole() && self.breaking.is_none() {
            self.batch = Some(batch);
        } else {
            // A log that lives another life weighs more: what was acknowledged has to be sent again, too.
            self.breaking.get_or_insert(Break::Torn);
            if batch.is_from_journal() {
                self.backlog.put_back(batch.events);
            }
        }
    }

    pub(super) fn backlog(&mut self) -> &mut Backlog {
        &mut self.backlog
    }

    /// From which position rows that did not fit are to be read again.
    pub(super) fn wants_again(&self) -> Option<u64> {
        self.backlog.wants_again()
    }

    pub(super) fn session(&self) -> &str {
        &self.key.session
    }

    pub(super) fn is(&self, key: &StreamKey) -> bool {
        self.key == *key
    }

    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        (&self.key.session, &self.key.user) == (&identity.session, &identity.user)
    }

    // Ends the phase that waits for `ticket`; `None` if it is another's, or of long ago.
    fn leave(&mut self, ticket: Ticket) -> Option<Phase> {
        (self.ticket() == Some(ticket)).then(|| core::mem::replace(&mut self.phase, Phase::Idle))
    }

    /// What it waits for.
    pub(super) fn awaits(&self) -> impl Iterator<Item = Ticket> {
        self.ticket().into_iter().chain(self.signing_ahead)
    }

    fn ticket(&self) -> Option<Ticket> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Loading(ticket)
            | Phase::Signing(ticket, _)
            | Phase::Storing(ticket, _)
            | Phase::Sending(ticket, _) => Some(*ticket),
        }
    }

    /// Events that the server has not answered.
    pub(super) fn pending(&self) -> u64 {
        let sealed = self.batch.as_ref().or(self.gathering.as_ref());
        let sealed = sealed.filter(|batch| batch.is_from_journal());
        let drafted = match &self.phase {
            Phase::Signing(_, change) | Phase::Storing(_, change) if change.from_backlog => {
                change.batch.as_ref().map_or(0, |batch| batch.row.count)
            }
            Phase::Idle
            | Phase::Loading(_)
            | Phase::Signing(..)
            | Phase::Storing(..)
            | Phase::Sending(..) => 0,
        };
        let ahead = self.ahead.as_ref().map_or(0, |batch| batch.row.count);
        sealed.map_or(0, |batch| batch.row.count) + ahead + self.backlog.len() + drafted
    }

    /// Whether something is under way that will end by itself.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// Whether a transaction is under way, or will be as soon as a signature has come.
    pub(super) fn is_about_to_write(&self) -> bool {
        matches!(self.phase, Phase::Signing(..) | Phase::Storing(..))
    }

    /// Whether it holds anything that is to be sent, and that no letter has to be thrown away for first.
    pub(super) fn has_work(&self) -> bool {
        let holds = self.batch.is_some() || !self.backlog.is_empty() || self.wanted().is_some();
        holds && !self.full
    }

    /// Whether it is sending again what the server lost.
    pub(super) fn is_replaying(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.replay.is_some())
    }

    /// Whether it waits for somebody to act, and why it last failed.
    pub(super) fn trouble(&self) -> Option<(bool, &str)> {
        if self.full {
            return Some((true, "dead-letters-full"));
        }
        if self.backlog.is_closed() {
            return Some((true, "newer-rows"));
        }
        let fault = self.last_fault.as_ref().filter(|_| self.batch.is_some())?;
        Some((self.blocked, &fault.code))
    }

    /// When [`go`](Self::go) is wanted by itself; `None` while only facts can help.
    pub(super) fn poll_timeout(&self, now: Now, shared: &Shared) -> Option<Mono> {
        if self.breaking.is_some() {
            let until = self.refused_until.filter(|until| *until > now.mono);
            return until.filter(|_| matches!(self.phase, Phase::Idle));
        }
        let resting = matches!(self.phase, Phase::Idle) && self.due > now.mono && self.has_work();
        (resting && shared.may_send() && !self.full).then_some(self.due)
    }

    /// Ends a delay, unless the last attempt was a moment ago.
    pub(super) fn hurry(&mut self, now: Now, shared: &mut Shared) {
        let recent = self.last_sent.is_some_and(|sent| now.mono.since(sent) < HURRY_MIN);
        if !recent {
            self.due = self.due.min(now.mono);
        }
        self.go(now, shared);
    }

    /// A token has come for this stream's identity.
    pub(super) fn on_token(&mut self, now: Now, shared: &mut Shared) {
        let waits = |batch: &Batch| batch.row.attempt <= 1;
        if self.blocked && self.batch.as_ref().is_some_and(waits) {
            self.due = self.due.min(now.mono);
        }
        self.go(now, shared);
    }

    /// What the session's log held of this stream may be gone, which has been reported.
    pub(super) fn on_log_lost(&mut self, now: Now, shared: &mut Shared) {
        if self.row.is_some() {
            self.breaking = Some(Break::Renewed);
        }
        self.go(now, shared);
    }

    /// Does what can be done next.
    pub(super) fn go(&mut self, now: Now, shared: &mut Shared) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        if self.breaking.is_some() {
            // What comes from `retained` is found there again; only rows of the journal have to be waited for.
            self.gathering.take_if(|batch| !batch.is_from_journal());
        }
        if let (Some(why), None) = (self.breaking, &self.gathering) {
            if self.refused_until.is_none_or(|until| until <= now.mono) {
                self.begin_anew(why, now, shared);
            }
            return;
        }
        if !shared.may_send() {
            return;
        }
        if self.full && shared.dead.room(&shared.config.options) == 0 {
            return;
        }
        self.full = false;
        if self.due > now.mono {
            return;
        }
        if self.batch.is_some() {
            self.put_on_wire(None, now, shared);
        } else if let Some((from, _)) = self.wanted() {
            let ticket = shared.ticket();
            self.phase = Phase::Loading(ticket);
            let after = from.saturating_sub(1);
            shared.effects.push_back(Effect::ReadRetained { ticket, after, limit: LOAD_ROWS_MAX });
        } else if self.gathering.is_none() && !self.backlog.is_empty() {
            self.seal_next(now, shared);
        }
    }

    fn seal_next(&mut self, now: Now, shared: &mut Shared) {
        self.recall();
        let Some(row) = self.row_or_begin(shared) else { return };
        let mut change = Change::to(row, now);
        self.draft_into(&mut change, now, shared);
        self.sign(change, shared);
    }

    // The stream's row; a stream that has never sealed anything begins here.
    fn row_or_begin(&self, shared: &mut Shared) -> Option<StreamRow> {
        if let Some(row) = &self.row {
            return Some(row.clone());
        }
        let device = shared.device.as_ref()?.device;
        let incarnation = Incarnation(shared.rng.bytes());
        Some(StreamRow::begin(&self.key, device, incarnation, None, None))
    }

    // The next run of the backlog becomes the change's batch.
    fn draft_into(&mut self, change: &mut Change, now: Now, shared: &Shared) {
        change.batch = self.draft(&change.row, now, shared);
        change.from_backlog = change.batch.is_some();
    }

    fn draft(&mut self, row: &StreamRow, now: Now, shared: &Shared) -> Option<Batch> {
        let options = shared.config.options.batch_events.into();
        let run_max = self.run_max.map_or(options, |max| max.min(options));
        let events = self.backlog.run(usize::try_from(run_max).unwrap_or(usize::MAX));
        let source = Source::Journal(spans(&events));
        (!events.is_empty()).then(|| seal(row, events, source, now.wall))
    }

    // Hashes and signs what would follow the batch on the wire.
    fn look_ahead(&mut self, now: Now, shared: &mut Shared) {
        let (Some(row), Some(batch), Some(device)) = (&self.row, &self.batch, &shared.device)
        else {
            return;
        };
        if self.ahead.is_some() || self.run_max.is_some() || row.replay.is_some() {
            return;
        }
        let row = StreamRow {
            confirmed: batch.row.first.plus(batch.row.count - 1),
            head: batch.row.head,
            ..row.clone()
        };
        let device = device.clone();
        let Some(ahead) = self.draft(&row, now, shared) else { return };
        let (ticket, statement) = (shared.ticket(), ahead.statement(&device));
        shared.effects.push_back(Effect::Sign { ticket, statement });
        self.ahead = Some(ahead);
        self.signing_ahead = Some(ticket);
    }

    // What was looked at ahead is backlog again.
    fn recall(&mut self) {
        self.signing_ahead = None;
        if let Some(ahead) = self.ahead.take() {
            self.backlog.put_back(ahead.events);
        }
    }

    fn sign(&mut self, change: Change, shared: &mut Shared) {
        let statement = match (&change.batch, &shared.device) {
            (Some(batch), Some(device)) if batch.row.signature.is_empty() => {
                Some(batch.statement(device))
            }
            _ => None,
        };
        let Some(statement) = statement else { return self.store(change, shared) };
        let ticket = shared.ticket();
        shared.effects.push_back(Effect::Sign { ticket, statement });
        self.phase = Phase::Signing(ticket, Box::new(change));
    }

    /// The signature has been made; `None` if the browser could not.
    pub(super) fn on_signed(
        &mut self,
        ticket: Ticket,
        signature: Option<Vec<u8>>,
        now: Now,
        shared: &mut Shared,
    ) {
        if self.signing_ahead == Some(ticket) {
            self.signing_ahead = None;
            match (&mut self.ahead, signature) {
                (Some(ahead), Some(signature)) => ahead.row.signature = signature.into(),
                (Some(_) | None, _) => self.recall(),
            }
            return;
        }
        let Some(Phase::Signing(_, mut change)) = self.leave(ticket) else { return };
        let Some(signature) = signature else {
            return self.drop_change(*change, cannot_sign(), now, shared);
        };
        if let Some(batch) = &mut change.batch {
            batch.row.signature = ByteVec::from(signature);
        }
        self.store(*change, shared);
    }

    // Whatever else a change writes, it writes the stream and its one flight.
    fn store(&mut self, mut change: Change, shared: &mut Shared) {
        let key = self.key.key();
        match &change.batch {
            Some(batch) => {
                let row = to_cbor(&batch.row);
                change.ops.push(Op::Put { store: Store::Flight, key: key.clone(), row });
            }
            None => change.ops.push(Op::Delete { store: Store::Flight, key: key.clone() }),
        }
        if self.row.as_ref() != Some(&change.row) {
            change.ops.push(Op::Put { store: Store::Stream, key, row: to_cbor(&change.row) });
        }
        for burial in &mut change.burials {
            change.ops.append(&mut burial.ops);
        }
        let ticket = shared.ticket();
        let (ops, strict) = (core::mem::take(&mut change.ops), change.strict);
        shared.effects.push_back(Effect::Commit { ticket, ops, strict });
        self.phase = Phase::Storing(ticket, Box::new(change));
    }

    /// The transaction is complete.
    pub(super) fn on_committed(&mut self, ticket: Ticket, now: Now, shared: &mut Shared) {
        if let Some(Phase::Storing(_, change)) = self.leave(ticket) {
            self.apply(*change, now, shared);
        }
    }

    fn apply(&mut self, change: Change, now: Now, shared: &mut Shared) {
        self.row = Some(change.row);
        self.batch = change.batch;
        self.due = change.due;
        self.backlog.put_back(change.put_back);
        change.over.iter().for_each(|id| self.backlog.forget(id));
        let notices = change.burials.into_iter().flat_map(|burial| burial.notices);
        let notices = notices.chain(change.notices);
        shared.effects.extend(notices.map(Effect::Tell));
        self.go(now, shared);
    }

    /// The disk has refused; nothing has changed.
    pub(super) fn on_commit_failed(
        &mut self,
        ticket: Ticket,
        fault: Fault,
        now: Now,
        shared: &mut Shared,
    ) {
        if let Some(Phase::Storing(_, change)) = self.leave(ticket) {
            self.drop_change(*change, fault, now, shared);
        }
    }

    fn drop_change(&mut self, change: Change, fault: Fault, now: Now, shared: &mut Shared) {
        change.burials.iter().for_each(|burial| shared.dead.undo(burial));
        if let Some(batch) = change.batch.filter(|_| change.from_backlog) {
            self.backlog.put_back(batch.events);
        }
        self.failures += 1;
        let options = &shared.config.options;
        let due = due(now.wall, self.failures, None, options, &mut shared.rng);
        self.due = now.mono_at(due);
        self.refused_until = Some(self.due);
        if self.breaking.is_none() {
            self.breaking = change.why;
        }
        self.last_fault = Some(fault.clone());
        shared.effects.push_back(Effect::Tell(Notice::Trouble(fault)));
    }

    fn about<'a>(&self, shared: &'a Shared, row: &'a StreamRow) -> Option<About<'a>> {
        Some(About {
            device: shared.device.as_ref()?,
            stream: row,
            log_epoch: shared.log_epoch(&self.key.session),
            host_epoch: shared.host_epoch,
            build: &shared.build,
        })
    }

    // `accused` is the failure for which the server is asked whether it is well.
    fn put_on_wire(&mut self, accused: Option<Failure>, now: Now, shared: &mut Shared) {
        let Some(row) = &self.row else { return };
        let push = match (self.about(shared, row), &self.batch) {
            (Some(about), _) if accused.is_some() => question(&about),
            (Some(about), Some(batch)) => batch.push(&about),
            (Some(_) | None, _) => return,
        };
        let body = to_cbor(&push);
        let ticket = shared.ticket();
        let identity = Identity { session: self.key.session.clone(), user: self.key.user.clone() };
        shared.effects.push_back(Effect::Push { ticket, identity, body });
        self.last_sent = Some(now.mono);
        let is_batch = accused.is_none();
        self.phase = Phase::Sending(ticket, accused);
        if is_batch {
            self.look_ahead(now, shared);
        }
    }

    /// Something came back, or did not. Gives what it says of the whole session's log.
    pub(super) fn on_response(
        &mut self,
        ticket: Ticket,
        response: Response,
        now: Now,
        shared: &mut Shared,
    ) -> Option<News> {
        let Some(Phase::Sending(_, accused)) = self.leave(ticket) else { return None };
        if self.breaking.is_some() {
            self.go(now, shared);
            return None;
        }
        match hear(response) {
            Heard::Failure(failure) => {
                shared.reachable = Some(failure.kind != FailureKind::Unreachable);
                self.on_failure(failure, accused.is_some(), now, shared);
                None
            }
            Heard::Answer(answer) => {
                shared.reachable = Some(true);
                let known = shared.log_epoch(&self.key.session);
                let other = known.is_some_and(|known| known != answer.log_epoch);
                if other || answer.verdict == Verdict::EpochChanged {
                    return Some(News::Renewed(answer.log_epoch));
                }
                self.on_answer(&answer, accused, now, shared)
            }
        }
    }

    fn on_answer(
        &mut self,
        answer: &Answer,
        accused: Option<Failure>,
        now: Now,
        shared: &mut Shared,
    ) -> Option<News> {
        let row = self.row.as_ref()?;
        let why = match answer.verdict {
            _ if answer.through < row.confirmed => Some(Break::Lost),
            Verdict::Forked { .. } => Some(Break::Forked),
            Verdict::Gap => Some(Break::Lost),
            Verdict::Taken | Verdict::EpochChanged => None,
        };
        if let Some(why) = why {
            self.begin_anew(why, now, shared);
            return (why == Break::Lost).then_some(News::Lost);
        }
        match accused {
            // Part of the batch had arrived, and its answer was lost: the batch will be recognised. If it fails
            // again, it is the culprit all the same, or the two would follow each other without end.
            Some(_) if answer.through > row.confirmed && !self.resent => {
                self.resent = true;
                self.put_on_wire(None, now, shared);
            }
            Some(failure) => self.on_culprit(failure, now, shared),
            None => self.on_taken(answer, now, shared),
        }
        None
    }

    fn on_failure(&mut self, failure: Failure, was_question: bool, now: Now, shared: &mut Shared) {
        if failure.kind == FailureKind::Unauthorized {
            let identity =
                Identity { session: self.key.session.clone(), user: self.key.user.clone() };
            shared.effects.push_back(Effect::TokenWanted(identity));
        }
        if failure.kind == FailureKind::Superseded {
            return self.begin_anew(Break::Forked, now, shared);
        }
        self.failures += 1;
        let patience = if self.run_max.is_some() {
            failure.kind.patience().map(|_| 1)
        } else {
            failure.kind.patience()
        };
        if was_question {
            // An outage: nobody is to blame.
            self.failures = 0;
            self.rest(&failure, 0, now, shared);
        } else if patience.is_some_and(|patience| self.failures >= patience) {
            self.put_on_wire(Some(failure), now, shared);
        } else {
            self.rest(&failure, 0, now, shared);
        }
    }

    // The server is well, and this batch fails: halve it, or count it against the one event in it.
    fn on_culprit(&mut self, failure: Failure, now: Now, shared: &mut Shared) {
        self.resent = false;
        self.recall();
        let (Some(batch), Some(row)) = (&self.batch, &self.row) else { return };
        let keep = batch.events.len() / 2;
        if keep > 0 {
            let mut events = batch.events.clone();
            let rest = events.split_off(keep);
            let mut change = Change::to(row.clone(), now);
            let source = source_of(&batch.row.source, &batch.events, 0, &events);
            if matches!(source, Source::Journal(_)) {
                change.put_back = rest;
            }
            let mut half = seal(row, events, source, now.wall);
            half.row.tries = batch.row.tries;
            change.batch = Some(half);
            change.strict = true;
            self.run_max = Some(keep as u64);
            return self.sign(change, shared);
        }
        if !failure.kind.spends() {
            return self.rest(&failure, 0, now, shared);
        }
        let tries = batch.row.tries + 1;
        if tries < shared.config.options.tries_max {
            return self.rest(&failure, 1, now, shared);
        }
        if shared.dead.room(&shared.config.options) == 0 {
            self.full = true;
            return;
        }
        let Some(event) = batch.events.first() else { return };
        let mut change = Change::to(row.clone(), now);
        let reason = Reason { code: "tries-spent".into(), message: failure.fault.message };
        self.bury_into(&mut change, &event.clone(), reason, tries, now, shared);
        self.failures = 0;
        self.sign(change, shared);
    }

    // The event leaves the journal for the dead letters, in the same transaction.
    fn bury_into(
        &self,
        change: &mut Change,
        event: &Held,
        reason: Reason,
        tries: u32,
        now: Now,
        shared: &mut Shared,
    ) {
        let options = shared.config.options.clone();
        let burial = shared.dead.bury(&self.key, event, reason, tries, now.wall, &options);
        change.burials.push(burial);
        if self.batch.as_ref().is_some_and(|batch| !batch.is_from_journal()) {
            change.row.replay = change.row.replay.map(|replay| replay.past(event.position));
        } else {
            let position = event.position;
            change.ops.push(Op::DeleteSpan {
                store: Store::Journal,
                from: position,
                through: position,
            });
        }
        change.over.push(event.id.clone());
        change.strict = true;
    }

    // The same batch again, later.
    fn rest(&mut self, failure: &Failure, tries: u32, now: Now, shared: &mut Shared) {
        let (Some(batch), Some(row)) = (&self.batch, &self.row) else { return };
        let mut batch = batch.clone();
        batch.row.attempt = batch.row.attempt.saturating_add(1);
        batch.row.tries = batch.row.tries.saturating_add(tries);
        batch.row.last_fault = Some(failure.fault.clone());
        let options = &shared.config.options;
        let attempt = batch.row.attempt;
        batch.row.due_at = due(now.wall, attempt, failure.retry_after_ms, options, &mut shared.rng);
        self.last_fault = Some(failure.fault.clone());
        self.blocked = failure.kind.blocks();
        let mut change = Change::to(row.clone(), now);
        change.due = now.mono_at(batch.row.due_at);
        change.batch = Some(batch);
        self.store(change, shared);
    }

    // The server has consumed a prefix, perhaps all, perhaps nothing.
    fn on_taken(&mut self, answer: &Answer, now: Now, shared: &mut Shared) {
        let (Some(batch), Some(row)) = (self.batch.take(), self.row.clone()) else { return };
        let mut entries =
            match believed(&batch.row, batch.events.iter().map(|event| &event.id), answer) {
                Ok(entries) => entries,
                Err(fault) => {
                    self.batch = Some(batch);
                    let failure = Failure { kind: FailureKind::Ill, fault, retry_after_ms: None };
                    return self.on_failure(failure, true, now, shared);
                }
            };
        let mut change = Change::to(row, now);
        self.keep_within_room(&mut entries, shared);
        let consumed = entries.len();
        self.consume_into(&mut change, &batch, entries, now, shared);
        self.learn_epoch(&mut change, answer, shared);
        let mut rest = batch.events[consumed..].to_vec();
        self.resent = false;
        if consumed > 0 {
            self.failures = 0;
            self.run_max = self
                .run_max
                .map(|max| max.saturating_mul(2))
                .filter(|max| *max < limits::BATCH_EVENTS_MAX as u64);
        }
        let mut tries = if consumed == 0 { batch.row.tries } else { 0 };
        if let Some(later) = rest.first().and_then(|first| named(answer, &first.id, &change.row)) {
            tries += 1;
            if tries >= shared.config.options.tries_max {
                if shared.dead.room(&shared.config.options) == 0 {
                    self.full = true;
                    tries -= 1;
                } else {
                    let event = rest.remove(0);
                    let reason = Reason {
                        code: later,
                        message: "the server did not take it in as many tries as the app allows"
                            .into(),
                    };
                    self.batch = Some(batch.clone());
                    self.bury_into(&mut change, &event, reason, tries, now, shared);
                    tries = 0;
                }
            }
        }
        let skipped = batch.events.len() - rest.len();
        if rest.is_empty() {
            self.last_fault = None;
            self.blocked = false;
            if change.row.replay.is_none() {
                self.follow_into(&mut change, now, shared);
            }
        } else {
            self.recall();
            let source = source_of(&batch.row.source, &batch.events, skipped, &rest);
            let mut left = seal(&change.row, rest, source, now.wall);
            left.row.tries = tries;
            // A server that stops halfway without asking for time is only full of answers.
            let at_once =
                consumed > 0 && answer.later.is_none() && answer.retry_after_ms == Some(0);
            if !at_once {
                left.row.attempt = if consumed == 0 { batch.row.attempt + 1 } else { 1 };
                let options = &shared.config.options;
                let (attempt, wait) = (left.row.attempt, answer.retry_after_ms);
                let wait = wait.map(|wait| wait.min(limits::RETRY_AFTER_MS_MAX));
                left.row.due_at = due(now.wall, attempt, wait, options, &mut shared.rng);
                change.due = now.mono_at(left.row.due_at);
            }
            change.batch = Some(left);
            change.strict = true;
        }
        self.batch = Some(batch);
        self.sign(change, shared);
    }

    // After a batch that was taken whole comes the one that was looked at ahead, if it still fits.
    fn follow_into(&mut self, change: &mut Change, now: Now, shared: &Shared) {
        let fits = |ahead: &mut Batch| {
            ahead.row.first == change.row.confirmed.next() && ahead.row.previous == change.row.head
        };
        let signed = self.signing_ahead.is_none();
        if let Some(ahead) = self.ahead.take_if(|ahead| signed && fits(ahead)) {
            change.batch = Some(ahead);
            change.from_backlog = true;
        } else {
            self.recall();
            self.draft_into(change, now, shared);
        }
    }

    // A refusal that finds no room among the dead letters ends what is taken from the answer.
    fn keep_within_room(&mut self, entries: &mut Vec<DoneEntry>, shared: &Shared) {
        let room = shared.dead.room(&shared.config.options);
        let mut refused = 0;
        let fits = |entry: &&DoneEntry| {
            refused += usize::from(refusal(entry).is_some());
            refused <= room
        };
        let kept = entries.iter().take_while(fits).count();
        self.full = kept < entries.len();
        entries.truncate(kept);
    }

    fn consume_into(
        &self,
        change: &mut Change,
        batch: &Batch,
        entries: Vec<DoneEntry>,
        now: Now,
        shared: &mut Shared,
    ) {
        if entries.is_empty() {
            return;
        }
        let events = &batch.events[..entries.len()];
        (change.row.confirmed, change.row.head) = if events.len() == batch.events.len() {
            (batch.row.first.plus(batch.row.count - 1), batch.row.head)
        } else {
            advanced(&change.row, events)
        };
        change.over.extend(events.iter().map(|event| event.id.clone()));
        for (event, entry) in events.iter().zip(&entries) {
            if let Some((code, message)) = refusal(entry) {
                let options = shared.config.options.clone();
                let reason = Reason { code, message };
                let burial = shared.dead.bury(
                    &self.key,
                    event,
                    reason,
                    batch.row.tries.saturating_add(1),
                    now.wall,
                    &options,
                );
                change.burials.push(burial);
                change.strict = true;
            }
        }
        match &batch.row.source {
            Source::Retained { .. } => {
                let past = |replay: Replay| {
                    events.iter().fold(replay, |left, event| left.past(event.position))
                };
                change.row.replay = change.row.replay.map(past);
            }
            Source::Journal(_) => self.file_into(change, events, entries, now, shared),
        }
    }

    // Outcomes and events are kept for a while, under the count of events answered.
    fn file_into(
        &self,
        change: &mut Change,
        events: &[Held],
        entries: Vec<DoneEntry>,
        now: Now,
        shared: &mut Shared,
    ) {
        for span in spans(events) {
            let (from, through) = (span.from, span.through);
            change.ops.push(Op::DeleteSpan { store: Store::Journal, from, through });
        }
        let accepted =
            events.iter().zip(&entries).filter(|(_, entry)| entry.outcome != Outcome::REFUSED);
        let retained = RetainedRow {
            version: ROW_VERSION,
            at: now.wall,
            session: self.key.session.clone(),
            user: self.key.user.clone(),
            lane: self.key.lane,
            events: accepted.map(|(event, _)| event.sealed.clone().into()).collect(),
        };
        let before = shared.answered;
        shared.answered += entries.len() as u64;
        let key = crate::rows::Key::Number(shared.answered);
        if !retained.events.is_empty() {
            let row = to_cbor(&retained);
            change.ops.push(Op::Put { store: Store::Retained, key: key.clone(), row });
        }
        let done = DoneRow { version: ROW_VERSION, at: now.wall, entries };
        change.ops.push(Op::Put { store: Store::Done, key, row: to_cbor(&done) });
        if before / TRIM_EVERY != shared.answered / TRIM_EVERY && !shared.replaying {
            for (store, kept) in [
                (Store::Done, limits::DONE_EVENTS_MAX),
                (Store::Retained, limits::RETAINED_EVENTS_MAX),
            ] {
                if let Some(through) =
                    shared.answered.checked_sub(kept).filter(|through| *through > 0)
                {
                    change.ops.push(Op::DeleteSpan { store, from: 0, through });
                }
            }
        }
    }

    // The first answer of a session says which life its log lives.
    fn learn_epoch(&self, change: &mut Change, answer: &Answer, shared: &mut Shared) {
        let session = &self.key.session;
        if shared.cursors.contains_key(session) {
            return;
        }
        let cursor = CursorRow {
            version: ROW_VERSION,
            session: session.clone(),
            epoch: answer.log_epoch,
            offset: answer.log_head,
        };
        let key = crate::rows::Key::Text(session.clone());
        change.ops.push(Op::Put { store: Store::Cursor, key, row: to_cbor(&cursor) });
        shared.cursors.insert(session.clone(), cursor);
    }

    /// A new life: everything unconfirmed, and what the server acknowledged and may have lost, is
    /// sealed again under the same ids.
    fn begin_anew(&mut self, why: Break, now: Now, shared: &mut Shared) {
        self.breaking = Some(why);
        self.recall();
        let Some(row) = &self.row else {
            self.breaking = None;
            return;
        };
        // As soon as the device is known.
        let Some(device) = &shared.device else { return };
        let former = Former { incarnation: row.incarnation, head: row.head };
        let replay = (shared.answered > 0 && why != Break::Torn)
            .then_some(Replay { from: 0, through: shared.answered, skip: 0 })
            .or(row.replay);
        let incarnation = Incarnation(shared.rng.bytes());
        let next = StreamRow::begin(&self.key, device.device, incarnation, Some(former), replay);
        let mut change = Change::to(next, now);
        change.strict = true;
        if let Some(batch) = self.batch.as_ref().filter(|batch| batch.is_from_journal()) {
            change.put_back.clone_from(&batch.events);
        }
        change.notices.extend(report(why, &self.key, shared));
        change.why = self.breaking.take();
        self.failures = 0;
        self.last_fault = None;
        self.store(change, shared);
    }

    /// Rows of `retained` have been read.
    pub(super) fn on_retained(
        &mut self,
        ticket: Ticket,
        rows: &[(u64, Vec<u8>)],
        now: Now,
        shared: &mut Shared,
    ) {
        let Some(Phase::Loading(_)) = self.leave(ticket) else { return };
        let Some((_, through)) = self.wanted() else { return };
        let ended = rows.len() < LOAD_ROWS_MAX as usize
            || rows.last().is_some_and(|(key, _)| *key >= through);
        let mut held: Vec<Held> = rows
            .iter()
            .filter(|(key, _)| *key <= through)
            .flat_map(|row| self.events_of(row))
            .collect();
        if let Some(mut batch) = self.gathering.take() {
            if let Source::Retained { keys, skip } = &batch.row.source {
                held.retain(|event| keys.contains(&event.position));
                let skip = usize::try_from(*skip).unwrap_or(usize::MAX);
                let count = usize::try_from(batch.row.count).unwrap_or(usize::MAX);
                batch.events = held.into_iter().skip(skip).take(count).collect();
            }
            self.gathering = Some(batch);
            self.gathered();
            return self.go(now, shared);
        }
        let Some(row) = self.row.clone() else { return };
        let Some(replay) = row.replay else { return };
        let mut change = Change::to(row, now);
        let mut seen = 0;
        held.retain(|event| {
            seen += u64::from(event.position == replay.from);
            event.position != replay.from || seen > replay.skip
        });
        let mut bytes = 0;
        let fits = |event: &&Held| {
            bytes += event.sealed.len();
            bytes <= limits::BATCH_BYTES_MAX
        };
        let fitting = held.iter().take_while(fits).count().clamp(1, limits::BATCH_EVENTS_MAX);
        held.truncate(fitting);
        if held.is_empty() {
            let last = rows.last().map_or(through, |(key, _)| *key);
            change.row.replay = (!ended).then_some(Replay { from: last + 1, skip: 0, ..replay });
            return self.store(change, shared);
        }
        let mut keys: Vec<u64> = held.iter().map(|event| event.position).collect();
        keys.dedup();
        let skip = if keys.first() == Some(&replay.from) { replay.skip } else { 0 };
        let source = Source::Retained { keys, skip };
        change.batch = Some(seal(&change.row, held, source, now.wall));
        change.strict = true;
        self.sign(change, shared);
    }

    // The events of a retained row, if it is of this stream and can be read.
    fn events_of(&self, (key, bytes): &(u64, Vec<u8>)) -> Vec<Held> {
        let StreamKey { session, user, lane } = &self.key;
        let held = |sealed: &ByteVec| {
            let id = decode::<crate::wire::Event<'_>>(sealed).ok()?.id;
            Some(Held { id, sealed: sealed.to_vec(), position: *key, run_start: false })
        };
        match read::<RetainedRow>(bytes) {
            Ok(row) if (&row.session, &row.user, row.lane) == (session, user, *lane) => {
                row.events.iter().filter_map(held).collect()
            }
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}

impl Change {
    fn to(row: StreamRow, now: Now) -> Self {
        Self {
            row,
            batch: None,
            from_backlog: false,
            put_back: Vec::new(),
            over: Vec::new(),
            ops: Vec::new(),
            burials: Vec::new(),
            notices: Vec::new(),
            strict: false,
            due: now.mono,
            why: None,
        }
    }
}

// Whether the answer names the first event that is left, and as what.
fn named(answer: &Answer, first: &EventId, row: &StreamRow) -> Option<Box<str>> {
    let later = answer.later.as_ref()?;
    (later.id == *first && later.seq == row.confirmed.next()).then(|| later.code.clone())
}

// Where `rest` lies, which is what is left of `events` after `skipped`, or a part of that.
fn source_of(source: &Source, events: &[Held], skipped: usize, rest: &[Held]) -> Source {
    let Source::Retained { skip, .. } = source else {
        return Source::Journal(spans(rest));
    };
    let mut keys: Vec<u64> = rest.iter().map(|event| event.position).collect();
    keys.dedup();
    let first = keys.first().copied();
    let same = |event: &&Held| Some(event.position) == first;
    let before = events[..skipped].iter().filter(same).count() as u64;
    let whole = events.first().map(|event| event.position) == first;
    Source::Retained { keys, skip: before + if whole { *skip } else { 0 } }
}

fn report(why: Break, key: &StreamKey, shared: &Shared) -> Option<Notice> {
    match why {
        Break::Renewed => None,
        Break::Lost => {
            let epoch = shared.log_epoch(&key.session);
            let session = key.session.clone();
            Some(Notice::StateLost { what: "server-log".into(), session, from: epoch, to: epoch })
        }
        Break::Forked => Some(Notice::Trouble(Fault::new(
            "stream-forked",
            Culprit::Peer,
            "a copy of this device has sent other events in its place; this one goes on under a new name",
        ))),
        Break::Torn => Some(Notice::Trouble(Fault::new(
            "stream-torn",
            Culprit::Browser,
            "what was stored of a batch does not fit together; its events are sealed again",
        ))),
    }
}

fn cannot_sign() -> Fault {
    Fault::new(
        "signing-failed",
        Culprit::Browser,
        "the browser could not sign a batch; it will be tried again",
    )
}

/// Rows of `retained` in one read.
const LOAD_ROWS_MAX: u32 = 64;
/// How many events are answered between two trims.
const TRIM_EVERY: u64 = 500;
/// A stream is not hurried more often than this.
const HURRY_MIN: Duration = Duration::from_secs(1);
