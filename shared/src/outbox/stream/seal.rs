//! Drafting, signing and storing: everything a stream changes goes through here.
//!
//! What always holds: a change is in force only once it is on disk; refused, it leaves no trace, and the events
//! that were taken for it are back in the backlog.

use super::super::Effect;
use super::super::Ticket;
use super::super::batch::{Batch, seal, spans};
use super::super::retry::due;
use super::{Change, Phase, Shared, Stream};
use crate::base::{Culprit, Fault, Incarnation, Now};
use crate::bus::Notice;
use crate::rows::{Op, Source, Store, StreamRow};
use crate::wire::to_cbor;

impl Stream {
    pub(super) fn seal_next(&mut self, now: Now, shared: &mut Shared) {
        self.recall();
        let Some(row) = self.row_or_begin(shared) else { return };
        let mut change = Change::to(row, now);
        self.draft_into(&mut change, now, shared);
        self.sign(change, shared);
    }

    // The stream's row; a stream that has never sealed anything begins here.
    pub(super) fn row_or_begin(&self, shared: &mut Shared) -> Option<StreamRow> {
        if let Some(row) = &self.row {
            return Some(row.clone());
        }
        let device = shared.device.as_ref()?.device;
        let incarnation = Incarnation(shared.rng.bytes());
        Some(StreamRow::begin(&self.key, device, incarnation, None, None))
    }

    // The next run of the backlog becomes the change's batch.
    pub(super) fn draft_into(&mut self, change: &mut Change, now: Now, shared: &Shared) {
        change.batch = self.draft(&change.row, now, shared);
        change.from_backlog = change.batch.is_some();
    }

    pub(super) fn draft(&mut self, row: &StreamRow, now: Now, shared: &Shared) -> Option<Batch> {
        let options = shared.config.options.batch_events.into();
        let run_max = self.run_max.map_or(options, |max| max.min(options));
        let events = self.backlog.run(usize::try_from(run_max).unwrap_or(usize::MAX));
        let source = Source::Journal(spans(&events));
        (!events.is_empty()).then(|| seal(row, events, source, now.wall))
    }

    // Hashes and signs what would follow the batch on the wire.
    pub(super) fn look_ahead(&mut self, now: Now, shared: &mut Shared) {
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
    pub(super) fn recall(&mut self) {
        self.signing_ahead = None;
        if let Some(ahead) = self.ahead.take() {
            self.backlog.put_back(ahead.events);
        }
    }

    pub(super) fn sign(&mut self, change: Change, shared: &mut Shared) {
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
    pub(in crate::outbox) fn on_signed(
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
            batch.row.signature = signature.into();
        }
        self.store(*change, shared);
    }

    // Whatever else a change writes, it writes the stream and its one flight.
    pub(super) fn store(&mut self, mut change: Change, shared: &mut Shared) {
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
    pub(in crate::outbox) fn on_committed(
        &mut self,
        ticket: Ticket,
        now: Now,
        shared: &mut Shared,
    ) {
        if let Some(Phase::Storing(_, change)) = self.leave(ticket) {
            self.apply(*change, now, shared);
        }
    }

    pub(super) fn apply(&mut self, change: Change, now: Now, shared: &mut Shared) {
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
    pub(in crate::outbox) fn on_commit_failed(
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

    pub(super) fn drop_change(
        &mut self,
        change: Change,
        fault: Fault,
        now: Now,
        shared: &mut Shared,
    ) {
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
}

impl Change {
    pub(super) fn to(row: StreamRow, now: Now) -> Self {
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

fn cannot_sign() -> Fault {
    Fault::new(
        "signing-failed",
        Culprit::Browser,
        "the browser could not sign a batch; it will be tried again",
    )
}
