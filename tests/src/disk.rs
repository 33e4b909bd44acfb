//! A database in memory with a browser's rules.
//!
//! What always holds:
//! - transactions that touch a store in common, one of them writing, run in the order of asking; the others in any;
//! - a transaction is written whole or not at all, and later than it was asked for: whoever dies in between finds it
//!   either not written, or written and never reported;
//! - a batch under another epoch than the lease's, or of another holder, writes nothing;
//! - the key generator goes back only with an aborted transaction, never with a deletion;
//! - after a power cut there is a beginning of what was committed, with everything up to the last strict commit.
//!
//! Not here: who asks, and what becomes of a handle that has died (`handle`).

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bellwether_shared::base::{Epoch, PageId};
use bellwether_shared::rows::{Key, LEASE_HOST, LeaseRow, Op, Store, WriteBatch, read};

use crate::choice::Chooser;
use crate::fault::Planted;
use crate::transcript::Digest;

/// One database. A clone is a copied browser profile.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    tables: Tables,
    /// Commits that a power cut may undo, in order.
    relaxed: Vec<Vec<Before>>,
    /// Transactions that have begun and not ended, in order.
    begun: Vec<(Tx, PageId, Scope)>,
    last_tx: u64,
    /// Counts the databases of this name: one more with each that was deleted.
    pub life: u32,
    /// Who has booted last.
    pub host: Option<PageId>,
    /// The device's key pair, which no row can hold.
    pub pair: Option<Arc<Ed25519KeyPair>>,
    /// What befalls the next transactions that write, the last first.
    pub troubles: Vec<DiskFault>,
    /// What befalls the next ones that only read.
    pub read_troubles: Vec<DiskFault>,
    /// Beyond this many rows there is no room.
    pub rows_max: Option<usize>,
    /// This many transactions that write fail for want of room.
    pub failing: u32,
    /// Transactions that were refused so far.
    pub refused: u64,
    /// Faults planted on purpose.
    pub planted: Planted,
}

/// A transaction that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tx(u64);

/// What a transaction touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    stores: u16,
    writes: bool,
}

/// A row as it was before a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Where.
    pub store: Store,
    /// Under which key.
    pub key: Key,
    /// The row; `None` if there was none.
    pub row: Option<Vec<u8>>,
    last_position: u64,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    rows: [BTreeMap<Key, Vec<u8>>; Store::ALL.len()],
    last_position: u64,
}

/// Why a transaction was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// The lease names another epoch, or another holder.
    Fenced {
        /// Which.
        found: Epoch,
    },
    /// There is no room.
    Quota,
    /// It was aborted, and nothing says why.
    Aborted,
    /// The browser's database process has gone.
    Unknown,
    /// The connection was closed by the browser.
    Closed,
    /// The database does not open in time: something stands in the way.
    Blocked,
}

impl DiskFault {
    /// Whether another handle may do better, as the shipped connection judges.
    #[must_use]
    pub fn is_of_handle(self) -> bool {
        matches!(self, Self::Aborted | Self::Unknown | Self::Closed)
    }
}

impl Scope {
    /// Reads these.
    #[must_use]
    pub fn reading(stores: &[Store]) -> Self {
        let stores = stores.iter().fold(0, |mask, store| mask | 1 << *store as u16);
        Self { stores, writes: false }
    }

    /// Reads and writes these.
    #[must_use]
    pub fn writing(stores: &[Store]) -> Self {
        Self { writes: true, ..Self::reading(stores) }
    }

    /// Writes what a batch says, under the lease.
    #[must_use]
    pub fn of(batch: &WriteBatch) -> Self {
        let ops = batch.ops.iter().map(|op| 1 << op.store() as u16);
        Self { stores: ops.fold(1 << Store::Lease as u16, |mask, bit| mask | bit), writes: true }
    }

    fn waits_for(self, other: Self) -> bool {
        self.stores & other.stores != 0 && (self.writes || other.writes)
    }
}

impl Disk {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // Transactions

    /// A transaction begins.
    pub fn begin(&mut self, owner: PageId, scope: Scope) -> Tx {
        self.last_tx += 1;
        let tx = Tx(self.last_tx);
        self.begun.push((tx, owner, scope));
        tx
    }

    /// Whether nothing that has begun before stands in its way.
    #[must_use]
    pub fn may_run(&self, tx: Tx) -> bool {
        let Some(at) = self.begun.iter().position(|(begun, _, _)| *begun == tx) else {
            return true;
        };
        let scope = self.begun[at].2;
        self.planted.commits_overtake
            || !self.begun[..at].iter().any(|(_, _, before)| scope.waits_for(*before))
    }

