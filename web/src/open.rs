//! Opening a database with nothing but the browser's own calls.

use core::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbFactory, IdbOpenDbRequest};

use crate::fault::StoreFault;
use crate::listen::Listener;
use crate::once::Once;
use crate::realm::realm;
use crate::schema::Schema;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = IdbFactory)]
    type Factory;

    // https://w3c.github.io/IndexedDB/#dom-idbfactory-open
    #[wasm_bindgen(method, catch)]
    fn open(this: &Factory, name: &str, version: &JsValue) -> Result<IdbOpenDbRequest, JsValue>;
}

/// Opens `name`, at `version` or at whatever version it has. `blocked` is set while another connection
/// stands in the way.
pub(crate) async fn open(
    name: &str,
    version: Option<u32>,
    schema: &'static Schema,
    blocked: Rc<Cell<bool>>,
) -> Result<IdbDatabase, StoreFault> {
    let request = request(name, version)?;
    let opened = Once::new();
    let (ended, observed) = (opened.clone(), request.clone());
    let kinds = &["upgradeneeded", "blocked", "success", "error"];
    let _listener = Listener::new(&request, kinds, move |event| match event.type_().as_str() {
        "upgradeneeded" => upgrade(&observed, schema),
        "blocked" => blocked.set(true),
        "success" => drop(ended.put(database(&observed))),
        _ => drop(ended.put(Err(reason(&observed)))),
    });
    opened.get().await
}

fn request(name: &str, version: Option<u32>) -> Result<IdbOpenDbRequest, StoreFault> {
    let unavailable = |thrown: JsValue| {
        let why = crate::dom::DomFault::new(&thrown);
        StoreFault::Unavailable(why.message)
    };
    let factory = realm().indexed_db().map_err(unavailable)?;
    let factory = factory.ok_or_else(|| StoreFault::Unavailable("".into()))?;
    // Without a version it is opened as it is.
    let version = version.map_or(JsValue::UNDEFINED, JsValue::from);
    factory.unchecked_ref::<Factory>().open(name, &version).map_err(unavailable)
}

fn database(request: &IdbOpenDbRequest) -> Result<IdbDatabase, StoreFault> {
    Ok(request.result()?.unchecked_into())
}

// A schema that cannot be completed is none: the upgrade is undone, and the request fails.
fn upgrade(request: &IdbOpenDbRequest, schema: &Schema) {
    let upgraded = database(request).is_ok_and(|db| (schema.complete)(&db).is_ok());
    if let (false, Some(transaction)) = (upgraded, request.transaction()) {
        let _ = transaction.abort();
    }
}

fn reason(request: &IdbOpenDbRequest) -> StoreFault {
    match request.error() {
        Ok(Some(error)) => StoreFault::thrown(&error),
        Ok(None) | Err(_) => StoreFault::Closed,
    }
}
