//! Plain requests to a back end that knows nothing of us, as users of workbox-background-sync queue them (OUT-14).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::backend::{Backend, Noted, Reply};
use crate::browser::Tab;
use crate::site::Site;
use crate::stage::{Stage, play};
use crate::wait::{holds, secs, until};

#[test]
fn a_thousand_plain_requests_all_arrive_in_the_order_of_their_lanes_and_repeats_are_known_by_their_keys()
 {
    play(Site::bare(), async |stage| {
        let mut count = 0_usize;
        let api = Backend::start(stage.server.site().path().to_owned(), move |asked| {
            count += 1;
            match count % 10 {
                _ if asked.path.ends_with("/missing") => Reply::Json(404, json!({})),
                3 => Reply::Json(503, json!({})),
                6 => Reply::Cut,
                _ => Reply::Json(201, json!({ "number": count })),
            }
        })
        .await;
        let page = page(stage, &api).await;

        // 1. All are queued while delivery rests, as they would be offline; two in a hundred on the fast lane.
        page.run("await bw.outbox.pause()", json!([])).await;
        let ids: Vec<String> = page.ask(QUEUE, json!(COUNT)).await;
        page.status_is(&format!("status.pending === {COUNT}"), secs(20)).await;
        page.run("await bw.outbox.resume()", json!([])).await;

        // 2. The worker is killed in the middle, again and again.
        for kill in 1..=8 {
            let due = kill * COUNT / 10;
            until(&format!("{due} requests are done"), secs(40), async || {
                let done = done(&api).len();
                holds(done >= due, done)
            })
            .await;
            page.stop_workers().await;
        }
        page.status_is("status.pending === 0", secs(60)).await;

        // 3. None is lost, but for those that the back end has refused.
        let noted = api.noted();
        let done = done(&api);
        assert_eq!(done.len(), COUNT - MISSING);
        let failed: Vec<Value> = page.ask("return bw.outbox.failed()", json!([])).await;
        assert_eq!(failed.len(), MISSING);
        assert!(failed.iter().all(|it| it["code"] == "http-404"), "{}", failed[0]);

        // 4. One request is one key, and came as it was queued.
        let mut numbers: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for it in &noted {
            let key = it.key.as_deref().expect("each request has a key");
            assert_eq!(it.method, "PUT", "{it:?}");
            assert_eq!(it.authorization.as_deref(), Some("Bearer a token of ann"), "{it:?}");
            numbers.entry(key).or_default().insert(number_of(it));
        }
        assert_eq!(numbers.len(), COUNT);
        for (at, id) in ids.iter().enumerate() {
            let of_id = numbers.get(id.as_str()).expect("its receipt's id is its key");
            assert_eq!(of_id.iter().copied().collect::<Vec<_>>(), [at], "{id}");
        }

        // 5. Of each lane the first time that each was done is in order.
        for is_fast in [true, false] {
            let lane: Vec<usize> =
                done.iter().copied().filter(|at| (at % 50 == 7) == is_fast).collect();
            assert!(lane.is_sorted(), "{lane:?}");
        }
        let repeats = noted.iter().filter(|it| it.reply.is_done()).count() - done.len();
        assert!(repeats >= COUNT / 20, "only {repeats} repeats");
    });
}

/// A page of the back end's own origin that queues plain requests.
async fn page(stage: &mut Stage, api: &Backend) -> Tab {
    let tab = stage.browser().await.tab(&api.url("/page.html")).await;
    let outbox = json!({ "deliver": "requests", "baseDelayMs": 20, "maxDelayMs": 200 });
    tab.join(json!({ "user": "ann", "token": "a token of ann", "outbox": outbox })).await;
    tab.ready().await;
    tab
}

/// What the back end has done, each once, in the order in which it was first done.
fn done(api: &Backend) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let all = api.noted().into_iter().filter(|it| it.reply.is_done());
    all.map(|it| number_of(&it)).filter(|at| seen.insert(*at)).collect()
}

fn number_of(noted: &Noted) -> usize {
    let body: Value = serde_json::from_str(&noted.body).expect("a body of JSON");
    usize::try_from(body["at"].as_u64().expect("a number")).expect("a count")
}

const COUNT: usize = 1_000;
/// How many of them are for what the back end does not have.
const MISSING: usize = 10;

/// Queues so many requests one after another; gives their ids. As `Request`, and in parts.
const QUEUE: &str = "
    const ids = [];
    for (let at = 0; at < args; at += 1) {
        const url = `/api/notes/${at % 100 === 99 ? 'missing' : at}`;
        const parts = {
            method: 'PUT',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ at }),
        };
        const request = at % 2 ? { url, ...parts } : new Request(url, parts);
        const priority = at % 50 === 7 ? 'critical' : 'normal';
        ids.push((await bw.outbox.request(request, { priority })).id);
    }
    return ids;
";
