//! Looks for stories that go wrong, or tells one. `cargo xtask sim` starts it.
//!
//! What always holds: the first story of each way of going wrong is made short, kept as a file and told, and the
//! program ends with 1.
//! Worlds are played side by side, each by one thread alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bellwether_tests::explore::Report;
use bellwether_tests::generate::Plot;
use bellwether_tests::scenario::Scenario;
use bellwether_tests::shrink::{class, shrink};
use bellwether_tests::small::Small;
use bellwether_tests::transcript::Detail;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
sim --seed N                      tell the story of one seed
sim --replay FILE                 play a scenario file, and print its transcript
sim --count N [--from SEED]       play N stories
sim --hours H [--from SEED]       play stories for so long
sim --small                       play all stories of small worlds
    --keep DIR                    where a story that goes wrong is kept";

fn main() -> ExitCode {
    // A panic in the world is a finding like any other, and told with its story.
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Wish::read(&words).and_then(|wish| wish.fulfil()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("{fault}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

struct Wish {
    what: What,
    from: Option<u64>,
    keep: PathBuf,
}

enum What {
    Tell(u64),
    Replay(PathBuf),
    Count(u64),
    Last(Duration),
    Small,
}

impl Wish {
    fn read(words: &[String]) -> Result<Self, String> {
        let (mut what, mut from, mut keep) = (None, None, PathBuf::from("."));
        let mut words = words.iter();
        while let Some(name) = words.next() {
            if name == "--small" {
                what = Some(What::Small);
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{name} wants a value"))?;
            let wrong = || format!("{name} cannot be `{value}`");
            let number = || value.parse::<u64>().map_err(|_| wrong());
            match &**name {
                "--seed" => what = Some(What::Tell(number()?)),
                "--replay" => what = Some(What::Replay(value.into())),
                "--count" => what = Some(What::Count(number()?)),
                "--hours" => {
                    let hours: f64 = value.parse().map_err(|_| wrong())?;
                    let last = Duration::try_from_secs_f64(hours * 3_600.0).map_err(|_| wrong())?;
                    what = Some(What::Last(last));
                }
                "--from" => from = Some(number()?),
                "--keep" => keep = value.into(),
                _ => return Err(format!("there is no option `{name}`")),
            }
        }
        let what = what.ok_or("say what to do")?;
        Ok(Self { what, from, keep })
    }

    /// Gives whether all ended well.
    fn fulfil(self) -> Result<bool, String> {
        let plot = Plot::default();
        match self.what {
            What::Tell(seed) => {
                let (scenario, world) = Scenario::drawn(seed, plot, Detail::Story);
                print(&world.transcript.text());
                if world.violations.is_empty() {
                    return Ok(true);
                }
                tell(seed, &scenario, &self.keep).map(|()| false)
            }
            What::Replay(file) => {
                let text = std::fs::read_to_string(&file);
                let text = text.map_err(|cause| format!("{}: {cause}", file.display()))?;
                let scenario = Scenario::read(&text);
                let scenario = scenario.map_err(|fault| format!("{}: {fault}", file.display()))?;
                let world = scenario.play(Detail::Facts);
                print(&world.transcript.text());
                for violation in &world.violations {
                    eprintln!("{violation}");
                }
                Ok(world.violations.is_empty())
            }
            What::Small => Ok(small()),
            What::Count(count) => {
                let from = self.from.unwrap_or(0);
                search(from, from.saturating_add(count), None, &self.keep)
            }
            What::Last(long) => {
                let from = self.from.unwrap_or_else(fresh);
                search(from, u64::MAX, Some(long), &self.keep)
            }
        }
    }
}

/// Plays all stories of small worlds. Gives whether all were played, and ended well.
fn small() -> bool {
    let next = AtomicUsize::new(0);
    let worlds: Vec<(&str, Small)> = Small::QUICK.into_iter().chain(Small::LONG).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let all_well = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((name, small)) = worlds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let report = small.explore(u64::MAX);
                    let Report { ended, joined, states, .. } = report;
                    let seconds = start.elapsed().as_secs_f64();
                    let stories = ended + joined;
                    print(&format!("{name}: {stories} stories, {states} states, {seconds:.1} s\n"));
                    if let Some(found) = report.found {
                        let story = small.told(&found.choices, Detail::Facts);
                        print(&format!("{story}{}\n", found.violation));
                        all_well.store(false, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    all_well.into_inner()
}

/// A seed that was hardly used before: a search by night should not repeat the last one.
fn fresh() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs()) << 20
}

/// Plays the stories of all seeds from `from`, before `to`, or as long as it may. Each way of going wrong is told once.
fn search(from: u64, to: u64, long: Option<Duration>, keep: &Path) -> Result<bool, String> {
    let start = Instant::now();
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let played = || next.load(Ordering::Relaxed).min(to) - from;
    let (finder, found) = mpsc::channel();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut ways: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    thread::scope(|scope| {
        for _ in 0..threads {
            let finder = finder.clone();
            scope.spawn(|| {
                let finder = finder;
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to {
                        return;
                    }
                    let (scenario, world) = Scenario::drawn(seed, Plot::default(), Detail::Nothing);
                    if let Some(violation) = world.violations.first() {
                        let _ = finder.send((seed, scenario, class(violation)));
                    }
                }
            });
        }
        drop(finder);
        let mut heard = start;
        loop {
            let ends = long.map_or(PROGRESS_EVERY, |long| long.saturating_sub(start.elapsed()));
            match found.recv_timeout(ends.min(PROGRESS_EVERY)) {
                Ok((seed, scenario, way)) => {
                    let seeds = ways.entry(way).or_default();
                    seeds.push(seed);
                    if seeds.len() == 1 {
                        let told = tell(seed, &scenario, keep);
                        // The others are not waited for.
                        stop.fetch_or(told.is_err(), Ordering::Relaxed);
                        told?;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok::<(), String>(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if long.is_some_and(|long| start.elapsed() >= long) {
                stop.store(true, Ordering::Relaxed);
            } else if heard.elapsed() >= PROGRESS_EVERY {
                heard = Instant::now();
                progress(played(), start);
            }
        }
    })?;
    progress(played(), start);
    for (way, seeds) in &ways {
        let shown: Vec<String> = seeds.iter().take(SEEDS_SHOWN).map(u64::to_string).collect();
        print(&format!("{:>6} times: {way} (seeds {})\n", seeds.len(), shown.join(" ")));
    }
    Ok(ways.is_empty())
}

fn progress(played: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let pace = played as f64 / seconds.max(0.001);
    eprintln!("{played} stories in {seconds:.0} s, {pace:.0} in a second");
}

/// Makes a story that goes wrong short, keeps it as a file and tells it.
fn tell(seed: u64, scenario: &Scenario, keep: &Path) -> Result<(), String> {
    let mut shrunk = shrink(scenario, PLAYS_MAX).scenario;
    let world = shrunk.play(Detail::Story);
    let story = world.transcript.text();
    shrunk.notes = vec![format!("seed {seed}"), story.clone()];
    shrunk.notes.extend(world.violations.iter().cloned());
    let file = keep.join(format!("seed-{seed}.scenario"));
    let written =
        std::fs::create_dir_all(keep).and_then(|()| std::fs::write(&file, shrunk.write()));
    written.map_err(|cause| format!("{}: {cause}", file.display()))?;
    print(&format!("\nseed {seed} goes wrong; made short:\n\n{story}\n"));
    for violation in &world.violations {
        print(&format!("{violation}\n"));
    }
    print(&format!("\nkept as {}\n", file.display()));
    Ok(())
}

/// That nobody reads it any more is no fault.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// How many seeds are listed for each way of going wrong.
const SEEDS_SHOWN: usize = 8;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
const PLAYS_MAX: u32 = 4_000;
