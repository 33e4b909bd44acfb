//! Figures of the server: what a live reader costs, how soon all are back after a restart, and what compaction costs.
//!
//! `cargo run --release -p bellwether-server --example figures [live|restart|compaction|patches]`; without a word all of them.
//! They are no test: what they print depends on the machine. `docs/performance.md` has them with their conditions.
//!
//! The server is this program once more, in a process of its own with a store on the disk, so that its memory and its time are told
//! apart from its readers'. Both share the machine.

mod child;
#[allow(dead_code)]
#[path = "../../tests/suite/device.rs"]
mod device;
mod live;
mod reader;
mod store;
mod writer;

use std::io::Write as _;
use std::path::PathBuf;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["serve", directory, port] = words[..] {
        return child::serve(directory.into(), port.parse().expect("it was given by us"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let wanted = |word| words.is_empty() || words.contains(&word);
    if wanted("live") {
        runtime.block_on(live::cost());
    }
    if wanted("restart") {
        runtime.block_on(live::restart());
    }
    if wanted("compaction") {
        runtime.block_on(store::compaction());
    }
    if wanted("patches") {
        runtime.block_on(store::patches());
    }
}

/// A line for whoever looks on.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The share `part` of sorted figures.
fn percentile(sorted: &[u64], part: f64) -> u64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// A directory that was not there, for one store.
fn fresh_directory() -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("bellwether-figures-{}-{number}", std::process::id()))
}
