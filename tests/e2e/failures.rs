//! Events that the server will not take, and weather that is no event's fault.

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::site::Site;
use crate::stage::{brisk, play};
use crate::wait::{holds, secs, until};

#[test]
fn one_bad_event_among_five_hundred_is_buried_alone() {
    play(Site::bare(), async |stage| {
        for status in [500, 400] {
            let session = format!("of-{status}");
            let mut options = brisk();
            options["outbox"]["maxDelayMs"] = json!(200);
            options["session"] = json!(session);
            options["channel"] = json!(session);
            let page = stage.page(options).await;
            let mood = json!({ "poison_types": ["bad"], "poison_status": status });
            stage.server.mood(mood).await;
            let bad = enqueue_paused(&page, 500, 321).await;

            page.status_is("status.dead === 1 && status.pending === 0", secs(60)).await;
            let log = stage.server.log_of(&session).await;
            assert_eq!(log.len(), 499, "the neighbours of the bad event arrive");
            assert!(log.iter().all(|event| event.type_ == "noted"));
            let letters = page.run("return bw.outbox.failed()", json!([])).await;
            assert_eq!(letters[0]["id"], json!(bad), "{letters}");
            let heard = page.heard().await;
            assert_eq!(heard.len(), 1, "{heard:?}");
            assert_eq!(heard[0]["type"], "dead-letter");
            assert_eq!(heard[0]["detail"]["id"], json!(bad));

            stage.server.all_is_well().await;
            let retried: usize = page.ask("return bw.outbox.retry()", json!([])).await;
            assert_eq!(retried, 1);
            let log = stage.server.log_reaches(&session, 500, secs(15)).await;
            assert_eq!(log.last().map(|event| event.id.as_str()), Some(bad.as_str()));
            page.status_is("status.dead === 0 && status.pending === 0", secs(10)).await;
            page.close().await;
        }
    });
}

#[test]
fn a_refused_event_becomes_a_dead_letter_that_can_be_retried_or_discarded() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        stage.server.mood(json!({ "refuse_types": ["rumour"] })).await;
        let body = "
            const one = await bw.outbox.enqueue({ type: 'rumour', key: 'k', data: 1 });
            const two = await bw.outbox.enqueue({ type: 'rumour', key: 'k', data: 2 });
            const three = await bw.outbox.enqueue({ type: 'noted', key: 'k', data: 3 });
            return [one.id, two.id, three.id];
        ";
        let ids: Vec<String> = page.ask(body, json!([])).await;
        page.status_is("status.dead === 2 && status.pending === 0", secs(15)).await;
        let letters = page.run("return bw.outbox.failed()", json!([])).await;
        for (letter, data) in letters.as_array().expect("letters").iter().zip([1, 2]) {
            assert_eq!(letter["code"], "demo-refused", "{letter}");
            assert_eq!(letter["data"], data, "{letter}");
        }
        let delivery = page.run("return bw.outbox.delivered(args)", json!(ids[0])).await;
        assert_eq!(delivery["status"], "refused", "{delivery}");
        assert_eq!(delivery["error"]["code"], "demo-refused", "{delivery}");
        let log = stage.server.log_of("e2e").await;
        assert_eq!(log.len(), 1, "the neighbour went on");

        stage.server.all_is_well().await;
        page.run("await bw.outbox.discard(args)", json!(ids[0])).await;
        assert_eq!(page.run("return bw.outbox.retry(args)", json!(ids[1])).await, json!(1));
        let log = stage.server.log_reaches("e2e", 2, secs(15)).await;
        assert_eq!(log[1].id, ids[1]);
        page.status_is("status.dead === 0 && status.pending === 0", secs(10)).await;
        let fault = page.try_run("await bw.outbox.discard(args)", json!(ids[0])).await;
        assert!(fault.as_ref().is_err_and(|it| it.starts_with("letter-unknown")), "{fault:?}");
    });
}

