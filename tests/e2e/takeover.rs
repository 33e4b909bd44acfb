//! The demo's takeover lab, worked as a person would (HOST-4).

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::killing::until_connected;
use crate::site::Site;
use crate::stage::play;
use crate::wait::{holds, secs, until};

/// The last change of host that the tab shows: its times, if there are any yet, and its words.
const LAST_MOVE: &str = "
    const move = document.querySelector('.move[data-kind=host]');
    return move && { ...move.dataset, words: move.innerText };
";

#[test]
fn the_lab_shows_who_goes_on_when_the_host_is_closed_and_after_how_long() {
    play(Site::demo(), async |stage| {
        let url = stage.server.url("/takeover.html?rung=web-locks");
        let one = stage.browser().await.tab(&url).await;
        until_connected(&one).await;
        one.status_is("status.hosting && status.epoch === 1", secs(20)).await;
        let two = stage.browser().await.tab(&url).await;
        until_connected(&two).await;
        two.status_is("!status.hosting && status.epoch === 1", secs(20)).await;

        // 1. By the button, which acts on the tab that hosts, from wherever it is pressed.
        until("the host can be closed", secs(10), async || {
            let can = "return !document.getElementById('close').disabled";
            holds(two.ask(can, json!([])).await, "not yet")
        })
        .await;
        two.run("document.getElementById('close').click()", json!([])).await;
        let shown = moved(&two, 2, "pressed the button").await;
        let status = two.status_is("status.hosting && status.pages === 1", secs(10)).await;
        assert_eq!(
            [&status["host"], &status["epoch"]],
            [&json!("web-locks"), &json!(2)],
            "{shown}"
        );
        stage.server.log_reaches("takeover-web-locks", 1, secs(10)).await;

        // 2. By hand.
        let three = stage.browser().await.tab(&url).await;
        until_connected(&three).await;
        three.status_is("!status.hosting && status.epoch === 2", secs(20)).await;
        until("the host is known", secs(10), async || {
            let said = "return document.getElementById('host-said').textContent";
            let said: String = three.ask(said, json!([])).await;
            holds(said.contains("the buttons act on"), said)
        })
        .await;
        two.close().await;
        moved(&three, 3, "since").await;
        stage.server.log_reaches("takeover-web-locks", 2, secs(10)).await;
    });
}

/// The tab shows that it hosts under this epoch, measured from a moment in these words, and that an event was delivered.
async fn moved(tab: &Tab, epoch: u64, since: &str) -> Value {
    let shown = until("the move is shown with its times", secs(30), async || {
        let shown = tab.run(LAST_MOVE, json!([])).await;
        let words = shown["words"].as_str().unwrap_or_default();
        let names_it = words.contains(&format!("epoch {epoch} "));
        let is_it = names_it && words.contains("(this tab) hosts");
        holds(is_it && shown["deliveredMs"].is_string(), &shown).map(|()| shown)
    })
    .await;
    let ms = |name: &str| shown[name].as_str().and_then(|it| it.parse::<u64>().ok());
    let (took, delivered) = (ms("tookMs"), ms("deliveredMs"));
    assert!(took.is_some_and(|ms| ms < 20_000), "{shown}");
    assert!(delivered >= took, "{shown}");
    let words = shown["words"].as_str().unwrap_or_default();
    assert!(words.contains(since) && words.contains("until an event was delivered"), "{shown}");
    shown
}
