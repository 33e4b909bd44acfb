//! One page's part in a vote over the bus, for pages that share nothing else (LEAD-8, HOST-4): the election of Raft
//! (Ongaro and Ousterhout, *In Search of an Understandable Consensus Algorithm*, 2014, section 5.2), without a log.
//!
//! ```text
//!             silence: Stands, term + 1        votes of more than half
//!   follows ───────────────────────────▶ stands ─────────────────────▶ leads: says so, each beat
//!      ▲ ◀───── another leads ────────────┘ │ ▲ no majority: term + 1    │
//!      │                                    └─┘                          │
//!      └──────────────── a higher term; or it has slept, or resigned ────┘
//! ```
//!
//! What always holds:
//! - terms only rise, and the epoch of whoever leads is its term;
//! - a page has one vote in a term, and it may be its own;
//! - whoever leads has the votes of more than half of the pages that it knew when it stood, and of those that it knows;
//! - a higher term ends what was in a lower one.
//!
//! So there is one leader in a term, as long as all know all, and none forgets. What it cannot promise:
//! - **A page knows whom it has heard lately.** Where the bus is cut in two, each side elects a leader, in whatever term:
//!   mostly different ones, the same if they began alike.
//! - **A page forgets its vote when it is reloaded.** It is another page then, and does not vote until an election that
//!   it may have voted in is over; that is a matter of time, and time may be slept through.
//! - **An old leader does not know at once** that there is another in a higher term.
//!
//! Whatever a leader does has to be safe when two do it: an epoch may be had twice here, and it is the server that takes
//! each event once (OUT-3).
//!
//! Not here: the bus. What it loses, repeats or delays does no harm beyond the above.

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::VecDeque;

use super::{BEAT, TERM, Why, age};
use crate::base::{Epoch, Mono, Now, PageId, Rng, SortedMap, limits};
use crate::bus::{Ballot, Call};

/// A fact from outside, already true when it is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// This page has said this.
    Heard(PageId, Ballot),
    /// The page is about to be frozen, hidden away or closed.
    Leaving,
    /// The page is back.
    Returned,
    /// The app wants another page to lead.
    Resign,
    /// The app wants this page to lead, whoever does: it stands as soon as it may.
    Claim,
    /// The time that `poll_timeout` named has come.
    Timeout,
}

/// What the driver is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Say this to all other pages.
    Say(Ballot),
    /// This page leads, under its term.
    Gained(Epoch),
    /// It does not lead any more.
    Lost(Why),
    /// Another page leads, under this term.
    Follows(PageId, Epoch),
}

/// See the module.
#[derive(Debug)]
pub struct Vote {
    me: PageId,
    term: Epoch,
    /// Whom it has voted for in this term.
    voted: Option<PageId>,
    /// Until then it does not vote: it may have done so before it was reloaded.
    mute_until: Mono,
    role: Role,
    /// The other pages, and when they were heard last.
    known: SortedMap<PageId, Mono>,
    /// When it has said anything last.
    said: Option<Mono>,
    /// When to stand, or to say that it leads.
    next: Option<Mono>,
    /// It has come late for standing, and asks first whether somebody leads.
    asks: bool,
    rng: Rng,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
enum Role {
    Follows(Option<PageId>),
    Stands {
        /// Whose votes it has.
        votes: Vec<PageId>,
        /// How many pages it knew when it stood, itself included.
        of: usize,
    },
    Leads {
        /// When it has said so last.
        since: Now,
    },
    Away,
}

impl Vote {
    /// A page that knows nobody yet, and says that it is there. `newest` is the newest epoch that it has heard of.
    #[must_use]
    pub fn new(now: Now, me: PageId, newest: Epoch, seed: u64) -> Self {
        let mut vote = Self {
            me,
            term: newest,
            voted: None,
            mute_until: now.mono.after(TERM * 2),
            role: Role::Away,
            known: SortedMap::new(),
            said: None,
            next: None,
            asks: false,
            rng: Rng::new(seed),
            effects: VecDeque::new(),
        };
        vote.arrive(now);
        vote
    }

