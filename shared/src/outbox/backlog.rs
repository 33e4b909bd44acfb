//! What of a stream has been read from the journal and is not sealed yet.
//!
//! What always holds: the rows are in the order of their positions, no id is here twice, and what does not
//! fit in memory is remembered as a position from which to read again, so that nothing behind it is let in first.

use std::collections::VecDeque;

use super::Ticket;
use super::batch::Held;
use super::coalesce::supersedes;
use super::dead::DeadLetters;
use crate::base::{EventId, SortedMap, limits};
use crate::tape::{FNV_START, fnv};

/// The unsealed rows of one stream.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    rows: VecDeque<Held>,
    bytes: usize,
    /// Where each id lies that is queued, sealed or not.
    ids: SortedMap<EventId, u64>,
    /// Position of the first row that did not fit.
    skipped_from: Option<u64>,
    /// How many did not fit.
    skipped: u64,
    /// A row of a newer build lies ahead; nothing behind it may overtake it.
    closed: bool,
    /// What is being changed on disk. From the first of these rows on nothing is sealed meanwhile.
    changing: Vec<Changing>,
    /// Rows that later ones supersede; that is not asked of the disk yet.
    superseded: Vec<u64>,
    /// Where the first row lies whose prerequisite is queued in another stream.
    waits_from: Option<u64>,
    /// Whether a row may have a prerequisite.
    has_dependents: bool,
    /// Marks of rows that were taken out last, by which a second one of the same event is known (a closing page may leave
    /// what it has written).
    struck: VecDeque<u64>,
    /// Up to this position rows have been sealed before, and the server may have them: they are not changed.
    sealed_through: Option<u64>,
    /// The last row was taken out: something of another stream may lie between the one before and the next.
    gap: bool,
}

/// Rows that a transaction under way takes out, or the row that it overwrites.
#[derive(Debug)]
pub(super) struct Changing {
    pub(super) ticket: Ticket,
    pub(super) positions: Vec<u64>,
    pub(super) into: Option<Held>,
    /// Events that it files, and the count of events answered that they are filed under.
    pub(super) filed: (u64, u64),
}

/// What became of a row that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is in.
    In,
    /// It does not fit; it will be read again.
    Later,
    /// Its id is queued already.
    Repeat,
}

impl Backlog {
    /// Takes a row from behind, as the journal is read forward for the first time.
    pub(super) fn offer(&mut self, row: Held) -> Taken {
        if self.closed || self.skipped_from.is_some() || !self.has_room(&row) {
            self.skipped_from.get_or_insert(row.position);
            self.skipped += 1;
            return Taken::Later;
        }
        self.take(row)
    }

    /// Takes a row that did not fit before. `false` when there is still no room: stop reading.
    pub(super) fn offer_again(&mut self, row: Held) -> Option<Taken> {
        if self.skipped_from.is_none_or(|from| row.position < from) {
            return Some(Taken::Later);
        }
        if self.closed || !self.has_room(&row) {
            self.skipped_from = Some(row.position);
            return None;
        }
        self.skipped_from = Some(row.position + 1);
        self.skipped = self.skipped.saturating_sub(1);
        Some(self.take(row))
    }

    /// The journal has been read again as far as it had been read before.
    pub(super) fn caught_up(&mut self) {
        self.skipped_from = None;
        self.skipped = 0;
    }

    /// From where to read again, once there is room for a good part.
    pub(super) fn wants_again(&self) -> Option<u64> {
        let low = self.rows.len() <= limits::BACKLOG_ROWS_MAX / 2
            && self.bytes <= limits::BACKLOG_BYTES_MAX / 2;
        self.skipped_from.filter(|_| low && !self.closed)
    }

    /// A row of a newer build lies at this place of the stream.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes a run from the front: at least one row, at most `rows_max`, and within `bytes_max`. None from where it has to
    /// wait on, or where one has to be buried.
    pub(super) fn run(
        &mut self,
        rows_max: usize,
        bytes_max: usize,
        dead: &DeadLetters,
    ) -> Vec<Held> {
        let mut bytes = 0;
        let mut run = Vec::new();
        let stop = self.stop();
        while let Some(row) = self.rows.front() {
            if row.position >= stop || dead.dooms(row) {
                break;
            }
            bytes += row.sealed.len();
            if !run.is_empty() && (run.len() >= rows_max || bytes > bytes_max) {
                break;
            }
            if let Some(row) = self.rows.pop_front() {
                self.bytes -= row.sealed.len();
                run.push(row);
            }
        }
        run
    }

