//! Workers, tabs and whole browsers killed while there is work.

use std::env;

use serde_json::json;

use crate::browser::Tab;
use crate::server::{Receipt, assert_once_and_in_order};
use crate::site::Site;
use crate::stage::play;
use crate::wait::{holds, secs, until};

#[test]
fn three_hundred_events_of_three_tabs_arrive_once_and_in_order_whatever_is_killed() {
    play(Site::bare(), async |stage| {
        let options =
            json!({ "outbox": { "baseDelayMs": 100, "maxDelayMs": 800, "batchSize": 10 } });
        let ann = stage.page(options.clone()).await;
        let ben = stage.page(options.clone()).await;
        let cat = stage.page(options).await;
        for tab in [&ann, &ben, &cat] {
            tab.ready().await;
        }
        stage.server.kill();

        // 1. Three tabs write, the third without a pause; the worker is stopped when the seed says so.
        for (tab, pause_ms) in [(&ann, 30), (&ben, 30), (&cat, 0)] {
            write(tab, 100, pause_ms).await;
        }
        let mut chance = Chance::new();
        let mut written = 0;
        let mut receipts = Vec::new();
        for stop in 0..10 {
            written += chance.below(20);
            until("the tabs go on writing", secs(20), async || {
                let done = written_by(&ann).await.len() + written_by(&ben).await.len();
                holds(done >= written.min(200), format!("{done} of {written}"))
            })
            .await;
            ann.stop_workers().await;
            if stop == 4 {
                receipts = all_written_by(&cat, 100).await;
                cat.clone().close().await;
            }
        }
        for tab in [&ann, &ben] {
            receipts.extend(all_written_by(tab, 100).await);
        }

        // 2. The server is back, and a third of what it is asked goes wrong in one way or the other.
        stage.server.start().await;
        for (mode, count) in [("lose-answers", 90), ("error-500", 180), ("lose-answers", 240)] {
            stage.server.mood(json!({ "mode": mode, "rate": 0.34, "seed": count })).await;
            stage.server.log_reaches("e2e", count, secs(30)).await;
            ann.stop_workers().await;
        }
        let log = stage.server.log_reaches("e2e", 300, secs(30)).await;
        for tab in [&ann, &ben] {
            tab.status_is("status.pending === 0 && status.dead === 0", secs(30)).await;
            assert_eq!(tab.heard().await, [json!(null); 0]);
        }
        assert_eq!(log.len(), 300);
        assert_eq!(receipts.len(), 300);
        assert_once_and_in_order(&log, &receipts);
        assert_eq!(stage.server.log_of("e2e").await.len(), 300, "a repeat came later");
        let (pushes, affected) = stage.server.pushes().await;
        assert!(affected >= 3, "only {affected} of {pushes} pushes went wrong");
    });
}

#[test]
fn what_was_acknowledged_arrives_once_after_the_whole_browser_was_killed() {
    play(Site::demo(), async |stage| {
        let origin = stage.server.origin();
        let demo = stage.browser().await.tab(&origin).await;
        settled(&demo).await;
        stage.server.kill();
        write(&demo, 10_000, 2).await;
        let receipts = until("the tab has written", secs(20), async || {
            let receipts = written_by(&demo).await;
            if receipts.len() >= 60 { Ok(receipts) } else { Err(receipts.len().to_string()) }
        })
        .await;
        stage.kill_browser();

        let demo = stage.browser().await.tab(&origin).await;
        let condition = format!("status.pending >= {}", receipts.len());
        until_connected(&demo).await;
        demo.status_is(&condition, secs(10)).await;
        stage.server.start().await;
        demo.status_is("status.pending === 0", secs(30)).await;
        let log = stage.server.log_of("field-notes").await;
        assert_once_and_in_order(&log, &receipts);
    });
}

/// Begins to enqueue, one event after another; goes on in the page.
pub(crate) async fn write(tab: &Tab, count: usize, pause_ms: u32) {
    let body = "
        window.written = [];
        const pause = () => new Promise((resolve) => setTimeout(resolve, args.pause));
        const write = async () => {
            for (let at = 0; at < args.count; at += 1) {
                const key = `k${at % 10}`;
                const { id, position } = await bw.outbox.enqueue({ type: 'noted', key, data: { at } });
                written.push({ id, position, key });
                if (args.pause > 0) await pause();
            }
        };
        write().catch((fault) => { window.writeFault = `${fault.code}: ${fault.message}`; });
    ";
    tab.run(body, json!({ "count": count, "pause": pause_ms })).await;
}

/// What the tab was told is on disk.
pub(crate) async fn written_by(tab: &Tab) -> Vec<Receipt> {
    let body = "if (window.writeFault) throw new Error(writeFault); return written";
    tab.ask(body, json!([])).await
}

/// The same, once it is all; in the order in which the tab was told, which is the order on disk.
pub(crate) async fn all_written_by(tab: &Tab, count: usize) -> Vec<Receipt> {
    let receipts = until("the tab has written all", secs(20), async || {
        let receipts = written_by(tab).await;
        if receipts.len() == count { Ok(receipts) } else { Err(receipts.len().to_string()) }
    })
    .await;
    assert!(receipts.is_sorted_by(|a, b| a.position < b.position), "{receipts:?}");
    receipts
}

/// The demo has connected, its coordinator has answered, and its shell is kept.
pub(crate) async fn settled(demo: &Tab) {
    until_connected(demo).await;
    demo.ready().await;
    let body = "
        const { active } = await navigator.serviceWorker.ready;
        const shells = (await caches.keys()).filter((name) => name.startsWith('field-notes-shell-'));
        return active.state === 'activated' && shells.length === 1";
    until("the shell is kept", secs(20), async || {
        let is_kept: bool = demo.ask(body, json!([])).await;
        holds(is_kept, "not yet")
    })
    .await;
}

/// The demo has connected by itself.
pub(crate) async fn until_connected(demo: &Tab) {
    until("the demo has connected", secs(10), async || {
        let is: bool = demo.ask("return Boolean(window.bw)", json!([])).await;
        holds(is, "not yet")
    })
    .await;
}

/// The same numbers for the same seed: an xorshift generator.
struct Chance(u64);

impl Chance {
    /// Seeded by `BELLWETHER_E2E_SEED`, for a search; else the same each time.
    fn new() -> Self {
        let asked = env::var("BELLWETHER_E2E_SEED").ok().and_then(|seed| seed.parse().ok());
        // Zero would stay zero.
        Self(asked.filter(|seed| *seed != 0).unwrap_or(20_261_120))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("it is below a bound of that size")
    }
}
