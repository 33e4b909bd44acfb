//! Both clocks of this realm.

use bellwether_shared::base::{Mono, Now, Wall};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // https://w3c.github.io/hr-time/#dom-performance-now
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Both clocks, in whole milliseconds.
#[must_use]
pub fn now() -> Now {
    // Casts saturate, so that a clock gone wild is a far moment and no panic.
    Now { mono: Mono(performance_now() as u64), wall: Wall(js_sys::Date::now() as u64) }
}
