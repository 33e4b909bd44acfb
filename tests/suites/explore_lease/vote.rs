//! Everything that pages can do in a vote, in every order: stand, vote, lead, sleep, resign, leave, die; whatever they
//! say is heard late, in another order, twice or never, and their clocks jump (LEAD-8).
//!
//! What always holds of the truth told here: who knows whom is told by what was delivered, never by a page's machine.

use std::collections::{BTreeMap, VecDeque};

use bellwether_shared::base::{Epoch, Mono, Now, PageId, Wall, limits};
use bellwether_shared::bus::{Ballot, Call};
use bellwether_shared::lead::Vote;
use bellwether_shared::lead::vote::{Effect, Input};
use bellwether_tests::choice::Chooser;
use bellwether_tests::explore::{Report, Seen, explore};
use bellwether_tests::transcript::Digest;

#[test]
fn whatever_two_pages_say_one_leads_in_a_term_and_somebody_can_lead() {
    for (turns, troubles) in [(8, 0), (6, 1), (5, 2)] {
        let report = all(Small { pages: 2, turns, troubles, ..Small::default() });
        assert_eq!(report.found, None, "{turns} turns, {troubles} troubles");
        assert!(report.completed && report.states > 10_000, "{report:?}");
    }
}

#[test]
fn whatever_three_pages_say_one_leads_in_a_term_and_somebody_can_lead() {
    for (turns, troubles) in [(6, 0), (5, 1)] {
        let report = all(Small { pages: 3, turns, troubles, ..Small::default() });
        assert_eq!(report.found, None, "{turns} turns, {troubles} troubles");
        assert!(report.completed && report.states > 10_000, "{report:?}");
    }
}

#[test]
fn a_page_that_votes_twice_in_a_term_is_found() {
    let faults = Faults { votes_twice: true, ..Faults::default() };
    let report = all(Small { pages: 3, turns: 8, faults, ..Small::default() });
    let found = report.found.expect("some story shows it").violation;
    assert!(found.ends_with("both lead in term 1"), "{found}");
}

#[test]
fn a_majority_of_those_who_have_answered_is_found() {
    let faults = Faults { counts_answers_only: true, ..Faults::default() };
    let report = all(Small { faults, ..Small::default() });
    let found = report.found.expect("some story shows it").violation;
    assert!(found.ends_with("both lead in term 1"), "{found}");
}

/// What it cannot promise: each side of a bus that is cut knows only itself. Their terms differ, or do not.
#[test]
fn a_bus_cut_in_two_elects_a_leader_on_each_side_until_it_is_whole() {
    let mut terms = Vec::new();
    for seed in 0..64 {
        let mut assembly = Assembly::new(Small { seed, ..Small::default() });
        assembly.introduce().expect("nothing goes wrong");
        assembly.cut = true;
        assembly.live(2 * limits::VOTER_AGE_MS_MAX).expect("nothing that is promised is broken");
        let led: Vec<Epoch> = assembly.pages.iter().filter_map(|page| page.leads).collect();
        terms.push((led[0], led[1]));
        assembly.cut = false;
        assembly.one_leads().expect("the higher term wins");
    }
    assert!(terms.iter().any(|(one, other)| one != other), "{terms:?}");
    assert!(terms.iter().any(|(one, other)| one == other), "{terms:?}");
}

