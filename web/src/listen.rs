//! Listening to events, for as long as the listener lives.

use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget};

/// Hears events of some kinds at one target; dropped, it hears no more.
#[derive(Debug)]
pub struct Listener {
    target: EventTarget,
    kinds: &'static [&'static str],
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    /// Calls `heard` for each event of `kinds` at `target`.
    ///
    /// `heard` may drop the listener. It is not called while it is being called, unless it fires such
    /// an event itself.
    pub fn new(
        target: &EventTarget,
        kinds: &'static [&'static str],
        heard: impl FnMut(Event) + 'static,
    ) -> Self {
        Self::boxed(target, kinds, Box::new(heard))
    }

    // Apart, and boxed: to JavaScript all listeners are of one kind, and its glue has it once.
    fn boxed(
        target: &EventTarget,
        kinds: &'static [&'static str],
        heard: Box<dyn FnMut(Event)>,
    ) -> Self {
        let closure = Closure::wrap(heard);
        for kind in kinds {
            // Fails only for arguments of the wrong type.
            let _ = target.add_event_listener_with_callback(kind, closure.as_ref().unchecked_ref());
        }
        Self { target: target.clone(), kinds, closure }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        for kind in self.kinds {
            let _ = self
                .target
                .remove_event_listener_with_callback(kind, self.closure.as_ref().unchecked_ref());
        }
    }
}
