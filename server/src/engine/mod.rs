//! What the server decides, sans-IO: a push and what the ledger says give an answer and writes.
//!
//! ```text
//!  bytes ─▶ Push ─▶ Checked::of ─▶ push(ledger, effect, …) ─▶ Answer, or Fault
//!           wire    bounds, chain,   inside one transaction
//!                   signature        of the store
//! ```
//!
//! What always holds:
//! - a place, once consumed, keeps its chain head and its outcome; the same batch gets the same word;
//! - `through` has no holes below it, and offsets have none either;
//! - an id is appended at most once per session, from whatever stream it comes;
//! - everything that refuses a whole push is looked at before the first write;
//! - no clock and no entropy here: a [`Moment`] brings both.
//!
//! Not here: credentials, encodings, and what a transaction is.

mod accept;
mod bind;
mod check;
mod compact;
mod farewell;
mod ledger;
mod prerequisite;
mod state;

use std::collections::BTreeSet;

use bellwether_shared::base::{EventId, LogEpoch, Seq, Wall};
use bellwether_shared::rules::chain;
use bellwether_shared::wire::{
    self, Answer, Event, EventKind, EventResult, Later, LogEvent, LogPage, Outcome, Push, Verdict,
};

pub use bind::{Binds, BindsUnfit, Unbound};
pub use check::{Checked, Signatures, check_frame, is_signed_by};
pub use compact::{Keeper, Retention, Sweep};
pub use farewell::{Parting, farewell, wanted_of};
pub use ledger::{
    Appended, Archive, ArchivedBody, ArchivedEvent, ArchivedStream, Clerk, Filled, Ledger,
    NewStream, Place, Proof, Reader, SessionRow, StoreFault, StreamRow, Taken, Which,
};
pub use prerequisite::{
    BINDING_FAILED, PREREQUISITE_FAILED, PREREQUISITE_UNKNOWN, Prerequisite, Standing, stand,
};
pub use state::{STATE_CONFLICT, StateAsk, snapshot};

use self::accept::Step;
use crate::bounds;
use crate::effect::{Effect, knows};
use crate::fault::Fault;

/// What the world contributes to one push.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The server's wall clock.
    pub now: Wall,
    /// Sixteen random bytes, the epoch of the session's log if this push is what opens it.
    pub fresh_epoch: LogEpoch,
}

/// Takes what can be taken of a batch. All writes belong into one transaction; on `Err` none was made,
/// unless the ledger itself failed.
///
/// # Errors
/// [`Fault::Forbidden`]: the stream is bound to another tenant or key. [`Fault::HostSuperseded`]: a newer
/// coordinator has spoken. [`Fault::Unavailable`]: the ledger failed, and the transaction must be undone.
pub fn push<L: Ledger>(
    ledger: &mut L,
    effect: &dyn Effect,
    tenant: &str,
    checked: &Checked,
    moment: Moment,
) -> Result<Answer, Fault> {
    let push = checked.push();

    // 1. May this sender speak for this stream at all?
    let known = ledger.stream(&push.stream)?;
    if let Some(stream) = &known {
        stream.admits(tenant, push)?;
    }

    // 2. Do both mean the same log, and does the batch continue what is there?
    let session = match ledger.session(tenant, &push.stream.session)? {
        Some(session) => session,
        None => ledger.open_session(tenant, &push.stream.session, moment)?,
    };
    let through = known.as_ref().map_or(Seq(0), |stream| stream.through);
    let bare = |verdict| bare(verdict, &session, through, moment.now);
    if names_another_life(push, session.epoch) {
        return Ok(bare(Verdict::EpochChanged));
    }
    if push.first > through.next() {
        return Ok(bare(Verdict::Gap));
    }
    let genesis = known.as_ref().map_or_else(
        || chain::genesis(&push.stream, push.former.as_ref().map(|former| &*former.head)),
        |stream| stream.genesis,
    );
    let repeated = match &known {
        Some(stream) => repeated(ledger, stream, checked)?,
        None => Repeated { previous: genesis, places: Vec::new() },
    };
    if let Some(at) = repeated.forks_at(checked) {
        return Ok(bare(Verdict::Forked { at }));
    }

    // 3. Nothing refuses the batch any more: repeat what was said, then take what is new.
    let stream = match known {
        Some(stream) => stream,
        None => ledger.open_stream(&session, NewStream { tenant, push, genesis }, moment.now)?,
    };
    let mut run = Run::new(session, stream, push.host_epoch);
    for place in repeated.places {
        run.repeat(place);
    }
    let skip = usize::try_from(through.next().0 - push.first.0).unwrap_or(usize::MAX);
    for link in checked.links().skip(skip) {
        if run.is_full() {
            run.retry_after_ms = Some(0);
            break;
        }
        let seq = run.stream.through.next();
        match accept::one(ledger, effect, tenant, &push.stream, &run, seq, link, moment.now)? {
            Step::Consumed(place, outcome) => run.consume(ledger, place, outcome)?,
            Step::Later(later, retry_after_ms) => {
                run.later = later;
                run.retry_after_ms = Some(retry_after_ms);
                break;
            }
        }
    }
    if let Some(proof) = proof(checked, through, run.stream.through) {
        ledger.prove(&run.stream, &proof)?;
    }
    run.finish(ledger, moment.now)
}

