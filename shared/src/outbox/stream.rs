//! One stream: one sequence, one chain, one batch in flight, and the way out of a fork.
//!
//! ```text
//!            run of rows          signed           on disk          answered
//!  Idle ───────────────▶ Signing ───────▶ Storing ────────▶ Sending ────────▶ Signing or Storing ─▶ …
//!   ▲                                        ▲                 │ failed         the next is on the wire already
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
//! A batch is sealed together with the one behind it, in one row. If the server takes all of the first, the
//! second leaves at once, while what was said of the first is filed and a third is sealed: the disk is waited for
//! beside the wire, and there is still one batch on it. If it takes less, the second goes back to the backlog:
//! what it follows has not arrived, so neither has it.

mod amend;
mod anew;
mod seal;
mod send;
mod take;

use core::time::Duration;
use std::collections::VecDeque;

use super::backlog::Backlog;
use super::batch::{Batch, Held};
use super::dead::{Burial, DeadLetters};
use super::pace::Pace;
use super::retry::{Failure, Heard, PATIENCE, clamp_due};
use super::{Effect, Ticket};
use crate::base::{Epoch, EventId, Fault, LogEpoch, Mono, Now, Rng, Seq, SortedMap, limits};
use crate::bus::{Identity, Notice};
use crate::rows::{Config, CursorRow, DeviceRow, FlightRow, Op, Source, StreamKey, StreamRow};
use crate::rules::breaker::{Breaker, Stand};
use crate::wire::Lane;

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
    pub(super) breaker: Breaker,
    pub(super) pace: Pace,
    /// Whether anything is under way that cannot wait as bulk can.
    pub(super) urgent: bool,
    /// When any stream last sent something.
    pub(super) last_sent: Option<Mono>,
}

impl Shared {
    pub(super) fn ticket(&mut self) -> Ticket {
        self.last_ticket.0 += 1;
        self.last_ticket
    }

    fn may_send(&self) -> bool {
        self.device.is_some() && self.config.may_send()
    }

