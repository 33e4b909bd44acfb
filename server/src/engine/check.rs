//! A push whose bounds, chain and signature hold. Needs no store, so it is done before one is asked.
//!
//! What always holds of a [`Checked`]: it has at least one event; the heads follow from its
//! `previous` and its events and end in its `head`; its key has signed that, unless the server takes
//! unsigned batches and this is one.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm,
};
use bellwether_shared::base::{Seq, limits};
use bellwether_shared::rules::chain::{self, Hash};
use bellwether_shared::wire::{DeviceKey, KeyKind, PROTOCOL, Push};

use crate::bounds;
use crate::fault::Fault;

/// Whether batches of devices that cannot sign are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signatures {
    /// Each batch must be signed.
    Required,
    /// A batch with no key and no signature is taken, too: for pages that are not in a secure context.
    Optional,
}

/// A push that holds in itself.
#[derive(Debug, Clone)]
pub struct Checked {
    push: Push,
    hashes: Vec<Hash>,
    heads: Vec<Hash>,
}

/// An event as it travelled, and what is chained of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) sealed: &'a [u8],
    pub(super) hash: Hash,
    /// The chain head after it.
    pub(super) head: Hash,
}

impl Checked {
    /// Checks everything that can be checked without a store.
    ///
    /// # Errors
    /// What [`check_frame`] gives; [`Fault::Malformed`] if there are no events or the heads do not follow;
    /// [`Fault::SignatureInvalid`]; [`Fault::Forbidden`] if it is unsigned and must not be.
    pub fn of(push: Push, signatures: Signatures) -> Result<Self, Fault> {
        check_frame(&push)?;
        if push.events.is_empty() {
            return Err(malformed("the push has no events"));
        }
        let mut head: Hash = *push.previous;
        let hashes: Vec<Hash> =
            push.events.iter().map(|sealed| chain::event_hash(sealed)).collect();
        let heads: Vec<Hash> = hashes
            .iter()
            .map(|hash| {
                head = chain::link(&head, hash);
                head
            })
            .collect();
        if head != *push.head {
            return Err(malformed(
                "the head does not follow from the previous head and the events",
            ));
        }
        verify(&push, signatures)?;
        Ok(Self { push, hashes, heads })
    }

    /// What was pushed.
    #[must_use]
    pub fn push(&self) -> &Push {
        &self.push
    }

    /// The place of the last event.
    #[must_use]
    pub fn last(&self) -> Seq {
        Seq(self.push.first.0 + (self.heads.len() as u64 - 1))
    }

    /// The chain head after each event.
    #[must_use]
    pub fn heads(&self) -> &[Hash] {
        &self.heads
    }

    /// The hash of each event.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Each event, with what is chained of it.
    pub(super) fn links(&self) -> impl Iterator<Item = Link<'_>> {
        let chained = self.hashes.iter().zip(&self.heads);
        let links = self.push.events.iter().zip(chained);
        links.map(|(sealed, (hash, head))| Link { sealed, hash: *hash, head: *head })
    }
}

/// Checks what every push must keep to, one without events included.
///
/// # Errors
/// [`Fault::ProtocolUnknown`], [`Fault::BatchTooLarge`], and [`Fault::Malformed`] for names, numbers and
/// keys out of bounds.
pub fn check_frame(push: &Push) -> Result<(), Fault> {
    let (oldest, newest) = push.protocol;
    if !(oldest..=newest).contains(&PROTOCOL) {
        return Err(Fault::ProtocolUnknown { found: push.protocol, spoken: PROTOCOL });
    }
    let found = push.events.len();
    if found > limits::BATCH_EVENTS_MAX {
        return Err(Fault::BatchTooLarge { found, bound: limits::BATCH_EVENTS_MAX });
    }
    if push.stream.session.is_empty() {
        return Err(malformed("the stream names no session"));
    }
    #[rustfmt::skip]
    let lengths = [
        ("session",   push.stream.session.len(), limits::NAME_BYTES_MAX),
        ("user",      push.stream.user.len(),    limits::NAME_BYTES_MAX),
        ("build",     push.build.len(),          limits::NAME_BYTES_MAX),
        ("key",       push.key.public.len(),     KEY_BYTES_MAX),
        ("signature", push.signature.len(),      SIGNATURE_BYTES_MAX),
    ];
    if let Some((field, found, bound)) = lengths.into_iter().find(|(_, found, bound)| found > bound)
    {
        return Err(malformed(&format!("{field} has {found} bytes, at most {bound} are taken")));
    }
    let last = push.first.0.saturating_add(found as u64);
    if push.first.0 == 0 && found > 0 {
        return Err(malformed("places begin with 1"));
    }
    if last > bounds::COUNT_MAX || push.host_epoch > bounds::COUNT_MAX {
        return Err(malformed("a place or host epoch is beyond 2^53 - 1"));
    }
    Ok(())
}

/// Whether `signature` over `statement` is the key's. Of a device that cannot sign both must be empty.
#[must_use]
pub fn is_signed_by(key: &DeviceKey, statement: &[u8], signature: &[u8]) -> bool {
    let algorithm: &'static dyn VerificationAlgorithm = match key.kind {
        KeyKind::Ed25519 => &ED25519,
        KeyKind::P256 => &ECDSA_P256_SHA256_FIXED,
        KeyKind::None => return key.public.is_empty() && signature.is_empty(),
    };
    let key = UnparsedPublicKey::new(algorithm, key.public.as_slice());
    key.verify(statement, signature).is_ok()
}

fn verify(push: &Push, signatures: Signatures) -> Result<(), Fault> {
    let statement = chain::statement(
        &push.stream,
        push.first,
        push.events.len() as u64,
        &push.previous,
        &push.head,
    );
    if !is_signed_by(&push.key, &statement, &push.signature) {
        return Err(Fault::SignatureInvalid);
    }
    match (push.key.kind, signatures) {
        (KeyKind::Ed25519 | KeyKind::P256, _) | (KeyKind::None, Signatures::Optional) => Ok(()),
        (KeyKind::None, Signatures::Required) => Err(Fault::Forbidden(
            "this server takes signed batches only; serve the app over HTTPS or from localhost, \
             where browsers can sign, or start the server with --allow-unsigned"
                .into(),
        )),
    }
}

fn malformed(words: &str) -> Fault {
    Fault::Malformed(words.into())
}

const KEY_BYTES_MAX: usize = 65;
const SIGNATURE_BYTES_MAX: usize = 64;
