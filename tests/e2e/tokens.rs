//! Tokens that are refused while there is work.

use serde_json::json;

use crate::browser::Tab;
use crate::server::{Receipt, assert_once_and_in_order, token};
use crate::site::Site;
use crate::stage::{Stage, play};
use crate::wait::secs;

#[test]
fn a_refused_token_is_asked_for_once_by_three_tabs_and_three_lanes_and_is_never_on_disk() {
    play(Site::bare(), async |stage| {
        let (old, new) = (token(OLD_SECRET, "ann"), token(NEW_SECRET, "ann"));
        stage.server.kill();
        stage.server.start_guarded(OLD_SECRET).await;
        let mut tabs = Vec::new();
        for _ in 0..3 {
            tabs.push(tab(stage, &old).await);
        }

        // 1. A part of the queue is delivered with the old token, and a part of it is not.
        let mut receipts = write(&tabs).await;
        stage.server.log_reaches("e2e", 60, secs(30)).await;
        stage.server.kill();
        receipts.append(&mut write(&tabs).await);
        for tab in &tabs {
            tab.run("window.given = args", json!(new)).await;
        }
        let asked_before = asked(&tabs).await;

        // 2. The server takes other tokens from here on, and refuses the old one to all lanes.
        stage.server.start_guarded(NEW_SECRET).await;
        let held = stage.server.count_of("e2e").await;
        assert!(held + 180 <= receipts.len(), "{held} were delivered before");
        let log = stage.server.log_reaches("e2e", receipts.len(), secs(40)).await;
        for tab in &tabs {
            tab.status_is("status.pending === 0", secs(20)).await;
            // A try that was spent would have been the only one.
            assert_eq!(tab.heard().await, [json!(null); 0]);
        }
        assert_eq!(log.len(), receipts.len(), "something came twice");
        assert_once_and_in_order(&log, &receipts);
        assert_eq!(asked(&tabs).await, asked_before + 1, "asked again");

        // 3. What events hold is found on disk; what their senders were shown is not.
        let places: Vec<String> =
            tabs[0].ask("return placesOf(args)", json!("marker of ann")).await;
        assert!(!places.is_empty(), "the search finds nothing at all");
        for token in [old, new] {
            let signature = token.rsplit('.').next().expect("a token has parts");
            for part in [&token, signature] {
                let places: Vec<String> = tabs[0].ask("return placesOf(args)", json!(part)).await;
                assert_eq!(places, [""; 0], "a token is on disk");
            }
        }
    });
}

/// A tab that has joined as ann and shows `token` when it is asked.
async fn tab(stage: &mut Stage, token: &str) -> Tab {
    let tab = stage.unjoined().await;
    tab.run("window.given = args", json!(token)).await;
    let outbox = json!({ "baseDelayMs": 100, "maxDelayMs": 500, "batchSize": 5, "maxRetries": 1 });
    tab.run("await joinAsked(args)", json!({ "user": "ann", "outbox": outbox })).await;
    tab.ready().await;
    tab
}

/// Sixty events of each tab, each tab in a lane of its own.
async fn write(tabs: &[Tab]) -> Vec<Receipt> {
    let body = "
        const receipts = [];
        for (let at = 0; at < 60; at += 1) {
            const key = `${args}-${at % 10}`;
            const event = { type: 'noted', key, data: { at, text: 'marker of ann' } };
            const { id, position } = await bw.outbox.enqueue(event, { priority: args });
            receipts.push({ id, position, key });
        }
        return receipts;
    ";
    let mut receipts = Vec::new();
    for (lane, tab) in ["critical", "normal", "bulk"].into_iter().zip(tabs) {
        receipts.append(&mut tab.ask(body, json!(lane)).await);
    }
    receipts
}

/// How often all tabs together were asked for a token.
async fn asked(tabs: &[Tab]) -> usize {
    let mut count = 0;
    for tab in tabs {
        count += tab.ask::<usize>("return asked.length", json!([])).await;
    }
    count
}

const OLD_SECRET: &str = "the secret of yesterday, which is long enough";
const NEW_SECRET: &str = "the secret of today, which is as long as that";
