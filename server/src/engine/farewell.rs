//! Events that come outside of any stream, with a ticket (OUT-8).
//!
//! What always holds: they are known by their ids, as any event; their place is 0 of a stream without
//! places and without a key, which has the incarnation of zeros; a ticket is used up in the transaction
//! that appends its first event.
//!
//! A refusal is only told, and not kept: the device's stream brings the event again, and is told for good.

use std::collections::BTreeSet;

use bellwether_shared::base::{Incarnation, Seq};
use bellwether_shared::rules::chain;
use bellwether_shared::wire::farewell::Farewell;
use bellwether_shared::wire::{
    Answer, DeviceKey, KeyKind, Lane, Outcome, PROTOCOL, Push, StreamId,
};

use super::accept::{self, Step};
use super::{Clerk, Ledger, Moment, NewStream, Reader, Run, StoreFault, Wanted};
use crate::effect::Effect;
use crate::fault::Fault;
use crate::ticket::Ticket;

/// A farewell whose ticket is good, as far as that can be told without the store.
#[derive(Debug, Clone)]
pub struct Parting {
    /// What it may.
    pub ticket: Ticket,
    /// The sealed events.
    pub events: Vec<Vec<u8>>,
}

impl Parting {
    /// Compares a farewell with what its ticket stands for.
    ///
    /// # Errors
    /// [`Fault::TicketInvalid`]: the ticket is another's.
    pub fn of(farewell: Farewell, ticket: Ticket) -> Result<Self, Fault> {
        let is_own = ticket.device == farewell.device
            && ticket.session == farewell.session
            && ticket.user == farewell.user;
        if !is_own {
            return Err(Fault::TicketInvalid);
        }
        let events = farewell.events.into_iter().map(Into::into).collect();
        Ok(Self { ticket, events })
    }

    /// The stream that its events are entered under.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId {
            device: self.ticket.device,
            session: self.ticket.session.clone(),
            user: self.ticket.user.clone(),
            lane: Lane::Critical,
            incarnation: Incarnation([0; 16]),
        }
    }
}

/// Takes what can be taken of a farewell. All writes belong into one transaction.
///
/// # Errors
/// [`Fault::TicketUsed`]; [`Fault::Forbidden`]: the stream of zeros is another tenant's; [`Fault::Unavailable`]: the
/// ledger failed, and the transaction must be undone.
pub fn farewell<L: Ledger + Clerk>(
    ledger: &mut L,
    effect: &dyn Effect,
    parting: &Parting,
    moment: Moment,
) -> Result<Answer, Fault> {
    let ticket = &parting.ticket;
    let id = parting.stream();
    if ledger.is_used(&ticket.nonce)? {
        return Err(Fault::TicketUsed);
    }
    let known = ledger.stream(&id)?;
    if let Some(stream) = &known {
        stream.admits_tenant(&ticket.tenant)?;
    }
    let session = match ledger.session(&ticket.tenant, &ticket.session)? {
        Some(session) => session,
        None => ledger.open_session(&ticket.tenant, &ticket.session, moment)?,
    };
    let before = session.head;
    let stream = match known {
        Some(stream) => stream,
        None => {
            let (push, genesis) = (unsigned(&id), chain::genesis(&id, None));
            let new = NewStream { tenant: &ticket.tenant, push: &push, genesis };
            ledger.open_stream(&session, new, moment.now)?
        }
    };
    let host_epoch = stream.host_epoch;
    let mut run = Run::new(session, stream, host_epoch);
    let mut through = Seq(0);
    for sealed in &parting.events {
        if run.is_full() {
            run.retry_after_ms = Some(0);
            break;
        }
        let link = accept::outside(sealed);
        match accept::one(ledger, effect, &ticket.tenant, &id, &run, Seq(0), link, moment.now)? {
            Step::Consumed(place, outcome) => {
                through = through.next();
                run.session.head += u64::from(outcome == Outcome::ACCEPTED);
                run.report(through, place, outcome);
            }
            Step::Later(later, retry_after_ms) => {
                run.later = later
                    .map(|later| bellwether_shared::wire::Later { seq: through.next(), ..later });
                run.retry_after_ms = Some(retry_after_ms);
                break;
            }
        }
    }
    run.changed = run.session.head > before;
    if run.changed {
        ledger.use_up(ticket, moment.now)?;
    }
    let answer = run.finish(ledger, moment.now)?;
    Ok(Answer { through, durable: through, ..answer })
}

/// Which events of a farewell an effect would be asked about, as the ledger stands.
///
/// # Errors
/// The ledger failed.
pub fn wanted_of<L: Reader + Clerk>(
    ledger: &L,
    effect: &dyn Effect,
    parting: &Parting,
) -> Result<Vec<Wanted>, StoreFault> {
    let ticket = &parting.ticket;
    if ledger.is_used(&ticket.nonce)? {
        return Ok(Vec::new());
    }
    let session = ledger.session(&ticket.tenant, &ticket.session)?.unwrap_or_default();
    let sealed = parting.events.iter().map(Vec::as_slice).enumerate();
    super::fresh(ledger, effect, &session, sealed, BTreeSet::new())
}

// What opens a stream that nobody has signed.
fn unsigned(stream: &StreamId) -> Push {
    Push {
        protocol: (PROTOCOL, PROTOCOL),
        stream: stream.clone(),
        first: Seq(0),
        previous: [0; 32].into(),
        head: [0; 32].into(),
        key: DeviceKey { kind: KeyKind::None, public: Vec::new().into() },
        signature: Vec::new().into(),
        host_epoch: 0,
        former: None,
        log_epoch: None,
        build: "".into(),
        events: Vec::new(),
    }
}
