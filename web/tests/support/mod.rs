//! What all browser tests need: JavaScript to meddle with, and databases of their own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use core::time::Duration;

use bellwether_web::entropy;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Long enough for any database that opens at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough to be sure that one does not.
pub(crate) const IMPATIENCE: Duration = Duration::from_millis(400);

/// A channel that no other test uses.
pub(crate) fn channel(name: &str) -> String {
    format!("{name}-{:x}", entropy::seed())
}

/// Runs the body of an async function, in which `it` is `argument`, and gives what it returns.
pub(crate) async fn js(argument: &str, body: &str) -> JsValue {
    let body = format!("return (async () => {{ {body} }})()");
    let promise = Function::new_with_args("it", &body).call1(&JsValue::NULL, &argument.into());
    let promise: Promise = promise.expect("a promise is given").unchecked_into();
    JsFuture::from(promise).await.expect("the test's JavaScript works")
}

/// Starts of `js` bodies: `open(version)` and `gone()`, both on the channel `it`.
pub(crate) const IDB: &str = "
    const name = `bellwether:${it}`;
    const settled = request => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const open = version => settled(indexedDB.open(name, version));
    const gone = () => settled(indexedDB.deleteDatabase(name));
    const done = transaction => new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
    });
";

/// Runs `body` with the helpers of [`IDB`].
pub(crate) async fn idb(channel: &str, body: &str) -> JsValue {
    js(channel, &format!("{IDB}{body}")).await
}

/// Lets the journal's key generator run out after two more rows.
pub(crate) async fn exhaust_positions(channel: &str) {
    idb(
        channel,
        "const db = await open();
         const transaction = db.transaction('journal', 'readwrite');
         transaction.objectStore('journal').put(new Uint8Array([0]), 2 ** 53 - 2);
         await done(transaction);
         db.close();",
    )
    .await;
}

/// The durability of each writing transaction from here on, as `globalThis.durabilities`.
pub(crate) async fn watch_durability() {
    js(
        "",
        "globalThis.durabilities = [];
         globalThis.plain ??= IDBDatabase.prototype.transaction;
         IDBDatabase.prototype.transaction = function (...all) {
             const transaction = globalThis.plain.apply(this, all);
             if (transaction.mode === 'readwrite') durabilities.push(transaction.durability);
             return transaction;
         };",
    )
    .await;
}

/// What was seen since [`watch_durability`], which ends.
pub(crate) async fn durabilities_seen() -> String {
    let seen = js(
        "",
        "IDBDatabase.prototype.transaction = globalThis.plain;
         return durabilities.join();",
    );
    seen.await.as_string().expect("a text is given")
}
