//! What pages are told about the coordinator.

use core::time::Duration;

use super::Coordinator;
use crate::base::{Now, limits};
use crate::bus::{Status, Sync};

impl Coordinator {
    pub(super) fn status(&self, now: Now) -> Status {
        let next = self.outbox.poll_timeout(now).map(|at| now.wall_at(at));
        // Work under way is heard of; if it is not, the host has died over it.
        let alarm = now.wall.after(Duration::from_millis(limits::ALARM_MS));
        let wake_at = next.or_else(|| self.has_work().then_some(alarm));
        let (sync, reason) = self.stand();
        Status {
            host: self.kind,
            pending: self.outbox.pending(),
            dead: self.outbox.dead(),
            answered: self.filed,
            pages: self.roster.len(),
            pump: self.roster.pump(),
            wake_at,
            next_attempt_at: next,
            sync,
            reason: reason.into(),
            paused: self.outbox.config().paused,
            reachable: self.outbox.reachable(),
            read_through: self.reader.through(),
            breaker: self.outbox.breaker(now),
        }
    }

    fn stand(&self) -> (Sync, &str) {
        let config = self.outbox.config();
        let waits = self.outbox.pending() > 0;
        if waits && !config.has_server() {
            return (Sync::Blocked, "no-server");
        }
        if waits && config.paused {
            return (Sync::Blocked, "paused");
        }
        self.outbox.sync()
    }
}

/// Whether a page would want to hear of it. The alarm moves with every look at the clock; that is no news.
pub(super) fn differs(told: &Status, status: &Status) -> bool {
    let moved = |told: Option<crate::base::Wall>, at: Option<crate::base::Wall>| match (told, at) {
        (Some(told), Some(at)) => told.0.abs_diff(at.0) > SLACK_MS,
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    };
    let wake = (told.next_attempt_at.is_some() || status.next_attempt_at.is_some())
        && moved(told.next_attempt_at, status.next_attempt_at);
    let plain = |status: &Status| Status { wake_at: None, next_attempt_at: None, ..status.clone() };
    wake || told.wake_at.is_some() != status.wake_at.is_some() || plain(told) != plain(status)
}

/// Whether it cannot wait until the next time: something has begun, ended, or gone wrong.
pub(super) fn is_urgent(told: &Status, status: &Status) -> bool {
    told.sync != status.sync
        || told.reason != status.reason
        || told.dead != status.dead
        || told.pages != status.pages
        || told.paused != status.paused
        || told.pump != status.pump
}

const SLACK_MS: u64 = 100;
