//! When logs are compacted: in the background, a little at a time, so that pushes are not held up (SRV-3).
//!
//! Each step is a small one among the pushes that wait, and the next is asked for only when it is done.
//!
//! Not here: what goes, and what stays; see [`engine::Sweep`](crate::engine::Sweep).

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::bounds::{COMPACT_PAUSE_MS, COMPACT_REST_MS};
use crate::engine::{Retention, Sweep};
use crate::store::Store;

/// Compacts for as long as it is let; to be dropped at any point.
pub async fn compact<S: Store>(app: Arc<App<S>>, retention: Retention) {
    loop {
        let mut sweep = Sweep::new(retention);
        while !sweep.is_done() {
            match app.store.sweep(sweep.clone()).await {
                Ok(next) => sweep = next,
                Err(fault) => {
                    tracing::warn!(%fault, "logs could not be compacted; it is tried again later");
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(COMPACT_PAUSE_MS)).await;
        }
        if sweep.erased() > 0 {
            tracing::info!(events = sweep.erased(), "logs were compacted");
        }
        tokio::time::sleep(Duration::from_millis(COMPACT_REST_MS)).await;
    }
}
