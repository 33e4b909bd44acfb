//! The kept recording of `shared/tests/tapes` comes to the same effects as wasm as it does natively (OBS-3).

#![cfg(target_arch = "wasm32")]

#[path = "../../shared/tests/tapes/kept.rs"]
mod kept;

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
fn the_kept_story_comes_to_the_same_effects() {
    kept::comes_to_the_same_effects();
}
