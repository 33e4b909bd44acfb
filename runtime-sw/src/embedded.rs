//! The coordinator inside a page, where no worker can be had (HOST-4): what the page's script sees of it.
//!
//! What always holds: it takes the role once, when it is started; one that is over, or has resigned, does nothing any more, and
//! the page starts another if it is its turn again.
//!
//! Not here: which page hosts, and how it is chosen.

use core::cell::RefCell;
use std::rc::Rc;

use bellwether_shared::base::{Epoch, Fault};
use bellwether_web::members::Members;
use bellwether_web::task::{promise, spawn};
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::bus::Bus;
use crate::driver::Driver;

/// One channel's coordinator, hosted by this page.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Embedded(RefCell<Option<Rc<Driver>>>);

#[wasm_bindgen]
impl Embedded {
    /// Takes the role, under a later epoch than the page has `heard` of. Promises one that has it; rejects with a fault
    /// where it cannot be had.
    pub fn start(channel: String, build: String, heard: f64, bus: Bus) -> Promise {
        promise(async move {
            let driver = Rc::new(Driver::embedded(&channel, &build.into(), bus));
            match driver.take_role(Epoch(heard as u64)).await {
                Ok(()) => Ok(Self(RefCell::new(Some(driver))).into()),
                Err(Fault { code, message, .. }) => {
                    let fault = Members::none();
                    fault.set_text("code", &code);
                    fault.set_text("message", &message);
                    Err(fault.into())
                }
            }
        })
    }

    /// A page has said something.
    #[wasm_bindgen(js_name = onMessage)]
    pub fn on_message(&self, from: String, message: Vec<u8>) {
        if let Some(driver) = self.0.borrow().clone() {
            spawn(async move { driver.on_message(from.into(), message).await });
        }
    }

    /// Lets go of the role, if it still has it. With `note` that is noted on disk, so that a worker need not wait: it resolves
    /// when it is, or cannot be.
    pub fn resign(&self, note: bool) -> Promise {
        let driver = self.0.take();
        promise(async move {
            if let Some(driver) = driver {
                driver.resign(note).await;
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}
