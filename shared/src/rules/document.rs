//! A session's document, and what a patch does to it: two mechanisms that serve four strategies (STATE-4).
//!
//! ```text
//!  a write without a base: marks decide               a write with a base: the key decides
//!  last-write-wins (the whole key), merge (a path)    first-write-wins, custom
//! ```
//!
//! A [`Mark`] says when a write was made, and by whom; it is unique. A write stands unless one at the same place, or
//! around it, has a greater mark; so one to a whole key ends whatever is older below it, and leaves what is newer. Which
//! writes stand does not depend on the order in which they come. A write with a base counts only if the key is still what its
//! writer knew, and is then greater than all before.
//!
//! What always holds:
//! - whoever applies the same patches in the order of the session's log has the same document;
//! - without bases any order will do, and any number of times;
//! - a patch that is refused has changed nothing;
//! - a clock that is wrong wins for [`STAMP_AHEAD_MS_MAX`](limits::STAMP_AHEAD_MS_MAX) beyond the server's time, at most.
//!
//! Not here: JSON. A value is a text that nobody here reads; an array is one value.
//!
//! After the last-writer-wins element set of Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated
//! Data Types" (2011), with a tombstone for whatever was deleted.

use minicbor::bytes::ByteVec;

use super::patch::{Patch, Write};
use crate::base::codec::{array, map};
use crate::base::{EventId, PageId, SortedMap, Stamp, Wall, limits};

/// When a write was made, and by whom: of two the greater counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mark {
    /// When, as far as it is believed.
    pub stamp: Stamp,
    /// When, by the writer's own clock.
    pub made: Stamp,
    /// The page that wrote.
    pub page: PageId,
    /// The write's place in its patch.
    pub at: u32,
}

array!(Mark { 0: stamp, 1: made, 2: page, 3: at });

/// A write that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Names of members, from the key's value inwards.
    pub path: Vec<Box<str>>,
    /// When it was written, and by whom.
    pub mark: Mark,
    /// What was written, as JSON text; none: it was deleted.
    pub value: Option<ByteVec>,
}

array!(Leaf { 0: path, 1: mark, 2: value });

/// A key of the document. Its value is that of the leaf without a path, with the others put in, in their order: where one is
/// to be put into what is no object, an object takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The offset in the session's log of the last patch that changed it.
    pub version: u64,
    /// That patch's event; none in a key that nobody has written to.
    pub writer: Option<EventId>,
    /// The writes that stand, in the order of their paths.
    pub leaves: Vec<Leaf>,
}

map!(Entry { 0: version, 1: writer, 2: leaves });

/// A patch's event, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author<'a> {
    /// Its name.
    pub id: &'a EventId,
    /// When it was made, by the writer's own clock.
    pub made: Stamp,
    /// The page that made it.
    pub page: PageId,
    /// When it was taken, by the clock of whoever took it.
    pub taken_at: Wall,
    /// Its offset in the session's log.
    pub version: u64,
}

/// The code of a patch that was refused because a key is not what its writer knew.
pub const STATE_CONFLICT: &str = "state-conflict";

/// A patch was refused: a key is not what its writer knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Which.
    pub key: Box<str>,
    /// Its present version.
    pub version: u64,
}

/// A patch would leave a key with too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A key is not what its writer knew.
    Conflict(Conflict),
    /// A key would have more than [`LEAVES_MAX`](limits::LEAVES_MAX) leaves.
    TooManyLeaves {
        /// Which.
        key: Box<str>,
    },
}

/// The keys that a patch is about, without repetition, in the order of their first writes.
pub fn keys<'a>(patch: &'a Patch<'_>) -> impl Iterator<Item = &'a str> {
    let writes = &patch.writes;
    let is_first = move |(at, write): &(usize, &'a Write<'_>)| {
        writes.iter().take(*at).all(|before| before.key != write.key)
    };
    writes.iter().enumerate().filter(is_first).map(|(_, write)| write.key)
}

