//! A day that starts with the server, and so the origin, out of reach.

use serde_json::json;

use crate::killing::{settled, until_connected};
use crate::server::assert_once_and_in_order;
use crate::site::Site;
use crate::stage::play;
use crate::wait::{holds, secs, until};

#[test]
fn the_app_opens_from_its_cache_and_delivers_when_the_server_is_back() {
    play(Site::demo(), async |stage| {
        let origin = stage.server.origin();
        let demo = stage.browser().await.tab(&origin).await;
        settled(&demo).await;
        stage.quit_browser().await;
        stage.server.kill();

        let demo = stage.browser().await.tab(&origin).await;
        until_connected(&demo).await;
        let receipts = demo.enqueue(5, 2).await;
        // The worker's wasm comes from its cache: it answers.
        demo.ready().await;
        demo.status_is("status.pending === 5 && status.host === 'service-worker'", secs(10)).await;
        let shown = "return document.querySelector('[data-testid=pending]').textContent";
        until("the page shows the queue", secs(5), async || {
            let shown: String = demo.ask(shown, json!([])).await;
            holds(shown == "5", shown)
        })
        .await;

        stage.server.start().await;
        let log = stage.server.log_reaches("field-notes", 5, secs(40)).await;
        assert_once_and_in_order(&log, &receipts);
        demo.status_is("status.pending === 0", secs(10)).await;
        until("the page shows an empty queue", secs(5), async || {
            let shown: String = demo.ask(shown, json!([])).await;
            holds(shown == "0", shown)
        })
        .await;
    });
}
