//! What other devices write, where the network lets pages follow the log by fewer ways (SRV-7, SRV-12).

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::proxy::{Proxy, Way};
use crate::site::Site;
use crate::stage::{brisk, play};
use crate::state::{set, shown};
use crate::wait::{holds, secs, until};

#[test]
fn what_another_device_writes_is_shown_by_each_way_that_is_left_and_by_the_best_one_again() {
    play(Site::bare(), async |stage| {
        let proxy = Proxy::start(stage.server.port()).await;
        let profile = stage.path("second");
        let url = stage.server.url("/page.html");
        let far = stage.second_browser(&profile).await.tab(&url).await;
        far.join(brisk()).await;

        // 1. Where there are no sockets, by server-sent events.
        proxy.refuse(&[Way::Socket]);
        let page = stage.browser().await.tab(&proxy.url("/page.html")).await;
        page.join(brisk()).await;
        let follow = "
            window.stayed = true;
            window.told = [];
            bw.events.subscribe(({ data, type }) => told.push(type));
            await bw.ready;
            return bw.state.request();
        ";
        page.run(follow, json!([])).await;
        follows(&proxy, Way::Stream).await;
        write_is_shown(&far, &page, 1).await;

        // 2. Where these do not come through either, by asking.
        proxy.refuse(&[Way::Socket, Way::Stream]);
        follows(&proxy, Way::Ask).await;
        write_is_shown(&far, &page, 2).await;
        assert!(proxy.seen().iter().all(|(way, may)| *may == (*way == Way::Ask)));

        // 3. Once that has failed, too, it is tried from the beginning.
        proxy.refuse(&[Way::Socket, Way::Stream, Way::Ask]);
        until("both lines were refused twice", secs(30), async || {
            let asked = proxy.seen().iter().filter(|(way, _)| *way == Way::Ask).count();
            holds(asked >= 4, asked)
        })
        .await;
        proxy.refuse(&[]);
        follows(&proxy, Way::Socket).await;
        write_is_shown(&far, &page, 3).await;
        assert_eq!(page.run("return stayed", json!([])).await, true, "it was never loaded again");
        assert_eq!(page.heard().await, [json!(null); 0]);
    });
}

/// Waits until both of a page's lines, the state's and that of its subscription, follow the log by this way.
async fn follows(proxy: &Proxy, by: Way) {
    until(&format!("the log is followed by {by:?}"), secs(60), async || {
        let seen = proxy.seen();
        let lines = seen.iter().filter(|(way, may)| *way == by && *may).count();
        holds(lines >= 2, format!("{seen:?}"))
    })
    .await;
}

/// A write of the far device is shown by the page, which was told of it once.
async fn write_is_shown(far: &Tab, page: &Tab, at: u64) {
    let before: Vec<String> = page.ask("return told", json!([])).await;
    set(far, json!({ "at": at })).await;
    until(&format!("write {at} is shown"), secs(20), async || {
        let shown: Value = shown(page).await;
        holds(shown == json!({ "at": at }), shown)
    })
    .await;
    until(&format!("write {at} is told"), secs(20), async || {
        let told: Vec<String> = page.ask("return told", json!([])).await;
        holds(told.len() == before.len() + 1, format!("{told:?}"))
    })
    .await;
}
