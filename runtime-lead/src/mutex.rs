//! One asker for a lock.

use core::cell::RefCell;

use bellwether_shared::base::Mono;
use bellwether_shared::lock::{FastMutex, Mark, Patience, Step};
use wasm_bindgen::prelude::*;

/// One asker for a lock: it tells what to do next with two registers.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Mutex(RefCell<FastMutex>);

#[wasm_bindgen]
impl Mutex {
    /// `seed` is any random number.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(seed: f64) -> Self {
        Self(RefCell::new(FastMutex::new(seed.to_bits())))
    }

    /// Begins to ask. What was seen in an asking before counts.
    pub fn begin(&self, now: f64, timeout: f64, interval: f64, retries: u32) {
        let (timeout_ms, interval_ms) = (timeout as u64, interval as u64);
        let patience = Patience { timeout_ms, interval_ms, retries_max: retries };
        self.0.borrow_mut().begin(Mono(now as u64), patience);
    }

    /// Is told what was read, and gives the next step: its number, and 16 times the mark or the time that it is about.
    /// `Told` in `mutex.ts` has the same numbers.
    pub fn next(&self, now: f64, seen: f64) -> f64 {
        let (number, about) = match self.0.borrow_mut().next(Mono(now as u64), Mark(seen as u64)) {
            Step::ReadX => (0, 0),
            Step::ReadY => (1, 0),
            Step::WriteX(mark) => (2, mark.0),
            Step::WriteY(mark) => (3, mark.0),
            Step::EraseY => (4, 0),
            Step::Pause(ms) => (5, ms),
            Step::Held => (6, 0),
            Step::GaveUp => (7, 0),
            Step::Lost => (8, 0),
            Step::Released => (9, 0),
        };
        (number + 16 * about) as f64
    }

    /// Ends the asking or the holding; then `next` tells what is left to do.
    pub fn leave(&self) {
        self.0.borrow_mut().leave();
    }
}
