//! What becomes of one event at a new place: appended, known already, refused, or later.
//!
//! What always holds: a refused event uses up its place and leaves nothing else; an event that can
//! only be taken later leaves nothing at all.

use bellwether_shared::base::{EventId, Seq, Wall, limits};
use bellwether_shared::rules::chain;
use bellwether_shared::wire::{self, Event, EventKind, EventUnfit, Later, Outcome, StreamId, code};
use serde_json::value::RawValue;

use super::bind::{Binds, BindsUnfit};
use super::check::Link;
use super::prerequisite::{PREREQUISITE_UNKNOWN, Standing, stand};
use super::{Appended, Filled, Ledger, Place, Run, StoreFault, Taken, prerequisite, state};
use crate::bounds::{CODE_BYTES_MAX, MESSAGE_BYTES_MAX, PREREQUISITE_RETRY_AFTER_MS, cut};
use crate::effect::{AcceptedEvent, Effect, EffectOutcome, knows};

/// What became of it.
pub(super) enum Step {
    /// Its place is used up.
    Consumed(Place, Outcome),
    /// It ends the prefix, to come again after that many milliseconds. It is named if the fault is its own.
    Later(Option<Later>, u32),
}

/// An event that comes outside of a stream's chain.
pub(super) fn outside(sealed: &[u8]) -> Link<'_> {
    Link { sealed, hash: chain::event_hash(sealed), head: [0; 32] }
}

/// Decides the event at place `seq`.
#[expect(clippy::too_many_arguments, reason = "two callers, and each is a different thing")]
pub(super) fn one<L: Ledger>(
    ledger: &mut L,
    effect: &dyn Effect,
    tenant: &str,
    stream: &StreamId,
    run: &Run,
    seq: Seq,
    link: Link<'_>,
    now: Wall,
) -> Result<Step, StoreFault> {
    let event = match read(link.sealed) {
        Ok(event) => event,
        Err(unfit) => {
            return Ok(refused(seq, link, unfit.id, unfit.code, &unfit.message));
        }
    };
    if let Some(taken) = ledger.taken(&run.session, &event.id)? {
        let place = Place::spare(seq, link, Some(event.id), Filled::Taken(taken));
        return Ok(Step::Consumed(place, Outcome::DUPLICATE));
    }
    let is_patch = event.kind == EventKind::Patch;
    if !is_patch && !knows(effect, event.type_) {
        let message = type_unknown(event.type_);
        return Ok(refused(seq, link, Some(event.id), TYPE_UNKNOWN, &message));
    }
    let prerequisite = prerequisite(ledger, &run.session, &run.refused, &event)?;
    let bound = match stand(&event, &prerequisite) {
        Standing::Goes(bound) => bound,
        Standing::Fails { code, message } => {
            return Ok(refused(seq, link, Some(event.id), code, &message));
        }
        Standing::Waits => {
            let later = Later { seq, id: event.id, code: PREREQUISITE_UNKNOWN.into() };
            return Ok(Step::Later(Some(later), PREREQUISITE_RETRY_AFTER_MS));
        }
    };
    let event = Event { data: bound.as_deref().or(event.data), ..event };
    let offset = run.session.head + 1;
    let outcome = if is_patch {
        match state::change(ledger, &run.session, &event, offset, now)? {
            Ok(()) => EffectOutcome::Done { result: None },
            Err(state::Refused { code, message }) => {
                return Ok(refused(seq, link, Some(event.id), code, &message));
            }
        }
    } else {
        let accepted = AcceptedEvent { tenant, stream, seq, offset, taken_at: now, event: &event };
        ledger.run(&run.session, effect, &accepted)?
    };
    match outcome {
        EffectOutcome::Done { result } => {
            let taken = Taken { offset, result };
            let appended = Appended {
                stream: &run.stream,
                seq,
                id: &event.id,
                taken: &taken,
                sealed: link.sealed,
                is_patch,
                taken_at: now,
            };
            ledger.append(&run.session, appended)?;
            let (filled, head) = (Filled::Taken(taken), link.head);
            let place = Place { seq, head, hash: None, id: Some(event.id), filled };
            Ok(Step::Consumed(place, Outcome::ACCEPTED))
        }
        EffectOutcome::Refuse { code, message } => {
            Ok(refused(seq, link, Some(event.id), &code, &message))
        }
        EffectOutcome::Later { code, retry_after_ms } => {
            let code = cut(&code, CODE_BYTES_MAX).into();
            let retry_after_ms = retry_after_ms.min(limits::RETRY_AFTER_MS_MAX);
            Ok(Step::Later(Some(Later { seq, id: event.id, code }), retry_after_ms))
        }
        EffectOutcome::Pause { retry_after_ms } => {
            Ok(Step::Later(None, retry_after_ms.min(limits::RETRY_AFTER_MS_MAX)))
        }
    }
}

