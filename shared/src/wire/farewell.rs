//! `POST /v1/tickets` and `POST /v1/farewell`: what a closing page can still send (OUT-8).
//!
//! A beacon carries no credential, and nothing can be awaited any more. So a page asks for tickets
//! beforehand, and sends its sealed events with one of them. They take effect by their ids, outside of
//! any stream; the device's stream brings them again later, with its signature, and is told that they are
//! known.
//!
//! The answer to a farewell is that to a push, in which places are those in the farewell, from 1.

use minicbor::bytes::ByteVec;

use crate::base::codec::array;
use crate::base::{DeviceId, Wall};

/// The body of a farewell: what browsers let a closing page send.
pub const FAREWELL_BYTES_MAX: usize = 64 * 1024;
/// Events in one farewell.
pub const FAREWELL_EVENTS_MAX: usize = 64;
/// One ticket.
pub const TICKET_BYTES_MAX: usize = 1_024;
/// Tickets in one answer.
pub const TICKETS_MAX: usize = 8;
/// Tickets in one answer, where the asker names no number.
pub const TICKETS: u16 = 4;

const _: () = assert!(TICKET_BYTES_MAX * 4 <= FAREWELL_BYTES_MAX);

/// Asks for tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct TicketsWanted {
    /// The oldest and the newest protocol version the sender speaks.
    pub protocol: (u16, u16),
    /// The device that will send.
    pub device: DeviceId,
    /// The session of its events.
    pub session: Box<str>,
    /// Their user; empty where the app names none.
    pub user: Box<str>,
    /// How many; [`TICKETS`] where it is absent, at most [`TICKETS_MAX`].
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub count: Option<u16>,
}

array!(TicketsWanted { 0: protocol, 1: device, 2: session, 3: user, 4: count });

/// Tickets, each good for one farewell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Tickets {
    /// Their bytes, which mean nothing to anyone but the server.
    #[cfg_attr(feature = "json", serde(with = "super::text::hex_list"))]
    pub tickets: Vec<ByteVec>,
    /// Until when, by the server's wall clock.
    pub expires_at: Wall,
    /// The server's wall clock.
    pub server_time: Wall,
}

array!(Tickets { 0: tickets, 1: expires_at, 2: server_time });

/// Events of a closing page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Farewell {
    /// The oldest and the newest protocol version the sender speaks.
    pub protocol: (u16, u16),
    /// The ticket.
    #[cfg_attr(feature = "json", serde(with = "super::text::hex"))]
    pub ticket: ByteVec,
    /// The device that the ticket was given to.
    pub device: DeviceId,
    /// The session of the events.
    pub session: Box<str>,
    /// Their user.
    pub user: Box<str>,
    /// The sealed events, as they are in the journal.
    #[cfg_attr(feature = "json", serde(with = "super::text::hex_list"))]
    pub events: Vec<ByteVec>,
}

array!(Farewell { 0: protocol, 1: ticket, 2: device, 3: session, 4: user, 5: events });
