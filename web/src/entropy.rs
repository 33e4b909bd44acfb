//! Randomness of the operating system.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // https://w3c.github.io/webcrypto/#Crypto-method-getRandomValues
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]);
}

/// `N` random bytes; at most 65 536, which is as much as a browser gives at once.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= 65_536) };
    let mut bytes = [0; N];
    get_random_values(&mut bytes);
    bytes
}

/// A seed for the core's generator.
#[must_use]
pub fn seed() -> u64 {
    u64::from_le_bytes(bytes())
}
