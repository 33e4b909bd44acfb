//! What a page says in its last moments.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{self, Site};
use crate::stage::{brisk, play};
use crate::wait::secs;

/// How each page ends, in the very task that has enqueued its last events, or by the driver.
const ENDS: [(&str, &str); 3] = [
    ("closes-itself", "window.close();"),
    ("leaves", "location.replace('/blank.html');"),
    ("is-closed", ""),
];

#[test]
fn events_enqueued_right_before_a_page_ends_arrive() {
    play(Site::bare(), async |stage| {
        let mut ids = Vec::new();
        for round in 0..3 {
            for (name, end) in ENDS {
                let page = stage.page(brisk()).await;
                page.ready().await;
                let prefix = format!("{name}-{round}");
                ids.extend((0..5).map(|at| format!("{prefix}-{at}")));
                // Nobody waits for the promises, and the page ends before it could.
                let body = format!(
                    "setTimeout(() => {{
                        for (let at = 0; at < 5; at += 1) {{
                            const event = {{ id: `${{args}}-${{at}}`, type: 'noted', key: 'k', data: at }};
                            const options = {{ priority: 'critical' }};
                            if (at % 2) bw.outbox.post(event, options);
                            else bw.outbox.enqueue(event, options);
                        }}
                        {end}
                    }});
                    if (args.startsWith('is-closed')) return new Promise((done) => setTimeout(done));"
                );
                page.run(&body, json!(prefix)).await;
                if end.is_empty() {
                    page.close().await;
                }
            }
        }
        let log = stage.server.log_reaches("e2e", ids.len(), secs(15)).await;
        let mut held: Vec<&str> = log.iter().map(|event| event.id.as_str()).collect();
        held.sort_unstable();
        ids.sort_unstable();
        assert_eq!(held, ids);
        for (name, _) in ENDS {
            for round in 0..3 {
                let prefix = format!("{name}-{round}-");
                let of_page = log.iter().filter_map(|event| event.id.strip_prefix(&prefix));
                assert_eq!(of_page.collect::<String>(), "01234", "{prefix}: in order");
            }
        }
    });
}

#[test]
fn events_enqueued_while_the_page_is_hidden_away_arrive() {
    play(Site::bare(), async |stage| {
        let mut ids = Vec::new();
        for round in 0..5 {
            let page = stage.page(brisk()).await;
            page.ready().await;
            let prefix = format!("hidden-{round}");
            ids.extend((0..2).map(|at| format!("{prefix}-{at}")));
            let body = "
                addEventListener('pagehide', () => {
                    for (let at = 0; at < 2; at += 1) {
                        const event = { id: `${args}-${at}`, type: 'noted', key: 'k', data: at };
                        bw.outbox.post(event, { priority: 'critical' });
                    }
                });
            ";
            page.run(body, json!(prefix)).await;
            page.close().await;
        }
        // Without a worker the next page brings them.
        if site::host() != "service-worker" {
            stage.page(brisk()).await;
        }
        let log = stage.server.log_reaches("e2e", ids.len(), secs(15)).await;
        let mut held: Vec<&str> = log.iter().map(|event| event.id.as_str()).collect();
        held.sort_unstable();
        ids.sort_unstable();
        assert_eq!(held, ids);
    });
}

#[test]
fn a_critical_event_of_a_tab_that_closes_is_on_the_server_within_two_seconds_though_no_worker_lived()
 {
    play(Site::bare(), async |stage| {
        let mut took: Vec<Duration> = Vec::new();
        for round in 0..20 {
            let page = stage.page(json!({})).await;
            page.ready().await;
            page.stop_workers_for_sure().await;
            // Nobody waits for the promise. Half of the tabs close in the very task that has posted.
            let body = "
                const end = () => bw.outbox.post(
                    { id: `end-${args}`, type: 'session.end', key: 'session' },
                    { priority: 'critical' },
                );
                if (args % 2) end();
                else setTimeout(() => (end(), window.close()));
            ";
            let closed = Instant::now();
            page.run(body, json!(round)).await;
            if round % 2 == 1 {
                page.close().await;
            }
            let log = stage.server.log_reaches("e2e", round + 1, secs(15)).await;
            took.push(closed.elapsed());
            assert_eq!(log[round].id, format!("end-{round}"));
        }
        let worst = took.iter().max().expect("there were rounds");
        assert!(*worst <= secs(2), "the worst took {worst:?} of {took:?}");
        assert_eq!(stage.server.count_of("e2e").await, 20, "something came twice");
    });
}
