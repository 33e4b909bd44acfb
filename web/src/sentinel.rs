//! The device's id, kept once more outside the database: whoever finds it there and no database knows
//! that the database was lost (G1).

use bellwether_shared::base::limits;
use js_sys::encode_uri_component;
use wasm_bindgen::prelude::*;
use web_sys::{Cache, Response};

use crate::dom::DomFault;
use crate::realm::realm;
use crate::task::settled;

const CACHE: &str = "bellwether.sentinel";

/// The device id that was put for `channel`.
pub async fn get(channel: &str) -> Result<Option<String>, DomFault> {
    let Some(cache) = cache().await? else { return Ok(None) };
    let found = settled(Ok(cache.match_with_str(&address(channel)))).await?;
    if found.is_undefined() {
        return Ok(None);
    }
    let text = settled(found.unchecked_into::<Response>().text()).await?.as_string();
    Ok(text.filter(|text| text.len() <= limits::NAME_BYTES_MAX))
}

/// Puts the device id of `channel`; false where there is no place for it.
pub async fn put(channel: &str, device: &str) -> Result<bool, DomFault> {
    let Some(cache) = cache().await? else { return Ok(false) };
    let response = Response::new_with_opt_str(Some(device))?;
    settled(Ok(cache.put_with_str(&address(channel), &response))).await?;
    Ok(true)
}

async fn cache() -> Result<Option<Cache>, DomFault> {
    let Some(caches) = realm().caches()? else { return Ok(None) };
    Ok(Some(settled(Ok(caches.open(CACHE))).await?.unchecked_into()))
}

// A cache is keyed by addresses; this one is never fetched.
fn address(channel: &str) -> String {
    let channel = String::from(encode_uri_component(channel));
    ["/bellwether.sentinel/", &channel].concat()
}
