//! A coordinator with a disk in memory and a server that takes everything.
//!
//! What always holds: only the coordinator's own time is counted, not that of the world around it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bellwether_shared::base::{DeviceId, Mono, Now, PageId, Seq, Wall, limits};
use bellwether_shared::coordinator::{Coordinator, Effect, Input, Restored};
use bellwether_shared::outbox::{OutboxRows, Response};
use bellwether_shared::rows::{
    Config, DeviceRow, HostKind, Key, LeaseRow, Op, ROW_VERSION, Store, StreamKey,
};
use bellwether_shared::wire::{CBOR, DeviceKey, KeyKind, Lane, Push, from_cbor, to_cbor};

use crate::core::answer;

pub(crate) struct World {
    coordinator: Coordinator,
    journal: BTreeMap<u64, Vec<u8>>,
    rows: BTreeMap<(Store, Key), Vec<u8>>,
    log_head: Seq,
    now: Now,
    spent: Duration,
}

impl World {
    /// A coordinator that has just booted, with these rows in its journal.
    pub(crate) fn new(rows: Vec<Vec<u8>>) -> Self {
        let now = Now { mono: Mono(1_000), wall: Wall(1_763_600_000_000) };
        let config = Config { server: "http://server".into(), ..Config::default() };
        let restored = Restored {
            lease: LeaseRow::taken(None, PageId([9; 16]), HostKind::Worker, "bench", now.wall),
            config: Some(to_cbor(&config)),
            outbox: OutboxRows::default(),
        };
        Self {
            coordinator: Coordinator::restore(now, &restored, 1),
            journal: (1..).zip(rows).collect(),
            rows: BTreeMap::new(),
            log_head: Seq(0),
            now,
            spent: Duration::ZERO,
        }
    }

    /// Lets it deliver everything; how long it was at work itself.
    pub(crate) fn drain(&mut self) -> Duration {
        let device = DeviceRow {
            version: ROW_VERSION,
            device: DeviceId([1; 16]),
            key: device_key(),
            minted_at: self.now.wall,
        };
        let mut facts = VecDeque::from([Input::Device(device)]);
        loop {
            let fact = facts.pop_front();
            let begun = Instant::now();
            let (ended, effect) = match fact {
                Some(fact) => {
                    self.coordinator.handle(self.now, fact);
                    (false, None)
                }
                None => {
                    let effect = self.coordinator.poll_effect();
                    (effect.is_none(), effect)
                }
            };
            self.spent += begun.elapsed();
            if ended {
                assert!(self.journal.is_empty(), "everything was delivered");
                return self.spent;
            }
            facts.extend(effect.and_then(|effect| self.perform(effect)));
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Commit { ticket, batch } => {
                batch.ops.into_iter().for_each(|op| self.write(op));
                Some(Input::Committed(ticket))
            }
            Effect::Sign { ticket, .. } => {
                Some(Input::Signed { ticket, signature: Some(vec![1; 64]) })
            }
            Effect::Push { ticket, body, .. } => {
                let push: Push = from_cbor(&body, limits::PUSH_BYTES_MAX).expect("it is a push");
                let answer = answer(&push, self.log_head);
                self.log_head = Seq(answer.log_head);
                let response = Response::Http {
                    status: 200,
                    content_type: CBOR.into(),
                    retry_after_ms: None,
                    body: to_cbor(&answer),
                };
                Some(Input::Response { ticket, response })
            }
            Effect::ReadJournal { after, limit } => {
                let beyond = self.journal.range(after + 1..).take(limit as usize);
                let rows: Vec<_> = beyond.map(|(at, row)| (*at, row.clone())).collect();
                Some(Input::Journal { ended: rows.len() < limit as usize, rows })
            }
            Effect::ReadRetained { ticket, .. } => {
                Some(Input::Retained { ticket, rows: Vec::new() })
            }
            Effect::ReadOld { store, .. } => Some(Input::Old { store, rows: Vec::new() }),
            Effect::ListClients => Some(Input::Clients(Vec::new())),
            Effect::Send { .. }
            | Effect::AskForSync
            | Effect::Request { .. }
            | Effect::WantToken { .. }
            | Effect::StartOver => None,
        }
    }

    fn write(&mut self, op: Op) {
        match op {
            Op::Put { store, key, row } => drop(self.rows.insert((store, key), row)),
            Op::Delete { store, key } => drop(self.rows.remove(&(store, key))),
            Op::DeleteSpan { store: Store::Journal, from, through } => {
                self.journal.retain(|at, _| *at < from || *at > through);
            }
            Op::Append { .. } | Op::DeleteSpan { .. } => {}
        }
    }
}

pub(crate) fn stream_key() -> StreamKey {
    StreamKey { session: "board".into(), user: "".into(), lane: Lane::Normal }
}

pub(crate) fn device_key() -> DeviceKey {
    DeviceKey { kind: KeyKind::Ed25519, public: vec![3; 32].into() }
}
