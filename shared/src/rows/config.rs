//! The channel's configuration: all that a worker woken without a page needs to go on (HOST-3).

use minicbor::{Decode, Encode};

use super::ROW_VERSION;
use crate::base::limits;

/// What happens when the dead letters reach their cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Overflow {
    /// Nothing is dropped; the queue stops and says `blocked`.
    #[default]
    #[n(0)]
    Block,
    /// The oldest goes, and is reported.
    #[n(1)]
    DropOldest,
}

/// Options of the outbox, as the app set them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Options {
    /// Tries of one event.
    #[n(0)]
    pub tries_max: u32,
    /// First delay after a failure.
    #[n(1)]
    pub base_delay_ms: u32,
    /// Longest delay after a failure.
    #[n(2)]
    pub max_delay_ms: u32,
    /// Events in one batch.
    #[n(3)]
    pub batch_events: u32,
    /// Dead letters kept.
    #[n(5)]
    pub dead_max: u32,
    /// What happens beyond that.
    #[n(6)]
    pub overflow: Overflow,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tries_max: limits::TRIES_MAX,
            base_delay_ms: limits::DELAY_MS_BASE,
            max_delay_ms: limits::DELAY_MS_MAX,
            batch_events: limits::BATCH_EVENTS_MAX as u32,
            dead_max: limits::DEAD_LETTERS_MAX,
            overflow: Overflow::default(),
        }
    }
}

impl Options {
    /// The same with every value within its bounds: rows and messages may say anything.
    #[must_use]
    pub fn bounded(self) -> Self {
        let base_delay_ms = self.base_delay_ms.clamp(1, limits::RETRY_AFTER_MS_MAX);
        Self {
            tries_max: self.tries_max.max(1),
            base_delay_ms,
            max_delay_ms: self.max_delay_ms.clamp(base_delay_ms, limits::RETRY_AFTER_MS_MAX),
            batch_events: self.batch_events.clamp(1, limits::BATCH_EVENTS_MAX as u32),
            dead_max: self.dead_max.max(1),
            overflow: self.overflow,
        }
    }
}

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Config {
    /// Version of the row.
    #[n(0)]
    pub version: u16,
    /// Base URL of the sync server; empty where there is none.
    #[n(1)]
    pub server: Box<str>,
    /// Options of the outbox.
    #[n(2)]
    pub options: Options,
    /// Whether the app has paused delivery.
    #[n(3)]
    pub paused: bool,
    /// Build id of the page that set this.
    #[n(4)]
    pub build: Box<str>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: ROW_VERSION,
            server: "".into(),
            options: Options::default(),
            paused: false,
            build: "".into(),
        }
    }
}
