//! Everything that pages can do about a lease between them, in every order: look, swap, renew, sleep, resign, leave,
//! die; their disk tells late or fails, their clocks disagree and jump. The register is compared and written as the
//! real store does it, and every page that believes it leads would write at every moment (LEAD-2, HOST-6).
//!
//! What always holds of the truth told here: it comes from what was written when, never from a page's machine.

mod vote;

use std::collections::{BTreeMap, BTreeSet};

use bellwether_shared::base::{Epoch, Mono, Now, PageId, Wall, limits};
use bellwether_shared::lead::Lease;
use bellwether_shared::lead::lease::{Effect, Input};
use bellwether_shared::rows::{LeaseRow, read};
use bellwether_shared::wire::to_cbor;
use bellwether_tests::choice::Chooser;
use bellwether_tests::explore::{Report, Seen, explore};
use bellwether_tests::transcript::Digest;

#[test]
fn whatever_two_pages_do_one_writes_in_an_epoch_and_somebody_can_lead() {
    for (turns, troubles) in [(7, 0), (5, 1), (4, 2)] {
        let report = all(Small { pages: 2, turns, troubles, ..Small::default() });
        assert_eq!(report.found, None, "{turns} turns, {troubles} troubles");
        assert!(report.completed && report.states > 5_000, "{report:?}");
    }
}

#[test]
fn whatever_three_pages_do_one_writes_in_an_epoch_and_somebody_can_lead() {
    for (turns, troubles) in [(6, 0), (4, 1)] {
        let report = all(Small { pages: 3, turns, troubles, ..Small::default() });
        assert_eq!(report.found, None, "{turns} turns, {troubles} troubles");
        assert!(report.completed && report.states > 5_000, "{report:?}");
    }
}

#[test]
fn a_swap_that_does_not_compare_is_found() {
    let faults = Faults { takes_blindly: true, ..Faults::default() };
    assert_eq!(found(faults, false), "2 and 1 both write under epoch 1");
}

#[test]
fn a_renewal_that_does_not_look_whether_it_still_leads_is_found() {
    let faults = Faults { renews_blindly: true, ..Faults::default() };
    assert_eq!(found(faults, true), "epoch 1 is written after epoch 2");
}

#[test]
fn a_lease_that_ends_by_the_wall_clock_is_found() {
    let faults = Faults { ends_by_wall: true, ..Faults::default() };
    assert_eq!(found(faults, true), "2 takes the lease of 1, which is fresh");
}

#[test]
fn a_leader_that_does_not_notice_its_sleep_is_found() {
    let faults = Faults { sleeps_unnoticed: true, ..Faults::default() };
    assert_eq!(found(faults, true), "1 believes that it leads beyond its lease");
}

/// What it cannot promise: a page whose clock has jumped ahead takes what is still fresh. The epoch keeps it safe, as
/// the stories above show, in which clocks jump, too.
#[test]
fn a_clock_that_jumps_makes_a_page_take_what_is_fresh() {
    let report = all(Small { turns: 7, troubles: 1, jumps_excuse: false, ..Small::default() });
    let found = report.found.expect("a clock jumps").violation;
    assert_eq!(found, "2 takes the lease of 1, which is fresh");
}

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    /// The register is written without being compared when the lease is taken.
    takes_blindly: bool,
    /// The same when it is renewed.
    renews_blindly: bool,
    /// A lease counts as let go when its wall time has come.
    ends_by_wall: bool,
    /// The clocks of whoever leads stand while it does not run.
    sleeps_unnoticed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Small {
    pages: u8,
    turns: u32,
    /// How often something may go wrong in one story, beyond what is slow, and whoever dies in the end.
    troubles: u32,
    faults: Faults,
    /// Whether the first page leads already; where it is not said, there are stories of both.
    led: Option<bool>,
    /// A clock that has jumped excuses whoever takes a lease too early.
    jumps_excuse: bool,
}

impl Default for Small {
    fn default() -> Self {
        Self {
            pages: 2,
            turns: 8,
            troubles: 0,
            faults: Faults::default(),
            led: None,
            jumps_excuse: true,
        }
    }
}

fn found(faults: Faults, led: bool) -> String {
    let report = all(Small { faults, led: Some(led), ..Small::default() });
    report.found.expect("some story shows it").violation
}

fn all(small: Small) -> Report {
    explore(STORIES_MAX, |mut chooser, seen| {
        let mut contest = Contest::new(small);
        let violation = contest.run(&mut chooser, seen).err();
        (chooser, violation)
    })
}

struct Contest {
    small: Small,
    pages: Vec<Page>,
    row: Option<Vec<u8>>,
    written_ms: u64,
    /// The newest epoch that was ever written.
    newest: Epoch,
    /// Who has written under each epoch.
    writers: BTreeMap<Epoch, PageId>,
    now_ms: u64,
    troubles: u32,
    jumped: bool,
    /// Somebody has claimed the role, and waited for nobody.
    claimed: bool,
    /// Epochs whose leader has said that it is gone.
    gone: BTreeSet<Epoch>,
}

