//! Events that need one another, and those that their app has thought better of (OUT-16, OUT-3).

use serde_json::{Value, json};

use crate::backend::{Backend, Reply};
use crate::browser::Tab;
use crate::server::LogEvent;
use crate::site::Site;
use crate::stage::{brisk, play};
use crate::wait::secs;

#[test]
fn the_end_of_a_session_that_was_begun_offline_arrives_with_the_id_that_its_start_was_given() {
    play(Site::bare(), async |stage| {
        let mut started = 0;
        let hook = Backend::start(stage.server.site().path().to_owned(), move |asked| {
            let event: Value = serde_json::from_str(&asked.body).expect("an event as JSON");
            if event["type"] != "session.started" {
                return Reply::Json(200, json!({}));
            }
            started += 1;
            Reply::Json(200, json!({ "of": { "id": format!("given-{started}") } }))
        })
        .await;
        let page = stage.page(brisk()).await;
        page.ready().await;

        // 1. Made offline: in one lane, and with an end that is more urgent than its start.
        stage.server.kill();
        let body = "
            const pair = async (lane) => {
                const { id } = await bw.outbox.enqueue({ type: 'session.started', data: {} });
                const end = { type: 'session.ended', data: { session: null, lane }, after: id };
                end.binds = { '/session': '/of/id' };
                return [id, (await bw.outbox.enqueue(end, { priority: lane })).id];
            };
            return [await pair('normal'), await pair('critical')];
        ";
        let pairs: Vec<(String, String)> = page.ask(body, json!([])).await;
        page.status_is("status.pending === 4 && status.nextAttemptAt", secs(10)).await;
        page.stop_workers().await;

        // 2. The server is back: back end, log and page agree on the ids.
        let hook_url = hook.url("/api/hook");
        stage.server.start_with(&["--webhook", &hook_url]).await;
        let log = stage.server.log_reaches("e2e", 4, secs(30)).await;
        for (start, end) in &pairs {
            let given = delivered(&page, start).await["result"]["of"]["id"].clone();
            assert!(given.as_str().is_some_and(|id| id.starts_with("given-")), "{given}");
            assert_eq!(delivered(&page, end).await["status"], "accepted");
            assert!(offset_of(&log, start) < offset_of(&log, end), "{log:?}");
            let bound = &log[place_of(&log, end)].data.as_ref().expect("it has data")["session"];
            assert_eq!(*bound, given, "as the log shows it");
            let told = hook.noted().into_iter().find(|it| it.key.as_ref() == Some(end));
            let told: Value = serde_json::from_str(&told.expect("it was told").body).expect("JSON");
            assert_eq!(told["data"]["session"], given, "as the back end was told");
        }
        assert_eq!(log.len(), 4);
        page.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
    });
}

#[test]
fn a_cancelled_event_never_arrives_and_every_tab_learns_so_also_after_a_reload() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        let other = stage.page(brisk()).await;
        for tab in [&page, &other] {
            tab.ready().await;
        }
        page.run("await bw.outbox.pause()", json!([])).await;
        let receipts = page.enqueue(3, 1).await;
        let [first, taken_back, last] = &receipts[..] else { panic!("{receipts:?}") };
        other.run("window.learnt = bw.outbox.delivered(args)", json!(taken_back.id)).await;
        page.run("await bw.outbox.cancel(args)", json!(taken_back.id)).await;
        let replaced = json!([last.id, { "type": "noted", "key": "k0", "data": { "at": 20 } }]);
        page.run("await bw.outbox.replace(...args)", replaced).await;

        let learnt = other.run("return learnt", json!([])).await;
        assert_eq!(learnt["error"]["code"], "cancelled", "{learnt}");
        assert_eq!(learnt["status"], "refused");
        other.goto(&stage.server.url("/page.html")).await;
        other.join(brisk()).await;
        assert_eq!(delivered(&other, &taken_back.id).await, learnt, "after a reload");

        other.run("await bw.outbox.resume()", json!([])).await;
        let log = stage.server.log_reaches("e2e", 2, secs(20)).await;
        page.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
        let ids: Vec<&str> = log.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, [&first.id, &last.id]);
        assert_eq!(log[1].data, Some(json!({ "at": 20 })), "as it was replaced");
        let again = page.try_run("await bw.outbox.cancel(args)", json!(first.id)).await;
        assert!(again.as_ref().is_err_and(|it| it.starts_with("event-unknown")), "{again:?}");
    });
}

#[test]
fn a_dead_letter_that_is_mended_arrives_under_its_id() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        page.ready().await;
        stage.server.mood(json!({ "refuse_types": ["misspelt"] })).await;
        let body = "return (await bw.outbox.enqueue({ type: 'misspelt', key: 'k', data: 1 })).id";
        let id: String = page.ask(body, json!([])).await;
        page.status_is("status.dead === 1 && status.pending === 0", secs(10)).await;
        let mended = json!([id, { "type": "noted", "key": "k", "data": 2 }]);
        page.run("await bw.outbox.edit(...args)", mended).await;
        let failed: Vec<Value> = page.ask("return bw.outbox.failed()", json!([])).await;
        assert_eq!((&failed[0]["type"], &failed[0]["data"]), (&json!("noted"), &json!(2)));
        assert_eq!(failed.len(), 1);
        assert_eq!(stage.server.count_of("e2e").await, 0, "it stays a letter until it is retried");

        page.run("await bw.outbox.retry(args)", json!(id)).await;
        let log = stage.server.log_reaches("e2e", 1, secs(10)).await;
        assert_eq!((log[0].id.as_str(), log[0].type_.as_str()), (id.as_str(), "noted"));
        assert_eq!(log[0].data, Some(json!(2)));
        page.status_is("status.dead === 0 && status.pending === 0", secs(10)).await;
        assert_eq!(delivered(&page, &id).await["status"], "accepted");
    });
}

async fn delivered(tab: &Tab, id: &str) -> Value {
    tab.run("return bw.outbox.delivered(args)", json!(id)).await
}

fn place_of(log: &[LogEvent], id: &str) -> usize {
    log.iter().position(|event| event.id == id).expect("it is in the log")
}

fn offset_of(log: &[LogEvent], id: &str) -> u64 {
    log[place_of(log, id)].offset
}
