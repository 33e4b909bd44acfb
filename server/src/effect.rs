//! What the app does about an event, inside the transaction that appends it.
//!
//! What always holds:
//! - the writes of an effect are kept if and only if the event is appended;
//! - an effect that panics is a fault to be tried again, not the server's end;
//! - an effect runs again only if its event was not appended the time before.
//!
//! Not here: when an effect is asked; see [`engine`](crate::engine).

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bellwether_shared::base::{Seq, Wall, limits};
use bellwether_shared::wire::{Event, StreamId};
use serde_json::value::RawValue;

/// The app's part of the server.
///
/// It runs on the thread that writes, so it must not wait for a network. It must not end the
/// transaction it runs in.
pub trait Effect: Send + Sync + 'static {
    /// Carries out `event`. Runs at most once with success for each event id of a session.
    fn apply(&self, tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome;

    /// Whether the app takes events of this type. Others are refused as `type-unknown`, so that a device can
    /// offer them to its app. All are taken unless this says otherwise.
    fn knows(&self, type_: &str) -> bool {
        let _ = type_;
        true
    }
}

/// No effect: every event is just kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEffect;

impl Effect for NoEffect {
    fn apply(&self, _: &EffectTx<'_>, _: &AcceptedEvent<'_>) -> EffectOutcome {
        EffectOutcome::Done { result: None }
    }
}

/// An effect for events of some types only; those of others are refused as `type-unknown`.
pub struct Only {
    types: BTreeSet<Box<str>>,
    inner: Arc<dyn Effect>,
}

impl Only {
    /// Lets events of `types` through to `inner`.
    #[must_use]
    pub fn new(types: BTreeSet<Box<str>>, inner: Arc<dyn Effect>) -> Self {
        Self { types, inner }
    }
}

impl fmt::Debug for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Only").field("types", &self.types).finish_non_exhaustive()
    }
}

impl Effect for Only {
    fn apply(&self, tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome {
        self.inner.apply(tx, event)
    }

    fn knows(&self, type_: &str) -> bool {
        self.types.contains(type_) && self.inner.knows(type_)
    }
}

/// An event about to be appended.
#[derive(Debug, Clone, Copy)]
pub struct AcceptedEvent<'a> {
    /// Whose session it is; empty where the server knows no tenants.
    pub tenant: &'a str,
    /// The stream it came by: device, session, user, lane.
    pub stream: &'a StreamId,
    /// Its place there.
    pub seq: Seq,
    /// The offset it will have in the session's log.
    pub offset: u64,
    /// The server's wall clock.
    pub taken_at: Wall,
    /// What it says. Its `data` is JSON text, with what it takes from its prerequisite's result (OUT-16).
    pub event: &'a Event<'a>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectOutcome {
    /// It took effect; the sender gets `result`, at most
    /// [`RESULT_BYTES_MAX`](limits::RESULT_BYTES_MAX) bytes of JSON text.
    Done {
        /// What the sender is told, now and whenever it asks again.
        result: Option<Box<[u8]>>,
    },
    /// It will never be taken. It uses up its place, and goes to the sender's dead letters.
    Refuse {
        /// A stable name, at most 100 bytes.
        code: Box<str>,
        /// For the developer, at most 1,000 bytes.
        message: Box<str>,
    },
    /// It cannot be taken now, for a reason that may be its own: it spends a try. It and what follows it in
    /// its stream come again.
    Later {
        /// A stable name, at most 100 bytes.
        code: Box<str>,
        /// When to come again.
        retry_after_ms: u32,
    },
    /// Nothing can be taken now, and no event is to blame: none spends a try. It and what follows it in
    /// its stream come again.
    Pause {
        /// When to come again.
        retry_after_ms: u32,
    },
}

/// The app's own data, in the transaction of the event.
///
/// Two ways to it: keys and values of the event's session, on every store; and on the SQLite store
/// any table, by [`sql`](Self::sql). What is written is undone unless the outcome is `Done`.
#[derive(Debug)]
pub struct EffectTx<'a> {
    room: &'a dyn Room,
}

impl<'a> EffectTx<'a> {
    pub(crate) fn new(room: &'a dyn Room) -> Self {
        Self { room }
    }

    /// The value of `key` in this session.
    ///
    /// # Errors
    /// The store does not answer. Give [`EffectFault::later`] back.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EffectFault> {
        self.room.get(key)
    }

    /// Sets or removes the value of `key` in this session.
    ///
    /// # Errors
    /// The store does not answer. Give [`EffectFault::later`] back.
    pub fn put(&self, key: &str, value: Option<&[u8]>) -> Result<(), EffectFault> {
        self.room.put(key, value)
    }

    /// The connection of the transaction, or `None` on a store without SQL. Tables of the server
    /// itself begin with `bw_`; leave them alone. Never commit or roll back.
    ///
    /// # Errors
    /// The store does not answer. Give [`EffectFault::later`] back.
    pub fn sql(&self) -> Result<Option<&rusqlite::Connection>, EffectFault> {
        self.room.sql()
    }
}

/// The store did not answer an effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store failed inside an effect: {0}")]
pub struct EffectFault(pub Box<str>);

impl EffectFault {
    /// The outcome for an effect that cannot go on because of this.
    #[must_use]
    pub fn later(&self) -> EffectOutcome {
        tracing::error!(fault = %self, "an effect could not use the store");
        fault("effect-store-failed")
    }
}

impl From<rusqlite::Error> for EffectFault {
    fn from(fault: rusqlite::Error) -> Self {
        Self(fault.to_string().into())
    }
}

/// Where an effect's data lives; each store has its own.
pub(crate) trait Room: fmt::Debug {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EffectFault>;
    fn put(&self, key: &str, value: Option<&[u8]>) -> Result<(), EffectFault>;
    fn sql(&self) -> Result<Option<&rusqlite::Connection>, EffectFault>;
}

/// Whether the effect takes events of this type; one that panics over it is asked about each event.
pub(crate) fn knows(effect: &dyn Effect, type_: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| effect.knows(type_))).unwrap_or_else(|_| {
        tracing::error!(type_, "the effect panicked when it was asked about a type");
        true
    })
}

/// Asks the effect, and makes of a panic or an unfit result an outcome like any other.
pub(crate) fn ask(
    effect: &dyn Effect,
    room: &dyn Room,
    event: &AcceptedEvent<'_>,
) -> EffectOutcome {
    // The room is thrown away with its writes on any outcome but `Done`, so nothing half done is seen.
    let asked = catch_unwind(AssertUnwindSafe(|| effect.apply(&EffectTx::new(room), event)));
    match asked {
        Ok(EffectOutcome::Done { result: Some(result) }) if !is_fit(&result) => {
            tracing::error!(
                type_ = event.event.type_,
                bytes = result.len(),
                "the effect's result is too large or not JSON"
            );
            fault("effect-result-unfit")
        }
        Ok(outcome) => outcome,
        Err(_) => {
            tracing::error!(type_ = event.event.type_, id = %event.event.id, "the effect panicked");
            fault("effect-panicked")
        }
    }
}

fn is_fit(result: &[u8]) -> bool {
    result.len() <= limits::RESULT_BYTES_MAX && serde_json::from_slice::<&RawValue>(result).is_ok()
}

fn fault(code: &str) -> EffectOutcome {
    EffectOutcome::Later { code: code.into(), retry_after_ms: FAULT_RETRY_AFTER_MS }
}

const FAULT_RETRY_AFTER_MS: u32 = 5_000;
