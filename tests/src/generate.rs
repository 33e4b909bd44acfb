//! Stories with trouble at every turn, and fair weather at the end.

use std::collections::BTreeSet;

use bellwether_shared::base::EventId;
use bellwether_shared::bus::{Network, Notice, Request};
use bellwether_shared::coordinator::Trigger;
use bellwether_shared::page;
use bellwether_shared::rows::{Config, Deliver, Key, META_CONFIG, Store, read};
use bellwether_shared::wire::Lane;

use crate::check;
use crate::fault::Planted;
use crate::model::Draft;
use crate::share;
use crate::trouble;
use crate::weather::Weather;
use crate::wishes;
use crate::world::World;

/// What a story may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plot {
    /// At most this many things happen before the weather clears.
    pub length: u32,
    /// Whether the server may be wiped and put back.
    pub server_loses: bool,
    /// Whether a profile may be copied.
    pub clones: bool,
    /// Whether events may be refused, put off or poisonous.
    pub culprits: bool,
    /// Whether a device's database may be deleted or put back.
    pub device_loses: bool,
    /// Whether events may depend on others, and be cancelled, replaced, edited and wiped, or be plain requests.
    pub changes: bool,
    /// Whether pages may share a document.
    pub state: bool,
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
            device_loses: true,
            changes: true,
            state: true,
            planted: Planted::default(),
        }
    }
}

/// Plays the story that the world's choices tell, to its end or to the first violation.
pub fn run(world: &mut World, plot: &Plot) {
    begin(world, plot);
    for _ in 0..plot.length {
        world.chooser.begin_happening();
        if !happening(world, plot) {
            break;
        }
        if !world.violations.is_empty() {
            return;
        }
    }
    world.chooser.begin_ending();
    end(world);
}

fn begin(world: &mut World, plot: &Plot) {
    world.plant(plot.planted);
    world.signed = world.chance(5);
    world.options.batch_events = world.chooser.pick([500, 1, 2, 3, 5]);
    world.options.tries_max = world.chooser.pick([4, 3, 2, 1]);
    world.options.dead_max = world.chooser.pick([50, 2, 1]);
    if plot.changes {
        change(world);
    }
    if plot.state {
        share::decide(world);
    }
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
            let status = world.chooser.pick([500, 400]);
            world.server.poison.insert("poison".into(), status);
        }
    }
    world.idle_limit = world.chance(30);
    if world.chance(20) {
        world.guarded.insert("ann".into());
    }
    for _ in 0..world.chooser.weighted([50, 25, 25]) {
        open_page(world);
    }
    if world.shares {
        share::begin(world);
    }
}

fn change(world: &mut World) {
    world.server.results = true;
    world.network = world.chooser.pick([None, Some(Network::Medium), Some(Network::Slow)]);
    if world.chance(15) {
        world.options.deliver = Some(Deliver::Requests);
    }
}

fn open_page(world: &mut World) {
    let device = world.below(world.devices.len() as u64) as usize;
    let ann = !world.guarded.is_empty() && world.chance(50);
    world.open_page(device, if ann { "ann" } else { "" }, ann.then_some("good"));
}

fn draft(world: &mut World, device: usize, plot: &Plot) -> Draft {
    let chooser = &mut world.chooser;
    let mut draft = Draft {
        lane: [Lane::Normal, Lane::Bulk, Lane::Critical][chooser.weighted([2, 1, 1])],
        type_: ["plain", "refused", "put-off", "poison"][chooser.weighted([9, 1, 1, 1])].into(),
        session: if chooser.chance(15) { "t" } else { "s" }.into(),
        user: if chooser.chance(15) { "ann" } else { "" }.into(),
        key: if chooser.chance(50) { "l" } else { "k" }.into(),
        ..Draft::default()
    };
    if plot.changes {
        wishes::tie(world, device, &mut draft);
    }
    if world.options.deliver == Some(Deliver::Requests) && &*draft.session != "s" {
        // Ann signs in for one session alone.
        draft.user = "".into();
    }
    draft
}

