//! Everything that two or three pages can do about one lock of the fast mutex, in every order: ask, knock, claim, look
//! again, hold, renew, let go, die; with clocks that do not agree (LOCK-1, LOCK-2).
//!
//! The pages drive the shipped machine over two registers. Each asks once and looks three times; one holder renews once,
//! one answer comes later than what it tells of, and once or twice a story time stands still for nobody: 10 ms, a pause or
//! half of an expiry pass though somebody could go on. That at most one page has the lock, until it lets go or its mark
//! expires, dead or alive, is judged by what the machine says of itself, after every turn. What is broken on purpose is
//! broken in the registers, the clock or the driver, and found.

use bellwether_shared::base::{Mono, limits};
use bellwether_shared::lock::{FastMutex, Mark, Patience, Step};
use bellwether_tests::choice::Chooser;
use bellwether_tests::explore::{Report, Seen, explore};
use bellwether_tests::transcript::Digest;

#[test]
fn two_never_have_it_at_once_also_if_they_are_slow_or_die() {
    let report = all(PAIR, Faults::default());
    assert_eq!(report.found, None);
    assert!(report.completed && report.states > 10_000, "{report:?}");
}

#[test]
fn three_never_have_it_at_once_also_if_one_dies() {
    let report = all(Small { pages: 3, stalls: 0, ..PAIR }, Faults::default());
    assert_eq!(report.found, None);
    assert!(report.completed && report.states > 10_000, "{report:?}");
}

#[test]
fn who_died_with_it_is_followed_once_its_mark_has_expired_and_by_one() {
    let report = all(AFTER_A_DEATH, Faults::default());
    assert_eq!(report.found, None);
    assert!(report.completed && report.states > 1_000, "{report:?}");
}

#[test]
fn a_holder_that_sleeps_is_never_beside_its_successor() {
    let report = all(BEHIND_A_HOLDER, Faults::default());
    assert_eq!(report.found, None);
    assert!(report.completed && report.states > 1_000, "{report:?}");
}

#[test]
fn writes_that_are_seen_late_but_within_the_pause_do_no_harm() {
    let late = Faults { late_ms: Some(20), ..Faults::default() };
    let report = all(Small { stall_ms: &[10], ..PAIR }, late);
    assert_eq!(report.found, None);
    assert!(report.completed && report.states > 10_000, "{report:?}");
}

// What `localStorage` is between processes: nothing says when a write is seen elsewhere. So a lock of this kind is
// advisory; what has to be safe is refused by the epoch, in the transaction that writes it.
#[test]
fn writes_that_are_seen_later_than_the_pause_let_two_in() {
    let late = Faults { late_ms: Some(u64::MAX), ..Faults::default() };
    assert_found(all(Small { stalls: 0, ..PAIR }, late));
}

// The mutex as it is usually written, with a critical section of any length.
#[test]
fn going_by_x_alone_on_the_fast_way_lets_two_in() {
    let faults = Faults { trusts_x: true, ..Faults::default() };
    assert_found(all(Small { stalls: 0, ..PAIR }, faults));
}

// X makes the pause longer where somebody else is at the door; with writes that are seen at once nothing rests on that.
#[test]
fn leaving_out_x_alone_lets_nobody_in() {
    let faults = Faults { skips_x: true, ..Faults::default() };
    let report = all(Small { stalls: 0, ..PAIR }, faults);
    assert_eq!(report.found, None);
    assert!(report.completed && report.states > 1_000, "{report:?}");
}

#[test]
fn leaving_out_the_last_look_at_both_registers_lets_two_in() {
    let faults = Faults { no_second_look: true, ..Faults::default() };
    assert_found(all(Small { stalls: 0, ..PAIR }, faults));
}

#[test]
fn no_pause_lets_two_in() {
    let faults = Faults { no_pause: true, ..Faults::default() };
    assert_found(all(Small { stalls: 0, ..PAIR }, faults));
}