    /// Takes in one fact.
    pub fn handle(&mut self, now: Now, input: Input) {
        // Before all else: whoever has slept does not lead.
        if let Role::Leads { since } = self.role
            && age(since, now) >= TERM
        {
            self.step_down(now, Why::Slept);
        }
        match input {
            Input::Heard(from, ballot) => {
                if from != self.me && !matches!(self.role, Role::Away) {
                    self.on_heard(now, from, ballot);
                }
            }
            Input::Leaving => {
                self.step_down(now, Why::Resigned);
                if !matches!(self.role, Role::Away) {
                    self.say(now, Call::Gone);
                }
                self.role = Role::Away;
                self.next = None;
            }
            Input::Returned => {
                if matches!(self.role, Role::Away) {
                    self.arrive(now);
                }
            }
            Input::Resign => {
                if matches!(self.role, Role::Leads { .. }) {
                    self.step_down(now, Why::Resigned);
                    self.say(now, Call::Gone);
                    // The others stand first.
                    self.next = Some(now.mono.after(TERM * 4));
                }
            }
            Input::Claim => {
                if !matches!(self.role, Role::Leads { .. } | Role::Away) {
                    if now.mono < self.mute_until && self.known() > 1 {
                        self.next = Some(self.mute_until);
                    } else {
                        self.stand(now);
                    }
                }
            }
            Input::Timeout => {}
        }
        if let Some(due) = self.next.filter(|due| *due <= now.mono) {
            self.on_due(now, due);
        }
    }

    /// When [`Input::Timeout`] is wanted; `None` while only facts can help.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.next
    }

