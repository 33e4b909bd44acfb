//! The device's id, kept once more outside the database: whoever finds it there and no database knows
//! that the database was lost (G1). `sentinel.js` does it.

use bellwether_shared::base::limits;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::dom::DomFault;
use crate::task::settled;

#[wasm_bindgen(module = "/src/sentinel.js")]
extern "C" {
    #[wasm_bindgen(js_name = get)]
    fn raw_get(channel: &str) -> Promise;
    #[wasm_bindgen(js_name = put)]
    fn raw_put(channel: &str, device: &str) -> Promise;
}

/// The device id that was put for `channel`.
pub async fn get(channel: &str) -> Result<Option<String>, DomFault> {
    let text = settled(Ok(raw_get(channel))).await?.as_string();
    Ok(text.filter(|text| text.len() <= limits::NAME_BYTES_MAX))
}

/// Puts the device id of `channel`; false where there is no place for it.
pub async fn put(channel: &str, device: &str) -> Result<bool, DomFault> {
    Ok(settled(Ok(raw_put(channel, device))).await?.is_truthy())
}
