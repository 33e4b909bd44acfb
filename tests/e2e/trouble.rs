//! Workers that are stopped, silent or broken: a page's promises do not depend on them.

use std::time::Duration;

use serde_json::json;

use crate::browser::Tab;
use crate::server::{Receipt, assert_once_and_in_order};
use crate::site::Site;
use crate::stage::{brisk, play};
use crate::wait::{pass, secs};

#[test]
fn pages_connect_and_enqueue_while_the_worker_is_stopped() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        page.ready().await;
        let mut receipts = Vec::new();
        for _ in 0..3 {
            page.stop_workers().await;
            receipts.extend(enqueue_in_time(&page).await);
        }
        let other = stage.unjoined().await;
        other.stop_workers().await;
        let took = other.join(brisk()).await;
        assert!(took < IN_TIME, "connect took {took:?}");
        receipts.extend(enqueue_in_time(&other).await);

        let log = stage.server.log_reaches("e2e", receipts.len(), secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
    });
}

// A browser that has only just started lets that wait for seconds.
#[test]
fn pages_reach_the_worker_that_is_there_while_the_look_for_an_update_waits() {
    play(Site::bare(), async |stage| {
        // The package's worker, and then an app's own.
        for worker in ["/bellwether-sw.js", "/resolving-sw.js"] {
            let mut options = brisk();
            options["worker"] = json!(worker);
            options["channel"] = json!(worker);
            stage.page(options.clone()).await.ready().await;
            let other = stage.unjoined().await;
            let waits = "ServiceWorkerContainer.prototype.register = () => new Promise(() => {})";
            other.run(waits, json!([])).await;
            other.join(options).await;
            other.status_is("status.host === 'service-worker'", secs(10)).await;
        }
    });
}

#[test]
fn pages_connect_and_enqueue_though_the_worker_never_answers() {
    play(Site::bare(), async |stage| {
        let page = stage.unjoined().await;
        let mut options = brisk();
        options["worker"] = json!("/silent-sw.js");
        let took = page.join(options).await;
        assert!(took < IN_TIME, "connect took {took:?}");
        let receipts = enqueue_in_time(&page).await;
        assert_eq!(stored_in(&page).await, receipts.len());

        // Once the worker speaks, what was stored goes out.
        page.run("await bw.close()", json!([])).await;
        let body = "
            const [{ scope }] = await navigator.serviceWorker.getRegistrations();
            await navigator.serviceWorker.register('/bellwether-sw.js', { scope });
        ";
        page.run(body, json!([])).await;
        page.join(brisk()).await;
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
    });
}

#[test]
fn pages_connect_and_enqueue_though_the_worker_cannot_be_installed_without_its_wasm() {
    play(Site::bare(), async |stage| {
        stage.server.site().remove_worker_wasm();
        let page = stage.unjoined().await;
        let took = page.join(brisk()).await;
        assert!(took < IN_TIME, "connect took {took:?}");
        let receipts = enqueue_in_time(&page).await;
        assert_eq!(stored_in(&page).await, receipts.len());
        page.status_is("status.host !== 'service-worker' && status.pending === 3", secs(10)).await;
    });
}

#[test]
fn a_worker_that_has_lost_its_wasm_says_so_and_works_again_once_it_is_back() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        page.ready().await;
        // Neither in the worker's cache nor on the site.
        let kept = stage.server.site().remove_worker_wasm();
        let body = "
            for (const name of await caches.keys()) {
                if (name.startsWith('bellwether-')) await caches.delete(name);
            }
        ";
        page.run(body, json!([])).await;
        page.stop_workers().await;
        let receipts = enqueue_in_time(&page).await;
        page.status_is("status.reasons.some((it) => it.includes('wasm'))", secs(15)).await;
        assert_eq!(stored_in(&page).await, receipts.len());

        kept.put_back();
        let more = enqueue_in_time(&page).await;
        let receipts = [receipts, more].concat();
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(30)).await;
        assert_once_and_in_order(&log, &receipts);
    });
}

#[test]
fn a_sync_event_drains_the_queue_with_all_tabs_closed_and_the_worker_stopped() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        page.ready().await;
        stage.server.kill();
        let receipts = page.enqueue(20, 4).await;
        page.status_is("status.pending === 20 && status.nextAttemptAt", secs(10)).await;
        page.close().await;
        let origin = stage.server.origin();
        let nobody = stage.browser().await.first();
        nobody.stop_workers().await;
        stage.server.start().await;
        assert_eq!(stage.server.log_of("e2e").await.len(), 0, "nobody is there to send");

        nobody.fire_sync(&origin, "0", "bellwether:default").await;
        let log = stage.server.log_reaches("e2e", 20, secs(10)).await;
        assert_once_and_in_order(&log, &receipts);
    });
}

#[test]
fn an_outage_does_not_keep_the_worker_busy_with_sync_events() {
    play(Site::bare(), async |stage| {
        let page = stage.unjoined().await;
        let outbox = json!({ "baseDelayMs": 10_000 });
        page.join(json!({ "worker": "/counting-sw.js", "outbox": outbox })).await;
        page.ready().await;
        stage.server.mood(json!({ "mode": "error-500" })).await;
        page.enqueue(1, 1).await;
        page.status_is("status.nextAttemptAt", secs(10)).await;
        pass(secs(3)).await;
        let syncs: u32 = page.ask("return (await fetch('/syncs')).json()", json!([])).await;
        assert!(syncs <= 3, "{syncs} sync events in 3 s");
    });
}

/// Enqueues three events, each of which is on disk in time.
async fn enqueue_in_time(page: &Tab) -> Vec<Receipt> {
    let body = "
        const receipts = [];
        let slowest = 0;
        for (let at = 0; at < 3; at += 1) {
            const startedAt = performance.now();
            const { id, position } = await bw.outbox.enqueue({ type: 'noted', key: 'k', data: at });
            slowest = Math.max(slowest, performance.now() - startedAt);
            receipts.push({ id, position, key: 'k' });
        }
        return [receipts, slowest];
    ";
    let (receipts, slowest): (Vec<Receipt>, f64) = page.ask(body, json!([])).await;
    let slowest = Duration::from_secs_f64(slowest / 1000.0);
    assert!(slowest < IN_TIME, "enqueue took {slowest:?}");
    receipts
}

/// How many events the page finds in the queue on disk.
async fn stored_in(page: &Tab) -> usize {
    page.ask("return (await bw.outbox.pending()).length", json!([])).await
}

/// The time of the disk, on a machine that has other things to do.
const IN_TIME: Duration = secs(2);
