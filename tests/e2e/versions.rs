//! Pages, workers and servers of this build and of an earlier one, together (G8, HOST-7).
//!
//! `tests/previous-build` names the earlier one, and `cargo xtask previous` makes it. Where its history is not at hand `cargo xtask
//! test` says so, and leaves these out.

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::build::Build::{self, Previous, This};
use crate::server::{Receipt, assert_once_and_in_order};
use crate::site::Site;
use crate::stage::{Stage, play};
use crate::state::{agreed, held, set, shown};
use crate::wait::{holds, secs, until};

#[test]
fn a_page_of_the_previous_build_works_with_this_worker_and_this_server() {
    play(Site::mixed(This), async |stage| {
        all_is_asked_and_answered(stage, Previous, This).await;
    });
}

#[test]
fn a_page_of_this_build_works_with_the_previous_worker_and_the_previous_server() {
    play(Site::mixed(Previous), async |stage| {
        stage.server.kill();
        stage.server.start_of(Previous).await;
        all_is_asked_and_answered(stage, This, Previous).await;
    });
}

#[test]
fn pages_of_both_builds_lose_nothing_while_the_new_worker_takes_over() {
    play(Site::mixed(Previous), async |stage| {
        together(stage, Previous, This).await;
    });
}

#[test]
fn pages_of_both_builds_lose_nothing_while_the_previous_worker_is_put_back() {
    play(Site::mixed(This), async |stage| {
        together(stage, This, Previous).await;
    });
}

#[test]
fn what_the_previous_build_left_on_disk_is_shown_and_delivered_by_this_one() {
    play(Site::mixed(Previous), async |stage| {
        // The server's data, too, was made by the one before.
        stage.server.kill();
        stage.server.start_of(Previous).await;
        left_behind(stage, Previous, This).await;
    });
}

#[test]
fn what_this_build_left_on_disk_is_shown_and_delivered_by_the_previous_one() {
    play(Site::mixed(This), async |stage| {
        left_behind(stage, This, Previous).await;
    });
}

/// Two pages of `page`'s build, with the worker and the server of the `other` one; and a page of that on another device.
async fn all_is_asked_and_answered(stage: &mut Stage, page: Build, other: Build) {
    let one = stage.page_of(page, options()).await;
    let two = stage.page_of(page, options()).await;
    let profile = stage.path("second");
    let url = stage.server.url(other.page());
    let far = stage.second_browser(&profile).await.tab(&url).await;
    far.join(options()).await;
    for tab in [&one, &two, &far] {
        tab.ready().await;
        tab.run(FOLLOW, json!([])).await;
        worker_is_of(tab, other).await;
    }

    // 1. Events: listed, taken back, replaced, delivered.
    one.run("await bw.outbox.pause()", json!([])).await;
    let mut receipts = one.enqueue(10, 3).await;
    let taken_back = receipts.remove(4);
    one.run("await bw.outbox.cancel(args)", json!(taken_back.id)).await;
    let replaced =
        json!([receipts[8].id, { "type": "noted", "key": receipts[8].key, "data": { "at": 90 } }]);
    one.run("await bw.outbox.replace(...args)", replaced).await;
    let pending: Vec<Value> = two.ask("return bw.outbox.pending()", json!([])).await;
    assert_eq!(pending.len(), 9, "{pending:?}");
    two.run("await bw.outbox.resume()", json!([])).await;
    receipts.extend(two.enqueue(10, 3).await);
    two.run("await bw.flush()", json!([])).await;
    one.status_is("status.pending === 0 && status.dead === 0", secs(15)).await;
    let log = stage.server.log_of("e2e").await;
    assert_eq!(log.len(), 19);
    assert_once_and_in_order(&log, &receipts);
    let last = log.iter().find(|event| event.id == receipts[8].id).and_then(|it| it.data.clone());
    assert_eq!(last, Some(json!({ "at": 90 })), "as it was replaced");
    for (id, status) in [(&taken_back.id, "refused"), (&receipts[0].id, "accepted")] {
        let told = two.run("return bw.outbox.delivered(args)", json!(id)).await;
        assert_eq!(told["status"], status, "{told}");
    }

    // 2. One that is refused, mended, and tried again.
    let letter = bury_one(stage, &one).await;
    let mended = json!([letter, { "type": "noted", "key": "k0", "data": 2 }]);
    two.run("await bw.outbox.edit(...args)", mended).await;
    assert_eq!(two.run("return bw.outbox.retry(args)", json!(letter)).await, 1);
    stage.server.log_reaches("e2e", 20, secs(10)).await;

    // 3. State, under each strategy; on the other device, too, and with the worker stopped.
    set(&one, json!({ "theme": "dark", "merged": { "a": 1, "b": { "c": 1 } }, "gone": 1 })).await;
    assert_eq!(set(&two, json!({ "seat": "two" })).await["conflict"], false);
    let all = json!({
        "theme": "dark", "merged": { "a": 1, "b": { "c": 1 } }, "gone": 1, "seat": "two",
    });
    agreed(&stage.server, &[&one, &two, &far], all).await;
    one.stop_workers().await;
    two.run("return bw.state.delete('gone')", json!([])).await;
    set(&far, json!({ "merged": { "a": 1, "b": { "c": 2 } }, "list": [1] })).await;
    let count = "
        for (let at = 0; at < 10; at += 1) await bw.state.update('count', (count = 0) => count + 1);
    ";
    let (first, second) = (one.run(count, json!([])), two.run(count, json!([])));
    futures::future::join(first, second).await;
    let all = json!({
        "theme": "dark", "merged": { "a": 1, "b": { "c": 2 } }, "seat": "two", "list": [1], "count": 20,
    });
    agreed(&stage.server, &[&one, &two, &far], all.clone()).await;
    one.run("return bw.state.request()", json!([])).await;
    assert_eq!(shown(&one).await, all);

    // 4. Each has heard of the whole log, and of nothing that it could not read.
    one.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;
    told_the_log(stage, &[&one, &two, &far]).await;
    for tab in [&one, &two, &far] {
        let heard = tab.heard().await;
        assert!(heard.iter().all(|it| it["type"] == "dead-letter"), "{heard:?}");
    }
}

