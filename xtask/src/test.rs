//! Everything that must hold before a change is taken, in one order, one line for each step.
//!
//! What always holds: what is needed is looked for before the first slow step, and the first step
//! that fails ends the run, with all of its output.

use crate::browser::Browser;
use crate::fault::{Fault, Outcome};
use crate::file;
use crate::lint;
use crate::need::{self, WASM};
use crate::package;
use crate::previous::{self, Previous};
use crate::repo::{Repo, output_of};
use crate::site;
use crate::step::{run, say, timed};
use crate::tidy;
use crate::wasm::{self, Profile};

/// Which tests to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Style, lints, and the tests that need no browser.
    Unit,
    /// The wasm tests, inside a browser.
    Wasm,
    /// The whole product: server, package and demo, driven through a browser.
    EndToEnd,
}

/// Crates that may have wasm tests of their own in `src` or `tests`.
const WASM_TESTED: &[&str] = &["web", "runtime-page", "runtime-sw"];

/// Runs the tests of `only` that part, or all of them.
pub(crate) fn run_tests(repo: &Repo, only: Option<Part>) -> Outcome {
    let wanted = |part| only.is_none_or(|only| only == part);
    let browser = timed("what is needed", || {
        need::wasm_target(repo)?;
        if wanted(Part::Unit) {
            need::rust_components(repo)?;
        }
        if wanted(Part::Unit) || wanted(Part::EndToEnd) {
            need::c_compiler()?;
            need::node(repo)?;
        }
        if wanted(Part::Wasm) || wanted(Part::EndToEnd) {
            return Browser::find().map(Some);
        }
        Ok(None)
    })?;
    if wanted(Part::Unit) {
        unit(repo)?;
    }
    if let Some(browser) = &browser {
        if wanted(Part::Wasm) {
            timed("wasm tests in the browser", || in_browser(repo, browser))?;
        }
        if wanted(Part::EndToEnd) {
            end_to_end(repo, browser)?;
        }
    }
    Ok(())
}

/// What CI runs: all tests, and the audit of licences and sources where its tool is at hand.
pub(crate) fn run_ci(repo: &Repo) -> Outcome {
    run_tests(repo, None)?;
    if output_of(&mut repo.cargo(&["deny", "--version"])).is_none() {
        say("left out: licences and sources (`cargo install cargo-deny` gets their check)");
        return Ok(());
    }
    timed("licences, bans and sources", || {
        let mut deny = repo.cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]);
        run("cargo deny", &mut deny)
    })
}

fn unit(repo: &Repo) -> Outcome {
    timed("formatting", || lint::check_format(repo))?;
    timed("tidy", || tidy::check(repo))?;
    timed("clippy", || lint::clippy_native(repo))?;
    timed("clippy for wasm", || lint::clippy_wasm(repo))?;
    timed("native tests", || run("native tests", &mut repo.cargo(&["test", "--workspace"])))?;
    timed("tests of the tools", || {
        let mut cargo = repo.cargo(&["test", "--workspace", "--manifest-path", "tools/Cargo.toml"]);
        run("tests of the tools", cargo.arg("--target-dir").arg(repo.built("tools")))
    })?;
    timed("npm package and its types", || package::build(repo, Profile::Release).map(drop))?;
    if repo.at("demo/tsconfig.json").exists() {
        timed("types of the demo", || package::check_demo(repo))?;
    }
    if !has_test_script(&file::read_text(&repo.at("npm/package.json"))?) {
        return Ok(());
    }
    timed("npm tests", || run("npm tests", repo.node("npm", "npm").arg("test")))
}

fn in_browser(repo: &Repo, browser: &Browser) -> Outcome {
    let runner = wasm::tool(repo, "bellwether-wasm-tests")?;
    let mut commands = Vec::new();
    let mut tested = Vec::new();
    for folder in WASM_TESTED {
        if uses_wasm_tests(repo, folder)? {
            tested.extend(["--package".to_owned(), format!("bellwether-{folder}")]);
        }
    }
    if !tested.is_empty() {
        tested.extend(["--lib", "--tests", "--all-features"].map(str::to_owned));
        commands.push(tested);
    }
    let named = browser_targets(&file::read_text(&repo.at("tests/Cargo.toml"))?);
    if !named.is_empty() {
        let mut words = vec!["--package".to_owned(), "bellwether-tests".to_owned()];
        words.extend(named.into_iter().flat_map(|name| ["--test".to_owned(), name]));
        commands.push(words);
    }
    if commands.is_empty() {
        return Err(Fault::new("no crate has wasm tests, so there is nothing to run in a browser"));
    }
    for words in commands {
        let mut cargo = repo.cargo(&["test", "--target", WASM]);
        cargo.args(words);
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &runner);
        // The runner's own 20 s are short on a busy machine.
        cargo.env("WASM_BINDGEN_TEST_TIMEOUT", "120").env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "30");
        browser.lend(&mut cargo);
        run("wasm tests", &mut cargo)?;
    }
    Ok(())
}

