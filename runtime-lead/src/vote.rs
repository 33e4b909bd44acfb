//! One page's part in a vote over the bus.

use core::cell::RefCell;

use bellwether_shared::base::{Epoch, PageId};
use bellwether_shared::bus::{Ballot, Envelope};
use bellwether_shared::lead::vote::{self, Effect, Input};
use wasm_bindgen::prelude::*;

use crate::{bytes, effect, now, page};

/// See `bellwether_shared::lead::vote`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Vote {
    vote: RefCell<vote::Vote>,
    me: PageId,
    build: Box<str>,
}

#[wasm_bindgen]
impl Vote {
    /// A page that knows nobody yet. `newest` is the newest epoch that it has heard of, `seed` any random number.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(mono: f64, wall: f64, me: &str, build: &str, newest: f64, seed: f64) -> Self {
        let (me, newest) = (page(me), Epoch(newest as u64));
        let vote = vote::Vote::new(now(mono, wall), me, newest, seed.to_bits());
        Self { vote: RefCell::new(vote), me, build: build.into() }
    }

    /// Another page has said this. What is no ballot is left alone.
    pub fn hear(&self, mono: f64, wall: f64, message: &[u8]) {
        let Ok(envelope) = Envelope::read(message) else { return };
        if let Ok(Some(ballot)) = Ballot::open(&envelope) {
            let heard = Input::Heard(envelope.sender, ballot);
            self.vote.borrow_mut().handle(now(mono, wall), heard);
        }
    }

    /// Takes in one fact. `Fact` in `campaign.ts` has the same numbers.
    pub fn handle(&self, mono: f64, wall: f64, fact: u32) {
        let input = match fact {
            7 => Input::Leaving,
            8 => Input::Returned,
            9 => Input::Resign,
            10 => Input::Claim,
            _ => Input::Timeout,
        };
        self.vote.borrow_mut().handle(now(mono, wall), input);
    }

    /// The next thing to do, an array that begins with its number: 2 gained, with the epoch; 3 lost; 4 say these bytes to
    /// all. `undefined` for nothing.
    pub fn poll(&self) -> JsValue {
        loop {
            let Some(next) = self.vote.borrow_mut().poll_effect() else {
                return JsValue::UNDEFINED;
            };
            return match next {
                Effect::Gained(epoch) => effect(2.0, &[JsValue::from_f64(epoch.0 as f64)]),
                Effect::Lost(_) => effect(3.0, &[]),
                Effect::Say(ballot) => effect(4.0, &[bytes(&ballot.seal(&self.build, self.me))]),
                Effect::Follows(..) => continue,
            };
        }
    }

    /// When the next timeout is wanted, by `performance.now()`; infinite while only facts can help.
    #[must_use]
    pub fn timeout(&self) -> f64 {
        self.vote.borrow().poll_timeout().map_or(f64::INFINITY, |at| at.0 as f64)
    }
}
