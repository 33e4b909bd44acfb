//! The document machine beside the outbox: what one says to the other, and to pages and the server (STATE-1).

use super::{Coordinator, Effect, Refused, To};
use crate::base::{Culprit, EventId, Fault, Now, PageId, RequestId, Ticket, limits};
use crate::bus::{Changed, Identity, Notice};
use crate::outbox::{Response, Verdicts, is_of, problem_of};
use crate::rows::document_prefix;
use crate::state::{self, Pulled};
use crate::wire::{CBOR, LogPage, PROBLEM_CBOR, Snapshot, from_cbor};

impl Coordinator {
    /// Hands on what both machines ask for, until neither asks for more.
    pub(super) fn go_on(&mut self, now: Now) {
        loop {
            while let Some(effect) = self.outbox.poll_effect() {
                self.on_outbox(now, effect);
            }
            if self.outbox.is_frozen() {
                return;
            }
            self.go_state(now);
            if !self.outbox.has_effects() {
                return self.ask_hook();
            }
        }
    }

    fn go_state(&mut self, now: Now) {
        let Self { state, outbox, .. } = self;
        state.go(now, &mut || outbox.ticket());
        while let Some(effect) = self.state.poll_effect() {
            self.on_state(now, effect);
        }
    }

    // What it makes is built on what is known: nothing that would be sent before it may still wait. Pages come first.
    fn ask_hook(&mut self) {
        let has_read = self.has_read() && self.wiper.is_none();
        let Self { state, roster, outbox, effects, .. } = self;
        loop {
            let may_ask = |identity: &Identity| {
                has_read && !roster.resolves(&identity.session) && !outbox.holds(identity)
            };
            let Some((identity, id)) = state.dispute(&may_ask) else { return };
            let ticket = outbox.ticket();
            state.ask(ticket, &identity.session);
            effects.push_back(Effect::Resolve { ticket, identity, id });
        }
    }

    // Not while it is all wiped, nor where a page makes one of two itself by now.
    pub(super) fn on_resolution(&mut self, ticket: Ticket, made: Option<Vec<Vec<u8>>>) {
        let Self { state, roster, wiper, .. } = self;
        let is_of_use = |session: &str| wiper.is_none() && !roster.resolves(session);
        state.on_resolution(ticket, made, &is_of_use);
    }

    // What lies ahead of the known log is written before the journal lets go of it.
    pub(super) fn on_verdicts(&mut self, now: Now, verdicts: Verdicts) {
        let Verdicts { identity, epoch, span, patches, at, over, losers } = verdicts;
        self.state.on_taken(state::Taken { identity, epoch, span, patches, at, over, losers });
        self.go_state(now);
    }

    fn on_state(&mut self, now: Now, effect: state::Effect) {
        match effect {
            state::Effect::Load { ticket, session } => {
                let prefix = document_prefix(&session).into();
                self.effects.push_back(Effect::ReadDocument { ticket, prefix });
            }
            state::Effect::Pull { ticket, identity, path } => {
                let mut url = String::from(self.outbox.config().server.trim_end_matches('/'));
                url.push_str(&path);
                let token = self.tokens.for_push(&identity, ticket);
                self.pulls.insert(ticket, identity);
                self.effects.push_back(Effect::Pull { ticket, url: url.into(), token });
            }
            state::Effect::Commit { ticket, ops, outcomes } => {
                // What it appends is read as what pages append.
                let appends = ops.iter().any(|op| matches!(op, crate::rows::Op::Append { .. }));
                if appends {
                    self.appends.insert(ticket, Vec::new());
                }
                let (ops, strict) = self.outbox.filed(ops, outcomes, now);
                self.commit(ticket, ops, strict);
            }
            state::Effect::Changed { session, keys, over, folded } => {
                let notice = Notice::Changed(Changed { session, keys, over, folded });
                self.send(To::All, RequestId(0), &notice);
            }
            state::Effect::Renewed { session, epoch } => {
                self.outbox.on_renewed(now, &session, epoch);
            }
            state::Effect::GoneBack { session } => self.outbox.on_gone_back(now, &session),
            state::Effect::Settled(ticket, None) => self.asks.on_committed(ticket),
            state::Effect::Settled(ticket, Some(fault)) => {
                self.asks.on_commit_failed(ticket, &fault);
            }
        }
    }

    pub(super) fn on_pulled(&mut self, now: Now, ticket: Ticket, response: Response) {
        let Some(identity) = self.pulls.remove(&ticket) else { return };
        self.outbox.set_reachable(matches!(response, Response::Http { .. }));
        let pulled = read(&response);
        if pulled == Pulled::Unauthorized {
            let refused = self.tokens.on_refused(&identity, ticket, now.mono);
            self.state.on_pulled(now, ticket, pulled);
            match refused {
                Refused::Ask => self.ask_for_token(identity),
                Refused::Replaced => self.state.on_token(&identity),
                Refused::Asked => {}
            }
        } else {
            self.state.on_pulled(now, ticket, pulled);
        }
        self.tokens.on_response(ticket);
    }

    pub(super) fn on_pull_wanted(&mut self, page: PageId, id: RequestId, head: Option<u64>) {
        let Some(identity) = self.roster.identity(page) else {
            return self.asks.fail(page, id, stranger());
        };
        let waiter = self.outbox.ticket();
        self.state.on_news(&identity, head, Some(waiter));
        self.asks.wait_for(page, id, vec![waiter]);
    }

    pub(super) fn on_resolved(&mut self, page: PageId, id: RequestId, event: &EventId) {
        let Some(identity) = self.roster.identity(page) else {
            return self.asks.fail(page, id, stranger());
        };
        self.state.on_resolved(&identity, event);
        self.asks.wait_for(page, id, Vec::new());
    }
}

fn stranger() -> Fault {
    let message = "the coordinator is a new one, and has not heard of this page: try again later";
    Fault::new("page-unknown", Culprit::Browser, message)
}

// Whatever bytes came, it is one or the other.
fn read(response: &Response) -> Pulled {
    // A wait is believed up to its bound, as for a push.
    let failed = |code: &str, message: &str, wait: Option<u32>| Pulled::Failed {
        fault: Fault::new(code, Culprit::Server, message),
        retry_after_ms: wait.map(|wait| wait.min(limits::RETRY_AFTER_MS_MAX)),
    };
    let Response::Http { status, content_type, retry_after_ms, body } = response else {
        return failed("server-unreachable", "the server could not be reached", None);
    };
    match status {
        200 if is_of(content_type, CBOR) => {
            if let Ok(page) = from_cbor::<LogPage>(body, limits::ANSWER_BYTES_MAX) {
                return Pulled::Page(page);
            }
            if let Ok(part) = from_cbor::<Snapshot>(body, limits::ANSWER_BYTES_MAX) {
                return Pulled::Snapshot(part);
            }
        }
        401 => return Pulled::Unauthorized,
        409 | 410 if is_of(content_type, PROBLEM_CBOR) => return Pulled::Anew,
        _ => {}
    }
    match problem_of(content_type, body) {
        Some(problem) => {
            failed(&problem.code, &problem.detail, problem.retry_after_ms.or(*retry_after_ms))
        }
        None => failed(
            "server-misbehaved",
            "the answer did not come from a sync server",
            *retry_after_ms,
        ),
    }
}
