//! One page's part in the struggle for a lease: a row that is changed by compare-and-swap alone (LEAD-2, HOST-4).
//!
//! ```text
//!            Read                    free, or silent for long: Swap              its Swap was made
//!  candidate ────▶ judges what stands ──────────────────────────▶ would lead ─────────────────────▶ leads
//!      ▲               │ another leads: looks again                    │ it stands otherwise          │ Swap, each beat
//!      └───────────────┴───────────────────────────────────────────────┴──────────────────────────────┘ slept,
//!                                                                                     replaced, resigned
//! ```
//!
//! What always holds:
//! - every swap expects the very bytes that were read or written last, so of two that have seen the same one fails;
//! - the epoch is raised by each taking, beyond all that were ever seen here, and by nothing else;
//! - another's lease is taken only after its row stood unchanged for its term on our own clock, over at least two
//!   looks: one look counts for no more than half, so that a long sleep is not taken for another's silence; or when its
//!   holder says that it is gone, or the app asks for it;
//! - the own lease counts from when a swap was asked for, not from when it was told of: it ends here before it can
//!   end anywhere else, as far as clocks run alike;
//! - a row of a newer build is left alone.
//!
//! Not here: the row's key and its disk. The driver answers each [`Effect::Read`] and [`Effect::Swap`] exactly once,
//! however late, and guards whatever a leader writes by its epoch in the same transaction.

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::VecDeque;

use super::{BEAT, TERM, Why, age};
use crate::base::{Epoch, Mono, Now, PageId, Rng, Wall, limits};
use crate::rows::{HostKind, LeaseRow, RowFault, read};
use crate::wire::to_cbor;

/// A fact from outside, already true when it is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The row as [`Effect::Read`] has found it, if there is one.
    Read(Option<Vec<u8>>),
    /// [`Effect::Swap`] was made, and is on disk.
    Swapped,
    /// [`Effect::Swap`] has found this row, not the one it expects, and has written nothing.
    Differed(Option<Vec<u8>>),
    /// What was asked for has failed. A swap may have been made all the same.
    Failed,
    /// There is reason to look: another page says that it has let go, or is gone.
    Hint,
    /// Whoever led under this epoch says that it is gone. What it wrote last may not have reached the disk.
    Gone(Epoch),
    /// The page has come into sight, or gone out of it.
    Visible(bool),
    /// The page is about to be frozen, hidden away or closed.
    Leaving,
    /// The page is back.
    Returned,
    /// The app wants another page to lead.
    Resign,
    /// The app wants this page to lead, whoever does: that one is not waited for, and refused from the next swap on.
    Claim,
    /// The time that `poll_timeout` named has come.
    Timeout,
}

/// What the driver is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read the row.
    Read,
    /// In one transaction: if the row is `expected`, byte for byte, write `row`.
    Swap {
        /// What has to be there; `None` for no row.
        expected: Option<Vec<u8>>,
        /// The row to be written.
        row: Vec<u8>,
    },
    /// This page leads, under this epoch.
    Gained(Epoch),
    /// It does not lead any more. Comes before the swap that lets others know.
    Lost(Why),
}

/// See the module.
#[derive(Debug)]
pub struct Lease {
    me: PageId,
    build: Box<str>,
    /// The newest epoch heard of.
    newest: Epoch,
    rng: Rng,
    visible: bool,
    /// It does not wait for whoever leads.
    claims: bool,
    /// It does not wait for who led under this epoch: nobody ever will again.
    gone: Option<Epoch>,
    standing: Standing,
    held: Option<Held>,
    /// What stands in the row; `None` where that is not known.
    seen: Option<Seen>,
    asked: Option<Asked>,
    /// When to look again, or to renew.
    next: Option<Mono>,
    /// Contests lost and failures since the last success.
    failures: u32,
    effects: VecDeque<Effect>,
}

/// Whether the page would lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Candidate,
    /// It has resigned, and leaves the role to others until then.
    AsideUntil(Mono),
    Away,
}

