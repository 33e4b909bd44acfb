//! A long queue, a bad server, and a worker that never lives for long.

use serde_json::{Value, json};
use tokio::time::{Instant, interval};

use crate::server::{Receipt, assert_once_and_in_order};
use crate::site::Site;
use crate::stage::play;
use crate::wait::secs;

#[test]
fn ten_thousand_events_arrive_once_and_in_order_though_the_server_fails_and_the_worker_dies_each_second()
 {
    play(Site::bare(), async |stage| {
        let outbox = json!({ "baseDelayMs": 50, "maxDelayMs": 500, "batchSize": 25 });
        let page = stage.page(json!({ "outbox": outbox })).await;
        page.ready().await;
        page.run("await bw.outbox.pause()", json!([])).await;
        let mut receipts: Vec<Receipt> = Vec::new();
        for from in (0..EVENTS).step_by(1_000) {
            receipts.append(&mut page.ask(ENQUEUE, json!(from)).await);
        }
        page.status_is(&format!("status.pending === {EVENTS}"), secs(20)).await;
        let before: u64 = page.ask("return bw.status.epoch", json!([])).await;

        // Each second another kind of failure and another worker, while the page goes on being used.
        page.run("await bw.outbox.resume()", json!([])).await;
        let modes = ["lose-answers", "error-500", "cut", "down", "not-ours-404"];
        let deadline = Instant::now() + secs(80);
        let mut clock = interval(secs(1));
        let mut kills = 0_usize;
        while stage.server.count_of("e2e").await < EVENTS {
            assert!(Instant::now() < deadline, "{}", stage.server.count_of("e2e").await);
            let mode = modes[kills % modes.len()];
            stage.server.mood(json!({ "mode": mode, "rate": 0.3, "seed": kills + 1 })).await;
            clock.tick().await;
            page.stop_workers().await;
            kills += 1;
            receipts.append(&mut page.enqueue(1, 1).await);
        }
        let status: Value = page.status_is("status.pending === 0", secs(20)).await;
        assert_eq!(status["dead"], 0, "{status}");
        assert_eq!(page.heard().await, [json!(null); 0]);
        let log = stage.server.log_of("e2e").await;
        assert!(kills >= 5, "only {kills} kills");
        assert_eq!(log.len(), receipts.len(), "something came twice");
        assert_once_and_in_order(&log, &receipts);
        let (pushes, affected) = stage.server.pushes().await;
        assert!(affected * 5 > pushes, "only {affected} of {pushes} pushes went wrong");
        let lives = status["epoch"].as_u64().expect("a number") - before;
        assert!(lives >= 5, "only {lives} workers came after {kills} were killed");
    });
}

const EVENTS: usize = 10_000;

/// A thousand events on a hundred keys.
const ENQUEUE: &str = "
    const one = async (at) => {
        const key = `k${at % 100}`;
        const { id, position } = await bw.outbox.enqueue({ type: 'noted', key, data: { at } });
        return { id, position, key };
    };
    return Promise.all(Array.from({ length: 1000 }, (_, at) => one(args + at)));
";