/// What it cannot promise: a page that was reloaded does not know whom it has voted for, nor does one that slept know
/// how long ago that was. It takes both, and a bus that loses every word of the leader.
#[test]
fn a_vote_that_is_forgotten_elects_two_in_one_term_until_they_hear_of_each_other() {
    let mut assembly = Assembly::new(Small { pages: 3, ..Small::default() });
    assembly.introduce().expect("nothing goes wrong");
    while assembly.pages.iter().all(|page| !page.is_due(assembly.now_ms)) {
        assembly.pass();
    }
    let first = assembly.pages.iter().position(|page| page.is_due(assembly.now_ms));
    let first = first.expect("somebody stands");
    let (sleeper, voter) = ((first + 1) % 3, (first + 2) % 3);
    let play = |assembly: &mut Assembly, turn| assembly.play(turn).expect("none is to blame");

    play(&mut assembly, Turn::Wake(first));
    play(&mut assembly, Turn::Hear(voter));
    play(&mut assembly, Turn::Hear(first));
    assert_eq!(assembly.pages[first].leads, Some(Epoch(1)));
    assembly.pages[sleeper].inbox.clear();
    assembly.reload(voter);
    assembly.pages[first].inbox.clear();
    play(&mut assembly, Turn::HearAll(sleeper));
    assembly.now_ms += 20_000;
    for turn in [Turn::Wake(sleeper), Turn::HearAll(voter), Turn::HearAll(sleeper)] {
        play(&mut assembly, turn);
    }
    assembly.pages[first].inbox.clear();
    while !assembly.pages[sleeper].is_due(assembly.now_ms) {
        assembly.pass();
    }
    assembly.pages[voter].inbox.clear();
    for turn in [Turn::Wake(sleeper), Turn::HearAll(voter), Turn::HearAll(sleeper)] {
        play(&mut assembly, turn);
    }
    let led = [first, sleeper].map(|at| assembly.pages[at].leads);
    assert_eq!(led, [Some(Epoch(1)); 2]);
    assembly.one_leads().expect("the next term decides");
}

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    /// A page gives its vote to whoever asks.
    votes_twice: bool,
    /// A page that stands counts only those whose votes it has.
    counts_answers_only: bool,
}

#[derive(Debug, Clone, Copy)]
struct Small {
    pages: u8,
    turns: u32,
    /// How often something may go wrong in one story, beyond what is slow, and whoever dies in the end.
    troubles: u32,
    seed: u64,
    faults: Faults,
}

impl Default for Small {
    fn default() -> Self {
        Self { pages: 2, turns: 8, troubles: 0, seed: 0, faults: Faults::default() }
    }
}

fn all(small: Small) -> Report {
    explore(STORIES_MAX, |mut chooser, seen| {
        let mut assembly = Assembly::new(small);
        let violation = assembly.run(&mut chooser, seen).err();
        (chooser, violation)
    })
}

struct Assembly {
    small: Small,
    pages: Vec<Page>,
    now_ms: u64,
    troubles: u32,
    /// Nobody hears anybody.
    cut: bool,
    /// Who has led in each term, and whether it knew all who were there.
    leaders: BTreeMap<Epoch, (PageId, bool)>,
}

#[derive(Debug)]
struct Page {
    id: PageId,
    vote: Vote,
    ahead_ms: u64,
    life: Life,
    /// What it has not heard yet, and from whom.
    inbox: VecDeque<(usize, Ballot)>,
    /// Of whom it has heard, and when.
    heard: Vec<Option<u64>>,
    /// As it was told.
    leads: Option<Epoch>,
    /// Whom it has voted for in each term.
    votes: BTreeMap<Epoch, Vec<PageId>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    There,
    Away,
    Dead,
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Everybody hears everything, and what is said to it.
    Talk,
    /// Time passes until somebody wants to be woken.
    Pass,
    /// So much time passes that every timer is late.
    Oversleep,
    Wake(usize),
    Hear(usize),
    HearAll(usize),
    /// Who has left comes back.
    Return(usize),
    Trouble(usize, Trouble),
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// It never hears what comes next.
    Lose,
    /// It hears it twice, the second time after all else.
    Repeat,
    /// It hears it after all else.
    Delay,
    Resign,
    /// The app wants this page to lead, whoever does.
    Claim,
    Leave,
    /// The page's own clock jumps ahead.
    Jump,
}