#[test]
fn an_outage_of_any_kind_spends_no_tries() {
    play(Site::bare(), async |stage| {
        let outbox = json!({ "baseDelayMs": 20, "maxDelayMs": 100, "maxRetries": 2 });
        let page = stage.page(json!({ "outbox": outbox })).await;
        page.ready().await;
        let modes = ["error-500", "error-429", "not-ours-404", "cut", "down"];
        for (count, mode) in modes.into_iter().enumerate() {
            stage.server.mood(json!({ "mode": mode, "retry_after_ms": 200 })).await;
            let (_, before) = stage.server.pushes().await;
            page.enqueue(3, 1).await;
            until("the server was asked more often than there are tries", secs(20), async || {
                let (_, affected) = stage.server.pushes().await;
                holds(affected - before >= 6, format!("{mode}: {}", affected - before))
            })
            .await;
            let status = page.status().await;
            assert_eq!((&status["pending"], &status["dead"]), (&json!(3), &json!(0)), "{mode}");
            stage.server.all_is_well().await;
            stage.server.log_reaches("e2e", 3 * (count + 1), secs(10)).await;
            page.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
        }
        assert_eq!(page.heard().await, [json!(null); 0]);
    });
}

#[test]
fn a_server_that_asks_for_time_is_given_it() {
    play(Site::bare(), async |stage| {
        let options = json!({ "outbox": { "baseDelayMs": 20 } });
        let page = stage.page(options.clone()).await;
        page.ready().await;
        stage
            .server
            .mood(json!({ "mode": "error-429", "count": 1, "retry_after_ms": 15000 }))
            .await;
        page.enqueue(1, 1).await;
        page.status_is("status.nextAttemptAt > Date.now() + 5000", secs(5)).await;
        // Neither another event nor another coordinator makes it ask before its time.
        page.enqueue(1, 1).await;
        let page = stage.restart(page, options).await;
        page.enqueue(1, 1).await;
        let again = page.status_is("status.epoch > 1 && status.nextAttemptAt", secs(5)).await;
        assert_eq!(stage.server.pushes().await, (1, 1), "{again}");
        let log = stage.server.log_reaches("e2e", 3, secs(25)).await;
        assert_eq!(log.len(), 3);
    });
}

#[test]
fn delays_grow_and_survive_another_coordinator() {
    play(Site::bare(), async |stage| {
        let options = json!({ "outbox": { "baseDelayMs": 400, "maxDelayMs": 30_000 } });
        let page = stage.page(options.clone()).await;
        page.ready().await;
        stage.server.mood(json!({ "mode": "error-500" })).await;
        let body = "
            window.delays = [];
            let last = null;
            bw.addEventListener('status', ({ detail: { nextAttemptAt } }) => {
                if (nextAttemptAt && nextAttemptAt > Date.now() && nextAttemptAt !== last) {
                    delays.push(nextAttemptAt - Date.now());
                    last = nextAttemptAt;
                }
            });
        ";
        page.run(body, json!([])).await;
        page.enqueue(1, 1).await;
        // Doubled each time and spread by a quarter either way, so the fifth is beyond the fourth.
        let status = page.status_is("delays.length >= 5 && delays[4] > 4000", secs(30)).await;
        let delays: Vec<f64> = page.ask("return delays", json!([])).await;
        assert!(delays[1] > delays[0] && delays[2] > delays[1], "{delays:?}");

        let (pushes, _) = stage.server.pushes().await;
        let page = stage.restart(page, options).await;
        page.enqueue(1, 1).await;
        let again = format!(
            "status.epoch > {} && status.pending === 2 && status.nextAttemptAt",
            status["epoch"]
        );
        let again = page.status_is(&again, secs(10)).await;
        // The stored wall time is told by way of another clock, in whole milliseconds.
        assert!(at(&again) >= at(&status) - 5.0, "sooner than before: {again} after {status}");
        let (pushes_after, _) = stage.server.pushes().await;
        assert_eq!(pushes_after, pushes, "tried before its time: {again} after {status}");

        stage.server.all_is_well().await;
        stage.server.log_reaches("e2e", 2, secs(15)).await;
    });
}

/// Enqueues events while delivery is paused, so that they fill one batch, and resumes; the id of the
/// one event of type `bad`.
async fn enqueue_paused(page: &Tab, count: usize, bad: usize) -> String {
    let body = "
        await bw.ready;
        await bw.outbox.pause();
        const all = Array.from({ length: args.count }, (_, at) => bw.outbox.enqueue({
            type: at === args.bad ? 'bad' : 'noted', key: `k${at % 10}`, data: { at },
        }));
        const receipts = await Promise.all(all);
        await bw.outbox.resume();
        return receipts[args.bad].id;
    ";
    page.ask(body, json!({ "count": count, "bad": bad })).await
}

fn at(status: &Value) -> f64 {
    status["nextAttemptAt"].as_f64().unwrap_or_default()
}
