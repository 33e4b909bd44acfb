//! Formatting and lints, of the product's crates and of the tools beside it.

use crate::fault::Outcome;
use crate::file;
use crate::need::{self, WASM};
use crate::repo::Repo;
use crate::step::run;

/// Workspaces other than the main one, which the formatter must be led to.
const BESIDE: &[&str] = &["tools/Cargo.toml", "bench/core/Cargo.toml", "tests/fuzz/Cargo.toml"];

/// The crates that browsers run; what they build on is linted with them.
const FOR_WASM: &[&str] = &[
    "bellwether-web",
    "bellwether-runtime-sw",
    "bellwether-runtime-page",
    "bellwether-runtime-lead",
];

/// Formats all Rust sources.
pub(crate) fn format(repo: &Repo) -> Outcome {
    rustfmt(repo, &[])
}

/// Whether all Rust sources are formatted.
pub(crate) fn check_format(repo: &Repo) -> Outcome {
    // It colours its differences even where nobody could see the colours.
    rustfmt(repo, &["--", "--check", "--color", "never"])
}

/// Clippy over everything, native and wasm.
pub(crate) fn lint(repo: &Repo) -> Outcome {
    need::rust_components(repo)?;
    clippy_native(repo)?;
    clippy_wasm(repo)
}

/// Clippy over all crates and their tests, as compiled for this machine.
pub(crate) fn clippy_native(repo: &Repo) -> Outcome {
    let mut cargo = repo.cargo(&["clippy", "--workspace", "--all-targets"]);
    if file::read_text(&repo.at("tests/Cargo.toml"))?.contains("\ne2e = ") {
        cargo.args(["--features", "bellwether-tests/e2e"]);
    }
    run("clippy", cargo.args(["--", "--deny", "warnings"]))
}

/// Clippy over the crates that browsers run, as compiled for them.
pub(crate) fn clippy_wasm(repo: &Repo) -> Outcome {
    need::wasm_target(repo)?;
    let mut cargo = repo.cargo(&["clippy", "--target", WASM, "--all-targets"]);
    for package in FOR_WASM {
        cargo.args(["--package", package]);
    }
    run("clippy for wasm", cargo.args(["--", "--deny", "warnings"]))
}

fn rustfmt(repo: &Repo, options: &[&str]) -> Outcome {
    need::rust_components(repo)?;
    let mut cargo = repo.cargo(&["fmt", "--all"]);
    run("formatting", cargo.args(options))?;
    for manifest in BESIDE.iter().filter(|manifest| repo.at(manifest).exists()) {
        let mut cargo = repo.cargo(&["fmt", "--all", "--manifest-path", manifest]);
        run("formatting", cargo.args(options))?;
    }
    Ok(())
}
