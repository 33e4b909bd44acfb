//! Which events are being called for, so that none is by two at once, and none while what it makes of the events
//! that follow it is being used.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// How many pushes hold each as a prerequisite.
    prerequisites: BTreeMap<EventId, usize>,
    pushes: usize,
}

/// What the events of a push are called, and their prerequisites.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) ids: BTreeSet<EventId>,
    pub(super) prerequisites: BTreeSet<EventId>,
}

/// Ids that nobody else has, and prerequisites that nobody else brings; given back when dropped.
pub(super) struct Claimed<'a> {
    claims: &'a Claims,
    session: Session,
    names: Names,
}

impl Claims {
    /// Waits until none of `names` stands in the way of another push and the session has room, then holds them all.
    /// Several may hold the same prerequisite.
    pub(super) async fn claim(&self, tenant: &str, session: &str, names: Names) -> Claimed<'_> {
        let session: Session = (tenant.into(), session.into());
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Before looking, so that no release between looking and waiting is missed.
            released.as_mut().enable();
            if self.try_hold(&session, &names) {
                return Claimed { claims: self, session, names };
            }
            released.await;
        }
    }

    fn try_hold(&self, session: &Session, names: &Names) -> bool {
        let mut all = self.all();
        let held = all.entry(session.clone()).or_default();
        let Names { ids, prerequisites } = names;
        let is_free = held.pushes < WEBHOOK_SESSION_PUSHES_MAX
            && held.ids.is_disjoint(ids)
            && held.ids.is_disjoint(prerequisites)
            && !ids.iter().any(|id| held.prerequisites.contains_key(id));
        if is_free {
            held.pushes += 1;
            held.ids.extend(ids.iter().cloned());
            for id in prerequisites {
                *held.prerequisites.entry(id.clone()).or_default() += 1;
            }
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
            held.ids.retain(|id| !self.names.ids.contains(id));
            for id in &self.names.prerequisites {
                if let Some(count) = held.prerequisites.get_mut(id) {
                    *count -= 1;
                }
            }
            held.prerequisites.retain(|_, count| *count > 0);
            if held.pushes == 0 {
                all.remove(&self.session);
            }
        }
        drop(all);
        self.claims.released.notify_waiters();
    }
}