/// An event that an effect would be asked about, if its prerequisite lets it go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its index in the push.
    pub at: usize,
    /// What the ledger, and the events before it that cannot be taken, say of its prerequisite.
    pub prerequisite: Prerequisite,
}

/// Which events of a batch an effect would be asked about, as the ledger stands, in order. None if the
/// batch as a whole would be refused, or gets a verdict other than taken.
///
/// # Errors
/// The ledger failed.
pub fn wanted<R: Reader>(
    ledger: &R,
    effect: &dyn Effect,
    tenant: &str,
    checked: &Checked,
) -> Result<Vec<Wanted>, StoreFault> {
    let push = checked.push();
    let known = ledger.stream(&push.stream)?;
    if known.as_ref().is_some_and(|stream| stream.admits(tenant, push).is_err()) {
        return Ok(Vec::new());
    }
    let session = ledger.session(tenant, &push.stream.session)?.unwrap_or_default();
    let through = known.as_ref().map_or(Seq(0), |stream| stream.through);
    if names_another_life(push, session.epoch) || push.first > through.next() {
        return Ok(Vec::new());
    }
    let repeated = match &known {
        Some(stream) => repeated(ledger, stream, checked)?,
        None => {
            let former = push.former.as_ref().map(|former| &*former.head);
            let genesis = chain::genesis(&push.stream, former);
            Repeated { previous: genesis, places: Vec::new() }
        }
    };
    if repeated.forks_at(checked).is_some() {
        return Ok(Vec::new());
    }
    let skip = usize::try_from(through.next().0 - push.first.0).unwrap_or(usize::MAX);
    let sealed = push.events.iter().map(|sealed| sealed.as_slice()).enumerate();
    let refused = repeated.places.into_iter().filter_map(Place::into_refused).collect();
    fresh(ledger, effect, &session, sealed.skip(skip), refused)
}

// Those that can be read, are of a type that is known, and whose ids are not in the log. `refused` are ids
// that were refused in the same push.
fn fresh<'a, R: Reader>(
    ledger: &R,
    effect: &dyn Effect,
    session: &SessionRow,
    sealed: impl Iterator<Item = (usize, &'a [u8])>,
    mut refused: BTreeSet<EventId>,
) -> Result<Vec<Wanted>, StoreFault> {
    let mut fresh = Vec::new();
    let mut ids = BTreeSet::new();
    for (at, sealed) in sealed {
        let event = match accept::read(sealed) {
            Ok(event) => event,
            Err(unfit) => {
                refused.extend(unfit.id);
                continue;
            }
        };
        if ledger.taken(session, &event.id)?.is_some() || ids.contains(&event.id) {
            continue;
        }
        if event.kind == EventKind::Patch {
            ids.insert(event.id);
            continue;
        }
        if !knows(effect, event.type_) {
            refused.insert(event.id);
            continue;
        }
        let prerequisite = prerequisite(ledger, session, &refused, &event)?;
        ids.insert(event.id);
        fresh.push(Wanted { at, prerequisite });
    }
    Ok(fresh)
}

// What is in the log counts before what was refused: an id that was refused may have been taken elsewhere.
fn prerequisite<R: Reader>(
    ledger: &R,
    session: &SessionRow,
    refused: &BTreeSet<EventId>,
    event: &Event<'_>,
) -> Result<Prerequisite, StoreFault> {
    let Some(after) = &event.after else { return Ok(Prerequisite::Unknown) };
    Ok(match ledger.taken(session, after)? {
        Some(Taken { result, .. }) => Prerequisite::Taken { result },
        None if refused.contains(after) => Prerequisite::Refused,
        None => Prerequisite::Unknown,
    })
}

