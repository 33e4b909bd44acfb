//! The life of a page: shown, hidden, frozen, left, online or not.

use core::fmt;

use wasm_bindgen::prelude::*;
use web_sys::{Document, Event, EventTarget, VisibilityState};

use crate::listen::Listener;
use crate::realm::realm;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = document)]
    static DOCUMENT: Document;

    // https://html.spec.whatwg.org/multipage/browsing-the-web.html#pagetransitionevent
    #[wasm_bindgen(extends = Event)]
    type PageTransition;
    #[wasm_bindgen(method, getter)]
    fn persisted(this: &PageTransition) -> Option<bool>;
}

/// What happened to the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It can be seen.
    Shown,
    /// It cannot be seen.
    Hidden,
    /// It is being left; this may be its last moment.
    Left {
        /// The browser may bring it back as it is.
        may_return: bool,
    },
    /// It is there: for the first time, or again after it was left.
    Entered {
        /// It was left before, and is back as it was.
        returned: bool,
    },
    /// It will not run until it is resumed.
    Frozen,
    /// It runs again.
    Resumed,
    /// The browser says that there is a network.
    Online,
    /// The browser says that there is none.
    Offline,
}

/// Hears of the page's life; dropped, it hears no more.
pub struct Lifecycle {
    _page: Listener,
    _window: Listener,
}

impl Lifecycle {
    /// Calls `heard` for whatever happens from here on.
    pub fn new(heard: impl Fn(Life) + Clone + 'static) -> Self {
        let tell = {
            let heard = heard.clone();
            move |event: Event| life(&event).into_iter().for_each(&heard)
        };
        let page = Listener::new(&document(), &["visibilitychange", "freeze", "resume"], tell);
        let kinds = &["pagehide", "pageshow", "online", "offline"];
        let window: EventTarget = js_sys::global().unchecked_into();
        let window = Listener::new(&window, kinds, move |event| {
            life(&event).into_iter().for_each(&heard);
        });
        Self { _page: page, _window: window }
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lifecycle")
    }
}

/// Whether the page can be seen.
#[must_use]
pub fn visible() -> bool {
    document().visibility_state() == VisibilityState::Visible
}

/// Whether the browser says that there is a network; true where it does not say.
#[must_use]
pub fn online() -> bool {
    realm().navigator().on_line().unwrap_or(true)
}

fn life(event: &Event) -> Option<Life> {
    let persisted = || event.unchecked_ref::<PageTransition>().persisted().unwrap_or(false);
    Some(match event.type_().as_str() {
        "visibilitychange" if visible() => Life::Shown,
        "visibilitychange" => Life::Hidden,
        "pagehide" => Life::Left { may_return: persisted() },
        "pageshow" => Life::Entered { returned: persisted() },
        "freeze" => Life::Frozen,
        "resume" => Life::Resumed,
        "online" => Life::Online,
        "offline" => Life::Offline,
        _ => return None,
    })
}

fn document() -> Document {
    DOCUMENT.with(Document::clone)
}
