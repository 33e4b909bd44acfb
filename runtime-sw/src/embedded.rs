//! The coordinator inside a page, where no worker can be had (HOST-4): what the page's script sees of it.
//!
//! What always holds: it takes the role once, when it is started; one that is over, or has resigned, does nothing any more, and
//! the page starts another if it is its turn again.
//!
//! Not here: which page hosts, and how it is chosen.

use std::rc::Rc;

use bellwether_web::task::{promise, spawn};
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::bus::Bus;
use crate::driver::Driver;

/// One channel's coordinator, hosted by this page.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Embedded(Rc<Driver>);

#[wasm_bindgen]
impl Embedded {
    /// Takes the role. Promises one that has it; rejects with a text where it cannot be had.
    pub fn start(channel: String, build: String, bus: Bus) -> Promise {
        promise(async move {
            let driver = Rc::new(Driver::embedded(&channel, &build.into(), bus));
            match driver.take_role().await {
                Ok(()) => Ok(Self(driver).into()),
                Err(fault) => Err(JsValue::from_str(&fault.message)),
            }
        })
    }

    /// A page has said something.
    #[wasm_bindgen(js_name = onMessage)]
    pub fn on_message(&self, from: String, message: Vec<u8>) {
        let driver = Rc::clone(&self.0);
        spawn(async move { driver.on_message(from.into(), message).await });
    }

    /// Lets go of the role, so that the next need not wait. Resolves when that is on disk, or cannot be.
    pub fn resign(&self) -> Promise {
        let driver = Rc::clone(&self.0);
        promise(async move {
            driver.resign().await;
            Ok(JsValue::UNDEFINED)
        })
    }
}
