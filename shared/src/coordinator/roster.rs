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
    visible: bool,
    heard: Mono,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Roster {
    pages: SortedMap<PageId, Entry>,
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
            visible: false,
            heard: at,
        });
        entry.client = client.clone();
        entry.heard = at;
    }

    pub(super) fn register(
        &mut self,
        page: PageId,
        identity: &Identity,
        has_token: bool,
        visible: bool,
    ) {
        if let Some(entry) = self.pages.get_mut(&page) {
            entry.identity = Some(identity.clone());
            entry.has_token = has_token;
            entry.visible = visible;
        }
    }

    pub(super) fn gone(&mut self, page: PageId) {
        self.pages.remove(&page);
    }

    /// The browser lists these. A page heard of a moment ago may not be listed yet.
    pub(super) fn present(&mut self, clients: &[Client], at: Mono) {
        self.listed = Some(at);
        self.asked = false;
        self.pages
            .retain(|_, entry| clients.contains(&entry.client) || at.since(entry.heard) < GRACE);
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
        let registered = self.pages.iter().filter(|(_, entry)| entry.identity.is_some());
        registered.max_by_key(|(_, entry)| (entry.visible, entry.heard)).map(|(page, _)| *page)
    }

    pub(super) fn len(&self) -> u32 {
        let registered = self.pages.values().filter(|entry| entry.identity.is_some());
        u32::try_from(registered.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const GRACE: Duration = Duration::from_secs(2);
const LIST_EVERY: Duration = Duration::from_millis(limits::ROSTER_AGE_MS_MAX / 12);
