//! From rows to a running coordinator. Total: no row can stop it.

use std::collections::VecDeque;

use super::Coordinator;
use super::asks::Asks;
use super::housekeeping::Housekeeping;
use super::reader::Reader;
use super::roster::Roster;
use super::tokens::Tokens;
use crate::base::{Now, SortedMap};
use crate::outbox::{Outbox, OutboxRows};
use crate::rows::{Config, LeaseRow, read};
use crate::state::State;

/// What the transaction of a boot has read, and the lease that it wrote.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The lease in force, which is ours.
    pub lease: LeaseRow,
    /// The channel's configuration, if there is one.
    pub config: Option<Vec<u8>>,
    /// The outbox's rows.
    pub outbox: OutboxRows,
}

impl Coordinator {
    /// Resumes from what the disk says. `seed` is fresh entropy.
    #[must_use]
    pub fn restore(now: Now, restored: &Restored, seed: u64) -> Self {
        let Restored { lease, config, outbox } = restored;
        let config = config.as_deref().and_then(|bytes| read::<Config>(bytes).ok());
        let configured = config.is_some();
        let config = config.unwrap_or_default();
        let config = Config { options: config.options.clone().bounded(), ..config };
        let (wiping, served) = (config.wiping.clone(), config.is_served());
        let mut coordinator = Self {
            realm: lease.holder,
            kind: lease.kind,
            build: lease.build.clone(),
            epoch: lease.epoch,
            outbox: Outbox::restore(now, outbox, config, lease.epoch, &lease.build, seed),
            state: State::new(served, seed.rotate_left(1)),
            configured,
            roster: Roster::default(),
            reader: Reader::new(),
            asks: Asks::default(),
            housekeeping: Housekeeping::default(),
            tokens: Tokens::default(),
            pulls: SortedMap::new(),
            appends: SortedMap::new(),
            unsaved: None,
            untold: VecDeque::new(),
            told: None,
            filed: outbox.answered,
            filing: SortedMap::new(),
            sync_asked: None,
            rebirth: None,
            changes: VecDeque::new(),
            wiper: None,
            tape: None,
            fenced: false,
            lost: false,
            dropped: 0,
            effects: VecDeque::new(),
        };
        if let Some(wiping) = wiping {
            coordinator.resume_wipe(now, wiping);
        }
        coordinator.settle(now);
        // Of a wipe nothing is recorded: recordings are a part of what goes.
        if coordinator.wiper.is_none() {
            coordinator.begin_tape(now, restored, seed);
        }
        coordinator
    }
}