#[derive(Debug)]
struct Held {
    row: LeaseRow,
    /// When the last swap was asked for that was made.
    since: Now,
}

#[derive(Debug)]
struct Seen {
    row: Option<Vec<u8>>,
    /// When it was told of last.
    told: Mono,
    /// For how long it has stood unchanged, as far as that counts.
    unchanged: Duration,
}

#[derive(Debug)]
enum Asked {
    Read(Mono),
    Swap { row: LeaseRow, at: Now, takes: bool },
}

impl Lease {
    /// A candidate that will look at once. `newest` is the newest epoch that its page has heard of.
    #[must_use]
    pub fn new(now: Now, me: PageId, build: &str, newest: Epoch, seed: u64) -> Self {
        Self {
            me,
            build: build.into(),
            newest,
            rng: Rng::new(seed),
            visible: true,
            claims: false,
            gone: None,
            standing: Standing::Candidate,
            held: None,
            seen: None,
            asked: None,
            next: Some(now.mono),
            failures: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes in one fact.
    pub fn handle(&mut self, now: Now, input: Input) {
        // Before all else: whoever has slept does not lead.
        if self.held.as_ref().is_some_and(|held| age(held.since, now) >= TERM) {
            self.let_go(now, Why::Slept);
        }
        match input {
            Input::Read(found) => {
                if let Some(Asked::Read(at)) = self.asked {
                    self.asked = None;
                    self.on_read(now, at, found);
                }
            }
            Input::Swapped => {
                if let Some(Asked::Swap { row, at, takes }) = self.answered() {
                    self.on_swapped(now, row, at, takes);
                }
            }
            Input::Differed(found) => {
                if self.answered().is_some() {
                    self.let_go(now, Why::Replaced);
                    self.note(now, found);
                    self.back_off(now);
                }
            }
            Input::Failed => {
                self.asked = None;
                self.seen = None;
                self.back_off(now);
            }
            Input::Hint => self.look(now),
            Input::Gone(epoch) => {
                self.gone = Some(epoch);
                self.look(now);
            }
            Input::Visible(visible) => {
                self.visible = visible;
                if visible {
                    self.look(now);
                }
            }
            Input::Leaving => self.stand_back(now, Standing::Away),
            Input::Returned => {
                if self.standing == Standing::Away {
                    self.standing = Standing::Candidate;
                    self.look(now);
                }
            }
            Input::Resign => {
                if self.standing != Standing::Away {
                    // The others look once a beat, or when they are told.
                    let until = now.mono.after(TERM * 2 + self.jitter(TERM));
                    self.stand_back(now, Standing::AsideUntil(until));
                }
            }
            Input::Claim => {
                if self.held.is_none() && self.standing != Standing::Away {
                    self.claims = true;
                    self.standing = Standing::Candidate;
                    self.look(now);
                }
            }
            Input::Timeout => {}
        }
        self.settle(now);
    }

    /// When [`Input::Timeout`] is wanted; `None` while only facts can help.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        let ends = self.held.as_ref().map(|held| held.since.mono.after(TERM));
        Mono::earlier(ends, if self.asked.is_none() { self.next } else { None })
    }

    /// The next thing the driver is asked to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The epoch under which this page leads, as far as it knows.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.held.as_ref().map(|held| held.row.epoch)
    }

    /// Who leads, by the row that was seen last.
    #[must_use]
    pub fn leader(&self) -> Option<PageId> {
        let row: LeaseRow = read(self.seen.as_ref()?.row.as_deref()?).ok()?;
        let is_old = row.holder == self.me && self.held.is_none();
        (!row.resigned && !is_old).then_some(row.holder)
    }

    /// The answer to a swap has come.
    fn answered(&mut self) -> Option<Asked> {
        self.asked.take_if(|asked| matches!(asked, Asked::Swap { .. }))
    }

