//! One state for all tabs and devices: what one writes the others show, the disk has, and the server confirms.

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::server::Server;
use crate::site::Site;
use crate::stage::{Stage, brisk, play};
use crate::wait::{holds, secs, until};

/// Waits until every tab shows the same, and the server has just that; gives it.
pub(crate) async fn agreed(server: &Server, tabs: &[&Tab], expected: Value) {
    let mut all = vec![];
    for (at, tab) in tabs.iter().enumerate() {
        until(&format!("tab {at} shows {expected}"), secs(20), async || {
            let shown = shown(tab).await;
            holds(shown == expected, shown)
        })
        .await;
        all.push(at);
    }
    until(&format!("the server has {expected}"), secs(20), async || {
        let held = held(server).await;
        holds(held == expected, held)
    })
    .await;
}

pub(crate) async fn shown(tab: &Tab) -> Value {
    tab.run("return bw.state.get()", json!([])).await
}

/// The document as the server has it.
pub(crate) async fn held(server: &Server) -> Value {
    let page = server.get("/v1/state?session=e2e").await.expect("the server runs");
    let entries = page["entries"].as_array().cloned().unwrap_or_default();
    let pairs = entries.into_iter().filter(|entry| !entry["value"].is_null());
    let pairs = pairs
        .map(|entry| (entry["key"].as_str().expect("a key").to_owned(), entry["value"].clone()));
    Value::Object(pairs.collect())
}

pub(crate) async fn set(tab: &Tab, patch: Value) -> Value {
    tab.run("return bw.state.set(args)", patch).await
}

#[test]
fn what_one_tab_writes_the_others_show_and_the_server_has() {
    play(Site::bare(), async |stage| {
        let one = stage.page(brisk()).await;
        let two = stage.page(brisk()).await;
        // Shown in the same task, before anything is written.
        let same = "bw.state.set({ theme: 'dark' }); return bw.state.get('theme')";
        assert_eq!(one.run(same, json!([])).await, "dark");
        set(&two, json!({ "locale": "de", "form": { "name": "Ann", "towns": ["Ulm"] } })).await;
        let all =
            json!({ "theme": "dark", "locale": "de", "form": { "name": "Ann", "towns": ["Ulm"] } });
        agreed(&stage.server, &[&one, &two], all.clone()).await;
        one.status_is("status.pending === 0", secs(10)).await;

        // A page that comes shows all of it when `connect` has resolved.
        let three = stage.page(brisk()).await;
        assert_eq!(shown(&three).await, all);
        one.run("return bw.state.delete('locale')", json!([])).await;
        let rest = json!({ "theme": "dark", "form": { "name": "Ann", "towns": ["Ulm"] } });
        agreed(&stage.server, &[&one, &two, &three], rest).await;
        assert_eq!(one.heard().await, [json!(null); 0]);
    });
}

#[test]
fn what_was_written_offline_outlives_the_browser_and_arrives() {
    play(Site::demo(), async |stage| {
        let origin = stage.server.origin();
        let demo = stage.browser().await.tab(&origin).await;
        crate::killing::settled(&demo).await;
        stage.server.kill();
        demo.run("return bw.state.set({ theme: 'dark', count: 1 })", json!([])).await;
        demo.run("return bw.state.set({ count: 2 })", json!([])).await;
        stage.kill_browser();

        let demo = stage.browser().await.tab(&origin).await;
        crate::killing::until_connected(&demo).await;
        let shown = "return [bw.state.get('theme'), bw.state.get('count')]";
        assert_eq!(demo.run(shown, json!([])).await, json!(["dark", 2]));
        stage.server.start().await;
        demo.status_is("status.pending === 0", secs(40)).await;
        until("the server has it", secs(20), async || {
            let page = stage.server.get("/v1/state?session=field-notes").await;
            let page = page.map_err(|fault| fault.to_string())?;
            let text = page.to_string();
            holds(text.contains("\"dark\"") && text.contains("\"value\":2"), text)
        })
        .await;
    });
}

