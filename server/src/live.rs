//! News of session logs, for those who wait for it (SRV-1, SRV-7).
//!
//! Nothing is kept for anybody: what happened is in the log, and whoever waits is told only how far it goes.
//!
//! What always holds: whoever watches is told of each head that is told after he began, or of a later one; a session that
//! nobody watches costs nothing; at most [`LIVE_MAX`] watch at once.
//!
//! Not here: other processes on the same store. Their news would be told here, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::bounds::LIVE_MAX;
use crate::fault::Fault;

type Name = (Box<str>, Box<str>);

/// How far the logs that are watched go.
#[derive(Debug, Default)]
pub struct Heads {
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    sessions: HashMap<Name, watch::Sender<u64>>,
    watchers: usize,
    is_closed: bool,
}

impl Heads {
    /// Tells whoever watches the session that its log goes as far as `head`.
    pub fn tell(&self, tenant: &str, session: &str, head: u64) {
        if let Some(heads) = self.watched().sessions.get(&(tenant.into(), session.into())) {
            heads.send_if_modified(|known| {
                let is_news = head > *known;
                *known = head.max(*known);
                is_news
            });
        }
    }

    /// Ends all waiting, and lets nobody begin: the server is about to end.
    pub fn close(&self) {
        let mut watched = self.watched();
        watched.is_closed = true;
        watched.sessions.clear();
    }

    /// Watches a session.
    ///
    /// # Errors
    /// [`Fault::Unavailable`]: too many watch already, or the server is about to end.
    pub(crate) fn watch(self: &Arc<Self>, tenant: &str, session: &str) -> Result<Watch, Fault> {
        let mut watched = self.watched();
        if watched.is_closed || watched.watchers >= LIVE_MAX {
            return Err(Fault::unavailable("too many wait for news already; come again later"));
        }
        watched.watchers += 1;
        let name: Name = (tenant.into(), session.into());
        let heads = watched.sessions.entry(name.clone()).or_insert_with(|| watch::Sender::new(0));
        Ok(Watch { news: heads.subscribe(), heads: Arc::clone(self), name })
    }

    // Nothing in here panics.
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Someone who waits for news of one session.
#[derive(Debug)]
pub(crate) struct Watch {
    news: watch::Receiver<u64>,
    heads: Arc<Heads>,
    name: Name,
}

impl Watch {
    /// Waits until something was told since the last time. `false`: there will be no news any more.
    pub(crate) async fn news(&mut self) -> bool {
        self.news.changed().await.is_ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.heads.watched();
        watched.watchers -= 1;
        let is_last = |heads: &watch::Sender<u64>| heads.receiver_count() <= 1;
        if watched.sessions.get(&self.name).is_some_and(is_last) {
            watched.sessions.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_watches_hears_of_the_last_head_and_a_session_is_forgotten_with_its_last_watcher() {
        let heads = Arc::new(Heads::default());
        heads.tell("t", "s", 1);
        let mut ann = heads.watch("t", "s").expect("few watch");
        let ben = heads.watch("t", "s").expect("few watch");
        heads.tell("t", "other", 9);
        heads.tell("t", "s", 2);
        heads.tell("t", "s", 3);
        assert!(ann.news().await);
        assert_eq!(*ann.news.borrow(), 3);
        heads.tell("t", "s", 3);
        assert!(!ann.news.has_changed().expect("it is open"), "that is no news");
        drop(ann);
        assert_eq!(heads.watched().sessions.len(), 1);
        drop(ben);
        let watched = heads.watched();
        assert_eq!((watched.sessions.len(), watched.watchers), (0, 0));
    }

    #[tokio::test]
    async fn the_end_is_told_and_nobody_begins_after_it() {
        let heads = Arc::new(Heads::default());
        let mut ann = heads.watch("t", "s").expect("few watch");
        heads.close();
        assert!(!ann.news().await);
        assert!(heads.watch("t", "s").is_err());
    }

    #[test]
    fn not_everybody_can_watch() {
        let heads = Arc::new(Heads::default());
        let all: Vec<Watch> =
            (0..LIVE_MAX).map(|_| heads.watch("t", "s").expect("there is room")).collect();
        assert!(heads.watch("t", "s").is_err());
        drop(all);
        assert!(heads.watch("t", "s").is_ok());
    }
}
