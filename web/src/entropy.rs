//! Randomness of the operating system.

use core::cell::RefCell;

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // https://w3c.github.io/webcrypto/#Crypto-method-getRandomValues
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]);
}

/// Bytes of which nobody has been given those before `left`.
struct Stock {
    bytes: [u8; STOCK_BYTES],
    left: usize,
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK_BYTES], left: 0 }) };
}

/// `N` random bytes; at most 256.
///
/// They are fetched in stock: to ask the browser takes longer than to write an event down.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= STOCK_BYTES) };
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A seed for the core's generator.
#[must_use]
pub fn seed() -> u64 {
    u64::from_le_bytes(bytes())
}

fn fill(to: &mut [u8]) {
    STOCK.with_borrow_mut(|stock| {
        for byte in to {
            if stock.left == 0 {
                get_random_values(&mut stock.bytes);
                stock.left = STOCK_BYTES;
            }
            stock.left -= 1;
            *byte = stock.bytes.get(stock.left).copied().unwrap_or_default();
        }
    });
}

/// How many are fetched at once.
const STOCK_BYTES: usize = 256;
