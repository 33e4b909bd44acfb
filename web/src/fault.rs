//! Why the store did not do what it was asked to.

use core::fmt;

use bellwether_shared::base::{Culprit, Epoch, Fault};
use wasm_bindgen::JsValue;

use crate::dom::DomFault;

/// Why the store did not do what it was asked to. Nothing was written, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreFault {
    /// The disk, or this origin's share of it, is full.
    Quota,
    /// The database did not open in time.
    Timeout,
    /// The database did not open in time, because another page holds an older version of it open.
    Blocked,
    /// The handle was dead, and so was the next one.
    Closed,
    /// Another coordinator has taken over.
    Fenced {
        /// Its epoch; 0 if there is no lease at all.
        found: Epoch,
    },
    /// There is no IndexedDB here, or it may not be used; in the browser's words.
    Unavailable(Box<str>),
    /// Anything else, as the browser named it.
    Failed {
        /// The `DOMException`'s name.
        name: Box<str>,
        /// The `DOMException`'s message.
        message: Box<str>,
    },
}

impl StoreFault {
    /// Stable name for the JavaScript side; part of the public API, so never reused for another meaning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.told().0
    }

    /// The same, to be stored, sent and shown.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        let (code, culprit, sentence) = self.told();
        let details: [&str; 2] = match self {
            Self::Unavailable(why) => [why, ""],
            Self::Failed { name, message } => [name, message],
            Self::Quota | Self::Timeout | Self::Blocked | Self::Closed | Self::Fenced { .. } => {
                [""; 2]
            }
        };
        let mut message = String::from(sentence);
        for detail in details.into_iter().filter(|detail| !detail.is_empty()) {
            message.push_str(": ");
            message.push_str(detail);
        }
        Fault::new(code, culprit, message)
    }

    /// What a browser threw, as a fault of the store.
    #[must_use]
    pub fn thrown(thrown: &JsValue) -> Self {
        DomFault::new(thrown).into()
    }

    fn told(&self) -> (&'static str, Culprit, &'static str) {
        use Culprit::{Browser, Peer};
        match self {
            Self::Quota => ("store-quota", Browser, "the disk is full"),
            Self::Timeout => ("store-timeout", Browser, "the database did not open in time"),
            Self::Blocked => {
                ("store-blocked", Peer, "another page keeps the database from being opened")
            }
            Self::Closed => ("store-closed", Browser, "the browser closed the database"),
            Self::Fenced { .. } => ("fenced", Peer, "another coordinator has taken over"),
            Self::Unavailable(_) => ("store-unavailable", Browser, "there is no database"),
            Self::Failed { .. } => ("store-failed", Browser, "the database failed"),
        }
    }
}

impl From<StoreFault> for Fault {
    fn from(fault: StoreFault) -> Self {
        fault.to_fault()
    }
}

impl From<DomFault> for StoreFault {
    fn from(DomFault { name, message }: DomFault) -> Self {
        match &*name {
            "QuotaExceededError" => Self::Quota,
            // What `transaction()` says of a connection that was closed under it.
            "InvalidStateError" => Self::Closed,
            // What `store.js` and `journal.js` say of an opening.
            "timeout" => Self::Timeout,
            "blocked" => Self::Blocked,
            "unavailable" => Self::Unavailable(message),
            _ => Self::Failed { name, message },
        }
    }
}

impl From<JsValue> for StoreFault {
    fn from(thrown: JsValue) -> Self {
        Self::thrown(&thrown)
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_fault().message)
    }
}

impl core::error::Error for StoreFault {}