impl Assembly {
    fn new(small: Small) -> Self {
        let count = usize::from(small.pages);
        let mut assembly = Self {
            small,
            pages: Vec::new(),
            now_ms: 0,
            troubles: small.troubles,
            cut: false,
            leaders: BTreeMap::new(),
        };
        for at in 0..small.pages {
            let id = PageId([at + 1; 16]);
            let ahead_ms = u64::from(at) * 10_000;
            let now = at_time(0, ahead_ms);
            let vote = Vote::new(now, id, Epoch(0), small.seed * 10 + u64::from(at));
            assembly.pages.push(Page {
                id,
                vote,
                ahead_ms,
                life: Life::There,
                inbox: VecDeque::new(),
                heard: vec![None; count],
                leads: None,
                votes: BTreeMap::new(),
            });
        }
        assembly
    }

    fn run(&mut self, chooser: &mut Chooser, seen: &mut Seen) -> Result<(), String> {
        // Either all are about to stand, or one leads already.
        self.introduce()?;
        if chooser.below(2) == 1 {
            self.one_leads()?;
        }
        for left in (0..self.small.turns).rev() {
            if seen.before(chooser, || self.digest(left)) {
                return Ok(());
            }
            let turns = self.turns();
            let turn = turns[chooser.below(turns.len() as u64) as usize];
            self.play(turn)?;
        }
        if seen.before(chooser, || self.digest(u32::MAX)) {
            return Ok(());
        }
        // Whoever dies earlier does the same as one who does not get to run any more.
        if let Some(at) = chooser.below(self.pages.len() as u64 + 1).checked_sub(1) {
            self.die(at as usize);
        }
        self.somebody_can_lead()
    }

    fn turns(&self) -> Vec<Turn> {
        let mut turns = vec![Turn::Pass, Turn::Oversleep];
        if self.pages.iter().any(|page| !page.inbox.is_empty()) {
            turns.push(Turn::Talk);
        }
        for (at, page) in self.pages.iter().enumerate() {
            if page.life == Life::Away {
                turns.push(Turn::Return(at));
            }
            if page.is_due(self.now_ms) {
                turns.push(Turn::Wake(at));
            }
            if !page.inbox.is_empty() {
                turns.push(Turn::Hear(at));
            }
            if page.inbox.len() > 1 {
                turns.push(Turn::HearAll(at));
            }
            if self.troubles == 0 {
                continue;
            }
            let mut trouble = |trouble| turns.push(Turn::Trouble(at, trouble));
            trouble(Trouble::Jump);
            if page.leads.is_some() {
                trouble(Trouble::Resign);
            } else if page.life == Life::There {
                trouble(Trouble::Claim);
            }
            if page.life == Life::There {
                trouble(Trouble::Leave);
            }
            if !page.inbox.is_empty() {
                trouble(Trouble::Lose);
                trouble(Trouble::Repeat);
            }
            if page.inbox.len() > 1 {
                trouble(Trouble::Delay);
            }
        }
        turns
    }

    fn play(&mut self, turn: Turn) -> Result<(), String> {
        match turn {
            Turn::Talk => self.talk(),
            Turn::Pass => {
                self.pass();
                Ok(())
            }
            Turn::Oversleep => {
                self.now_ms += limits::LEAD_TERM_MS;
                Ok(())
            }
            Turn::Wake(at) => {
                if self.small.faults.counts_answers_only {
                    let ballot = Ballot { term: Epoch(0), call: Call::Gone };
                    for other in 0..self.pages.len() {
                        let from = self.pages[other].id;
                        self.tell(at, Input::Heard(from, ballot))?;
                    }
                }
                self.tell(at, Input::Timeout)
            }
            Turn::Hear(at) => self.hear(at),
            Turn::HearAll(at) => (0..self.pages[at].inbox.len()).try_for_each(|_| self.hear(at)),
            Turn::Return(at) => {
                self.pages[at].life = Life::There;
                self.tell(at, Input::Returned)
            }
            Turn::Trouble(at, trouble) => {
                self.troubles -= 1;
                self.trouble(at, trouble)
            }
        }
    }

