//! Faults to order, for demonstrations and tests: what befalls pushes, as a mood of the server.
//!
//! What always holds: moods exist only in development mode and only when asked for on the command
//! line; they touch nothing but `POST /v1/push` and `/dev/echo`; which requests they touch follows from the seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bellwether_shared::base::Rng;
use bellwether_shared::wire::{self, Event, Push};
use serde::{Deserialize, Serialize};

use crate::bounds::ECHO_KEYS_MAX;
use crate::effect::{AcceptedEvent, Effect, EffectOutcome, EffectTx};

/// What befalls a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing.
    #[default]
    Well,
    /// The connection ends at once, without an answer and before the body is read.
    Down,
    /// It is answered after the delay.
    Slow,
    /// It is answered with a problem of status 500.
    #[serde(rename = "error-500")]
    Error500,
    /// It is answered with a problem of status 400.
    #[serde(rename = "error-400")]
    Error400,
    /// It is answered with status 429 and `Retry-After`.
    #[serde(rename = "error-429")]
    Error429,
    /// It is answered with a page of HTML and status 404, as by a stranger.
    #[serde(rename = "not-ours-404")]
    NotOurs404,
    /// The body is read, then the connection ends; nothing is stored.
    Cut,
    /// The batch is stored, then the connection ends without the answer.
    LoseAnswers,
}

/// The orders. Every field may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mood {
    /// What befalls a push.
    pub mode: Mode,
    /// How long `slow` waits; at most a minute. The default is 1 s.
    pub delay_ms: u64,
    /// The share of pushes affected, 0 to 1. The default is 1.
    pub rate: f64,
    /// Where the choice of pushes begins.
    pub seed: u64,
    /// How many pushes are affected before all is well again; `null` for no end.
    pub count: Option<u64>,
    /// Events of these types are refused for ever, with the code `demo-refused`.
    pub refuse_types: Vec<Box<str>>,
    /// A push that holds an event of these types is answered with a problem as a whole.
    pub poison_types: Vec<Box<str>>,
    /// That problem's status: 500, or 400.
    pub poison_status: u16,
    /// What `error-429` says in `Retry-After`. The default is 1 s.
    pub retry_after_ms: u32,
}

impl Default for Mood {
    fn default() -> Self {
        Self {
            mode: Mode::Well,
            delay_ms: 1_000,
            rate: 1.0,
            seed: 1,
            count: None,
            refuse_types: Vec::new(),
            poison_types: Vec::new(),
            poison_status: 500,
            retry_after_ms: 1_000,
        }
    }
}

/// The mood, and what it has done so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// The orders as they stand; `count` goes down, and at its end the mode is `well` again.
    #[serde(flatten)]
    pub mood: Mood,
    /// What was counted since the server started.
    pub counters: Counters,
}

/// Counted since the server started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    /// Pushes seen.
    pub pushes: u64,
    /// Those that the mood has touched.
    pub affected: u64,
}

/// The server's mood, shared by the routes and the effect.
#[derive(Debug, Default)]
pub struct Moods(Mutex<State>);

#[derive(Debug)]
struct State {
    report: Report,
    rng: Rng,
    /// How often each plain request has come, by its key.
    echoed: BTreeMap<Box<str>, u64>,
}

impl Default for State {
    fn default() -> Self {
        let report = Report::default();
        Self { rng: Rng::new(report.mood.seed), report, echoed: BTreeMap::new() }
    }
}

impl Moods {
    /// The mood and its counters.
    #[must_use]
    pub fn report(&self) -> Report {
        self.state().report.clone()
    }

    /// Replaces the orders as a whole; counters go on.
    pub fn set(&self, mood: Mood) {
        let mut state = self.state();
        state.rng = Rng::new(mood.seed);
        let mode = if mood.count == Some(0) { Mode::Well } else { mood.mode };
        state.report.mood = Mood { mode, ..mood };
    }

