//! G5: when all is quiet, all pages, their disk and the server hold the same document; what is excluded is nowhere.
//!
//! What the document should be is made of the log by the definition, which is short: a write stands unless one at its
//! place or around it ranks higher. Nothing is ever forgotten here, so nothing has to be decided when a write comes.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_shared::base::{EventId, Stamp, Wall, limits};
use bellwether_shared::rows::{
    DoneEntry, DoneRow, EntryRow, FoldRow, JournalRow, Key, Op, Place, Store, WriteBatch,
    document_prefix, read,
};
use bellwether_shared::rules::document::Entry;
use bellwether_shared::rules::patch::{Base, Patch};
use bellwether_shared::wire::{Event, decode, from_cbor, to_cbor};

use super::row_id;
use crate::browser::Device;
use crate::disk::{Before, Disk};
use crate::document::SESSION;
use crate::share::SECRET;
use crate::world::World;

/// What leaves a page, or lies somewhere.
#[must_use]
pub fn excluded(bytes: &[u8], what: &str) -> Vec<String> {
    let secret = SECRET.as_bytes();
    if bytes.windows(secret.len()).any(|part| part == secret) {
        vec![format!("what is excluded is in {what}")]
    } else {
        Vec::new()
    }
}

/// When nothing else can happen at this time: what a page shows was written, or was heard of not long ago.
#[must_use]
pub fn shown(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    if !world.shares {
        return found;
    }
    for (number, device) in world.devices.iter().enumerate() {
        for (at, page) in device.pages.iter().enumerate() {
            let Some(shown) = page.shown.as_ref().filter(|shown| !shown.failed && !shown.reading)
            else {
                continue;
            };
            let mono = world.clock(number, page.born_ms).mono.0;
            let is_stale = |id: &EventId| {
                let heard = shown.heard.get(id).map(|(_, heard)| *heard);
                world.events.get(id).is_some_and(|event| event.number == 0)
                    && heard.is_some_and(|heard| mono > heard + limits::TENTATIVE_MS_MAX)
            };
            let entries = shown.mirror.keys();
            let entries = entries.iter().filter_map(|key| shown.mirror.get(key));
            let stale = entries.filter_map(|entry| entry.writer.as_ref()).find(|id| is_stale(id));
            if let Some(id) = stale
                && !page.frozen
                && page.late_ms == 0
                && world.turns().is_empty()
            {
                found.push(format!(
                    "page {at} of device {number} still shows {id}, which was never written"
                ));
            }
        }
    }
    found
}

/// A patch that was taken leaves the journal: the document has it, or keeps it beside.
pub(super) fn committed(
    world: &World,
    device: usize,
    batch: &WriteBatch,
    before: &[Before],
) -> Vec<String> {
    let here = &world.devices[device];
    // Of what the disk has refused, the server has lost or an app has wiped, the rest comes with the next pull.
    // Nothing else says so than the order in which the two were asked for.
    let overtakes = world.planted.commits_overtake;
    let excused = here.disk.refused > 0 || world.server_lost || !here.wiped.is_empty() || overtakes;
    if !world.shares || excused {
        return Vec::new();
    }
    let mut found = Vec::new();
    let filed = filed(batch);
    for row in
        before.iter().filter(|it| it.store == Store::Journal).filter_map(|it| it.row.as_ref())
    {
        let Some(id) = row_id(row).filter(|id| is_patch(world, id)) else { continue };
        let offset = filed.get(&id).and_then(|entry| entry.offset);
        if let Some(offset) = offset
            && !has(&here.disk, offset)
        {
            found.push(format!("{id} leaves the journal, and is not in the document"));
        }
    }
    found
}

fn has(disk: &Disk, offset: u64) -> bool {
    let fold = disk.get(Store::Document, &Place::Fold.key(SESSION));
    let known =
        fold.and_then(|row| read::<FoldRow>(row).ok()).is_some_and(|it| it.offset >= offset);
    known || disk.get(Store::Document, &Place::Ahead(offset).key(SESSION)).is_some()
}

fn filed(batch: &WriteBatch) -> BTreeMap<EventId, DoneEntry> {
    let mut entries = BTreeMap::new();
    for op in &batch.ops {
        if let Op::Put { store: Store::Done, row, .. } = op
            && let Ok(row) = read::<DoneRow>(row)
        {
            entries.extend(row.entries.into_iter().map(|entry| (entry.id.clone(), entry)));
        }
    }
    entries
}

