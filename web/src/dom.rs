//! What a browser throws.

use core::fmt;

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // https://webidl.spec.whatwg.org/#idl-DOMException; `Error` has the same two.
    type Thrown;
    #[wasm_bindgen(method, getter, catch)]
    fn name(this: &Thrown) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, catch)]
    fn message(this: &Thrown) -> Result<JsValue, JsValue>;
}

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
        let text = |value: Result<JsValue, JsValue>| {
            value.ok().and_then(|value| value.as_string()).unwrap_or_default().into_boxed_str()
        };
        if !thrown.is_object() {
            return Self { name: "".into(), message: text(Ok(thrown.clone())) };
        }
        let thrown: &Thrown = thrown.unchecked_ref();
        Self { name: text(thrown.name()), message: text(thrown.message()) }
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
