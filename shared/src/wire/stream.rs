//! What one wire sequence and one hash chain belong to.

use crate::base::codec::{array, index};
use crate::base::{DeviceId, Incarnation};

/// How urgent an event is; each lane is delivered on its own (OUT-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "json", serde(rename_all = "lowercase"))]
#[repr(u8)]
pub enum Lane {
    /// Security and session end: first and at once.
    Critical = 0,
    /// Everything else.
    #[default]
    Normal = 1,
    /// What can wait.
    Bulk = 2,
}

index!(Lane { 0: Critical, 1: Normal, 2: Bulk });

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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct StreamId {
    /// The device that appended them.
    pub device: DeviceId,
    /// The session they belong to.
    pub session: Box<str>,
    /// The user who made them; empty where the app names none.
    pub user: Box<str>,
    /// Their lane.
    pub lane: Lane,
    /// The stream's life between forks.
    pub incarnation: Incarnation,
}

array!(StreamId { 0: device, 1: session, 2: user, 3: lane, 4: incarnation });
