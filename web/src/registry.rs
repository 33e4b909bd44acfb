//! A small database that lists this origin's channels, for wakes that name none.

use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::limits;
use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::IdbDatabase;

use crate::connection::Connection;
use crate::fault::StoreFault;
use crate::schema::{Schema, create_store};
use crate::transaction::{Mode, Request, Transaction};

const NAME: &str = "bellwether";
const STORE: &str = "channels";
const TIMEOUT: Duration = Duration::from_secs(5);
/// Channels that are listed; an app has a handful.
const CHANNELS_MAX: u32 = 1_000;

static SCHEMA: Schema = Schema { is_complete, complete };

/// Notes that there is a channel of this name.
pub async fn remember(channel: &str) -> Result<(), StoreFault> {
    let fire = &mut |transaction: &Transaction| {
        transaction.named(STORE).put(&JsValue::from_str(channel), &JsValue::TRUE);
        transaction.commit();
    };
    connection().run(names(), Mode::Write { strict: false }, fire).await
}

/// All channels, in the order of their names.
pub async fn channels() -> Result<Vec<String>, StoreFault> {
    let mut keys = Request::default();
    let fire = &mut |transaction: &Transaction| {
        keys = transaction.named(STORE).keys(&JsValue::UNDEFINED, CHANNELS_MAX);
    };
    connection().run(names(), Mode::Read, fire).await?;
    let keys = keys.list();
    let names = keys.iter().filter_map(|key| key.as_string());
    Ok(names.filter(|name| name.len() <= limits::NAME_BYTES_MAX).collect())
}

fn connection() -> Rc<Connection> {
    Connection::new(NAME, &SCHEMA, TIMEOUT)
}

fn names() -> Array {
    let names = Array::new();
    names.push(&JsValue::from_str(STORE));
    names
}

fn is_complete(db: &IdbDatabase) -> bool {
    db.object_store_names().contains(STORE)
}

fn complete(db: &IdbDatabase) -> Result<(), JsValue> {
    if !is_complete(db) {
        create_store(db, STORE, false)?;
    }
    Ok(())
}
