//! Waiting for something to become true, up to a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Asks again and again until there is an answer; panics with the last refusal after `limit`.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(last) if Instant::now() >= deadline => {
                panic!("not within {limit:?}: {what}\n  at last: {last}")
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Time passes in which something is not to happen.
pub(crate) async fn pass(time: Duration) {
    let started = Instant::now();
    let over = async || holds(started.elapsed() >= time, "not yet");
    until("some time has passed", time * 2, over).await;
}

/// `Ok` if it holds, else what was seen.
pub(crate) fn holds(condition: bool, seen: impl std::fmt::Display) -> Result<(), String> {
    if condition { Ok(()) } else { Err(seen.to_string()) }
}

pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const PAUSE: Duration = Duration::from_millis(40);