#[test]
fn a_step_that_is_not_timed_lets_two_in() {
    let faults = Faults { untimed: true, ..Faults::default() };
    assert_found(all(PAIR, faults));
}

#[test]
fn an_expiry_by_the_holders_clock_lets_two_in() {
    let faults = Faults { goes_by_stamps: true, ..Faults::default() };
    assert_found(all(BEHIND_A_HOLDER, faults));
}

// The one thing that no look can mend: between the look and the erasure the mark can become another's.
#[test]
fn an_erasure_that_takes_longer_than_the_rest_of_its_mark_lets_two_in() {
    let faults = Faults { slow_erasure: true, ..Faults::default() };
    assert_found(all(
        Small { pages: 3, stalls: 1, stall_ms: &[limits::LOCK_EXPIRY_MS], ..BEHIND_A_HOLDER },
        faults,
    ));
}

fn all(small: Small, faults: Faults) -> Report {
    explore(STORIES_MAX, |mut chooser, seen| {
        let mut race = Race::new(small, faults, &mut chooser);
        let violation = race.run(&mut chooser, seen).err();
        (chooser, violation)
    })
}

fn assert_found(report: Report) {
    let found = report.found.expect("in some order two have it");
    assert_eq!(found.violation, "two have the lock");
}

/// How small the world is.
#[derive(Debug, Clone, Copy)]
struct Small {
    pages: usize,
    /// How often time passes though somebody could go on.
    stalls: u32,
    /// How much then passes, in milliseconds.
    stall_ms: &'static [u64],
    /// The first page has the lock when the story begins, or had it and died.
    begins: Begins,
    /// Pages that may die.
    deaths: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Begins {
    Free,
    Held,
    Orphaned,
}

const PAIR: Small =
    Small { pages: 2, stalls: 1, stall_ms: &STALLS_MS, begins: Begins::Free, deaths: 1 };
const BEHIND_A_HOLDER: Small = Small { stalls: 2, begins: Begins::Held, deaths: 0, ..PAIR };
const AFTER_A_DEATH: Small =
    Small { pages: 3, stalls: 2, begins: Begins::Orphaned, deaths: 0, ..PAIR };

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    /// Others see a write up to so much later, in milliseconds, or whenever.
    late_ms: Option<u64>,
    /// Who finds its mark in X does not look at Y.
    trusts_x: bool,
    /// X is not looked at.
    skips_x: bool,
    /// Neither X nor Y is looked at after the pause.
    no_second_look: bool,
    /// Pauses at the door take no time.
    no_pause: bool,
    /// The clock stands still between the look at Y and its writing.
    untimed: bool,
    /// A mark is old when it was written long ago, by the clock of who wrote it.
    goes_by_stamps: bool,
    /// An erasure may follow its look after any time.
    slow_erasure: bool,
}

struct Race {
    faults: Faults,
    stalls: u32,
    stall_ms: &'static [u64],
    deaths: u32,
    renewals: u32,
    /// Answers that may come later than what they tell of.
    slow_answers: u32,
    now_ms: u64,
    registers: [Mark; 2],
    pages: Vec<Page>,
    /// By whose clock what was written to Y, and when.
    stamps: Vec<(Mark, u64)>,
}

#[derive(Debug)]
struct Page {
    mutex: FastMutex,
    skew_ms: u64,
    is_dead: bool,
    /// What it was asked for, when, and what came of it if that is not told yet.
    step: Step,
    asked_ms: u64,
    seen: Option<Mark>,
    due_ms: u64,
    /// What it was asked for before.
    before: Step,
    /// Its newest mark, and when it had written it to X, by its own clock.
    mark: Mark,
    knocked_ms: u64,
    found_own_x: bool,
    /// Its writes that others do not see yet.
    unseen: Vec<(usize, Mark, u64)>,
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// What a page was asked for is done, and told.
    Do(usize),
    /// It is done, and told later.
    DoSilently(usize),
    Leave(usize),
    Die(usize),
    Show(usize),
    Pass(u64),
}

