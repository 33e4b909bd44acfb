//! When a coordinator's silence means that it is wedged, as a page sees it (HOST-5).
//!
//! What always holds:
//! - only time counts in which the page itself was awake: one that was frozen, or whose timers are held back, accuses nobody of
//!   what it has slept through;
//! - nobody is suspected who was not asked three times;
//! - while nobody is waited for there is no timer.
//!
//! Not here: what is done about it.

use core::time::Duration;

use crate::base::Mono;

/// What silence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// It may be starting: its script can be asked.
    Slow,
    /// It will not answer any more.
    Wedged,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Watchdog {
    unanswered: u32,
    awake: Duration,
    /// When it was looked at last, while an answer is waited for.
    looked: Option<Mono>,
    told: Option<Suspicion>,
    /// A page hosts, which need not be loaded before it answers.
    of_page: bool,
}

impl Watchdog {
    /// Something was asked that is always answered.
    pub fn asked(&mut self, now: Mono) {
        self.look(now);
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// There was a word, or there is another to be asked.
    pub fn heard(&mut self) {
        *self = Self { of_page: self.of_page, ..Self::default() };
    }

    /// From here on a page is asked; or a worker.
    pub fn asks_page(&mut self, of_page: bool) {
        *self = Self { of_page, ..Self::default() };
    }

    /// Looks how long it has been silent. Gives each suspicion once.
    pub fn suspects(&mut self, now: Mono) -> Option<Suspicion> {
        if self.unanswered == 0 {
            return None;
        }
        self.look(now);
        let suspicion = match self.awake {
            _ if self.unanswered < ASKED_MIN => None,
            awake if awake >= WEDGED || self.of_page && awake >= WEDGED_PAGE => {
                Some(Suspicion::Wedged)
            }
            awake if awake >= SLOW => Some(Suspicion::Slow),
            _ => None,
        };
        let is_news = suspicion != self.told;
        self.told = suspicion;
        suspicion.filter(|_| is_news)
    }

    /// When it is to be looked again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        let looked = self.looked.filter(|_| self.told != Some(Suspicion::Wedged));
        looked.map(|at| at.after(TICK))
    }

    fn look(&mut self, now: Mono) {
        if let Some(before) = self.looked.replace(now) {
            self.awake += now.since(before).min(TICK * 2);
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
const ASKED_MIN: u32 = 3;
const SLOW: Duration = Duration::from_secs(5);
const WEDGED: Duration = Duration::from_secs(15);
const WEDGED_PAGE: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks at these times, and looks each second; what it suspects, and when.
    fn suspicions(asked: &[u64], heard: Option<u64>, until: u64) -> Vec<(u64, Suspicion)> {
        let mut watchdog = Watchdog::default();
        let mut found = Vec::new();
        for second in 0..=until {
            let now = Mono(second * 1_000);
            if asked.contains(&second) {
                watchdog.asked(now);
            }
            if heard == Some(second) {
                watchdog.heard();
            }
            found.extend(watchdog.suspects(now).map(|suspicion| (second, suspicion)));
        }
        found
    }

    #[test]
    fn three_questions_over_five_seconds_make_it_slow_and_fifteen_wedged() {
        let both = vec![(5, Suspicion::Slow), (15, Suspicion::Wedged)];
        assert_eq!(suspicions(&[0, 1, 3, 7], None, 40), both);
        assert_eq!(suspicions(&[0, 1], None, 40), [], "twice is not enough");
        assert_eq!(suspicions(&[0, 1, 20], None, 40), [(20, Suspicion::Wedged)]);
        assert_eq!(suspicions(&[0, 1, 3], Some(4), 40), [], "it has answered");
    }

    #[test]
    fn a_page_that_hosts_has_eight_seconds() {
        let mut watchdog = Watchdog::default();
        watchdog.asks_page(true);
        watchdog.heard();
        let suspected: Vec<_> = (0..20_u64)
            .filter_map(|second| {
                let now = Mono(second * 1_000);
                if second < 3 {
                    watchdog.asked(now);
                }
                watchdog.suspects(now).map(|suspicion| (second, suspicion))
            })
            .collect();
        assert_eq!(suspected, [(5, Suspicion::Slow), (8, Suspicion::Wedged)]);
    }

    #[test]
    fn what_the_page_has_slept_through_is_nobodys_silence() {
        let mut watchdog = Watchdog::default();
        for ms in [0, 1_000, 2_000] {
            watchdog.asked(Mono(ms));
        }
        assert_eq!(watchdog.suspects(Mono(3_600_000)), None);
        assert_eq!(watchdog.suspects(Mono(3_601_000)), Some(Suspicion::Slow));
    }

    #[test]
    fn there_is_no_timer_while_nobody_is_waited_for_or_all_is_said() {
        let mut watchdog = Watchdog::default();
        assert_eq!(watchdog.poll_timeout(), None);
        watchdog.asked(Mono(0));
        assert_eq!(watchdog.poll_timeout(), Some(Mono(1_000)));
        watchdog.heard();
        assert_eq!(watchdog.poll_timeout(), None);
        for ms in 0..20 {
            watchdog.asked(Mono(ms * 1_000));
        }
        assert_eq!(watchdog.suspects(Mono(20_000)), Some(Suspicion::Wedged));
        assert_eq!(watchdog.poll_timeout(), None);
    }
}
