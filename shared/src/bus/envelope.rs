//! What every message between page and coordinator begins with.

use minicbor::{Decode, Encode};

use crate::base::{Epoch, PageId, RequestId, limits};
use crate::wire::{WireFault, from_cbor};

/// The oldest version of the bus that this build speaks.
pub const PROTOCOL_MIN: u16 = 1;
/// The newest.
pub const PROTOCOL_MAX: u16 = 1;

/// A message with its header.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Envelope<'b> {
    /// Oldest version of the bus that the sender speaks.
    #[n(0)]
    pub protocol_min: u16,
    /// Newest version of the bus that the sender speaks.
    #[n(1)]
    pub protocol_max: u16,
    /// Build id of the sender.
    #[b(2)]
    pub build: &'b str,
    /// The page, or the realm that hosts the coordinator.
    #[n(3)]
    pub sender: PageId,
    /// The request this is or answers; 0 where nothing is asked.
    #[n(4)]
    pub request: RequestId,
    /// The coordinator's epoch: its own, or the newest the page has heard of.
    #[n(5)]
    pub epoch: Epoch,
    /// What the body is.
    #[n(6)]
    pub kind: u8,
    /// None is in use; a receiver skips the bits it does not know.
    #[n(7)]
    pub flags: u8,
    /// The message.
    #[cbor(b(8), with = "minicbor::bytes")]
    pub body: &'b [u8],
}

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
    /// Reads the header, and checks that both sides have a version in common.
    pub fn read(bytes: &'b [u8]) -> Result<Self, BusFault> {
        let envelope: Self =
            from_cbor(bytes, limits::BUS_BYTES_MAX).map_err(|_: WireFault| BusFault::Malformed)?;
        if envelope.protocol_min > PROTOCOL_MAX || envelope.protocol_max < PROTOCOL_MIN {
            return Err(BusFault::TooFarApart);
        }
        Ok(envelope)
    }
}
