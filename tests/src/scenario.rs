//! Stories drawn from a seed, with trouble at every turn, and fair weather at the end.

use std::collections::BTreeSet;

use bellwether_shared::base::EventId;
use bellwether_shared::bus::{Notice, Request};
use bellwether_shared::coordinator::Trigger;
use bellwether_shared::page;
use bellwether_shared::rows::{Key, Store};
use bellwether_shared::wire::Lane;

use crate::check;
use crate::fault::Planted;
use crate::weather::Weather;
use crate::world::{Draft, World};

/// What a story may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plot {
    /// Things that happen before the weather clears.
    pub length: u32,
    /// Whether the server may be wiped and put back.
    pub server_loses: bool,
    /// Whether a profile may be copied.
    pub clones: bool,
    /// Whether events may be refused, put off or poisonous.
    pub culprits: bool,
    /// Faults planted on purpose.
    pub planted: Planted,
}

impl Default for Plot {
    fn default() -> Self {
        Self {
            length: 60,
            server_loses: true,
            clones: true,
            culprits: true,
            planted: Planted::default(),
        }
    }
}

/// Plays the story of this seed to its end.
#[must_use]
pub fn play(seed: u64, plot: &Plot) -> World {
    let mut world = begin(seed, plot);
    for _ in 0..plot.length {
        happening(&mut world, plot);
        if !world.violations.is_empty() {
            return world;
        }
    }
    end(&mut world);
    world
}

/// What to print of a story that went wrong.
#[must_use]
pub fn told(seed: u64, world: &World) -> String {
    let last = world.story.len().saturating_sub(80);
    let story = world.story[last..].join("\n");
    let found: Vec<&String> = world.violations.iter().take(10).collect();
    format!("seed {seed}\n{story}\n{found:#?}")
}

fn begin(seed: u64, plot: &Plot) -> World {
    let mut world = World::new(seed);
    world.planted = plot.planted;
    world.server.no_repeats = plot.planted.no_repeats;
    world.signed = world.chance(10);
    world.options.batch_events = [1, 2, 3, 5, 500][world.below(5) as usize];
    world.options.tries_max = 1 + world.below(4) as u32;
    world.options.dead_max = [1, 2, 50][world.below(3) as usize];
    world.add_device();
    if world.chance(30) {
        world.add_device();
    }
    if plot.culprits {
        if world.chance(30) {
            world.server.refused.insert("refused".into());
        }
        if world.chance(30) {
            world.server.put_off.insert("put-off".into());
        }
        if world.chance(30) {
            let status = if world.chance(50) { 400 } else { 500 };
            world.server.poison.insert("poison".into(), status);
        }
    }
    let guarded = world.chance(20);
    if guarded {
        world.guarded.insert("ann".into());
    }
    if world.chance(50) {
        let devices = world.devices.len() as u64;
        for _ in 0..=world.below(2) {
            let device = world.below(devices) as usize;
            let ann = guarded && world.chance(50);
            world.open_page(device, if ann { "ann" } else { "" }, ann.then_some("good"));
        }
    }
    world
}

fn draft(world: &mut World) -> Draft {
    let lane = [Lane::Normal, Lane::Normal, Lane::Bulk, Lane::Critical][world.below(4) as usize];
    let type_ = match world.below(12) {
        0 => "refused",
        1 => "put-off",
        2 => "poison",
        _ => "plain",
    };
    Draft {
        session: if world.chance(85) { "s" } else { "t" }.into(),
        user: if world.chance(85) { "" } else { "ann" }.into(),
        lane,
        key: if world.chance(50) { "k" } else { "l" }.into(),
        type_: type_.into(),
    }
}

fn happening(world: &mut World, plot: &Plot) {
    let devices = world.devices.len() as u64;
    let device = world.below(devices) as usize;
    match world.below(100) {
        0..30 => {
            let steps = world.below(40) as u32;
            for _ in 0..steps {
                if !world.step() {
                    break;
                }
            }
        }
        30..48 => append(world, device),
        48..56 => {
            let trigger = [Trigger::Start, Trigger::Sync, Trigger::Push][world.below(3) as usize];
            world.trigger(device, trigger);
        }
        56..66 => {
            world.note(format!("device {device}: the worker is killed"));
            world.kill(device);
        }
        66..72 => {
            world.advance();
        }
        72..76 => {
            world.weather =
                if world.chance(40) { Weather::default() } else { Weather::drawn(&mut world.rng) };
            let weather = world.weather;
            world.note(format!("{weather:?}"));
        }
        76..79 => {
            world.note(format!("device {device}: another worker takes over"));
            world.boot_another(device);
        }
        79..81 => world.kill_zombies(device),
        81..83 => {
            world.devices[device].disk.failing = 1 + world.below(3) as u32;
            world.note(format!("device {device}: the disk is full for a while"));
        }
        83..85 => {
            world.note(format!("device {device}: power cut"));
            world.power_cut(device);
        }
        85..87 => {
            let jump = world.below(7_200_000) as i64 - 3_600_000;
            world.devices[device].skew_ms += jump;
            world.note(format!("device {device}: the clock jumps by {jump} ms"));
        }
        87..90 if plot.server_loses => world.back_up_server(),
        90..92 if plot.server_loses => world.restore_server(),
        92..93 if plot.server_loses => world.wipe_server(),
        93..94 if plot.clones && devices < 4 => {
            world.clone_device(device);
        }
        94..97 => letters(world, device),
        97..99 => on_a_page(world, device),
        _ => {
            world.settle();
        }
    }
}