    /// What befalls the next push.
    pub fn befall(&self) -> Mode {
        let mut state = self.state();
        let State { report, rng, .. } = &mut *state;
        let Report { mood, counters } = report;
        counters.pushes += 1;
        // 53 random bits, as a share of one.
        let drawn = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let mode = mood.mode;
        if mode == Mode::Well || drawn >= mood.rate {
            return Mode::Well;
        }
        counters.affected += 1;
        mood.count = mood.count.map(|left| left.saturating_sub(1));
        if mood.count == Some(0) {
            mood.mode = Mode::Well;
            mood.count = None;
        }
        mode
    }

    /// How long a slow answer takes.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.state().report.mood.delay_ms.min(DELAY_MS_MAX))
    }

    /// What a throttled sender is told.
    #[must_use]
    pub fn retry_after_ms(&self) -> u32 {
        self.state().report.mood.retry_after_ms
    }

    /// The status for a push that holds an event of a poisoned type.
    pub fn poison(&self, push: &Push) -> Option<u16> {
        let mut state = self.state();
        let mood = &state.report.mood;
        let poisoned = |sealed: &[u8]| {
            wire::decode::<Event<'_>>(sealed)
                .is_ok_and(|event| mood.poison_types.iter().any(|type_| **type_ == *event.type_))
        };
        if mood.poison_types.is_empty() || !push.events.iter().any(|sealed| poisoned(sealed)) {
            return None;
        }
        let status = mood.poison_status;
        state.report.counters.affected += 1;
        Some(status)
    }

    /// A plain request with this key has come; how often it has by now. The first keys are forgotten first.
    pub fn echo(&self, key: &str) -> u64 {
        let mut state = self.state();
        if state.echoed.len() >= ECHO_KEYS_MAX && !state.echoed.contains_key(key) {
            state.echoed.pop_first();
        }
        let times = state.echoed.entry(key.into()).or_default();
        *times += 1;
        *times
    }

    fn refuses(&self, type_: &str) -> bool {
        self.state().report.mood.refuse_types.iter().any(|refused| **refused == *type_)
    }

    // Nothing that can panic is done while it is held.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An effect that refuses what the mood refuses, and else is the app's.
pub struct Moody {
    moods: Arc<Moods>,
    inner: Arc<dyn Effect>,
}

impl Moody {
    /// Puts the mood before `inner`.
    #[must_use]
    pub fn new(moods: Arc<Moods>, inner: Arc<dyn Effect>) -> Self {
        Self { moods, inner }
    }
}

impl std::fmt::Debug for Moody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moody").field("moods", &self.moods).finish_non_exhaustive()
    }
}

impl Effect for Moody {
    fn apply(&self, tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome {
        if self.moods.refuses(event.event.type_) {
            return EffectOutcome::Refuse {
                code: "demo-refused".into(),
                message: "the server was told to refuse events of this type".into(),
            };
        }
        let outcome = self.inner.apply(tx, event);
        let is_bare = matches!(outcome, EffectOutcome::Done { result: None });
        if !is_bare || !event.event.type_.ends_with(STARTED) {
            return outcome;
        }
        // Something for others to take a value from.
        let result = format!(r#"{{"number":{}}}"#, event.offset);
        EffectOutcome::Done { result: Some(result.into_bytes().into()) }
    }

    fn knows(&self, type_: &str) -> bool {
        self.inner.knows(type_)
    }
}

/// Events of such a type are given their offset as a result, to try bindings with.
const STARTED: &str = ".started";
const DELAY_MS_MAX: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mood_touches_the_share_it_is_told_and_ends_with_its_count() {
        let moods = Moods::default();
        assert_eq!(moods.befall(), Mode::Well);
        moods.set(Mood { mode: Mode::Cut, count: Some(2), ..Mood::default() });
        let befallen: Vec<Mode> = (0..4).map(|_| moods.befall()).collect();
        assert_eq!(befallen, [Mode::Cut, Mode::Cut, Mode::Well, Mode::Well]);

        moods.set(Mood { mode: Mode::Down, rate: 0.5, seed: 7, ..Mood::default() });
        let half = (0..1_000).filter(|_| moods.befall() == Mode::Down).count();
        assert!((400..600).contains(&half), "{half}");
        moods.set(Mood { mode: Mode::Down, rate: 0.0, ..Mood::default() });
        assert_eq!(moods.befall(), Mode::Well);
        assert_eq!(moods.report().counters.pushes, 1_006);
    }
}