    /// The next thing the driver is asked to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The epoch under which this page leads, as far as it knows.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        matches!(self.role, Role::Leads { .. }).then_some(self.term)
    }

    /// Who leads, as far as is known.
    #[must_use]
    pub fn leader(&self) -> Option<PageId> {
        match self.role {
            Role::Follows(leader) => leader,
            Role::Leads { .. } => Some(self.me),
            Role::Stands { .. } | Role::Away => None,
        }
    }

    /// How many pages are known, this one included.
    #[must_use]
    pub fn known(&self) -> usize {
        self.known.len() + 1
    }

    fn on_heard(&mut self, now: Now, from: PageId, ballot: Ballot) {
        let is_new = if ballot.call == Call::Gone {
            self.known.remove(&from);
            false
        } else {
            self.meet(now, from)
        };
        if ballot.term > self.term {
            self.rise(now, ballot.term);
        }
        let is_old = ballot.term < self.term;
        let is_behind = is_old && matches!(ballot.call, Call::Stands | Call::Leads);
        // Who asks is answered, and so is who does not know that there is a higher term. Who is new here may not know
        // us either, unless it has just heard us.
        let wants =
            ballot.call == Call::Comes || is_behind || (is_new && !self.has_said(now, BEAT));
        if wants {
            let leads = matches!(self.role, Role::Leads { .. });
            self.say(now, if leads { Call::Leads } else { Call::Here });
        }
        match ballot.call {
            Call::Gone => {
                if self.leader() == Some(from) {
                    self.role = Role::Follows(None);
                    self.next = Some(now.mono.after(self.jitter(BEAT)));
                }
            }
            Call::Stands if !is_old => self.on_stands(now, from),
            Call::Votes(page) if !is_old && page == self.me => self.on_vote(now, from),
            Call::Leads if !is_old => self.follow(now, from),
            Call::Comes | Call::Here | Call::Stands | Call::Votes(_) | Call::Leads => {}
        }
    }

    fn on_stands(&mut self, now: Now, from: PageId) {
        let is_free = self.voted.is_none() && now.mono >= self.mute_until;
        if self.voted == Some(from) || is_free {
            self.voted = Some(from);
            self.say(now, Call::Votes(from));
            self.next = Some(self.patience(now));
        }
    }

    fn on_vote(&mut self, now: Now, from: PageId) {
        let Role::Stands { votes, .. } = &mut self.role else { return };
        if self.known.contains_key(&from) && !votes.contains(&from) {
            votes.push(from);
        }
        self.lead_if_elected(now);
    }

    fn lead_if_elected(&mut self, now: Now) {
        let Role::Stands { votes, of } = &self.role else { return };
        if votes.len() * 2 > self.known().max(*of) {
            self.effects.push_back(Effect::Gained(self.term));
            self.lead(now);
        }
    }

    fn lead(&mut self, now: Now) {
        self.role = Role::Leads { since: now };
        self.next = Some(now.mono.after(BEAT));
        self.say(now, Call::Leads);
    }

    fn follow(&mut self, now: Now, leader: PageId) {
        // Two in one term: somebody has forgotten a vote. Neither is right, and the next term decides.
        if matches!(self.role, Role::Leads { .. }) {
            return self.step_down(now, Why::Replaced);
        }
        if self.leader() != Some(leader) {
            self.role = Role::Follows(Some(leader));
            self.effects.push_back(Effect::Follows(leader, self.term));
        }
        self.asks = false;
        self.next = Some(self.patience(now));
        if !self.has_said(now, Duration::from_millis(limits::VOTER_BEAT_MS)) {
            self.say(now, Call::Here);
        }
    }

    fn on_due(&mut self, now: Now, due: Mono) {
        match self.role {
            Role::Leads { .. } => self.lead(now),
            Role::Follows(_) | Role::Stands { .. } => {
                let was_late = now.mono.since(due) >= TERM;
                if was_late && !self.asks {
                    // It may have slept, and woken before its leader. Timers that are always late only cost a turn.
                    self.arrive(now);
                    self.asks = true;
                } else if now.mono < self.mute_until && self.known() > 1 {
                    // Whoever may not vote does not vote for itself, unless there is nobody else.
                    self.next = Some(self.mute_until.after(self.jitter(BEAT)));
                } else {
                    self.stand(now);
                }
            }
            Role::Away => {}
        }
    }

    fn stand(&mut self, now: Now) {
        self.forget(now);
        self.rise(now, self.term.next());
        self.voted = Some(self.me);
        self.asks = false;
        self.role = Role::Stands { votes: vec![self.me], of: self.known() };
        self.next = Some(self.patience(now));
        self.say(now, Call::Stands);
        self.lead_if_elected(now);
    }

    /// Says that it is there, and gives whoever leads a moment to say so.
    fn arrive(&mut self, now: Now) {
        self.role = Role::Follows(None);
        self.next = Some(now.mono.after(BEAT + self.jitter(BEAT)));
        self.say(now, Call::Comes);
    }

    fn rise(&mut self, now: Now, term: Epoch) {
        self.step_down(now, Why::Replaced);
        self.term = term;
        self.voted = None;
        if !matches!(self.role, Role::Away) {
            self.role = Role::Follows(None);
        }
    }

    fn step_down(&mut self, now: Now, why: Why) {
        if matches!(self.role, Role::Leads { .. }) {
            self.role = Role::Follows(None);
            self.next = Some(self.patience(now));
            self.effects.push_back(Effect::Lost(why));
        }
    }

    /// Whether this page is heard for the first time, or again after a long while.
    fn meet(&mut self, now: Now, page: PageId) -> bool {
        if let Some(heard) = self.known.get_mut(&page) {
            *heard = now.mono;
            return false;
        }
        self.forget(now);
        let has_room = self.known() < limits::VOTERS_MAX;
        if has_room {
            self.known.insert(page, now.mono);
        }
        has_room
    }

    fn forget(&mut self, now: Now) {
        let age_max = Duration::from_millis(limits::VOTER_AGE_MS_MAX);
        self.known.retain(|_, heard| now.mono.since(*heard) < age_max);
    }

    fn has_said(&self, now: Now, lately: Duration) -> bool {
        self.said.is_some_and(|said| now.mono.since(said) < lately)
    }

    fn say(&mut self, now: Now, call: Call) {
        self.said = Some(now.mono);
        self.effects.push_back(Effect::Say(Ballot { term: self.term, call }));
    }

    /// Until when it waits for whoever leads, or for votes: never the same for two pages.
    fn patience(&mut self, now: Now) -> Mono {
        now.mono.after(TERM + self.jitter(TERM))
    }

    fn jitter(&mut self, below: Duration) -> Duration {
        Duration::from_millis(self.rng.next_u64() % (below.as_millis() as u64).max(1))
    }
}
