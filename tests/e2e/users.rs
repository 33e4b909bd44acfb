//! Several people at one device, and what is left of them (OUT-17, STATE-13).

use serde_json::{Value, json};

use crate::backend::{Backend, Reply};
use crate::browser::Tab;
use crate::site::Site;
use crate::stage::{brisk, play};
use crate::wait::{holds, secs, until};

#[test]
fn nothing_ever_leaves_under_the_token_of_another_who_signs_in_later() {
    play(Site::bare(), async |stage| {
        let site = stage.server.site().path().to_owned();
        let api = Backend::start(site, |_| Reply::Json(200, json!({}))).await;
        let page = stage.browser().await.tab(&api.url("/page.html")).await;
        let outbox = json!({ "deliver": "requests", "baseDelayMs": 50, "maxDelayMs": 200 });
        page.join(json!({ "user": "ann", "token": "token of ann", "outbox": outbox })).await;
        page.ready().await;

        // 1. Ann leaves what she has made here; cat takes hers with her.
        page.run("await bw.outbox.pause()", json!([])).await;
        let of_ann = queue(&page, "ann").await;
        page.run("await bw.signOut({ undelivered: 'keep' })", json!([])).await;
        sign_in(&page, "cat").await;
        queue(&page, "cat").await;
        page.run("await bw.signOut({ undelivered: 'discard' })", json!([])).await;
        let left: Vec<Value> = page.ask("return bw.outbox.pending()", json!([])).await;
        assert!(left.iter().all(|it| it["user"] == "ann"), "{left:?}");
        assert_eq!(left.len(), of_ann.len());

        // 2. Ben's leave under his token; hers stay.
        sign_in(&page, "ben").await;
        let of_ben = queue(&page, "ben").await;
        page.run("await bw.outbox.resume()", json!([])).await;
        arrived(&api, &of_ben).await;
        page.run("await bw.flush()", json!([])).await;
        page.status_is("status.pending === 5", secs(10)).await;
        page.stop_workers().await;
        page.run("await bw.flush()", json!([])).await;

        // 3. Hers leave once she is back.
        page.run("await bw.signOut()", json!([])).await;
        sign_in(&page, "ann").await;
        arrived(&api, &[of_ben, of_ann].concat()).await;
        page.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
        for it in api.noted() {
            let shown = it.authorization.expect("each request shows a token");
            assert_eq!(shown, format!("Bearer token of {}", it.body), "{}", it.path);
        }
    });
}

#[test]
fn after_wiping_nothing_that_events_held_is_on_the_device() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        let other = stage.page(brisk()).await;
        for tab in [&page, &other] {
            tab.ready().await;
        }
        // Delivered, refused and pending ones.
        stage.server.mood(json!({ "refuse_types": ["misspelt"] })).await;
        page.run(MARKED, json!("noted")).await;
        page.run(MARKED, json!("misspelt")).await;
        page.status_is("status.dead === 1 && status.pending === 0", secs(10)).await;
        page.run("await bw.outbox.pause()", json!([])).await;
        page.run(MARKED, json!("noted")).await;

        // What is delivered goes; what is not stays.
        let before = marked_places(&page).await;
        page.run("await bw.wipe()", json!([])).await;
        let after = marked_places(&page).await;
        assert!(after.len() < before.len(), "{before:?}, then {after:?}");
        other.status_is("status.dead === 1 && status.pending === 1", secs(10)).await;

        let report = page.run("return bw.wipe({ undelivered: true })", json!([])).await;
        assert_eq!(report["removed"], 2, "{report}");
        assert_eq!(marked_places(&page).await, [""; 0]);
        other.status_is("status.dead === 0 && status.pending === 0", secs(10)).await;

        // The device goes on.
        page.run("await bw.outbox.resume()", json!([])).await;
        let receipts = other.enqueue(2, 1).await;
        let log = stage.server.log_reaches("e2e", 3, secs(20)).await;
        assert_eq!(
            log[1..].iter().map(|it| &it.id).collect::<Vec<_>>(),
            [&receipts[0].id, &receipts[1].id]
        );
        page.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
    });
}

const MARKED: &str = "await bw.outbox.enqueue({ type: args, data: 'a mark in the data' })";

async fn marked_places(page: &Tab) -> Vec<String> {
    page.ask("return placesOf('a mark in the data')", json!([])).await
}

async fn sign_in(page: &Tab, user: &str) {
    let identity = json!({ "user": user, "token": format!("token of {user}") });
    page.run("await bw.setIdentity(args)", identity).await;
}

/// Queues five requests whose body is the user's name; gives their ids.
async fn queue(page: &Tab, user: &str) -> Vec<String> {
    let body = "
        const ids = [];
        for (let at = 0; at < 5; at += 1) {
            const request = { url: `/api/${args}-${at}`, method: 'POST', body: args };
            ids.push((await bw.outbox.request(request)).id);
        }
        return ids;
    ";
    page.ask(body, json!(user)).await
}

/// Waits until the back end has been asked these, and nothing else.
async fn arrived(api: &Backend, ids: &[String]) {
    until("the requests arrive", secs(20), async || {
        let noted = api.noted();
        let mut keys: Vec<&str> = noted.iter().filter_map(|it| it.key.as_deref()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        ids.sort_unstable();
        holds(keys == ids, format!("{noted:?}"))
    })
    .await;
}
