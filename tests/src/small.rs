//! A world small enough to play all its stories: one device, one page, one worker, a few events.
//!
//! Everything that can happen next may happen next, but for what nobody waits for and changes nothing: that happens
//! at once. Between any two things the worker, the page or the browser may be killed, another worker may take over,
//! and a message, a request or an answer may be lost; but only so many times in one story. In the end nothing goes
//! wrong any more, and all has to become well.

use bellwether_shared::coordinator::{Effect, Input, Trigger};

use crate::choice::{Choices, Chooser};
use crate::driver::{Job, What};
use crate::explore::{Report, Seen, explore};
use crate::fault::Planted;
use crate::generate;
use crate::model::Draft;
use crate::transcript::{Detail, Digest};
use crate::weather::Weather;
use crate::world::{Turn, World};

/// What there is in a small world.
#[derive(Debug, Clone, Copy)]
pub struct Small {
    /// Events that are appended.
    pub events: u32,
    /// Whether there is a page that talks to the worker; else the browser wakes it after each event.
    pub page: bool,
    /// How often something may go wrong.
    pub troubles: u32,
    /// Whether another worker may take over while the one before still lives.
    pub takeover: bool,
    /// Whether requests may also arrive late, or twice.
    pub strays: bool,
    /// Faults planted on purpose.
    pub planted: Planted,
}

impl Small {
    const fn of(events: u32, page: bool, takeover: bool, troubles: u32) -> Self {
        let planted = Planted::NONE;
        Self { events, page, troubles, takeover, strays: false, planted }
    }

    /// Worlds whose stories are told within seconds, also where nothing is optimised.
    pub const QUICK: [(&'static str, Self); 4] = [
        ("one event, two troubles or takeovers", Self::of(1, false, true, 2)),
        ("two events, one trouble", Self::of(2, false, false, 1)),
        ("one event of a page, one trouble", Self::of(1, true, false, 1)),
        ("two events of a page, no trouble", Self::of(2, true, false, 0)),
    ];

    /// Worlds whose stories take minutes to tell, all together.
    pub const LONG: [(&'static str, Self); 6] = [
        ("one event of a page, one trouble or takeover", Self::of(1, true, true, 1)),
        ("two events of a page, one trouble", Self::of(2, true, false, 1)),
        ("two events, one trouble or takeover", Self::of(2, false, true, 1)),
        ("two events, two troubles", Self::of(2, false, false, 2)),
        ("one event, three troubles or takeovers", Self::of(1, false, true, 3)),
        (
            "one event, requests that come late, two troubles or takeovers",
            Self { strays: true, ..Self::of(1, false, true, 2) },
        ),
    ];

    /// Plays all its stories, but no more than `stories_max`, and tells the first that goes wrong.
    #[must_use]
    pub fn explore(&self, stories_max: u64) -> Report {
        explore(stories_max, |chooser, seen| {
            let mut world = World::of(chooser, IDS);
            play(&mut world, self, seen);
            let violation = world.violations.first().cloned();
            (world.chooser, violation)
        })
    }

    /// The transcript of a story.
    #[must_use]
    pub fn told(&self, choices: &Choices, detail: Detail) -> String {
        let mut world = World::of(Chooser::recorded(choices.clone()), IDS);
        world.transcript.detail = detail;
        play(&mut world, self, &mut Seen::default());
        world.transcript.text()
    }
}

/// What goes wrong between two things that happen.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Nothing,
    WorkerKilled,
    PageKilled,
    BrowserKilled,
    Takeover,
}

/// Plays the story that the world's choices tell, until it ends, goes wrong, or comes to a state seen before.
pub fn play(world: &mut World, small: &Small, seen: &mut Seen) {
    world.chooser.allow_troubles(small.troubles);
    world.plant(small.planted);
    let strays = if small.strays { 50 } else { 0 };
    world.weather = Weather {
        lose_request: 50,
        lose_answer: 50,
        lose_message: 50,
        repeat: strays,
        late: strays,
        ..Weather::default()
    };
    world.add_device();
    if small.page {
        world.open_page(0, "", None);
    }
    let mut script = Script { page: small.page, to_append: small.events, to_wake: false };
    for _ in 0..STEPS_MAX {
        world.do_at_once();
        let state = |world: &World| world.digest(&(script, world.chooser.troubles_left()));
        if seen.before(&world.chooser, || state(world)) {
            return;
        }
        trouble(world, small);
        let goes_on = script.step(world);
        if !world.violations.is_empty() {
            return;
        }
        if !goes_on {
            world.chooser.calm_down();
            generate::end(world);
            return;
        }
    }
    world.violations.push("it does not become quiet".into());
}

/// What is still to be appended, and whether the worker has to be woken for it.
#[derive(Debug, Clone, Copy)]
struct Script {
    page: bool,
    to_append: u32,
    to_wake: bool,
}

impl Script {
    // One thing happens: what is under way, what comes next, or, if there is nothing else, time passes.
    fn step(&mut self, world: &mut World) -> bool {
        let alive = !self.page || !world.devices[0].pages.is_empty();
        let acts = alive && (self.to_append > 0 || self.to_wake);
        let turns = world.turns();
        if turns.is_empty() && !acts {
            return world.advance();
        }
        let choice = world.below(turns.len() as u64 + u64::from(acts)) as usize;
        match turns.get(choice) {
            Some(turn) => world.take(*turn),
            None => self.act(world),
        }
        true
    }

