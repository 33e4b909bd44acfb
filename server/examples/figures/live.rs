//! What live readers cost, and how soon all are back after a restart.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::child::Server;
use crate::reader::{Common, Seen, Way, follow};
use crate::writer::Writer;
use crate::{fresh_directory, percentile, say};

const READERS: usize = 1_000;
const SESSIONS: usize = 100;
/// Each session has its writer: together they write 400 events a second, and 4,000 are delivered.
const PACE: Duration = Duration::from_millis(250);
const SPAN: Duration = Duration::from_secs(15);

/// Memory, time of processors, and latency, for each way; and what the writing alone costs.
pub(crate) async fn cost() {
    let directory = fresh_directory();
    let server = Server::start(&directory, 0);
    let writers = Writers::begin(server.port, Vec::new());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cpu, begun) = (server.cpu_s(), Instant::now());
    tokio::time::sleep(SPAN).await;
    let (alone, span) = (server.cpu_s() - cpu, begun.elapsed().as_secs_f64());
    let written = writers.end().await.iter().map(Writer::written).sum::<u64>();
    say(&format!(
        "nobody reads: {alone:.2} s of processors in {span:.1} s, {written} events in all"
    ));
    let per_s = alone / span;
    drop(server);
    let _ = std::fs::remove_dir_all(&directory);
    for way in [Way::Socket, Way::Sse] {
        one_way(way, per_s, &fresh_directory()).await;
    }
}

async fn one_way(way: Way, writing_per_s: f64, directory: &Path) {
    let server = Server::start(directory, 0);
    // So that what a server has once is not counted for the readers.
    let writers = Writers::begin(server.port, Vec::new());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writers = writers.end().await;
    let before = server.memory_kib();
    let common = Arc::<Common>::default();
    let readers = begin_readers(way, server.port, None, &common);
    until(|| common.welcomes.load(Ordering::Relaxed) >= READERS as u64).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let resting = server.memory_kib();

    let writers = Writers::begin(server.port, writers);
    tokio::time::sleep(Duration::from_secs(2)).await;
    common.measures.store(true, Ordering::Relaxed);
    let (cpu, begun) = (server.cpu_s(), Instant::now());
    let delivered = common.deliveries.load(Ordering::Relaxed);
    tokio::time::sleep(SPAN).await;
    let (cpu, span) = (server.cpu_s() - cpu, begun.elapsed().as_secs_f64());
    let delivered = common.deliveries.load(Ordering::Relaxed) - delivered;
    common.measures.store(false, Ordering::Relaxed);
    let busy = server.memory_kib();
    let writers = writers.end().await;
    let seen = finish(readers, &writers, &common, server).await;
    let mut latencies: Vec<u64> = seen.iter().flat_map(|seen| seen.latencies_us.clone()).collect();
    latencies.sort_unstable();
    let each = |kib: u64| kib.saturating_sub(before) as f64 / READERS as f64;
    let per_100k = |cpu: f64| cpu * 100_000.0 / delivered as f64;
    say(&format!(
        "{way:?}: memory of a reader {:.1} KiB at rest, {:.1} KiB while it reads",
        each(resting),
        each(busy)
    ));
    say(&format!(
        "{way:?}: {:.0} deliveries/s; {:.2} s of processors for 100,000, {:.2} s without the writing",
        delivered as f64 / span,
        per_100k(cpu),
        per_100k(cpu - writing_per_s * span)
    ));
    let (p50, p99) = (percentile(&latencies, 0.5), percentile(&latencies, 0.99));
    say(&format!(
        "{way:?}: from push to delivery p50 {:.1} ms, p99 {:.1} ms, of {}",
        p50 as f64 / 1_000.0,
        p99 as f64 / 1_000.0,
        latencies.len()
    ));
    let _ = std::fs::remove_dir_all(directory);
}