    /// It has been written, or was aborted.
    pub fn end(&mut self, tx: Tx) {
        self.begun.retain(|(begun, _, _)| *begun != tx);
    }

    /// A realm dies: its transactions are aborted.
    pub fn dies(&mut self, owner: PageId) {
        self.begun.retain(|(_, of, _)| *of != owner);
    }

    /// A page appends to the journal; gives what was there before.
    ///
    /// # Errors
    /// Any [`DiskFault`]; nothing was written.
    pub fn append(&mut self, rows: Vec<Vec<u8>>, strict: bool) -> Result<Vec<Before>, DiskFault> {
        let ops: Vec<Op> = rows.into_iter().map(|row| Op::Append { row }).collect();
        self.write(&ops, strict)
    }

    /// The coordinator commits; gives what was there before.
    ///
    /// # Errors
    /// Any [`DiskFault`]; nothing was written.
    pub fn commit(&mut self, batch: &WriteBatch) -> Result<Vec<Before>, DiskFault> {
        let (found, holder) = self.lease();
        let other = holder != batch.holder && !self.planted.no_holder_check;
        if (other || found != batch.epoch) && !self.planted.no_epoch_check {
            return Err(DiskFault::Fenced { found });
        }
        self.write(&batch.ops, batch.strict)
    }

    /// The transaction of a boot: whatever the lease says, it is written.
    ///
    /// # Errors
    /// Any [`DiskFault`]; nothing was written.
    pub fn boot(&mut self, realm: PageId, lease: Op) -> Result<(), DiskFault> {
        self.write(&[lease], false)?;
        self.host = Some(realm);
        Ok(())
    }

    /// Writes whatever the lease says.
    ///
    /// # Errors
    /// Any [`DiskFault`]; nothing was written.
    pub fn write(&mut self, ops: &[Op], strict: bool) -> Result<Vec<Before>, DiskFault> {
        if let Some(fault) = self.trouble() {
            if self.planted.half_written {
                return Ok(self.apply(&ops[..ops.len() / 2]));
            }
            self.refused += 1;
            return if self.planted.aborts_unseen { Ok(Vec::new()) } else { Err(fault) };
        }
        let before = self.apply(ops);
        let rows: usize = self.tables.rows.iter().map(BTreeMap::len).sum();
        let grown = before.iter().any(|before| before.row.is_none());
        if grown && self.rows_max.is_some_and(|most| rows > most) {
            before.iter().rev().for_each(|before| self.tables.undo(before));
            self.refused += 1;
            return Err(DiskFault::Quota);
        }
        if strict {
            self.relaxed.clear();
        } else {
            self.relaxed.push(before.clone());
        }
        Ok(before)
    }

    fn trouble(&mut self) -> Option<DiskFault> {
        if self.failing > 0 {
            self.failing -= 1;
            return Some(DiskFault::Quota);
        }
        self.troubles.pop()
    }

    /// What befalls a transaction that reads.
    pub fn read_trouble(&mut self) -> Option<DiskFault> {
        self.read_troubles.pop()
    }

    fn apply(&mut self, ops: &[Op]) -> Vec<Before> {
        let mut before = Vec::with_capacity(ops.len());
        let planted = self.planted;
        ops.iter().for_each(|op| self.tables.apply(op, planted, &mut before));
        before
    }

    // What happens to it

    /// The power fails, and comes back: some of the relaxed commits since the last strict one are gone.
    pub fn power_cut(&mut self, chooser: &mut Chooser) {
        let lost = chooser.below(self.relaxed.len() as u64 + 1) as usize;
        for before in self.relaxed.drain(..).rev().take(lost).flat_map(|it| it.into_iter().rev()) {
            self.tables.undo(&before);
        }
        self.begun.clear();
    }

