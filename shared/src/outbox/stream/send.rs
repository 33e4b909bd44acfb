//! On the wire and back: what a response means for the stream, and whom a failure is counted against (OUT-5).

use super::super::batch::{About, Batch, Held, question, seal};
use super::super::plain::{self, Asked, request_of};
use super::super::retry::{Failure, FailureKind, Heard, Response, due, hear};
use super::super::{Effect, Ticket};
use super::anew::source_of;
use super::{Break, Change, Early, News, Phase, Shared, Stream};
use crate::base::{Now, Seq};
use crate::bus::Identity;
use crate::rows::{Op, Reason, Source, Store, StreamRow};
use crate::wire::{Answer, Verdict, to_cbor};

impl Stream {
    pub(super) fn about<'a>(&self, shared: &'a Shared, row: &'a StreamRow) -> Option<About<'a>> {
        Some(About {
            device: shared.device.as_ref()?,
            stream: row,
            log_epoch: shared.log_epoch(&self.key.session),
            host_epoch: shared.host_epoch,
            build: &shared.build,
        })
    }

    // `accused` is the failure for which the server is asked whether it is well.
    pub(super) fn put_on_wire(&mut self, accused: Option<Failure>, now: Now, shared: &mut Shared) {
        let (Some(row), Some(batch)) = (&self.row, &self.batch) else { return };
        let ticket = shared.ticket();
        let asks = accused.is_some();
        let first = batch.row.first;
        let Some(effect) = self.message(ticket, row, batch, asks, shared) else { return };
        if !asks {
            self.count(first);
        }
        self.post(effect, now, shared);
        self.phase = Phase::Sending(ticket, accused);
    }

    // The change's batch is sealed already, behind the one that the change is about: it does not wait for the change.
    pub(super) fn send_early(&mut self, change: &Change, now: Now, shared: &mut Shared) {
        let Some(batch) = &change.batch else { return };
        let ticket = shared.ticket();
        let Some(effect) = self.message(ticket, &change.row, batch, false, shared) else { return };
        let first = batch.row.first;
        self.count(first);
        self.post(effect, now, shared);
        self.early = Some(Early { ticket, heard: None });
    }

    // A batch that begins here leaves.
    fn count(&mut self, first: Seq) {
        let times = if self.sent.0 == first { self.sent.1.saturating_add(1) } else { 1 };
        self.sent = (first, times);
    }

    /// Whether the server has taken it when it has answered: it was sent once.
    pub(super) fn is_sent_once(&self, batch: &Batch) -> bool {
        batch.fresh && batch.row.attempt == 0 && self.sent == (batch.row.first, 1)
    }

    // What sends the batch, or asks about it.
    fn message(
        &self,
        ticket: Ticket,
        row: &StreamRow,
        batch: &Batch,
        asks: bool,
        shared: &Shared,
    ) -> Option<Effect> {
        let identity = Identity { session: self.key.session.clone(), user: self.key.user.clone() };
        if shared.config.is_plain() {
            let event = batch.events.first()?;
            let request = request_of(&event.sealed);
            return Some(Effect::Request { ticket, identity, id: event.id.clone(), request });
        }
        let about = self.about(shared, row)?;
        let body = to_cbor(&if asks { question(&about) } else { batch.push(&about) });
        let compress = shared.pace.compresses(body.len());
        Some(Effect::Push { ticket, identity, body, compress })
    }

    fn post(&mut self, effect: Effect, now: Now, shared: &mut Shared) {
        shared.effects.push_back(effect);
        shared.breaker.on_sent();
        shared.last_sent = Some(now.mono);
        self.last_sent = Some(now.mono);
        self.yielding = None;
    }

