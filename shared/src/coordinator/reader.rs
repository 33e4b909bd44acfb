//! Reads the journal forward, and again where a stream's rows did not fit.
//!
//! What always holds: one read at a time, of so many rows as fit in memory if they are like the last ones; the
//! journal is read past its last key until it is empty, whenever anything might have been appended.

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
    /// For one stream, or for the rows that cannot be read.
    Again(Option<StreamKey>, u64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Reader {
    /// The last position read.
    through: u64,
    /// Rows in the next read.
    limit: u32,
    reading: Option<Purpose>,
    wanted: bool,
    /// A stream's rows that are being read again, until all are in or there is no room.
    again: Option<(Option<StreamKey>, u64)>,
    /// After a failure, when to read again.
    due: Option<Mono>,
}

impl Reader {
    pub(super) fn new() -> Self {
        let limit = limits::READ_ROWS_FIRST;
        Self { through: 0, limit, reading: None, wanted: true, again: None, due: None }
    }

    /// The last position read.
    pub(super) fn through(&self) -> u64 {
        self.through
    }

    /// Something may have been appended.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether the journal has been read to its end since it was last wanted.
    pub(super) fn has_read(&self) -> bool {
        !self.wanted && self.reading != Some(Purpose::Forward)
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
        self.limit = fitting(rows).unwrap_or(self.limit);
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
                match &key {
                    Some(key) => outbox.on_rows_again(now, key, &known, reached),
                    None => outbox.on_unread_again(now, &known, reached),
                }
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
        // A write about to come would have to wait for the read; one under way is not held up by it.
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
        effects.push_back(Effect::ReadJournal { after, limit: self.limit });
    }
}

// How many rows like these make a read; `None` if there are none to judge by.
fn fitting(rows: &[(u64, Vec<u8>)]) -> Option<u32> {
    let bytes: usize = rows.iter().map(|(_, row)| row.len()).sum();
    let fitting = (limits::READ_BYTES * rows.len()).checked_div(bytes)?;
    let max = limits::READ_ROWS_MAX as usize;
    u32::try_from(fitting.clamp(1, max)).ok()
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_brings_few_large_rows_and_many_small_ones() {
        let rows = |count: usize, bytes: usize| vec![(1, vec![0; bytes]); count];
        #[rustfmt::skip]
        let cases = [
            // what it shows            rows               expected
            ("nothing to judge by",     rows(0, 0),        None),
            ("small ones",              rows(400, 300),    Some(1_000)),
            ("middling ones",           rows(400, 4_096),  Some(256)),
            ("as large as can be",      rows(8, 262_144),  Some(4)),
            ("larger than a read",      rows(1, 2 << 20),  Some(1)),
        ];
        for (shows, rows, expected) in cases {
            assert_eq!(fitting(&rows), expected, "{shows}");
        }
    }
}
