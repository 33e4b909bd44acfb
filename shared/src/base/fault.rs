//! Something that went wrong, sorted by who has to act.

use minicbor::{Decode, Encode};

/// Who is at fault, and so who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "json", serde(rename_all = "lowercase"))]
#[cbor(index_only)]
pub enum Culprit {
    /// The app that uses Bellwether.
    #[n(0)]
    App,
    /// The sync server, or what stands before it.
    #[n(1)]
    Server,
    /// Another page, or another version of this one.
    #[n(2)]
    Peer,
    /// The browser, its disk included.
    #[n(3)]
    Browser,
    /// Bellwether itself.
    #[n(4)]
    Us,
}

/// What went wrong, in a form that can be stored, sent and shown.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Stable name, kebab-case; part of the public API, so never reused for another meaning.
    #[n(0)]
    pub code: Box<str>,
    /// Who has to act.
    #[n(1)]
    pub culprit: Culprit,
    /// For people: what happened and what to do.
    #[n(2)]
    pub message: Box<str>,
}

impl Fault {
    /// A fault of `culprit`'s making.
    #[must_use]
    pub fn new(code: &str, culprit: Culprit, message: impl Into<Box<str>>) -> Self {
        Self { code: code.into(), culprit, message: message.into() }
    }
}
