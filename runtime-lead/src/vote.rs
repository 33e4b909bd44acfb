//! One page's part in a vote over the bus.

use core::cell::RefCell;

use bellwether_shared::base::{Epoch, PageId};
use bellwether_shared::bus::{Ballot, Envelope};
use bellwether_shared::lead::vote::{self, Effect, Input};
use wasm_bindgen::prelude::*;

use crate::{bytes, effect, lost, now, page};

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

    /// Takes in one fact. `Fact` in `vote-election.ts` has the same numbers.
    pub fn handle(&self, mono: f64, wall: f64, fact: u32) {
        let input = match fact {
            7 => Input::Leaving,
            8 => Input::Returned,
            9 => Input::Resign,
            _ => Input::Timeout,
        };
        self.vote.borrow_mut().handle(now(mono, wall), input);
    }

    /// The next thing to do, an array that begins with its number: 1 say these bytes to all; 2 gained, with the epoch; 3 lost,
    /// with why; 4 another leads. `undefined` for nothing.
    pub fn poll(&self) -> JsValue {
        let Some(next) = self.vote.borrow_mut().poll_effect() else { return JsValue::UNDEFINED };
        match next {
            Effect::Say(ballot) => effect(1, &[bytes(&ballot.seal(&self.build, self.me))]),
            Effect::Gained(epoch) => effect(2, &[JsValue::from_f64(epoch.0 as f64)]),
            Effect::Lost(why) => effect(3, &[lost(why)]),
            Effect::Follows(..) => effect(4, &[]),
        }
    }

    /// When the next timeout is wanted, by `performance.now()`; infinite while only facts can help.
    #[must_use]
    pub fn timeout(&self) -> f64 {
        self.vote.borrow().poll_timeout().map_or(f64::INFINITY, |at| at.0 as f64)
    }
}
