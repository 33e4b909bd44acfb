//! Requests of pages that are answered later, and those that were answered before (HOST-2).
//!
//! What always holds: a request that comes again is not done again in this life; in the next life it is, and every
//! request is such that this does no harm.

use std::collections::VecDeque;

use crate::base::{Fault, PageId, RequestId, SortedMap};
use crate::bus::Reply;
use crate::outbox::Ticket;

/// What is known of a request.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing: it is new.
    New,
    /// It is being done.
    UnderWay,
    /// This was the answer.
    Answered(Reply),
}

#[derive(Debug)]
enum Until {
    /// These transactions are complete.
    Written { left: Vec<Ticket>, count: u64, fault: Option<Fault> },
    /// Nothing more can be delivered at once.
    Quiet { answered_before: u64 },
}

#[derive(Debug)]
struct Ask {
    page: PageId,
    id: RequestId,
    until: Until,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Asks {
    open: Vec<Ask>,
    answered: SortedMap<PageId, VecDeque<(RequestId, Reply)>>,
}

impl Asks {
    pub(super) fn seen(&self, page: PageId, id: RequestId) -> Seen {
        if self.open.iter().any(|ask| ask.page == page && ask.id == id) {
            return Seen::UnderWay;
        }
        let answers = self.answered.get(&page);
        match answers.and_then(|answers| answers.iter().find(|(answered, _)| *answered == id)) {
            Some((_, reply)) => Seen::Answered(reply.clone()),
            None => Seen::New,
        }
    }

    pub(super) fn wait_for(&mut self, page: PageId, id: RequestId, left: Vec<Ticket>) {
        let count = left.len() as u64;
        self.open.push(Ask { page, id, until: Until::Written { left, count, fault: None } });
    }

    pub(super) fn fail(&mut self, page: PageId, id: RequestId, fault: Fault) {
        let until = Until::Written { left: Vec::new(), count: 0, fault: Some(fault) };
        self.open.push(Ask { page, id, until });
    }

    pub(super) fn wait_for_quiet(&mut self, page: PageId, id: RequestId, answered_before: u64) {
        self.open.push(Ask { page, id, until: Until::Quiet { answered_before } });
    }

    /// It was done for so many.
    pub(super) fn count(&mut self, ticket: Ticket, so_many: u64) {
        for ask in &mut self.open {
            if let Until::Written { left, count, .. } = &mut ask.until
                && left.contains(&ticket)
            {
                *count = so_many;
            }
        }
    }

    pub(super) fn on_committed(&mut self, ticket: Ticket) {
        self.end(ticket, None);
    }

    pub(super) fn on_commit_failed(&mut self, ticket: Ticket, fault: &Fault) {
        self.end(ticket, Some(fault));
    }

    fn end(&mut self, ticket: Ticket, failure: Option<&Fault>) {
        for ask in &mut self.open {
            if let Until::Written { left, fault, .. } = &mut ask.until
                && let Some(at) = left.iter().position(|waited| *waited == ticket)
            {
                left.swap_remove(at);
                *fault = fault.take().or_else(|| failure.cloned());
            }
        }
    }

    /// Whether no transaction is waited for.
    pub(super) fn is_quiet(&self) -> bool {
        self.open.iter().all(|ask| matches!(ask.until, Until::Quiet { .. }))
    }

    /// What can be answered. `flushed` is the answer to those who waited for quiet, but for their own count.
    pub(super) fn answers(
        &mut self,
        quiet: bool,
        answered: u64,
        flushed: &Reply,
    ) -> Vec<(PageId, RequestId, Reply)> {
        let mut answers = Vec::new();
        self.open.retain_mut(|ask| {
            let reply = match &mut ask.until {
                Until::Written { left, .. } if !left.is_empty() => return true,
                Until::Written { count, fault, .. } => {
                    fault.take().map_or(Reply::Done(*count), Reply::Failed)
                }
                Until::Quiet { .. } if !quiet => return true,
                Until::Quiet { answered_before } => match flushed {
                    Reply::Flushed { pending, dead, .. } => Reply::Flushed {
                        delivered: answered.saturating_sub(*answered_before),
                        pending: *pending,
                        dead: *dead,
                    },
                    Reply::Done(_) | Reply::Failed(_) => flushed.clone(),
                },
            };
            answers.push((ask.page, ask.id, reply));
            false
        });
        for (page, id, reply) in &answers {
            if self.answered.len() >= PAGES_MAX && !self.answered.contains_key(page) {
                self.answered.pop_first();
            }
            let remembered = self.answered.get_or_insert_with(*page, VecDeque::new);
            if remembered.len() == REPLIES_MAX {
                remembered.pop_front();
            }
            remembered.push_back((*id, reply.clone()));
        }
        answers
    }
}

/// Answers remembered for each page.
const REPLIES_MAX: usize = 32;
/// Pages whose answers are remembered.
const PAGES_MAX: usize = 64;
