//! What becomes of one event at a new place: appended, known already, refused, or later.
//!
//! What always holds: a refused event uses up its place and leaves nothing else; an event that can
//! only be taken later leaves nothing at all.

use bellwether_shared::base::{EventId, Seq, Wall, limits};
use bellwether_shared::rules::chain::Hash;
use bellwether_shared::wire::{self, Event, EventUnfit, Later, Outcome, StreamId, code};
use serde_json::value::RawValue;

use super::{Appended, Filled, Ledger, Place, Run, StoreFault, Taken};
use crate::bounds::{CODE_BYTES_MAX, MESSAGE_BYTES_MAX, cut};
use crate::effect::{AcceptedEvent, Effect, EffectOutcome};

/// What became of it.
pub(super) enum Step {
    /// Its place is used up.
    Consumed(Place, Outcome),
    /// It ends the prefix, to come again after that many milliseconds.
    Later(Later, u32),
}

/// Decides the event at the place after the run's last one.
#[expect(clippy::too_many_arguments, reason = "one caller, and each is a different thing")]
pub(super) fn one<L: Ledger>(
    ledger: &mut L,
    effect: &dyn Effect,
    tenant: &str,
    stream: &StreamId,
    run: &Run,
    sealed: &[u8],
    head: Hash,
    now: Wall,
) -> Result<Step, StoreFault> {
    let seq = run.stream.through.next();
    let event = match read(sealed) {
        Ok(event) => event,
        Err(unfit) => {
            return Ok(refused(seq, head, unfit.id, unfit.code, &unfit.message));
        }
    };
    if let Some(taken) = ledger.taken(&run.session, &event.id)? {
        let filled = Filled::Taken(taken);
        return Ok(Step::Consumed(
            Place { seq, head, id: Some(event.id), filled },
            Outcome::DUPLICATE,
        ));
    }
    let offset = run.session.head + 1;
    let accepted = AcceptedEvent { tenant, stream, seq, offset, taken_at: now, event: &event };
    match ledger.run(&run.session, effect, &accepted)? {
        EffectOutcome::Done { result } => {
            let taken = Taken { offset, result };
            let appended = Appended {
                stream: &run.stream,
                seq,
                id: &event.id,
                taken: &taken,
                sealed,
                taken_at: now,
            };
            ledger.append(&run.session, appended)?;
            let filled = Filled::Taken(taken);
            Ok(Step::Consumed(Place { seq, head, id: Some(event.id), filled }, Outcome::ACCEPTED))
        }
        EffectOutcome::Refuse { code, message } => {
            Ok(refused(seq, head, Some(event.id), &code, &message))
        }
        EffectOutcome::Later { code, retry_after_ms } => {
            let code = cut(&code, CODE_BYTES_MAX).into();
            let retry_after_ms = retry_after_ms.min(limits::RETRY_AFTER_MS_MAX);
            Ok(Step::Later(Later { seq, id: event.id, code }, retry_after_ms))
        }
    }
}

fn refused(seq: Seq, head: Hash, id: Option<EventId>, code: &str, message: &str) -> Step {
    let filled = Filled::Refused {
        code: cut(code, CODE_BYTES_MAX).into(),
        message: cut(message, MESSAGE_BYTES_MAX).into(),
    };
    Step::Consumed(Place { seq, head, id, filled }, Outcome::REFUSED)
}

/// Why sealed bytes are not an event to be taken.
struct Unfit {
    id: Option<EventId>,
    code: &'static str,
    message: String,
}

fn read(sealed: &[u8]) -> Result<Event<'_>, Unfit> {
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
    match event.data.map(serde_json::from_slice::<&RawValue>) {
        Some(Err(fault)) => {
            Err(unfit(code::EVENT_NOT_JSON, format!("the event's data is not JSON: {fault}")))
        }
        Some(Ok(_)) | None => Ok(event),
    }
}