fn end_to_end(repo: &Repo, browser: &Browser) -> Outcome {
    let manifest = file::read_text(&repo.at("tests/Cargo.toml"))?;
    if !manifest.contains("name = \"e2e\"") {
        return Err(Fault::new("tests/Cargo.toml has no test target `e2e`, so none can be run"));
    }
    let site = timed("demo site", || site::build(repo, Profile::Release))?;
    timed("examples", || {
        run("building the examples", repo.node("node", "npm").arg("examples/build.mjs"))
    })?;
    timed("server", || {
        run("compiling the server", &mut repo.cargo(&["build", "--package", "bellwether-server"]))
    })?;
    let server = repo.program("debug", "bellwether-server")?;
    // Last, since what is compiled for this build is lent to it.
    let previous = previous::build(repo)?;
    let play = |choice: &[&str], rung: Option<&str>| {
        let mut cargo = repo.cargo(&["test", "--package", "bellwether-tests"]);
        cargo.args(["--features", "e2e", "--test", "e2e", "--", "--test-threads=1"]).args(choice);
        cargo.env("BELLWETHER_SERVER", &server).env("BELLWETHER_SITE", &site);
        cargo.envs(rung.map(|rung| ("BELLWETHER_RUNG", rung)));
        match &previous {
            Some(Previous { site, server }) => {
                cargo.env("BELLWETHER_PREVIOUS_SITE", site);
                cargo.env("BELLWETHER_PREVIOUS_SERVER", server);
            }
            None => {
                cargo.args(["--skip", "versions::"]);
            }
        }
        browser.lend(&mut cargo);
        run("end-to-end tests", &mut cargo)
    };
    timed("end-to-end tests", || play(&[], None))?;
    timed("some of them without a worker", || play(&ON_EACH_RUNG, Some("web-locks")))?;
    // Where there are no locks, either, most is played that needs no worker.
    let without_locks = [&ON_EACH_RUNG[..], &WITHOUT_LOCKS].concat();
    timed("most of them without locks", || play(&without_locks, Some("indexeddb-lease")))
}

/// What has to work just the same where a page hosts the coordinator; the worker's hook is not there.
const ON_EACH_RUNG: [&str; 6] =
    ["state::", "dependents::", "requests::", "users::", "--skip", "hook"];

/// More of it. What is skipped is about the worker that keeps the demo's own files.
const WITHOUT_LOCKS: [&str; 9] = [
    "offline::",
    "failures::",
    "farewell::",
    "live::",
    "loss::",
    "quota::",
    "tokens::",
    "--skip",
    "outlives_the_browser",
];

fn uses_wasm_tests(repo: &Repo, folder: &str) -> Outcome<bool> {
    let root = repo.at(folder);
    let is_rust = |path: &str| path.ends_with(".rs") || !path.contains('.');
    for path in file::below(&root, &is_rust)? {
        if file::read_text(&root.join(path))?.contains("#[wasm_bindgen_test") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The test targets whose source lies in `browser/`, by name.
fn browser_targets(manifest: &str) -> Vec<String> {
    let targets = manifest.split("[[test]]").skip(1);
    let value = |target: &str, key: &str| {
        let lines = target.lines().take_while(|line| !line.starts_with('['));
        let line = lines.filter_map(|line| line.split_once('=')).find(|(k, _)| k.trim() == key);
        line.map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    targets
        .filter(|target| value(target, "path").is_some_and(|path| path.starts_with("browser/")))
        .filter_map(|target| value(target, "name"))
        .collect()
}

/// Whether the package has tests other than npm's placeholder.
fn has_test_script(manifest: &str) -> bool {
    let script = manifest.split("\"test\":").nth(1);
    script.is_some_and(|script| !script.trim_start().starts_with("\"echo \\\"Error: no test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_targets_are_those_whose_source_lies_in_browser() {
        let manifest = r#"
[package]
name = "bellwether-tests"

[[test]]
name = "sim_kill"
path = "suites/sim_kill.rs"

[[test]]
path = "browser/window.rs"
name = "window"

[[test]]
name = "service_worker"
path = "browser/service_worker.rs"

[lints]
path = "browser/no_target.rs"
"#;
        assert_eq!(browser_targets(manifest), ["window", "service_worker"]);
    }

    #[test]
    fn the_placeholder_of_npm_is_no_test() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"scripts": {"test": "node --test"}}"#,                             true),
            (r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#, false),
            (r#"{"scripts": {"build": "tsc"}}"#,                                    false),
        ];
        for (manifest, has_tests) in cases {
            assert_eq!(has_test_script(manifest), has_tests, "{manifest}");
        }
    }
}