// What was signed is worth keeping if it brought something.
fn proof(checked: &Checked, before: Seq, through: Seq) -> Option<Proof> {
    let push = checked.push();
    let consumed = usize::try_from(through.next().0.checked_sub(push.first.0)?).ok()?;
    (through > before).then(|| Proof {
        from: before.next(),
        first: push.first,
        count: checked.hashes().len() as u64,
        signature: push.signature.to_vec().into(),
        tail: checked.hashes().get(consumed..).unwrap_or_default().to_vec(),
    })
}

/// Where a stream stands. Writes nothing; a stream that is not known stands at 0.
///
/// # Errors
/// [`Fault::Forbidden`]: the stream is bound to another tenant. [`Fault::Unavailable`]: the ledger failed.
pub fn position<R: Reader>(
    ledger: &R,
    tenant: &str,
    push: &Push,
    now: Wall,
) -> Result<Answer, Fault> {
    let known = ledger.stream(&push.stream)?;
    if let Some(stream) = &known {
        stream.admits_tenant(tenant)?;
    }
    let session = ledger.session(tenant, &push.stream.session)?.unwrap_or_default();
    let verdict = if names_another_life(push, session.epoch) {
        Verdict::EpochChanged
    } else {
        Verdict::Taken
    };
    let through = known.map_or(Seq(0), |stream| stream.through);
    Ok(bare(verdict, &session, through, now))
}

/// What a reader of the log asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageAsk {
    /// Whose session.
    pub tenant: Box<str>,
    /// Which.
    pub session: Box<str>,
    /// The life of the log that the reader knows.
    pub epoch: Option<LogEpoch>,
    /// The last offset it has.
    pub after: u64,
    /// How many events it wants at most.
    pub limit: u32,
    /// Which it wants.
    pub which: Which,
}

/// A page of a session's log. A session that is not known has an empty one, under an epoch of zeros.
///
/// # Errors
/// [`Fault::EpochChanged`]: the reader names another life. [`Fault::Compacted`]: what it wants is not kept any more.
/// [`Fault::Unavailable`]: the ledger failed.
pub fn page<R: Reader>(ledger: &R, ask: &PageAsk) -> Result<LogPage, Fault> {
    let session = ledger.session(&ask.tenant, &ask.session)?.unwrap_or_default();
    if ask.epoch.is_some_and(|epoch| epoch != LogEpoch::default() && epoch != session.epoch) {
        return Err(Fault::EpochChanged { epoch: session.epoch });
    }
    let SessionRow { epoch, head, floor, .. } = session;
    if ask.after < floor {
        return Err(Fault::Compacted { epoch, head, floor });
    }
    let mut bytes = 0;
    let mut events: Vec<LogEvent> = Vec::new();
    let (mut failed, mut left) = (None, None);
    let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
    // One more than is wanted, to see whether there is one.
    let beyond = ask.limit.saturating_add(1);
    ledger.log(&session, ask.which, ask.after, beyond, &mut |mut event| {
        if events.len() >= limit {
            left = Some(event.offset);
            return false;
        }
        match bound(ledger, &session, &event) {
            Ok(bound) => event.bound = bound.map(Into::into),
            Err(fault) => {
                failed = Some(fault);
                return false;
            }
        }
        bytes += event.sealed.len() + event.bound.as_ref().map_or(0, |bound| bound.len());
        let fits = events.is_empty() || bytes <= bounds::PAGE_BYTES_MAX;
        if fits {
            events.push(event);
        } else {
            left = Some(event.offset);
        }
        fits
    })?;
    if let Some(fault) = failed {
        return Err(fault.into());
    }
    let through = match (left, ask.which) {
        (Some(left), _) => left - 1,
        (None, Which::All) => events.last().map_or(ask.after, |event| event.offset),
        (None, Which::Patches) => ask.after.max(head),
    };
    Ok(LogPage {
        epoch,
        more: through < head,
        events,
        head,
        floor,
        through: (ask.which == Which::Patches).then_some(through),
    })
}

// What is in the log could be read when it was taken.
fn bound<R: Reader>(
    ledger: &R,
    session: &SessionRow,
    event: &LogEvent,
) -> Result<Option<Vec<u8>>, StoreFault> {
    match wire::decode::<Event<'_>>(&event.sealed) {
        Ok(opened) => prerequisite::bound_in_log(ledger, session, event.offset, &opened),
        Err(_) => Ok(None),
    }
}

// An epoch of zeros is what a reader heard of a log that did not live yet.
fn names_another_life(push: &Push, epoch: LogEpoch) -> bool {
    push.log_epoch.is_some_and(|named| named != LogEpoch::default() && named != epoch)
}