fn append(world: &mut World, device: usize) {
    let count = 1 + world.below(6);
    let drafts: Vec<Draft> = (0..count).map(|_| draft(world)).collect();
    let strict = world.chance(70);
    let Some(ids) = world.append_all(device, &drafts, strict) else { return };
    let shown: Vec<String> = ids
        .iter()
        .zip(&drafts)
        .map(|(id, draft)| {
            let stream = format!("{}/{}/{}", draft.session, draft.user, draft.lane.name());
            format!("{id} {} {stream}/{}", draft.type_, draft.key)
        })
        .collect();
    world.note(format!("device {device} appends {}", shown.join(", ")));
    let pages = world.devices[device].pages.len() as u64;
    if pages > 0 {
        let page = world.below(pages) as usize;
        world.tell_page(device, page, page::Input::Appended { urgent: false });
    }
}

fn letters(world: &mut World, device: usize) {
    let ids = letters_of(world, device);
    if ids.is_empty() || world.devices[device].pages.is_empty() {
        return;
    }
    let id = ids[world.below(ids.len() as u64) as usize].clone();
    let request = if world.chance(50) {
        retried(world, &id);
        Request::Retry { id: Some(id) }
    } else {
        world.devices[device].discarded.insert(id.clone());
        Request::Discard { id }
    };
    world.note(format!("device {device}: {request:?}"));
    world.ask(device, 0, request);
}

fn retried(world: &mut World, id: &EventId) {
    if let Some(event) = world.events.get_mut(id) {
        event.retried = true;
    }
}

fn letters_of(world: &World, device: usize) -> Vec<EventId> {
    let rows = world.devices[device].disk.rows(Store::Dead);
    let ids = rows.filter_map(|(key, _)| match key {
        Key::Text(text) => EventId::new(text).ok(),
        Key::Number(_) => None,
    });
    ids.collect()
}

fn on_a_page(world: &mut World, device: usize) {
    let pages = world.devices[device].pages.len() as u64;
    if pages == 0 {
        return;
    }
    let page = world.below(pages) as usize;
    match world.below(5) {
        0 => world.tell_page(device, page, page::Input::Online),
        1 => world.tell_page(device, page, page::Input::Visible(false)),
        2 => world.tell_page(device, page, page::Input::Visible(true)),
        3 => {
            world.ask(device, page, Request::Flush);
        }
        _ => {
            world.devices[device].pages.remove(page);
        }
    }
}

/// The weather clears, each stream has something new to say, and all becomes quiet.
pub fn end(world: &mut World) {
    world.note("the weather clears");
    world.weather = Weather::default();
    for device in 0..world.devices.len() {
        world.devices[device].disk.failing = 0;
        world.kill_zombies(device);
    }
    if !world.guarded.is_empty() {
        // Ann has signed in everywhere by then.
        for device in 0..world.devices.len() {
            world.open_page(device, "ann", Some("good"));
        }
    }
    calm(world);
    for device in 0..world.devices.len() {
        let streams = world.devices[device].streams.clone();
        for stream in streams {
            let draft = Draft {
                session: stream.session,
                user: stream.user,
                lane: stream.lane,
                ..Draft::default()
            };
            world.append(device, &draft);
        }
    }
    calm(world);
    world.violations.extend(check::at_rest(world));
}

fn calm(world: &mut World) {
    for _ in 0..ROUNDS_MAX {
        for device in 0..world.devices.len() {
            // Where there is a page it has to do without the browser's help.
            if world.devices[device].pages.is_empty() {
                world.trigger(device, Trigger::Start);
            } else {
                world.tell_page(device, 0, page::Input::Online);
            }
        }
        world.quiet();
        if !world.violations.is_empty() || !make_room(world) {
            return;
        }
    }
    world.violations.push("the dead letters never have room".into());
}

// At the cap the app has to throw letters away. `false` if nobody waits for that.
fn make_room(world: &mut World) -> bool {
    let mut waited = false;
    for device in 0..world.devices.len() {
        let blocked = world.devices[device].heard.iter().rev().find_map(|notice| {
            if let Notice::Status(status) = notice {
                Some(&*status.reason == "dead-letters-full")
            } else {
                None
            }
        });
        if blocked != Some(true) {
            continue;
        }
        waited = true;
        if world.devices[device].pages.is_empty() {
            world.open_page(device, "", None);
        }
        let ids: BTreeSet<EventId> = letters_of(world, device).into_iter().collect();
        for id in ids {
            world.devices[device].discarded.insert(id.clone());
            world.ask(device, 0, Request::Discard { id });
        }
    }
    waited
}

const ROUNDS_MAX: u32 = 100;
