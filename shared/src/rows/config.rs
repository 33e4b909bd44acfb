//! The channel's configuration: all that a worker woken without a page needs to go on (HOST-3).

use super::ROW_VERSION;
use crate::base::codec::{index, map};
use crate::base::limits;
use crate::rules::breaker::BreakerRow;
use crate::tape::Recording;

/// What happens when the dead letters reach their cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// Nothing is dropped; the queue stops and says `blocked`.
    #[default]
    Block,
    /// The oldest goes, and is reported.
    DropOldest,
}

index!(Overflow { 0: Block, 1: DropOldest });

/// How events leave this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deliver {
    /// In batches, to a server that speaks the protocol.
    #[default]
    Protocol,
    /// Each as the request that it holds, to whatever server that names (OUT-14).
    Requests,
}

index!(Deliver { 0: Protocol, 1: Requests });

/// Options of the outbox, as the app set them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Tries of one event.
    pub tries_max: u32,
    /// First delay after a failure.
    pub base_delay_ms: u32,
    /// Longest delay after a failure.
    pub max_delay_ms: u32,
    /// Events in one batch.
    pub batch_events: u32,
    /// Dead letters kept.
    pub dead_max: u32,
    /// What happens beyond that.
    pub overflow: Overflow,
    /// How events leave; absent: by the protocol.
    pub deliver: Option<Deliver>,
}

map!(Options {
    0: tries_max,
    1: base_delay_ms,
    2: max_delay_ms,
    3: batch_events,
    5: dead_max,
    6: overflow,
    7: deliver,
});

impl Default for Options {
    fn default() -> Self {
        Self {
            tries_max: limits::TRIES_MAX,
            base_delay_ms: limits::DELAY_MS_BASE,
            max_delay_ms: limits::DELAY_MS_MAX,
            batch_events: limits::BATCH_EVENTS_MAX as u32,
            dead_max: limits::DEAD_LETTERS_MAX,
            overflow: Overflow::default(),
            deliver: None,
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
            deliver: self.deliver,
        }
    }
}

/// What is being removed from this device (STATE-13), until it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiping {
    /// This session's alone; absent: every session's.
    pub session: Option<Box<str>>,
    /// This user's alone; absent: every user's.
    pub user: Option<Box<str>>,
    /// Undelivered events and dead letters, too.
    pub undelivered: bool,
    /// The last position of the journal that it is about.
    pub through: u64,
}

map!(Wiping { 0: session, 1: user, 2: undelivered, 3: through });

impl Wiping {
    /// Whether what belongs to these goes.
    #[must_use]
    pub fn covers(&self, session: &str, user: &str) -> bool {
        let is =
            |wiped: &Option<Box<str>>, name: &str| wiped.as_deref().is_none_or(|it| it == name);
        is(&self.session, session) && is(&self.user, user)
    }

    /// Whether everything goes, whosever it is.
    #[must_use]
    pub fn covers_all(&self) -> bool {
        self.session.is_none() && self.user.is_none()
    }
}

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Version of the row.
    pub version: u16,
    /// Base URL of the sync server; empty where there is none.
    pub server: Box<str>,
    /// Options of the outbox.
    pub options: Options,
    /// Whether the app has paused delivery.
    pub paused: bool,
    /// Build id of the page that set this.
    pub build: Box<str>,
    /// Whether each life of the coordinator is recorded, and how much of it.
    pub recording: Option<Recording>,
    /// How the circuit breaker stands; absent while it is closed (OUT-9).
    pub breaker: Option<BreakerRow>,
    /// What is being removed. Whoever finds this goes on with it before anything else.
    pub wiping: Option<Wiping>,
}

map!(Config {
    0: version,
    1: server,
    2: options,
    3: paused,
    4: build,
    5: recording,
    6: breaker,
    7: wiping,
});

impl Config {
    /// Whether there is somewhere to send to, and it is wanted.
    #[must_use]
    pub fn may_send(&self) -> bool {
        !self.paused && self.has_server()
    }

    /// Whether there is somewhere to send to.
    #[must_use]
    pub fn has_server(&self) -> bool {
        self.is_plain() || !self.server.is_empty()
    }

    /// Whether there is a server that speaks the protocol, and so keeps the sessions' documents.
    #[must_use]
    pub fn is_served(&self) -> bool {
        !self.is_plain() && !self.server.is_empty()
    }

    /// Whether events are plain requests.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.options.deliver == Some(Deliver::Requests)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: ROW_VERSION,
            server: "".into(),
            options: Options::default(),
            paused: false,
            build: "".into(),
            recording: None,
            breaker: None,
            wiping: None,
        }
    }
}
