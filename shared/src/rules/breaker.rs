//! A circuit breaker: it spares a server that does not answer (OUT-9, SRV-4).
//!
//! ```text
//!          FAILURES_MAX in a row          the wait is over          answered
//!  Closed ───────────────────────▶ Open ─────────────────▶ Probing ──────────▶ Closed
//!                                   ▲                         │ failed
//!                                   └─────────────────────────┘
//! ```
//!
//! The states and their names are those of M. Nygard, "Release It!" (2007).
//!
//! What always holds: once it has opened, each request waits for its time and for what becomes of the one before it,
//! until one is answered. How long that time is, the caller says.
//!
//! Not here: what counts as a failure, and whose requests these are. Time and storage are the caller's: the breaker is
//! restored from how many failures there were and until when it waits.

use crate::base::Wall;
use crate::base::codec::array;

/// What is stored of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BreakerRow {
    /// Requests that failed, one after the other.
    pub failures: u32,
    /// Nothing is sent before.
    pub until: Wall,
}

array!(BreakerRow { 0: failures, 1: until });

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Breaker {
    row: BreakerRow,
    probing: bool,
}

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Requests are sent.
    Closed,
    /// None is sent before this.
    Open(Wall),
    /// One may be sent.
    Ready,
    /// One was sent, and what becomes of it decides.
    Probing,
}

impl Breaker {
    /// Takes up what was stored. A probe that was under way has to be repeated.
    #[must_use]
    pub fn restore(row: BreakerRow) -> Self {
        Self { row, probing: false }
    }

    /// What is to be stored; none while it is closed.
    #[must_use]
    pub fn row(&self) -> Option<BreakerRow> {
        (self.row.failures >= FAILURES_MAX).then_some(self.row)
    }

    /// How it stands at `now`.
    #[must_use]
    pub fn stand(&self, now: Wall) -> Stand {
        if self.row.failures < FAILURES_MAX {
            Stand::Closed
        } else if self.probing {
            Stand::Probing
        } else if now < self.row.until {
            Stand::Open(self.row.until)
        } else {
            Stand::Ready
        }
    }

    /// A request leaves.
    pub fn on_sent(&mut self) {
        self.probing = true;
    }

    /// What was to leave has not, which says nothing of the server.
    pub fn on_withheld(&mut self) {
        self.probing = false;
    }

    /// A request was answered: the server is there.
    pub fn on_answered(&mut self) {
        *self = Self::default();
    }

    /// A request has failed. `wait` tells, from the failures in a row, until when nothing is to be sent.
    pub fn on_failed(&mut self, wait: impl FnOnce(u32) -> Wall) {
        self.probing = false;
        self.row.failures = self.row.failures.saturating_add(1);
        if self.row.failures >= FAILURES_MAX {
            self.row.until = wait(self.row.failures);
        }
    }

    /// Somebody has reason to think that the server is there: the wait is over.
    pub fn hurry(&mut self, now: Wall) {
        self.row.until = self.row.until.min(now);
    }
}

/// Failures in a row that open it.
pub const FAILURES_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Send,
        Answer,
        Fail,
        Wait(u8),
        Hurry,
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        use Step::{Answer, Fail, Hurry, Restart, Send, Wait};
        prop_oneof![
            4 => Just(Send), 1 => Just(Answer), 4 => Just(Fail), 3 => any::<u8>().prop_map(Wait),
            1 => Just(Hurry), 1 => Just(Restart),
        ]
    }

    proptest! {
        /// Several senders, each of which asks before it sends: after the fifth failure in a row one request is under way
        /// at the most, none before its time, and a restart forgets nothing but the probe.
        #[test]
        fn an_open_breaker_lets_one_request_out_at_a_time(steps in prop::collection::vec(step(), 0..60)) {
            let (mut breaker, mut now, mut under_way, mut failed) = (Breaker::default(), Wall(1), 0_u32, 0_u32);
            let mut due = Wall(0);
            for step in steps {
                match step {
                    Step::Send => {
                        let may = matches!(breaker.stand(now), Stand::Closed | Stand::Ready);
                        let spared = failed >= FAILURES_MAX;
                        prop_assert!(may || spared, "a closed breaker holds nothing back");
                        if spared && may {
                            prop_assert!(now >= due, "sent before its time");
                        }
                        if may {
                            breaker.on_sent();
                            under_way += 1;
                        }
                        if spared {
                            prop_assert!(matches!(breaker.stand(now), Stand::Probing | Stand::Open(_)));
                        }
                    }
                    Step::Answer if under_way > 0 => {
                        under_way -= 1;
                        failed = 0;
                        breaker.on_answered();
                        prop_assert_eq!(breaker.stand(now), Stand::Closed);
                    }
                    Step::Fail if under_way > 0 => {
                        under_way -= 1;
                        failed += 1;
                        due = now.after(Duration::from_millis(u64::from(failed)));
                        breaker.on_failed(|failures| now.after(Duration::from_millis(failures.into())));
                        let expected = if failed < FAILURES_MAX { Stand::Closed } else { Stand::Open(due) };
                        prop_assert_eq!(breaker.stand(now), expected);
                    }
                    Step::Answer | Step::Fail => {}
                    Step::Wait(ms) => now = now.after(Duration::from_millis(ms.into())),
                    Step::Hurry => {
                        breaker.hurry(now);
                        due = due.min(now);
                    }
                    Step::Restart => {
                        under_way = 0;
                        if failed < FAILURES_MAX {
                            failed = 0;
                        }
                        breaker = Breaker::restore(breaker.row().unwrap_or_default());
                    }
                }
            }
        }
    }
}