#[derive(Debug)]
struct Page {
    id: PageId,
    lease: Lease,
    mono_ahead_ms: u64,
    wall_ahead_ms: u64,
    /// Where its clocks stand, if they do.
    stands: Option<u64>,
    asked: Option<Asked>,
    /// As it was told.
    leads: Option<Epoch>,
    /// When it has written the row last.
    wrote_ms: u64,
    life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    There,
    Away,
    Dead,
}

#[derive(Debug)]
enum Asked {
    Read,
    Swap {
        expected: Option<Vec<u8>>,
        row: Vec<u8>,
    },
    /// It was done; the page will hear of it.
    Done(Input),
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Time passes until somebody wants to be woken.
    Pass,
    /// Half a term passes.
    Linger,
    /// A whole term passes, and every timer is late.
    Oversleep,
    /// A page is woken if it is time, and the disk is quick until it has nothing more to ask.
    Run(usize),
    /// A page is woken, or the disk does one thing, or tells of it.
    Step(usize),
    /// Who has left comes back.
    Return(usize),
    Trouble(usize, Trouble),
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Resign,
    /// The app wants this page to lead, whoever does.
    Claim,
    Leave,
    /// The disk has done what it was asked to, and says that it has failed.
    FailLate,
    /// It has failed.
    Fail,
    /// The page's own clock jumps ahead.
    Jump,
}

impl Contest {
    fn new(small: Small) -> Self {
        let pages = (0..small.pages).map(|at| {
            let id = PageId([at + 1; 16]);
            let mono_ahead_ms = u64::from(at) * 10_000;
            // The first is hours behind the last.
            let wall_ahead_ms = u64::from(at) * 3_600_000;
            let now = Now { mono: Mono(mono_ahead_ms), wall: Wall(wall_ahead_ms) };
            Page {
                id,
                lease: Lease::new(now, id, "", Epoch(0), u64::from(at)),
                mono_ahead_ms,
                wall_ahead_ms,
                stands: None,
                asked: None,
                leads: None,
                wrote_ms: 0,
                life: Life::There,
            }
        });
        Self {
            small,
            pages: pages.collect(),
            row: None,
            written_ms: 0,
            newest: Epoch(0),
            writers: BTreeMap::new(),
            now_ms: 0,
            troubles: small.troubles,
            jumped: false,
            claimed: false,
            gone: BTreeSet::new(),
        }
    }

