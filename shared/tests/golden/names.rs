//! Short names for what has long ones: hashes, lives of streams, lives of logs.

use bellwether_shared::base::{Incarnation, LogEpoch};

/// Gives each value a name when it is first told of.
#[derive(Debug, Default)]
pub(crate) struct Names {
    hashes: Vec<[u8; 32]>,
    lives: Vec<Incarnation>,
    logs: Vec<LogEpoch>,
}

impl Names {
    pub(crate) fn hash(&mut self, hash: [u8; 32]) -> String {
        format!("h{}", place(&mut self.hashes, hash))
    }

    pub(crate) fn life(&mut self, life: Incarnation) -> String {
        format!("life {}", place(&mut self.lives, life) + 1)
    }

    pub(crate) fn log(&mut self, log: LogEpoch) -> String {
        if log == LogEpoch::default() {
            return "no log".to_owned();
        }
        format!("log {}", place(&mut self.logs, log) + 1)
    }
}

fn place<T: PartialEq>(known: &mut Vec<T>, value: T) -> usize {
    known.iter().position(|known| *known == value).unwrap_or_else(|| {
        known.push(value);
        known.len() - 1
    })
}
