//! Forgets outcomes and acknowledged events that have reached their age. Their number is bounded where they are
//! written; this is for a device that sends little.

use core::time::Duration;
use std::collections::VecDeque;

use super::effect::Effect;
use crate::base::{Now, Wall, limits};
use crate::outbox::Outbox;
use crate::rows::{DoneRow, RetainedRow, Store, read};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Housekeeping {
    /// Stores that were looked at in this life.
    looked: usize,
    looking: bool,
}

impl Housekeeping {
    /// Looks once in each life, after something was answered.
    pub(super) fn go(&mut self, outbox: &Outbox, effects: &mut VecDeque<Effect>) {
        if self.looking || !outbox.has_answered() {
            return;
        }
        if let Some(store) = STORES.get(self.looked) {
            self.looking = true;
            effects.push_back(Effect::ReadOld { store: *store, limit: LOOK_ROWS_MAX });
        }
    }

    pub(super) fn on_old(
        &mut self,
        now: Now,
        store: Store,
        rows: &[(u64, Vec<u8>)],
        outbox: &mut Outbox,
    ) {
        self.looking = false;
        let old = rows.iter().take_while(|(_, bytes)| is_old(store, bytes, now.wall)).count();
        if let Some((through, _)) = old.checked_sub(1).and_then(|last| rows.get(last)) {
            outbox.trim(store, *through);
        }
        if old < LOOK_ROWS_MAX as usize {
            self.looked += 1;
        }
    }
}

fn is_old(store: Store, bytes: &[u8], now: Wall) -> bool {
    let (at, age_ms) = if store == Store::Done {
        (read::<DoneRow>(bytes).map(|row| row.at), limits::DONE_AGE_MS_MAX)
    } else {
        (read::<RetainedRow>(bytes).map(|row| row.at), limits::RETAINED_AGE_MS_MAX)
    };
    at.is_ok_and(|at| now.since(at) > Duration::from_millis(age_ms))
}

const STORES: [Store; 2] = [Store::Retained, Store::Done];
const LOOK_ROWS_MAX: u32 = 64;
