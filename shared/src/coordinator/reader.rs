//! Reads the journal forward, and again where a stream's rows did not fit.
//!
//! What always holds: one read at a time; the journal is read past its last key until it is empty, whenever
//! anything might have been appended.

use core::time::Duration;
use std::collections::VecDeque;

use super::effect::Effect;
use crate::base::{Mono, Now, limits};
use crate::outbox::Outbox;
use crate::rows::StreamKey;

/// Why rows are being read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Forward,
    Again(StreamKey, u64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Reader {
    /// The last position read.
    through: u64,
    reading: Option<Purpose>,
    wanted: bool,
    /// A stream's rows that are being read again, until all are in or there is no room.
    again: Option<(StreamKey, u64)>,
    /// After a failure, when to read again.
    due: Option<Mono>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { through: 0, reading: None, wanted: true, again: None, due: None }
    }

    /// The last position read.
    pub(super) fn through(&self) -> u64 {
        self.through
    }

    /// Something may have been appended.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.reading.is_none() && !(self.wanted && self.due.is_none())
    }

    pub(super) fn poll_timeout(&self, now: Now) -> Option<Mono> {
        self.due.filter(|due| *due > now.mono && self.wanted)
    }

    pub(super) fn on_rows(
        &mut self,
        now: Now,
        rows: &[(u64, Vec<u8>)],
        ended: bool,
        outbox: &mut Outbox,
    ) {
        self.due = None;
        let last = rows.last().map(|(position, _)| *position);
        match self.reading.take() {
            Some(Purpose::Forward) => {
                for (position, bytes) in rows {
                    outbox.on_row(now, *position, bytes);
                }
                self.through = last.unwrap_or(self.through);
                self.wanted |= !ended;
                outbox.on_read(now, if ended { u64::MAX } else { self.through });
            }
            Some(Purpose::Again(key, after)) => {
                let known = rows.iter().filter(|(position, _)| *position <= self.through);
                let known: Vec<_> = known.cloned().collect();
                let reached = ended || last.is_none_or(|last| last >= self.through);
                outbox.on_rows_again(now, &key, &known, reached);
                let further = outbox.wants_again().is_some_and(|(other, _)| other == key);
                let next = last.unwrap_or(after);
                self.again = (!reached && further).then_some((key, next));
            }
            None => {}
        }
    }

    pub(super) fn on_failed(&mut self, now: Now) {
        self.reading = None;
        self.wanted = true;
        self.due = Some(now.mono.after(RETRY_AFTER));
    }

    /// Asks for the next rows, if any are wanted.
    pub(super) fn go(&mut self, now: Now, outbox: &Outbox, effects: &mut VecDeque<Effect>) {
        // A write about to come would have to wait for the read; while a batch is on the wire the disk is free.
        if self.reading.is_some()
            || outbox.is_about_to_write()
            || self.due.is_some_and(|due| due > now.mono)
        {
            return;
        }
        self.due = None;
        let after = if core::mem::take(&mut self.wanted) {
            self.reading = Some(Purpose::Forward);
            self.through
        } else if let Some((key, after)) = self.again.take().or_else(|| outbox.wants_again()) {
            self.reading = Some(Purpose::Again(key, after));
            after
        } else {
            return;
        };
        effects.push_back(Effect::ReadJournal { after, limit: limits::READ_ROWS_MAX });
    }
}

const RETRY_AFTER: Duration = Duration::from_secs(1);