#[test]
fn of_two_devices_one_write_stands_or_both_where_they_merge_and_whoever_lost_is_told() {
    play(Site::bare(), async |stage| {
        let strategies = json!({ "merged": "merge", "seat": "first-write-wins" });
        let options = json!({
            "outbox": { "baseDelayMs": 100, "maxDelayMs": 1000 },
            "state": { "keyStrategies": strategies },
        });
        let one = stage.page(options.clone()).await;
        let profile = stage.path("second");
        let url = stage.server.url("/page.html");
        let two = stage.second_browser(&profile).await.tab(&url).await;
        two.join(options).await;
        set(&one, json!({ "merged": { "a": 1, "b": { "c": 1 } } })).await;
        let first = json!({ "merged": { "a": 1, "b": { "c": 1 } } });
        agreed(&stage.server, &[&one], first.clone()).await;
        two.run("return bw.state.request()", json!([])).await;
        agreed(&stage.server, &[&two], first).await;

        // So that the first is first.
        two.run("await bw.outbox.pause()", json!([])).await;
        stage.server.kill();
        let write = "
            window.conflicts = [];
            bw.addEventListener('conflict', ({ detail }) => conflicts.push(detail));
            await bw.state.set({ merged: { ...bw.state.get('merged'), ...args.merged } });
            window.seated = bw.state.set({ seat: args.seat });
            await bw.state.set({ theme: args.seat });
        ";
        one.run(write, json!({ "merged": { "a": 2 }, "seat": "one" })).await;
        two.run(write, json!({ "merged": { "b": { "c": 3 } }, "seat": "two" })).await;
        assert_eq!(shown(&two).await["seat"], "two");

        stage.server.start().await;
        one.run("await bw.flush(); return seated", json!([])).await;
        one.status_is("status.pending === 0", secs(20)).await;
        two.run("await bw.outbox.resume(); await bw.flush()", json!([])).await;
        two.status_is("status.pending === 0", secs(20)).await;
        one.run("return bw.state.request()", json!([])).await;
        let last = json!({ "merged": { "a": 2, "b": { "c": 3 } }, "seat": "one", "theme": "two" });
        agreed(&stage.server, &[&one, &two], last).await;
        let commit = two.run("return seated", json!([])).await;
        assert_eq!(commit["conflict"], true);
        let told: Vec<Value> = two.ask("return conflicts", json!([])).await;
        let seat = told.iter().find(|conflict| conflict["key"] == "seat").expect("it is told");
        assert_eq!(
            (&seat["local"], &seat["remote"], &seat["result"], &seat["strategy"]),
            (&json!("two"), &json!("one"), &json!("one"), &json!("first-write-wins")),
        );
    });
}

#[test]
fn ten_tabs_a_thousand_updates_and_a_killed_worker_come_to_one_state() {
    play(Site::bare(), async |stage| {
        let mut tabs = Vec::new();
        for _ in 0..10 {
            tabs.push(stage.page(brisk()).await);
        }
        all_write(&tabs, 100).await;
        kill_workers(&tabs[..1], 6, 15).await;
        come_to_one_state(&stage.server, &tabs, 1, 100).await;
    });
}

#[test]
fn ten_tabs_on_each_of_two_devices_a_thousand_updates_and_killed_workers_come_to_one_state() {
    play(Site::bare(), async |stage| {
        let url = stage.server.url("/page.html");
        let profile = stage.path("second");
        stage.second_browser(&profile).await;
        let mut tabs = Vec::new();
        for _ in 0..10 {
            tabs.push(stage.page(brisk()).await);
            let far = stage.second_browser_tab(&url).await;
            far.join(brisk()).await;
            tabs.push(far);
        }
        all_write(&tabs, 50).await;
        kill_workers(&tabs[..2], 4, 10).await;
        come_to_one_state(&stage.server, &tabs, 2, 50).await;
        let patches = stage.server.log_of("e2e").await;
        assert_eq!(patches.len(), 1000, "each update is in the log once");
    });
}

