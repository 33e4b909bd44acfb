//! Lamport's fast mutex, as steps over two registers that all askers share (LOCK-1, LOCK-2).
//!
//! ```text
//! look ─ Y is free ─▶ write X ─▶ Y is free ─▶ write Y ─▶ pause ─▶ X is mine ──────────▶ Y is mine ─▶ held
//!   ▲        │                        │           │                  └─ else pause ─▶      │
//!   └────────┴───────── wait ─────────┴─ stalled ─┴────────────────────────────────────────┘
//! ```
//!
//! It asks for one step at a time and is told what came of it. X tells whether somebody else is at the door, and
//! makes the pause longer. Y is looked at on both ways: Lamport's own fast way goes by X alone, for which the pause
//! has to outlast whatever its holder does with the lock; here it has to outlast the step from reading Y to writing
//! it, which is measured, and a mark that was written too late is left to expire
//! (`docs/decisions/0021-the-fast-way-looks-at-y-too.md`).
//!
//! What always holds, where writes are seen at once and pauses are kept, however long a step takes:
//! - at most one asker is before the end of [`FastMutex::holds_until`];
//! - a mark of somebody else is passed over only after it stood unchanged for the expiry on the asker's own clock;
//! - whoever finds another mark than its own, or is late, does not hold.
//!
//! Where writes are seen later than the pause is long, two may hold: `localStorage` promises nothing between
//! processes. So the lock is advisory; what must not be done twice is guarded by the epoch, in the transaction
//! that writes it (HOST-6).
//!
//! Clocks stay below the year 285,000, so sums of times are not guarded; what an app may ask for is.
//!
//! Not here: the registers, timers, and what is done under the lock. An erasure is trusted to follow its look
//! within half of the expiry.

use crate::base::{Mono, Rng, limits};

/// What stands in a register: who wrote it, and which of its writes it was. Less than 2 to the power of 46.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark(pub u64);

/// How long one asker tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the beginning to the last look, in milliseconds.
    pub timeout_ms: u64,
    /// From one look to the next, in milliseconds, more or less by a quarter.
    pub interval_ms: u64,
    /// Looks after the first.
    pub retries_max: u32,
}

/// What the asker does next; then it calls [`FastMutex::next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read X.
    ReadX,
    /// Read Y.
    ReadY,
    /// Put a mark into X.
    WriteX(Mark),
    /// Put a mark into Y.
    WriteY(Mark),
    /// Empty Y.
    EraseY,
    /// Let so many milliseconds pass, and no fewer.
    Pause(u64),
    /// Begin with what the lock is for, and go on: it has to be renewed.
    Held,
    /// The patience is over, or [`FastMutex::leave`] was called before there was a lock. Nothing follows.
    GaveUp,
    /// Another may hold it. Nothing follows.
    Lost,
    /// It was let go. Nothing follows.
    Released,
}

/// One asker, for one lock at a time. It remembers what it has seen from one asking to the next.
#[derive(Debug, Clone)]
pub struct FastMutex {
    rng: Rng,
    owner: u64,
    /// Its own mark, if it has one.
    mark: Mark,
    /// What was found in Y, and since when.
    watched: Mark,
    since: Mono,
    until: Mono,
    patience: Patience,
    /// When the step that is being answered was asked for.
    asked: Mono,
    /// When the look was asked for after which Y was written.
    looked: Mono,
    /// When the last write of Y was asked for.
    wrote: Mono,
    is_leaving: bool,
    phase: Phase,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing, or a pause between two looks.
    Resting,
    Looking,
    Knocking,
    AtDoor,
    Claiming,
    Settling,
    Checking,
    SettlingMore,
    Deciding,
    /// What the lock is for.
    Taken,
    /// A pause between two renewals.
    Holding,
    Renewing,
    Rewriting,
    Leaving,
    Erasing,
    Over,
}