impl Race {
    fn new(small: Small, faults: Faults, chooser: &mut Chooser) -> Self {
        let pages = (0..small.pages).map(|at| Page::new(at as u64 + 1)).collect();
        let Small { deaths, stalls, stall_ms, .. } = small;
        let registers = [Mark(0); 2];
        let stamps = Vec::new();
        let mut race = Self {
            faults,
            stalls,
            stall_ms,
            deaths,
            renewals: 1,
            slow_answers: 1,
            now_ms: 0,
            registers,
            pages,
            stamps,
        };
        // One clock is a minute ahead, another a minute behind.
        race.pages[chooser.below(2) as usize].skew_ms = 60_000;
        if small.begins != Begins::Free {
            race.begin(0);
            while race.pages[0].mutex.holds_until().is_none() {
                race.now_ms = race.now_ms.max(race.pages[0].due_ms);
                race.perform(0);
                race.tell(0);
            }
            race.pages[0].is_dead = small.begins == Begins::Orphaned;
        }
        for at in 0..race.pages.len() {
            if race.pages[at].mutex.holds_until().is_none() {
                race.begin(at);
            }
        }
        race
    }

    fn run(&mut self, chooser: &mut Chooser, seen: &mut Seen) -> Result<(), String> {
        loop {
            if seen.before(chooser, || self.digest()) {
                return Ok(());
            }
            let turns = self.choices();
            if turns.is_empty() {
                return self.somebody_can_have_it();
            }
            let turn = turns[chooser.below(turns.len() as u64) as usize];
            self.play(turn);
            self.check()?;
        }
    }

    fn choices(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for (at, page) in self.pages.iter().enumerate() {
            if !page.unseen.is_empty() {
                turns.push(Turn::Show(at));
            }
            if page.is_dead {
                continue;
            }
            let holds = page.mutex.holds_until().is_some();
            let must_leave = holds && self.renewals == 0;
            match page.step {
                Step::GaveUp | Step::Lost | Step::Released => continue,
                Step::Pause(_) if self.now_ms < page.due_ms || must_leave => {}
                Step::Pause(_) | Step::Held => turns.push(Turn::Do(at)),
                Step::ReadX | Step::ReadY | Step::WriteX(_) | Step::WriteY(_) | Step::EraseY => {
                    turns.push(Turn::Do(at));
                    if page.seen.is_none() && self.slow_answers > 0 {
                        turns.push(Turn::DoSilently(at));
                    }
                }
            }
            if holds && matches!(page.step, Step::Pause(_)) {
                turns.push(Turn::Leave(at));
            }
            if self.deaths > 0 {
                turns.push(Turn::Die(at));
            }
        }
        // Until the next pause ends, or longer: that is a stall if somebody could go on.
        let waits = |page: &&Page| !page.is_dead && self.now_ms < page.due_ms;
        let due = self.pages.iter().filter(waits).map(|page| page.due_ms - self.now_ms).min();
        let may_stall = self.stalls > 0 && self.is_somebody_ready();
        let passes = due.into_iter().filter(|_| may_stall || !self.is_somebody_ready());
        let passes = passes.chain(self.stall_ms.iter().copied().filter(|_| may_stall));
        turns.extend(passes.filter(|ms| self.can_pass(*ms)).map(Turn::Pass));
        turns
    }

    fn is_somebody_ready(&self) -> bool {
        let is_ready = |page: &Page| {
            let is_slow = self.faults.slow_erasure && page.step == Step::EraseY;
            !page.is_dead && !page.is_over() && !is_slow && page.due_ms <= self.now_ms
        };
        self.pages.iter().any(is_ready)
    }

    fn can_pass(&self, ms: u64) -> bool {
        let is_shown_in_time = |page: &Page| {
            let late_ms = self.faults.late_ms.unwrap_or_default();
            page.unseen.iter().all(|(_, _, since)| self.now_ms + ms - since <= late_ms)
        };
        let is_erased_in_time = |page: &Page| {
            let waits = page.step == Step::EraseY && page.seen.is_none() && !page.is_dead;
            !waits
                || self.faults.slow_erasure
                || self.now_ms + ms - page.asked_ms < limits::LOCK_EXPIRY_MS / 2
        };
        self.pages.iter().all(|page| is_shown_in_time(page) && is_erased_in_time(page))
    }

