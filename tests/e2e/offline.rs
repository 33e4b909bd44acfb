//! The server away for a while.

use serde_json::json;

use crate::server::assert_once_and_in_order;
use crate::site::{self, Site};
use crate::stage::{brisk, play};
use crate::wait::secs;

#[test]
fn an_event_is_delivered_while_all_is_well() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        let receipts = page.enqueue(3, 1).await;
        let log = stage.server.log_reaches("e2e", 3, secs(10)).await;
        assert_eq!(log.len(), 3);
        assert_once_and_in_order(&log, &receipts);
        let served = format!("status.pending === 0 && status.host === '{}'", site::host());
        page.status_is(&served, secs(10)).await;
        let delivery = page.run("return bw.outbox.delivered(args)", json!(receipts[2].id)).await;
        assert_eq!(delivery["status"], "accepted");
        assert_eq!(delivery["offset"], 3);
    });
}

#[test]
fn an_event_enqueued_offline_is_delivered_once_when_the_server_is_back() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        page.ready().await;
        stage.server.kill();
        let receipts = page.enqueue(1, 1).await;
        page.status_is("status.pending === 1 && status.nextAttemptAt > 0", secs(10)).await;

        stage.server.start().await;
        page.status_is("status.pending === 0", secs(15)).await;
        let log = stage.server.log_of("e2e").await;
        assert_eq!(log.len(), 1);
        assert_once_and_in_order(&log, &receipts);
        assert_eq!(page.heard().await, [json!(null); 0]);
    });
}
