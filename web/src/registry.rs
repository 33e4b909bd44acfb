//! A small database that lists this origin's channels, for wakes that name none.

use core::time::Duration;

use bellwether_shared::base::limits;
use wasm_bindgen::JsValue;

use crate::connection::{Connection, Mode, Requests};
use crate::fault::StoreFault;

const NAME: &str = "bellwether";
const STORE: &str = "channels";
const TIMEOUT: Duration = Duration::from_secs(5);
/// Channels that are listed; an app has a handful.
const CHANNELS_MAX: u32 = 1_000;

/// Notes that there is a channel of this name.
pub async fn remember(channel: &str) -> Result<(), StoreFault> {
    let requests = Requests::default();
    requests.put(STORE, &JsValue::from_str(channel), &JsValue::TRUE);
    let connection = connection();
    connection.run(&requests, Mode::Write { strict: false }, None).await.map(drop)
}

/// All channels, in the order of their names.
pub async fn channels() -> Result<Vec<String>, StoreFault> {
    let requests = Requests::default();
    requests.keys(STORE, &JsValue::UNDEFINED, &JsValue::from(CHANNELS_MAX));
    let connection = connection();
    let keys = connection.run(&requests, Mode::Read, None).await?.list(0);
    let names = keys.iter().filter_map(|key| key.as_string());
    Ok(names.filter(|name| name.len() <= limits::NAME_BYTES_MAX).collect())
}

fn connection() -> Connection {
    Connection::new(NAME, [STORE], TIMEOUT)
}
