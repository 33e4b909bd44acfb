//! Credentials, in memory only, and asking for them once for all pages and streams (OUT-7).
//!
//! What always holds: for one user one token is asked for at a time, however many pages are there and however many
//! requests were refused with the one before; a request that was refused with an older token than the present one is
//! no reason to ask.

use core::time::Duration;

use super::effect::Token;
use super::input::Client;
use crate::base::{Mono, SortedMap};
use crate::bus::Identity;
use crate::outbox::Ticket;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    of: SortedMap<Identity, Known>,
    /// Which token each request under way was sent with.
    sent: SortedMap<Ticket, u32>,
}

#[derive(Debug, Default)]
struct Known {
    token: Option<Token>,
    /// Counts the tokens of this user.
    number: u32,
    /// When one was asked for that has not come, and of which page.
    asked: Option<(Mono, Option<Client>)>,
}

/// What a refused credential calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Asking for another.
    Ask,
    /// Nothing: one was asked for.
    Asked,
    /// Trying again: there is another by now.
    Replaced,
}

impl Tokens {
    /// The token to send a request with.
    pub(super) fn for_push(&mut self, identity: &Identity, ticket: Ticket) -> Option<Token> {
        let known = self.of.get(identity)?;
        self.sent.insert(ticket, known.number);
        known.token.clone()
    }

    /// Whether one should be asked for, since there is none, and `page` has come that may have one. A page that was
    /// asked and says hello again may not have heard it, and before it there may have been none to ask. Once it says
    /// so it has been.
    pub(super) fn wants(&mut self, identity: &Identity, page: &Client, at: Mono) -> bool {
        let known = self.of.get_or_insert_with(identity.clone(), Known::default);
        known.asked.take_if(|(_, asked)| asked.as_ref().is_none_or(|asked| asked == page));
        known.token.is_none() && known.ask(at)
    }

    /// This page is asked.
    pub(super) fn on_asked(&mut self, identity: &Identity, page: Option<&Client>) {
        if let Some((_, asked)) = self.of.get_mut(identity).and_then(|known| known.asked.as_mut()) {
            *asked = page.cloned();
        }
    }

    /// The request of `ticket` was refused for its credential.
    pub(super) fn on_refused(&mut self, identity: &Identity, ticket: Ticket, at: Mono) -> Refused {
        let known = self.of.get_or_insert_with(identity.clone(), Known::default);
        let with = self.sent.get(&ticket).copied().unwrap_or_default();
        if with < known.number && known.token.is_some() {
            return Refused::Replaced;
        }
        known.token = None;
        if known.ask(at) { Refused::Ask } else { Refused::Asked }
    }

    /// Somebody has answered, perhaps that there is none. Whether there is one now.
    pub(super) fn on_given(&mut self, identity: &Identity, token: Option<Box<str>>) -> bool {
        let known = self.of.get_or_insert_with(identity.clone(), Known::default);
        known.token = token.map(Token);
        known.asked = None;
        known.number += 1;
        known.token.is_some()
    }

    /// Pages have gone. The users whose tokens were asked for of one that is not here any more, and of nobody since.
    pub(super) fn left(&mut self, is_here: &dyn Fn(&Client) -> bool) -> Vec<Identity> {
        let mut left = Vec::new();
        for (identity, known) in self.of.iter_mut() {
            let gone = |asked: &mut (Mono, Option<Client>)| {
                asked.1.as_ref().is_some_and(|page| !is_here(page))
            };
            if known.asked.take_if(gone).is_some() {
                left.push(identity.clone());
            }
        }
        left
    }

    /// A request is over.
    pub(super) fn on_response(&mut self, ticket: Ticket) {
        self.sent.remove(&ticket);
    }
}

impl Known {
    fn ask(&mut self, at: Mono) -> bool {
        let asked = self.asked.as_ref().is_some_and(|(asked, _)| at.since(*asked) < PATIENCE);
        if !asked {
            self.asked = Some((at, None));
        }
        !asked
    }
}

/// Whoever was asked for a token may have gone, and another is asked after this.
const PATIENCE: Duration = Duration::from_secs(20);
