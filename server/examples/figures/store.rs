//! What compaction costs those who push, and what it takes to find patches; on the store alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bellwether_server::NoEffect;
use bellwether_server::bounds::COMPACT_PAUSE_MS;
use bellwether_server::engine::{Checked, PageAsk, Retention, Signatures, Sweep, Which};
use bellwether_server::store::{Embedded, Opening, Store as _};

use crate::device::{Device, event_with, patch, write};
use crate::{fresh_directory, percentile, say};

const WRITERS: u8 = 8;
const BATCH: u64 = 100;
const BODY: usize = 500;
/// Pushes of each writer before the clock runs, and while it does.
const PUSHES: u64 = 60;
const ROUNDS: usize = 3;

/// Pushes with compaction beside them and without, in turns.
pub(crate) async fn compaction() {
    let (mut ratios, mut waits) = (Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..ROUNDS {
        let mut rates = [0.0; 2];
        for compacts in [round % 2 == 0, round % 2 == 1] {
            let (rate, erased, times) = pushing(compacts).await;
            say(&format!(
                "{}: {rate:.0} events/s; p50 {:.1} ms, p99 {:.1} ms for a push of {BATCH}; {erased} bodies went meanwhile",
                if compacts { "with compaction" } else { "without" },
                percentile(&times, 0.5) as f64 / 1_000.0,
                percentile(&times, 0.99) as f64 / 1_000.0
            ));
            rates[usize::from(compacts)] = rate;
            waits[usize::from(compacts)].extend(times);
        }
        ratios.push(rates[1] / rates[0]);
    }
    ratios.sort_by(f64::total_cmp);
    waits.iter_mut().for_each(|times| times.sort_unstable());
    let [without, with] = waits.map(|times| percentile(&times, 0.99) as f64 / 1_000.0);
    say(&format!(
        "throughput with compaction {:.2} × ({:.2} to {:.2}); p99 of a push {with:.1} ms beside {without:.1} ms",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    ));
}

// The rate, how many bodies went, and how long each push took, sorted.
async fn pushing(compacts: bool) -> (f64, u64, Vec<u64>) {
    let directory = fresh_directory();
    let opening = Opening { directory: directory.clone(), new_epoch: false };
    let store = Embedded::open(&opening, Arc::new(NoEffect)).expect("the store opens");
    let store = Arc::new(store);
    let mut devices: Vec<Device> =
        (1..=WRITERS).map(|number| Device::new(number, &format!("s{number}"), "ann")).collect();
    for device in &mut devices {
        push_all(&store, device, 0).await;
    }
    let is_over = Arc::<AtomicBool>::default();
    let sweeping = compacts.then(|| tokio::spawn(sweep(Arc::clone(&store), Arc::clone(&is_over))));
    let begun = Instant::now();
    let pushing = devices.into_iter().map(|mut device| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { push_all(&store, &mut device, PUSHES).await })
    });
    let mut times = Vec::new();
    for pushing in pushing.collect::<Vec<_>>() {
        times.extend(pushing.await.expect("a writer does not panic"));
    }
    let events = u64::from(WRITERS) * PUSHES * BATCH;
    let rate = events as f64 / begun.elapsed().as_secs_f64();
    is_over.store(true, Ordering::Relaxed);
    let erased = match sweeping {
        Some(sweeping) => sweeping.await.expect("it does not panic"),
        None => 0,
    };
    drop(store);
    let _ = std::fs::remove_dir_all(directory);
    times.sort_unstable();
    (rate, erased, times)
}

async fn push_all(store: &Embedded, device: &mut Device, from: u64) -> Vec<u64> {
    let body = format!("\"{}\"", "x".repeat(BODY));
    let mut times = Vec::new();
    for push in from..from + PUSHES {
        let id = |at: u64| format!("{}-{push}-{at}", device.stream.session);
        let events: Vec<_> =
            (0..BATCH).map(|at| event_with("plain", &id(at), Some(body.as_bytes()))).collect();
        let batch = device.batch(&events);
        let begun = Instant::now();
        let checked = Checked::of(batch, Signatures::Required).expect("it is well-formed");
        store.push("", checked).await.expect("it is taken");
        times.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    times
}

async fn sweep(store: Arc<Embedded>, is_over: Arc<AtomicBool>) -> u64 {
    let mut erased = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut sweep = Sweep::new(Retention { events: 1_000, age_ms: 0 });
        while !sweep.is_done() && !is_over.load(Ordering::Relaxed) {
            sweep = store.sweep(sweep).await.expect("the store works");
            tokio::time::sleep(Duration::from_millis(COMPACT_PAUSE_MS)).await;
        }
        erased += sweep.erased();
    }
    erased
}

/// Twenty patches among 100,000 events: all events are read, or only the patches.
pub(crate) async fn patches() {
    let directory = fresh_directory();
    let opening = Opening { directory: directory.clone(), new_epoch: false };
    let store = Embedded::open(&opening, Arc::new(NoEffect)).expect("the store opens");
    let mut ann = Device::new(1, "s", "ann");
    let body = format!("\"{}\"", "x".repeat(BODY));
    for part in 0..200 {
        let mut events: Vec<_> = (0..500)
            .map(|at| event_with("plain", &format!("{part}-{at}"), Some(body.as_bytes())))
            .collect();
        if part % 10 == 0 {
            let change = vec![write("k", &[], Some("1"))];
            events[250] = patch(&format!("p{part}"), 1, part, change);
        }
        let checked = Checked::of(ann.batch(&events), Signatures::Required);
        store.push("", checked.expect("it is well-formed")).await.expect("it is taken");
    }
    for which in [Which::All, Which::Patches] {
        let (begun, mut after, mut pages, mut found) = (Instant::now(), 0, 0, 0);
        loop {
            let (tenant, session) = ("".into(), "s".into());
            let ask = PageAsk { tenant, session, epoch: None, after, limit: 1_000, which };
            let page = store.page(ask).await.expect("the store works");
            pages += 1;
            found += page.events.len();
            let last = page.events.last().map_or(after, |event| event.offset);
            after = page.through.unwrap_or(last);
            if !page.more {
                break;
            }
        }
        let ms = begun.elapsed().as_secs_f64() * 1_000.0;
        say(&format!("{which:?}: {found} events in {pages} pages, {ms:.2} ms"));
    }
    drop(store);
    let _ = std::fs::remove_dir_all(directory);
}
