//! A database in memory that behaves as a browser's: atomic, ordered, with a key generator, and with two
//! degrees of completion.
//!
//! What always holds:
//! - a batch under another epoch than the lease's writes nothing;
//! - what a failing transaction would have written is not seen by anybody;
//! - after a power cut there is a beginning of what was committed, with everything up to the last strict commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bellwether_shared::base::Epoch;
use bellwether_shared::rows::{Key, LEASE_HOST, LeaseRow, Op, Store, WriteBatch, read};

use crate::choice::Chooser;

/// One database. A clone is a copied browser profile.
#[derive(Debug, Clone)]
pub struct Disk {
    seen: Tables,
    safe: Tables,
    /// Commits after the safe state, in order.
    relaxed: Vec<Vec<Op>>,
    /// Commits that were reported complete and are not written, if that fault is planted.
    parked: Vec<(Writer, Vec<Op>)>,
    /// The device's key pair, which no row can hold.
    pub pair: Option<Arc<Ed25519KeyPair>>,
    /// This many commits from now on fail.
    pub failing: u32,
    /// The disk does not look at epochs.
    pub no_epoch_check: bool,
    /// Completion is reported early.
    pub complete_early: bool,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    rows: BTreeMap<(Store, Key), Vec<u8>>,
    last_position: u64,
}

/// Who writes, for a fault that is lifted by somebody's death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A page.
    Page,
    /// The worker.
    Worker,
}

/// Why a transaction was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// The lease names another epoch.
    Fenced {
        /// Which.
        found: Epoch,
    },
    /// There is no room.
    Quota,
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seen: Tables::default(),
            safe: Tables::default(),
            relaxed: Vec::new(),
            parked: Vec::new(),
            pair: None,
            failing: 0,
            no_epoch_check: false,
            complete_early: false,
        }
    }

    /// A page appends to the journal; gives the last position.
    ///
    /// # Errors
    /// [`CommitFault::Quota`].
    pub fn append(&mut self, rows: Vec<Vec<u8>>, strict: bool) -> Result<u64, CommitFault> {
        let ops: Vec<Op> = rows.into_iter().map(|row| Op::Append { row }).collect();
        self.write(Writer::Page, ops, strict)?;
        Ok(self.seen.last_position)
    }

    /// The coordinator commits.
    ///
    /// # Errors
    /// Both kinds of [`CommitFault`]; nothing was written.
    pub fn commit(&mut self, batch: &WriteBatch) -> Result<(), CommitFault> {
        let found = self.epoch();
        if found != batch.epoch && !self.no_epoch_check {
            return Err(CommitFault::Fenced { found });
        }
        self.write(Writer::Worker, batch.ops.clone(), batch.strict)
    }

    fn write(&mut self, writer: Writer, ops: Vec<Op>, strict: bool) -> Result<(), CommitFault> {
        if self.failing > 0 {
            self.failing -= 1;
            return Err(CommitFault::Quota);
        }
        if self.complete_early {
            self.parked.push((writer, ops));
            return Ok(());
        }
        self.finish(ops, strict);
        Ok(())
    }

    fn finish(&mut self, ops: Vec<Op>, strict: bool) {
        ops.iter().for_each(|op| self.seen.apply(op));
        self.relaxed.push(ops);
        if strict {
            self.sync();
        }
    }

    /// What was reported early is written now.
    pub fn catch_up(&mut self) {
        for (_, ops) in std::mem::take(&mut self.parked) {
            self.finish(ops, true);
        }
    }

    /// A writer dies: what it was told too early is lost.
    pub fn dies(&mut self, writer: Writer) {
        self.parked.retain(|(of, _)| *of != writer);
    }

    /// Everything committed is safe.
    pub fn sync(&mut self) {
        for op in std::mem::take(&mut self.relaxed).iter().flatten() {
            self.safe.apply(op);
        }
    }

    /// The power fails, and comes back: some of the relaxed commits since the last strict one are gone.
    pub fn power_cut(&mut self, chooser: &mut Chooser) {
        let lost = chooser.below(self.relaxed.len() as u64 + 1) as usize;
        self.relaxed.truncate(self.relaxed.len() - lost);
        self.sync();
        self.parked.clear();
        self.seen = self.safe.clone();
    }

    /// Writes a row outside of any rule, as a fault or as the beginning of a story.
    pub fn put(&mut self, store: Store, key: Key, row: Vec<u8>) {
        if let (Store::Journal, Key::Number(position)) = (store, &key) {
            self.seen.last_position = self.seen.last_position.max(*position);
            self.safe.last_position = self.seen.last_position;
        }
        self.seen.rows.insert((store, key.clone()), row.clone());
        self.safe.rows.insert((store, key), row);
    }

    /// The epoch of the lease; 0 if nobody has ever hosted.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        let lease = self.get(Store::Lease, &Key::from(LEASE_HOST));
        lease.and_then(|row| read::<LeaseRow>(row).ok()).map_or(Epoch(0), |lease| lease.epoch)
    }

    /// One row.
    #[must_use]
    pub fn get(&self, store: Store, key: &Key) -> Option<&[u8]> {
        self.seen.rows.get(&(store, key.clone())).map(Vec::as_slice)
    }

    /// All rows of a store.
    pub fn rows(&self, store: Store) -> impl Iterator<Item = (&Key, &Vec<u8>)> {
        let from = (store, Key::Number(0));
        let here = self.seen.rows.range(from..).take_while(move |((of, _), _)| *of == store);
        here.map(|((_, key), row)| (key, row))
    }

    /// Rows with numbers greater than `after`, at most `limit`.
    #[must_use]
    pub fn numbered(&self, store: Store, after: u64, limit: u32) -> Vec<(u64, Vec<u8>)> {
        let span = (store, Key::Number(after + 1))..=(store, Key::Number(u64::MAX));
        let numbered = self.seen.rows.range(span).filter_map(|((_, key), row)| match key {
            Key::Number(number) => Some((*number, row.clone())),
            Key::Text(_) => None,
        });
        numbered.take(limit as usize).collect()
    }

    /// The public half of the key pair.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.as_ref().map(|pair| pair.public_key().as_ref().to_vec()).unwrap_or_default()
    }
}

