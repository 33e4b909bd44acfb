//! What of a stream has been read from the journal and is not sealed yet.
//!
//! What always holds: the rows are in the order of their positions, no id is here twice, and what does not
//! fit in memory is remembered as a position from which to read again, so that nothing behind it is let in first.

use std::collections::VecDeque;

use super::batch::Held;
use crate::base::{EventId, SortedMap, limits};

/// The unsealed rows of one stream.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    rows: VecDeque<Held>,
    bytes: usize,
    ids: SortedMap<EventId, ()>,
    /// Position of the first row that did not fit.
    skipped_from: Option<u64>,
    /// How many did not fit.
    skipped: u64,
    /// A row of a newer build lies ahead; nothing behind it may overtake it.
    closed: bool,
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

    /// Takes a run from the front: at least one row, at most `rows_max`, and within `bytes_max`.
    pub(super) fn run(&mut self, rows_max: usize, bytes_max: usize) -> Vec<Held> {
        let mut bytes = 0;
        let mut run = Vec::new();
        while let Some(row) = self.rows.front() {
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

    /// Puts a run back in the order of positions.
    pub(super) fn put_back(&mut self, run: Vec<Held>) {
        for row in run.into_iter().rev() {
            self.bytes += row.sealed.len();
            self.ids.insert(row.id.clone(), ());
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
    pub(super) fn note(&mut self, id: EventId) {
        self.ids.insert(id, ());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows that wait, in memory or not.
    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64 + self.skipped
    }

    fn has_room(&self, row: &Held) -> bool {
        self.rows.len() < limits::BACKLOG_ROWS_MAX
            && self.bytes + row.sealed.len() <= limits::BACKLOG_BYTES_MAX
    }

    fn take(&mut self, row: Held) -> Taken {
        if self.ids.insert(row.id.clone(), ()).is_some() {
            return Taken::Repeat;
        }
        self.bytes += row.sealed.len();
        self.rows.push_back(row);
        Taken::In
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(position: u64) -> Held {
        let id = EventId::new(&format!("e{position}")).expect("short and visible");
        Held { id, sealed: vec![0; 10], position, run_start: false }
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
            let run = backlog.run(500, limits::BATCH_BYTES_MAX);
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
        let positions: Vec<u64> =
            backlog.run(9, limits::BATCH_BYTES_MAX).iter().map(|row| row.position).collect();
        assert_eq!(positions, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_second_row_of_the_same_id_is_a_repeat_until_the_first_is_done_with() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.offer(held(1)), Taken::In);
        assert_eq!(backlog.offer(Held { position: 2, ..held(1) }), Taken::Repeat);
        let run = backlog.run(9, limits::BATCH_BYTES_MAX);
        assert_eq!(backlog.offer(Held { position: 3, ..held(1) }), Taken::Repeat);
        backlog.forget(&run[0].id);
        assert_eq!(backlog.offer(Held { position: 4, ..held(1) }), Taken::In);
    }

    #[test]
    fn nothing_overtakes_a_row_of_a_newer_build() {
        let mut backlog = Backlog::default();
        backlog.offer(held(1));
        backlog.close();
        assert_eq!(backlog.offer(held(3)), Taken::Later);
        assert_eq!(backlog.run(9, limits::BATCH_BYTES_MAX).len(), 1);
        assert_eq!(backlog.wants_again(), None);
    }
}