/// Each tab begins to write so often: to a key of its own, which counts, and to one of five that all write to.
async fn all_write(tabs: &[Tab], times: u64) {
    let begin = "
        const [me, times] = args;
        window.writing = (async () => {
            for (let at = 1; at <= times; at += 1) {
                await bw.state.set({ [`of-${me}`]: at, [`shared-${at % 5}`]: `${me}-${at}` });
                if (at % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
            }
        })();
    ";
    for (at, tab) in tabs.iter().enumerate() {
        tab.run(begin, json!([at, times])).await;
    }
}

/// Stops the worker of each of these tabs, the first ones, so often: each time that it has made so many more writes.
async fn kill_workers(tabs: &[Tab], kills: u64, writes: u64) {
    for kill in 1..=kills {
        for (at, tab) in tabs.iter().enumerate() {
            let written = format!("return bw.state.get('of-{at}') ?? 0");
            until("the tabs have written on", secs(20), async || {
                let written = tab.run(&written, json!([])).await;
                holds(written.as_u64() >= Some(kill * writes), written)
            })
            .await;
            tab.stop_workers().await;
        }
    }
}

/// Waits until all is written and sent; the first tabs are one of each device.
async fn come_to_one_state(server: &Server, tabs: &[Tab], devices: usize, times: u64) {
    for tab in tabs {
        tab.run("await writing", json!([])).await;
    }
    for tab in &tabs[..devices] {
        tab.run("await bw.flush()", json!([])).await;
        tab.status_is("status.pending === 0", secs(30)).await;
    }
    let expected = held(server).await;
    for at in 0..tabs.len() {
        assert_eq!(expected[format!("of-{at}")], times, "{expected}");
    }
    let all: Vec<&Tab> = tabs.iter().collect();
    agreed(server, &all, expected).await;
}

#[test]
fn what_is_excluded_is_nowhere_but_in_its_page() {
    play(Site::bare(), async |stage| {
        let options = json!({
            "outbox": { "baseDelayMs": 100, "maxDelayMs": 1000 },
            "state": { "excludeKeys": ["secret"] },
        });
        let one = stage.page(options).await;
        let two = stage.page(brisk()).await;
        let heard = "
            window.words = [];
            new BroadcastChannel('bellwether:default').onmessage = ({ data }) =>
                words.push(new TextDecoder().decode(data));
        ";
        two.run(heard, json!([])).await;
        one.run("bw.record(true, { bodies: true })", json!([])).await;
        set(&one, json!({ "secret": "rumpelstiltskin", "theme": "dark" })).await;
        agreed(&stage.server, &[&two], json!({ "theme": "dark" })).await;
        one.status_is("status.pending === 0", secs(10)).await;
        assert_eq!(one.run("return bw.state.get('secret')", json!([])).await, "rumpelstiltskin");
        let places: Vec<String> = one.ask("return placesOf(args)", json!("rumpelstiltskin")).await;
        assert_eq!(places, [""; 0]);
        let words: Vec<String> = two.ask("return words", json!([])).await;
        assert!(words.iter().any(|word| word.contains("dark")), "{words:?}");
        assert!(!words.iter().any(|word| word.contains("rumpelstiltskin")), "{words:?}");
        let recorded = "return (await bw.recording()).text()";
        let recording: String = one.ask(recorded, json!([])).await;
        assert!(recording.contains("theme") && !recording.contains("rumpelstiltskin"));
        let log = serde_json::to_string(&stage.server.get("/v1/events?session=e2e").await.ok());
        assert!(!log.expect("it is JSON").contains("rumpelstiltskin"));
    });
}

#[test]
fn what_another_device_writes_is_shown_at_once_and_the_log_is_told_in_its_order() {
    play(Site::bare(), async |stage| {
        let one = stage.page(brisk()).await;
        let profile = stage.path("second");
        let url = stage.server.url("/page.html");
        let two = stage.second_browser(&profile).await.tab(&url).await;
        two.join(brisk()).await;
        let follow = "
            window.told = [];
            bw.events.subscribe({ after: { epoch: '', offset: 0 } }, (event) => told.push(event));
            bw.state.get();
            await bw.ready;
        ";
        one.run(follow, json!([])).await;
        two.run(follow, json!([])).await;
        for at in 1..=5 {
            set(if at % 2 == 0 { &one } else { &two }, json!({ "at": at })).await;
            agreed(&stage.server, &[&one, &two], json!({ "at": at })).await;
        }
        one.enqueue(2, 1).await;
        // The server goes and comes: nothing is missed, nothing told twice.
        stage.server.kill();
        two.enqueue(1, 1).await;
        stage.server.start().await;
        for tab in [&one, &two] {
            until("all events are told, each once", secs(30), async || {
                let told = "return told.map(({ cursor, type }) => [cursor.offset, type])";
                let told: Vec<(u64, String)> = tab.ask(told, json!([])).await;
                let log = stage.server.log_of("e2e").await;
                let all: Vec<(u64, String)> =
                    log.iter().map(|event| (event.offset, event.type_.clone())).collect();
                holds(told == all && all.len() == 8, format!("{told:?} of {all:?}"))
            })
            .await;
        }
    });
}

#[test]
fn a_resolver_makes_one_of_two_even_in_a_page_that_comes_later() {
    play(Site::bare(), async |stage| {
        // What `join` is given has crossed a border that functions do not.
        let join = "
            const customResolver = args ? ({ local, remote }) => [...remote, ...local] : undefined;
            const state = { keyStrategies: { list: 'custom' }, ...(args && { customResolver }) };
            await join({ outbox: { baseDelayMs: 100, maxDelayMs: 1000 }, state });
            window.conflicts = [];
            bw.addEventListener('conflict', ({ detail }) => conflicts.push(detail));
        ";
        let one = stage.unjoined().await;
        one.run(join, json!(false)).await;
        let profile = stage.path("second");
        let url = stage.server.url("/page.html");
        let two = stage.second_browser(&profile).await.tab(&url).await;
        two.run(join, json!(false)).await;
        one.run("await bw.ready; return bw.state.request()", json!([])).await;
        two.run("await bw.ready; return bw.state.request()", json!([])).await;

        // What the second writes is heard second.
        two.run("await bw.outbox.pause()", json!([])).await;
        disagree(stage, &one, &two).await;
        stage.server.start().await;
        one.run("await bw.flush(); return set", json!([])).await;
        two.run("await bw.outbox.resume(); await bw.flush()", json!([])).await;
        // Nobody there can resolve: the other's stands, and the loser waits.
        assert_eq!(two.run("return set", json!([])).await["conflict"], true);
        agreed(&stage.server, &[&one, &two], json!({ "list": ["one"] })).await;

        let resolving = stage.second_browser_tab(&url).await;
        resolving.run(join, json!(true)).await;
        let both = json!({ "list": ["one", "two"] });
        agreed(&stage.server, &[&resolving, &two, &one], both).await;
        let told: Vec<Value> = resolving.ask("return conflicts", json!([])).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            (&told[0]["local"], &told[0]["remote"], &told[0]["result"]),
            (&json!(["two"]), &json!(["one"]), &json!(["one", "two"])),
        );
    });
}

