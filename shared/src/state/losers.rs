//! Which patches that were refused the worker's hook is asked about, and when not any more (STATE-4).
//!
//! What always holds:
//! - one of a session is asked about at a time, so that each is built on what was made of the one before;
//! - what was made of one counts on from it: after [`ROUNDS_MAX`] in a row it waits for a page, or another life of the worker.
//!
//! Not here: what the hook is asked, and what is made of its answer (`resolve`).

use std::collections::VecDeque;

use super::Ticket;
use crate::base::EventId;

/// A patch that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loser {
    pub(super) id: EventId,
    /// Whose it is, if the disk says.
    pub(super) user: Option<Box<str>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Losers {
    waiting: VecDeque<Loser>,
    asked: Option<(Ticket, Loser)>,
    /// How many in a row the hook was asked about with this one as the last: the latest of them.
    rounds: VecDeque<(EventId, u32)>,
}

impl Losers {
    /// This one was refused.
    pub(super) fn lose(&mut self, id: EventId, user: Option<Box<str>>) {
        let asked = self.asked.iter().map(|(_, loser)| loser);
        let is_known = self.waiting.iter().chain(asked).any(|loser| loser.id == id);
        if !is_known && self.round(&id) < ROUNDS_MAX {
            self.waiting.push_back(Loser { id, user });
        }
    }

    /// Somebody has made one of two.
    pub(super) fn settle(&mut self, id: &EventId) {
        self.waiting.retain(|loser| loser.id != *id);
        self.asked.take_if(|(_, loser)| loser.id == *id);
    }

    /// The one to be asked about, while none is.
    pub(super) fn next(&self) -> Option<&Loser> {
        self.waiting.front().filter(|_| self.asked.is_none())
    }

    /// It is asked about.
    pub(super) fn ask(&mut self, ticket: Ticket) {
        if let Some(loser) = self.waiting.pop_front() {
            self.asked = Some((ticket, loser));
        }
    }

    /// The hook has answered, or could not be asked.
    pub(super) fn answered(&mut self, ticket: Ticket) -> Option<Loser> {
        self.asked.take_if(|(asked, _)| *asked == ticket).map(|(_, loser)| loser)
    }

    /// The hook has made something of it. Should that not be written, it is asked once more.
    pub(super) fn resolve(&mut self, id: &EventId) {
        self.waiting.retain(|loser| loser.id != *id);
        self.count(id.clone(), self.round(id) + 1);
    }

    /// This is what it has made.
    pub(super) fn made(&mut self, id: &EventId, made: EventId) {
        self.count(made, self.round(id));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    fn round(&self, id: &EventId) -> u32 {
        self.rounds.iter().find(|(of, _)| of == id).map_or(0, |(_, round)| *round)
    }

    fn count(&mut self, id: EventId, round: u32) {
        self.rounds.retain(|(of, _)| *of != id);
        if self.rounds.len() >= ROUNDS_KEPT {
            self.rounds.pop_front();
        }
        self.rounds.push_back((id, round));
    }
}

const ROUNDS_MAX: u32 = 5;
/// More than lose against others at once.
const ROUNDS_KEPT: usize = 256;
