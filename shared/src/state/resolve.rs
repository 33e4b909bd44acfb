//! Making one of two where no page can (STATE-4): what the worker's hook is asked, and the patch that comes of what it says.
//!
//! What always holds: the patch is built on the very version that the hook was shown, so that within one life of the log it is
//! refused in its turn if somebody was faster.

use super::patch_of;
use crate::base::{EventId, Hlc, Now, PageId};
use crate::bus::Identity;
use crate::rows::{EntryRow, JournalRow, Key, LoserRow, Place, StreamKey, document_prefix, read};
use crate::rules::document::Leaf;
use crate::rules::patch::{Base, Patch, Write};
use crate::wire::{Event, EventFlags, EventKind, Lane, PATCH_TYPE, to_cbor};

/// A key over which two have disagreed. Values are JSON text; none: there is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The key.
    pub key: Box<str>,
    /// What this device wrote, and what was refused.
    pub local: Option<Vec<u8>>,
    /// What stands.
    pub remote: Option<Vec<u8>>,
    /// The version of that.
    version: u64,
}

/// What a refused patch and the rows of its document disagree about: the keys that it wrote as a whole, on a base. `None` if
/// the patch is not there, or if one of them has been written in parts, of which only pages make a whole.
#[must_use]
pub fn disputes(session: &str, rows: &[(Key, Vec<u8>)], id: &EventId) -> Option<Vec<Dispute>> {
    let prefix = document_prefix(session);
    let find = |wanted: Place<'_>| {
        let found = rows.iter().find(|(key, _)| Place::of(key, &prefix) == Some(wanted));
        found.map(|(_, row)| &row[..])
    };
    let LoserRow { sealed, .. } = read(find(Place::Loser(id.as_str()))?).ok()?;
    let (_, patch) = patch_of(&sealed)?;
    let mut disputes = Vec::new();
    for write in patch.writes.iter().filter(|write| write.base.is_some()) {
        if !write.path.is_empty() {
            return None;
        }
        let (mut version, mut remote) = (0, None);
        if let Some(row) = find(Place::Key(write.key)) {
            let EntryRow { entry, .. } = read(row).ok()?;
            version = entry.version;
            match &entry.leaves[..] {
                [] => {}
                [Leaf { path, value, .. }] if path.is_empty() => {
                    remote = value.as_ref().map(|value| value.to_vec());
                }
                _ => return None,
            }
        }
        let (key, local) = (write.key.into(), write.value.map(<[u8]>::to_vec));
        disputes.push(Dispute { key, local, remote, version });
    }
    Some(disputes)
}

/// The row of a patch that writes what was made of each dispute; `None` if it is too large to be written.
#[must_use]
pub fn resolution(
    now: Now,
    identity: &Identity,
    page: PageId,
    id: &EventId,
    made: &[(Dispute, Option<Vec<u8>>)],
) -> Option<Vec<u8>> {
    let mut writes = Vec::new();
    for (Dispute { key, version, .. }, value) in made {
        let base = Some(Base { version: *version, after: None });
        writes.push(Write { key, path: Vec::new(), value: value.as_deref(), base });
    }
    let data = to_cbor(&Patch { writes });
    let event = Event {
        id: id.clone(),
        kind: EventKind::Patch,
        type_: PATCH_TYPE,
        key: None,
        data: Some(&data),
        schema: 0,
        stamp: Hlc::default().tick(now.wall),
        page,
        at: now.wall,
        correlation: None,
        after: None,
        binds: None,
        flags: Some(EventFlags::RESOLVE),
    };
    event.check().ok()?;
    let sealed = to_cbor(&event);
    let Identity { session, user } = identity.clone();
    let stream = StreamKey { session, user, lane: Lane::default() };
    Some(to_cbor(&JournalRow::new(&stream, &sealed, now.wall)))
}
