//! Tickets for farewells: given out to who may push, and known again without being remembered.
//!
//! ```text
//!  ticket = CBOR of what it is bound to, until when, and 16 random bytes ‖ HMAC-SHA256 of that
//! ```
//!
//! What always holds: a ticket stands for one tenant, session, user and device; who lacks the store's key
//! cannot make one.
//!
//! Not here: that it is used once, which is the store's.

use std::fmt;

use aws_lc_rs::hmac;
use bellwether_shared::base::{DeviceId, Wall};
use bellwether_shared::wire;

use crate::fault::Fault;

/// What tickets are made and known by; each store has one for ever.
pub struct TicketKey(hmac::Key);

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey")
    }
}

/// What a ticket stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Whose session.
    pub tenant: Box<str>,
    /// Which.
    pub session: Box<str>,
    /// The events' user.
    pub user: Box<str>,
    /// The device that sends.
    pub device: DeviceId,
    /// Until when.
    pub expires_at: Wall,
    /// What tells it from all others.
    pub nonce: [u8; 16],
}

/// A ticket's fields, in the order in which they are written. Nobody else reads them.
type Written = ((Box<str>, Box<str>), (Box<str>, (DeviceId, (Wall, [u8; 16]))));

impl TicketKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Makes a ticket.
    #[must_use]
    pub fn seal(&self, ticket: &Ticket) -> Vec<u8> {
        let Ticket { tenant, session, user, device, expires_at, nonce } = ticket.clone();
        let written: Written = ((tenant, session), (user, (device, (expires_at, nonce))));
        let mut bytes = wire::to_cbor(&written);
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        bytes
    }

    /// What a ticket stands for, if it was made with this key and its time is not over.
    ///
    /// # Errors
    /// [`Fault::TicketInvalid`] and [`Fault::TicketExpired`].
    pub fn open(&self, bytes: &[u8], now: Wall) -> Result<Ticket, Fault> {
        let split = bytes.len().checked_sub(TAG_BYTES).map(|at| bytes.split_at(at));
        let (written, tag) = split.ok_or(Fault::TicketInvalid)?;
        hmac::verify(&self.0, written, tag).map_err(|_| Fault::TicketInvalid)?;
        let read = wire::decode::<Written>(written).map_err(|_| Fault::TicketInvalid)?;
        let ((tenant, session), (user, (device, (expires_at, nonce)))) = read;
        if expires_at < now {
            return Err(Fault::TicketExpired);
        }
        Ok(Ticket { tenant, session, user, device, expires_at, nonce })
    }
}

const TAG_BYTES: usize = 32;