/// Two pages of each build write while the worker of `before` is replaced by that of `after`, and is stopped.
async fn together(stage: &mut Stage, before: Build, after: Build) {
    let mut tabs = Vec::new();
    for build in [before, after, before, after] {
        let tab = stage.page_of(build, options()).await;
        tab.ready().await;
        tab.run(FOLLOW, json!([])).await;
        tabs.push(tab);
    }
    worker_is_of(&tabs[0], before).await;
    // Until a page has been at rest for a second Chromium takes itself to be starting, and begins no update.
    tabs[0].run(&format!("await {UPDATE}"), json!([])).await;

    // 1. They write on until they are told that it is enough.
    let begin = "
        window.written = [];
        window.enough = false;
        window.resting = false;
        window.last = 0;
        window.writing = (async () => {
            for (let at = 1; !enough; at += 1) {
                const key = `k${at % 3}`;
                const { id, position } = await bw.outbox.enqueue({ type: 'noted', key, data: { at } });
                written.push({ id, position, key });
                await bw.state.set({
                    [`of-${args}`]: at,
                    [`shared-${at % 5}`]: `${args}-${at}`,
                    merged: { ...bw.state.get('merged'), [`of-${args}`]: at },
                });
                window.last = at;
                do await new Promise((resolve) => setTimeout(resolve, 10));
                while (resting);
            }
        })();
    ";
    for (at, tab) in tabs.iter().enumerate() {
        tab.run(begin, json!(at)).await;
    }
    all_write_on(&tabs).await;
    // A worker that is always at work is replaced after minutes; so they rest, and leave to the next what is not delivered.
    tabs[0].run("await bw.outbox.pause()", json!([])).await;
    all_write_on(&tabs).await;
    for tab in &tabs {
        tab.run("window.resting = true", json!([])).await;
    }
    stage.server.site().deploy_worker(after);
    tabs[0].run(&format!("void {UPDATE}"), json!([])).await;
    replace_worker(&tabs[0], after).await;
    for tab in &tabs {
        tab.run("window.resting = false", json!([])).await;
    }
    all_write_on(&tabs).await;
    let left = tabs[1].status_is("status.paused && status.pending > 0", secs(10)).await;
    assert!(left["pending"].as_u64() >= Some(60), "{left}");
    tabs[1].run("await bw.outbox.resume()", json!([])).await;
    all_write_on(&tabs).await;
    tabs[0].stop_workers().await;
    all_write_on(&tabs).await;

    // 2. What was written is at the server, once, and the same everywhere.
    let mut receipts: Vec<Receipt> = Vec::new();
    let mut last = Vec::new();
    for tab in &tabs {
        let (written, at): (Vec<Receipt>, u64) =
            tab.ask("window.enough = true; await writing; return [written, last]", json!([])).await;
        receipts.extend(written);
        last.push(at);
    }
    tabs[0].run("await bw.flush()", json!([])).await;
    for tab in &tabs {
        tab.status_is("status.pending === 0 && status.dead === 0", secs(20)).await;
    }
    let log = stage.server.log_of("e2e").await;
    assert_once_and_in_order(&log, &receipts);
    let noted = log.iter().filter(|event| event.type_ == "noted").count();
    assert_eq!(noted, receipts.len());
    let expected = held(&stage.server).await;
    for (at, last) in last.iter().enumerate() {
        assert_eq!(expected[format!("of-{at}")], *last, "{expected}");
        assert_eq!(expected["merged"][format!("of-{at}")], *last, "{expected}");
    }
    let tabs: Vec<&Tab> = tabs.iter().collect();
    agreed(&stage.server, &tabs, expected).await;
    told_the_log(stage, &tabs).await;
    for tab in tabs {
        assert_eq!(tab.heard().await, [json!(null); 0]);
    }
}