    fn on_read(&mut self, now: Now, at: Mono, found: Option<Vec<u8>>) {
        let seen = self.seen.take().filter(|seen| seen.row == found);
        // It may have changed just after it was read before, and just before it was told of then.
        let stood = seen.as_ref().map_or(Duration::ZERO, |seen| at.since(seen.told));
        let unchanged = seen.map_or(Duration::ZERO, |seen| seen.unchanged);
        self.seen = Some(Seen { row: found, told: now.mono, unchanged });
        let Some(held) = &self.held else { return self.judge(now, stood) };
        // A swap has failed, and may have been made.
        let mine = self
            .row()
            .and_then(Result::ok)
            .filter(|row| row.holder == self.me && row.epoch == held.row.epoch && !row.resigned);
        if let Some(row) = mine {
            self.swap(now, row, false);
        } else {
            self.let_go(now, Why::Replaced);
            self.judge(now, Duration::ZERO);
        }
    }

    fn on_swapped(&mut self, now: Now, row: LeaseRow, at: Now, takes: bool) {
        self.failures = 0;
        self.note(now, Some(to_cbor(&row)));
        // What is told too late is as good as slept through; of what was let go meanwhile the row is to tell, too.
        let leads = self.standing == Standing::Candidate && age(at, now) < TERM;
        if self.held.is_some() || (takes && leads) {
            if takes {
                self.claims = false;
                self.effects.push_back(Effect::Gained(row.epoch));
            }
            self.next = Some(at.mono.after(BEAT));
            self.held = Some(Held { row, since: at });
        } else {
            self.judge(now, Duration::ZERO);
        }
    }

    /// Decides by what stands in the row, which was seen to stand for that much longer.
    fn judge(&mut self, now: Now, stood: Duration) {
        let row = self.row();
        if let Some(Ok(row)) = &row {
            self.newest = self.newest.max(row.epoch);
        }
        let me = self.me;
        match self.standing {
            Standing::Candidate => {}
            Standing::AsideUntil(_) | Standing::Away => {
                let mine = row.and_then(Result::ok).filter(|it| it.holder == me && !it.resigned);
                if let Some(row) = mine {
                    self.swap(now, LeaseRow { resigned: true, ..row }, false);
                } else {
                    self.rest();
                }
                return;
            }
        }
        let (before, patience) = match row {
            None => (None, Duration::ZERO),
            Some(Ok(row)) => {
                let is_gone = row.holder == me || self.gone == Some(row.epoch);
                let is_free = row.resigned || is_gone || self.claims;
                let patience = if is_free { Duration::ZERO } else { term(&row) };
                (Some(row), patience)
            }
            Some(Err(RowFault::Newer { .. })) => {
                self.next = Some(now.mono.after(PATIENCE));
                return;
            }
            // The epoch before is lost. The wall clock in milliseconds is beyond any count of takings.
            Some(Err(RowFault::Unreadable)) => {
                self.newest = self.newest.max(Epoch(now.wall.0));
                (None, Duration::ZERO)
            }
        };
        // Who is out of sight lets the others go first: its timers come late.
        let patience = if self.visible || self.claims { patience } else { patience + BEAT };
        let unchanged = self.seen.as_mut().map_or(Duration::ZERO, |seen| {
            seen.unchanged += stood.min(patience / 2);
            seen.unchanged
        });
        if unchanged >= patience {
            let taken =
                LeaseRow::taken(before.as_ref(), self.me, HostKind::Page, &self.build, now.wall);
            self.swap(now, taken.beyond(self.newest), true);
        } else {
            // Somebody leads. It is looked at as often as it is renewed, so that its silence is noticed soon.
            self.failures = 0;
            let left = patience.saturating_sub(unchanged);
            let pause = if unchanged.is_zero() { BEAT } else { left.min(patience / 2) };
            self.next = Some(now.mono.after(pause + self.jitter(pause / 4)));
        }
    }

