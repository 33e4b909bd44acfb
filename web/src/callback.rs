//! Functions that JavaScript calls. All are of one kind, so that wasm and glue have it once.

use core::cell::Cell;
use core::fmt;

use wasm_bindgen::prelude::*;

type Call = dyn Fn(JsValue, JsValue);

/// A function of two values. Called after it was dropped it throws.
pub(crate) struct Callback(Closure<Call>);

impl Callback {
    pub(crate) fn new(called: Box<Call>) -> Self {
        Self(Closure::wrap(called))
    }

    pub(crate) fn function(&self) -> &JsValue {
        self.0.as_ref()
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

/// A function that does `work` when it is called for the first time; what it holds is then let go of.
pub(crate) fn once(work: Box<dyn FnOnce(JsValue, JsValue)>) -> JsValue {
    let work = Cell::new(Some(work));
    let called = move |value, more| {
        if let Some(work) = work.take() {
            work(value, more);
        }
    };
    Callback::new(Box::new(called)).0.into_js_value()
}