/// The browser is killed over what pages and worker of `before` have on disk, and started again with those of `after`.
async fn left_behind(stage: &mut Stage, before: Build, after: Build) {
    // 1. Some was taken, some was taken and is not known to be, some was never sent, one was refused, one is disputed.
    let page = stage.page_of(before, options()).await;
    worker_is_of(&page, before).await;
    let profile = stage.path("second");
    let url = stage.server.url(after.page());
    let far = stage.second_browser(&profile).await.tab(&url).await;
    far.join(options()).await;
    let mut receipts = page.enqueue(10, 3).await;
    set(&page, json!({ "theme": "dark", "gone": 1, "merged": { "a": 1, "b": { "c": 1 } } })).await;
    page.run("await bw.flush()", json!([])).await;
    let letter = bury_one(stage, &page).await;
    // The other device's write is first, and neither knows of the other's.
    page.run("await bw.outbox.pause()", json!([])).await;
    stage.server.kill();
    page.run("window.disputed = bw.state.set({ list: ['near'] })", json!([])).await;
    far.run("window.disputed = bw.state.set({ list: ['far'] })", json!([])).await;
    stage.server.start().await;
    far.run("await bw.flush(); await disputed", json!([])).await;
    page.run("await bw.outbox.resume()", json!([])).await;
    assert_eq!(page.run("return disputed", json!([])).await["conflict"], true);
    let first = json!({
        "theme": "dark", "gone": 1, "merged": { "a": 1, "b": { "c": 1 } }, "list": ["far"],
    });
    agreed(&stage.server, &[&page, &far], first).await;
    page.status_is("status.pending === 0", secs(10)).await;

    let had = stage.server.count_of("e2e").await;
    stage.server.mood(json!({ "mode": "lose-answers" })).await;
    receipts.extend(page.enqueue(5, 3).await);
    stage.server.log_reaches("e2e", had + 5, secs(10)).await;
    stage.server.mood(json!({ "mode": "down" })).await;
    receipts.extend(page.enqueue(20, 3).await);
    let write = "
        window.seated = bw.state.set({ seat: 'mine' });
        await bw.state.delete('gone');
        await bw.state.set({ merged: { a: 1, b: { c: 2 } }, form: { towns: ['Ulm'] } });
        const { id } = await bw.outbox.enqueue({ type: 'noted', key: 'k0', data: 'start' });
        return (await bw.outbox.enqueue({ type: 'noted', key: 'k1', data: 'end', after: id })).id;
    ";
    let end: String = page.ask(write, json!([])).await;
    let written = json!({
        "theme": "dark", "merged": { "a": 1, "b": { "c": 2 } }, "list": ["far"], "seat": "mine",
        "form": { "towns": ["Ulm"] },
    });
    assert_eq!(shown(&page).await, written);
    let pending = page.status().await["pending"].clone();
    stage.kill_browser();

    // 2. The others show all of it, though nothing can be sent yet.
    stage.server.kill();
    stage.server.site().deploy_worker(after);
    stage.server.start().await;
    stage.server.mood(json!({ "mode": "down" })).await;
    let url = stage.server.url(after.page());
    let page = stage.browser().await.tab(&url).await;
    page.join(options()).await;
    replace_worker(&page, after).await;
    assert_eq!(shown(&page).await, written);
    page.status_is(&format!("status.pending === {pending} && status.dead === 1"), secs(10)).await;
    let ids = "return (await bw.outbox.pending()).map(({ id }) => id)";
    let ids: Vec<String> = page.ask(ids, json!([])).await;
    assert!(receipts[15..].iter().all(|receipt| ids.contains(&receipt.id)), "{ids:?}");
    let failed: Vec<Value> = page.ask("return bw.outbox.failed()", json!([])).await;
    assert_eq!(failed[0]["id"], letter, "{failed:?}");

    // 3. They deliver it, and end the dispute.
    stage.server.all_is_well().await;
    page.goto(&url).await;
    page.run(FOLLOWING, options()).await;
    page.run("await bw.outbox.retry(); await bw.flush()", json!([])).await;
    page.status_is("status.pending === 0 && status.dead === 0", secs(20)).await;
    let mut all = written;
    all["list"] = json!(["far", "near"]);
    agreed(&stage.server, &[&page, &far], all).await;
    let log = stage.server.log_of("e2e").await;
    assert_once_and_in_order(&log, &receipts);
    let noted = log.iter().filter(|event| event.type_ == "noted").count();
    assert_eq!(noted, receipts.len() + 2);
    for id in [&end, &letter] {
        assert_eq!(log.iter().filter(|event| event.id == *id).count(), 1, "{id}");
    }
    assert_eq!(page.heard().await, [json!(null); 0]);
}

