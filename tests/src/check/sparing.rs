//! A server that is not there, and pages that have tokens, are spared: one request at a time once five in a row have
//! failed (OUT-9), and one question for a token at a time (OUT-7).

use std::collections::BTreeMap;

use bellwether_shared::base::limits;
use bellwether_shared::bus::{Envelope, Identity, Request};
use bellwether_shared::coordinator::{Client, Effect, Input};
use bellwether_shared::outbox::{Response, Ticket};
use bellwether_shared::wire::{Push, from_cbor};

/// What one coordinator has under way.
#[derive(Debug, Clone, Default)]
pub struct Spared {
    /// Requests under way that have left after five in a row had failed.
    probes: Vec<Ticket>,
    failures: u32,
    asked: BTreeMap<Identity, (u64, Option<Client>)>,
}

impl Spared {
    /// It asks its driver for something.
    pub(crate) fn on_effect(&mut self, effect: &Effect, at_ms: u64) -> Vec<String> {
        let mut found = Vec::new();
        // What asks whether the server is well is not held back.
        if self.failures >= FAILURES_MAX
            && let Effect::Push { ticket, .. } | Effect::Request { ticket, .. } = effect
            && !is_question(effect)
        {
            self.probes.push(*ticket);
            if self.probes.len() > 1 {
                let (count, failures) = (self.probes.len(), self.failures);
                found.push(format!("{count} requests at a time, and {failures} have failed"));
            }
        }
        if let Effect::WantToken { identity, page, .. } = effect {
            let before = self.asked.insert(identity.clone(), (at_ms, page.clone()));
            let again = before.is_some_and(|(asked_ms, asked)| {
                at_ms < asked_ms + PATIENCE_MS && asked.is_some() && asked != *page
            });
            if again {
                found.push(format!("a token of {identity:?} is asked for twice"));
            }
        }
        found
    }

    /// It is told something.
    pub(crate) fn on_input(&mut self, input: &Input) {
        if let Input::Response { ticket, response } = input {
            self.probes.retain(|other| other != ticket);
            match response {
                Response::Unreachable => self.failures += 1,
                Response::Http { .. } => self.failures = 0,
                Response::Withheld => {}
            }
        }
        if let Input::Clients(here) = input {
            self.asked
                .retain(|_, (_, asked)| asked.as_ref().is_none_or(|page| here.contains(page)));
        }
        let Input::Message { from, bytes } = input else { return };
        let Ok(envelope) = Envelope::read(bytes) else { return };
        match Request::open(&envelope) {
            Ok(Some(Request::Token(given))) => {
                self.asked.remove(&given.identity);
            }
            // A page that says hello again may not have heard the question; one that has gone does not answer it.
            Ok(Some(Request::Hello(_) | Request::Farewell(_))) => {
                self.asked.retain(|_, (_, asked)| asked.as_ref() != Some(from));
            }
            Ok(_) | Err(_) => {}
        }
    }
}

fn is_question(effect: &Effect) -> bool {
    let Effect::Push { body, .. } = effect else { return false };
    from_cbor::<Push>(body, limits::PUSH_BYTES_MAX).is_ok_and(|push| push.events.is_empty())
}

const FAILURES_MAX: u32 = 5;
const PATIENCE_MS: u64 = 20_000;
