//! What a browser throws.

use core::fmt;

use wasm_bindgen::prelude::*;

use crate::members::Members;

/// A `DOMException` or an `Error`: its name, which programs go by, and its message, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomFault {
    /// Such as `QuotaExceededError`; empty if something else was thrown.
    pub name: Box<str>,
    /// The browser's words.
    pub message: Box<str>,
}

impl DomFault {
    /// Reads what was thrown, whatever it is.
    #[must_use]
    pub fn new(thrown: &JsValue) -> Self {
        if !thrown.is_object() {
            let message = thrown.as_string().unwrap_or_default().into();
            return Self { name: "".into(), message };
        }
        // https://webidl.spec.whatwg.org/#idl-DOMException; `Error` has the same two.
        let thrown: &Members = thrown.unchecked_ref();
        let text = |name| thrown.text(name).unwrap_or_default().into();
        Self { name: text("name"), message: text("message") }
    }
}

impl From<JsValue> for DomFault {
    fn from(thrown: JsValue) -> Self {
        Self::new(&thrown)
    }
}

impl fmt::Display for DomFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        f.write_str(": ")?;
        f.write_str(&self.message)
    }
}

impl core::error::Error for DomFault {}
