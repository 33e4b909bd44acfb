//! Servers that forget, and devices that are doubled.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::server::assert_once_and_in_order;
use crate::site::Site;
use crate::stage::{Stage, brisk, play};
use crate::wait::{holds, secs, until};

#[test]
fn a_server_whose_data_was_deleted_gets_what_the_device_still_has() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        let mut receipts = page.enqueue(20, 4).await;
        page_is_done(stage, &page, 20).await;

        stage.server.kill();
        stage.server.put_back(None);
        stage.server.start().await;
        receipts.extend(page.enqueue(5, 4).await);
        let log = page_is_done(stage, &page, 25).await;
        assert_once_and_in_order(&log, &receipts);
        told_of_the_loss(&page).await;
        receipts.extend(page.enqueue(5, 4).await);
        let log = page_is_done(stage, &page, 30).await;
        assert_once_and_in_order(&log, &receipts);
    });
}

#[test]
fn a_server_put_back_from_an_older_copy_gets_again_what_the_copy_lacks() {
    // Whether or not the person who puts it back tells the server.
    for arguments in [&[] as &[&str], &["--new-epoch"]] {
        play(Site::bare(), async |stage| {
            let page = stage.page(brisk()).await;
            let mut receipts = page.enqueue(10, 4).await;
            page_is_done(stage, &page, 10).await;
            stage.server.kill();
            let copy = stage.path("copy");
            stage.server.back_up(&copy);
            stage.server.start().await;
            receipts.extend(page.enqueue(10, 4).await);
            page_is_done(stage, &page, 20).await;

            stage.server.kill();
            stage.server.put_back(Some(&copy));
            stage.server.start_with(arguments).await;
            receipts.extend(page.enqueue(5, 4).await);
            let log = page_is_done(stage, &page, 25).await;
            assert_once_and_in_order(&log, &receipts);
            told_of_the_loss(&page).await;
        });
    }
}

#[test]
fn two_browsers_on_copies_of_one_profile_both_deliver() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        let mut receipts = page.enqueue(4, 2).await;
        page_is_done(stage, &page, 4).await;
        // Both copies have these three in their queue.
        stage.server.mood(json!({ "mode": "down" })).await;
        receipts.extend(page.enqueue(3, 2).await);
        page.status_is("status.pending === 3", secs(10)).await;
        stage.quit_browser().await;
        let copy = stage.copy_profile("twin");
        stage.server.all_is_well().await;

        let one = stage.page(brisk()).await;
        let url = stage.server.url("/page.html");
        let two = stage.second_browser(&copy).await.tab(&url).await;
        two.join(brisk()).await;
        for round in 1..=3 {
            let mut ids: BTreeSet<String> = receipts.iter().map(|it| it.id.clone()).collect();
            for tab in [&one, &two] {
                let more = tab.enqueue(4, 2).await;
                ids.extend(more.iter().map(|it| it.id.clone()));
                // Positions are a device's own, and these are two devices by now.
                if round == 1 && std::ptr::eq(tab, &one) {
                    receipts.extend(more);
                }
            }
            let log = stage.server.log_reaches("e2e", 7 + 8 * round, secs(20)).await;
            assert_eq!(log.len(), 7 + 8 * round, "something came twice");
            assert_once_and_in_order(&log, &receipts);
            let clients: BTreeSet<&str> = log.iter().map(|event| event.client.as_str()).collect();
            assert!(clients.len() > 1, "two devices speak as one client");
            let held: BTreeSet<String> = log.into_iter().map(|event| event.id).collect();
            assert!(ids.is_subset(&held), "acknowledged, but not in the log");
        }
        for tab in [&one, &two] {
            tab.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
        }
    });
}

/// Waits until the server holds exactly `count` events, and the page knows it.
async fn page_is_done(stage: &Stage, page: &Tab, count: usize) -> Vec<crate::server::LogEvent> {
    let log = stage.server.log_reaches("e2e", count, secs(20)).await;
    assert_eq!(log.len(), count, "something came twice");
    page.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
    log
}

async fn told_of_the_loss(page: &Tab) {
    until("the page is told that state was lost", secs(5), async || {
        let heard = page.heard().await;
        let losses = heard.iter().filter(|it| it["type"] == "state-lost").count();
        let others = heard.len() - losses;
        holds(losses >= 1 && others == 0, Value::from(heard))
    })
    .await;
}
