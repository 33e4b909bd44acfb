//! One page's part in the struggle for a lease.

use core::cell::RefCell;

use bellwether_shared::base::{Epoch, Wall};
use bellwether_shared::lead::lease::{self, Effect, Input};
use bellwether_shared::wire::to_cbor;
use wasm_bindgen::prelude::*;

use crate::{bytes, effect, now, page};

/// A row that is taken, whoever has it, under a later epoch than `heard` and than the one found: that epoch, and the row.
#[wasm_bindgen]
#[must_use]
pub fn raise(wall: f64, me: &str, build: &str, heard: f64, found: Option<Vec<u8>>) -> JsValue {
    let heard = Epoch(heard as u64);
    let row = lease::raised(found.as_deref(), page(me), build, heard, Wall(wall as u64));
    effect(row.epoch.0 as f64, &[bytes(&to_cbor(&row))])
}

/// See `bellwether_shared::lead::lease`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Lease(RefCell<lease::Lease>);

#[wasm_bindgen]
impl Lease {
    /// A candidate that will look at once. `newest` is the newest epoch that its page has heard of, `seed` any random number.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(mono: f64, wall: f64, me: &str, build: &str, newest: f64, seed: f64) -> Self {
        let newest = Epoch(newest as u64);
        let lease = lease::Lease::new(now(mono, wall), page(me), build, newest, seed.to_bits());
        Self(RefCell::new(lease))
    }

    /// Takes in one fact, with the row that it is about. `Fact` in `campaign.ts` has the same numbers.
    pub fn handle(&self, mono: f64, wall: f64, fact: u32, row: Option<Vec<u8>>) {
        let input = match fact {
            0 => Input::Read(row),
            1 => Input::Swapped,
            2 => Input::Differed(row),
            3 => Input::Failed,
            4 => Input::Hint,
            5 => Input::Visible(true),
            6 => Input::Visible(false),
            7 => Input::Leaving,
            8 => Input::Returned,
            9 => Input::Resign,
            10 => Input::Claim,
            _ => Input::Timeout,
        };
        self.0.borrow_mut().handle(now(mono, wall), input);
    }

    /// Whoever led under this epoch says that it is gone.
    pub fn gone(&self, mono: f64, wall: f64, epoch: f64) {
        self.0.borrow_mut().handle(now(mono, wall), Input::Gone(Epoch(epoch as u64)));
    }

    /// The next thing to do, an array that begins with its number: 0 read the row; 1 swap it, with what has to be there and
    /// what is to be; 2 gained, with the epoch; 3 lost. `undefined` for nothing.
    pub fn poll(&self) -> JsValue {
        let Some(next) = self.0.borrow_mut().poll_effect() else { return JsValue::UNDEFINED };
        match next {
            Effect::Read => effect(0.0, &[]),
            Effect::Swap { expected, row } => {
                let expected = expected.map_or(JsValue::UNDEFINED, |row| bytes(&row));
                effect(1.0, &[expected, bytes(&row)])
            }
            Effect::Gained(epoch) => effect(2.0, &[JsValue::from_f64(epoch.0 as f64)]),
            Effect::Lost(_) => effect(3.0, &[]),
        }
    }

    /// When the next timeout is wanted, by `performance.now()`; infinite while only facts can help.
    #[must_use]
    pub fn timeout(&self) -> f64 {
        self.0.borrow().poll_timeout().map_or(f64::INFINITY, |at| at.0 as f64)
    }
}