fn is_patch(world: &World, id: &EventId) -> bool {
    world.events.get(id).is_some_and(|event| event.patch.is_some())
}

/// What a batch says of patches that nobody but the device has ordered is remembered.
pub(crate) fn remember(world: &mut World, batch: &WriteBatch) {
    if !world.shares || !world.keeps_alone() {
        return;
    }
    for (id, entry) in filed(batch) {
        if entry.code.as_deref() == Some(CONFLICT) && is_patch(world, &id) {
            world.conflicts.insert(id);
        }
    }
}

/// Whether a patch may leave the journal with this outcome though the server has never held it.
pub(super) fn settles(world: &World, id: &EventId, code: Option<&str>) -> bool {
    is_patch(world, id)
        && match code {
            None => world.keeps_alone(),
            Some(code) => code == CONFLICT && is_refused(world, id),
        }
}

/// Whether whoever orders them has refused a patch.
pub(super) fn is_refused(world: &World, id: &EventId) -> bool {
    world.server.conflicts.contains_key(id) || world.conflicts.contains(id)
}

/// All agree.
pub(super) fn at_rest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    if !world.shares {
        return found;
    }
    for (number, device) in world.devices.iter().enumerate() {
        for store in Store::ALL {
            let rows = device.disk.rows(store);
            let leaks = rows.flat_map(|(_, row)| excluded(row, store.name()));
            found.extend(leaks.take(1).map(|leak| format!("{leak} on device {number}")));
        }
        let disk = on_disk(&device.disk);
        if world.keeps_alone() {
            found.extend(ordered_here(world, number, device, &disk));
        }
        found.extend(pages(number, device, &disk));
        let rows = device.disk.named(Store::Document, &document_prefix(SESSION));
        let prefix = document_prefix(SESSION);
        let ahead = |key: &Key| matches!(Place::of(key, &prefix), Some(Place::Ahead(_)));
        if let Some((key, _)) = rows.iter().find(|(key, _)| ahead(key)) {
            found.push(format!("device {number} still has {key:?} beside its document"));
        }
    }
    if world.recording.is_some() {
        found.extend(excluded(&world.recorded(), "a recording"));
    }
    if !world.keeps_alone() {
        found.extend(ordered_there(world));
    }
    found
}

// The server keeps the document.
fn ordered_there(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let stored = world.server.document(SESSION).into_iter().flatten();
    let stored = stored.filter_map(|(key, row)| Some((key.clone(), decode::<Entry>(row).ok()?)));
    let server = Picture::of(stored);
    let mut made = Made::default();
    let mut refused: BTreeMap<u64, Vec<&EventId>> = BTreeMap::new();
    // What was refused by a log that is gone says nothing about this one.
    let conflicts = world.server.conflicts.iter().filter(|_| !world.server_lost);
    conflicts.for_each(|(id, length)| refused.entry(*length).or_default().push(id));
    let log = world.server.log(SESSION);
    for length in 0..=log.len() as u64 {
        for id in refused.get(&length).into_iter().flatten() {
            let patch = world.events.get(*id).and_then(|event| event.patch.as_deref());
            if patch.is_some_and(|sealed| made.fits(sealed)) {
                found.push(format!("{id} was refused, and nothing had changed"));
            }
        }
        if let Some(event) = log.get(length as usize) {
            found.extend(made.take(event.offset, event.taken_at, &event.sealed));
        }
    }
    let definition = made.picture();
    found.extend(definition.differs(&server, "the server", "the log"));
    // Who has read further than a log that was put back under its old name cannot know what it holds since.
    for (number, device) in world.devices.iter().enumerate().filter(|_| !world.server_lied) {
        let disk = on_disk(&device.disk);
        found.extend(server.differs(&disk, &format!("device {number}"), "the server"));
    }
    found
}

