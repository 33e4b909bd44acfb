//! Events reach an app elsewhere: each is posted to it before it is appended, and its reply is the effect's
//! outcome (SRV-12).
//!
//! ```text
//!  push ─▶ claim the ids ─▶ which are new? ─▶ call for each, in order ─▶ store.push ─▶ release
//!                             a read            no thread, no             the effect looks up
//!                                               transaction held          what was replied
//! ```
//!
//! What always holds:
//! - an event is called for at least once before it is appended, and never after;
//! - of two pushes with the same id, the second waits and then finds it appended;
//! - within a stream, an event is called for after the replies to those before it;
//! - what is posted is what is appended: a prerequisite's result, from the log or from the reply to it in the same
//!   push, is in the data already, and an event whose prerequisite lets it not go is not called for;
//! - of two pushes one of which has the prerequisite of an event of the other, the second waits, too;
//! - no call is made inside a transaction or on the thread that writes; calls at once are bounded, for
//!   all and for each session;
//! - a push goes on when its sender has gone: the reply is filed, and the sender's repeat finds it.
//!
//! A process that dies between a reply and the append calls again, with the same id.

mod call;
mod claims;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bellwether_shared::base::EventId;
use bellwether_shared::wire::{self, Answer, Event, LogPage, Push, Snapshot, StreamId};
use tokio::sync::Semaphore;

pub use call::{Caller, Secret, sign};

use self::claims::{Claims, Names};
use crate::audit::Export;
use crate::bounds::{WEBHOOK_BUDGET_MS, WEBHOOK_CALLS_MAX};
use crate::effect::{AcceptedEvent, Effect, EffectOutcome, EffectTx};
use crate::engine::{
    Checked, PageAsk, Parting, Prerequisite, Standing, StateAsk, Sweep, Wanted, stand,
};
use crate::fault::Fault;
use crate::store::Store;
use crate::ticket::TicketKey;

/// A store whose events are called for before they are pushed. Its effect must be [`Replies`], or one around it.
pub struct Hooked<S> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    store: S,
    caller: Caller,
    replies: Arc<Replies>,
    claims: Claims,
    permits: Semaphore,
}

impl<S> Hooked<S> {
    /// Puts the webhook before `store`, whose effect looks into `replies`.
    #[must_use]
    pub fn new(store: S, caller: Caller, replies: Arc<Replies>) -> Self {
        let (claims, permits) = (Claims::default(), Semaphore::new(WEBHOOK_CALLS_MAX));
        Self { inner: Arc::new(Inner { store, caller, replies, claims, permits }) }
    }
}

impl<S> fmt::Debug for Hooked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooked").finish_non_exhaustive()
    }
}

/// What was replied about events that are about to be appended; as an effect, gives it back.
#[derive(Debug, Default)]
pub struct Replies(Mutex<HashMap<Key, EffectOutcome>>);

type Key = (Box<str>, StreamId, EventId);

impl Replies {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Key, EffectOutcome>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Effect for Replies {
    fn apply(&self, _: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome {
        let key = (event.tenant.into(), event.stream.clone(), event.event.id.clone());
        let replied = self.with(|replies| replies.get(&key).cloned());
        // Not called for in this push: its time was over.
        replied.unwrap_or(EffectOutcome::Pause { retry_after_ms: 0 })
    }
}

/// Takes the replies of a push away when it is over, however it ends.
struct Filed<'a> {
    replies: &'a Replies,
    keys: Vec<Key>,
}

impl Filed<'_> {
    fn file(&mut self, key: Key, outcome: EffectOutcome) {
        self.keys.push(key.clone());
        self.replies.with(|replies| replies.insert(key, outcome));
    }
}

impl Drop for Filed<'_> {
    fn drop(&mut self) {
        self.replies.with(|replies| self.keys.iter().for_each(|key| drop(replies.remove(key))));
    }
}

impl<S: Store> Inner<S> {
    async fn push(&self, tenant: &str, push: Checked) -> Result<Answer, Fault> {
        let sealed = || push.push().events.iter().map(|sealed| sealed.as_slice());
        let stream = push.push().stream.clone();
        let _claimed = self.claims.claim(tenant, &stream.session, names(sealed())).await;
        let (push, wanted) = self.store.wanted(tenant, push).await?;
        let events: Vec<&[u8]> = push.push().events.iter().map(|e| e.as_slice()).collect();
        let _filed = self.call(tenant, &stream, &events, wanted).await;
        self.store.push(tenant, push).await
    }

    async fn farewell(&self, parting: Parting) -> Result<Answer, Fault> {
        let (tenant, stream) = (parting.ticket.tenant.clone(), parting.stream());
        let sealed = parting.events.iter().map(Vec::as_slice);
        let _claimed = self.claims.claim(&tenant, &stream.session, names(sealed)).await;
        let (parting, wanted) = self.store.wanted_of(parting).await?;
        let events: Vec<&[u8]> = parting.events.iter().map(Vec::as_slice).collect();
        let _filed = self.call(&tenant, &stream, &events, wanted).await;
        self.store.farewell(parting).await
    }