    /// Whether the breaker lets a request out.
    fn lets_out(&self, now: Now) -> bool {
        matches!(self.breaker.stand(now.wall), Stand::Closed | Stand::Ready)
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
    /// What is sealed behind the batch; its events, too, were taken from the backlog.
    ahead: Option<Batch>,
    /// Events of the backlog that it buries.
    buried: Vec<Held>,
    put_back: Vec<Held>,
    over: Vec<EventId>,
    /// Events that it files, and the count of events answered that they are filed under.
    filed: (u64, u64),
    /// The life of the session's log, if it is the first to hear of it.
    learnt: Option<LogEpoch>,
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
    /// A signature has been asked for, of the change's batch or of the one behind it.
    Signing(Ticket, Box<Change>, Part),
    /// A transaction is under way.
    Storing(Ticket, Box<Change>),
    /// A batch, or the question that a failed batch is accused by, is on the wire.
    Sending(Ticket, Option<Failure>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Batch,
    Ahead,
}

/// A batch that has left while what was said of the one before is being filed.
#[derive(Debug)]
struct Early {
    ticket: Ticket,
    /// What has come back. It waits until that is on disk.
    heard: Option<Heard>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    key: StreamKey,
    row: Option<StreamRow>,
    batch: Option<Batch>,
    /// The batch behind it, which is on disk, too. The disk may know of one that was taken back here: the next
    /// change overwrites it.
    ahead: Option<Batch>,
    early: Option<Early>,
    /// With which place the batch begins that was sent last, and how often one that begins there was sent.
    sent: (Seq, u32),
    /// A batch that was sealed before this life began, until its events and those of the one behind it have been read.
    gathering: Option<Batch>,
    backlog: Backlog,
    phase: Phase,
    due: Mono,
    last_sent: Option<Mono>,
    /// It lets others go first since.
    yielding: Option<Mono>,
    /// It rests because the server was away.
    spared: bool,
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
        let mut backlog = Backlog::default();
        backlog.seal_through(row.as_ref().and_then(|row| row.sealed_through));
        Self {
            key,
            row,
            batch: None,
            ahead: None,
            early: None,
            gathering: None,
            backlog,
            phase: Phase::Idle,
            due: Mono(0),
            last_sent: None,
            yielding: None,
            spared: false,
            failures: 0,
            run_max: None,
            breaking: None,
            full: false,
            last_fault: None,
            blocked: false,
            resent: false,
            sent: (Seq(0), 0),
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
        // Each time the patience ended it began again: a worker that lives for one try at a time loses none of it.
        self.failures = flight.attempt % PATIENCE;
        self.last_fault = flight.last_fault.clone();
        let bare = |row| Batch { row, events: Vec::new(), fresh: false };
        let batch = bare(FlightRow { ahead: None, ..flight.clone() });
        self.ahead = flight.next().filter(|_| batch.is_from_journal()).map(bare);
        self.gathering = Some(batch);
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
        let sealed = match &mut self.gathering {
            Some(batch) if batch.row.source.covers(held.position) => Some(batch),
            Some(_) => self.ahead.as_mut().filter(|ahead| ahead.row.source.covers(held.position)),
            None => None,
        };
        let Some(batch) = sealed else {
            return self.backlog.offer(held) == super::backlog::Taken::Repeat;
        };
        self.backlog.note(held.id.clone(), held.position);
        batch.events.push(held);
        false
    }

    /// The journal has been read as far as the position `through`.
    pub(super) fn on_read(&mut self, through: u64, now: Now, shared: &mut Shared) {
        let last = |batch: &Batch| match &batch.row.source {
            Source::Journal(spans) => Some(spans.last().map_or(0, |span| span.through)),
            Source::Retained { .. } => None,
        };
        let behind = self.ahead.as_ref().and_then(last);
        let last = self.gathering.as_ref().and_then(last).map(|last| behind.max(Some(last)));
        if last.is_some_and(|last| last <= Some(through)) {
            self.gathered();
        }
        self.go(now, shared);
    }

    fn gathered(&mut self) {
        let Some(batch) = self.gathering.take() else { return };
        let whole = batch.is_whole() && self.breaking.is_none();
        if !whole || self.ahead.as_ref().is_some_and(|ahead| !ahead.is_whole()) {
            self.recall();
        }
        if whole {
            self.batch = Some(batch);
        } else {
            // A log that lives another life weighs more: what was acknowledged has to be sent again, too.
            self.breaking.get_or_insert(Break::Torn);
            if batch.is_from_journal() {
                self.backlog.seal_through(seal::last(&batch.events));
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
        let early = self.early.as_ref().filter(|early| early.heard.is_none());
        self.ticket().into_iter().chain(early.map(|early| early.ticket))
    }

    fn ticket(&self) -> Option<Ticket> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Loading(ticket)
            | Phase::Signing(ticket, ..)
            | Phase::Storing(ticket, _)
            | Phase::Sending(ticket, _) => Some(*ticket),
        }
    }

    /// Events that the server has not answered.
    pub(super) fn pending(&self) -> u64 {
        let sealed = self.batch.as_ref().or(self.gathering.as_ref());
        let sealed = sealed.filter(|batch| batch.is_from_journal());
        let (drafted, behind) = match &self.phase {
            Phase::Signing(_, change, _) | Phase::Storing(_, change) => {
                (change.batch.as_ref().filter(|_| change.from_backlog), change.ahead.as_ref())
            }
            Phase::Idle | Phase::Loading(_) | Phase::Sending(..) => (None, None),
        };
        let known = [sealed, self.ahead.as_ref(), drafted, behind];
        known.into_iter().flatten().map(|batch| batch.row.count).sum::<u64>() + self.backlog.len()
    }

    /// Whether something is under way that will end by itself.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.phase, Phase::Idle) || self.early.is_some()
    }

    /// Whether a transaction will be asked for as soon as a signature has come.
    pub(super) fn is_about_to_write(&self) -> bool {
        matches!(self.phase, Phase::Signing(..))
    }

    /// Whether it holds anything that is to be sent, and that no letter has to be thrown away for first.
    pub(super) fn has_work(&self) -> bool {
        let drafted = match &self.phase {
            Phase::Signing(_, change, _) | Phase::Storing(_, change) => change.from_backlog,
            Phase::Idle | Phase::Loading(_) | Phase::Sending(..) => false,
        };
        let queued = !self.backlog.is_empty() && !self.backlog.is_waiting();
        let holds = self.batch.is_some() || drafted || queued;
        (holds || self.wanted().is_some()) && !self.full
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
        let idle = matches!(self.phase, Phase::Idle) && self.has_work();
        if !idle || !shared.may_send() || self.full {
            return None;
        }
        let due = match shared.breaker.stand(now.wall) {
            Stand::Closed | Stand::Ready => self.due,
            Stand::Open(until) => self.due.max(now.mono_at(until)),
            Stand::Probing => return None,
        };
        let due = self.yielding.map_or(due, |since| due.max(since.after(YIELD_MAX)));
        (due > now.mono).then_some(due)
    }

    /// Whether it waits for its time, and not only for others to go first.
    pub(super) fn is_resting(&self, now: Now, shared: &Shared) -> bool {
        self.yielding.is_none() && self.poll_timeout(now, shared).is_some()
    }

    /// Whether it is at work on what cannot wait as bulk can.
    pub(super) fn is_urgent(&self) -> bool {
        self.key.lane != Lane::Bulk && self.is_busy()
    }

    // Bulk lets the others go first, for a while.
    fn yields(&mut self, now: Now, shared: &Shared) -> bool {
        if self.key.lane != Lane::Bulk || !shared.urgent {
            self.yielding = None;
            return false;
        }
        let since = *self.yielding.get_or_insert(now.mono);
        now.mono.since(since) < YIELD_MAX
    }

    /// The server has answered somebody, after an outage.
    pub(super) fn on_server_back(&mut self, now: Now, shared: &mut Shared) {
        if self.spared {
            self.due = self.due.min(now.mono);
        }
        self.go(now, shared);
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
        // One that follows a refusal at once, again and again, is no better than the one before.
        let first = self.batch.as_ref().is_some_and(|batch| batch.row.attempt <= 1);
        let recent = self.last_sent.is_some_and(|sent| now.mono.since(sent) < HURRY_MIN);
        if self.blocked && (first || !recent) {
            self.due = self.due.min(now.mono);
            if let Phase::Storing(_, change) = &mut self.phase {
                change.due = change.due.min(now.mono);
            }
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
        self.supersede(now, shared);
        if self.is_busy() {
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
        if self.due > now.mono || self.yields(now, shared) {
            return;
        }
        if self.batch.is_some() {
            if shared.lets_out(now) {
                self.put_on_wire(None, now, shared);
            }
        } else if let Some((from, _)) = self.wanted() {
            let ticket = shared.ticket();
            self.phase = Phase::Loading(ticket);
            let after = from.saturating_sub(1);
            shared.effects.push_back(Effect::ReadRetained { ticket, after, limit: LOAD_ROWS_MAX });
        } else if self.gathering.is_none() && !self.backlog.is_empty() && !self.backlog.is_held() {
            self.seal_next(now, shared);
        }
    }
}

/// Rows of `retained` in one read.
const LOAD_ROWS_MAX: u32 = 64;
/// Bulk lets the others go first for so long.
const YIELD_MAX: Duration = Duration::from_millis(limits::YIELD_MS_MAX);
/// A stream is not hurried more often than this.
pub(super) const HURRY_MIN: Duration = Duration::from_secs(1);