    fn run(&mut self, chooser: &mut Chooser, seen: &mut Seen) -> Result<(), String> {
        // Either nobody leads yet, or the first page does and the others have seen it.
        if self.small.led.unwrap_or_else(|| chooser.below(2) == 1) {
            for at in 0..self.pages.len() {
                self.play(Turn::Run(at))?;
            }
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
        let mut turns = vec![Turn::Pass, Turn::Linger, Turn::Oversleep];
        for (at, page) in self.pages.iter().enumerate() {
            if page.life == Life::Away {
                turns.push(Turn::Return(at));
            }
            if page.asked.is_some() || page.is_due(self.now_ms) {
                turns.extend([Turn::Run(at), Turn::Step(at)]);
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
            match page.asked {
                Some(Asked::Swap { .. }) => {
                    trouble(Trouble::Fail);
                    trouble(Trouble::FailLate);
                }
                Some(Asked::Read) => trouble(Trouble::Fail),
                Some(Asked::Done(_)) | None => {}
            }
        }
        turns
    }

    fn play(&mut self, turn: Turn) -> Result<(), String> {
        match turn {
            Turn::Pass => self.pass(),
            Turn::Linger => self.now_ms += limits::LEAD_TERM_MS / 2,
            Turn::Oversleep => {
                self.now_ms += limits::LEAD_TERM_MS;
                if self.small.faults.sleeps_unnoticed {
                    for page in self.pages.iter_mut().filter(|page| page.leads.is_some()) {
                        page.stands.get_or_insert(self.now_ms - limits::LEAD_TERM_MS);
                    }
                }
            }
            Turn::Step(at) => self.step(at)?,
            Turn::Run(at) => {
                self.step(at)?;
                while self.pages[at].asked.is_some() {
                    self.step(at)?;
                }
            }
            Turn::Return(at) => {
                self.pages[at].life = Life::There;
                self.tell(at, Input::Returned)?;
            }
            Turn::Trouble(at, trouble) => {
                self.troubles -= 1;
                self.trouble(at, trouble)?;
            }
        }
        self.one_writes()?;
        self.one_believes()
    }

    fn trouble(&mut self, at: usize, trouble: Trouble) -> Result<(), String> {
        match trouble {
            Trouble::Resign => return self.tell(at, Input::Resign),
            Trouble::Claim => {
                self.claimed = true;
                return self.tell(at, Input::Claim);
            }
            Trouble::Leave => {
                self.pages[at].life = Life::Away;
                let led = self.pages[at].leads;
                self.tell(at, Input::Leaving)?;
                let Some(epoch) = led else { return Ok(()) };
                self.gone.insert(epoch);
                let mut others = (0..self.pages.len()).filter(|other| *other != at);
                return others.try_for_each(|other| self.tell(other, Input::Gone(epoch)));
            }
            Trouble::Fail => self.pages[at].asked = Some(Asked::Done(Input::Failed)),
            Trouble::FailLate => {
                self.disk(at)?;
                self.pages[at].asked = Some(Asked::Done(Input::Failed));
            }
            Trouble::Jump => {
                self.jumped = true;
                self.pages[at].mono_ahead_ms += limits::LEAD_TERM_MS;
            }
        }
        Ok(())
    }

    /// Until the next moment at which somebody wants to be woken.
    fn pass(&mut self) {
        let living = self.pages.iter().filter(|page| page.life != Life::Dead);
        let dues = living.filter_map(|page| page.due()).filter(|due| *due > self.now_ms);
        self.now_ms = dues.min().unwrap_or(self.now_ms);
    }

    fn step(&mut self, at: usize) -> Result<(), String> {
        match self.pages[at].asked.take() {
            None => self.tell(at, Input::Timeout),
            Some(Asked::Done(input)) => self.tell(at, input),
            Some(asked @ (Asked::Read | Asked::Swap { .. })) => {
                self.pages[at].asked = Some(asked);
                self.disk(at)
            }
        }
    }

    fn tell(&mut self, at: usize, input: Input) -> Result<(), String> {
        let now_ms = self.now_ms;
        let page = &mut self.pages[at];
        page.lease.handle(page.now(now_ms), input);
        while let Some(effect) = page.lease.poll_effect() {
            match effect {
                Effect::Read => page.asked = Some(Asked::Read),
                Effect::Swap { expected, row } => page.asked = Some(Asked::Swap { expected, row }),
                Effect::Gained(epoch) => page.leads = Some(epoch),
                Effect::Lost(_) => (page.leads, page.stands) = (None, None),
            }
        }
        // Whoever runs finds out, however late it runs and whatever it is told.
        if page.leads.is_some() && now_ms - page.wrote_ms >= limits::LEAD_TERM_MS {
            return Err(format!("{} believes that it leads beyond its lease", name(page.id)));
        }
        Ok(())
    }

    /// One transaction.
    fn disk(&mut self, at: usize) -> Result<(), String> {
        let done = match self.pages[at].asked.take() {
            Some(Asked::Read) => Input::Read(self.shown(at)),
            Some(Asked::Swap { expected, row }) => {
                let written: LeaseRow = read(&row).map_err(|fault| fault.to_string())?;
                let takes = self.pages[at].leads != Some(written.epoch) && !written.resigned;
                let faults = self.small.faults;
                let is_blind = if takes { faults.takes_blindly } else { faults.renews_blindly };
                let is_same = if faults.ends_by_wall {
                    self.lease().map(|row| row.writes) == parsed(expected).map(|row| row.writes)
                } else {
                    expected == self.row
                };
                if is_same || is_blind {
                    self.written(&written)?;
                    self.row = Some(row);
                    self.pages[at].wrote_ms = self.now_ms;
                    Input::Swapped
                } else {
                    Input::Differed(self.row.clone())
                }
            }
            Some(Asked::Done(input)) => input,
            None => return Ok(()),
        };
        self.pages[at].asked = Some(Asked::Done(done));
        Ok(())
    }

    /// The row as the page gets to see it.
    fn shown(&self, at: usize) -> Option<Vec<u8>> {
        let wall = self.pages[at].now(self.now_ms).wall;
        match self.lease() {
            Some(row) if self.small.faults.ends_by_wall && row.until <= wall => {
                Some(to_cbor(&LeaseRow { resigned: true, ..row }))
            }
            Some(_) | None => self.row.clone(),
        }
    }

    fn written(&mut self, row: &LeaseRow) -> Result<(), String> {
        if row.epoch < self.newest {
            let (written, newest) = (row.epoch.0, self.newest.0);
            return Err(format!("epoch {written} is written after epoch {newest}"));
        }
        let before = self.lease().filter(|before| before.holder != row.holder && !before.resigned);
        let is_fresh = self.now_ms - self.written_ms < limits::LEAD_TERM_MS;
        let is_gone = before.as_ref().is_some_and(|before| self.gone.contains(&before.epoch));
        let is_excused = self.small.faults.takes_blindly
            || self.claimed
            || is_gone
            || (self.jumped && self.small.jumps_excuse);
        if let Some(before) = before
            && is_fresh
            && !is_excused
        {
            let (page, of) = (name(row.holder), name(before.holder));
            return Err(format!("{page} takes the lease of {of}, which is fresh"));
        }
        self.newest = row.epoch;
        self.written_ms = self.now_ms;
        Ok(())
    }

    // Whoever believes that it leads writes at every moment. The register's epoch is looked at in the same transaction.
    fn one_writes(&mut self) -> Result<(), String> {
        let Some(epoch) = self.lease().map(|row| row.epoch) else { return Ok(()) };
        for page in self.pages.iter().filter(|page| page.leads == Some(epoch)) {
            let writer = *self.writers.entry(epoch).or_insert(page.id);
            if writer != page.id {
                let (one, other, epoch) = (name(writer), name(page.id), epoch.0);
                return Err(format!("{one} and {other} both write under epoch {epoch}"));
            }
        }
        Ok(())
    }

    // As far as clocks run alike, whoever has run lately and believes that it leads is the only one.
    fn one_believes(&self) -> Result<(), String> {
        let believes =
            |page: &&Page| page.leads.is_some() && !page.is_due_by_its_clocks(self.now_ms);
        let believers: Vec<_> = self.pages.iter().filter(believes).collect();
        match believers[..] {
            [one, other, ..] if !self.jumped && !self.claimed => {
                let (one, other) = (name(one.id), name(other.id));
                Err(format!("{one} and {other} both believe that they lead"))
            }
            _ => Ok(()),
        }
    }

    // Once nothing goes wrong any more, one leads and can write; and when it dies, the next does, to the last.
    fn somebody_can_lead(&mut self) -> Result<(), String> {
        self.small.faults = Faults::default();
        for at in 0..self.pages.len() {
            self.pages[at].stands = None;
            if self.pages[at].life == Life::Away {
                self.play(Turn::Return(at))?;
            }
        }
        while self.pages.iter().any(|page| page.life != Life::Dead) {
            let leader = self.calm()?;
            self.die(leader);
        }
        Ok(())
    }

    fn die(&mut self, at: usize) {
        let page = &mut self.pages[at];
        (page.life, page.leads, page.asked) = (Life::Dead, None, None);
    }

    /// Everybody runs as often as it wants, until one leads for a while.
    fn calm(&mut self) -> Result<usize, String> {
        let since_ms = self.now_ms;
        let mut led = 0;
        while self.now_ms - since_ms < CALM_MS {
            for at in 0..self.pages.len() {
                let page = &self.pages[at];
                if page.life != Life::Dead && (page.asked.is_some() || page.is_due(self.now_ms)) {
                    self.play(Turn::Run(at))?;
                }
            }
            let epoch = self.lease().map(|row| row.epoch);
            let leader =
                self.pages.iter().position(|page| page.leads.is_some() && page.leads == epoch);
            led = if leader.is_some() { led + 1 } else { 0 };
            if let Some(leader) = leader.filter(|_| led > 4) {
                return Ok(leader);
            }
            self.play(Turn::Pass)?;
        }
        Err("nobody can lead any more".into())
    }

    fn lease(&self) -> Option<LeaseRow> {
        parsed(self.row.clone())
    }

    fn digest(&self, left: u32) -> u64 {
        let mut digest = Digest::default();
        digest.add(&(
            left,
            self.troubles,
            &self.pages,
            &self.row,
            self.now_ms,
            self.jumped,
            self.claimed,
        ));
        digest.add(&(self.written_ms, self.newest, &self.writers));
        digest.value()
    }
}

impl Page {
    fn now(&self, now_ms: u64) -> Now {
        let at = self.stands.unwrap_or(now_ms);
        Now { mono: Mono(at + self.mono_ahead_ms), wall: Wall(at + self.wall_ahead_ms) }
    }

    fn due(&self) -> Option<u64> {
        self.lease.poll_timeout().map(|due| due.0.saturating_sub(self.mono_ahead_ms))
    }

    fn is_due(&self, now_ms: u64) -> bool {
        self.due().is_some_and(|due| due <= now_ms)
    }

    /// The same by its own clocks, which may stand.
    fn is_due_by_its_clocks(&self, now_ms: u64) -> bool {
        self.due().is_some_and(|due| due <= self.stands.unwrap_or(now_ms))
    }
}

fn parsed(row: Option<Vec<u8>>) -> Option<LeaseRow> {
    row.and_then(|row| read(&row).ok())
}

fn name(page: PageId) -> u8 {
    page.0[0]
}

/// Within so much time somebody leads: an own resignation is waited for, and then another's silence.
const CALM_MS: u64 = 10 * limits::LEAD_TERM_MS;
const STORIES_MAX: u64 = 1_000_000;
