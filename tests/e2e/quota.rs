//! A disk that is full.

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::server::{Receipt, assert_once_and_in_order};
use crate::site::Site;
use crate::stage::{brisk, play};
use crate::wait::{holds, secs, until};

#[test]
fn a_full_disk_refuses_what_is_new_loses_nothing_that_is_stored_and_goes_on_once_there_is_room() {
    play(Site::bare(), async |stage| {
        // Before anything is stored: the browser keeps for a while what it once knew of the room.
        let origin = stage.server.origin();
        let first = stage.browser().await.first();
        first.limit_storage(&origin, Some(2_000_000)).await;
        let page = stage.page(brisk()).await;
        page.ready().await;
        stage.server.kill();

        // 1. Events of 20 KB, until there is no room for another.
        let filled: Value = page.run(FILL, json!([])).await;
        assert_eq!(filled["code"], "store-quota", "{filled}");
        let receipts = filled["receipts"].clone();
        let mut receipts: Vec<Receipt> = serde_json::from_value(receipts).expect("receipts");
        assert!(!receipts.is_empty());
        page.run("bw.outbox.post({ type: 'noted', data: 'x'.repeat(200000) })", json!([])).await;
        told_of_the_disk(&page, 0).await;

        // 2. The server is back and the worker starts anew, with no room for what it would write.
        stage.server.start().await;
        let before = page.heard().await.len();
        page.stop_workers().await;
        page.run("bw.flush().catch(() => {})", json!([])).await;
        told_of_the_disk(&page, before).await;
        let stored: Vec<Value> = page.ask("return bw.outbox.pending()", json!([])).await;
        let delivered = stage.server.count_of("e2e").await;
        assert!(stored.len() + delivered >= receipts.len(), "{} and {delivered}", stored.len());

        // 3. There is room.
        first.limit_storage(&origin, None).await;
        stage.server.log_reaches("e2e", receipts.len(), secs(60)).await;
        receipts.extend(page.enqueue(5, 2).await);
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(20)).await;
        assert_eq!(log.len(), receipts.len(), "something came that was refused, or twice");
        assert_once_and_in_order(&log, &receipts);
        page.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
    });
}

/// Waits until the page has been told that the disk is full, after the first `before` things.
async fn told_of_the_disk(page: &Tab, before: usize) {
    until("the page is told of the disk", secs(20), async || {
        let heard = page.heard().await;
        let is_told = heard.iter().skip(before).any(|it| it["detail"]["code"] == "store-quota");
        holds(is_told, Value::from(heard))
    })
    .await;
}

/// Enqueues until that fails; at most 200 times.
const FILL: &str = "
    const receipts = [];
    for (let at = 0; at < 200; at += 1) {
        const key = `k${at % 3}`;
        try {
            const event = { type: 'noted', key, data: { at, text: 'x'.repeat(20000) } };
            const { id, position } = await bw.outbox.enqueue(event);
            receipts.push({ id, position, key });
        } catch ({ code, message }) {
            return { code, message, receipts };
        }
    }
    return { receipts };
";
