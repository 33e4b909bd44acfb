//! A database in one map.

use std::collections::BTreeMap;

use bellwether_shared::base::{DeviceId, Now, PageId, Wall};
use bellwether_shared::coordinator::Restored;
use bellwether_shared::outbox::OutboxRows;
use bellwether_shared::rows::{
    Config, DeviceRow, HostKind, Key, LeaseRow, META_CONFIG, Op, Options, ROW_VERSION, Store,
};
use bellwether_shared::wire::{DeviceKey, KeyKind, to_cbor};

#[derive(Debug)]
pub(crate) struct Disk {
    rows: BTreeMap<(Store, Key), Vec<u8>>,
    last_position: u64,
    lease: Option<LeaseRow>,
}

impl Disk {
    pub(crate) fn new(options: Options) -> Self {
        let server = "https://server.test".into();
        let config = to_cbor(&Config { server, options, ..Config::default() });
        let rows = BTreeMap::from([((Store::Meta, Key::from(META_CONFIG)), config)]);
        Self { rows, last_position: 0, lease: None }
    }

    pub(crate) fn device() -> DeviceRow {
        let key = DeviceKey { kind: KeyKind::Ed25519, public: vec![1; 32].into() };
        DeviceRow { version: ROW_VERSION, device: DeviceId([2; 16]), key, minted_at: Wall(1) }
    }

    /// The transaction of a boot.
    pub(crate) fn boot(&mut self, now: Now) -> Restored {
        let kind = HostKind::Worker;
        let lease = LeaseRow::taken(self.lease.as_ref(), WORKER, kind, "test", now.wall);
        self.lease = Some(lease.clone());
        let outbox = OutboxRows {
            streams: self.all(Store::Stream).into_iter().map(|(_, row)| row).collect(),
            flights: self.all(Store::Flight).into_iter().map(|(_, row)| row).collect(),
            cursors: self.all(Store::Cursor).into_iter().map(|(_, row)| row).collect(),
            dead: self.all(Store::Dead),
            answered: self.after(Store::Done, 0, u32::MAX).0.last().map_or(0, |(key, _)| *key),
        };
        let config = self.rows.get(&(Store::Meta, Key::from(META_CONFIG))).cloned();
        Restored { lease, config, outbox }
    }

    pub(crate) fn append(&mut self, row: Vec<u8>) -> u64 {
        self.last_position += 1;
        self.rows.insert((Store::Journal, Key::Number(self.last_position)), row);
        self.last_position
    }

    pub(crate) fn write(&mut self, op: Op) {
        match op {
            Op::Put { store, key, row } => drop(self.rows.insert((store, key), row)),
            Op::Append { row } => drop(self.append(row)),
            Op::Delete { store, key } => drop(self.rows.remove(&(store, key))),
            Op::DeleteSpan { store, from, through } => {
                let span = Key::Number(from)..=Key::Number(through);
                self.rows.retain(|(of, key), _| *of != store || !span.contains(key));
            }
        }
    }

    /// Rows of numbers after this one, and whether there are none after them.
    pub(crate) fn after(
        &self,
        store: Store,
        after: u64,
        limit: u32,
    ) -> (Vec<(u64, Vec<u8>)>, bool) {
        let number = |(key, row)| match key {
            Key::Number(number) if number > after => Some((number, row)),
            Key::Number(_) | Key::Text(_) => None,
        };
        let mut rows = self.all(store).into_iter().filter_map(number);
        let page = rows.by_ref().take(limit as usize).collect();
        (page, rows.next().is_none())
    }

    fn all(&self, store: Store) -> Vec<(Key, Vec<u8>)> {
        let of_store = self.rows.iter().filter(|((of, _), _)| *of == store);
        of_store.map(|((_, key), row)| (key.clone(), row.clone())).collect()
    }
}

const WORKER: PageId = PageId([9; 16]);