// One thing happens, the plain ones first. `false` if nothing more is to happen.
fn happening(world: &mut World, plot: &Plot) -> bool {
    let mut weights = HAPPENINGS.map(|(_, weight)| weight);
    if !plot.changes {
        weights[WISH] = 0;
    }
    if !world.shares {
        weights[SHARE] = 0;
    }
    if !world.served {
        weights[APPEND] = 0;
    }
    let kind = HAPPENINGS[world.chooser.weighted(weights)].0;
    if kind == Happening::End {
        return false;
    }
    let devices = world.devices.len() as u64;
    let device = world.below(devices) as usize;
    match kind {
        Happening::End => {}
        Happening::Settle => world.settle(),
        Happening::Steps => {
            for _ in 0..world.below(40) {
                if !world.step() {
                    break;
                }
            }
        }
        Happening::Append => append(world, device, plot),
        Happening::Trigger => {
            let trigger = world.chooser.pick([Trigger::Start, Trigger::Sync, Trigger::Push]);
            world.note(|| format!("device {device}: {trigger:?}"));
            world.trigger(device, trigger);
        }
        Happening::Advance => {
            world.advance();
        }
        Happening::Page => on_a_page(world, device),
        Happening::Letters => letters(world, device),
        Happening::Weather => {
            world.weather = if world.chance(60) {
                Weather::drawn(&mut world.chooser)
            } else {
                Weather::default()
            };
            let weather = world.weather;
            if weather.lose_message > 0 {
                let pages = world.devices.iter_mut().flat_map(|device| &mut device.pages);
                pages.for_each(|page| page.excuse());
            }
            world.note(|| format!("{weather:?}"));
        }
        Happening::Kill => {
            world.note(|| format!("device {device}: the worker is killed"));
            world.kill(device);
        }
        Happening::KillZombies => world.kill_zombies(device),
        Happening::Takeover => {
            world.note(|| format!("device {device}: another worker takes over"));
            world.boot_another(device);
        }
        Happening::ClockJump => {
            // Much less than what is retained stays retained, even if several come together.
            let by = world.chooser.pick([1_000, 60_000, 3_600_000]);
            let jump = if world.chance(50) { -by } else { by };
            world.devices[device].skew_ms += jump;
            world.jumped_ms += by.unsigned_abs();
            world.note(|| format!("device {device}: the clock jumps by {jump} ms"));
        }
        Happening::DiskFull => {
            let failing = 1 + world.below(3) as u32;
            world.devices[device].disk.failing = failing;
            world.note(|| format!("device {device}: {failing} transactions will fail"));
        }
        Happening::PowerCut => {
            world.note(|| format!("device {device}: power cut"));
            world.power_cut(device);
        }
        Happening::BackUp if plot.server_loses => world.back_up_server(),
        Happening::Restore if plot.server_loses => world.restore_server(),
        Happening::Wipe if plot.server_loses => world.wipe_server(),
        Happening::Clone if plot.clones && devices < 4 => {
            world.clone_device(device);
        }
        Happening::Trouble => trouble::befall(world, device, plot),
        Happening::Wish => wishes::ask(world, device),
        Happening::Share if world.shares => share::befall(world, device),
        Happening::BackUp
        | Happening::Restore
        | Happening::Wipe
        | Happening::Clone
        | Happening::Share => {}
    }
    true
}

/// What can happen in a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happening {
    End,
    Settle,
    Steps,
    Append,
    Trigger,
    Advance,
    Page,
    Letters,
    Weather,
    Kill,
    KillZombies,
    Takeover,
    ClockJump,
    DiskFull,
    PowerCut,
    BackUp,
    Restore,
    Wipe,
    Clone,
    Trouble,
    Wish,
    Share,
}

/// All of it with how often it happens, in the order of harm.
const HAPPENINGS: [(Happening, u32); 22] = [
    (Happening::End, 1),
    (Happening::Settle, 2),
    (Happening::Steps, 30),
    (Happening::Append, 18),
    (Happening::Trigger, 8),
    (Happening::Advance, 6),
    (Happening::Page, 3),
    (Happening::Letters, 3),
    (Happening::Weather, 5),
    (Happening::Kill, 10),
    (Happening::KillZombies, 2),
    (Happening::Takeover, 3),
    (Happening::ClockJump, 2),
    (Happening::DiskFull, 2),
    (Happening::PowerCut, 2),
    (Happening::BackUp, 3),
    (Happening::Restore, 2),
    (Happening::Wipe, 1),
    (Happening::Clone, 1),
    (Happening::Trouble, 12),
    (Happening::Wish, 12),
    (Happening::Share, 30),
];
const APPEND: usize = 3;
const WISH: usize = HAPPENINGS.len() - 2;
const SHARE: usize = HAPPENINGS.len() - 1;