impl Tables {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Put { store, key, row } => {
                self.rows.insert((*store, key.clone()), row.clone());
            }
            Op::Append { row } => {
                self.last_position += 1;
                self.rows.insert((Store::Journal, Key::Number(self.last_position)), row.clone());
            }
            Op::Delete { store, key } => {
                self.rows.remove(&(*store, key.clone()));
            }
            Op::DeleteSpan { store, from, through } => {
                let span = (*store, Key::Number(*from))..=(*store, Key::Number(*through));
                let gone: Vec<_> = self.rows.range(span).map(|(key, _)| key.clone()).collect();
                gone.iter().for_each(|key| drop(self.rows.remove(key)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(disk: &mut Disk, text: &str, strict: bool) {
        disk.append(vec![text.as_bytes().to_vec()], strict).expect("there is room");
    }

    fn texts(disk: &Disk) -> Vec<String> {
        let rows = disk.rows(Store::Journal);
        rows.map(|(_, row)| String::from_utf8_lossy(row).into_owned()).collect()
    }

    #[test]
    fn a_power_cut_loses_only_relaxed_commits_and_only_from_the_end() {
        for seed in 0..20 {
            let mut disk = Disk::new();
            for (text, strict) in [("a", false), ("b", true), ("c", false), ("d", false)] {
                append(&mut disk, text, strict);
            }
            disk.power_cut(&mut Chooser::random(seed));
            let left = texts(&disk);
            assert!(["a", "b", "c", "d"].iter().zip(&left).all(|(wrote, left)| wrote == left));
            assert!((2..=4).contains(&left.len()));
        }
    }

    #[test]
    fn another_epoch_writes_nothing() {
        let mut disk = Disk::new();
        let ops = vec![Op::Append { row: b"x".to_vec() }];
        let fenced = disk.commit(&WriteBatch { epoch: Epoch(3), strict: true, ops });
        assert_eq!(fenced, Err(CommitFault::Fenced { found: Epoch(0) }));
        assert_eq!(texts(&disk), Vec::<String>::new());
    }
}
