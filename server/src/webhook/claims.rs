//! Which events are being called for, so that none is by two at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bellwether_shared::base::EventId;
use tokio::sync::Notify;

use crate::bounds::WEBHOOK_SESSION_PUSHES_MAX;

/// Ids by session, and how many pushes hold them.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: Mutex<HashMap<Session, Held>>,
    released: Notify,
}

type Session = (Box<str>, Box<str>);

#[derive(Debug, Default)]
struct Held {
    ids: BTreeSet<EventId>,
    pushes: usize,
}

/// Ids that nobody else has; given back when dropped.
pub(super) struct Claimed<'a> {
    claims: &'a Claims,
    session: Session,
    ids: BTreeSet<EventId>,
}

impl Claims {
    /// Waits until none of `ids` is held and the session has room, then holds them all.
    pub(super) async fn claim(
        &self,
        tenant: &str,
        session: &str,
        ids: BTreeSet<EventId>,
    ) -> Claimed<'_> {
        let session: Session = (tenant.into(), session.into());
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Before looking, so that no release between looking and waiting is missed.
            released.as_mut().enable();
            if self.try_hold(&session, &ids) {
                return Claimed { claims: self, session, ids };
            }
            released.await;
        }
    }

    fn try_hold(&self, session: &Session, ids: &BTreeSet<EventId>) -> bool {
        let mut all = self.all();
        let held = all.entry(session.clone()).or_default();
        let is_free = held.pushes < WEBHOOK_SESSION_PUSHES_MAX && held.ids.is_disjoint(ids);
        if is_free {
            held.pushes += 1;
            held.ids.extend(ids.iter().cloned());
        }
        is_free
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Session, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let mut all = self.claims.all();
        if let Some(held) = all.get_mut(&self.session) {
            held.pushes -= 1;
            held.ids.retain(|id| !self.ids.contains(id));
            if held.pushes == 0 {
                all.remove(&self.session);
            }
        }
        drop(all);
        self.claims.released.notify_waiters();
    }
}
