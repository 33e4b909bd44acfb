//! The device's key pair and its signatures (OUT-12).
//!
//! What always holds: the private key cannot be read by any script, ours included.

use bellwether_shared::wire::KeyKind;
use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{CryptoKey, SubtleCrypto};

use crate::dom::DomFault;
use crate::members::Members;
use crate::realm::SUBTLE;
use crate::task::settled;

/// A key pair to be kept in the store, its kind, and the raw public key.
///
/// Ed25519, or P-256 where the browser lacks it, or `null` with [`KeyKind::None`] where it has neither.
pub async fn generate() -> Result<(JsValue, KeyKind, Vec<u8>), DomFault> {
    let Some(subtle) = subtle() else { return Ok((JsValue::NULL, KeyKind::None, Vec::new())) };
    let mut refused = None;
    for kind in [KeyKind::Ed25519, KeyKind::P256] {
        match generate_kind(&subtle, kind).await {
            Ok((pair, public)) => return Ok((pair, kind, public)),
            Err(why) if &*why.name == "NotSupportedError" => {}
            Err(why) => refused = Some(why),
        }
    }
    // Not to have WebCrypto is one thing, and part of the protocol; a failure of it is another.
    match refused {
        Some(why) => Err(why),
        None => Ok((JsValue::NULL, KeyKind::None, Vec::new())),
    }
}

/// The signature over `bytes`; empty for [`KeyKind::None`].
pub async fn sign(pair: &JsValue, kind: KeyKind, bytes: &[u8]) -> Result<Vec<u8>, DomFault> {
    if kind == KeyKind::None {
        return Ok(Vec::new());
    }
    let absent = || DomFault { name: "NotFoundError".into(), message: "no private key".into() };
    let key = key_of(pair, "privateKey").ok_or_else(absent)?;
    let subtle = subtle().ok_or_else(absent)?;
    let bytes = Uint8Array::from(bytes);
    let signed = subtle.sign_with_object_and_js_u8_array(&algorithm(kind), &key, &bytes);
    Ok(Uint8Array::new(&settled(signed).await?).to_vec())
}

async fn generate_kind(
    subtle: &SubtleCrypto,
    kind: KeyKind,
) -> Result<(JsValue, Vec<u8>), DomFault> {
    let usages = Array::new();
    usages.push(&JsValue::from_str("sign"));
    usages.push(&JsValue::from_str("verify"));
    let generated = subtle.generate_key_with_object(&algorithm(kind), false, &usages);
    let pair = settled(generated).await?;
    let public = key_of(&pair, "publicKey").unwrap_or(JsValue::NULL.unchecked_into());
    let public = settled(subtle.export_key("raw", &public)).await?;
    Ok((pair, Uint8Array::new(&public).to_vec()))
}

// https://w3c.github.io/webcrypto/#keypair
fn key_of(pair: &JsValue, which: &str) -> Option<CryptoKey> {
    let key = Members::of(pair).get(which);
    key.is_object().then(|| key.unchecked_into())
}

// One object serves for generating and for signing: each takes the members it knows.
fn algorithm(kind: KeyKind) -> Object {
    // https://w3c.github.io/webcrypto/#algorithm-dictionary
    let algorithm = Members::none();
    match kind {
        KeyKind::None | KeyKind::Ed25519 => algorithm.set_text("name", "Ed25519"),
        KeyKind::P256 => {
            algorithm.set_text("name", "ECDSA");
            algorithm.set_text("namedCurve", "P-256");
            algorithm.set_text("hash", "SHA-256");
        }
    }
    algorithm.into()
}

fn subtle() -> Option<SubtleCrypto> {
    SUBTLE.with(Option::clone)
}
