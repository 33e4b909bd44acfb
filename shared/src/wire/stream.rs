//! What one wire sequence and one hash chain belong to.

use minicbor::{Decode, Encode};

use crate::base::{DeviceId, Incarnation};

/// How urgent an event is; each lane is delivered on its own (OUT-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "json", serde(rename_all = "lowercase"))]
#[cbor(index_only)]
#[repr(u8)]
pub enum Lane {
    /// Security and session end: first and at once.
    #[n(0)]
    Critical = 0,
    /// Everything else.
    #[default]
    #[n(1)]
    Normal = 1,
    /// What can wait.
    #[n(2)]
    Bulk = 2,
}

impl Lane {
    /// The lane's public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Normal => "normal",
            Self::Bulk => "bulk",
        }
    }

    /// The lane of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Critical, Self::Normal, Self::Bulk].into_iter().find(|lane| lane.name() == name)
    }
}

/// A stream: one device's events of one session, user and lane, between two forks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct StreamId {
    /// The device that appended them.
    #[n(0)]
    pub device: DeviceId,
    /// The session they belong to.
    #[n(1)]
    pub session: Box<str>,
    /// The user who made them; empty where the app names none.
    #[n(2)]
    pub user: Box<str>,
    /// Their lane.
    #[n(3)]
    pub lane: Lane,
    /// The stream's life between forks.
    #[n(4)]
    pub incarnation: Incarnation,
}
