//! The chain once more, from the words of `docs/protocol.md` and SHA-256 alone.

use bellwether_shared::wire::{Former, Push, StreamId};
use minicbor::bytes::ByteVec;
use sha2::{Digest as _, Sha256};

pub(super) type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

fn stream_bytes(stream: &StreamId) -> Vec<u8> {
    let length = |text: &str| (text.len() as u64).to_be_bytes();
    [
        &stream.device.0[..],
        &stream.incarnation.0,
        &[stream.lane as u8],
        &length(&stream.session),
        stream.session.as_bytes(),
        &length(&stream.user),
        stream.user.as_bytes(),
    ]
    .concat()
}

pub(super) fn genesis(stream: &StreamId, former: Option<&Former>) -> Hash {
    let former = former.map_or(&[][..], |former| &former.head[..]);
    sha256(&[b"bellwether.genesis.v1", &stream_bytes(stream), former])
}

pub(super) fn link(head: Hash, sealed: &[u8]) -> Hash {
    sha256(&[b"bellwether.link.v1", &head, &sha256(&[b"bellwether.event.v1", sealed])])
}

pub(super) fn head_after(head: Hash, events: &[ByteVec]) -> Hash {
    events.iter().fold(head, |head, sealed| link(head, sealed))
}

pub(super) fn statement(push: &Push) -> Vec<u8> {
    let stream = sha256(&[b"bellwether.stream.v1", &stream_bytes(&push.stream)]);
    let count = push.events.len() as u64;
    [
        b"bellwether.batch.v1",
        &stream[..],
        &push.first.0.to_be_bytes(),
        &count.to_be_bytes(),
        &push.previous[..],
        &push.head[..],
    ]
    .concat()
}

/// What stands for the device's signature.
pub(super) fn signature(statement: &[u8]) -> Hash {
    sha256(&[b"signed", statement])
}