    fn settle(&mut self, now: Now) {
        if self.asked.is_some() || self.next.is_none_or(|next| next > now.mono) {
            return;
        }
        if matches!(self.standing, Standing::AsideUntil(until) if until <= now.mono) {
            self.standing = Standing::Candidate;
        }
        match (&self.held, &self.seen) {
            (Some(held), Some(_)) => {
                let row = held.row.clone();
                self.swap(now, row, false);
            }
            (Some(_) | None, _) => {
                self.asked = Some(Asked::Read(now.mono));
                self.effects.push_back(Effect::Read);
            }
        }
    }

    fn swap(&mut self, now: Now, row: LeaseRow, takes: bool) {
        let writes = if takes { row.writes } else { row.writes.saturating_add(1) };
        let row = LeaseRow {
            until: now.wall.after(if row.resigned { Duration::ZERO } else { TERM }),
            heartbeat_every_ms: limits::LEAD_BEAT_MS as u32,
            updated_at: now.wall,
            writes,
            ..row
        };
        let expected = self.seen.as_ref().and_then(|seen| seen.row.clone());
        self.effects.push_back(Effect::Swap { expected, row: to_cbor(&row) });
        self.asked = Some(Asked::Swap { row, at: now, takes });
    }

    /// Does not lead any more, if it did, and looks what stands.
    fn let_go(&mut self, now: Now, why: Why) {
        if self.held.take().is_some() {
            self.effects.push_back(Effect::Lost(why));
            self.next = Some(now.mono);
        }
    }

    fn stand_back(&mut self, now: Now, standing: Standing) {
        self.let_go(now, Why::Resigned);
        self.standing = standing;
        self.claims = false;
        // What was asked for is judged when it is answered.
        if self.asked.is_none() && self.seen.is_some() {
            self.judge(now, Duration::ZERO);
        }
    }

    fn look(&mut self, now: Now) {
        if self.held.is_none() && self.standing == Standing::Candidate {
            self.next = Some(now.mono);
        }
    }

    /// Nothing is to be done until the time to stand again comes.
    fn rest(&mut self) {
        self.next = match self.standing {
            Standing::AsideUntil(until) => Some(until),
            Standing::Away | Standing::Candidate => None,
        };
    }

    fn note(&mut self, now: Now, row: Option<Vec<u8>>) {
        self.seen = Some(Seen { row, told: now.mono, unchanged: Duration::ZERO });
    }

    /// Looks again after a while that is longer each time, and never the same for two pages.
    fn back_off(&mut self, now: Now) {
        let pause = BEAT / 8 * 2_u32.pow(self.failures.min(4));
        self.failures = self.failures.saturating_add(1);
        self.next = Some(now.mono.after(pause + self.jitter(pause)));
    }

    /// Some time shorter than this.
    fn jitter(&mut self, below: Duration) -> Duration {
        Duration::from_millis(self.rng.next_u64() % (below.as_millis() as u64).max(1))
    }

    fn row(&self) -> Option<Result<LeaseRow, RowFault>> {
        self.seen.as_ref()?.row.as_deref().map(read)
    }
}

/// The row of a role that was taken by other means, whoever had it: only its epoch counts. One that cannot be read is followed
/// by the wall clock in milliseconds, which is beyond any count of takings.
#[must_use]
pub fn raised(
    found: Option<&[u8]>,
    holder: PageId,
    build: &str,
    newest: Epoch,
    at: Wall,
) -> LeaseRow {
    let before = found.map(read::<LeaseRow>);
    let newest = if matches!(before, Some(Err(_))) { newest.max(Epoch(at.0)) } else { newest };
    let before = before.and_then(Result::ok);
    LeaseRow::taken(before.as_ref(), holder, HostKind::Page, build, at).beyond(newest)
}

/// How long a lease holds without being renewed: three beats, as often as its holder says that it renews it. A
/// bound keeps what makes no sense from blocking the role.
fn term(row: &LeaseRow) -> Duration {
    Duration::from_millis(u64::from(row.heartbeat_every_ms) * 3).clamp(TERM, PATIENCE)
}

const PATIENCE: Duration = Duration::from_millis(limits::LEASE_PATIENCE_MS);
