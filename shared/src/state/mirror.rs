//! The page's copy of a session's document: what is confirmed, and on top of it what was written since (STATE-1, STATE-8).
//!
//! ```text
//!  shown  =  confirmed (rows of `document`)  ⊕  taken ahead of them  ⊕  in the journal  ⊕  tentative (heard of other pages)
//! ```
//!
//! What always holds:
//! - what is shown is recomputed from its parts, never changed in place; so a patch that comes to its end in whatever way
//!   leaves nothing behind;
//! - a patch is shown from when this page hears of it until the coordinator names it, or until the disk, read after
//!   [`TENTATIVE_MS_MAX`](limits::TENTATIVE_MS_MAX), has nothing of it, whatever other pages have said: their word may
//!   come after the coordinator's;
//! - a patch that whoever orders them would refuse is not shown.
//!
//! Not here: reading the disk, and telling other pages.

use core::time::Duration;
use std::collections::VecDeque;

use minicbor::bytes::ByteVec;

use super::patch_of;
use crate::base::{EventId, Mono, Now, PageId, SortedMap, Stamp, limits};
use crate::bus::{Folded, Over};
use crate::rows::{
    AheadRow, EntryRow, FoldRow, JournalRow, Key, LoserRow, Place, document_prefix, read,
};
use crate::rules::document::{Author, Entry, Leaf, apply};
use crate::rules::patch::{Base, Patch, Write};
use crate::wire::Event;

/// Where a patch that is not confirmed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stand {
    /// The log has it, further on than is known.
    Ahead(u64),
    /// The journal has it.
    Queued(u64),
    /// A page has said so, at this time.
    Tentative(Mono),
}

#[derive(Debug, Clone)]
struct Pending {
    stand: Stand,
    id: EventId,
    sealed: Vec<u8>,
    /// Reads of the disk that had begun when it came to stand there.
    reads: u64,
    /// Since when it is shown on somebody's word alone; absent once the disk was seen to have it.
    since: Option<Mono>,
}

/// A write of this device that did not count, or not alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The key.
    pub key: Box<str>,
    /// What was confirmed when it was written.
    pub base: Entry,
    /// What was shown of it.
    pub local: Entry,
    /// What is confirmed now.
    pub remote: Entry,
}

/// What a change has come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Keys that are shown differently.
    pub keys: Vec<Box<str>>,
    /// Writes that have met others.
    pub clashes: Vec<Clash>,
    /// Something waits for a resolver that did not before.
    pub lost: bool,
    /// When the patch that was told of was made, if it was one.
    pub made: Option<Stamp>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Mirror {
    session: Box<str>,
    /// How far the log is known.
    version: u64,
    /// That, as the row says it from which all of what is confirmed was read.
    fold: Option<FoldRow>,
    confirmed: SortedMap<Box<str>, Entry>,
    pending: Vec<Pending>,
    /// Of keys with something pending what is shown.
    shown: SortedMap<Box<str>, Entry>,
    losers: Vec<(EventId, Vec<u8>)>,
    /// Patches that the coordinator has named last: whoever speaks of one of them comes late.
    over: VecDeque<EventId>,
    /// The greatest stamp of what is confirmed.
    newest: Stamp,
    /// Reads of the whole disk that have begun.
    reads: u64,
    /// One is under way.
    reading: bool,
    /// The last one has failed, and another is due.
    again: Option<Mono>,
    /// When to ask it what became of all that waits in the journal.
    drained: Option<Mono>,
}

impl Mirror {
    /// Of a document of which nothing is known.
    #[must_use]
    pub fn new(session: &str) -> Self {
        Self { session: session.into(), ..Self::default() }
    }

    /// Whose document it is.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// How far the log is known.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The keys that have a value.
    pub fn keys(&self) -> Vec<Box<str>> {
        let mut keys: Vec<Box<str>> = self.confirmed.keys().cloned().collect();
        keys.extend(self.shown.keys().filter(|key| !self.confirmed.contains_key(*key)).cloned());
        keys.retain(|key| self.get(key).is_some_and(|entry| !entry.is_deleted()));
        keys
    }