    /// Whether the first row has to be buried for its prerequisite.
    pub(super) fn is_doomed(&self, dead: &DeadLetters) -> bool {
        self.rows.front().is_some_and(|row| row.position < self.stop() && dead.dooms(row))
    }

    /// Takes the first row if it has to be buried for its prerequisite.
    pub(super) fn take_doomed(&mut self, dead: &DeadLetters) -> Option<Held> {
        let row = if self.is_doomed(dead) { self.rows.pop_front()? } else { return None };
        self.bytes -= row.sealed.len();
        match self.rows.front_mut() {
            Some(next) => next.run_start = true,
            None => self.gap = true,
        }
        Some(row)
    }

    // The first position that has to wait.
    fn stop(&self) -> u64 {
        let changing = self.changing.iter().flat_map(|changing| &changing.positions);
        let all = changing.chain(&self.superseded).chain(&self.waits_from);
        all.copied().min().unwrap_or(u64::MAX)
    }

    /// Whether its first row has to wait.
    pub(super) fn is_held(&self) -> bool {
        self.rows.front().is_some_and(|row| row.position >= self.stop())
    }

    /// Whether its first row waits for another stream.
    pub(super) fn is_waiting(&self) -> bool {
        self.rows.front().is_some_and(|row| self.waits_from.is_some_and(|at| at <= row.position))
    }

    /// Finds where it has to wait, by what `waits` says of each row that has a prerequisite.
    pub(super) fn first_waiting(&self, waits: &dyn Fn(&Held, &EventId) -> bool) -> Option<u64> {
        let waits = |row: &&Held| row.after.as_ref().is_some_and(|after| waits(row, after));
        self.rows.iter().find(waits).map(|row| row.position)
    }

    pub(super) fn wait_from(&mut self, at: Option<u64>) {
        self.waits_from = at;
        self.has_dependents = at.is_some() || self.rows.iter().any(|row| row.after.is_some());
    }

    pub(super) fn has_dependents(&self) -> bool {
        self.has_dependents
    }

    /// Where an event lies that is queued, sealed or not.
    pub(super) fn place(&self, id: &EventId) -> Option<u64> {
        self.ids.get(id).copied()
    }

    /// From which position on it is not known what is queued.
    pub(super) fn known_before(&self) -> u64 {
        self.skipped_from.unwrap_or(u64::MAX)
    }

    /// The row at this position, unless it is sealed, or was.
    pub(super) fn row_at(&self, position: u64) -> Option<&Held> {
        self.rows.iter().find(|row| row.position == position && self.may_change(row))
    }

    /// Up to which position rows were sealed before, although they are here again.
    pub(super) fn sealed_through(&self) -> Option<u64> {
        self.sealed_through
    }

    /// Rows up to this position have been sealed.
    pub(super) fn seal_through(&mut self, position: Option<u64>) {
        self.sealed_through = self.sealed_through.max(position);
    }

    fn may_change(&self, row: &Held) -> bool {
        Some(row.position) > self.sealed_through
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Held> {
        self.rows.iter()
    }

    pub(super) fn rows_at<'a>(&'a self, positions: &'a [u64]) -> impl Iterator<Item = &'a Held> {
        self.rows.iter().filter(|row| positions.contains(&row.position))
    }

    /// Whether it could hold that much more.
    pub(super) fn has_bytes(&self, more: usize) -> bool {
        self.bytes + more <= limits::BACKLOG_BYTES_MAX
    }

    /// A transaction has been asked for that changes rows.
    pub(super) fn change(&mut self, changing: Changing) {
        self.changing.push(changing);
    }

    pub(super) fn is_changing(&self, position: u64) -> bool {
        self.superseded.contains(&position)
            || self.changing.iter().any(|changing| changing.positions.contains(&position))
    }

    /// Whether any transaction that changes rows is under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.changing.is_empty()
    }

