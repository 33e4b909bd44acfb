//! The demo's shared board and its conflict lab, worked as a person would.

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::killing::{settled, until_connected};
use crate::server::Server;
use crate::site::Site;
use crate::stage::play;
use crate::wait::{holds, secs, until};

/// What a person sees of the board: theme, locale, level, birds, remark, how many pages.
const SEEN: &str = "
    const shown = (id) => document.getElementById(id).textContent;
    return [
        document.documentElement.dataset.theme,
        document.getElementById('locale').value,
        shown('level-said'),
        shown('birds'),
        document.getElementById('remark').value,
        shown('present'),
    ];
";

/// Moves, chooses or types: an element's id, and the value it gets.
const ENTER: &str = "
    const it = document.getElementById(args[0]);
    it.value = args[1];
    for (const name of ['input', 'change']) it.dispatchEvent(new Event(name, { bubbles: true }));
";

const PRESS: &str = "document.querySelector(args).click()";

async fn board(tab: &Tab) {
    until_connected(tab).await;
    until("the board can be used", secs(10), async || {
        let is: bool = tab.ask("return !document.getElementById('play').disabled", json!([])).await;
        holds(is, "not yet")
    })
    .await;
}

async fn see(tabs: &[&Tab], expected: Value) {
    for (at, tab) in tabs.iter().enumerate() {
        until(&format!("tab {at} shows {expected}"), secs(15), async || {
            let seen = tab.run(SEEN, json!([])).await;
            holds(seen == expected, seen)
        })
        .await;
    }
}

async fn enter(tab: &Tab, id: &str, value: &str) {
    tab.run(ENTER, json!([id, value])).await;
}

async fn press(tab: &Tab, selector: &str) {
    tab.run(PRESS, json!(selector)).await;
}

/// A key of the session's document, as the server has it.
async fn held(server: &Server, key: &str) -> Value {
    let page = server.get("/v1/state?session=field-notes").await.expect("the server runs");
    let entries = page["entries"].as_array().cloned().unwrap_or_default();
    let entry = entries.into_iter().find(|entry| entry["key"] == key).unwrap_or_default();
    entry["value"].clone()
}

#[test]
fn two_tabs_show_one_board_also_with_the_server_gone_and_after_a_reload() {
    play(Site::demo(), async |stage| {
        let (origin, url) = (stage.server.origin(), stage.server.url("/state.html"));
        let one = stage.browser().await.tab(&url).await;
        board(&one).await;
        settled(&one).await;
        let two = stage.browser().await.tab(&url).await;
        board(&two).await;

        // 1. What one does the other shows; a level that moves arrives before it rests.
        enter(&one, "locale", "de").await;
        enter(&one, "theme-of-all", "dark").await;
        enter(&two, "remark", "two herons").await;
        let watch = "
            window.levels = new Set();
            bw.state.subscribe(['level'], () => levels.add(bw.state.get('level')));
        ";
        two.run(watch, json!([])).await;
        let drag = "
            const it = document.getElementById('level');
            for (let at = 1; at <= 40; at += 1) {
                it.value = 200 + at;
                it.dispatchEvent(new Event('input', { bubbles: true }));
                await new Promise((resolve) => setTimeout(resolve, 15));
            }
        ";
        one.run(drag, json!([])).await;
        let rows =
            "return [...document.querySelectorAll('#changes tr')].map((row) => row.innerText)";
        until("the other tab lists both", secs(10), async || {
            let rows: Vec<String> = two.ask(rows, json!([])).await;
            let tells = |key, from| rows.iter().any(|row| row.contains(key) && row.contains(from));
            let both = tells("theme", "another page") && tells("remark", "this page");
            holds(both, rows.join("; "))
        })
        .await;
        for _ in 0..5 {
            press(&one, "#plus").await;
            press(&two, "#plus").await;
        }
        let both = json!(["dark", "de", "2,40 m", "10", "two herons", "2 Seiten sind offen."]);
        see(&[&one, &two], both.clone()).await;
        let levels = two.ask::<usize>("return levels.size", json!([])).await;
        assert!(
            (3..=25).contains(&levels),
            "{levels} levels were seen of the forty that there were"
        );

        // 2. Without a server it is the same, and a page that comes shows all of it.
        one.status_is("status.pending === 0", secs(15)).await;
        stage.server.kill();
        press(&two, "#plus").await;
        press(&one, "#plus").await;
        enter(&two, "remark", "three herons").await;
        press(&two, "#theme").await;
        let gone = json!(["light", "de", "2,40 m", "12", "three herons", "2 Seiten sind offen."]);
        see(&[&one, &two], gone.clone()).await;
        let count = "
            window.counts = [];
            bw.addEventListener('status', ({ detail }) => counts.push(detail.pages));
        ";
        two.run(count, json!([])).await;
        one.goto(&url).await;
        board(&one).await;
        see(&[&one, &two], gone.clone()).await;
        let counts: Vec<u32> = two.ask("return counts", json!([])).await;
        assert!(!counts.is_empty(), "the reload was heard of");
        assert!(counts.iter().all(|pages| *pages <= 2), "who has left is not counted: {counts:?}");

        // 3. It is the field notes' theme, too, and on disk for the first paint.
        let notes = stage.browser().await.tab(&origin).await;
        until_connected(&notes).await;
        let theme = "return [document.documentElement.dataset.theme, bw.state.get('theme')]";
        assert_eq!(notes.run(theme, json!([])).await, json!(["light", "light"]));
        press(&notes, "#theme").await;
        until("the board wears it", secs(10), async || {
            let worn = two.run(theme, json!([])).await;
            holds(worn == json!(["dark", "dark"]), worn)
        })
        .await;
        notes.close().await;

        // 4. The server gets it all.
        stage.server.start().await;
        one.status_is("status.pending === 0", secs(40)).await;
        until("the server has it", secs(20), async || {
            let server = &stage.server;
            let all = json!([
                held(server, "birds").await,
                held(server, "theme").await,
                held(server, "remark").await
            ]);
            holds(all == json!([12, "dark", "three herons"]), all)
        })
        .await;
    });
}

