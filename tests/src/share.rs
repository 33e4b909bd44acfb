//! What pages write to the session's document, as apps would: few keys, so that they often meet, and each with a strategy
//! of its own.
//!
//! What always holds: a page has one key more than it shares, whose value is nobody's business.
//!
//! Not here: how a page shows and sends what it writes (`document`).

use bellwether_shared::base::{EventId, limits};
use bellwether_shared::bus::Request;
use bellwether_shared::rows::{Deliver, JournalRow, StreamKey, read};
use bellwether_shared::rules::patch::Write;
use bellwether_shared::wire::{Event, EventFlags, EventKind, from_cbor};

use crate::check;
use crate::world::World;

/// How two writes to one key are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    LastWriteWins,
    Merge,
    FirstWriteWins,
    Custom,
}

#[derive(Debug, Clone)]
struct Wanted {
    key: &'static str,
    path: &'static [&'static str],
    value: Option<String>,
    based: bool,
}

/// Keys, and how each is brought together.
const SHARED: [(&str, Strategy); 4] = [
    ("theme", Strategy::LastWriteWins),
    ("form", Strategy::Merge),
    ("seat", Strategy::FirstWriteWins),
    ("note", Strategy::Custom),
];
const PATHS: [&[&str]; 5] = [&["a"], &["b"], &["b", "c"], &["b", "d"], &[]];
/// The key that is nobody's business, and what it holds.
const EXCLUDED: &str = "password";
/// See [`EXCLUDED`].
pub(crate) const SECRET: &str = "correct-horse-battery";
const YEAR_MS: i64 = 365 * 24 * 3_600 * 1_000;

/// Whether there is a document in this story, and who keeps it; before any device is added.
pub(crate) fn decide(world: &mut World) {
    world.shares = world.chance(50);
    world.served = !(world.shares && world.chance(12));
}

/// Clocks may be far off, and there are pages from the start.
pub(crate) fn begin(world: &mut World) {
    for device in 0..world.devices.len() {
        world.devices[device].skew_ms = world.chooser.pick([0, 0, YEAR_MS, -YEAR_MS]);
        world.open_page(device, "", None);
    }
}

/// A page writes, asks for what others have written, or makes one of two.
pub(crate) fn befall(world: &mut World, device: usize) {
    let can = |page: &crate::tab::Tab| page.shown.is_some() && !page.frozen;
    let pages = &world.devices[device].pages;
    let able: Vec<usize> = (0..pages.len()).filter(|at| can(&pages[*at])).collect();
    if able.is_empty() {
        world.open_page(device, "", None);
        return;
    }
    let page = able[world.below(able.len() as u64) as usize];
    match world.chooser.weighted([12, 2, 1, 2]) {
        0 => write(world, device, page),
        1 => resolve(world, device, page),
        2 => {
            world.note(|| format!("device {device}: page {page} asks for what is new"));
            world.ask(device, page, Request::Pull { head: None });
        }
        _ => {
            if able.len() < 4 {
                world.open_page(device, "", None);
            }
        }
    }
}

fn write(world: &mut World, device: usize, page: usize) {
    let first = world.below(SHARED.len() as u64) as usize;
    let mut wanted = wish(world, first);
    if world.chance(25) {
        let step = 1 + world.below(SHARED.len() as u64 - 1) as usize;
        wanted.extend(wish(world, (first + step) % SHARED.len()));
    }
    hand_in(world, device, page, &wanted);
}

fn wish(world: &mut World, which: usize) -> Vec<Wanted> {
    let (key, strategy) = SHARED[which];
    let (mut paths, mut based) = (vec![PATHS[4]], false);
    match strategy {
        Strategy::LastWriteWins => {}
        Strategy::Merge => {
            paths = vec![world.chooser.pick(PATHS)];
            if world.chance(20) {
                paths.push(world.chooser.pick(PATHS));
            }
        }
        Strategy::FirstWriteWins | Strategy::Custom => based = true,
    }
    let mut wanted = Vec::new();
    for path in paths {
        world.count += 1;
        let value = (!world.chance(15)).then_some(world.count).map(|count| count.to_string());
        wanted.push(Wanted { key, path, value, based });
    }
    wanted
}

