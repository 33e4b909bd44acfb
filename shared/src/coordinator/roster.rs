//! Which pages are known to be there (HOST-8).
//!
//! What always holds: a page is here once it has said hello in this coordinator's life; it is dropped when it says
//! farewell, or when the browser no longer lists it.

use core::time::Duration;

use super::input::Client;
use crate::base::{Mono, PageId, SortedMap, limits};
use crate::bus::Identity;

#[derive(Debug)]
struct Entry {
    client: Client,
    identity: Option<Identity>,
    has_token: bool,
    resolves: bool,
    visible: bool,
    heard: Mono,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Roster {
    pages: SortedMap<PageId, Entry>,
    /// The page that leads.
    pump: Option<PageId>,
    listed: Option<Mono>,
    asked: bool,
}

impl Roster {
    /// A page has said something; it is registered by its hello.
    pub(super) fn heard(&mut self, page: PageId, client: &Client, at: Mono) {
        let entry = self.pages.get_or_insert_with(page, || Entry {
            client: client.clone(),
            identity: None,
            has_token: false,
            resolves: false,
            visible: false,
            heard: at,
        });
        entry.client = client.clone();
        entry.heard = at;
        self.choose(at);
    }

    pub(super) fn register(
        &mut self,
        page: PageId,
        identity: &Identity,
        has_token: bool,
        visible: bool,
        resolves: bool,
    ) {
        if let Some(entry) = self.pages.get_mut(&page) {
            entry.identity = Some(identity.clone());
            entry.has_token = has_token;
            entry.resolves = resolves;
            entry.visible = visible;
            let heard = entry.heard;
            self.choose(heard);
        }
    }

    pub(super) fn gone(&mut self, page: PageId, at: Mono) {
        self.pages.remove(&page);
        self.choose(at);
    }

    /// The browser lists these. A page heard of a moment ago may not be listed yet.
    pub(super) fn present(&mut self, clients: &[Client], at: Mono) {
        self.listed = Some(at);
        self.asked = false;
        self.pages
            .retain(|_, entry| clients.contains(&entry.client) || at.since(entry.heard) < GRACE);
        self.choose(at);
    }

    /// Whether it is time to ask the browser which pages are there.
    pub(super) fn wants_list(&mut self, at: Mono) -> bool {
        let stale = self.listed.is_none_or(|listed| at.since(listed) >= LIST_EVERY);
        stale && !core::mem::replace(&mut self.asked, true)
    }

    pub(super) fn knows(&self, client: &Client) -> bool {
        self.pages.values().any(|entry| entry.client == *client && entry.identity.is_some())
    }

    pub(super) fn client(&self, page: PageId) -> Option<Client> {
        self.pages.get(&page).map(|entry| entry.client.clone())
    }

    /// Whose events a page makes, once it has said so.
    pub(super) fn identity(&self, page: PageId) -> Option<Identity> {
        self.pages.get(&page)?.identity.clone()
    }

    /// Whether a page of this session makes one of two where writes have disagreed.
    pub(super) fn resolves(&self, session: &str) -> bool {
        let is_of = |identity: &Identity| *identity.session == *session;
        self.pages
            .values()
            .any(|entry| entry.resolves && entry.identity.as_ref().is_some_and(is_of))
    }

    /// A page that can be asked for this identity's token, one in sight before the others.
    pub(super) fn token_giver(&self, identity: &Identity) -> Option<Client> {
        let gives = |entry: &&Entry| entry.has_token && entry.identity.as_ref() == Some(identity);
        let giver = self.pages.values().filter(gives).max_by_key(|entry| entry.visible)?;
        Some(giver.client.clone())
    }

    /// Whether a plain request of this user may leave without a token: of nobody in particular, or while a page of that
    /// very user is there that has no tokens to give, so that the browser's cookies are theirs.
    pub(super) fn vouches(&self, identity: &Identity) -> bool {
        let is_theirs =
            |entry: &Entry| entry.identity.as_ref() == Some(identity) && !entry.has_token;
        identity.user.is_empty() || self.pages.values().any(is_theirs)
    }