/// Brisk, and a strategy of each kind.
fn options() -> Value {
    json!({
        "outbox": { "baseDelayMs": 100, "maxDelayMs": 1000 },
        "state": {
            "keyStrategies": { "merged": "merge", "seat": "first-write-wins", "list": "custom" },
        },
    })
}

/// Joins with these options, and with a resolver, which could not be handed to the page.
const FOLLOWING: &str = "
    const customResolver = ({ local, remote }) => [...remote, ...local];
    await join({ ...args, state: { ...args.state, customResolver } });
";

/// Keeps what the page is told of the log, from its beginning.
const FOLLOW: &str = "
    window.told = [];
    bw.events.subscribe({ after: { epoch: '', offset: 0 } }, (event) => told.push(event));
";

/// Has the browser look for another worker.
const UPDATE: &str = "(await navigator.serviceWorker.getRegistration()).update()";

/// Enqueues an event that the server refuses; gives the id of the letter.
async fn bury_one(stage: &Stage, tab: &Tab) -> String {
    stage.server.mood(json!({ "refuse_types": ["rumour"] })).await;
    let body = "return (await bw.outbox.enqueue({ type: 'rumour', key: 'k0', data: 1 })).id";
    let id: String = tab.ask(body, json!([])).await;
    tab.status_is("status.dead === 1 && status.pending === 0", secs(10)).await;
    let failed: Vec<Value> = tab.ask("return bw.outbox.failed()", json!([])).await;
    assert_eq!((failed.len(), &failed[0]["id"]), (1, &json!(id)), "{failed:?}");
    stage.server.all_is_well().await;
    id
}

/// Waits for the worker of that build; stops the one before once the other waits for its place: a worker that is always at
/// work is replaced after minutes otherwise.
async fn replace_worker(tab: &Tab, build: Build) {
    let waits = "return Boolean((await navigator.serviceWorker.getRegistration()).waiting)";
    until(&format!("the worker is of {build:?}"), secs(40), async || {
        if tab.ask(waits, json!([])).await {
            tab.stop_workers().await;
        }
        let whose = whose_worker(tab).await;
        holds(whose == build.name(), whose)
    })
    .await;
}

/// Waits until the worker that answers this tab is of that build.
async fn worker_is_of(tab: &Tab, build: Build) {
    until(&format!("the worker is of {build:?}"), secs(20), async || {
        let whose = whose_worker(tab).await;
        holds(whose == build.name(), whose)
    })
    .await;
}

async fn whose_worker(tab: &Tab) -> String {
    let ask = "
        const { active } = await navigator.serviceWorker.ready;
        const { port1, port2 } = new MessageChannel();
        return new Promise((resolve) => {
            port1.onmessage = ({ data }) => resolve(data);
            setTimeout(resolve, 1000, 'nobody');
            active.postMessage({ whose: true }, [port2]);
        });
    ";
    tab.ask(ask, json!([])).await
}

/// Waits until each tab has made fifteen more writes.
async fn all_write_on(tabs: &[Tab]) {
    let mut goals = Vec::new();
    for tab in tabs {
        let last: u64 = tab.ask("return last", json!([])).await;
        goals.push(last + 15);
    }
    for (tab, goal) in tabs.iter().zip(goals) {
        until("the tab writes on", secs(20), async || {
            let at: u64 = tab.ask("return last", json!([])).await;
            holds(at >= goal, at)
        })
        .await;
    }
}

/// Waits until each tab was told of all events in the log's order, each once.
async fn told_the_log(stage: &Stage, tabs: &[&Tab]) {
    let log = stage.server.log_of("e2e").await;
    let log: Vec<(u64, String)> = log.into_iter().map(|event| (event.offset, event.id)).collect();
    for tab in tabs {
        until("all events are told, each once", secs(20), async || {
            let told = "return told.map(({ cursor, id }) => [cursor.offset, id])";
            let told: Vec<(u64, String)> = tab.ask(told, json!([])).await;
            holds(told == log, format!("{} of {}: {told:?}", told.len(), log.len()))
        })
        .await;
    }
}