impl FastMutex {
    /// `seed` has to differ from one asker to the next.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let owner = rng.next_u64() >> 34 | 1;
        let patience = Patience { timeout_ms: 0, interval_ms: 0, retries_max: 0 };
        let zero = Mono(0);
        Self {
            rng,
            owner,
            mark: NOBODY,
            watched: NOBODY,
            since: zero,
            until: zero,
            patience,
            asked: zero,
            looked: zero,
            wrote: zero,
            is_leaving: false,
            phase: Phase::Over,
        }
    }

    /// Begins to ask for the lock.
    pub fn begin(&mut self, now: Mono, patience: Patience) {
        self.until = Mono(now.0.saturating_add(patience.timeout_ms));
        self.patience = patience;
        self.is_leaving = false;
        self.phase = Phase::Resting;
    }

    /// Ends the asking, or the holding, as soon as nothing of it stays behind; go on until nothing follows. A pause
    /// of a holder, or between two looks, may be cut short for it.
    pub fn leave(&mut self) {
        self.is_leaving = true;
    }

    /// Until when, by its own clock, this asker is alone; `None` while it has no lock, or lets go of it.
    #[must_use]
    pub fn holds_until(&self) -> Option<Mono> {
        use Phase::{Holding, Renewing, Rewriting, Taken};
        let holds = matches!(self.phase, Taken | Holding | Renewing | Rewriting);
        holds.then(|| self.expires())
    }

    /// The next step; `seen` is what was read, if anything was.
    pub fn next(&mut self, now: Mono, seen: Mark) -> Step {
        if matches!(self.phase, Phase::Looking | Phase::AtDoor) {
            self.watch(now, seen);
        }
        let step = match self.phase {
            Phase::Resting if self.is_leaving => self.end(Step::GaveUp),
            Phase::Resting => self.ask(Phase::Looking, Step::ReadY),
            Phase::Looking if self.is_free(seen) => {
                self.sign();
                self.ask(Phase::Knocking, Step::WriteX(self.mark))
            }
            Phase::Knocking => {
                self.looked = now;
                self.ask(Phase::AtDoor, Step::ReadY)
            }
            Phase::AtDoor if self.is_free(seen) => {
                self.wrote = now;
                self.ask(Phase::Claiming, Step::WriteY(self.mark))
            }
            // Others may have passed meanwhile, and this mark may cover theirs.
            Phase::Claiming if now.0 > self.looked.0 + limits::LOCK_GAP_MS => self.wait(now),
            Phase::Claiming => self.ask(Phase::Settling, Step::Pause(limits::LOCK_SETTLE_MS)),
            Phase::Settling => self.ask(Phase::Checking, Step::ReadX),
            Phase::Checking if seen != self.mark => {
                self.ask(Phase::SettlingMore, Step::Pause(limits::LOCK_SETTLE_MS))
            }
            Phase::Checking | Phase::SettlingMore => self.ask(Phase::Deciding, Step::ReadY),
            Phase::Deciding if seen == self.mark && now < self.expires() => {
                self.ask(Phase::Taken, Step::Held)
            }
            Phase::Looking | Phase::AtDoor | Phase::Deciding => self.wait(now),
            Phase::Taken | Phase::Holding if self.is_leaving => {
                self.ask(Phase::Leaving, Step::ReadY)
            }
            Phase::Taken => self.ask(Phase::Holding, Step::Pause(limits::LOCK_RENEW_MS)),
            Phase::Holding => self.ask(Phase::Renewing, Step::ReadY),
            Phase::Renewing if seen == self.mark && now < self.expires() => {
                self.sign();
                self.ask(Phase::Rewriting, Step::WriteY(self.mark))
            }
            Phase::Rewriting if now < self.expires() => {
                self.wrote = self.asked;
                self.ask(Phase::Holding, Step::Pause(limits::LOCK_RENEW_MS))
            }
            Phase::Renewing | Phase::Rewriting => self.end(Step::Lost),
            Phase::Leaving if seen != self.mark => self.end(Step::Lost),
            // A mark that is about to expire is left alone: an erasure that comes late would be another's.
            Phase::Leaving if now.0 < self.wrote.0 + limits::LOCK_EXPIRY_MS / 2 => {
                self.ask(Phase::Erasing, Step::EraseY)
            }
            Phase::Leaving | Phase::Erasing | Phase::Over => self.end(Step::Released),
        };
        self.asked = now;
        step
    }

    fn ask(&mut self, phase: Phase, step: Step) -> Step {
        self.phase = phase;
        step
    }

    fn end(&mut self, step: Step) -> Step {
        self.ask(Phase::Over, step)
    }

    fn watch(&mut self, now: Mono, seen: Mark) {
        if seen != self.watched {
            self.watched = seen;
            self.since = now;
        }
    }

    // What was read was there at some moment after it was asked for.
    fn is_free(&self, seen: Mark) -> bool {
        seen == NOBODY || self.asked.0 >= self.since.0 + limits::LOCK_EXPIRY_MS
    }

    fn wait(&mut self, now: Mono) -> Step {
        let Patience { interval_ms, retries_max, .. } = self.patience;
        if self.is_leaving || retries_max == 0 || now >= self.until {
            return self.end(Step::GaveUp);
        }
        self.patience.retries_max -= 1;
        let left = self.until.0 - now.0;
        let pause = self.rng.jitter(interval_ms).min(left);
        self.ask(Phase::Resting, Step::Pause(pause))
    }

    fn sign(&mut self) {
        self.mark = Mark(self.owner << 16 | (self.mark.0.wrapping_add(1) & 0xffff));
    }

    fn expires(&self) -> Mono {
        Mono(self.wrote.0 + limits::LOCK_EXPIRY_MS)
    }
}

/// An empty register.
const NOBODY: Mark = Mark(0);

#[cfg(test)]
mod tests;
