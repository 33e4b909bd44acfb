//! Named locks between tabs: the browser's own, and those of pages where it has none (LOCK-1, LOCK-2).

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::site::Site;
use crate::stage::{Stage, brisk, play};
use crate::wait::secs;

#[test]
fn tabs_take_turns_under_a_lock_also_where_the_browser_has_none() {
    play(Site::bare(), async |stage| {
        let secure = stage.server.url("/page.html");
        let insecure = stage.server.insecure_url("/page.html");
        for (url, has_locks) in [(secure, true), (insecure, false)] {
            let tabs = [joined(stage, &url).await, joined(stage, &url).await];
            for (tab, name, other) in [(&tabs[0], "one", "two"), (&tabs[1], "two", "one")] {
                let there = tab.run("return 'locks' in navigator", json!([])).await;
                assert_eq!(there, Value::Bool(has_locks));
                // Each reads, is away for a while, and writes: without a lock one of two turns is lost. The first holds it
                // until the second asks. What is in `localStorage` is seen late by other processes.
                let work = "
                    const done = (request) => new Promise((resolve, reject) => {
                        request.onsuccess = () => resolve(request.result);
                        request.onerror = () => reject(request.error);
                    });
                    const opening = indexedDB.open('turns');
                    opening.onupgradeneeded = () => opening.result.createObjectStore('turns');
                    const db = await done(opening);
                    const store = () => db.transaction('turns', 'readwrite').objectStore('turns');
                    window.turns = async () => (await done(store().get('count'))) ?? 0;
                    const turn = async () => {
                        while (localStorage.getItem(args.other) === null) {
                            await new Promise((heard) => addEventListener('storage', heard, { once: true }));
                        }
                        const read = await turns();
                        await (await fetch(location.href)).text();
                        await done(store().put(read + 1, 'count'));
                    };
                    window.working = (async () => {
                        localStorage.setItem(args.name, 'is here');
                        for (let at = 0; at < args.turns; at += 1) {
                            await bw.withLock('turns', turn, { timeout: Infinity });
                        }
                        return bw.lockMetrics();
                    })();
                ";
                tab.run(work, json!({ "name": name, "other": other, "turns": TURNS })).await;
            }
            let mut contended = 0;
            for tab in &tabs {
                let metrics = tab.run("return await working", json!([])).await;
                assert_eq!(metrics["acquired"], json!(TURNS), "{metrics}");
                assert_eq!(metrics["lost"], json!(0), "{metrics}");
                contended += metrics["contended"].as_u64().expect("it is a count");
            }
            if has_locks {
                // Between processes the mutex promises less: see `explore_mutex`.
                let turns = tabs[0].run("return turns()", json!([])).await;
                assert_eq!(turns, json!(2 * TURNS));
            }
            assert!(contended > 0, "they have met");
        }
    });
}

#[test]
fn a_lock_whose_tab_has_crashed_is_had_by_the_next_also_where_the_browser_has_none() {
    play(Site::bare(), async |stage| {
        let secure = stage.server.url("/page.html");
        let insecure = stage.server.insecure_url("/page.html");
        for url in [secure, insecure] {
            let [holder, next] = [joined(stage, &url).await, joined(stage, &url).await];
            let hold = "
                await new Promise((held) => {
                    void bw.withLock('job', () => (held(), new Promise(() => {})));
                });
            ";
            holder.run(hold, json!([])).await;
            let briefly = "
                await bw.withLock('job', () => {}, { timeout: 300 });
            ";
            let refused = next.try_run(briefly, json!([])).await;
            assert!(refused.is_err_and(|fault| fault.starts_with("lock-timeout")), "it is held");
            holder.crash().await;
            let took = "
                const began = performance.now();
                await bw.withLock('job', () => {}, { timeout: 25_000 });
                return performance.now() - began;
            ";
            let took: f64 = next.ask(took, json!([])).await;
            assert!(took < secs(20).as_secs_f64() * 1000.0, "it took {took} ms");
        }
    });
}

async fn joined(stage: &mut Stage, url: &str) -> Tab {
    let tab = stage.browser().await.tab(url).await;
    tab.join(brisk()).await;
    tab
}

/// Of each tab. The timers of those out of sight ring once a second.
const TURNS: u32 = 5;