fn bare(verdict: Verdict, session: &SessionRow, through: Seq, now: Wall) -> Answer {
    Answer {
        log_epoch: session.epoch,
        verdict,
        through,
        durable: through,
        results: Vec::new(),
        later: None,
        retry_after_ms: None,
        log_head: session.head,
        server_time: now,
    }
}

/// The part of a batch whose places are consumed, as the ledger has it.
struct Repeated {
    previous: chain::Hash,
    places: Vec<Place>,
}

fn repeated<R: Reader>(
    ledger: &R,
    stream: &StreamRow,
    checked: &Checked,
) -> Result<Repeated, StoreFault> {
    let first = checked.push().first;
    if first == stream.through.next() {
        return Ok(Repeated { previous: stream.head, places: Vec::new() });
    }
    // One place before the batch too, for the head that it goes on from.
    let before = Seq(first.0 - 1);
    let last = stream.through.min(checked.last());
    let mut places = ledger.places(stream, before, last)?;
    let expected = last.0 - before.0 + u64::from(before.0 > 0);
    if places.len() as u64 != expected {
        return Err(StoreFault::new("places of a stream are missing from the store"));
    }
    let previous = if before.0 == 0 { stream.genesis } else { places.remove(0).head };
    Ok(Repeated { previous, places })
}

impl Repeated {
    fn forks_at(&self, checked: &Checked) -> Option<Seq> {
        if self.previous != *checked.push().previous {
            return Some(checked.push().first);
        }
        let pairs = self.places.iter().zip(checked.heads());
        pairs.into_iter().find(|(place, head)| place.head != **head).map(|(place, _)| place.seq)
    }
}

/// A batch being taken: rows as they will be, and the answer as it grows.
struct Run {
    session: SessionRow,
    stream: StreamRow,
    changed: bool,
    /// Ids that this push has brought and that were refused.
    refused: BTreeSet<EventId>,
    results: Vec<EventResult>,
    result_bytes: usize,
    later: Option<Later>,
    retry_after_ms: Option<u32>,
}

impl Run {
    fn new(session: SessionRow, mut stream: StreamRow, host_epoch: u64) -> Self {
        let changed = host_epoch > stream.host_epoch;
        stream.host_epoch = stream.host_epoch.max(host_epoch);
        Self {
            session,
            stream,
            changed,
            refused: BTreeSet::new(),
            results: Vec::new(),
            result_bytes: 0,
            later: None,
            retry_after_ms: None,
        }
    }

    fn is_full(&self) -> bool {
        self.result_bytes >= bounds::ANSWER_RESULT_BYTES_MAX
    }

    fn repeat(&mut self, place: Place) {
        self.report(place.seq, place, Outcome::DUPLICATE);
    }

    fn consume<L: Ledger>(
        &mut self,
        ledger: &mut L,
        place: Place,
        outcome: Outcome,
    ) -> Result<(), StoreFault> {
        ledger.fill(&self.stream, &place)?;
        self.changed = true;
        self.stream.through = place.seq;
        self.stream.head = place.head;
        if outcome == Outcome::ACCEPTED {
            self.session.head += 1;
        }
        self.report(place.seq, place, outcome);
        Ok(())
    }

    fn report(&mut self, seq: Seq, place: Place, taken: Outcome) {
        if let Filled::Refused { .. } = place.filled {
            self.refused.extend(place.id);
        }
        self.results.push(match place.filled {
            Filled::Taken(Taken { offset, result }) => {
                // A repeat that was cut anew may hold more results than one answer can carry.
                let result = result.filter(|_| !self.is_full());
                self.result_bytes += result.as_ref().map_or(0, |text| text.len());
                EventResult {
                    seq,
                    outcome: taken,
                    offset: Some(offset),
                    result: result.map(|text| text.into_vec().into()),
                    code: None,
                    message: None,
                }
            }
            Filled::Refused { code, message } => EventResult {
                seq,
                outcome: Outcome::REFUSED,
                offset: None,
                result: None,
                code: Some(code),
                message: Some(message),
            },
        });
    }

    fn finish<L: Ledger>(self, ledger: &mut L, now: Wall) -> Result<Answer, Fault> {
        if self.changed {
            ledger.save(&self.session, &self.stream)?;
        }
        Ok(Answer {
            results: self.results,
            later: self.later,
            retry_after_ms: self.retry_after_ms,
            ..bare(Verdict::Taken, &self.session, self.stream.through, now)
        })
    }
}
