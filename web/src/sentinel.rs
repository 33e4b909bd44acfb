//! The device's id, kept once more outside the database: whoever finds it there and no database knows
//! that the database was lost (G1).

use bellwether_shared::base::limits;
use js_sys::encode_uri_component;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Response};

use crate::dom::DomFault;
use crate::realm::realm;

const CACHE: &str = "bellwether.sentinel";

/// The device id that was put for `channel`.
pub async fn get(channel: &str) -> Result<Option<String>, DomFault> {
    let Some(cache) = cache().await? else { return Ok(None) };
    let found = JsFuture::from(cache.match_with_str(&address(channel))).await?;
    if found.is_undefined() {
        return Ok(None);
    }
    let text = JsFuture::from(found.unchecked_into::<Response>().text()?).await?.as_string();
    Ok(text.filter(|text| text.len() <= limits::NAME_BYTES_MAX))
}

/// Puts the device id of `channel`; false where there is no place for it.
pub async fn put(channel: &str, device: &str) -> Result<bool, DomFault> {
    let Some(cache) = cache().await? else { return Ok(false) };
    let response = Response::new_with_opt_str(Some(device))?;
    JsFuture::from(cache.put_with_str(&address(channel), &response)).await?;
    Ok(true)
}

async fn cache() -> Result<Option<Cache>, DomFault> {
    let Some(caches) = realm().caches()? else { return Ok(None) };
    Ok(Some(JsFuture::from(caches.open(CACHE)).await?.unchecked_into()))
}

// A cache is keyed by addresses; this one is never fetched.
fn address(channel: &str) -> String {
    let channel = String::from(encode_uri_component(channel));
    ["/bellwether.sentinel/", &channel].concat()
}