fn append(world: &mut World, device: usize, plot: &Plot) {
    if !world.served {
        return;
    }
    let count = 1 + world.below(6);
    let drafts: Vec<Draft> = (0..count).map(|_| draft(world, device, plot)).collect();
    let strict = !world.chance(30);
    let pages = world.devices[device].pages.len() as u64;
    if pages > 0 && world.chance(70) {
        let page = world.below(pages) as usize;
        if !world.devices[device].pages[page].frozen {
            let urgent = drafts.iter().any(|draft| draft.lane == Lane::Critical);
            world.note(|| format!("device {device}: page {page} enqueues {} events", drafts.len()));
            world.enqueue(device, page, &drafts, strict, urgent);
        }
        return;
    }
    let Some(ids) = world.append_all(device, &drafts, strict) else { return };
    world.note(|| {
        let shown = ids.iter().zip(&drafts).map(|(id, draft)| {
            let Draft { session, user, key, type_, .. } = draft;
            format!("{id} {type_} {session}/{user}/{}/{key}", draft.lane.name())
        });
        let relaxed = if strict { "" } else { " (relaxed)" };
        format!("device {device} appends{relaxed} {}", shown.collect::<Vec<_>>().join(", "))
    });
}

fn letters(world: &mut World, device: usize) {
    let ids = world.letters(device);
    if ids.is_empty() || world.devices[device].pages.first().is_none_or(|page| page.frozen) {
        return;
    }
    let id = ids[world.below(ids.len() as u64) as usize].clone();
    let request = if world.chance(50) {
        world.devices[device].discarded.insert(id.clone());
        Request::Discard { id }
    } else {
        Request::Retry { id: Some(id) }
    };
    world.note(|| format!("device {device}: {request:?}"));
    world.ask(device, 0, request);
}

fn on_a_page(world: &mut World, device: usize) {
    let pages = world.devices[device].pages.len() as u64;
    if pages == 0 {
        return;
    }
    let page = world.below(pages) as usize;
    if world.devices[device].pages[page].frozen {
        return;
    }
    let what = world.below(5);
    world.note(|| {
        let did = ["is online", "is in sight", "is out of sight", "flushes", "is killed"];
        format!("device {device}: page {page} {}", did[what as usize])
    });
    match what {
        0 => world.tell_page(device, page, page::Input::Online),
        1 => world.tell_page(device, page, page::Input::Visible(true)),
        2 => world.tell_page(device, page, page::Input::Visible(false)),
        3 => {
            world.ask(device, page, Request::Flush);
        }
        _ => {
            world.kill_page(device, page);
        }
    }
}

/// The weather clears, each stream has something new to say, and all becomes quiet.
pub fn end(world: &mut World) {
    world.note(|| "the weather clears".into());
    world.weather = Weather::default();
    trouble::clear(world);
    for device in 0..world.devices.len() {
        world.kill_zombies(device);
    }
    part_from_strangers(world);
    for device in 0..world.devices.len() {
        // Only a page can say again what server there is.
        let config = world.devices[device].disk.get(Store::Meta, &Key::from(META_CONFIG));
        let config = config.and_then(|row| read::<Config>(row).ok());
        if config.is_none_or(|config| config.server.is_empty()) {
            world.open_page(device, "", None);
        }
    }
    // A plain request of somebody waits for whoever that is, whether or not the server asks for a token.
    let plain = world.options.deliver == Some(Deliver::Requests);
    if !world.guarded.is_empty() || plain {
        // Ann has signed in everywhere by then.
        for device in 0..world.devices.len() {
            world.open_page(device, "ann", Some("good"));
        }
    }
    calm(world);
    for device in 0..world.devices.len() {
        let mut streams = world.devices[device].streams.clone();
        streams.retain(|_| world.served);
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
    if world.shares && world.violations.is_empty() {
        // Twice: a worker's hook may have written because of what it heard of first.
        for _ in 0..2 {
            share::end(world);
            calm(world);
        }
    }
    world.violations.extend(check::at_rest(world));
}

// Pages of builds too far apart have been told so by now; somebody reloads them.
fn part_from_strangers(world: &mut World) {
    let far = |world: &World| {
        world.devices.iter().enumerate().find_map(|(device, here)| {
            let page = here.pages.iter().position(|page| page.protocol.is_some())?;
            Some((device, page))
        })
    };
    if far(world).is_some() {
        world.run_for(120_000);
        world.violations.extend(check::versions::at_rest(world));
    }
    while let Some((device, page)) = far(world) {
        world.kill_page(device, page);
    }
}

fn calm(world: &mut World) {
    for _ in 0..ROUNDS_MAX {
        for device in 0..world.devices.len() {
            // Where there is a page it has to do without the browser's help.
            if world.devices[device].pages.is_empty() {
                world.trigger(device, Trigger::Sync);
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
        let ids: BTreeSet<EventId> = world.letters(device).into_iter().collect();
        for id in ids {
            world.devices[device].discarded.insert(id.clone());
            world.ask(device, 0, Request::Discard { id });
        }
    }
    waited
}

const ROUNDS_MAX: u32 = 100;