    fn trouble(&mut self, at: usize, trouble: Trouble) -> Result<(), String> {
        let page = &mut self.pages[at];
        match trouble {
            Trouble::Lose => drop(page.inbox.pop_front()),
            Trouble::Delay => page.inbox.rotate_left(1),
            Trouble::Repeat => {
                let again = page.inbox.front().copied();
                page.inbox.extend(again);
                return self.hear(at);
            }
            Trouble::Resign => return self.tell(at, Input::Resign),
            Trouble::Claim => return self.tell(at, Input::Claim),
            Trouble::Leave => {
                page.life = Life::Away;
                page.inbox.clear();
                return self.tell(at, Input::Leaving);
            }
            Trouble::Jump => page.ahead_ms += limits::LEAD_TERM_MS,
        }
        Ok(())
    }

    fn hear(&mut self, at: usize) -> Result<(), String> {
        let Some((from, ballot)) = self.pages[at].inbox.pop_front() else { return Ok(()) };
        let (of, now_ms) = (self.pages[from].id, self.now_ms);
        let page = &mut self.pages[at];
        page.heard[from] = (ballot.call != Call::Gone).then_some(now_ms + page.ahead_ms);
        self.tell(at, Input::Heard(of, ballot))?;
        let has_voted =
            self.pages[at].votes.get(&ballot.term).is_some_and(|of_it| !of_it.contains(&of));
        if self.small.faults.votes_twice && ballot.call == Call::Stands && has_voted {
            self.say(at, Ballot { term: ballot.term, call: Call::Votes(of) });
        }
        Ok(())
    }

    fn tell(&mut self, at: usize, input: Input) -> Result<(), String> {
        let now_ms = self.now_ms;
        let page = &mut self.pages[at];
        page.vote.handle(at_time(now_ms, page.ahead_ms), input);
        while let Some(effect) = self.pages[at].vote.poll_effect() {
            match effect {
                Effect::Say(ballot) => self.say(at, ballot),
                Effect::Gained(term) => self.gained(at, term)?,
                Effect::Lost(_) => self.pages[at].leads = None,
                Effect::Follows(..) => {}
            }
        }
        Ok(())
    }

    fn say(&mut self, at: usize, ballot: Ballot) {
        let page = &mut self.pages[at];
        let voted = match ballot.call {
            Call::Votes(of) => Some(of),
            Call::Stands => Some(page.id),
            Call::Comes | Call::Here | Call::Leads | Call::Gone => None,
        };
        page.votes.entry(ballot.term).or_default().extend(voted);
        for (other, page) in self.pages.iter_mut().enumerate() {
            if other != at && page.life == Life::There && !self.cut {
                page.inbox.push_back((at, ballot));
            }
        }
    }

    fn gained(&mut self, at: usize, term: Epoch) -> Result<(), String> {
        let knows_all = self.knows_all(at);
        let page = &mut self.pages[at];
        page.leads = Some(term);
        if let Some((other, knew_all)) = self.leaders.insert(term, (page.id, knows_all))
            && knew_all
            && knows_all
        {
            let (one, other, term) = (other.0[0], page.id.0[0], term.0);
            return Err(format!("{one} and {other} both lead in term {term}"));
        }
        Ok(())
    }

    /// Whether it has heard of all who are there.
    fn knows_all(&self, at: usize) -> bool {
        let page = &self.pages[at];
        let now_ms = self.now_ms + page.ahead_ms;
        let lately = |heard: u64| now_ms - heard < limits::VOTER_AGE_MS_MAX;
        self.pages.iter().enumerate().all(|(other, there)| {
            other == at || there.life == Life::Dead || page.heard[other].is_some_and(lately)
        })
    }

    fn talk(&mut self) -> Result<(), String> {
        for _ in 0..TALK_MAX {
            let Some(at) = self.pages.iter().position(|page| !page.inbox.is_empty()) else {
                return Ok(());
            };
            self.hear(at)?;
        }
        Err("they do not stop talking".into())
    }

    /// Until the next moment at which somebody wants to be woken.
    fn pass(&mut self) {
        let living = self.pages.iter().filter(|page| page.life != Life::Dead);
        let dues = living.filter_map(Page::due).filter(|due| *due > self.now_ms);
        self.now_ms = dues.min().unwrap_or(self.now_ms);
    }

