//! News of session logs, for those who wait for it (SRV-1, SRV-7).
//!
//! Nothing is kept for anybody: what happened is in the log, and whoever waits is told only how far it goes. But those who have
//! followed a log as far as each other read what comes next once for all of them.
//!
//! What always holds: whoever watches is told of each head that is told after he began, or of a later one; a session that
//! nobody watches costs nothing; at most [`LIVE_MAX`] watch at once.
//!
//! Not here: other processes on the same store. Their news would be told here, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bellwether_shared::wire::LogPage;
use tokio::sync::watch;

use crate::bounds::{LIVE_MAX, LIVE_TAIL_BYTES_MAX};
use crate::fault::Fault;

type Name = (Box<str>, Box<str>);

/// A session that somebody watches.
#[derive(Debug)]
struct Followed {
    head: watch::Sender<u64>,
    tail: Arc<Tail>,
}

/// The page that was read last by someone who had followed the log up to there.
#[derive(Debug, Default)]
pub(crate) struct Tail(tokio::sync::Mutex<Option<(u64, Arc<LogPage>)>>);

impl Tail {
    /// The page after `after`, of a log that goes as far as `head` at least: the one that is here, or what is read.
    ///
    /// # Errors
    /// Those of the reading.
    pub(crate) async fn page(
        &self,
        after: u64,
        head: u64,
        read: impl Future<Output = Result<LogPage, Fault>>,
    ) -> Result<Arc<LogPage>, Fault> {
        let mut last = self.0.lock().await;
        if let Some((place, page)) = &*last
            && *place == after
            && page.head >= head
        {
            return Ok(Arc::clone(page));
        }
        let page = Arc::new(read.await?);
        let bytes: usize = page.events.iter().map(|event| event.sealed.len()).sum();
        let is_fit = !page.events.is_empty() && bytes <= LIVE_TAIL_BYTES_MAX;
        *last = is_fit.then(|| (after, Arc::clone(&page)));
        Ok(page)
    }
}

/// How far the logs that are watched go.
#[derive(Debug, Default)]
pub struct Heads {
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    sessions: HashMap<Name, Followed>,
    watchers: usize,
    is_closed: bool,
}

impl Heads {
    /// Tells whoever watches the session that its log goes as far as `head`.
    pub fn tell(&self, tenant: &str, session: &str, head: u64) {
        if let Some(followed) = self.watched().sessions.get(&(tenant.into(), session.into())) {
            followed.head.send_if_modified(|known| {
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
        let fresh = || Followed { head: watch::Sender::new(0), tail: Arc::default() };
        let followed = watched.sessions.entry(name.clone()).or_insert_with(fresh);
        let (news, tail) = (followed.head.subscribe(), Arc::clone(&followed.tail));
        Ok(Watch { news, tail, heads: Arc::clone(self), name })
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
    tail: Arc<Tail>,
    heads: Arc<Heads>,
    name: Name,
}

impl Watch {
    /// Waits until something was told since the last time. `false`: there will be no news any more.
    pub(crate) async fn news(&mut self) -> bool {
        self.news.changed().await.is_ok()
    }

    /// How far the log goes, as was told last; 0 if nothing was.
    pub(crate) fn told(&self) -> u64 {
        *self.news.borrow()
    }

    /// What those who follow this session have in common.
    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.heads.watched();
        watched.watchers -= 1;
        let is_last = |followed: &Followed| followed.head.receiver_count() <= 1;
        if watched.sessions.get(&self.name).is_some_and(is_last) {
            watched.sessions.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_shared::base::{DeviceId, Incarnation, LogEpoch, Seq, Wall};
    use bellwether_shared::wire::{Lane, LogEvent};

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

    #[tokio::test]
    async fn those_who_are_as_far_read_once_and_never_what_is_too_old() {
        let event = |offset| LogEvent {
            offset,
            device: DeviceId([1; 16]),
            incarnation: Incarnation([1; 16]),
            user: "ann".into(),
            lane: Lane::Normal,
            seq: Seq(offset),
            taken_at: Wall(0),
            sealed: vec![0; 10].into(),
            bound: None,
        };
        let page = |after, head| LogPage {
            epoch: LogEpoch([1; 16]),
            events: (after + 1..=head).map(event).collect(),
            head,
            floor: 0,
            more: false,
            through: None,
        };
        let tail = Tail::default();
        #[rustfmt::skip]
        let cases = [
            // what it shows              after, told, in the log, is read, head
            ("the first reads",             0,    1,    1,          true,    1),
            ("the next has the same",       0,    1,    2,          false,   1),
            ("who was told of more reads",  0,    2,    2,          true,    2),
            ("who is farther reads",        1,    2,    3,          true,    3),
            ("and who is not, too",         0,    2,    3,          true,    3),
            ("nothing is not kept",         3,    3,    3,          true,    3),
            ("as there may be something",   3,    3,    4,          true,    4),
        ];
        for (shows, after, told, head, is_read, expected) in cases {
            let mut was_read = false;
            let read = async {
                was_read = true;
                Ok(page(after, head))
            };
            let found = tail.page(after, told, read).await.expect("it can be read");
            assert_eq!((found.head, was_read), (expected, is_read), "{shows}");
        }
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
