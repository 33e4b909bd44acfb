//! What the server has consumed: forgotten here, filed, buried, and followed by the next batch.

use super::super::answer::{believed, refusal};
use super::super::batch::{Batch, Held, advanced, seal, spans};
use super::super::retry::{Failure, FailureKind, due};
use super::super::{Effect, Ticket, Verdicts};
use super::anew::source_of;
use super::{Change, Shared, Stream, YIELD_MAX};
use crate::base::{EventId, Now, limits};
use crate::bus::{Identity, Over};
use crate::rows::{
    CursorRow, DoneEntry, DoneRow, Op, ROW_VERSION, Reason, Replay, RetainedRow, Source, Store,
    StreamKey, StreamRow,
};
use crate::rules::document::STATE_CONFLICT;
use crate::wire::{Answer, Lane, Outcome, to_cbor};

impl Stream {
    // The server has consumed a prefix, perhaps all, perhaps nothing.
    pub(super) fn on_taken(&mut self, answer: &Answer, now: Now, shared: &mut Shared) {
        let (Some(batch), Some(row)) = (self.batch.take(), self.row.clone()) else { return };
        let mut entries =
            match believed(&batch.row, batch.events.iter().map(|event| &event.id), answer) {
                Ok(entries) => entries,
                Err(fault) => {
                    self.batch = Some(batch);
                    let failure = Failure { kind: FailureKind::Ill, fault, retry_after_ms: None };
                    return self.on_failure(failure, true, Ticket::default(), now, shared);
                }
            };
        let mut change = Change::to(row, now);
        self.keep_within_room(&mut entries, shared);
        let consumed = entries.len();
        self.tell_taken(&batch, &entries, answer, shared);
        self.consume_into(&mut change, &batch, entries, now, shared);
        self.learn_epoch(&mut change, answer, shared);
        let mut rest = batch.events[consumed..].to_vec();
        self.resent = false;
        self.clear_trouble();
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

    // Where there are patches among them, or may have been: whoever keeps the document has to know how far the log goes.
    fn tell_taken(
        &self,
        batch: &Batch,
        entries: &[DoneEntry],
        answer: &Answer,
        shared: &mut Shared,
    ) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        // What was sent before may have been taken then, and the answer says nothing of when.
        let is_new = self.is_sent_once(batch)
            && entries.iter().all(|entry| entry.outcome == Outcome::ACCEPTED);
        let span = first.offset.zip(last.offset).filter(|(from, through)| {
            is_new && through.checked_sub(*from) == Some(entries.len() as u64 - 1)
        });
        let (mut patches, mut over, mut losers) = (Vec::new(), Vec::new(), Vec::new());
        for (event, entry) in batch.events.iter().zip(entries).filter(|(event, _)| event.is_patch) {
            match (refusal(entry), entry.offset) {
                (Some((code, message)), _) => {
                    if event.resolve && is_conflict(&code) {
                        losers.push(event.sealed.clone());
                    }
                    over.push(Over {
                        id: event.id.clone(),
                        refused: Some(Reason { code, message }),
                    });
                }
                (None, Some(offset)) => patches.push((offset, event.sealed.clone())),
                (None, None) => {}
            }
        }
        let StreamKey { session, user, .. } = self.key.clone();
        shared.effects.push_back(Effect::Verdicts(Verdicts {
            identity: Identity { session, user },
            epoch: answer.log_epoch,
            span,
            patches,
            at: answer.server_time,
            over,
            losers,
        }));
    }

    // After a batch that was taken whole comes the one that was sealed behind it, if it still fits, and leaves at
    // once: whatever becomes of this change, it is on disk, and the server will say again what the answer said.
    pub(super) fn follow_into(&mut self, change: &mut Change, now: Now, shared: &mut Shared) {
        let fits = |ahead: &mut Batch| {
            ahead.row.first == change.row.confirmed.next()
                && ahead.row.previous == change.row.head
                // Buried with what was just refused, instead of being put off by the server.
                && !ahead.events.iter().any(|event| shared.dead.dooms(event))
        };
        if let Some(ahead) = self.ahead.take_if(fits) {
            change.batch = Some(ahead);
            change.from_backlog = true;
            let spares = self.key.lane == Lane::Bulk && shared.pace.spares_bulk();
            if spares {
                change.due = now.mono.after(YIELD_MAX);
            } else if shared.may_send() && shared.lets_out(now) && !self.yields(now, shared) {
                self.send_early(change, now, shared);
            }
        } else {
            self.recall();
            self.draft_into(change, now, shared);
        }
        self.draft_ahead_into(change, now, shared);
    }

    // A refusal that finds no room among the dead letters ends what is taken from the answer.
    pub(super) fn keep_within_room(&mut self, entries: &mut Vec<DoneEntry>, shared: &Shared) {
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

    pub(super) fn consume_into(
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
                // Two have written, and that is all: it is told, and nobody has to mend it.
                if event.is_patch && is_conflict(&code) {
                    continue;
                }
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
    pub(super) fn file_into(
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
        if !retained.events.is_empty() && !shared.config.is_plain() {
            let key = crate::rows::Key::Number(shared.answered + entries.len() as u64);
            let row = to_cbor(&retained);
            change.ops.push(Op::Put { store: Store::Retained, key, row });
        }
        change.filed = shared.file_into(&mut change.ops, &self.key, entries, now);
    }

    // The first answer of a session says which life its log lives.
    pub(super) fn learn_epoch(&self, change: &mut Change, answer: &Answer, shared: &mut Shared) {
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
        change.learnt = Some(answer.log_epoch);
        shared.cursors.insert(session.clone(), cursor);
    }
}

impl Shared {
    /// Files outcomes. Gives how many, and the count of events answered that they are filed under.
    pub(in crate::outbox) fn file_into(
        &mut self,
        ops: &mut Vec<Op>,
        stream: &StreamKey,
        entries: Vec<DoneEntry>,
        now: Now,
    ) -> (u64, u64) {
        let (before, count) = (self.answered, entries.len() as u64);
        self.answered += count;
        let (session, user) = (Some(stream.session.clone()), Some(stream.user.clone()));
        let done = DoneRow { version: ROW_VERSION, at: now.wall, entries, session, user };
        let key = crate::rows::Key::Number(self.answered);
        ops.push(Op::Put { store: Store::Done, key, row: to_cbor(&done) });
        if before / TRIM_EVERY != self.answered / TRIM_EVERY && !self.replaying {
            for (store, kept) in [
                (Store::Done, limits::DONE_EVENTS_MAX),
                (Store::Retained, limits::RETAINED_EVENTS_MAX),
            ] {
                if let Some(through) =
                    self.answered.checked_sub(kept).filter(|through| *through > 0)
                {
                    ops.push(Op::DeleteSpan { store, from: 0, through });
                }
            }
        }
        (count, self.answered)
    }

    /// The disk has refused what was filed. What has been filed since stands under a greater count, which cannot be
    /// taken back.
    pub(super) fn unfile(&mut self, (count, answered): (u64, u64)) {
        if self.answered == answered {
            self.answered -= count;
        }
    }
}

fn is_conflict(code: &str) -> bool {
    code == STATE_CONFLICT
}

// Whether the answer names the first event that is left, and as what.
fn named(answer: &Answer, first: &EventId, row: &StreamRow) -> Option<Box<str>> {
    let later = answer.later.as_ref()?;
    (later.id == *first && later.seq == row.confirmed.next()).then(|| later.code.clone())
}

/// How many events are answered between two trims.
const TRIM_EVERY: u64 = 500;
