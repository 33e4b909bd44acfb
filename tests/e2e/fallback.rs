//! No worker can be had, or none that works: a page hosts the coordinator, and the app goes on (HOST-4, HOST-5).

use std::time::Instant;

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::server::{Receipt, assert_once_and_in_order};
use crate::site::Site;
use crate::stage::{Stage, brisk, play};
use crate::wait::{holds, pass, secs, until};

#[test]
fn without_a_worker_pages_host_whichever_of_them_is_closed_or_crashes() {
    play(Site::bare(), async |stage| {
        let removed = stage.server.site().remove_worker_script();
        outlives_its_hosts(stage, &["service worker: "]).await;
        drop(removed);
    });
}

#[test]
fn without_locks_pages_host_by_a_lease_whichever_of_them_is_closed_or_crashes() {
    play(Site::bare(), async |stage| {
        stage.server.leave_safety().await;
        outlives_its_hosts(stage, &["service worker: ", "web-locks: "]).await;
    });
}

#[test]
fn without_a_database_pages_keep_the_rows_and_outlive_each_other_and_the_browser() {
    play(Site::bare(), async |stage| {
        stage.take_away("database");
        outlives_its_hosts(stage, &["service-worker: ", "web-locks: ", "indexeddb-lease: "]).await;
        // What was not sent when the last page went is sent by the next that comes, with a database or without.
        let mut known = stage.server.log_of("e2e").await.len();
        for without in ["database", ""] {
            stage.quit_browser().await;
            stage.take_away("database");
            let tab = stage.page(brisk()).await;
            // The page before may have gone in the middle of renewing its lease: then that has to expire, and its mark.
            tab.status_is("status.hosting", secs(20)).await;
            stage.server.mood(json!({ "mode": "error-500" })).await;
            let receipts = tab.enqueue(3, 1).await;
            let status = tab.status_is("status.pending >= 3", secs(10)).await;
            assert_eq!(status["storage"], json!("local"));
            stage.quit_browser().await;
            stage.server.all_is_well().await;
            stage.take_away(without);
            let next = stage.page(brisk()).await;
            let log = stage.server.log_reaches("e2e", known + 3, secs(20)).await;
            assert_once_and_in_order(&log[known..], &receipts);
            known += 3;
            next.status_is("status.pending === 0", secs(10)).await;
        }
    });
}

#[test]
fn where_the_user_allows_no_storage_pages_vote_for_a_host_and_outlive_it() {
    play(Site::bare(), async |stage| {
        stage.refuse_storage();
        outlives_its_hosts(stage, &["service worker: ", "indexeddb-lease: ", "storage-mutex: "])
            .await;
    });
}