    /// A copy of what is there; nobody has it open.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { begun: Vec::new(), host: None, ..self.clone() }
    }

    /// The database is deleted, and made anew at the next opening.
    pub fn evict(&mut self) {
        let (life, planted) = (self.life + 1, self.planted);
        *self = Self { life, planted, last_tx: self.last_tx, ..Self::default() };
    }

    /// Writes a row outside of any rule, as a fault or as the beginning of a story.
    pub fn put(&mut self, store: Store, key: Key, row: Vec<u8>) {
        if let (Store::Journal, Key::Number(position)) = (store, &key) {
            self.tables.last_position = self.tables.last_position.max(*position);
        }
        self.tables.rows[store as usize].insert(key, row);
    }

    // What is there

    /// The epoch of the lease; 0 if nobody has ever hosted.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.lease().0
    }

    /// The epoch and the holder of the lease; zeros if nobody has ever hosted.
    #[must_use]
    pub fn lease(&self) -> (Epoch, PageId) {
        let lease = self.get(Store::Lease, &Key::from(LEASE_HOST));
        let lease = lease.and_then(|row| read::<LeaseRow>(row).ok());
        lease.map_or_else(Default::default, |lease| (lease.epoch, lease.holder))
    }

    /// One row.
    #[must_use]
    pub fn get(&self, store: Store, key: &Key) -> Option<&[u8]> {
        self.tables.rows[store as usize].get(key).map(Vec::as_slice)
    }

    /// All rows of a store.
    pub fn rows(&self, store: Store) -> impl DoubleEndedIterator<Item = (&Key, &Vec<u8>)> {
        self.tables.rows[store as usize].iter()
    }

    /// How many rows a store has.
    #[must_use]
    pub fn count(&self, store: Store) -> usize {
        self.tables.rows[store as usize].len()
    }

    /// Rows with numbers greater than `after`, at most `limit`.
    #[must_use]
    pub fn numbered(&self, store: Store, after: u64, limit: u32) -> Vec<(u64, Vec<u8>)> {
        let span = Key::Number(after + 1)..=Key::Number(u64::MAX);
        let rows = self.tables.rows[store as usize].range(span);
        let numbered = rows.filter_map(|(key, row)| match key {
            Key::Number(number) => Some((*number, row.clone())),
            Key::Text(_) => None,
        });
        numbered.take(limit as usize).collect()
    }

    /// Rows whose keys are texts that begin with this.
    #[must_use]
    pub fn named(&self, store: Store, prefix: &str) -> Vec<(Key, Vec<u8>)> {
        let rows = self.tables.rows[store as usize].iter();
        let begins = |(key, _): &(&Key, &Vec<u8>)| matches!(key, Key::Text(text) if text.starts_with(prefix));
        rows.filter(begins).map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    /// The last position that was given.
    #[must_use]
    pub fn last_position(&self) -> u64 {
        self.tables.last_position
    }

    /// The public half of the key pair.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.as_ref().map(|pair| pair.public_key().as_ref().to_vec()).unwrap_or_default()
    }
}

impl Disk {
    /// Adds everything on which the rest of a story depends.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self {
            tables,
            relaxed,
            begun,
            last_tx,
            life,
            host,
            pair: _,
            troubles,
            read_troubles,
            rows_max,
            failing,
            refused,
            planted: _,
        } = self;
        for (store, rows) in tables.rows.iter().enumerate() {
            for (key, row) in rows {
                digest.add(&(store, key));
                digest.bytes(row);
            }
        }
        digest.add(&(tables.last_position, begun, last_tx, life, host));
        digest.add(&(relaxed, troubles, read_troubles, rows_max, failing, refused));
    }
}

impl Tables {
    fn apply(&mut self, op: &Op, planted: Planted, before: &mut Vec<Before>) {
        match op {
            Op::Put { store, key, row } => self.put(*store, key.clone(), row.clone(), before),
            Op::Append { row } => {
                let mut position = self.last_position + 1;
                if planted.positions_reused {
                    let last = self.rows[Store::Journal as usize].last_key_value();
                    position = match last {
                        Some((Key::Number(last), _)) => last + 1,
                        Some((Key::Text(_), _)) | None => 1,
                    };
                }
                self.put(Store::Journal, Key::Number(position), row.clone(), before);
                self.last_position = self.last_position.max(position);
            }
            Op::Delete { store, key } => self.delete(*store, key.clone(), before),
            Op::DeleteSpan { store, from, through } => {
                let far = u64::from(planted.spans_too_far);
                let span = Key::Number(*from)..=Key::Number(through + far);
                // IndexedDB refuses a range that is the wrong way round; the driver leaves it out.
                if from <= through {
                    let gone: Vec<Key> = self.rows[*store as usize]
                        .range(span)
                        .map(|(key, _)| key.clone())
                        .collect();
                    gone.into_iter().for_each(|key| self.delete(*store, key, before));
                }
            }
        }
    }

