//! Electing one page where the browser has no locks: the machines of lease, vote and mutex, as the package's script sees them
//! (HOST-4, LEAD-2, LEAD-8, LOCK-1). A wasm module of its own, since most pages never need it.
//!
//! ```text
//! script ── handle(now, what) ─▶ machine ── poll() ─▶ what to do: read, swap, say; gained, lost
//! ```
//!
//! What always holds: a call that returns an effect is repeated until there is none; times are milliseconds, of
//! `performance.now()` and of `Date.now()`.
//!
//! Not here: what is decided, which is the machines'; the row, the bus and the registers themselves, which are the script's.

// Without a browser there is nothing to drive.
#![cfg(target_arch = "wasm32")]

mod lease;
mod mutex;
mod vote;

use bellwether_shared::base::{Mono, Now, PageId, Wall};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;

pub use lease::{Lease, raise};
pub use mutex::Mutex;
pub use vote::Vote;

fn now(mono: f64, wall: f64) -> Now {
    Now { mono: Mono(mono as u64), wall: Wall(wall as u64) }
}

// Who has no proper name is told from nobody; the package's pages have one.
fn page(id: &str) -> PageId {
    PageId::parse(id).unwrap_or_default()
}

fn effect(number: f64, about: &[JsValue]) -> JsValue {
    let effect = Array::of1(&JsValue::from_f64(number));
    for it in about {
        effect.push(it);
    }
    effect.into()
}

fn bytes(row: &[u8]) -> JsValue {
    Uint8Array::from(row).into()
}
