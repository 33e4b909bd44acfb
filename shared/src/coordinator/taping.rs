//! What a coordinator writes down of itself while it is recorded (OBS-3).
//!
//! What always holds:
//! - what it decides does not depend on being recorded; all that is added is a write to `kv`, under a ticket of its own;
//! - a life is recorded from its first moment on, or not at all;
//! - on disk are the last lives, within a bound of bytes each. Of a life beyond it the first part is kept, and the last.

use super::effect::{Effect, To};
use super::input::{Input, Trigger};
use super::restore::Restored;
use crate::base::{Now, limits};
use crate::outbox::{Response, Ticket};
use crate::rows::{Key, Op, Store};
use crate::rules::chain::event_hash;
use crate::tape::{self, Machine, Scribe, Side, digest};
use crate::wire::PROBLEM_CBOR;

/// See the module.
#[derive(Debug)]
pub(super) struct Tape {
    tape: tape::Tape,
    /// There is more to be saved than that the last save is done.
    fresh: bool,
    /// A save is under way.
    saving: bool,
    /// The disk has refused one: there will be no more.
    refused: bool,
    /// Bytes of each chunk that was saved, and which is the first that is still there, but for the very first.
    sizes: Vec<usize>,
    dropped: u64,
}

/// Names the tape's own writes, which no machine waits for.
pub const TAPE: Ticket = Ticket(u64::MAX);

/// The key in `kv` of a life's first chunk; the others follow it.
#[must_use]
pub fn first_key(life: u64) -> u64 {
    life.saturating_mul(CHUNKS_MAX)
}

impl Tape {
    pub(super) fn new(tape: tape::Tape) -> Self {
        Self { tape, fresh: true, saving: false, refused: false, sizes: Vec::new(), dropped: 0 }
    }

    pub(super) fn begin(&mut self, now: Now, input: &Input) {
        if *input == Input::Committed(TAPE) {
            self.saving = false;
        } else {
            self.fresh = true;
        }
        self.refused |= matches!(input, Input::CommitFailed { ticket: TAPE, .. });
        self.tape.begin(now, event_hash, &|to| input.write(to));
    }

    pub(super) fn end<'a>(
        &mut self,
        effects: impl Iterator<Item = &'a Effect>,
        timeout_ms: Option<u64>,
    ) {
        let mut digests = Vec::new();
        for effect in effects {
            digests.extend_from_slice(&effect.digest(self.tape.recording));
        }
        self.tape.end(&digests, timeout_ms);
    }

    /// What is not on disk yet, if it is time.
    pub(super) fn save(&mut self, life: u64, quiet: bool) -> Option<Vec<Op>> {
        let full = self.tape.len() >= limits::TAPE_CHUNK_BYTES;
        if self.saving || !(quiet && self.fresh || full) {
            return None;
        }
        self.fresh = false;
        self.saving = true;
        let (number, row) = self.tape.take();
        self.sizes.push(row.len());
        let first = first_key(life);
        let store = Store::Kv;
        let mut ops = vec![Op::Put { store, key: Key::Number(first + number), row }];
        if number == 0 {
            let through = first_key(life.saturating_sub(limits::TAPE_LIVES)).saturating_sub(1);
            ops.push(Op::DeleteSpan { store, from: 0, through });
        }
        let kept = self.sizes.iter().skip(1 + self.dropped as usize);
        let mut bytes: usize = kept.sum();
        let before = self.dropped;
        while bytes > limits::TAPE_LIFE_BYTES_MAX && self.dropped + 1 < number {
            self.dropped += 1;
            bytes -= self.sizes.get(self.dropped as usize).copied().unwrap_or_default();
        }
        if self.dropped > before {
            ops.push(Op::DeleteSpan { store, from: first + 1, through: first + self.dropped });
        }
        Some(ops)
    }
}

impl super::Coordinator {
    /// Everything it begins with is on the tape before anything else.
    pub(super) fn begin_tape(&mut self, now: Now, restored: &Restored, seed: u64) {
        let Some(recording) = self.outbox.config().recording else { return };
        let life = self.epoch.0;
        let tape = tape::Tape::new(Machine::Coordinator, &self.build, self.realm, life, recording);
        let mut tape = Box::new(Tape::new(tape));
        tape.tape.begin(now, event_hash, &|to| restored.write(seed, to));
        self.tape = (life < LIFE_MAX).then_some(tape);
        self.end_tape_entry(now, 0);
    }

    /// What was recorded, and has not been put away.
    #[cfg(feature = "replay")]
    #[must_use]
    pub fn recorded(&self) -> Option<Vec<u8>> {
        self.tape.as_ref().map(|tape| tape.tape.peek())
    }

