//! What the app is told.

use bellwether_shared::base::{Epoch, Fault, LogEpoch, PageId, Wall};
use bellwether_shared::bus::{self, Breaker, Sync};
use bellwether_shared::rows::Reason;
use bellwether_shared::state::Clash;

/// Where the coordinator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Host {
    /// None has answered yet.
    #[default]
    Starting,
    /// In the service worker.
    ServiceWorker,
    /// In a page, which was elected over Web Locks.
    WebLocks,
}

impl Host {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::ServiceWorker => "service-worker",
            Self::WebLocks => "web-locks",
        }
    }
}

/// How things stand, as far as this page knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Where the coordinator runs.
    pub host: Host,
    /// Why no better host could be had; empty if there is nothing to say.
    pub host_reason: Box<str>,
    /// Which coordinator.
    pub epoch: Epoch,
    /// How it stands with delivery.
    pub sync: Sync,
    /// Why delivery stands still, or why the server was not reached; empty where nothing is wrong.
    pub reason: Box<str>,
    /// Whether the server answered the last time it was asked; absent before the first time.
    pub reachable: Option<bool>,
    /// Whether the browser says that there is a network.
    pub online: bool,
    /// Pages present.
    pub pages: u32,
    /// Events on this device that the server has not answered.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// Outcomes that this device has filed, in all.
    pub answered: u64,
    /// When delivery is tried next.
    pub next_attempt_at: Option<Wall>,
    /// Whether the app has paused delivery.
    pub paused: bool,
    /// Whether the server is being spared after failures in a row.
    pub breaker: Breaker,
    /// Whether of all pages this is the one that does what one has to do.
    pub leads: bool,
    /// The coordinator's build; empty until one has answered.
    pub host_build: Box<str>,
}

impl Status {
    pub(crate) fn take(&mut self, me: PageId, epoch: Epoch, build: Box<str>, told: &bus::Status) {
        self.leads = told.pump == Some(me);
        self.host = match told.host {
            bellwether_shared::rows::HostKind::Worker => Host::ServiceWorker,
            bellwether_shared::rows::HostKind::Page => Host::WebLocks,
        };
        if self.host == Host::ServiceWorker {
            self.host_reason = "".into();
        }
        self.epoch = epoch;
        self.sync = told.sync;
        self.reason.clone_from(&told.reason);
        self.reachable = told.reachable;
        self.pages = told.pages;
        self.pending = told.pending;
        self.dead = told.dead;
        self.answered = told.answered;
        self.next_attempt_at = told.next_attempt_at;
        self.paused = told.paused;
        self.breaker = told.breaker.unwrap_or_default();
        self.host_build = build;
    }
}

/// How a change has come to this page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was made here.
    Local = 0,
    /// Another page has told of it.
    Page = 1,
    /// The coordinator has heard of it, or the disk has it.
    Server = 2,
}

/// Something the app may want to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A coordinator has answered for the first time.
    Ready,
    /// Something about [`Status`] has changed.
    Status(Status),
    /// An event was buried.
    DeadLetter {
        /// Which.
        id: Box<str>,
        /// Its type.
        type_: Box<str>,
        /// Why.
        reason: Reason,
        /// Tries it had spent.
        tries: u32,
    },
    /// Something that was thought safe is gone.
    StateLost {
        /// `server-log` or `database`.
        what: Box<str>,
        /// The session it concerns; empty for the database.
        session: Box<str>,
        /// The life of the server's log before.
        from: Option<LogEpoch>,
        /// Its present life.
        to: Option<LogEpoch>,
    },
    /// Keys of the session's document have another value.
    State {
        /// Which; none where a write waits for a resolver, and all looks as before.
        keys: Vec<Box<str>>,
        /// The page that wrote, if that is known.
        source: PageId,
        /// How it came.
        origin: Origin,
        /// How far the session's log is known.
        version: u64,
    },
    /// This device and another have written without knowing of one another.
    Clash(Clash),
    /// Page and coordinator are of builds too far apart.
    ReloadNeeded(Box<str>),
    /// Something went wrong that the developer should know.
    Trouble(Fault),
    /// A message passed, by name; only with [`Options::debug`](crate::Options::debug).
    Message {
        /// Whether this page sent it.
        out: bool,
        /// What it is.
        name: &'static str,
    },
}
