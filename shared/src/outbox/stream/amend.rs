//! What becomes of rows that are not sealed: changed or taken out by the app's choice, superseded, or buried.
//!
//! What always holds: a row leaves the journal in the transaction that files its outcome or its letter, and the queue
//! once that is on disk.

use super::super::backlog::{Backlog, Changing};
use super::super::batch::Held;
use super::super::change::{already_sealed, busy};
use super::super::{Effect, Ticket, Verdicts};
use super::{Change, Shared, Stream};
use crate::base::{Fault, Now};
use crate::bus::{Identity, Over};
use crate::rows::{DoneEntry, JournalRow, Key, Op, Reason, Store, StreamKey};
use crate::wire::{Outcome, to_cbor};

impl Stream {
    pub(in crate::outbox) fn queue(&self) -> &Backlog {
        &self.backlog
    }

    /// Takes the row at `position` out, or overwrites it.
    pub(in crate::outbox) fn amend(
        &mut self,
        position: u64,
        new: Option<Held>,
        ticket: Ticket,
        now: Now,
        shared: &mut Shared,
    ) -> Result<(), Fault> {
        let Some(row) = self.backlog.row_at(position) else {
            // Whoever asks once more, since an earlier life has died before it could answer, is told the same.
            if new.is_some_and(|new| self.has_sealed(&new.sealed)) {
                shared.effects.push_back(Effect::Commit { ticket, ops: Vec::new(), strict: false });
                return Ok(());
            }
            return Err(already_sealed());
        };
        if self.backlog.is_changing(position) {
            return Err(busy());
        }
        let Some(new) = new else {
            self.strike(vec![position], CANCELLED, true, ticket, now, shared);
            return Ok(());
        };
        let more = new.sealed.len().saturating_sub(row.sealed.len());
        if !self.backlog.has_bytes(more) {
            return Err(busy());
        }
        let row = to_cbor(&JournalRow::new(&self.key, &new.sealed, now.wall));
        let ops = vec![Op::Put { store: Store::Journal, key: Key::Number(position), row }];
        shared.effects.push_back(Effect::Commit { ticket, ops, strict: true });
        let (positions, into) = (vec![position], Some(Held { position, ..new }));
        self.backlog.change(Changing { ticket, positions, into, filed: (0, 0) });
        Ok(())
    }

    // Whether these bytes are among those that may be on their way.
    fn has_sealed(&self, sealed: &[u8]) -> bool {
        let batches = self.batch.iter().chain(&self.ahead);
        let events = batches.flat_map(|batch| &batch.events).chain(self.backlog.rows());
        events.into_iter().any(|event| event.sealed == sealed)
    }

    /// Takes out what later rows supersede.
    pub(super) fn supersede(&mut self, now: Now, shared: &mut Shared) {
        let positions = self.backlog.take_superseded();
        if !positions.is_empty() {
            let ticket = shared.ticket();
            self.strike(positions, SUPERSEDED, false, ticket, now, shared);
        }
    }

    // Takes rows out, and files them as refused for this reason.
    fn strike(
        &mut self,
        positions: Vec<u64>,
        (code, message): (&str, &str),
        strict: bool,
        ticket: Ticket,
        now: Now,
        shared: &mut Shared,
    ) {
        let mut ops = Vec::new();
        let mut entries = Vec::new();
        let mut over = Vec::new();
        for row in self.backlog.rows_at(&positions) {
            if row.is_patch {
                over.push(Over::taken(row.id.clone()));
            }
            let at = row.position;
            match ops.last_mut() {
                Some(Op::DeleteSpan { through, .. }) if *through + 1 == at => *through = at,
                _ => ops.push(Op::DeleteSpan { store: Store::Journal, from: at, through: at }),
            }
            entries.push(DoneEntry {
                id: row.id.clone(),
                outcome: Outcome::REFUSED,
                offset: None,
                result: None,
                code: Some(code.into()),
                message: Some(message.into()),
            });
        }
        let filed = shared.file_into(&mut ops, &self.key, entries, now);
        shared.effects.push_back(Effect::Commit { ticket, ops, strict });
        if !over.is_empty() {
            let StreamKey { session, user, .. } = self.key.clone();
            shared.effects.push_back(Effect::Verdicts(Verdicts {
                identity: Identity { session, user },
                epoch: shared.log_epoch(&self.key.session).unwrap_or_default(),
                span: None,
                patches: Vec::new(),
                at: now.wall,
                over,
                losers: Vec::new(),
            }));
        }
        self.backlog.change(Changing { ticket, positions, into: None, filed });
    }

    pub(in crate::outbox) fn changed(
        &mut self,
        ticket: Ticket,
        refused: bool,
        shared: &mut Shared,
    ) {
        if let Some(filed) = self.backlog.changed(ticket, refused) {
            shared.unfile(filed);
        }
    }

    // What comes next and has to be buried for its prerequisite, as far as there is room.
    pub(super) fn bury_doomed_into(&mut self, change: &mut Change, now: Now, shared: &mut Shared) {
        let options = shared.config.options.clone();
        loop {
            // Looked at first, so that what finds no room stays where it is.
            if shared.dead.room(&options) == 0 {
                self.full = self.backlog.is_doomed(&shared.dead);
                return;
            }
            let Some(event) = self.backlog.take_doomed(&shared.dead) else { return };
            let reason = Reason { code: FAILED.0.into(), message: FAILED.1.into() };
            let burial = shared.dead.bury(&self.key, &event, reason, 0, now.wall, &options);
            change.burials.push(burial);
            let (from, through) = (event.position, event.position);
            change.ops.push(Op::DeleteSpan { store: Store::Journal, from, through });
            change.over.push(event.id.clone());
            change.buried.push(event);
            change.strict = true;
        }
    }
}

const CANCELLED: (&str, &str) = ("cancelled", "the app cancelled it");
const SUPERSEDED: (&str, &str) = ("superseded", "a later event took its place");
const FAILED: (&str, &str) =
    ("prerequisite-failed", "the event that it comes after is a dead letter");