    /// The same, but not recorded.
    #[cfg(feature = "replay")]
    pub(crate) fn unrecorded(mut self) -> Self {
        self.tape = None;
        self.effects.retain(|effect| !matches!(effect, Effect::Commit { ticket: TAPE, .. }));
        self
    }

    /// What has been asked for since there were `before` effects came of the last fact.
    #[inline(never)]
    pub(super) fn end_tape_entry(&mut self, now: Now, before: usize) {
        let Some(mut tape) = self.tape.take() else { return };
        let timeout = self.poll_timeout(now);
        tape.end(self.effects.iter().skip(before), timeout.map(|at| at.0));
        if self.fenced || tape.refused || tape.tape.len() > limits::TAPE_LIFE_BYTES_MAX {
            return;
        }
        let ends = self.outbox.config().recording.is_none();
        if let Some(ops) = tape.save(self.epoch.0, ends || self.is_quiet()) {
            self.commit(TAPE, ops, false);
        }
        self.tape = Some(tape).filter(|_| !ends);
    }
}

impl Restored {
    /// Writes down what a life begins with, as a tape has it.
    pub(crate) fn write(&self, seed: u64, to: &mut Scribe<'_>) {
        let Self { lease, config, outbox } = self;
        to.kind(0, 8);
        to.number(seed);
        to.value(lease);
        to.value(&config.as_deref());
        for rows in [&outbox.streams, &outbox.flights, &outbox.cursors] {
            to.list(rows.len());
            rows.iter().for_each(|row| to.value(&&row[..]));
        }
        to.list(outbox.dead.len());
        for (key, row) in &outbox.dead {
            to.list(2);
            key.write(to);
            to.row(row, tape::DEAD);
        }
        to.number(outbox.answered);
    }
}

impl Input {
    /// Writes the fact down as a tape has it.
    pub(crate) fn write(&self, to: &mut Scribe<'_>) {
        match self {
            Self::Message { from, bytes } => {
                to.kind(1, 2);
                to.value(&from.0);
                to.message(bytes, Side::Page);
            }
            Self::Clients(clients) => {
                to.kind(2, 1);
                to.list(clients.len());
                clients.iter().for_each(|client| to.value(&client.0));
            }
            Self::Device(device) => {
                to.kind(3, 1);
                to.value(device);
            }
            Self::DeviceFailed(fault) => {
                to.kind(4, 1);
                to.value(fault);
            }
            Self::DatabaseLost => to.kind(5, 0),
            Self::Journal { rows, ended } => {
                to.kind(6, 2);
                to.value(ended);
                to.rows(rows, tape::JOURNAL);
            }
            Self::JournalFailed(fault) => {
                to.kind(7, 1);
                to.value(fault);
            }
            Self::Retained { ticket, rows } => {
                to.kind(8, 2);
                to.number(ticket.0);
                to.rows(rows, tape::RETAINED);
            }
            Self::Old { store, rows } => {
                to.kind(9, 2);
                to.number(*store as u64);
                to.rows(rows, if *store == Store::Done { tape::DONE } else { tape::RETAINED });
            }
            Self::Committed(ticket) => {
                to.kind(10, 1);
                to.number(ticket.0);
            }
            Self::CommitFailed { ticket, fault } => {
                to.kind(11, 2);
                to.number(ticket.0);
                to.value(fault);
            }
            Self::Fenced => to.kind(12, 0),
            Self::Signed { ticket, signature } => {
                to.kind(13, 2);
                to.number(ticket.0);
                to.value(&signature.as_deref());
            }
            Self::Response { ticket, response } => {
                to.kind(14, 2);
                to.number(ticket.0);
                response.write(to, false);
            }
            Self::Trigger(trigger) => {
                to.kind(15, 1);
                to.number(match trigger {
                    Trigger::Start => 0,
                    Trigger::Sync => 1,
                    Trigger::PeriodicSync => 2,
                    Trigger::Push => 3,
                });
            }
            Self::Timeout => to.kind(16, 0),
            Self::RetainedFailed { ticket, fault } => {
                to.kind(17, 2);
                to.number(ticket.0);
                to.value(fault);
            }
            Self::Document { ticket, rows } => {
                to.kind(18, 2);
                to.number(ticket.0);
                to.list(rows.len());
                for (key, row) in rows {
                    to.list(2);
                    key.write(to);
                    to.document(key, row);
                }
            }
            Self::Resolution { ticket, made } => {
                to.kind(20, 2);
                to.number(ticket.0);
                match made {
                    None => to.value(&None::<u64>),
                    Some(rows) => {
                        to.list(rows.len());
                        rows.iter().for_each(|row| to.row(row, tape::JOURNAL));
                    }
                }
            }
            Self::Pulled { ticket, response } => {
                to.kind(19, 2);
                to.number(ticket.0);
                response.write(to, true);
            }
        }
    }
}

