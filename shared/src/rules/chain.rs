//! The hash chain over a stream's sealed events, and what is signed of it (OUT-12).
//!
//! Each event is hashed as the bytes that travel; the head after event *n* is the hash of the head
//! before it and that hash. A batch is signed once, over its stream, its place and both heads. The
//! proof for one event is the list of its batch's event hashes.
//!
//! What always holds: two chains with the same head hold the same events, in the same order, of
//! the same stream. Each hash begins with a text of its own, so none can stand for another.

use sha2::{Digest, Sha256};

use crate::base::Seq;
use crate::wire::StreamId;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The head of a stream before its first event.
#[must_use]
pub fn genesis(stream: &StreamId, formerly: Option<&Hash>) -> Hash {
    let mut hasher = Sha256::new_with_prefix(b"bellwether.genesis.v1");
    absorb_stream(&mut hasher, stream);
    hasher.update(formerly.map_or(&[][..], |head| &head[..]));
    hasher.finalize().into()
}

/// The hash of one sealed event.
#[must_use]
pub fn event_hash(sealed: &[u8]) -> Hash {
    #[cfg(feature = "replay")]
    if let Some(hash) = left_out::hash(sealed) {
        return hash;
    }
    Sha256::new_with_prefix(b"bellwether.event.v1").chain_update(sealed).finalize().into()
}

/// Hashes of events whose bodies a recording has left out, while it is played again (OBS-3).
#[cfg(feature = "replay")]
pub mod left_out {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::Hash;

    /// The hash of each event, by the bytes that are left of it.
    pub type Hashes = HashMap<Vec<u8>, Hash>;

    thread_local! {
        static IN_FORCE: RefCell<Hashes> = RefCell::default();
    }

    /// Does something during which these hashes are in force on this thread.
    pub fn during<T>(hashes: &mut Hashes, act: impl FnOnce() -> T) -> T {
        let swap = |hashes: &mut Hashes| {
            IN_FORCE.with_borrow_mut(|in_force| core::mem::swap(in_force, hashes));
        };
        swap(hashes);
        let done = act();
        swap(hashes);
        done
    }

    pub(super) fn hash(sealed: &[u8]) -> Option<Hash> {
        IN_FORCE.with_borrow(|in_force| in_force.get(sealed).copied())
    }
}

/// The head after an event with this hash.
#[must_use]
pub fn link(head: &Hash, event: &Hash) -> Hash {
    Sha256::new_with_prefix(b"bellwether.link.v1")
        .chain_update(head)
        .chain_update(event)
        .finalize()
        .into()
}

/// The head after `events`, given as sealed bytes.
#[must_use]
pub fn head_after<'a>(head: Hash, events: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    events.into_iter().fold(head, |head, sealed| link(&head, &event_hash(sealed)))
}

/// The bytes that a batch's signature is made over.
#[must_use]
pub fn statement(
    stream: &StreamId,
    first: Seq,
    count: u64,
    previous: &Hash,
    head: &Hash,
) -> Vec<u8> {
    let mut hasher = Sha256::new_with_prefix(b"bellwether.stream.v1");
    absorb_stream(&mut hasher, stream);
    let stream: Hash = hasher.finalize().into();
    let mut bytes = b"bellwether.batch.v1".to_vec();
    bytes.extend_from_slice(&stream);
    bytes.extend_from_slice(&first.0.to_be_bytes());
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(previous);
    bytes.extend_from_slice(head);
    bytes
}

// Lengths go in before texts, so that no two streams absorb the same bytes.
fn absorb_stream(hasher: &mut Sha256, stream: &StreamId) {
    hasher.update(stream.device.0);
    hasher.update(stream.incarnation.0);
    hasher.update([stream.lane as u8]);
    for text in [&stream.session, &stream.user] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DeviceId, Incarnation};
    use crate::wire::Lane;

    fn stream(session: &str, user: &str) -> StreamId {
        StreamId {
            device: DeviceId([1; 16]),
            session: session.into(),
            user: user.into(),
            lane: Lane::Normal,
            incarnation: Incarnation([2; 16]),
        }
    }

    #[test]
    fn heads_differ_wherever_anything_differs() {
        let start = genesis(&stream("s", "u"), None);
        let one_two = head_after(start, [&b"one"[..], b"two"]);
        #[rustfmt::skip]
        let others = [
            ("another order",    head_after(start, [&b"two"[..], b"one"])),
            ("cut elsewhere",    head_after(start, [&b"onet"[..], b"wo"])),
            ("one missing",      head_after(start, [&b"one"[..]])),
            ("other session",    head_after(genesis(&stream("su", ""), None), [&b"one"[..], b"two"])),
            ("after a fork",     head_after(genesis(&stream("s", "u"), Some(&start)), [&b"one"[..], b"two"])),
        ];
        for (shows, head) in others {
            assert_ne!(head, one_two, "{shows}");
        }
    }

    #[test]
    fn a_chain_can_be_cut_and_continued() {
        let start = genesis(&stream("s", "u"), None);
        let whole = head_after(start, [&b"a"[..], b"b", b"c"]);
        let half = head_after(start, [&b"a"[..]]);
        assert_eq!(head_after(half, [&b"b"[..], b"c"]), whole);
    }
}
