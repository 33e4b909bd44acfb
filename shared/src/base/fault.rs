//! Something that went wrong, sorted by who has to act.

use super::codec::{array, index};

/// Who is at fault, and so who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "json", serde(rename_all = "lowercase"))]
pub enum Culprit {
    /// The app that uses Bellwether.
    App,
    /// The sync server, or what stands before it.
    Server,
    /// Another page, or another version of this one.
    Peer,
    /// The browser, its disk included.
    Browser,
    /// Bellwether itself.
    Us,
}

index!(Culprit { 0: App, 1: Server, 2: Peer, 3: Browser, 4: Us });

/// What went wrong, in a form that can be stored, sent and shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Stable name, kebab-case; part of the public API, so never reused for another meaning.
    pub code: Box<str>,
    /// Who has to act.
    pub culprit: Culprit,
    /// For people: what happened and what to do.
    pub message: Box<str>,
}

array!(Fault { 0: code, 1: culprit, 2: message });

impl Fault {
    /// A fault of `culprit`'s making.
    #[must_use]
    pub fn new(code: &str, culprit: Culprit, message: impl Into<Box<str>>) -> Self {
        Self { code: code.into(), culprit, message: message.into() }
    }
}