    /// Rows that later ones supersede, for a transaction that takes them out.
    pub(super) fn take_superseded(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.superseded)
    }

    /// The transaction of `ticket` has ended. Gives what it was to file if the disk has refused it.
    pub(super) fn changed(&mut self, ticket: Ticket, refused: bool) -> Option<(u64, u64)> {
        let at = self.changing.iter().position(|changing| changing.ticket == ticket)?;
        let Changing { positions, into, filed, .. } = self.changing.swap_remove(at);
        if refused {
            return Some(filed);
        }
        if let Some(new) = into {
            if let Some(row) = self.rows.iter_mut().find(|row| row.position == new.position) {
                self.bytes = self.bytes - row.sealed.len() + new.sealed.len();
                self.has_dependents |= new.after.is_some();
                *row = Held { run_start: row.run_start, ..new };
            }
            return None;
        }
        let mut cut = false;
        for mut row in core::mem::take(&mut self.rows) {
            if positions.contains(&row.position) {
                if self.struck.len() == STRUCK_MAX {
                    self.struck.pop_front();
                }
                self.struck.push_back(mark(&row));
                self.bytes -= row.sealed.len();
                self.ids.remove(&row.id);
                cut = true;
            } else {
                row.run_start |= core::mem::take(&mut cut);
                self.rows.push_back(row);
            }
        }
        self.gap |= cut;
        None
    }

    /// Puts a run back in the order of positions.
    pub(super) fn put_back(&mut self, run: Vec<Held>) {
        for row in run.into_iter().rev() {
            self.bytes += row.sealed.len();
            self.has_dependents |= row.after.is_some();
            self.ids.insert(row.id.clone(), row.position);
            // In front of all, but for what a torn batch named from the middle.
            let mut at = 0;
            while self.rows.get(at).is_some_and(|before| before.position < row.position) {
                at += 1;
            }
            self.rows.insert(at, row);
        }
    }

    /// An event is done with: its id may be used again.
    pub(super) fn forget(&mut self, id: &EventId) {
        self.ids.remove(id);
    }

    /// Notes an id that is in flight, so that a second row of it is known for a repeat.
    pub(super) fn note(&mut self, id: EventId, position: u64) {
        self.ids.insert(id, position);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows that wait, in memory or not.
    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64 + self.skipped
    }

    // The last one that may be superseded by `row`: those before it are superseded already (OUT-11).
    fn superseded_by(&self, row: &Held) -> Option<u64> {
        if row.fold == 0 {
            return None;
        }
        let mut alike = self.rows.iter().rev().filter(|earlier| earlier.fold == row.fold);
        let earlier = alike.find(|earlier| !self.is_changing(earlier.position))?;
        if !self.may_change(earlier) {
            return None;
        }
        supersedes(row, earlier).then_some(earlier.position)
    }

    fn has_room(&self, row: &Held) -> bool {
        self.rows.len() < limits::BACKLOG_ROWS_MAX
            && self.bytes + row.sealed.len() <= limits::BACKLOG_BYTES_MAX
    }

    fn take(&mut self, mut row: Held) -> Taken {
        if !self.struck.is_empty() && self.struck.contains(&mark(&row)) {
            return Taken::Repeat;
        }
        if let Some(before) = self.ids.insert(row.id.clone(), row.position) {
            self.ids.insert(row.id, before);
            return Taken::Repeat;
        }
        let superseded = self.superseded_by(&row);
        self.superseded.extend(superseded);
        self.has_dependents |= row.after.is_some();
        row.run_start |= core::mem::take(&mut self.gap);
        self.bytes += row.sealed.len();
        self.rows.push_back(row);
        Taken::In
    }
}

// The same for two rows of one event, as its page has sealed it.
fn mark(row: &Held) -> u64 {
    row.sealed.iter().fold(FNV_START, fnv)
}