#[test]
fn the_workers_hook_makes_one_of_two_where_no_page_can_also_with_none_open() {
    play(Site::bare(), async |stage| {
        let join = "
            await join({
                worker: '/resolving-sw.js',
                outbox: { baseDelayMs: 100, maxDelayMs: 1000 },
                state: { keyStrategies: { list: 'custom' } },
            });
            await bw.ready;
            await bw.state.request();
        ";
        let one = stage.unjoined().await;
        one.run(join, json!([])).await;
        let profile = stage.path("second");
        let url = stage.server.url("/page.html");
        let second = stage.second_browser(&profile).await;
        let nobody = second.first();
        let two = second.tab(&url).await;
        two.run(join, json!([])).await;

        // 1. While its pages are open, and the worker was stopped in between. What the second writes is heard second.
        two.run("await bw.outbox.pause()", json!([])).await;
        disagree(stage, &one, &two).await;
        two.stop_workers().await;
        stage.server.start().await;
        one.run("await bw.flush(); return set", json!([])).await;
        two.run("await bw.outbox.resume(); await bw.flush()", json!([])).await;
        assert_eq!(two.run("return set", json!([])).await["conflict"], true);
        let both = json!({ "list": ["one", "two"] });
        agreed(&stage.server, &[&one, &two], both).await;
        let left = two.run("return placesOf(args)", json!("e2e /loser/")).await;
        assert_eq!(left, json!([]), "nothing waits any more");

        // 2. With no page open on the device that loses.
        one.run("await bw.state.delete('list'); await bw.flush()", json!([])).await;
        agreed(&stage.server, &[&one, &two], json!({})).await;
        disagree(stage, &one, &two).await;
        two.close().await;
        nobody.stop_workers().await;
        stage.server.start().await;
        one.run("await bw.flush(); return set", json!([])).await;
        assert_eq!(held(&stage.server).await, json!({ "list": ["one"] }));
        let origin = stage.server.origin();
        nobody.fire_sync(&origin, "0", "bellwether:default").await;
        until("the server has both", secs(30), async || {
            let all = held(&stage.server).await;
            holds(all == json!({ "list": ["one", "two"] }), all)
        })
        .await;
    });
}

