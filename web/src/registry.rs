//! A small database that lists this origin's channels, for wakes that name none.

use core::time::Duration;

use bellwether_shared::base::limits;
use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::IdbDatabase;

use crate::connection::Connection;
use crate::fault::StoreFault;
use crate::schema::Schema;
use crate::transaction::{Mode, Transaction};

const NAME: &str = "bellwether";
const STORE: &str = "channels";
const TIMEOUT: Duration = Duration::from_secs(5);
/// Channels that are listed; an app has a handful.
const CHANNELS_MAX: u32 = 1_000;

static SCHEMA: Schema = Schema { is_complete, complete };

/// Notes that there is a channel of this name.
pub async fn remember(channel: &str) -> Result<(), StoreFault> {
    let note = async |db: &IdbDatabase| {
        let transaction = begin(db, Mode::Write { strict: false })?;
        let channels = transaction.raw().object_store(STORE)?;
        channels.put_with_key(&JsValue::TRUE, &JsValue::from_str(channel))?;
        transaction.commit().await
    };
    Connection::new(NAME, &SCHEMA, TIMEOUT).with(note).await
}

/// All channels, in the order of their names.
pub async fn channels() -> Result<Vec<String>, StoreFault> {
    let list = async |db: &IdbDatabase| {
        let transaction = begin(db, Mode::Read)?;
        let channels = transaction.raw().object_store(STORE)?;
        let keys = channels.get_all_keys_with_key_and_limit(&JsValue::UNDEFINED, CHANNELS_MAX)?;
        transaction.done().await?;
        Ok(keys.result()?)
    };
    let keys = Connection::new(NAME, &SCHEMA, TIMEOUT).with(list).await?;
    let names = keys.unchecked_into::<Array>();
    let names = names.iter().filter_map(|key| key.as_string());
    Ok(names.filter(|name| name.len() <= limits::NAME_BYTES_MAX).collect())
}

fn begin(db: &IdbDatabase, mode: Mode) -> Result<Transaction, StoreFault> {
    Transaction::begin_named(db, &Array::of1(&JsValue::from_str(STORE)), mode)
}

fn is_complete(db: &IdbDatabase) -> bool {
    db.object_store_names().contains(STORE)
}

fn complete(db: &IdbDatabase) -> Result<(), JsValue> {
    if !is_complete(db) {
        db.create_object_store(STORE)?;
    }
    Ok(())
}