fn hand_in(world: &mut World, device: usize, page: usize, wanted: &[Wanted]) -> Option<EventId> {
    let secret = format!("{SECRET:?}");
    let mirror = &world.devices[device].pages[page].shown.as_ref()?.mirror;
    let mut writes: Vec<Write<'_>> = Vec::new();
    for Wanted { key, path, value, based } in wanted {
        let value = value.as_deref().map(str::as_bytes);
        let base = based.then(|| mirror.base(key));
        writes.push(Write { key, path: path.to_vec(), value, base });
    }
    if world.planted.excluded_leaks {
        let value = Some(secret.as_bytes());
        writes.push(Write { key: EXCLUDED, path: Vec::new(), value, base: None });
    }
    let custom = |it: &Wanted| SHARED.contains(&(it.key, Strategy::Custom));
    let resolves = wanted.iter().any(custom);
    let flags = if resolves { EventFlags::RESOLVE } else { EventFlags(0) };
    let id = world.write_state(device, page, writes, flags)?;
    world.note(|| {
        let one = |it: &Wanted| {
            let value = it.value.as_deref().unwrap_or("nothing");
            let based = if it.based { " if it is as shown" } else { "" };
            format!("{}{:?} = {value}{based}", it.key, it.path)
        };
        let all: Vec<String> = wanted.iter().map(one).collect();
        format!("device {device}: page {page} writes {id}: {}", all.join(", "))
    });
    Some(id)
}

// Of a write that was refused and what it has lost against somebody makes one.
fn resolve(world: &mut World, device: usize, page: usize) {
    let shown = world.devices[device].pages[page].shown.as_ref();
    let loser = shown.and_then(|shown| shown.mirror.losers().first()).map(|(id, _)| id.clone());
    let Some(id) = loser else { return };
    let wanted = wish(world, SHARED.len() - 1);
    hand_in(world, device, page, &wanted);
    world.note(|| format!("device {device}: page {page} has resolved {id}"));
    world.ask(device, page, Request::Resolved { id });
}

/// Every device hears of what the others have written.
pub(crate) fn end(world: &mut World) {
    for device in 0..world.devices.len() {
        if !world.devices[device].pages.iter().any(|page| page.shown.is_some()) {
            world.open_page(device, "", None);
        }
    }
    if world.keeps_alone() {
        // A message may have been lost, and with it the last change: the next one tells it. Elsewhere what the server has to
        // say does.
        for device in 0..world.devices.len() {
            let pages = &world.devices[device].pages;
            if let Some(page) = pages.iter().position(|page| page.shown.is_some()) {
                world.count += 1;
                let value = Some(world.count.to_string());
                let wanted = Wanted { key: "form", path: &["a"], value, based: false };
                hand_in(world, device, page, &[wanted]);
            }
        }
        world.quiet();
    }
    // A page that knows of more boots than a database made anew, and has not heard that it was, hears nothing before there is
    // another.
    if world.devices.iter().any(|device| device.disk.life > 0) {
        world.run_for(2 * limits::TAKE_MS_MIN);
    }
    for device in 0..world.devices.len() {
        for page in 0..world.devices[device].pages.len() {
            world.ask(device, page, Request::Pull { head: None });
        }
    }
}

impl World {
    /// Whether each device orders the patches itself.
    #[must_use]
    pub fn keeps_alone(&self) -> bool {
        !self.served || self.options.deliver == Some(Deliver::Requests)
    }

    /// What leaves a page is looked through for what should not.
    pub(crate) fn look_for_excluded(&mut self, bytes: &[u8], what: &str) {
        if self.shares {
            self.violations.extend(check::document::excluded(bytes, what));
        }
    }

    /// A coordinator has made a patch of what it has kept alone.
    pub(crate) fn hands_over(&mut self, device: usize, row: &[u8]) {
        let Ok(row) = read::<JournalRow<'_>>(row) else { return };
        let Ok(event) = from_cbor::<Event<'_>>(row.sealed, usize::MAX) else { return };
        if event.kind != EventKind::Patch || self.events.contains_key(&event.id) {
            return;
        }
        let (session, user) = (row.session.into(), row.user.into());
        let stream = StreamKey { session, user, lane: row.lane };
        self.count += 1;
        self.knows_patch(device, row.sealed, &stream);
        if let Some(event) = self.events.get_mut(&event.id) {
            event.promised = true;
        }
    }
}