    fn put(&mut self, store: Store, key: Key, row: Vec<u8>, before: &mut Vec<Before>) {
        let last_position = self.last_position;
        let old = self.rows[store as usize].insert(key.clone(), row);
        before.push(Before { store, key, row: old, last_position });
    }

    fn delete(&mut self, store: Store, key: Key, before: &mut Vec<Before>) {
        let last_position = self.last_position;
        if let Some(old) = self.rows[store as usize].remove(&key) {
            before.push(Before { store, key, row: Some(old), last_position });
        }
    }

    fn undo(&mut self, before: &Before) {
        let rows = &mut self.rows[before.store as usize];
        match &before.row {
            Some(row) => drop(rows.insert(before.key.clone(), row.clone())),
            None => drop(rows.remove(&before.key)),
        }
        self.last_position = before.last_position;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PageId = PageId([1; 16]);
    const BEN: PageId = PageId([2; 16]);

    fn append(disk: &mut Disk, text: &str, strict: bool) {
        disk.append(vec![text.as_bytes().to_vec()], strict).expect("there is room");
    }

    fn delete(disk: &mut Disk, through: u64) {
        let ops = vec![Op::DeleteSpan { store: Store::Journal, from: 0, through }];
        disk.commit(&WriteBatch { strict: false, ..batch(Epoch(0), ops) }).expect("there is room");
    }

    fn batch(epoch: Epoch, ops: Vec<Op>) -> WriteBatch {
        WriteBatch { epoch, holder: PageId::default(), strict: true, ops }
    }

    fn journal(disk: &Disk) -> Vec<(u64, String)> {
        let rows = disk.numbered(Store::Journal, 0, u32::MAX).into_iter();
        rows.map(|(at, row)| (at, String::from_utf8_lossy(&row).into_owned())).collect()
    }

    #[test]
    fn a_power_cut_loses_only_relaxed_commits_and_only_from_the_end() {
        for seed in 0..20 {
            let mut disk = Disk::new();
            for (text, strict) in [("a", false), ("b", true), ("c", false), ("d", false)] {
                append(&mut disk, text, strict);
            }
            disk.power_cut(&mut Chooser::random(seed));
            let left = journal(&disk);
            assert!(["a", "b", "c", "d"].iter().zip(&left).all(|(wrote, (_, left))| wrote == left));
            assert!((2..=4).contains(&left.len()));
        }
    }

    #[test]
    fn another_epoch_writes_nothing() {
        let mut disk = Disk::new();
        let ops = vec![Op::Append { row: b"x".to_vec() }];
        let fenced = disk.commit(&batch(Epoch(3), ops));
        assert_eq!(fenced, Err(DiskFault::Fenced { found: Epoch(0) }));
        assert_eq!(journal(&disk), []);
    }

    #[test]
    fn positions_are_not_given_again_but_after_an_abort() {
        let mut disk = Disk::new();
        append(&mut disk, "a", true);
        append(&mut disk, "b", true);
        delete(&mut disk, 2);
        disk.rows_max = Some(0);
        let refused = disk.append(vec![b"c".to_vec(), b"d".to_vec()], true);
        assert_eq!(refused, Err(DiskFault::Quota));
        disk.rows_max = None;
        append(&mut disk, "e", true);
        assert_eq!(journal(&disk), [(3, "e".into())]);
    }

    #[test]
    fn a_full_disk_lets_go_of_rows() {
        let mut disk = Disk::new();
        append(&mut disk, "a", true);
        append(&mut disk, "b", true);
        disk.rows_max = Some(1);
        delete(&mut disk, 1);
        assert_eq!(journal(&disk), [(2, "b".into())]);
    }

    #[test]
    fn transactions_wait_only_for_those_they_share_a_store_with() {
        use Store::{Done, Journal, Lease};
        let mut disk = Disk::new();
        let write = disk.begin(ANN, Scope::writing(&[Lease, Journal]));
        let read = disk.begin(BEN, Scope::reading(&[Journal]));
        let also = disk.begin(BEN, Scope::reading(&[Journal]));
        let other = disk.begin(BEN, Scope::reading(&[Done]));
        let last = disk.begin(ANN, Scope::writing(&[Journal]));
        let open = |disk: &Disk| [write, read, also, other, last].map(|tx| disk.may_run(tx));
        assert_eq!(open(&disk), [true, false, false, true, false]);
        disk.end(write);
        assert_eq!(open(&disk)[1..], [true, true, true, false]);
        disk.dies(BEN);
        assert!(disk.may_run(last));
    }
}
