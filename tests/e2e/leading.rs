//! One tab leads, wherever the coordinator is (LEAD-1, LEAD-3, LEAD-6).

use serde_json::json;

use crate::browser::Tab;
use crate::site::Site;
use crate::stage::{Stage, brisk, play};
use crate::wait::{holds, secs, until};

#[test]
fn one_tab_leads_beside_a_worker_and_the_next_when_it_goes() {
    play(Site::bare(), async |stage| leads_on(stage).await);
}

#[test]
fn one_tab_leads_where_there_are_no_locks_and_the_next_when_it_goes() {
    play(Site::bare(), async |stage| {
        stage.server.leave_safety().await;
        leads_on(stage).await;
    });
}

/// Some tabs lead one after the other; an observer, which never does, hears of what runs only in one.
async fn leads_on(stage: &mut Stage) {
    let mut options = brisk();
    options["leader"] = json!({ "enabled": false });
    let observer = stage.page(options).await;
    let body = "
        window.runs = [];
        new BroadcastChannel('runs').onmessage = ({ data }) => runs.push(data);
        bw.leader.handle('double', (number) => number * 2);
    ";
    observer.run(body, json!([])).await;

    let ann = joined(stage, "ann").await;
    let ben = joined(stage, "ben").await;
    // Whoever leads is told, and has ended its work, before the other begins.
    for (name, tab) in [("ann", &ann), ("ben", &ben), ("ann", &ann), ("ben", &ben)] {
        let lead = "await bw.leader.forceLeader(); return bw.leader.epoch";
        let epoch = tab.run(lead, json!([])).await;
        begins(&observer, name, epoch.as_u64()).await;
    }
    one_at_a_time(&observer).await;
    let doubled = ben.run("return bw.leader.delegate('double', 21)", json!([])).await;
    assert_eq!(doubled, json!(42));
    let fault = "return bw.leader.delegate('halve', 21).catch(({ code }) => code)";
    assert_eq!(ben.run(fault, json!([])).await, json!("task-unknown"));

    ben.close().await;
    begins(&observer, "ann", None).await;
    let cam = joined(stage, "cam").await;
    ann.crash().await;
    begins(&observer, "cam", None).await;
    drop(cam);
}

/// A tab that would lead, and tells when its exclusive work begins and ends.
async fn joined(stage: &mut Stage, name: &str) -> Tab {
    let tab = stage.page(brisk()).await;
    let body = "
        const runs = new BroadcastChannel('runs');
        bw.leader.runExclusive('work', async (signal) => {
            const { epoch } = bw.leader;
            runs.postMessage({ name: args, what: 'begins', epoch });
            await new Promise((ended) => signal.addEventListener('abort', ended));
            runs.postMessage({ name: args, what: 'ends', epoch });
        });
    ";
    tab.run(body, json!(name)).await;
    tab
}

/// The last to begin is this one, under this epoch if that is known.
async fn begins(observer: &Tab, name: &str, epoch: Option<u64>) {
    until("its work has begun", secs(20), async || {
        let run = observer.run("return runs.at(-1) ?? {}", json!([])).await;
        let is_it = epoch.is_none_or(|epoch| run["epoch"] == json!(epoch));
        holds(is_it && run["name"] == json!(name) && run["what"] == json!("begins"), run)
    })
    .await;
}

/// What was begun is ended before the next begins, under a later epoch.
async fn one_at_a_time(observer: &Tab) {
    let runs = observer.run("return runs", json!([])).await;
    let runs = runs.as_array().expect("a list");
    for pair in runs.windows(2) {
        let [before, after] = pair else { unreachable!("windows of two") };
        if after["what"] == "begins" {
            assert_eq!(before["what"], "ends", "{runs:?}");
            assert!(after["epoch"].as_u64() > before["epoch"].as_u64(), "{runs:?}");
        } else {
            assert_eq!((&before["what"], &before["name"]), (&json!("begins"), &after["name"]));
        }
    }
}
