//! What the core costs without browser and disk, and what the server takes with both of its own.
//!
//! `cargo run --release` prints two tables. Each figure is the median of several rounds with the
//! least and the greatest beside it; only figures of one run may be compared.

mod core;
mod measure;
mod program;
mod world;

use std::io::{self, Write as _};

use measure::Figure;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "| core, native | median | min–max |\n|---|--:|--:|")?;
    for (what, figure) in core::figures() {
        writeln!(out, "| {what} | {} | {}–{} |", figure.median, figure.min, figure.max)?;
    }
    let Some(path) = program::path() else {
        writeln!(out, "\nno server: `cargo build --release -p bellwether-server` builds it")?;
        return Ok(());
    };
    writeln!(
        out,
        "\n| server, batches of 500 | events/s | first push, ms | later pushes, median ms |"
    )?;
    writeln!(out, "|---|--:|--:|--:|")?;
    for store in [program::Store::Sqlite, program::Store::Memory] {
        for clients in [1, 8] {
            let run = program::run(&path, store, clients)?;
            let Figure { median, .. } = run.later_ms;
            let (rate, first) = (run.events_per_s, run.first_ms);
            writeln!(out, "| {store:?}, {clients} clients | {rate:.0} | {first:.1} | {median} |")?;
        }
    }
    Ok(())
}