/// Applies a patch that is to be taken: shown the keys that it is about as they are, gives those that it has changed.
///
/// # Errors
/// A key is not what its writer knew, or would grow too large.
pub fn apply(
    before: impl Fn(&str) -> Option<Entry>,
    patch: &Patch<'_>,
    author: Author<'_>,
) -> Result<SortedMap<Box<str>, Entry>, Refusal> {
    let mut changed = SortedMap::new();
    for key in keys(patch) {
        let mut entry = before(key).unwrap_or_default();
        if patch.writes.iter().any(|write| write.key == key && !entry.is_base_of(write)) {
            return Err(Refusal::Conflict(Conflict { key: key.into(), version: entry.version }));
        }
        let has_changed = entry.take(key, patch, author);
        if entry.leaves.len() > limits::LEAVES_MAX {
            return Err(Refusal::TooManyLeaves { key: key.into() });
        }
        if has_changed {
            changed.insert(key.into(), entry);
        }
    }
    Ok(changed)
}

/// Applies a patch of the log, which was taken: bases were checked then. What a key's version covers is left out.
pub fn fold(
    before: impl Fn(&str) -> Option<Entry>,
    patch: &Patch<'_>,
    author: Author<'_>,
) -> SortedMap<Box<str>, Entry> {
    let mut changed = SortedMap::new();
    for key in keys(patch) {
        let mut entry = before(key).unwrap_or_default();
        if entry.version < author.version && entry.take(key, patch, author) {
            changed.insert(key.into(), entry);
        }
    }
    changed
}

impl Entry {
    /// Whether there is nothing to be shown: all that was written was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.leaves.iter().all(|leaf| leaf.value.is_none())
    }

    fn is_base_of(&self, write: &Write<'_>) -> bool {
        match &write.base {
            None => true,
            Some(base) if base.after.is_some() => base.after == self.writer,
            Some(base) => base.version == self.version,
        }
    }

    // Takes the writes of one key, and says whether any of them stands.
    fn take(&mut self, key: &str, patch: &Patch<'_>, author: Author<'_>) -> bool {
        let writes = || (0..).zip(&patch.writes).filter(|(_, write)| write.key == key);
        let newest = self.leaves.iter().map(|leaf| leaf.mark.stamp).max();
        let mut stamp = author.made.bounded(author.taken_at);
        // One for all writes of the patch, among which the later counts.
        if let (true, Some(newest)) = (writes().any(|(_, write)| write.base.is_some()), newest) {
            stamp = stamp.max(Stamp(newest.0.saturating_add(1)));
        }
        let mut stands = false;
        for (at, write) in writes() {
            let mark = Mark { stamp, made: author.made, page: author.page, at };
            stands |= self.write(&write.path, mark, write.value);
        }
        if stands {
            self.version = author.version;
            self.writer = Some(author.id.clone());
        }
        stands
    }

    // Whether the write stands.
    fn write(&mut self, path: &[&str], mark: Mark, value: Option<&[u8]>) -> bool {
        let is_later = |at: usize| self.leaves.get(at).is_some_and(|leaf| leaf.mark >= mark);
        if (0..=path.len()).any(|depth| self.find(&path[..depth]).is_ok_and(is_later)) {
            return false;
        }
        // What is below follows in one run.
        let from = self.find(path).unwrap_or_else(|at| at);
        let rest = self.leaves.split_off(from);
        let value = value.map(|value| value.to_vec().into());
        let names = path.iter().map(|name| (*name).into()).collect();
        self.leaves.push(Leaf { path: names, mark, value });
        self.leaves
            .extend(rest.into_iter().filter(|leaf| !is_below(leaf, path) || leaf.mark > mark));
        true
    }

    fn find(&self, path: &[&str]) -> Result<usize, usize> {
        self.leaves
            .binary_search_by(|leaf| leaf.path.iter().map(|name| &**name).cmp(path.iter().copied()))
    }
}

fn is_below(leaf: &Leaf, path: &[&str]) -> bool {
    let same = leaf.path.iter().zip(path).all(|(name, other)| **name == **other);
    same && leaf.path.len() >= path.len()
}

#[cfg(test)]
mod tests;
