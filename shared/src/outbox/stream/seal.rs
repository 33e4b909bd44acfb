//! Drafting, signing and storing: everything a stream changes goes through here.
//!
//! What always holds: a change is in force only once it is on disk; refused, it leaves no trace, and the events
//! that were taken for it are back in the backlog.

use super::super::Effect;
use super::super::Ticket;
use super::super::batch::{Batch, Held, seal, spans};
use super::super::retry::due;
use super::{Change, Early, News, Part, Phase, Shared, Stream};
use crate::base::{Culprit, Fault, Incarnation, Now};
use crate::bus::Notice;
use crate::rows::{FlightRow, Op, Source, Store, StreamRow};
use crate::wire::to_cbor;

impl Stream {
    pub(super) fn seal_next(&mut self, now: Now, shared: &mut Shared) {
        let Some(row) = self.row_or_begin(shared) else { return };
        let mut change = Change::to(row, now);
        self.bury_doomed_into(&mut change, now, shared);
        self.draft_into(&mut change, now, shared);
        if change.batch.is_none() && change.burials.is_empty() {
            return;
        }
        self.clear_trouble();
        self.draft_ahead_into(&mut change, now, shared);
        self.sign(change, shared);
    }

    // Other events, or fewer of them, are about to leave: what befell the batch before says nothing of them.
    pub(super) fn clear_trouble(&mut self) {
        self.last_fault = None;
        self.blocked = false;
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

    // The run after that is sealed behind it; not while a culprit is looked for, nor what was lost is sent again.
    pub(super) fn draft_ahead_into(&mut self, change: &mut Change, now: Now, shared: &Shared) {
        let Some(batch) = change.batch.as_ref().filter(|_| change.row.replay.is_none()) else {
            return;
        };
        if self.run_max.is_some() {
            return;
        }
        let confirmed = batch.row.first.plus(batch.row.count - 1);
        let row = StreamRow { confirmed, head: batch.row.head, ..change.row.clone() };
        change.ahead = self.draft(&row, now, shared);
    }

    pub(super) fn draft(&mut self, row: &StreamRow, now: Now, shared: &Shared) -> Option<Batch> {
        let (rows_max, bytes_max) = (self.events_max(shared), shared.pace.bytes_max());
        let events = self.backlog.run(rows_max, bytes_max, &shared.dead);
        let source = Source::Journal(spans(&events));
        (!events.is_empty()).then(|| Batch { fresh: true, ..seal(row, events, source, now.wall) })
    }

    // How many events a batch may have.
    pub(super) fn events_max(&self, shared: &Shared) -> usize {
        if shared.config.is_plain() {
            return 1;
        }
        let paced = shared.pace.events_max(&shared.config.options);
        let most = self.run_max.map_or(paced, |max| max.min(paced));
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    // What was sealed behind the batch is backlog again.
    pub(super) fn recall(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            self.backlog.put_back(ahead.events);
        }
    }

    pub(super) fn sign(&mut self, change: Change, shared: &mut Shared) {
        match statement(change.batch.as_ref(), shared) {
            Some(statement) => self.ask_to_sign(statement, change, Part::Batch, shared),
            None => self.sign_ahead(change, shared),
        }
    }

    fn sign_ahead(&mut self, change: Change, shared: &mut Shared) {
        match statement(change.ahead.as_ref(), shared) {
            Some(statement) => self.ask_to_sign(statement, change, Part::Ahead, shared),
            None => self.store(change, shared),
        }
    }

    fn ask_to_sign(&mut self, statement: Vec<u8>, change: Change, part: Part, shared: &mut Shared) {
        let ticket = shared.ticket();
        shared.effects.push_back(Effect::Sign { ticket, statement });
        self.phase = Phase::Signing(ticket, Box::new(change), part);
    }

    /// The signature has been made; `None` if the browser could not.
    pub(in crate::outbox) fn on_signed(
        &mut self,
        ticket: Ticket,
        signature: Option<Vec<u8>>,
        now: Now,
        shared: &mut Shared,
    ) {
        let Some(Phase::Signing(_, mut change, part)) = self.leave(ticket) else { return };
        let Some(signature) = signature else {
            return self.drop_change(*change, cannot_sign(), now, shared);
        };
        let of = match part {
            Part::Batch => &mut change.batch,
            Part::Ahead => &mut change.ahead,
        };
        if let Some(batch) = of {
            batch.row.signature = signature.into();
        }
        match part {
            Part::Batch => self.sign_ahead(*change, shared),
            Part::Ahead => self.store(*change, shared),
        }
    }

    // Whatever else a change writes, it writes the stream and its one flight.
    pub(super) fn store(&mut self, mut change: Change, shared: &mut Shared) {
        let key = self.key.key();
        change.row.sealed_through = change.row.sealed_through.max(last(&change.put_back));
        match &change.batch {
            Some(batch) => {
                let ahead = change.ahead.as_ref().and_then(|ahead| ahead.row.behind());
                let row = to_cbor(&FlightRow { ahead, ..batch.row.clone() });
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
    ) -> Option<News> {
        let Some(Phase::Storing(_, change)) = self.leave(ticket) else { return None };
        self.apply(*change, now, shared)
    }

    fn apply(&mut self, change: Change, now: Now, shared: &mut Shared) -> Option<News> {
        self.backlog.seal_through(change.row.sealed_through);
        self.row = Some(change.row);
        self.batch = change.batch;
        self.ahead = change.ahead;
        self.due = change.due;
        self.backlog.put_back(change.put_back);
        change.over.iter().for_each(|id| self.backlog.forget(id));
        let notices = change.burials.into_iter().flat_map(|burial| burial.notices);
        let notices = notices.chain(change.notices);
        shared.effects.extend(notices.map(Effect::Tell));
        let Some(Early { ticket, heard }) = self.early.take() else {
            self.go(now, shared);
            return None;
        };
        let Some(heard) = heard else {
            self.phase = Phase::Sending(ticket, None);
            return None;
        };
        self.take_up(ticket, heard, None, now, shared)
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
        change.burials.iter().for_each(|burial| shared.dead.undo(&burial.key));
        shared.unfile(change.filed);
        self.backlog.put_back(change.buried);
        let session = &self.key.session;
        if change.learnt.is_some() && shared.log_epoch(session) == change.learnt {
            shared.cursors.remove(session);
        }
        // What has left early is answered first; then both are sent again.
        let early = self.early.is_some();
        self.early.take_if(|early| early.heard.is_some());
        if let Some(ahead) = change.ahead {
            self.backlog.put_back(ahead.events);
        }
        if let Some(batch) = change.batch.filter(|_| change.from_backlog) {
            if early {
                self.backlog.seal_through(last(&batch.events));
            }
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
            ahead: None,
            buried: Vec::new(),
            put_back: Vec::new(),
            over: Vec::new(),
            filed: (0, 0),
            learnt: None,
            ops: Vec::new(),
            burials: Vec::new(),
            notices: Vec::new(),
            strict: false,
            due: now.mono,
            why: None,
        }
    }
}

// Where the last of these events lies.
pub(super) fn last(events: &[Held]) -> Option<u64> {
    events.iter().map(|event| event.position).max()
}

// What is to be signed, if the batch is not, and somebody will check it.
fn statement(batch: Option<&Batch>, shared: &Shared) -> Option<Vec<u8>> {
    let signed = |batch: &&Batch| batch.row.signature.is_empty() && !shared.config.is_plain();
    let batch = batch.filter(signed)?;
    Some(batch.statement(shared.device.as_ref()?))
}

fn cannot_sign() -> Fault {
    Fault::new(
        "signing-failed",
        Culprit::Browser,
        "the browser could not sign a batch; it will be tried again",
    )
}