    /// Calls for those that are wanted, in order, until one cannot be taken or the time is over.
    async fn call(
        &self,
        tenant: &str,
        stream: &StreamId,
        events: &[&[u8]],
        wanted: Vec<Wanted>,
    ) -> Filed<'_> {
        let mut filed = Filed { replies: &self.replies, keys: Vec::new() };
        // What this push will have made of its events by the time it is at the next.
        let mut decided: BTreeMap<EventId, Prerequisite> = BTreeMap::new();
        let begun = Instant::now();
        for Wanted { at, prerequisite } in wanted {
            if begun.elapsed() >= BUDGET {
                break;
            }
            let Some(event) = events.get(at).and_then(|sealed| opened(sealed)) else { continue };
            let after = event.after.as_ref().and_then(|after| decided.get(after));
            let bound = match stand(&event, after.unwrap_or(&prerequisite)) {
                Standing::Goes(bound) => bound,
                Standing::Fails { .. } => {
                    decided.insert(event.id, Prerequisite::Refused);
                    continue;
                }
                Standing::Waits => break,
            };
            let event = Event { data: bound.as_deref().or(event.data), ..event };
            let permit = tokio::time::timeout(BUDGET, self.permits.acquire()).await;
            let outcome = match permit {
                Ok(Ok(_permit)) => self.caller.call(tenant, stream, &event).await,
                Ok(Err(_)) | Err(_) => EffectOutcome::Pause { retry_after_ms: CROWD_MS },
            };
            let made = match &outcome {
                EffectOutcome::Done { result } => {
                    Some(Prerequisite::Taken { result: result.clone() })
                }
                EffectOutcome::Refuse { .. } => Some(Prerequisite::Refused),
                EffectOutcome::Later { .. } | EffectOutcome::Pause { .. } => None,
            };
            filed.file((tenant.into(), stream.clone(), event.id.clone()), outcome);
            let Some(made) = made else { break };
            decided.insert(event.id, made);
        }
        filed
    }
}

impl<S: Store> Store for Hooked<S> {
    async fn push(&self, tenant: &str, push: Checked) -> Result<Answer, Fault> {
        let (inner, tenant) = (Arc::clone(&self.inner), Box::<str>::from(tenant));
        // On its own, so that it does not end with the connection that asked.
        let pushed = tokio::spawn(async move { inner.push(&tenant, push).await }).await;
        pushed.map_err(|fault| Fault::Internal(format!("a push did not end: {fault}").into()))?
    }

    async fn wanted(&self, tenant: &str, push: Checked) -> Result<(Checked, Vec<Wanted>), Fault> {
        self.inner.store.wanted(tenant, push).await
    }

    fn ticket_key(&self) -> &TicketKey {
        self.inner.store.ticket_key()
    }

    async fn farewell(&self, parting: Parting) -> Result<Answer, Fault> {
        let inner = Arc::clone(&self.inner);
        let taken = tokio::spawn(async move { inner.farewell(parting).await }).await;
        taken.map_err(|fault| Fault::Internal(format!("a farewell did not end: {fault}").into()))?
    }

    async fn wanted_of(&self, parting: Parting) -> Result<(Parting, Vec<Wanted>), Fault> {
        self.inner.store.wanted_of(parting).await
    }

    async fn position(&self, tenant: &str, push: Push) -> Result<Answer, Fault> {
        self.inner.store.position(tenant, push).await
    }

    async fn page(&self, ask: PageAsk) -> Result<LogPage, Fault> {
        self.inner.store.page(ask).await
    }

    async fn snapshot(&self, ask: StateAsk) -> Result<Snapshot, Fault> {
        self.inner.store.snapshot(ask).await
    }

    async fn audit(&self, export: Export) -> Result<(Export, Vec<u8>), Fault> {
        self.inner.store.audit(export).await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Sweep, Fault> {
        self.inner.store.sweep(sweep).await
    }

    async fn ping(&self) -> Result<(), Fault> {
        self.inner.store.ping().await
    }
}

fn names<'a>(sealed: impl Iterator<Item = &'a [u8]>) -> Names {
    let mut names = Names::default();
    for event in sealed.filter_map(opened) {
        names.ids.insert(event.id);
        names.prerequisites.extend(event.after);
    }
    names
}

fn opened(sealed: &[u8]) -> Option<Event<'_>> {
    wire::decode(sealed).ok()
}

const BUDGET: Duration = Duration::from_millis(WEBHOOK_BUDGET_MS);
const CROWD_MS: u32 = 1_000;
