//! The device's key pair and its signatures (OUT-12); `sign.js` makes them.
//!
//! What always holds: the private key cannot be read by any script, ours included.

use bellwether_shared::wire::KeyKind;
use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;

use crate::dom::DomFault;
use crate::js;
use crate::task::settled;

#[wasm_bindgen(module = "/src/sign.js")]
extern "C" {
    #[wasm_bindgen(js_name = generate)]
    fn raw_generate(kinds: &[u8]) -> Promise;
    #[wasm_bindgen(js_name = sign)]
    fn raw_sign(pair: &JsValue, kind: u8, bytes: &[u8]) -> Promise;
}

/// A key pair to be kept in the store, its kind, and the raw public key.
///
/// Ed25519, or P-256 where the browser lacks it, or `null` with [`KeyKind::None`] where it has neither.
pub async fn generate() -> Result<(JsValue, KeyKind, Vec<u8>), DomFault> {
    let made = settled(Ok(raw_generate(&[ED25519, P256]))).await?;
    if made.is_undefined() {
        return Ok((JsValue::NULL, KeyKind::None, Vec::new()));
    }
    let made: Array = made.unchecked_into();
    let kind =
        if made.get(2).as_f64() == Some(ED25519.into()) { KeyKind::Ed25519 } else { KeyKind::P256 };
    Ok((made.get(0), kind, js::to_bytes(&made.get(1))))
}

/// The signature over `bytes`; empty for [`KeyKind::None`].
pub async fn sign(pair: &JsValue, kind: KeyKind, bytes: &[u8]) -> Result<Vec<u8>, DomFault> {
    let kind = match kind {
        KeyKind::None => return Ok(Vec::new()),
        KeyKind::Ed25519 => ED25519,
        KeyKind::P256 => P256,
    };
    Ok(js::to_bytes(&settled(Ok(raw_sign(pair, kind, bytes))).await?))
}

// As on the wire.
const ED25519: u8 = 1;
const P256: u8 = 2;
