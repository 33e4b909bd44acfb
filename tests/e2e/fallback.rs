//! No worker can be had, or none that works: a page hosts the coordinator, and the app goes on (HOST-4, HOST-5).

use std::time::Instant;

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::server::{Receipt, assert_once_and_in_order};
use crate::site::Site;
use crate::stage::{brisk, play};
use crate::wait::{holds, secs, until};

#[test]
fn without_a_worker_pages_host_whichever_of_them_is_closed_or_crashes() {
    play(Site::bare(), async |stage| {
        let removed = stage.server.site().remove_worker_script();
        let mut receipts = Vec::new();
        let mut host = stage.page(brisk()).await;
        hosts(&host, 1).await;
        let reasons = host.status().await["reasons"].to_string();
        assert!(reasons.contains("service worker: "), "{reasons}");
        let mut next = stage.page(brisk()).await;
        for take in 1..=20_usize {
            hosts(&next, take as u64).await;
            receipts.extend(host.enqueue(3, 3).await);
            receipts.extend(next.enqueue(3, 3).await);
            set(&host, take).await;
            shows(&next, take).await;
            // The last moment before it goes: what is durable is somebody else's to deliver.
            stage.server.mood(json!({ "mode": "error-500" })).await;
            receipts.extend(host.enqueue(1, 1).await);
            stage.server.all_is_well().await;
            if take % 5 == 0 {
                host.crash().await;
            } else {
                host.close().await;
            }
            hosts(&next, take as u64 + 1).await;
            let log = stage.server.log_reaches("e2e", receipts.len() + take, secs(20)).await;
            assert_eq!(log.len(), receipts.len() + take, "patches among them");
            host = next;
            next = stage.page(brisk()).await;
        }
        shows(&next, 20).await;
        let log = stage.server.log_of("e2e").await;
        let events: Vec<_> = log.into_iter().filter(|it| it.key.is_some()).collect();
        assert_once_and_in_order(&events, &receipts);
        drop(removed);
    });
}

#[test]
fn the_role_goes_back_to_a_worker_once_one_can_be_had() {
    play(Site::bare(), async |stage| {
        let removed = stage.server.site().remove_worker_script();
        let one = stage.page(brisk()).await;
        let two = stage.page(brisk()).await;
        let (early, _) = (write(&one, &two).await, hosts(&two, 1).await);
        removed.put_back();
        // The browser tells of a network that is back, which is when a worker is looked for.
        one.run("dispatchEvent(new Event('online'))", json!([])).await;
        for tab in [&one, &two] {
            let status = tab.status_is("status.host === 'service-worker'", secs(20)).await;
            assert_eq!(status["epoch"], json!(2));
            assert_eq!(status["reasons"], json!([]));
        }
        let receipts = [early, write(&one, &two).await].concat();
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
        let locks = "
            const { held, pending } = await navigator.locks.query();
            return [...held, ...pending].map(({ name }) => name).filter((it) => it.startsWith('bellwether'));
        ";
        until("no lock is left", secs(10), async || {
            let left = one.run(locks, json!([])).await;
            holds(left == json!([]), left)
        })
        .await;
    });
}

#[test]
fn a_worker_that_never_answers_costs_some_seconds_once() {
    play(Site::bare(), async |stage| {
        let mut options = brisk();
        options["worker"] = json!("/silent-sw.js");
        let one = stage.page(options.clone()).await;
        let started = Instant::now();
        let receipts = one.enqueue(3, 1).await;
        hosts(&one, 1).await;
        let log = stage.server.log_reaches("e2e", 3, secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
        assert!(started.elapsed() < secs(12), "it took {:?}", started.elapsed());
        // Whoever comes later finds the page that hosts.
        let two = stage.page(options).await;
        hosts(&two, 1).await;
        let more = two.enqueue(3, 1).await;
        let log = stage.server.log_reaches("e2e", 6, secs(20)).await;
        assert_once_and_in_order(&log, &[receipts, more].concat());
    });
}

#[test]
fn a_worker_that_falls_silent_is_replaced_and_can_write_no_more() {
    play(Site::bare(), async |stage| {
        let mut options = brisk();
        options["worker"] = json!("/wedging-sw.js");
        let one = stage.page(options.clone()).await;
        one.ready().await;
        let two = stage.page(options).await;
        two.ready().await;
        one.status_is("status.host === 'service-worker' && status.epoch === 1", secs(10)).await;
        one.run("(await navigator.serviceWorker.ready).active.postMessage('wedge')", json!([]))
            .await;
        let receipts = write(&one, &two).await;
        for tab in [&one, &two] {
            hosts(tab, 2).await;
        }
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
        // A frozen tab cannot host; the other does.
        let host = hosting(&[&one, &two]).await;
        let (frozen, other) = if host == 0 { (&one, &two) } else { (&two, &one) };
        frozen.freeze(true).await;
        hosts(other, 3).await;
        frozen.freeze(false).await;
        hosts(frozen, 3).await;
        let more = write(&one, &two).await;
        let log = stage.server.log_reaches("e2e", receipts.len() + more.len(), secs(20)).await;
        assert_once_and_in_order(&log, &[receipts, more].concat());
    });
}

/// A page hosts, under this epoch, as far as `tab` knows.
async fn hosts(tab: &Tab, epoch: u64) {
    let wanted = format!("status.host === 'web-locks' && status.epoch === {epoch}");
    tab.status_is(&wanted, secs(20)).await;
}

/// Which of them holds the lock.
async fn hosting(tabs: &[&Tab]) -> usize {
    let mut found = None;
    for (at, tab) in tabs.iter().enumerate() {
        // Its own lock tells a page what the browser calls it.
        let body = "
            const { held } = await navigator.locks.query();
            const mine = held.find(({ name }) => name.endsWith(`:page:${bw.id}`)).clientId;
            return held.some(({ name, clientId }) => name.endsWith(':host') && clientId === mine);
        ";
        if tab.run(body, json!([])).await == Value::Bool(true) {
            found = Some(at);
        }
    }
    found.expect("one of them hosts")
}

/// Both write three events.
async fn write(one: &Tab, two: &Tab) -> Vec<Receipt> {
    [one.enqueue(3, 1).await, two.enqueue(3, 1).await].concat()
}

async fn set(tab: &Tab, value: usize) {
    tab.run("await bw.state.set({ count: args })", json!(value)).await;
}

async fn shows(tab: &Tab, value: usize) {
    until("the other page shows it", secs(10), async || {
        let shown = tab.run("return bw.state.get('count')", json!([])).await;
        holds(shown == json!(value), shown)
    })
    .await;
}