// The device does, and has filed in which order.
fn ordered_here(world: &World, number: usize, device: &Device, disk: &Picture) -> Vec<String> {
    if !device.wiped.is_empty() {
        return Vec::new();
    }
    let mut log: BTreeMap<u64, (Wall, EventId)> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (_, row) in device.disk.rows(Store::Done) {
        let Ok(row) = read::<DoneRow>(row) else { continue };
        for entry in row.entries {
            if let Some(offset) = entry.offset
                && is_patch(world, &entry.id)
                && known.insert(entry.id.clone())
            {
                log.insert(offset, (row.at, entry.id));
            }
        }
    }
    let mut made = Made::default();
    let mut found = Vec::new();
    for (offset, (at, id)) in log {
        let sealed = world.events.get(&id).and_then(|event| event.patch.as_deref());
        found.extend(sealed.into_iter().flat_map(|sealed| made.take(offset, at, sealed)));
    }
    let name = format!("device {number}");
    found.extend(made.picture().differs(disk, &name, "what it has filed"));
    found
}

// What the pages of a device show is what its disk says.
fn pages(number: usize, device: &Device, disk: &Picture) -> Vec<String> {
    let mut found = Vec::new();
    for (at, page) in device.pages.iter().enumerate().filter(|(_, page)| !page.frozen) {
        let Some(shown) = &page.shown else { continue };
        let keys = shown.mirror.keys();
        let entries = keys.iter().filter_map(|key| {
            let entry = shown.mirror.get(key)?;
            Some((key.clone(), entry.clone()))
        });
        let name = format!("page {at} of device {number}");
        found.extend(disk.alive().differs(&Picture::of(entries), &name, "its disk"));
    }
    found
}

fn on_disk(disk: &Disk) -> Picture {
    let prefix = document_prefix(SESSION);
    let rows = disk.named(Store::Document, &prefix);
    let entries = rows.iter().filter_map(|(key, row)| match Place::of(key, &prefix)? {
        Place::Key(key) => Some((Box::from(key), read::<EntryRow>(row).ok()?.entry)),
        Place::Fold | Place::Ahead(_) | Place::Loser(_) => None,
    });
    Picture::of(entries)
}

/// What there is at each place of each key; nothing where it was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Picture(BTreeMap<Box<str>, Vec<Leaf>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    path: Vec<String>,
    value: Option<String>,
}

impl Picture {
    fn of(entries: impl Iterator<Item = (Box<str>, Entry)>) -> Self {
        let leaves = |entry: Entry| {
            let leaf = |leaf: &bellwether_shared::rules::document::Leaf| Leaf {
                path: leaf.path.iter().map(|name| name.to_string()).collect(),
                value: leaf.value.as_ref().map(|text| String::from_utf8_lossy(text).into()),
            };
            entry.leaves.iter().map(leaf).collect()
        };
        Self(entries.map(|(key, entry)| (key, leaves(entry))).collect())
    }

    // Without keys of which everything was deleted.
    fn alive(&self) -> Self {
        let alive = |leaves: &[Leaf]| leaves.iter().any(|leaf| leaf.value.is_some());
        let keys = self.0.iter().filter(|(_, leaves)| alive(leaves));
        Self(keys.map(|(key, leaves)| (key.clone(), leaves.clone())).collect())
    }

    // Where another holds something else.
    fn differs(&self, other: &Self, name: &str, than: &str) -> Option<String> {
        let keys: BTreeSet<&Box<str>> = self.0.keys().chain(other.0.keys()).collect();
        let key = keys.into_iter().find(|key| self.0.get(*key) != other.0.get(*key))?;
        let (here, there) = (other.told(key), self.told(key));
        Some(format!("{name} holds {key} = {here:?}, and {than} says {there:?}"))
    }

    fn told(&self, key: &str) -> String {
        let leaves = self.0.get(key).map_or(&[][..], |leaves| leaves);
        let leaf = |leaf: &Leaf| {
            format!("{}:{}", leaf.path.join("."), leaf.value.as_deref().unwrap_or("nothing"))
        };
        leaves.iter().map(leaf).collect::<Vec<_>>().join(" ")
    }
}

/// The document by its definition.
#[derive(Debug, Default)]
struct Made(BTreeMap<Box<str>, Known>);

/// All that was ever written to a key.
#[derive(Debug, Clone, Default)]
struct Known {
    version: u64,
    writer: Option<EventId>,
    writes: Vec<Ranked>,
}

#[derive(Debug, Clone)]
struct Ranked {
    path: Vec<String>,
    rank: (Stamp, Stamp, [u8; 16], usize),
    value: Option<String>,
}

