//! What every message between page and coordinator begins with.

use crate::base::codec::array;
use crate::base::{Epoch, PageId, RequestId, limits};
use crate::wire::{WireFault, from_cbor, to_cbor};

/// The oldest version of the bus that this build speaks.
pub const PROTOCOL_MIN: u16 = 1;
/// The newest.
pub const PROTOCOL_MAX: u16 = 1;

/// A message with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'b> {
    /// Oldest version of the bus that the sender speaks.
    pub protocol_min: u16,
    /// Newest version of the bus that the sender speaks.
    pub protocol_max: u16,
    /// Build id of the sender.
    pub build: &'b str,
    /// The page, or the realm that hosts the coordinator.
    pub sender: PageId,
    /// The request this is or answers; 0 where nothing is asked.
    pub request: RequestId,
    /// The coordinator's epoch: its own, or the newest the page has heard of.
    pub epoch: Epoch,
    /// What the body is.
    pub kind: u8,
    /// None is in use; a receiver skips the bits it does not know.
    pub flags: u8,
    /// The message.
    pub body: &'b [u8],
}

array!(Envelope<'b> {
    0: protocol_min, 1: protocol_max, 2: build, 3: sender, 4: request, 5: epoch, 6: kind,
    7: flags, 8: body,
});

/// Why a message was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusFault {
    /// Its bytes are no envelope, or its body is not of its kind's shape.
    #[error("a message of an impossible shape was dropped")]
    Malformed,
    /// The sender speaks no version that this build speaks.
    #[error("the other side is of a build too far apart: reload")]
    TooFarApart,
}

impl<'b> Envelope<'b> {
    /// A header of this build, to be given a kind and a body.
    pub(super) fn blank(build: &'b str, sender: PageId, request: RequestId, epoch: Epoch) -> Self {
        Self {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            build,
            sender,
            request,
            epoch,
            kind: 0,
            flags: 0,
            body: &[],
        }
    }

    /// The bytes to be posted.
    pub(super) fn seal(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Reads the header, and checks that both sides have a version in common.
    pub fn read(bytes: &'b [u8]) -> Result<Self, BusFault> {
        let envelope: Self =
            from_cbor(bytes, limits::BUS_BYTES_MAX).map_err(|_: WireFault| BusFault::Malformed)?;
        if envelope.protocol_min > PROTOCOL_MAX || envelope.protocol_max < PROTOCOL_MIN {
            return Err(BusFault::TooFarApart);
        }
        Ok(envelope)
    }

    /// The message without its body, as far as it is one.
    pub(crate) fn without_body(bytes: &[u8]) -> Vec<u8> {
        let header = |envelope: Envelope<'_>| Envelope { body: &[], ..envelope }.seal();
        from_cbor(bytes, limits::BUS_BYTES_MAX).map_or(Vec::new(), header)
    }
}