    fn play(&mut self, turn: Turn) {
        match turn {
            Turn::Do(at) => {
                let renews = self.pages[at].mutex.holds_until().is_some();
                let renews = renews && matches!(self.pages[at].step, Step::Pause(_));
                self.renewals -= u32::from(renews);
                if self.pages[at].seen.is_none() {
                    self.perform(at);
                }
                self.tell(at);
            }
            Turn::DoSilently(at) => {
                self.slow_answers -= 1;
                self.perform(at);
            }
            Turn::Leave(at) => {
                self.pages[at].mutex.leave();
                self.pages[at].seen = Some(Mark(0));
                self.tell(at);
            }
            Turn::Die(at) => {
                self.deaths -= 1;
                self.pages[at].is_dead = true;
            }
            Turn::Show(at) => self.show(at),
            Turn::Pass(ms) => {
                self.stalls -= u32::from(self.is_somebody_ready());
                self.now_ms += ms;
            }
        }
    }

    fn begin(&mut self, at: usize) {
        let patience = Patience { timeout_ms: u64::MAX, interval_ms: 0, retries_max: 2 };
        let page = &mut self.pages[at];
        page.mutex.begin(Mono(self.now_ms + page.skew_ms), patience);
        page.seen = Some(Mark(0));
        self.tell(at);
    }

    /// Does what the page was asked for.
    fn perform(&mut self, at: usize) {
        let (step, mut seen) = (self.pages[at].step, Mark(0));
        match step {
            Step::ReadX => seen = self.read(at, X),
            Step::ReadY => seen = self.read(at, Y),
            Step::WriteX(mark) => self.write(at, X, mark),
            Step::WriteY(mark) => {
                if self.faults.goes_by_stamps {
                    self.stamps.push((mark, self.now_ms + self.pages[at].skew_ms));
                }
                self.write(at, Y, mark);
            }
            Step::EraseY => self.write(at, Y, Mark(0)),
            Step::Pause(_) | Step::Held | Step::GaveUp | Step::Lost | Step::Released => {}
        }
        self.pages[at].seen = Some(seen);
    }

    /// Tells the page's machine what came of it, and takes what it is asked for next.
    fn tell(&mut self, at: usize) {
        let (faults, now_ms) = (self.faults, self.now_ms);
        let page = &mut self.pages[at];
        let mut mono_ms = now_ms + page.skew_ms;
        match page.step {
            Step::WriteX(mark) => (page.mark, page.knocked_ms) = (mark, mono_ms),
            Step::WriteY(_) if faults.untimed && page.mutex.holds_until().is_none() => {
                mono_ms = page.knocked_ms;
            }
            Step::WriteY(_)
            | Step::ReadX
            | Step::ReadY
            | Step::EraseY
            | Step::Pause(_)
            | Step::Held
            | Step::GaveUp
            | Step::Lost
            | Step::Released => {}
        }
        let seen = page.seen.take().unwrap_or_default();
        page.found_own_x = page.step == Step::ReadX && seen == page.mark;
        page.before = page.step;
        page.step = page.mutex.next(Mono(mono_ms), seen);
        if page.step == Step::Held {
            page.step = page.mutex.next(Mono(mono_ms), Mark(0));
        }
        page.asked_ms = if page.step == Step::EraseY { now_ms } else { 0 };
        if !faults.untimed {
            page.knocked_ms = 0;
        }
        page.due_ms = match page.step {
            Step::Pause(_) if faults.no_pause && page.mutex.holds_until().is_none() => now_ms,
            Step::Pause(ms) => now_ms + ms,
            Step::ReadX
            | Step::ReadY
            | Step::WriteX(_)
            | Step::WriteY(_)
            | Step::EraseY
            | Step::Held
            | Step::GaveUp
            | Step::Lost
            | Step::Released => now_ms,
        };
    }

