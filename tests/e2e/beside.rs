//! Bellwether beside an app's own worker, replaced by none and replacing none.

use serde_json::{Value, json};

use crate::killing::settled;
use crate::server::assert_once_and_in_order;
use crate::site::Site;
use crate::stage::{brisk, play};
use crate::wait::{holds, secs, until};

#[test]
fn a_foreign_worker_stays_in_charge_and_the_stock_worker_gets_a_scope_of_its_own() {
    play(Site::bare(), async |stage| {
        let page = stage.unjoined().await;
        let body = "
            await navigator.serviceWorker.register('/foreign-sw.js');
            await navigator.serviceWorker.ready;
            while (!navigator.serviceWorker.controller) {
                await new Promise((resolve) => {
                    navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true });
                });
            }
        ";
        page.run(body, json!([])).await;
        let took = page.join(brisk()).await;
        assert!(took < secs(2), "connect took {took:?}");
        let receipts = page.enqueue(6, 2).await;
        let log = stage.server.log_reaches("e2e", 6, secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
        page.status_is("status.pending === 0 && status.host === 'service-worker'", secs(10)).await;

        let body = "
            const all = await navigator.serviceWorker.getRegistrations();
            const scripts = all.map(({ scope, active }) => [
                new URL(scope).pathname, new URL(active.scriptURL).pathname,
            ]);
            const foreign = await (await fetch('/of-the-foreign-worker')).json();
            return { scripts: Object.fromEntries(scripts), foreign };
        ";
        let seen = page.run(body, json!([])).await;
        assert_eq!(
            seen["scripts"],
            json!({ "/": "/foreign-sw.js", "/bellwether-sw/": "/bellwether-sw.js" })
        );
        assert!(seen["foreign"]["messages"].is_u64(), "the foreign worker answers: {seen}");
    });
}

#[test]
fn a_note_written_into_the_demo_goes_all_its_way_through_the_demos_own_worker() {
    play(Site::demo(), async |stage| {
        let origin = stage.server.origin();
        let demo = stage.browser().await.tab(&origin).await;
        settled(&demo).await;
        let body = "
            const by = (id) => document.querySelector(`[data-testid=${id}]`);
            by('note-text').value = 'Two herons';
            by('add').click();
        ";
        demo.run(body, json!([])).await;
        let seen = "
            const text = (id) => document.querySelector(`[data-testid=${id}]`).textContent;
            return { delivered: text('way-delivered'), pending: text('pending'), host: text('host') };
        ";
        until("the demo shows the note's arrival", secs(10), async || {
            let seen: Value = demo.run(seen, json!([])).await;
            let wanted = json!({ "delivered": "1", "pending": "0", "host": "service-worker" });
            holds(seen == wanted, seen)
        })
        .await;
        let log = stage.server.log_of("field-notes").await;
        assert_eq!(log[0].data.as_ref().expect("a note")["text"], "Two herons");
        let body = "return (await navigator.serviceWorker.getRegistration()).active.scriptURL";
        let script: String = demo.ask(body, json!([])).await;
        assert_eq!(script, format!("{origin}/sw.js"));
    });
}