/// A page that closes leaves no more than the rows of one transaction, and few of them were taken out.
const STRUCK_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn held(position: u64) -> Held {
        let id = EventId::new(&format!("e{position}")).expect("short and visible");
        let sealed = vec![position as u8; 10];
        let (is_patch, resolve) = (false, false);
        Held {
            id,
            sealed,
            position,
            run_start: false,
            after: None,
            release: false,
            is_patch,
            resolve,
            fold: 0,
        }
    }

    fn run(backlog: &mut Backlog, rows_max: usize) -> Vec<Held> {
        backlog.run(rows_max, limits::BATCH_BYTES_MAX, &DeadLetters::default())
    }

    #[test]
    fn what_does_not_fit_is_read_again_in_order() {
        let all = limits::BACKLOG_ROWS_MAX as u64 + 500;
        let mut backlog = Backlog::default();
        for position in 1..=all {
            backlog.offer(held(position));
        }
        assert_eq!(backlog.len(), all);
        let mut seen = Vec::new();
        while !backlog.is_empty() {
            let run = run(&mut backlog, 500);
            seen.extend(run.iter().map(|row| row.position));
            run.iter().for_each(|row| backlog.forget(&row.id));
            if let Some(from) = backlog.wants_again() {
                let whole =
                    (from..=all).all(|position| backlog.offer_again(held(position)).is_some());
                if whole {
                    backlog.caught_up();
                }
            }
        }
        assert_eq!(seen, (1..=all).collect::<Vec<_>>());
        assert_eq!(backlog.len(), 0);
    }

    // A flight row that had got into another database named rows from the middle: they overtook the older ones.
    #[test]
    fn what_is_put_back_from_the_middle_overtakes_nothing() {
        let mut backlog = Backlog::default();
        for position in [1, 2, 5, 6] {
            backlog.offer(held(position));
        }
        backlog.put_back(vec![held(3), held(4)]);
        let positions: Vec<u64> = run(&mut backlog, 9).iter().map(|row| row.position).collect();
        assert_eq!(positions, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_second_row_of_the_same_id_is_a_repeat_until_the_first_is_done_with() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.offer(held(1)), Taken::In);
        assert_eq!(backlog.offer(Held { position: 2, ..held(1) }), Taken::Repeat);
        let run = run(&mut backlog, 9);
        assert_eq!(backlog.offer(Held { position: 3, ..held(1) }), Taken::Repeat);
        backlog.forget(&run[0].id);
        assert_eq!(backlog.offer(Held { position: 4, ..held(1) }), Taken::In);
    }

    // A span that went on over the gap would cover rows of other streams, and delete them with its own.
    #[test]
    fn behind_a_row_that_was_taken_out_a_new_span_begins() {
        let strike = |backlog: &mut Backlog, position| {
            let ticket = Ticket(position);
            let positions = vec![position];
            backlog.change(Changing { ticket, positions, into: None, filed: (0, 0) });
            assert_eq!(backlog.changed(ticket, false), None);
        };
        let mut backlog = Backlog::default();
        for position in 1..=6 {
            backlog.offer(held(position));
        }
        strike(&mut backlog, 6);
        strike(&mut backlog, 3);
        backlog.offer(held(7));
        let starts: Vec<(u64, bool)> =
            run(&mut backlog, 9).iter().map(|row| (row.position, row.run_start)).collect();
        assert_eq!(starts, [(1, false), (2, false), (4, true), (5, false), (7, true)]);
    }

    #[test]
    fn nothing_is_sealed_from_a_row_on_that_is_being_changed() {
        let mut backlog = Backlog::default();
        for position in 1..=4 {
            backlog.offer(held(position));
        }
        let changing = |ticket| Changing {
            ticket: Ticket(ticket),
            positions: vec![3],
            into: Some(Held { sealed: vec![1; 20], ..held(3) }),
            filed: (0, 0),
        };
        backlog.change(changing(1));
        assert_eq!(run(&mut backlog, 9).len(), 2);
        assert!(backlog.is_held());
        backlog.changed(Ticket(1), true);
        assert_eq!(backlog.row_at(3).map(|row| row.sealed.len()), Some(10));
        backlog.change(changing(2));
        backlog.changed(Ticket(2), false);
        assert!(!backlog.is_held());
        let rows: Vec<usize> = run(&mut backlog, 9).iter().map(|row| row.sealed.len()).collect();
        assert_eq!(rows, [20, 10]);
    }

    #[test]
    fn nothing_overtakes_a_row_of_a_newer_build() {
        let mut backlog = Backlog::default();
        backlog.offer(held(1));
        backlog.close();
        assert_eq!(backlog.offer(held(3)), Taken::Later);
        assert_eq!(run(&mut backlog, 9).len(), 1);
        assert_eq!(backlog.wants_again(), None);
    }
}