    fn read(&self, at: usize, register: usize) -> Mark {
        let page = &self.pages[at];
        let is_second = page.before == Step::ReadX || page.step == Step::ReadX;
        if (self.faults.skips_x && register == X)
            || (self.faults.no_second_look && is_second)
            || (self.faults.trusts_x && page.found_own_x)
        {
            return page.mark;
        }
        let own = page.unseen.iter().rev().find(|(of, _, _)| *of == register);
        let mark = own.map_or(self.registers[register], |(_, mark, _)| *mark);
        let stamp = self.stamps.iter().find(|(of, _)| *of == mark);
        let is_old =
            |(_, stamp): &(Mark, u64)| self.now_ms + page.skew_ms >= stamp + limits::LOCK_EXPIRY_MS;
        let is_over = self.faults.goes_by_stamps && mark != page.mark && stamp.is_some_and(is_old);
        if is_over { Mark(0) } else { mark }
    }

    fn write(&mut self, at: usize, register: usize, mark: Mark) {
        self.pages[at].unseen.push((register, mark, self.now_ms));
        if self.faults.late_ms.is_none() {
            self.show(at);
        }
    }

    fn show(&mut self, at: usize) {
        let (register, mark, _) = self.pages[at].unseen.remove(0);
        self.registers[register] = mark;
    }

    fn check(&self) -> Result<(), String> {
        let has_it = |page: &&Page| {
            let until = page.mutex.holds_until();
            until.is_some_and(|until| Mono(self.now_ms + page.skew_ms) < until)
        };
        match self.pages.iter().filter(has_it).count() {
            0 | 1 => Ok(()),
            _ => Err("two have the lock".into()),
        }
    }

    // Whatever was left behind: who comes to a quiet place has it once that expires.
    fn somebody_can_have_it(&mut self) -> Result<(), String> {
        for at in 0..self.pages.len() {
            while !self.pages[at].unseen.is_empty() {
                self.show(at);
            }
        }
        self.faults = Faults::default();
        self.pages = vec![Page::new(99)];
        self.begin(0);
        let until = self.now_ms + limits::LOCK_EXPIRY_MS + 3 * limits::LOCK_SETTLE_MS;
        while self.pages[0].mutex.holds_until().is_none() {
            if self.pages[0].step == Step::GaveUp {
                self.now_ms += limits::LOCK_EXPIRY_MS / 2;
                self.begin(0);
            }
            self.now_ms = self.now_ms.max(self.pages[0].due_ms);
            if self.now_ms > until {
                return Err("nobody can have the lock any more".into());
            }
            self.perform(0);
            self.tell(0);
        }
        Ok(())
    }

    fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        let counts = (self.stalls, self.deaths, self.renewals, self.slow_answers, self.now_ms);
        digest.add(&(counts, self.registers, &self.stamps));
        for page in &self.pages {
            // Of one that does nothing any more only its mark and its writes count.
            let goes_on = !page.is_dead && !page.is_over();
            let until = page.mutex.holds_until();
            digest.add(&(goes_on.then_some(page), page.skew_ms, until, &page.unseen));
        }
        digest.value()
    }
}

impl Page {
    fn new(seed: u64) -> Self {
        Self {
            mutex: FastMutex::new(seed),
            skew_ms: 0,
            is_dead: false,
            step: Step::Released,
            asked_ms: 0,
            seen: None,
            due_ms: 0,
            before: Step::Released,
            mark: Mark(0),
            knocked_ms: 0,
            found_own_x: false,
            unseen: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.step, Step::GaveUp | Step::Lost | Step::Released)
    }
}

const X: usize = 0;
const Y: usize = 1;
/// Within the bound between look and write; a pause; half of an expiry.
const STALLS_MS: [u64; 3] = [10, limits::LOCK_SETTLE_MS, limits::LOCK_EXPIRY_MS / 2];
const STORIES_MAX: u64 = 20_000_000;