#[test]
fn what_two_devices_count_apart_adds_up() {
    play(Site::demo(), async |stage| {
        let url = stage.server.url("/state.html");
        let one = stage.browser().await.tab(&url).await;
        board(&one).await;
        let profile = stage.path("second");
        let two = stage.second_browser(&profile).await.tab(&url).await;
        board(&two).await;
        for tab in [&one, &two] {
            tab.run("await bw.outbox.pause()", json!([])).await;
            for _ in 0..3 {
                press(tab, "#plus").await;
            }
            let birds = "return document.getElementById('birds').textContent";
            until("it counts on", secs(10), async || {
                let birds = tab.run(birds, json!([])).await;
                holds(birds == "3", birds)
            })
            .await;
        }
        for tab in [&one, &two] {
            press(tab, "#pause").await;
            tab.status_is("!status.paused && status.pending === 0", secs(20)).await;
        }
        let all_have = async |birds: u32| {
            until("all were counted", secs(20), async || {
                let all = json!([
                    held(&stage.server, "birds").await,
                    one.run("return bw.state.get('birds')", json!([])).await,
                    two.run("return bw.state.get('birds')", json!([])).await,
                ]);
                holds(all == json!([birds, birds, birds]), all)
            })
            .await;
        };
        all_have(6).await;
        // Both at once: one may be the slower for longer than a write is made again by itself.
        let clicks = "
            for (let at = 0; at < 40; at += 1) {
                document.getElementById('plus').click();
                await new Promise(requestAnimationFrame);
            }
        ";
        futures::future::join(one.run(clicks, json!([])), two.run(clicks, json!([]))).await;
        all_have(86).await;
    });
}

#[test]
fn the_lab_makes_a_conflict_under_each_strategy_and_shows_what_comes_of_it() {
    play(Site::demo(), async |stage| {
        let url = stage.server.url("/state.html");
        let tab = stage.browser().await.tab(&url).await;
        board(&tab).await;
        // The other device writes first and is heard first; it has four herons at the weir. This one has five in the fog.
        let (ours, theirs) = (["5", "in the reeds", "fog"], ["4", "at the weir", "fair"]);
        let cases = [
            ("lab-lww", ours),
            ("lab-merge", ["5", "at the weir", "fog"]),
            ("lab-fww", theirs),
            ("lab-custom", ["7", "at the weir", "fog"]),
        ];
        for (key, result) in cases {
            press(&tab, &format!("[data-testid={key}]")).await;
            press(&tab, "#play").await;
            let state = "
                const text = (at) => document.getElementById(at).textContent;
                const cells = (row) => [...row.cells].slice(1).map((cell) => cell.textContent);
                const conflict = document.querySelector(`.conflict[data-key=${args}] tbody`);
                return {
                    over: !document.getElementById('play').disabled,
                    verdict: text('verdict'),
                    steps: text('steps'),
                    sides: [...document.querySelectorAll('#sides tr')].map(cells),
                    conflict: conflict && [...conflict.rows].map(cells),
                    waits: Boolean(document.querySelector(`.conflict[data-key=${args}][data-waits]`)),
                };
            ";
            let seen = until(&format!("{key} is played"), secs(30), async || {
                let seen = tab.run(state, json!(key)).await;
                holds(seen["over"] == true && seen["verdict"] != "", &seen).map(|()| seen)
            })
            .await;
            assert!(seen["verdict"].as_str().is_some_and(|it| it.contains("agree on")), "{seen:#}");
            assert_eq!(seen["sides"], json!([result, result, result]), "{seen:#}");
            for (at, member) in ["2", "in the reeds", "fair"].into_iter().enumerate() {
                let row = &seen["conflict"][at];
                assert_eq!([&row[0], &row[1], &row[2]], [member, ours[at], theirs[at]], "{seen:#}");
                assert_eq!(row[3], result[at], "{seen:#}");
            }
            let rolled_back = seen["steps"].as_str().is_some_and(|it| it.contains("rolled back"));
            assert!(rolled_back == (key == "lab-fww") || key == "lab-custom", "{seen:#}");
            let herons: i64 = result[0].parse().expect("a number");
            let value = json!({ "herons": herons, "place": result[1], "weather": result[2] });
            assert_eq!(held(&stage.server, key).await, value, "{seen:#}");
        }
        // The other device is gone, and delivery goes on.
        tab.status_is("!status.paused && status.pages === 1 && status.pending === 0", secs(10))
            .await;
        let again = "return bw.withLock('lab', () => 'free')";
        assert_eq!(tab.run(again, json!([])).await, "free");
    });
}
