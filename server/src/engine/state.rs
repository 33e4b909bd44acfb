//! What a patch does to its session's document, inside the transaction that appends it (STATE-4, SRV-3).
//!
//! What always holds: the document is what the patches of the log, applied in its order, make of it; a patch that is refused
//! has changed nothing.

use std::collections::BTreeMap;

use bellwether_shared::base::{LogEpoch, Wall, limits};
pub use bellwether_shared::rules::document::STATE_CONFLICT;
use bellwether_shared::rules::document::{Author, Entry, Refusal, apply, keys};
use bellwether_shared::rules::patch::Patch;
use bellwether_shared::wire::{self, Event, Snapshot};
use serde_json::value::RawValue;

use super::{Ledger, Reader, SessionRow, StoreFault};
use crate::bounds;
use crate::fault::Fault;

/// A patch that is not taken.
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// The patch in an event's data.
pub(super) fn read<'b>(event: &Event<'b>) -> Result<Patch<'b>, Refused> {
    let unfit = |message: String| Refused { code: PATCH_MALFORMED, message };
    let patch: Patch<'b> = wire::decode(event.data.unwrap_or_default())
        .map_err(|fault| unfit(format!("the patch cannot be read: {fault}")))?;
    patch.check().map_err(|why| unfit(why.to_string()))?;
    for value in patch.writes.iter().filter_map(|write| write.value) {
        serde_json::from_slice::<&RawValue>(value)
            .map_err(|fault| unfit(format!("a value is not JSON: {fault}")))?;
    }
    Ok(patch)
}

/// Applies the patch that an event is, which will have this offset.
pub(super) fn change<L: Ledger>(
    ledger: &mut L,
    session: &SessionRow,
    event: &Event<'_>,
    offset: u64,
    now: Wall,
) -> Result<Result<(), Refused>, StoreFault> {
    let patch = match read(event) {
        Ok(patch) => patch,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut before = BTreeMap::new();
    let mut added = 0;
    for key in keys(&patch) {
        match ledger.entry(session, key)? {
            Some(entry) => drop(before.insert(key, decoded(key, &entry)?)),
            None => added += 1,
        }
    }
    if added > 0 && ledger.entry_count(session)? + added > limits::STATE_KEYS_MAX as u64 {
        return Ok(Err(too_large(&format!(
            "the session's document would have more than {} keys",
            limits::STATE_KEYS_MAX
        ))));
    }
    let (id, made, page) = (&event.id, event.stamp, event.page);
    let author = Author { id, made, page, taken_at: now, version: offset };
    let changed = match apply(|key| before.get(key).cloned(), &patch, author) {
        Ok(changed) => changed,
        Err(Refusal::Conflict(conflict)) => {
            let message = format!(
                "{:?} was changed meanwhile: its version is {}; look at it, and write again on it",
                conflict.key, conflict.version
            );
            return Ok(Err(Refused { code: STATE_CONFLICT, message }));
        }
        Err(Refusal::TooManyLeaves { key }) => {
            return Ok(Err(too_large(&format!(
                "{key:?} would have more than {} places; write its value as a whole",
                limits::LEAVES_MAX
            ))));
        }
    };
    let encoded = changed.iter().map(|(key, entry)| (key, wire::to_cbor(entry)));
    let encoded: Vec<_> = encoded.collect();
    if let Some((key, entry)) =
        encoded.iter().find(|(_, entry)| entry.len() > limits::ENTRY_BYTES_MAX)
    {
        return Ok(Err(too_large(&format!(
            "{key:?} would have {} bytes with all its places, at most {} are taken",
            entry.len(),
            limits::ENTRY_BYTES_MAX
        ))));
    }
    for (key, entry) in encoded {
        ledger.put_entry(session, key, &entry)?;
    }
    Ok(Ok(()))
}

/// What a reader of the document asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateAsk {
    /// Whose session.
    pub tenant: Box<str>,
    /// Which.
    pub session: Box<str>,
    /// The life of the log that the reader knows.
    pub epoch: Option<LogEpoch>,
    /// The last key it has; empty for none.
    pub after: Box<str>,
}

/// A session's document, or a part of it. A session that is not known has an empty one, under an epoch of zeros.
///
/// # Errors
/// [`Fault::EpochChanged`]: the reader names another life. [`Fault::Unavailable`]: the ledger failed.
pub fn snapshot<R: Reader>(ledger: &R, ask: &StateAsk) -> Result<Snapshot, Fault> {
    let session = ledger.session(&ask.tenant, &ask.session)?.unwrap_or_default();
    if ask.epoch.is_some_and(|epoch| epoch != LogEpoch::default() && epoch != session.epoch) {
        return Err(Fault::EpochChanged { epoch: session.epoch });
    }
    let (mut bytes, mut more) = (0, false);
    let mut entries = Vec::new();
    ledger.entries(&session, &ask.after, &mut |key, entry| {
        bytes += key.len() + entry.len();
        more = !entries.is_empty() && bytes > bounds::PAGE_BYTES_MAX;
        if !more {
            entries.push((key.into(), entry.into()));
        }
        !more
    })?;
    Ok(Snapshot { epoch: session.epoch, head: session.head, entries, more })
}

fn decoded(key: &str, entry: &[u8]) -> Result<Entry, StoreFault> {
    wire::decode(entry).map_err(|fault| {
        StoreFault::new(format!("the document's key {key:?} cannot be read: {fault}"))
    })
}

fn too_large(message: &str) -> Refused {
    Refused { code: STATE_TOO_LARGE, message: message.into() }
}

/// The event's data is no patch that is taken.
const PATCH_MALFORMED: &str = "patch-malformed";
/// The session's document would grow beyond a bound.
const STATE_TOO_LARGE: &str = "state-too-large";
