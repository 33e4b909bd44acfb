//! What an event's prerequisite means for it: that it goes, with what it takes from the result, that it fails, or that
//! it waits (OUT-16).
//!
//! What always holds:
//! - a function of the event and of what is known of the prerequisite, the same for the append, for a webhook before
//!   it, and for whoever reads the log later;
//! - what was sealed stays as it is: bindings are applied to a copy of the data.
//!
//! Not here: how values get into the data; see `bind.rs`.

use bellwether_shared::wire::{Event, EventFlags};

use super::bind::{Binds, Unbound};
use super::{Reader, SessionRow, StoreFault};

/// What is known of an event's prerequisite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prerequisite {
    /// It is in the session's log, or comes there before the event.
    Taken {
        /// What its effect gave back, as JSON text.
        result: Option<Box<[u8]>>,
    },
    /// It was refused before the event, in the same push.
    Refused,
    /// Nothing.
    Unknown,
}

/// What it means for the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It goes, with this data if it takes something from the result, else with its own.
    Goes(Option<Vec<u8>>),
    /// It will never be taken.
    Fails {
        /// [`PREREQUISITE_FAILED`], [`BINDING_FAILED`] or [`EVENT_TOO_LARGE`](bellwether_shared::wire::code::EVENT_TOO_LARGE).
        code: &'static str,
        /// For the developer.
        message: String,
    },
    /// It comes again, when its prerequisite may be known.
    Waits,
}

/// Its prerequisite was refused.
pub const PREREQUISITE_FAILED: &str = "prerequisite-failed";
/// Its prerequisite is not in the log, and was not refused in the same push. It comes again.
pub const PREREQUISITE_UNKNOWN: &str = "prerequisite-unknown";
/// A value is not in the result, or has no place in the data.
pub const BINDING_FAILED: &str = "binding-failed";

/// How an event stands to its prerequisite. One without a prerequisite goes.
#[must_use]
pub fn stand(event: &Event<'_>, prerequisite: &Prerequisite) -> Standing {
    let Some(after) = &event.after else { return Standing::Goes(None) };
    let is_released = event.flags.is_some_and(|flags| flags.has(EventFlags::RELEASE));
    match prerequisite {
        Prerequisite::Taken { result } => match bound(event, result.as_deref()) {
            Ok(bound) => Standing::Goes(bound),
            Err(unbound) => {
                let code = match unbound {
                    Unbound::Missing(_) | Unbound::Unsettable(_) => BINDING_FAILED,
                    Unbound::TooLarge { .. } => bellwether_shared::wire::code::EVENT_TOO_LARGE,
                };
                Standing::Fails { code, message: unbound.to_string() }
            }
        },
        Prerequisite::Refused | Prerequisite::Unknown if is_released => Standing::Goes(None),
        Prerequisite::Refused => Standing::Fails {
            code: PREREQUISITE_FAILED,
            message: format!("its prerequisite {after} was refused"),
        },
        Prerequisite::Unknown => Standing::Waits,
    }
}

/// The data of an event of the log as its effect saw it, if it has taken something.
pub(super) fn bound_in_log<R: Reader + ?Sized>(
    ledger: &R,
    session: &SessionRow,
    offset: u64,
    event: &Event<'_>,
) -> Result<Option<Vec<u8>>, StoreFault> {
    let Some(after) = &event.after else { return Ok(None) };
    // One that came later was not known when the event was taken.
    let taken = ledger.taken(session, after)?.filter(|taken| taken.offset < offset);
    Ok(taken.and_then(|taken| bound(event, taken.result.as_deref()).ok().flatten()))
}

fn bound(event: &Event<'_>, result: Option<&[u8]>) -> Result<Option<Vec<u8>>, Unbound> {
    // Binds that cannot be read were refused before.
    let binds = event.binds.and_then(|text| Binds::read(text).ok());
    match binds.filter(|binds| !binds.is_empty()) {
        Some(binds) => binds.apply(event.data, result).map(Some),
        None => Ok(None),
    }
}