/// The server is killed while all read and write, and comes again.
pub(crate) async fn restart() {
    let at_once = Some(Duration::from_millis(50));
    for (way, pause) in
        [(Way::Socket, None), (Way::Socket, at_once), (Way::Sse, None), (Way::Sse, at_once)]
    {
        let directory = fresh_directory();
        let server = Server::start(&directory, 0);
        let port = server.port;
        let common = Arc::<Common>::default();
        let readers = begin_readers(way, port, pause, &common);
        until(|| common.welcomes.load(Ordering::Relaxed) >= READERS as u64).await;
        let writers = Writers::begin(port, Vec::new());
        tokio::time::sleep(Duration::from_secs(5)).await;
        let welcomes = common.welcomes.load(Ordering::Relaxed);
        drop(server);
        let killed = Instant::now();
        let server = Server::start(&directory, port);
        let back = Instant::now();
        let all = welcomes + READERS as u64;
        until(|| common.welcomes.load(Ordering::Relaxed) >= all).await;
        let resumed = back.elapsed();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let writers = writers.end().await;
        finish(readers, &writers, &common, server).await;
        let pauses = if pause.is_some() { "50 ms" } else { "told by the server" };
        say(&format!(
            "{way:?}, pause {pauses}: served again {:.2} s after the kill, all {READERS} resumed {:.2} s later",
            (back - killed).as_secs_f64(),
            resumed.as_secs_f64()
        ));
        let _ = std::fs::remove_dir_all(&directory);
    }
}

fn begin_readers(
    way: Way,
    port: u16,
    pause: Option<Duration>,
    common: &Arc<Common>,
) -> Vec<JoinHandle<Seen>> {
    let reader = |number: usize| {
        tokio::spawn(follow(way, port, name(number % SESSIONS), pause, Arc::clone(common)))
    };
    (0..READERS).map(reader).collect()
}

// Waits until each has all that was written, then ends the server and with it the reading.
async fn finish(
    readers: Vec<JoinHandle<Seen>>,
    writers: &[Writer],
    common: &Common,
    server: Server,
) -> Vec<Seen> {
    let written: u64 = writers.iter().map(Writer::written).sum();
    let expected = written * (READERS / SESSIONS) as u64;
    // Whoever joined a log that had begun read it from its first event.
    let patience = Instant::now();
    until(|| {
        let is_late = patience.elapsed() > Duration::from_secs(20);
        common.deliveries.load(Ordering::Relaxed) >= expected || is_late
    })
    .await;
    common.is_over.store(true, Ordering::Relaxed);
    drop(server);
    let mut all = Vec::new();
    for reader in readers {
        all.push(reader.await.expect("a reader does not panic"));
    }
    let behind: u64 = all
        .iter()
        .zip(0..)
        .map(|(seen, number): (&Seen, usize)| {
            let session = writers.get(number % SESSIONS).map_or(0, Writer::written);
            session.saturating_sub(seen.after)
        })
        .sum();
    let missed: u64 = all.iter().map(|seen| seen.missed).sum();
    let doubled: u64 = all.iter().map(|seen| seen.doubled).sum();
    let hints: u64 = all.iter().map(|seen| seen.hints).sum();
    let welcome = all.iter().filter(|seen| seen.welcome_at.is_some()).count();
    say(&format!(
        "{welcome} readers, {written} events, {expected} deliveries: {missed} missed, {doubled} doubled, {behind} at the end not there, {hints} hints"
    ));
    all
}

struct Writers {
    is_over: Arc<AtomicBool>,
    running: Vec<JoinHandle<Writer>>,
}

impl Writers {
    /// One for each session; those that there are go on.
    fn begin(port: u16, known: Vec<Writer>) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let fresh = (known.len()..SESSIONS).map(|number| Writer::new(name(number)));
        let all: Vec<Writer> = known.into_iter().chain(fresh).collect();
        let begin = |(number, writer): (u32, Writer)| {
            let wait = PACE * number / SESSIONS as u32;
            tokio::spawn(writer.write(port, (wait, PACE), Arc::clone(&is_over)))
        };
        let running = (0..).zip(all).map(begin).collect();
        Self { is_over, running }
    }

    async fn end(self) -> Vec<Writer> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut writers = Vec::new();
        for writer in self.running {
            writers.push(writer.await.expect("a writer does not panic"));
        }
        writers
    }
}

fn name(session: usize) -> String {
    format!("s{session}")
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
