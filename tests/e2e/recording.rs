//! The flight recorder in a real browser: what it writes down replays natively to identical effects (OBS-3).

use bellwether_shared::replay::{Life, play, read};
use bellwether_shared::tape::Machine;
use serde_json::json;

use crate::browser::Tab;
use crate::killing::{all_written_by, write, written_by};
use crate::server::assert_once_and_in_order;
use crate::site::Site;
use crate::stage::{Stage, play as on_stage};
use crate::wait::{holds, secs, until};

#[test]
fn what_was_recorded_while_workers_were_stopped_replays_natively_to_identical_effects() {
    on_stage(Site::bare(), async |stage| {
        let options =
            json!({ "outbox": { "baseDelayMs": 100, "maxDelayMs": 800, "batchSize": 10 } });
        let ann = stage.page(options.clone()).await;
        let ben = stage.page(options).await;
        for tab in [&ann, &ben] {
            tab.ready().await;
        }
        let before: u64 = ann.ask("return bw.status.epoch", json!([])).await;
        ann.run("bw.record(true)", json!([])).await;
        ann.status_is(&format!("status.epoch > {before}"), secs(10)).await;
        ben.run("bw.record(true)", json!([])).await;

        let receipts = trouble(stage, &ann, &ben).await;
        let log = stage.server.log_reaches("e2e", 120, secs(60)).await;
        for tab in [&ann, &ben] {
            tab.status_is("status.pending === 0 && status.dead === 0", secs(30)).await;
        }
        assert_once_and_in_order(&log, &receipts);

        for tab in [&ann, &ben] {
            let file = recording(tab).await;
            assert!(!file.windows(7).any(|part| part == br#"{"at":1"#), "a body is in it");
            let lives = read(&file).expect("what a browser has recorded can be read");
            assert_eq!(lives.iter().filter(|life| life.of == Machine::Page).count(), 1);
            let coordinators = lives.iter().filter(|life| life.of == Machine::Coordinator);
            assert!(coordinators.count() >= 2, "{lives:?}");
            let facts: usize = lives.iter().map(replayed).sum();
            assert!(facts > 100, "only {facts} facts");
        }
        ann.run("bw.record(false)", json!([])).await;
        assert_eq!(ann.heard().await, [json!(null); 0]);
    });
}

#[test]
fn what_was_recorded_with_bodies_holds_them_and_replays_too() {
    on_stage(Site::bare(), async |stage| {
        let tab = stage.page(json!({})).await;
        tab.ready().await;
        let before: u64 = tab.ask("return bw.status.epoch", json!([])).await;
        tab.run("bw.record(true, { bodies: true })", json!([])).await;
        tab.status_is(&format!("status.epoch > {before}"), secs(10)).await;
        write(&tab, 20, 0).await;
        stage.server.log_reaches("e2e", 20, secs(30)).await;
        tab.status_is("status.pending === 0", secs(30)).await;
        let file = until("the recording is on disk", secs(10), async || {
            let file = recording(&tab).await;
            let is_whole = file.windows(9).any(|part| part == br#"{"at":19}"#);
            if is_whole { Ok(file) } else { Err(format!("{} bytes", file.len())) }
        })
        .await;
        let lives = read(&file).expect("what a browser has recorded can be read");
        let facts: usize = lives.iter().map(replayed).sum();
        assert!(facts > 20, "only {facts} facts");
    });
}

/// Both tabs write; the worker is stopped meanwhile, the server is away, and then loses answers.
async fn trouble(stage: &mut Stage, ann: &Tab, ben: &Tab) -> Vec<crate::server::Receipt> {
    stage.server.kill();
    write(ann, 60, 20).await;
    write(ben, 60, 0).await;
    for count in [15, 40] {
        until("the tab goes on writing", secs(20), async || {
            let done = written_by(ann).await.len();
            holds(done >= count, format!("{done} of {count}"))
        })
        .await;
        ann.stop_workers().await;
    }
    let mut receipts = all_written_by(ann, 60).await;
    receipts.extend(all_written_by(ben, 60).await);
    stage.server.start().await;
    stage.server.mood(json!({ "mode": "lose-answers", "rate": 0.34, "seed": 7 })).await;
    stage.server.log_reaches("e2e", 40, secs(60)).await;
    ann.stop_workers().await;
    receipts
}

/// The file that the app would offer for download.
async fn recording(tab: &Tab) -> Vec<u8> {
    let body = "return [...new Uint8Array(await (await bw.recording()).arrayBuffer())]";
    tab.ask(body, json!([])).await
}

fn replayed(life: &Life) -> usize {
    let played = play(life, usize::MAX, &mut |_| {});
    assert_eq!((played.difference, played.shown), (None, 0), "{life}");
    played.facts
}
