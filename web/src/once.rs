//! One value, handed over once, from a callback to whoever awaits it.
//!
//! The first value wins. A value that comes when nobody waits any more is given back, so that what it
//! holds can be let go of.

use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use std::rc::Rc;

enum State<T> {
    Empty(Option<Waker>),
    Full(T),
    Over,
}

/// Where the value is handed over.
pub struct Once<T>(Rc<RefCell<State<T>>>);

impl<T> Once<T> {
    /// Nothing is handed over yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands over the value, or gives it back if there was one before or nobody waits any more.
    pub fn put(&self, value: T) -> Result<(), T> {
        let waker = match &mut *self.0.borrow_mut() {
            State::Empty(waker) => waker.take(),
            State::Full(_) | State::Over => return Err(value),
        };
        *self.0.borrow_mut() = State::Full(value);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Whether the value was received, or is not waited for any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(&*self.0.borrow(), State::Over)
    }

    /// Waits for the value. Dropped before it came, no value is taken any more.
    pub async fn get(self) -> T {
        let waiting = Waiting(self);
        poll_fn(|context| waiting.0.poll(context.waker())).await
    }

    fn poll(&self, waker: &Waker) -> Poll<T> {
        let mut state = self.0.borrow_mut();
        match core::mem::replace(&mut *state, State::Over) {
            State::Full(value) => Poll::Ready(value),
            State::Empty(_) | State::Over => {
                *state = State::Empty(Some(waker.clone()));
                Poll::Pending
            }
        }
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(State::Empty(None))))
    }
}

impl<T> core::fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Once")
    }
}

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

struct Waiting<T>(Once<T>);

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        // Out of the cell before it is dropped: a value may do anything when it goes.
        let left = self.0.0.replace(State::Over);
        drop(left);
    }
}
