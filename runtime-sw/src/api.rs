//! What the worker's script sees: one class, a method for each event; conversions, nothing else.

use core::cell::RefCell;
use std::rc::Rc;

use bellwether_shared::base::SortedMap;
use bellwether_shared::coordinator::Trigger;
use bellwether_web::members::Members;
use bellwether_web::scope::ClientRef;
use bellwether_web::task::promise;
use bellwether_web::{channel, registry};
use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use web_sys::ExtendableMessageEvent;

use crate::driver::Driver;

/// The coordinators of all channels, hosted by this worker.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Worker(Rc<Hosted>);

#[derive(Debug)]
struct Hosted {
    build: Rc<str>,
    drivers: RefCell<SortedMap<String, Rc<Driver>>>,
}

#[wasm_bindgen]
impl Worker {
    /// Takes up work; `build` names the package's build.
    #[must_use]
    pub fn start(build: &str) -> Self {
        Self(Rc::new(Hosted { build: build.into(), drivers: RefCell::default() }))
    }

    /// A page has said something.
    #[wasm_bindgen(js_name = onMessage, unchecked_return_type = "Promise<void>")]
    pub fn on_message(&self, event: ExtendableMessageEvent) -> Promise {
        let hosted = Rc::clone(&self.0);
        promise(async move {
            let Some((channel, bytes)) = channel::read_message(&channel::data_of(&event)) else {
                return DONE;
            };
            let event = Members::of(&event);
            let Some(source) = ClientRef::of(event.get("source")) else { return DONE };
            let from = source.id.clone();
            let port = event.get("ports").unchecked_into::<Array>().get(0);
            let driver = hosted.driver(&channel);
            driver.clients.meet(source);
            if !port.is_undefined() {
                driver.take_port(&from, port.unchecked_into());
            }
            driver.on_message(from.into(), bytes).await;
            DONE
        })
    }

    /// A background sync has come. Rejects if the browser shall try again.
    #[wasm_bindgen(js_name = onSync, unchecked_return_type = "Promise<void>")]
    pub fn on_sync(&self, tag: String, last_chance: bool) -> Promise {
        let hosted = Rc::clone(&self.0);
        promise(async move {
            let Some(channel) = tag.strip_prefix(TAG) else { return DONE };
            let driver = hosted.driver(channel);
            driver.on_trigger(Trigger::Sync).await;
            if driver.has_work() {
                // Asking again while the event lasts starts the browser's count of attempts anew, and at once: only
                // worth it when there would be no other.
                if last_chance {
                    driver.ask_for_sync().await;
                }
                return Err(js_sys::Error::new(MORE).into());
            }
            DONE
        })
    }

    /// A periodic sync has come.
    #[wasm_bindgen(js_name = onPeriodicSync, unchecked_return_type = "Promise<void>")]
    pub fn on_periodic_sync(&self, tag: String) -> Promise {
        let hosted = Rc::clone(&self.0);
        promise(async move {
            if let Some(channel) = tag.strip_prefix(TAG) {
                hosted.driver(channel).on_trigger(Trigger::PeriodicSync).await;
            }
            DONE
        })
    }

    /// A push message has come; it names no channel.
    #[wasm_bindgen(js_name = onPush, unchecked_return_type = "Promise<void>")]
    pub fn on_push(&self) -> Promise {
        let hosted = Rc::clone(&self.0);
        promise(async move {
            for channel in registry::channels().await.unwrap_or_default() {
                hosted.driver(&channel).on_trigger(Trigger::Push).await;
            }
            DONE
        })
    }

    /// The worker has become active: the coordinators of an earlier one are succeeded at once.
    #[wasm_bindgen(js_name = onActivate, unchecked_return_type = "Promise<void>")]
    pub fn on_activate(&self) -> Promise {
        let hosted = Rc::clone(&self.0);
        promise(async move {
            for channel in registry::channels().await.unwrap_or_default() {
                hosted.driver(&channel).boot().await;
            }
            DONE
        })
    }
}

impl Hosted {
    fn driver(&self, channel: &str) -> Rc<Driver> {
        let mut drivers = self.drivers.borrow_mut();
        let driver = drivers
            .get_or_insert_with(channel.to_owned(), || Rc::new(Driver::new(channel, &self.build)));
        Rc::clone(driver)
    }
}

const DONE: Result<JsValue, JsValue> = Ok(JsValue::UNDEFINED);

/// What the browser writes to the console when a background sync is to come again.
const MORE: &str =
    "Bellwether could not deliver everything yet, and the browser will try again: nothing is wrong";
/// Background sync tags are this and the channel.
pub(crate) const TAG: &str = "bellwether:";
