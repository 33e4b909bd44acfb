//! The stores of a channel's database, created the same by whoever comes first.
//!
//! What always holds: stores are only ever added; a database of a newer build is opened as it is.

use bellwether_shared::rows;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::IdbDatabase;

use crate::members::Members;

/// Name of a channel's database.
#[must_use]
pub fn database_name(channel: &str) -> String {
    let mut name = String::from("bellwether:");
    name.push_str(channel);
    name
}

/// Creates the stores that are not there; only inside an upgrade. Keys stand outside the rows, and
/// `journal` generates its own.
pub fn create_missing_stores(db: &IdbDatabase) -> Result<(), JsValue> {
    let present = db.object_store_names();
    for store in rows::Store::ALL {
        if !present.contains(store.name()) {
            create_store(db, store.name(), store == rows::Store::Journal)?;
        }
    }
    Ok(())
}

/// Creates one store, whose keys are generated or given.
pub(crate) fn create_store(db: &IdbDatabase, name: &str, generated: bool) -> Result<(), JsValue> {
    // https://w3c.github.io/IndexedDB/#dictdef-idbobjectstoreparameters
    let parameters = Members::none();
    parameters.set("autoIncrement", &JsValue::from_bool(generated));
    db.create_object_store_with_optional_parameters(name, parameters.unchecked_ref()).map(drop)
}

/// What a database has to have.
pub(crate) struct Schema {
    /// Whether it has it.
    pub(crate) is_complete: fn(&IdbDatabase) -> bool,
    /// Adds what it lacks, inside an upgrade.
    pub(crate) complete: fn(&IdbDatabase) -> Result<(), JsValue>,
}

/// What a channel's database has to have.
pub(crate) const CHANNEL: Schema =
    Schema { is_complete: has_all_stores, complete: create_missing_stores };

fn has_all_stores(db: &IdbDatabase) -> bool {
    let present = db.object_store_names();
    rows::Store::ALL.iter().all(|store| present.contains(store.name()))
}