    /// Something came back, or did not. Gives what it says of the whole session's log.
    pub(in crate::outbox) fn on_response(
        &mut self,
        ticket: Ticket,
        response: Response,
        now: Now,
        shared: &mut Shared,
    ) -> Option<News> {
        if let (Response::Http { status, .. }, Some(sent)) = (&response, self.last_sent) {
            shared.pace.took(now.mono.since(sent));
            if *status == UNSUPPORTED_MEDIA_TYPE {
                shared.pace.refuse_compression();
            }
        }
        if let Some(early) = self.early.as_mut().filter(|early| early.ticket == ticket) {
            // None is sent early that is a plain request.
            early.heard = Some(weigh(hear(response), false, now, shared));
            if matches!(self.phase, Phase::Idle) {
                // The disk has refused what was to be filed before it.
                self.early = None;
                self.go(now, shared);
            }
            return None;
        }
        let Some(Phase::Sending(_, accused)) = self.leave(ticket) else { return None };
        let withheld = response == Response::Withheld;
        let heard = match self.asked(shared) {
            Some(asked) => plain::read(response, &asked, now),
            None => hear(response),
        };
        let heard = weigh(heard, withheld, now, shared);
        self.take_up(ticket, heard, accused, now, shared)
    }

    /// What came back is heard once all that it follows is on disk.
    pub(super) fn take_up(
        &mut self,
        ticket: Ticket,
        heard: Heard,
        accused: Option<Failure>,
        now: Now,
        shared: &mut Shared,
    ) -> Option<News> {
        if self.breaking.is_some() {
            self.go(now, shared);
            return None;
        }
        match heard {
            Heard::Failure(failure) => {
                shared.reachable = Some(failure.kind != FailureKind::Unreachable);
                self.on_failure(failure, accused.is_some(), ticket, now, shared);
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

    // The event that a plain request was made of.
    fn asked<'a>(&'a self, shared: &Shared) -> Option<Asked<'a>> {
        let batch = self.batch.as_ref().filter(|_| shared.config.is_plain())?;
        let log_epoch = shared.log_epoch(&self.key.session).unwrap_or_default();
        Some(Asked { seq: batch.row.first, id: &batch.events.first()?.id, log_epoch })
    }

    pub(super) fn on_answer(
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

    pub(super) fn on_failure(
        &mut self,
        failure: Failure,
        was_question: bool,
        ticket: Ticket,
        now: Now,
        shared: &mut Shared,
    ) {
        if failure.kind == FailureKind::Unauthorized {
            let identity =
                Identity { session: self.key.session.clone(), user: self.key.user.clone() };
            shared.effects.push_back(Effect::TokenWanted { identity, ticket });
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
        } else if shared.config.is_plain() {
            self.rest(&failure, 0, now, shared);
        } else if patience.is_some_and(|patience| self.failures >= patience) {
            // At once, whatever the breaker says: later, an outage may be over that the batch had no part in.
            self.put_on_wire(Some(failure), now, shared);
        } else {
            self.rest(&failure, 0, now, shared);
        }
    }

    // The server is well, and this batch fails: halve it, or count it against the one event in it.
    pub(super) fn on_culprit(&mut self, failure: Failure, now: Now, shared: &mut Shared) {
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
            self.clear_trouble();
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
        self.clear_trouble();
        self.sign(change, shared);
    }

    // The event leaves the journal for the dead letters, in the same transaction.
    pub(super) fn bury_into(
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
    pub(super) fn rest(&mut self, failure: &Failure, tries: u32, now: Now, shared: &mut Shared) {
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
        self.spared = failure.kind.is_outage();
        let mut change = Change::to(row.clone(), now);
        change.due = now.mono_at(batch.row.due_at);
        change.batch = Some(batch);
        change.ahead = self.ahead.take();
        self.store(change, shared);
    }
}

/// RFC 9110: the server does not take the body's encoding.
const UNSUPPORTED_MEDIA_TYPE: u16 = 415;

// What came back counts for the breaker when it comes, whatever it has to wait for.
fn weigh(heard: Heard, withheld: bool, now: Now, shared: &mut Shared) -> Heard {
    match &heard {
        Heard::Failure(failure) if failure.kind.is_outage() => {
            let Shared { breaker, config, rng, .. } = shared;
            breaker.on_failed(|failures| {
                due(now.wall, failures.saturating_sub(2), None, &config.options, rng)
            });
        }
        Heard::Failure(_) if withheld => shared.breaker.on_withheld(),
        Heard::Failure(_) | Heard::Answer(_) => shared.breaker.on_answered(),
    }
    heard
}