/// Both write, and there is no server.
async fn disagree(stage: &mut Stage, one: &Tab, two: &Tab) {
    stage.server.kill();
    one.run("window.set = bw.state.set({ list: ['one'] })", json!([])).await;
    two.run("window.set = bw.state.set({ list: ['two'] })", json!([])).await;
    for tab in [one, two] {
        tab.status_is("status.pending === 1", secs(10)).await;
    }
}

#[test]
fn without_a_server_tabs_share_all_the_same_and_hand_it_to_their_first_server() {
    play(Site::bare(), async |stage| {
        let alone = json!({ "server": null, "state": { "conflictStrategy": "first-write-wins" } });
        let one = stage.page(alone.clone()).await;
        let two = stage.page(alone).await;
        let commit = set(&one, json!({ "theme": "dark" })).await;
        assert_eq!((&commit["conflict"], &commit["version"]), (&json!(false), &json!(1)));
        let count = "
            window.counting = (async () => {
                for (let at = 0; at < 20; at += 1) await bw.state.update('count', (count = 0) => count + 1);
            })();
        ";
        // The driver runs one script at a time.
        one.run(count, json!([])).await;
        two.run(count, json!([])).await;
        one.run("await counting", json!([])).await;
        two.run("await counting", json!([])).await;
        let all = json!({ "theme": "dark", "count": 40 });
        for tab in [&one, &two] {
            until("both have counted", secs(10), async || {
                let shown = shown(tab).await;
                holds(shown == all, shown)
            })
            .await;
        }
        one.status_is("status.pending === 0", secs(10)).await;
        one.close().await;
        two.close().await;

        let served = stage.page(brisk()).await;
        assert_eq!(shown(&served).await, all);
        agreed(&stage.server, &[&served], all).await;
        served.status_is("status.pending === 0", secs(10)).await;
    });
}

#[test]
fn a_server_put_back_to_yesterday_gets_what_the_devices_still_have() {
    play(Site::bare(), async |stage| {
        let page = stage.page(brisk()).await;
        set(&page, json!({ "day": "yesterday", "kept": 1 })).await;
        page.status_is("status.pending === 0", secs(10)).await;
        let copy = stage.path("copy");
        stage.server.kill();
        stage.server.back_up(&copy);
        stage.server.start().await;
        set(&page, json!({ "day": "today" })).await;
        page.run("return bw.flush()", json!([])).await;
        page.status_is("status.pending === 0", secs(10)).await;
        stage.server.kill();
        stage.server.put_back(Some(&copy));
        stage.server.start().await;
        set(&page, json!({ "new": true })).await;
        let all = json!({ "day": "today", "kept": 1, "new": true });
        agreed(&stage.server, &[&page], all).await;
    });
}
