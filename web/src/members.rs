//! An object's members by their names.
//!
//! One import of each kind serves every object and every name: a typed getter for each would be a function
//! in the glue and an import in the wasm.

use js_sys::Object;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Any object.
    #[wasm_bindgen(extends = Object)]
    pub type Members;
    #[wasm_bindgen(method, structural, indexing_getter, catch)]
    fn at(this: &Members, name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, structural, indexing_setter)]
    fn put(this: &Members, name: &str, value: &JsValue);
}

impl Members {
    /// The members of `value`; of what is no object, none can be had.
    #[must_use]
    pub fn of(value: &JsValue) -> &Self {
        value.unchecked_ref()
    }

    /// An object that has none yet.
    #[must_use]
    pub fn none() -> Self {
        Object::new().unchecked_into()
    }

    /// The member of this name; `undefined` if there is none, or if it cannot be had.
    #[must_use]
    pub fn get(&self, name: &str) -> JsValue {
        self.at(name).unwrap_or_default()
    }

    /// The same, if it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).as_string()
    }

    /// Sets the member of this name.
    pub fn set(&self, name: &str, value: &JsValue) {
        self.put(name, value);
    }

    /// Sets it to a text.
    pub fn set_text(&self, name: &str, text: &str) {
        self.put(name, &JsValue::from_str(text));
    }
}

impl core::fmt::Debug for Members {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Members")
    }
}