impl Known {
    fn stands(&self, one: &Ranked) -> bool {
        let over = |other: &&Ranked| one.path.starts_with(&other.path) && other.rank > one.rank;
        !self.writes.iter().any(|other| over(&other))
    }

    fn standing(&self) -> impl Iterator<Item = &Ranked> {
        self.writes.iter().filter(|one| self.stands(one))
    }

    fn is(&self, base: &Base) -> bool {
        match &base.after {
            Some(after) => Some(after) == self.writer.as_ref(),
            None => base.version == self.version,
        }
    }
}

impl Made {
    // Whether nobody has changed what a patch is built on.
    fn fits(&self, sealed: &[u8]) -> bool {
        let none = Known::default();
        with_patch(sealed, |_, patch| {
            patch.writes.iter().all(|write| {
                let known = self.0.get(write.key).unwrap_or(&none);
                write.base.as_ref().is_none_or(|base| known.is(base))
            })
        })
        .unwrap_or(true)
    }

    fn take(&mut self, offset: u64, taken_at: Wall, sealed: &[u8]) -> Vec<String> {
        let fits = self.fits(sealed);
        let taken = with_patch(sealed, |event, patch| {
            let highest = Stamp((taken_at.0 + limits::STAMP_AHEAD_MS_MAX) << 16);
            let believed = event.stamp.min(highest);
            let mut stamps: BTreeMap<&str, Stamp> = BTreeMap::new();
            // A write that is built on what there is comes after it.
            for write in patch.writes.iter().filter(|write| write.base.is_some()) {
                let known = self.0.entry(write.key.into()).or_default();
                let newest = known.standing().map(|it| it.rank.0).max();
                let after = newest.map(|newest| Stamp(newest.0 + 1)).unwrap_or_default();
                stamps.insert(write.key, believed.max(after));
            }
            for (at, write) in patch.writes.iter().enumerate() {
                let stamp = stamps.get(write.key).copied().unwrap_or(believed);
                let known = self.0.entry(write.key.into()).or_default();
                let one = Ranked {
                    path: write.path.iter().map(|name| (*name).to_owned()).collect(),
                    rank: (stamp, event.stamp, event.page.0, at),
                    value: write.value.map(|text| String::from_utf8_lossy(text).into()),
                };
                if known.stands(&one) {
                    known.version = offset;
                    known.writer = Some(event.id.clone());
                }
                known.writes.push(one);
            }
            event.id.clone()
        });
        let against = taken.filter(|_| !fits);
        against
            .map(|id| format!("{id} was taken, and what it is built on had changed"))
            .into_iter()
            .collect()
    }

    fn picture(&self) -> Picture {
        let leaves = |known: &Known| {
            let leaf = |it: &Ranked| Leaf { path: it.path.clone(), value: it.value.clone() };
            let mut leaves: Vec<Leaf> = known.standing().map(leaf).collect();
            leaves.sort();
            leaves
        };
        let keys = self.0.iter().filter(|(_, known)| !known.writes.is_empty());
        Picture(keys.map(|(key, known)| (key.clone(), leaves(known))).collect())
    }
}

/// For the planted fault: the same row, but its patch is built on nothing.
#[must_use]
pub fn without_bases((position, row): (u64, Vec<u8>)) -> (u64, Vec<u8>) {
    let Ok(read) = read::<JournalRow<'_>>(&row) else { return (position, row) };
    let changed = with_patch(read.sealed, |event, patch| {
        let mut patch = patch.clone();
        patch.writes.iter_mut().for_each(|write| write.base = None);
        to_cbor(&Event { data: Some(&to_cbor(&patch)), ..event.clone() })
    });
    let row = match &changed {
        Some(sealed) => to_cbor(&JournalRow { sealed, ..read }),
        None => row,
    };
    (position, row)
}

fn with_patch<T>(sealed: &[u8], look: impl FnOnce(&Event<'_>, &Patch<'_>) -> T) -> Option<T> {
    let event = from_cbor::<Event<'_>>(sealed, usize::MAX).ok()?;
    let patch = decode::<Patch<'_>>(event.data?).ok()?;
    Some(look(&event, &patch))
}

const CONFLICT: &str = "state-conflict";