    /// The one page that is to wake the coordinator in time: one in sight before the others, since the timers of
    /// the others are slowed down.
    pub(super) fn pump(&self) -> Option<PageId> {
        self.pump
    }

    // It stays the same as long as it is there, is as much in sight as any, and says something now and then: whoever leads
    // holds a connection, and all pages are told of another.
    fn choose(&mut self, at: Mono) {
        let registered = || self.pages.iter().filter(|(_, entry)| entry.identity.is_some());
        let best = registered().max_by_key(|(_, entry)| (entry.visible, entry.heard));
        let in_sight = best.is_some_and(|(_, entry)| entry.visible);
        let stays = |(page, entry): &(&PageId, &Entry)| {
            Some(**page) == self.pump
                && (entry.visible || !in_sight)
                && at.since(entry.heard) < SILENCE_MAX
        };
        self.pump = registered().find(stays).or(best).map(|(page, _)| *page);
    }

    pub(super) fn len(&self) -> u32 {
        let registered = self.pages.values().filter(|entry| entry.identity.is_some());
        u32::try_from(registered.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How long a page that leads may say nothing while others do: as long as these wait for it to wake the coordinator.
const SILENCE_MAX: Duration = Duration::from_millis(limits::PUMP_PATIENCE_MS);
const GRACE: Duration = Duration::from_secs(2);
const LIST_EVERY: Duration = Duration::from_millis(limits::ROSTER_AGE_MS_MAX / 12);

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PageId = PageId([1; 16]);
    const BEN: PageId = PageId([2; 16]);

    fn heard(roster: &mut Roster, page: PageId, ms: u64) {
        roster.heard(page, &client(page), Mono(ms));
    }

    fn client(page: PageId) -> Client {
        Client(page.text().into())
    }

    fn hello(roster: &mut Roster, page: PageId, ms: u64, visible: bool) {
        heard(roster, page, ms);
        let identity = Identity { session: "s".into(), user: "".into() };
        roster.register(page, &identity, false, visible, false);
    }

    #[test]
    fn the_page_that_leads_goes_on_leading_while_others_speak() {
        let mut roster = Roster::default();
        heard(&mut roster, BEN, 0);
        assert_eq!(roster.pump(), None, "nobody has said hello");
        hello(&mut roster, ANN, 1, true);
        hello(&mut roster, BEN, 2, true);
        let silence = limits::PUMP_PATIENCE_MS;
        for ms in [3, 4, silence] {
            heard(&mut roster, BEN, ms);
            assert_eq!(roster.pump(), Some(ANN), "at {ms} ms");
        }
        heard(&mut roster, BEN, 1 + silence);
        assert_eq!(roster.pump(), Some(BEN), "the other has been silent for long");
        heard(&mut roster, ANN, 2 + silence);
        assert_eq!(roster.pump(), Some(BEN), "and does not take it back");
    }

    #[test]
    fn one_in_sight_leads_before_the_others_and_one_that_is_gone_does_not() {
        let mut roster = Roster::default();
        hello(&mut roster, ANN, 1, false);
        hello(&mut roster, BEN, 2, false);
        assert_eq!(roster.pump(), Some(ANN));
        hello(&mut roster, BEN, 3, true);
        assert_eq!(roster.pump(), Some(BEN));
        hello(&mut roster, BEN, 4, false);
        assert_eq!(roster.pump(), Some(BEN), "nobody else is in sight");
        roster.gone(BEN, Mono(5));
        assert_eq!(roster.pump(), Some(ANN));
        hello(&mut roster, BEN, 6, false);
        roster.present(&[client(BEN)], Mono(10_000));
        assert_eq!(roster.pump(), Some(BEN), "the browser does not list the other");
        roster.gone(BEN, Mono(10_001));
        assert_eq!(roster.pump(), None);
    }
}
