//! How a page wants to be connected.

use core::fmt;
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{Culprit, Fault, joined, limits};
use bellwether_shared::bus::{Hello, Identity};
use bellwether_shared::rows;
use bellwether_web::link;
use futures::future::LocalBoxFuture;

/// Which worker hosts the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WorkerChoice {
    /// The scope's own worker if it speaks Bellwether, else the stock script at the origin's root.
    #[default]
    Auto,
    /// The worker at this address.
    At(Box<str>),
    /// None.
    Off,
}

/// Gives the token for an identity, or none if there is none to be had.
pub type Token = Rc<dyn Fn(&Identity) -> LocalBoxFuture<'static, Option<Box<str>>>>;

/// Options of [`Bellwether::connect`](crate::Bellwether::connect).
#[derive(Clone)]
pub struct Options {
    /// Names database and worker messages: one runtime per channel. Default `default`.
    pub channel: Box<str>,
    /// The session on the server. Default: the channel.
    pub session: Option<Box<str>>,
    /// Whose events these are; empty for nobody in particular.
    pub user: Box<str>,
    /// Base URL of the sync server; empty: this browser only.
    pub server: Box<str>,
    /// Which worker hosts the coordinator.
    pub worker: WorkerChoice,
    /// The worker's scope. Default: as the browser has it.
    pub scope: Option<Box<str>>,
    /// Durable means with the operating system, not with the disk: faster, and lost at a power cut.
    pub relaxed: bool,
    /// How long the coordinator's wake-up waits for more events. Default 50 ms.
    pub batch_age: Duration,
    /// While something is pending the coordinator is woken at least this often; 5 s at the least. Default 60 s.
    pub safety_net: Duration,
    /// Tries, delays, batches and dead letters.
    pub outbox: rows::Options,
    /// Gives tokens, where the server wants them.
    pub token: Option<Token>,
    /// Whether the page shows the session's document from the start; else from when it is first looked at.
    pub shows_state: bool,
    /// Whether the page makes one of two where writes have disagreed, so that the worker's hook need not.
    pub resolves: bool,
    /// Whether each message to and from the coordinator is told as [`Happening::Message`](crate::Happening).
    pub debug: bool,
    /// Build id of the package, for diagnosis and updates.
    pub build: Box<str>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            channel: "default".into(),
            session: None,
            user: "".into(),
            server: "".into(),
            worker: WorkerChoice::Auto,
            scope: None,
            relaxed: false,
            batch_age: Duration::from_millis(limits::BATCH_AGE_MS.into()),
            safety_net: Duration::from_millis(limits::SAFETY_NET_MS.into()),
            outbox: rows::Options::default(),
            token: None,
            shows_state: false,
            resolves: false,
            debug: false,
            build: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

impl Options {
    /// Whose events these are.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let session = self.session.as_ref().unwrap_or(&self.channel).clone();
        Identity { session, user: self.user.clone() }
    }

    /// Checks every bound, with `identity` in the place of the one that is asked for here.
    pub(crate) fn check(&self, identity: &Identity) -> Result<(), Fault> {
        let Identity { session, user } = identity;
        let named = [("channel", &self.channel), ("session", session)];
        if let Some((name, _)) = named.iter().find(|(_, value)| value.is_empty()) {
            return Err(unfit(&["`", name, "` is empty: leave it out, or give it a name"]));
        }
        let bounded = [
            ("channel", self.channel.len(), limits::NAME_BYTES_MAX),
            ("session", session.len(), limits::NAME_BYTES_MAX),
            ("user", user.len(), limits::NAME_BYTES_MAX),
            ("server", self.server.len(), limits::URL_BYTES_MAX),
        ];
        match bounded.iter().find(|(_, found, bound)| found > bound) {
            Some((name, ..)) => Err(unfit(&["`", name, "` is too long"])),
            None => Ok(()),
        }
    }

    pub(crate) fn hello(&self, has_token: bool) -> Hello {
        Hello {
            identity: self.identity(),
            server: self.server.clone(),
            options: self.outbox.clone().bounded(),
            has_token,
            visible: link::visible(),
            network: link::network(),
            shows_state: Some(self.shows_state),
            resolves: Some(self.resolves),
        }
    }
}

fn unfit(words: &[&str]) -> Fault {
    Fault::new("option-invalid", Culprit::App, joined(words))
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("channel", &self.channel).finish_non_exhaustive()
    }
}