    fn act(&mut self, world: &mut World) {
        if std::mem::take(&mut self.to_wake) {
            world.note(|| "the worker is woken".into());
            return world.trigger(0, Trigger::Start);
        }
        self.to_append -= 1;
        let draft = Draft::default();
        if self.page {
            world.note(|| "the page enqueues an event".into());
            world.enqueue(0, 0, &[draft], true, false);
        } else {
            world.note(|| "an event is appended".into());
            world.append(0, &draft);
            self.to_wake = true;
        }
    }
}

fn trouble(world: &mut World, small: &Small) {
    let here = &world.devices[0];
    let mut possible = vec![Trouble::Nothing];
    match here.realms.len() {
        0 => {}
        1 if small.takeover => possible.extend([Trouble::WorkerKilled, Trouble::Takeover]),
        _ => possible.push(Trouble::WorkerKilled),
    }
    if !here.pages.is_empty() {
        possible.extend([Trouble::PageKilled, Trouble::BrowserKilled]);
    }
    let chosen = possible[world.chooser.trouble(possible.len() as u32) as usize];
    match chosen {
        Trouble::Nothing => return,
        Trouble::WorkerKilled => world.kill(0),
        Trouble::PageKilled => world.kill_pages(0),
        Trouble::BrowserKilled => world.kill_browser(0),
        Trouble::Takeover => world.boot_another(0),
    }
    world.note(|| format!("{chosen:?}"));
}

impl World {
    // What only asks who and what is there is answered at once; that something is written is heard at once, since
    // whoever dies before hearing it is as whoever dies after; and so hears a page what is not lost.
    fn do_at_once(&mut self) {
        loop {
            if let Some(at) = self.outstanding.iter().position(|job| self.is_idle(job)) {
                let job = self.outstanding.remove(at);
                self.perform(job);
            } else if let Some(page) =
                self.devices[0].pages.iter().position(|page| !page.inbox.is_empty())
            {
                self.take(Turn::Inbox(0, page));
            } else {
                return;
            }
        }
    }

    fn is_idle(&self, job: &Job) -> bool {
        let idle = match &job.what {
            What::Booted(_)
            | What::Letters(_)
            | What::Introduce(_)
            | What::Introduced(_)
            | What::Mint(_)
            | What::Written(..)
            | What::Looked(..)
            | What::Follow => true,
            What::Do(effect) => matches!(
                effect,
                Effect::ListClients
                    | Effect::ReadOld { .. }
                    | Effect::AskForSync
                    | Effect::Sign { .. }
            ),
            What::Tell(input) => {
                !matches!(input, Input::Journal { .. } | Input::Response { .. } | Input::Fenced)
            }
            What::Boot
            | What::Again(_)
            | What::Farewell(..)
            | What::Clear
            | What::Look(_)
            | What::Write(_) => false,
        };
        idle && job.at_ms <= self.now_ms
            && job.tx.is_none_or(|tx| self.devices[job.device].disk.may_run(tx))
    }

    /// Everything on which the rest of a story depends, and `more`, as one number.
    #[must_use]
    pub fn digest(&self, more: &dyn std::fmt::Debug) -> u64 {
        // Each field by name, so that a new one is not forgotten.
        let Self {
            chooser: _,
            ids,
            now_ms,
            devices,
            server,
            weather,
            strays,
            guarded,
            events,
            violations: _,
            remembers: _,
            transcript: _,
            planted: _,
            options: _,
            network: _,
            server_lost: _,
            server_lied: _,
            signed: _,
            sent: _,
            recording: _,
            tapes: _,
            idle_limit: _,
            backups,
            disk_backups,
            outstanding,
            watch,
            epochs,
            jumped_ms,
            turns: _,
            shares: _,
            served: _,
            conflicts,
            count,
            written,
        } = self;
        let mut digest = Digest::default();
        digest.add(more);
        digest.add(&(ids, now_ms, weather, strays, guarded, events, backups, disk_backups));
        digest.add(&(outstanding, watch, epochs, jumped_ms, count, written, conflicts));
        devices.iter().for_each(|device| device.digest(&mut digest));
        server.digest(&mut digest);
        digest.value()
    }
}

/// Ids are no part of what is explored.
const IDS: u64 = 1;
const STEPS_MAX: u32 = 2_000;
