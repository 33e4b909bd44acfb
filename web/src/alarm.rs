//! Timers: one that can be moved, and a bound on how long something is waited for.

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use gloo_timers::callback::Timeout;

use crate::once::Once;

/// Browsers keep a delay in 32 signed bits, and wrap.
const DELAY_MS_MAX: u64 = i32::MAX as u64;

/// One timer that can be moved. Dropped, it does not ring.
#[derive(Debug, Default)]
pub struct Alarm(RefCell<Option<Timeout>>);

impl Alarm {
    /// Replaces whatever was set; `None` only takes it away.
    ///
    /// A delay beyond 24 days rings early; whoever is rung for finds that it is not yet time, and
    /// sets the alarm again. `ring` may do so itself.
    pub fn set(&self, delay: Option<Duration>, ring: impl FnOnce() + 'static) {
        let timeout = delay.map(|delay| timer(delay, Box::new(ring)));
        // Out of the cell before it is dropped: dropping calls into JavaScript.
        let before = self.0.replace(timeout);
        drop(before);
    }
}

/// What `work` gives, or `None` if it takes longer than `delay`; it is dropped then.
pub async fn within<T>(delay: Duration, work: impl Future<Output = T>) -> Option<T> {
    let rung = Once::new();
    let ring = rung.clone();
    let _timer = timer(delay, Box::new(move || ring.put(()).unwrap_or_default()));
    let mut work = pin!(work);
    let mut rung = pin!(rung.get());
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => rung.as_mut().poll(context).map(|()| None),
    })
    .await
}

// Boxed: to JavaScript all timers are of one kind, and its glue has it once.
fn timer(delay: Duration, ring: Box<dyn FnOnce()>) -> Timeout {
    Timeout::new(millis(delay), ring)
}

// Rounded up: a timer that rings before its time would have to be set again for nothing. By hand, since
// dividing `as_micros` would bring the division of 128-bit numbers into a page's wasm.
fn millis(delay: Duration) -> u32 {
    let part = u64::from(delay.subsec_nanos().div_ceil(1_000_000));
    delay.as_secs().saturating_mul(1_000).saturating_add(part).min(DELAY_MS_MAX) as u32
}
