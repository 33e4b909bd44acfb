//! Where a stream has to wait for another (OUT-16).
//!
//! What always holds: a row waits only for one that was appended before it, so no two wait for each other. What a row
//! names that is not queued, or that is queued behind it, is not waited for: the server knows, or says that it does not.
//!
//! Not here: burying for a prerequisite that is a dead letter (`stream/amend.rs`).

use super::Outbox;
use super::batch::Held;
use super::stream::Stream;
use crate::base::EventId;

impl Outbox {
    /// Tells each stream how far it may go.
    pub(super) fn weigh(&mut self) {
        if !self.streams.values().any(|stream| stream.queue().has_dependents()) {
            return;
        }
        let mut stops = Vec::new();
        for stream in self.streams.values() {
            let waits = |row: &Held, after: &EventId| self.waits(stream, row, after);
            stops.push(stream.queue().first_waiting(&waits));
        }
        for (stream, stop) in self.streams.values_mut().zip(stops) {
            stream.backlog().wait_from(stop);
        }
    }

    fn waits(&self, stream: &Stream, row: &Held, after: &EventId) -> bool {
        if stream.queue().place(after).is_some() {
            return false;
        }
        let mut unknown = false;
        for other in self.streams.values() {
            let queue = other.queue();
            if queue.place(after).is_some_and(|place| place < row.position) {
                return true;
            }
            // It may be among those that did not fit in memory. Those of its own stream lie behind it.
            unknown |= queue.known_before() < row.position;
        }
        unknown && !self.shared.dead.holds(after)
    }
}