#[test]
fn a_page_that_has_nothing_and_hears_nobody_sends_what_it_is_given() {
    play(Site::bare(), async |stage| {
        stage.refuse_storage();
        stage.take_away("bus");
        let mut receipts = Vec::new();
        for _ in 0..2 {
            let tab = stage.page(brisk()).await;
            let status = tab.status_is("status.host === 'solo'", secs(20)).await;
            assert_eq!((&status["storage"], &status["pages"]), (&json!("memory"), &json!(1)));
            receipts.extend(tab.enqueue(3, 3).await);
        }
        let log = stage.server.log_reaches("e2e", 6, secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
    });
}

/// Whoever hosts is closed or crashes, twenty times, and all is delivered.
async fn outlives_its_hosts(stage: &mut Stage, reasons: &[&str]) {
    let mut receipts = Vec::new();
    let mut tabs = [stage.page(brisk()).await, stage.page(brisk()).await];
    let mut epoch = 0;
    for take in 1..=20_usize {
        // On a busy machine an election may come between; then another of the two hosts.
        let (at, status) = hosted_since(&tabs, epoch).await;
        let told = status["reasons"].to_string();
        assert!(reasons.iter().all(|reason| told.contains(reason)), "{told}");
        epoch = status["epoch"].as_u64().expect("it is a number");
        let [host, next] = [&tabs[at], &tabs[1 - at]];
        receipts.extend(host.enqueue(3, 3).await);
        receipts.extend(next.enqueue(3, 3).await);
        set(host, take).await;
        shows(next, take).await;
        // The last moment before it goes: what is durable is somebody else's to deliver.
        stage.server.mood(json!({ "mode": "error-500" })).await;
        receipts.extend(host.enqueue(1, 1).await);
        stage.server.all_is_well().await;
        let gone = std::mem::replace(&mut tabs[at], stage.page(brisk()).await);
        if take % 5 == 0 {
            gone.crash().await;
        } else {
            gone.close().await;
        }
        let log = stage.server.log_reaches("e2e", receipts.len() + take, secs(20)).await;
        assert_eq!(log.len(), receipts.len() + take, "patches among them");
    }
    for tab in &tabs {
        shows(tab, 20).await;
    }
    let log = stage.server.log_of("e2e").await;
    let events: Vec<_> = log.into_iter().filter(|it| it.key.is_some()).collect();
    assert_once_and_in_order(&events, &receipts);
}

/// Which of them hosts under a later epoch than this, and its status.
async fn hosted_since(tabs: &[Tab; 2], epoch: u64) -> (usize, Value) {
    until("one of them hosts", secs(20), async || {
        let mut seen = Vec::new();
        for (at, tab) in tabs.iter().enumerate() {
            let status = tab.status().await;
            if status["hosting"] == json!(true) && status["epoch"].as_u64() > Some(epoch) {
                return Ok((at, status));
            }
            seen.push(status.to_string());
        }
        Err(seen.join("\n"))
    })
    .await
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
        // Those that were waiting for the lock do not take the role when it becomes free.
        stays(&[&one, &two], "service-worker", 2).await;
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
fn a_worker_that_is_unregistered_serves_the_pages_that_are_open_and_is_there_again_for_the_next() {
    play(Site::bare(), async |stage| {
        let one = stage.page(brisk()).await;
        let two = stage.page(brisk()).await;
        for tab in [&one, &two] {
            tab.status_is("status.host === 'service-worker'", secs(10)).await;
        }
        let count = "return (await navigator.serviceWorker.getRegistrations()).length";
        let unregister = "
            for (const it of await navigator.serviceWorker.getRegistrations()) await it.unregister();
        ";
        one.run(unregister, json!([])).await;
        assert_eq!(one.run(count, json!([])).await, json!(0));
        let mut receipts = write(&one, &two).await;
        stage.server.log_reaches("e2e", receipts.len(), secs(20)).await;
        // A tab that comes registers it again, while those that were there go on.
        let three = stage.page(brisk()).await;
        for (one, two) in [(&one, &three), (&three, &two)] {
            receipts.extend(write(one, two).await);
        }
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
        assert_eq!(three.run(count, json!([])).await, json!(1));
        for tab in [&one, &two, &three] {
            tab.status_is("status.host === 'service-worker' && status.pages === 3", secs(20)).await;
        }
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

#[test]
fn a_page_without_a_worker_and_one_with_it_do_not_take_turns() {
    play(Site::bare(), async |stage| {
        let with = stage.page(brisk()).await;
        with.status_is("status.host === 'service-worker' && status.epoch === 1", secs(10)).await;
        let mut options = brisk();
        options["worker"] = json!(false);
        let without = stage.page(options).await;
        let receipts = write(&without, &with).await;
        for tab in [&without, &with] {
            hosts(tab, 2).await;
        }
        stays(&[&without, &with], "web-locks", 2).await;
        // Once it is gone the worker has the role again.
        without.close().await;
        with.status_is("status.host === 'service-worker'", secs(20)).await;
        let more = with.enqueue(3, 1).await;
        let log = stage.server.log_reaches("e2e", receipts.len() + 3, secs(20)).await;
        assert_once_and_in_order(&log, &[receipts, more].concat());
    });
}

#[test]
fn a_page_that_hosts_and_hangs_loses_the_role_and_does_not_take_it_back() {
    play(Site::bare(), async |stage| {
        let removed = stage.server.site().remove_worker_script();
        let [host, other] = two_hosted_by_the_first(stage).await;
        // In the middle of a transaction it would keep the others from the disk as well.
        let hang = "
            const { transaction } = IDBDatabase.prototype;
            let open = 0;
            IDBDatabase.prototype.transaction = function (...args) {
                const begun = transaction.apply(this, args);
                open += 1;
                for (const end of ['complete', 'abort']) begun.addEventListener(end, () => (open -= 1));
                return begun;
            };
            const hang = () => {
                if (open > 0) return setTimeout(hang, 1);
                const end = performance.now() + 30_000;
                while (performance.now() < end);
            };
            setTimeout(hang, 2_000);
        ";
        // The driver waits for a tab that hangs before it turns to another.
        host.run(hang, json!([])).await;
        // Nothing is asked of it before.
        pass(secs(3)).await;
        let receipts = other.enqueue(3, 1).await;
        other.status_is("status.epoch === 2", secs(29)).await;
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(10)).await;
        assert_once_and_in_order(&log, &receipts);
        // It goes on, and follows.
        hosts(&host, 2).await;
        let more = write(&host, &other).await;
        let log = stage.server.log_reaches("e2e", receipts.len() + more.len(), secs(20)).await;
        assert_once_and_in_order(&log, &[receipts, more].concat());
        drop(removed);
    });
}

#[test]
fn pages_that_wait_run_no_timers_and_the_browser_brings_them_back_as_they_were() {
    play(Site::bare(), async |stage| {
        let removed = stage.server.site().remove_worker_script();
        let [host, other] = two_hosted_by_the_first(stage).await;
        let count = "
            window.timers = [];
            for (const name of ['setTimeout', 'setInterval', 'requestAnimationFrame', 'requestIdleCallback']) {
                const begin = window[name];
                window[name] = (...args) => (timers.push(name), begin(...args));
            }
        ";
        other.run(count, json!([])).await;
        pass(secs(6)).await;
        assert_eq!(other.run("return timers", json!([])).await, json!([]));

        let mut receipts = Vec::new();
        for (tab, epoch) in [(&other, 1), (&host, 2)] {
            let watch =
                "addEventListener('pageshow', (event) => (window.persisted = event.persisted))";
            tab.run(watch, json!([])).await;
            tab.goto(&stage.server.url("/blank.html")).await;
            tab.run("history.back()", json!([])).await;
            until("it is back as it was", secs(10), async || {
                let back = tab.try_run("return window.persisted ?? null", json!([])).await?;
                holds(back == Value::Bool(true), back)
            })
            .await;
            hosts(tab, epoch).await;
            receipts.extend(tab.enqueue(2, 1).await);
        }
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(20)).await;
        assert_once_and_in_order(&log, &receipts);
        drop(removed);
    });
}

/// Longer than any page rests that would take the role too soon, it stays where it is.
async fn stays(tabs: &[&Tab], host: &str, epoch: u64) {
    let started = Instant::now();
    until("some time has passed", secs(20), async || {
        for tab in tabs {
            let status = tab.status().await;
            assert_eq!((&status["host"], &status["epoch"]), (&json!(host), &json!(epoch)));
        }
        holds(started.elapsed() > secs(8), "not yet")
    })
    .await;
}

/// Two tabs, of which the first hosts.
async fn two_hosted_by_the_first(stage: &mut Stage) -> [Tab; 2] {
    let host = stage.page(brisk()).await;
    hosts(&host, 1).await;
    let other = stage.page(brisk()).await;
    hosts(&other, 1).await;
    [host, other]
}

/// A page hosts, under this epoch, as far as `tab` knows.
async fn hosts(tab: &Tab, epoch: u64) {
    let wanted = format!(
        "!['starting', 'service-worker'].includes(status.host) && status.epoch === {epoch}"
    );
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