impl Response {
    fn write(&self, to: &mut Scribe<'_>, pulled: bool) {
        match self {
            // What has not left comes from no driver.
            Self::Unreachable | Self::Withheld => to.list(0),
            Self::Http { status, content_type, retry_after_ms, body } => {
                to.list(4);
                to.value(status);
                to.value(content_type);
                to.value(retry_after_ms);
                // A problem tells what went wrong; any other body that is no answer is nobody's business.
                if content_type.starts_with(PROBLEM_CBOR) {
                    to.value(&&body[..]);
                } else if pulled {
                    to.pulled(body);
                } else {
                    to.answer(body);
                }
            }
        }
    }
}

impl Effect {
    /// What a tape has of it.
    pub(crate) fn digest(&self, recording: tape::Recording) -> [u8; 8] {
        digest(recording, &|to| self.write(to))
    }

    fn write(&self, to: &mut Scribe<'_>) -> u8 {
        match self {
            Self::Commit { ticket, batch } => {
                to.number(ticket.0);
                to.number(batch.epoch.0);
                to.value(&batch.strict);
                batch.ops.iter().for_each(|op| op.write(to));
                1
            }
            Self::Sign { ticket, statement } => {
                to.number(ticket.0);
                to.value(&&statement[..]);
                2
            }
            Self::Push { ticket, url, token, body, compress } => {
                to.number(ticket.0);
                to.value(url);
                to.value(&token.is_some());
                to.push(body);
                if *compress {
                    to.value(compress);
                }
                3
            }
            Self::ReadJournal { after, limit } => {
                to.number(*after);
                to.value(limit);
                4
            }
            Self::ReadRetained { ticket, store, after, limit } => {
                to.number(ticket.0);
                to.number(*store as u64);
                to.number(*after);
                to.value(limit);
                5
            }
            Self::ReadOld { store, limit } => {
                to.number(*store as u64);
                to.value(limit);
                6
            }
            Self::ListClients => 7,
            Self::Send { to: client, message } => {
                if let To::Client(client) = client {
                    to.value(&client.0);
                }
                to.message(message, Side::Coordinator);
                8
            }
            Self::AskForSync => 9,
            Self::StartOver => 10,
            // Of the request itself nothing: it is a body.
            Self::Request { ticket, server, token, id, .. } => {
                to.number(ticket.0);
                to.value(server);
                to.value(&token.is_some());
                to.value(id);
                11
            }
            Self::WantToken { identity, page, .. } => {
                to.value(identity);
                to.value(&page.as_ref().map(|page| &*page.0));
                12
            }
            Self::Pull { ticket, url, token } => {
                to.number(ticket.0);
                to.value(url);
                to.value(&token.is_some());
                14
            }
            Self::ReadDocument { ticket, prefix } => {
                to.number(ticket.0);
                to.value(prefix);
                15
            }
            Self::Resolve { ticket, identity, id } => {
                to.number(ticket.0);
                to.value(identity);
                to.value(id);
                16
            }
            // Of the reason its code: the words may be a server's.
            Self::TellHook { id, reason, .. } => {
                to.value(id);
                to.value(&reason.code);
                13
            }
        }
    }
}

impl Op {
    fn write(&self, to: &mut Scribe<'_>) {
        to.number(self.store() as u64);
        match self {
            Self::Put { store, key, row } => {
                key.write(to);
                match store {
                    Store::Dead => to.row(row, tape::DEAD),
                    Store::Retained => to.row(row, tape::RETAINED),
                    Store::Done => to.row(row, tape::DONE),
                    Store::Journal => to.row(row, tape::JOURNAL),
                    Store::Document => to.document(key, row),
                    Store::Flight
                    | Store::Stream
                    | Store::Cursor
                    | Store::Lease
                    | Store::Idle
                    | Store::Meta
                    | Store::Kv => to.value(&&row[..]),
                }
            }
            Self::Append { row } => to.row(row, tape::JOURNAL),
            Self::Delete { key, .. } => key.write(to),
            Self::DeleteSpan { from, through, .. } => {
                to.number(*from);
                to.number(*through);
            }
        }
    }
}

impl Key {
    fn write(&self, to: &mut Scribe<'_>) {
        match self {
            Self::Number(number) => to.number(*number),
            Self::Text(text) => to.value(text),
        }
    }
}

/// Keys of one life.
const CHUNKS_MAX: u64 = 1 << 20;
/// Beyond this a life's keys would not fit.
const LIFE_MAX: u64 = 1 << 32;
