//! Cancelling and replacing what is queued, and editing letters (OUT-6, OUT-16).
//!
//! What always holds: what is sealed is not changed; a change is in force once it is on disk; until then nothing from
//! the row that it is about on is sealed. The same change once more does no harm.

use super::batch::Held;
use super::{Effect, Outbox, Ticket};
use crate::base::{Culprit, EventId, Fault, Now, limits};
use crate::bus::Change;
use crate::wire::{EventHead, decode};

impl Outbox {
    /// A ticket for something that is asked for later.
    pub fn ticket(&mut self) -> Ticket {
        self.shared.ticket()
    }

    /// Takes an event out of the queue, or gives another for it, with the write of `ticket`.
    pub fn replace(&mut self, now: Now, ticket: Ticket, change: &Change) -> Result<(), Fault> {
        let new = match &change.sealed {
            Some(sealed) => Some(fit(&change.id, sealed)?),
            None => None,
        };
        let mut whole = true;
        for stream in self.streams.values_mut() {
            if let Some(position) = stream.queue().place(&change.id) {
                return stream.amend(position, new, ticket, now, &mut self.shared);
            }
            whole &= stream.queue().known_before() == u64::MAX;
        }
        Err(if whole { unknown() } else { busy() })
    }

    /// Gives another event for a dead letter's, with the write of the ticket.
    pub fn edit(&mut self, change: &Change) -> Result<Ticket, Fault> {
        let sealed = change.sealed.as_ref().map_or(&[][..], |sealed| &sealed[..]);
        fit(&change.id, sealed)?;
        let ticket = self.shared.ticket();
        let op = self.shared.dead.edit(&change.id, sealed, ticket);
        let op = op.ok_or_else(letter_unknown)?;
        self.shared.effects.push_back(Effect::Commit { ticket, ops: vec![op], strict: true });
        Ok(ticket)
    }

    pub(super) fn changed(&mut self, ticket: Ticket, refused: bool) {
        for stream in self.streams.values_mut() {
            stream.changed(ticket, refused, &mut self.shared);
        }
    }
}

// The event, if it can take the place of the one of this id.
fn fit(id: &EventId, sealed: &[u8]) -> Result<Held, Fault> {
    let head = decode::<EventHead<'_>>(sealed).ok().filter(|head| {
        head.id == *id
            && sealed.len() <= limits::EVENT_BYTES_MAX
            && (1..=limits::EVENT_TYPE_BYTES_MAX).contains(&head.type_.len())
            && head.key.is_none_or(|key| key.len() <= limits::EVENT_KEY_BYTES_MAX)
    });
    let held = head.and_then(|_| Held::read(sealed, 0, true));
    held.ok_or_else(|| fault("event-invalid", "it is no event, too large, or of another id"))
}

fn fault(code: &str, message: &str) -> Fault {
    Fault::new(code, Culprit::App, message)
}

fn unknown() -> Fault {
    fault("event-unknown", "no such event is queued: ask for its outcome")
}

/// It cannot be told now what of it is queued.
pub fn busy() -> Fault {
    fault("event-busy", "the queue is too long, or the event is being changed: try again later")
}

pub(super) fn already_sealed() -> Fault {
    fault("already-sealed", "the event may be on its way: wait for its outcome, then make another")
}

/// There is no such letter.
#[must_use]
pub fn letter_unknown() -> Fault {
    fault("letter-unknown", "there is no such dead letter; another page may have been faster")
}