    /// What is shown of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.shown.get(key).or_else(|| self.confirmed.get(key))
    }

    /// The greatest stamp of what is confirmed: a write of this page has to be later.
    #[must_use]
    pub fn newest(&self) -> Stamp {
        self.newest
    }

    /// What a write to this key is built on.
    #[must_use]
    pub fn base(&self, key: &str) -> Base {
        let version = self.confirmed.get(key).map_or(0, |entry| entry.version);
        let shown = self.shown.get(key).and_then(|entry| entry.writer.clone());
        Base { version, after: shown }
    }

    /// Patches that were refused for a conflict, and wait for somebody who makes one of two.
    #[must_use]
    pub fn losers(&self) -> &[(EventId, Vec<u8>)] {
        &self.losers
    }

    /// When the disk is to be asked: about a patch that was heard of, and that it was not seen to have, or once more if it
    /// has not answered. Not while it is being asked.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        if self.reading || self.again.is_some() {
            return self.again.filter(|_| !self.reading);
        }
        let patience = Duration::from_millis(limits::TENTATIVE_MS_MAX);
        let due = |it: &Pending| it.since.map_or(self.drained, |since| Some(since.after(patience)));
        self.pending.iter().filter_map(due).min()
    }

    /// The coordinator has nothing left to send. If that is not what is shown, and nothing explains it soon, what it has
    /// told was not heard.
    pub fn on_drained(&mut self, now: Now) {
        if !self.pending.is_empty() {
            self.drained = self.drained.or(Some(now.mono.after(RETRY)));
        }
    }

    /// Another page has written. What is no patch is none.
    pub fn on_patch(&mut self, now: Now, sealed: &[u8]) -> News {
        let Some((event, patch)) = opened(sealed) else { return News::default() };
        let made = Some(event.stamp);
        if self.pending.iter().any(|it| it.id == event.id) || self.over.contains(&event.id) {
            return News { made, ..News::default() };
        }
        let keys = self.on_written(now, &event, &patch, sealed.to_vec());
        News { keys, made, ..News::default() }
    }

    /// A page has written, and this is what. Gives the keys that are shown differently.
    pub fn on_written(
        &mut self,
        now: Now,
        event: &Event<'_>,
        patch: &Patch<'_>,
        sealed: Vec<u8>,
    ) -> Vec<Box<str>> {
        let (stand, since) = (Stand::Tentative(now.mono), Some(now.mono));
        let keys = self.show(now, event, patch);
        self.pending.push(Pending {
            stand,
            id: event.id.clone(),
            sealed,
            reads: self.reads,
            since,
        });
        keys
    }

    /// It is durable, at this place in the journal. Whether this page has heard of it before.
    pub fn on_durable(&mut self, id: &EventId, position: u64) -> bool {
        let Some(at) = self.pending.iter().position(|it| it.id == *id) else {
            return self.over.contains(id);
        };
        if let Some(pending) = self.pending.get_mut(at)
            && matches!(pending.stand, Stand::Tentative(_))
        {
            pending.stand = Stand::Queued(position);
            pending.reads = self.reads;
        }
        true
    }

    /// It will never be durable.
    pub fn on_withdrawn(&mut self, now: Now, id: &EventId) -> News {
        self.pending.retain(|it| it.id != *id);
        let shown = self.compute(now);
        News { keys: self.differing(&self.confirmed, &shown), ..News::default() }
    }

    /// The coordinator names patches that have come to their end, and the rows of the document are these.
    pub fn on_changed(&mut self, now: Now, over: &[Over], rows: &[(Key, Vec<u8>)]) -> News {
        self.end(now, over, rows, true)
    }

    /// The same, and the rows that were written of it are these. None if that is not the next step from what this page knows,
    /// or the disk is being read and may say something older: then it is to be read.
    pub fn on_folded(&mut self, now: Now, over: &[Over], folded: &Folded) -> Option<News> {
        let row = |(key, row): &(Box<str>, ByteVec)| (Key::Text(key.clone()), row.to_vec());
        let rows: Vec<(Key, Vec<u8>)> = folded.rows.iter().map(row).collect();
        let fold = read::<FoldRow>(&rows.last()?.1).ok()?;
        let follows = |known: FoldRow| {
            (known.epoch, known.alone, known.offset) == (fold.epoch, fold.alone, folded.since)
        };
        let next = !self.reading && self.fold.is_some_and(follows);
        next.then(|| self.end(now, over, &rows, false))
    }

    fn end(&mut self, now: Now, over: &[Over], rows: &[(Key, Vec<u8>)], whole: bool) -> News {
        let keep = |it: &Pending| !over.iter().any(|over| over.id == it.id);
        self.over.extend(over.iter().map(|over| over.id.clone()));
        self.over.drain(..self.over.len().saturating_sub(OVER_MAX));
        self.renew(now, rows, whole, None, &keep)
    }

    /// All of the disk is about to be read. Gives the number of the read.
    pub fn begin_read(&mut self) -> u64 {
        self.reads += 1;
        self.reading = true;
        (self.again, self.drained) = (None, None);
        self.reads
    }

    /// It could not be read.
    pub fn on_read_failed(&mut self, now: Now) {
        self.reading = false;
        self.again = Some(now.mono.after(RETRY));
    }

    /// All of the disk was this when one transaction of that number has read it. What was durable before and is not there
    /// any more is over; what was not, and was heard of long ago, will never be.
    pub fn on_read(
        &mut self,
        now: Now,
        read: u64,
        rows: &[(Key, Vec<u8>)],
        journal: &[(u64, Vec<u8>)],
    ) -> News {
        self.reading = false;
        let patience = Duration::from_millis(limits::TENTATIVE_MS_MAX);
        let keep = |it: &Pending| match it.stand {
            Stand::Tentative(since) => now.mono.since(since) < patience,
            Stand::Queued(_) => it.reads >= read,
            Stand::Ahead(_) => false,
        };
        self.renew(now, rows, true, Some(journal), &keep)
    }

    fn renew(
        &mut self,
        now: Now,
        rows: &[(Key, Vec<u8>)],
        whole: bool,
        journal: Option<&[(u64, Vec<u8>)]>,
        keep: &dyn Fn(&Pending) -> bool,
    ) -> News {
        let prefix = document_prefix(&self.session);
        let mut confirmed = self.confirmed.clone();
        let mut pending: Vec<Pending> = Vec::new();
        let losers = self.losers.clone();
        if whole {
            (confirmed, self.fold) = Default::default();
            self.losers.clear();
        }
        let reads = self.reads;
        let add = |pending: &mut Vec<Pending>, stand, sealed: &[u8]| {
            if let Some((event, _)) = opened(sealed)
                && !pending.iter().any(|it| it.id == event.id)
            {
                let sealed = sealed.to_vec();
                pending.push(Pending { stand, id: event.id, sealed, reads, since: None });
            }
        };
        for (key, row) in rows {
            match Place::of(key, &prefix) {
                Some(Place::Fold) => {
                    self.fold = read(row).ok();
                    self.version = self.fold.map_or(0, |fold| fold.offset);
                }
                Some(Place::Key(key)) => {
                    if let Ok(row) = read::<EntryRow>(row) {
                        confirmed.insert(key.into(), row.entry);
                    }
                }
                Some(Place::Ahead(offset)) => {
                    if let Ok(row) = read::<AheadRow>(row) {
                        add(&mut pending, Stand::Ahead(offset), &row.sealed);
                    }
                }
                Some(Place::Loser(_)) => {
                    if let Ok(row) = read::<LoserRow>(row)
                        && let Some((event, _)) = opened(&row.sealed)
                    {
                        self.losers.push((event.id, row.sealed.to_vec()));
                    }
                }
                None => {}
            }
        }
        for (position, row) in journal.unwrap_or_default() {
            // The coordinator may have said so before the row has gone.
            let is_over = |sealed| opened(sealed).is_some_and(|it| self.over.contains(&it.0.id));
            if let Ok(row) = read::<JournalRow<'_>>(row)
                && *row.session == *self.session
                && !is_over(row.sealed)
            {
                add(&mut pending, Stand::Queued(*position), row.sealed);
            }
        }
        // One that is ahead is read again each time.
        let kept = |it: &&Pending| keep(it) && !(whole && matches!(it.stand, Stand::Ahead(_)));
        for before in self.pending.iter().filter(kept) {
            if !pending.iter().any(|it| it.id == before.id) {
                pending.push(before.clone());
            }
        }
        // By hand: the library's sort is 4 KB of wasm, and what is read is in order but for the last.
        for at in 1..pending.len() {
            let before = |it: usize| pending.get(it).map(|it| it.stand);
            let to = (0..at).rev().take_while(|it| before(*it) > before(at)).last();
            if let Some(part) = to.and_then(|to| pending.get_mut(to..=at)) {
                part.rotate_right(1);
            }
        }
        let entries = confirmed.values().flat_map(|entry: &Entry| &entry.leaves);
        self.newest = entries.map(|leaf| leaf.mark.stamp).max().unwrap_or_default();
        let clashes = self.clashes(&confirmed);
        let before = core::mem::replace(&mut self.confirmed, confirmed);
        self.pending = pending;
        let shown = self.compute(now);
        let keys = self.differing(&before, &shown);
        let is_new = |(id, _): &(EventId, Vec<u8>)| !losers.iter().any(|(known, _)| known == id);
        News { keys, clashes, lost: self.losers.iter().any(is_new), made: None }
    }

    // Keys to which somebody else has written at a place to which this device has, without its write being known here.
    fn clashes(&self, confirmed: &SortedMap<Box<str>, Entry>) -> Vec<Clash> {
        let patches: Vec<_> = self.pending.iter().filter_map(|it| opened(&it.sealed)).collect();
        let is_ours = |leaf: &Leaf| {
            let made = (leaf.mark.made, leaf.mark.page);
            patches.iter().any(|(event, _)| (event.stamp, event.page) == made)
        };
        let mut clashes = Vec::new();
        for (key, local) in self.shown.iter() {
            let base = self.confirmed.get(key).cloned().unwrap_or_default();
            let remote = confirmed.get(key).cloned().unwrap_or_default();
            let is_new = |leaf: &Leaf| {
                !base.leaves.iter().any(|it| (it.mark, &it.path) == (leaf.mark, &leaf.path))
            };
            let writes = || patches.iter().flat_map(|(_, patch)| &patch.writes);
            let meets = |leaf: &Leaf| {
                let ours = |write: &Write<'_>| {
                    let mut names = write.path.iter().zip(&leaf.path);
                    *write.key == **key && names.all(|(name, other)| **name == **other)
                };
                is_new(leaf) && !is_ours(leaf) && writes().any(ours)
            };
            if remote.leaves.iter().any(meets) && !looks(Some(local), Some(&remote)) {
                clashes.push(Clash { key: key.clone(), base, local: local.clone(), remote });
            }
        }
        clashes
    }

    // The keys that look otherwise than when these were confirmed and shown.
    fn differing(
        &self,
        confirmed: &SortedMap<Box<str>, Entry>,
        shown: &SortedMap<Box<str>, Entry>,
    ) -> Vec<Box<str>> {
        let mut keys: Vec<Box<str>> = Vec::new();
        let before = confirmed.keys().chain(shown.keys());
        for key in before.chain(self.confirmed.keys()).chain(self.shown.keys()) {
            let was = shown.get(key).or_else(|| confirmed.get(key));
            if !looks(was, self.get(key)) && !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        keys
    }

    // Computes all that is shown; gives what was before.
    fn compute(&mut self, now: Now) -> SortedMap<Box<str>, Entry> {
        let before = core::mem::take(&mut self.shown);
        let pending = core::mem::take(&mut self.pending);
        for (event, patch) in pending.iter().filter_map(|it| opened(&it.sealed)) {
            self.show(now, &event, &patch);
        }
        self.pending = pending;
        before
    }

    // Puts one more on top; gives the keys that are shown differently.
    fn show(&mut self, now: Now, event: &Event<'_>, patch: &Patch<'_>) -> Vec<Box<str>> {
        let (id, made, page) = (&event.id, event.stamp, event.page);
        // A write that names a version does not mean one that is not confirmed.
        let author = Author { id, made, page, taken_at: now.wall, version: u64::MAX };
        // What would be refused is not shown.
        let mut changed = apply(|key| self.get(key).cloned(), patch, author).unwrap_or_default();
        let mut keys = Vec::new();
        while let Some((key, entry)) = changed.pop_first() {
            if !looks(self.get(&key), Some(&entry)) {
                keys.push(key.clone());
            }
            self.shown.insert(key, entry);
        }
        keys
    }
}

/// The page that wrote what is shown of a key last.
#[must_use]
pub fn writer(entry: &Entry) -> PageId {
    entry.leaves.iter().map(|leaf| leaf.mark).max().map_or(PageId::default(), |mark| mark.page)
}

// Whether two come to the same value.
fn looks(one: Option<&Entry>, other: Option<&Entry>) -> bool {
    let (one, other) = (visible(one), visible(other));
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| one.path == other.path && one.value == other.value)
}

fn visible(entry: Option<&Entry>) -> &[Leaf] {
    entry.filter(|entry| !entry.is_deleted()).map_or(&[], |entry| &entry.leaves)
}

// What another page says is looked at as closely as the server would.
fn opened(sealed: &[u8]) -> Option<(Event<'_>, Patch<'_>)> {
    patch_of(sealed).filter(|(_, patch)| patch.check().is_ok())
}

/// How many are remembered of those that are over.
const OVER_MAX: usize = 256;
/// How long a disk that could not be read is left alone.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