    /// All know of one another, and have been there for long enough to vote.
    fn introduce(&mut self) -> Result<(), String> {
        for at in 0..self.pages.len() {
            self.say(at, Ballot { term: Epoch(0), call: Call::Comes });
        }
        self.live(2 * limits::LEAD_TERM_MS - 1)?;
        self.now_ms = 2 * limits::LEAD_TERM_MS;
        Ok(())
    }

    /// Everybody runs and hears as soon as can be, for so long.
    fn live(&mut self, for_ms: u64) -> Result<(), String> {
        let until_ms = self.now_ms + for_ms;
        loop {
            self.everybody_runs()?;
            let before_ms = self.now_ms;
            self.pass();
            if self.now_ms > until_ms || self.now_ms == before_ms {
                self.now_ms = before_ms;
                return Ok(());
            }
        }
    }

    fn everybody_runs(&mut self) -> Result<(), String> {
        self.talk()?;
        for at in 0..self.pages.len() {
            if self.pages[at].life != Life::Dead && self.pages[at].is_due(self.now_ms) {
                self.tell(at, Input::Timeout)?;
                self.talk()?;
            }
        }
        Ok(())
    }

    /// Once nothing goes wrong any more one leads, and all others follow it.
    fn one_leads(&mut self) -> Result<usize, String> {
        let since_ms = self.now_ms;
        while self.now_ms - since_ms < CALM_MS {
            self.everybody_runs()?;
            let living = || self.pages.iter().filter(|page| page.life != Life::Dead);
            let leader = self.pages.iter().position(|page| page.leads.is_some());
            if let Some(leader) = leader
                && living().all(|page| page.vote.leader() == Some(self.pages[leader].id))
            {
                return Ok(leader);
            }
            self.pass();
        }
        Err("nobody can lead any more".into())
    }

    // And when it dies, the next does, to the last.
    fn somebody_can_lead(&mut self) -> Result<(), String> {
        self.small.faults = Faults::default();
        for at in 0..self.pages.len() {
            if self.pages[at].life == Life::Away {
                self.play(Turn::Return(at))?;
            }
        }
        while self.pages.iter().any(|page| page.life != Life::Dead) {
            let leader = self.one_leads()?;
            self.die(leader);
        }
        Ok(())
    }

    fn die(&mut self, at: usize) {
        let page = &mut self.pages[at];
        (page.life, page.leads) = (Life::Dead, None);
        page.inbox.clear();
    }

    /// Another page in the place of this one, which has said that it goes.
    fn reload(&mut self, at: usize) {
        self.say(at, Ballot { term: Epoch(0), call: Call::Gone });
        let page = &mut self.pages[at];
        page.id = PageId([page.id.0[0] + 100; 16]);
        page.inbox.clear();
        page.heard.fill(None);
        page.vote = Vote::new(at_time(self.now_ms, page.ahead_ms), page.id, Epoch(0), 99);
        self.say(at, Ballot { term: Epoch(0), call: Call::Comes });
    }

    fn digest(&self, left: u32) -> u64 {
        let mut digest = Digest::default();
        digest.add(&(left, self.troubles, &self.pages, self.now_ms, &self.leaders));
        digest.value()
    }
}

impl Page {
    fn due(&self) -> Option<u64> {
        self.vote.poll_timeout().map(|due| due.0.saturating_sub(self.ahead_ms))
    }

    fn is_due(&self, now_ms: u64) -> bool {
        self.due().is_some_and(|due| due <= now_ms)
    }
}

fn at_time(now_ms: u64, ahead_ms: u64) -> Now {
    Now { mono: Mono(now_ms + ahead_ms), wall: Wall(now_ms + ahead_ms * 1_000) }
}

/// More than all words that three pages can have to say to each other at one moment.
const TALK_MAX: u32 = 1_000;
/// Within so much time somebody leads: who is dead is counted for a while, and who has resigned stands late.
const CALM_MS: u64 = 6 * limits::VOTER_AGE_MS_MAX;
const STORIES_MAX: u64 = 1_000_000;
