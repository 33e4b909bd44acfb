//! The conversions between rows and JavaScript values.

use core::time::Duration;

use bellwether_shared::rows::Key;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};

/// A row as it is stored.
#[cfg(feature = "worker")]
pub(crate) fn from_bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// A row as it was stored. Whatever is no bytes is a row that cannot be read, and so an empty one.
pub(crate) fn to_bytes(value: &JsValue) -> Vec<u8> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default()
}

/// The same of a request's result, where `undefined` means that there is no row.
#[cfg(feature = "worker")]
pub(crate) fn to_row(value: &JsValue) -> Option<Vec<u8>> {
    (!value.is_undefined()).then(|| to_bytes(value))
}

/// A key as IndexedDB takes it.
#[cfg(feature = "worker")]
pub(crate) fn from_key(key: &Key) -> JsValue {
    match key {
        Key::Number(number) => from_number(*number),
        Key::Text(text) => JsValue::from_str(text),
    }
}

/// A number as IndexedDB takes it; exact up to 2⁵³.
#[cfg(feature = "worker")]
pub(crate) fn from_number(number: u64) -> JsValue {
    JsValue::from_f64(number as f64)
}

/// A key of ours; `None` if it is of another kind, and so not ours.
pub(crate) fn to_key(value: &JsValue) -> Option<Key> {
    match value.as_f64() {
        Some(number) => Some(Key::Number(number as u64)),
        None => value.as_string().map(|text| Key::Text(text.into())),
    }
}

/// Milliseconds, and parts of one. By hand: what the standard library has divides numbers of 128 bits.
pub(crate) fn from_duration(duration: Duration) -> f64 {
    duration.as_secs() as f64 * 1e3 + f64::from(duration.subsec_nanos()) / 1e6
}