fn refused(seq: Seq, link: Link<'_>, id: Option<EventId>, code: &str, message: &str) -> Step {
    let filled = Filled::Refused {
        code: cut(code, CODE_BYTES_MAX).into(),
        message: cut(message, MESSAGE_BYTES_MAX).into(),
    };
    Step::Consumed(Place::spare(seq, link, id, filled), Outcome::REFUSED)
}

fn type_unknown(type_: &str) -> String {
    format!(
        "this server takes no events of the type {type_:?}; change the event, or tell the server of its type"
    )
}

/// Why sealed bytes are not an event to be taken.
pub(super) struct Unfit {
    pub(super) id: Option<EventId>,
    code: &'static str,
    message: String,
}

/// The event that these bytes are, if it is to be taken.
pub(super) fn read(sealed: &[u8]) -> Result<Event<'_>, Unfit> {
    if sealed.len() > limits::EVENT_BYTES_MAX {
        let message = format!(
            "the sealed event has {} bytes, at most {} are taken",
            sealed.len(),
            limits::EVENT_BYTES_MAX
        );
        return Err(Unfit { id: None, code: code::EVENT_TOO_LARGE, message });
    }
    let event: Event<'_> = wire::decode(sealed).map_err(|fault| Unfit {
        id: None,
        code: code::EVENT_MALFORMED,
        message: format!("the sealed event cannot be read: {fault}"),
    })?;
    let unfit = |code, message| Unfit { id: Some(event.id.clone()), code, message };
    match event.check() {
        Ok(()) => {}
        Err(why @ EventUnfit::TypeMissing) => {
            return Err(unfit(code::EVENT_MALFORMED, why.to_string()));
        }
        Err(why @ EventUnfit::TooLarge { .. }) => {
            return Err(unfit(code::EVENT_TOO_LARGE, why.to_string()));
        }
    }
    if event.kind == EventKind::Request {
        let message = "a plain request goes to the app's own back end, and not to this server";
        return Err(unfit(KIND_UNSUPPORTED, message.into()));
    }
    let binds = event.binds.map(Binds::read).transpose();
    let binds = match (&event.after, binds) {
        (None, Ok(Some(_))) => Err(BindsUnfit::Lonely),
        (_, binds) => binds,
    };
    if let Err(fault) = binds {
        return Err(unfit(BINDS_INVALID, fault.to_string()));
    }
    if event.kind == EventKind::Patch {
        if event.binds.is_some() {
            let message = "a patch takes nothing from its prerequisite's result";
            return Err(unfit(BINDS_INVALID, message.into()));
        }
        return match state::read(&event) {
            Ok(_) => Ok(event),
            Err(state::Refused { code, message }) => Err(unfit(code, message)),
        };
    }
    match event.data.map(serde_json::from_slice::<&RawValue>) {
        Some(Err(fault)) => {
            Err(unfit(code::EVENT_NOT_JSON, format!("the event's data is not JSON: {fault}")))
        }
        Some(Ok(_)) | None => Ok(event),
    }
}

/// The event is a plain request, which is for another server.
const KIND_UNSUPPORTED: &str = "kind-unsupported";
/// The event's type is none that the app takes.
const TYPE_UNKNOWN: &str = "type-unknown";
/// The event's bindings cannot be read.
const BINDS_INVALID: &str = "binds-invalid";
