//! A database in one map, with the rows of a fresh device.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_shared::base::{DeviceId, Now, PageId, Wall};
use bellwether_shared::coordinator::{Coordinator, Restored};
use bellwether_shared::outbox::OutboxRows;
use bellwether_shared::rows::{
    Config, DeviceRow, HostKind, Key, LeaseRow, Op, Options, ROW_VERSION, Store,
};
use bellwether_shared::wire::{DeviceKey, KeyKind, to_cbor};

pub(super) struct Disk {
    rows: BTreeMap<(Store, Key), Vec<u8>>,
    last_position: u64,
    lease: Option<LeaseRow>,
}

impl Disk {
    pub(super) fn new(options: Options) -> Self {
        let server = "https://server.test".into();
        let config = to_cbor(&Config { server, options, ..Config::default() });
        let rows = BTreeMap::from([((Store::Meta, Key::from("config")), config)]);
        Self { rows, last_position: 0, lease: None }
    }

    pub(super) fn device(&self) -> DeviceRow {
        let key = DeviceKey { kind: KeyKind::Ed25519, public: vec![1; 32].into() };
        DeviceRow { version: ROW_VERSION, device: DeviceId([2; 16]), key, minted_at: Wall(1) }
    }

    /// The transaction of a boot.
    pub(super) fn boot(&mut self, now: Now) -> Coordinator {
        let holder = PageId([1; 16]);
        let lease =
            LeaseRow::taken(self.lease.as_ref(), holder, HostKind::Worker, "test", now.wall);
        self.lease = Some(lease.clone());
        let seed = lease.epoch.0;
        let outbox = OutboxRows {
            streams: self.all(Store::Stream).map(|(_, row)| row.clone()).collect(),
            flights: self.all(Store::Flight).map(|(_, row)| row.clone()).collect(),
            cursors: self.all(Store::Cursor).map(|(_, row)| row.clone()).collect(),
            dead: self.all(Store::Dead).map(|(key, row)| (key.clone(), row.clone())).collect(),
            answered: self.numbered(Store::Done, 0, u32::MAX).last().map_or(0, |(key, _)| *key),
        };
        let config = self.rows.get(&(Store::Meta, Key::from("config"))).cloned();
        Coordinator::restore(now, &Restored { lease, config, outbox }, seed)
    }

    pub(super) fn append(&mut self, row: Vec<u8>) {
        self.last_position += 1;
        self.rows.insert((Store::Journal, Key::Number(self.last_position)), row);
    }

    pub(super) fn write(&mut self, op: Op) {
        match op {
            Op::Put { store, key, row } => drop(self.rows.insert((store, key), row)),
            Op::Append { row } => self.append(row),
            Op::Delete { store, key } => drop(self.rows.remove(&(store, key))),
            Op::DeleteSpan { store, from, through } => {
                let span = Key::Number(from)..=Key::Number(through);
                self.rows.retain(|(of, key), _| *of != store || !span.contains(key));
            }
        }
    }

    pub(super) fn journal_after(&self, after: u64, limit: u32) -> (Vec<(u64, Vec<u8>)>, bool) {
        let rows = self.numbered(Store::Journal, after, limit);
        let last = rows.last().map_or(after, |(key, _)| *key);
        (rows, self.numbered(Store::Journal, last, 1).is_empty())
    }

    pub(super) fn numbered(&self, store: Store, after: u64, limit: u32) -> Vec<(u64, Vec<u8>)> {
        let number = |(key, row): (&Key, &Vec<u8>)| match key {
            Key::Number(number) => (*number > after).then(|| (*number, row.clone())),
            Key::Text(_) => None,
        };
        self.all(store).filter_map(number).take(limit as usize).collect()
    }

    /// Whether a sealed batch that ends in this head is on disk.
    pub(super) fn has_sealed(&self, head: &[u8]) -> bool {
        let holds = |row: &Vec<u8>| row.windows(head.len()).any(|part| part == head);
        self.all(Store::Flight).any(|(_, row)| holds(row))
    }

    pub(super) fn dead_ids(&self) -> BTreeSet<String> {
        let name = |key: &Key| match key {
            Key::Text(name) => name.to_string(),
            Key::Number(number) => number.to_string(),
        };
        self.all(Store::Dead).map(|(key, _)| name(key)).collect()
    }

    pub(super) fn all(&self, store: Store) -> impl Iterator<Item = (&Key, &Vec<u8>)> {
        let of_store = self.rows.iter().filter(move |((of, _), _)| *of == store);
        of_store.map(|((_, key), row)| (key, row))
    }
}
