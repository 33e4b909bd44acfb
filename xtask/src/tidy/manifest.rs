//! Which crate may depend on which, read from the manifests.

use super::{Finding, Source};

/// All that `shared` may pull in where it runs; its tests may use more.
const SHARED: &[&str] = &["minicbor", "sha2", "thiserror", "serde"];

/// What only `web` may pull in: it makes these typed, and the rest uses `web`.
const ONLY_WEB: &[&str] = &["gloo-timers"];

/// What is too large to be shipped: only the tests of `web` use it.
const ONLY_TESTS: &[&str] = &["rexie", "idb"];

/// What nothing may build on.
const LEAVES: &[&str] = &["bellwether-tests", "xtask"];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let Some(member) = source.path.strip_suffix("/Cargo.toml") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for Dependency { name, line, is_for_tests } in dependencies(&source.text) {
        let why = match member {
            // The targets are the tests' own, in a workspace beside.
            "tests/fuzz" if name == "bellwether-tests" => None,
            _ if LEAVES.contains(&name) => Some("nothing may depend on it"),
            "shared" if !is_for_tests && !SHARED.contains(&name) => {
                Some("shared may depend on minicbor, sha2, thiserror and serde only")
            }
            "runtime-sw" | "runtime-page" | "runtime-lead"
                if name.starts_with("bellwether-runtime") =>
            {
                Some("runtimes stand apart")
            }
            "server" if name == "bellwether-web" || name.starts_with("bellwether-runtime") => {
                Some("the server shares only bellwether-shared with the client")
            }
            _ if ONLY_TESTS.contains(&name) && !(member == "web" && is_for_tests) => {
                Some("only the tests of web may")
            }
            "web" => None,
            _ if ONLY_WEB.contains(&name) => Some("only web may"),
            _ => None,
        };
        let what = why.map(|why| format!("depends on {name}, but {why}"));
        found.extend(what.map(|what| Finding::new(source, line, what)));
    }
    found
}

struct Dependency<'a> {
    name: &'a str,
    line: usize,
    is_for_tests: bool,
}

/// The dependencies a manifest lists, in tables of all and in tables of their own.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut is_in_list = false;
    let mut is_for_tests = false;
    for (line, text) in manifest.lines().enumerate().map(|(place, text)| (place + 1, text.trim())) {
        if let Some(table) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            is_for_tests = table.contains("dev-dependencies");
            is_in_list = table.ends_with("dependencies") && !table.starts_with("workspace");
            if let Some((_, name)) = table.split_once("dependencies.")
                && !table.starts_with("workspace")
            {
                found.push(Dependency { name, line, is_for_tests });
            }
        } else if is_in_list && !text.starts_with('#') {
            let is_of_name = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
            let name = text.split(|letter| !is_of_name(letter)).next().unwrap_or_default();
            if !name.is_empty() && text.contains('=') {
                found.push(Dependency { name, line, is_for_tests });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Source { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn dependencies_against_the_direction_are_found() {
        #[rustfmt::skip]
        let cases = [
            ("shared/Cargo.toml",       "[dependencies]\nminicbor.workspace = true",                    0),
            ("shared/Cargo.toml",       "[dependencies]\nserde = { workspace = true, optional = true }", 0),
            ("shared/Cargo.toml",       "[dependencies]\nrand = \"0.9\"",                               1),
            ("shared/Cargo.toml",       "[dependencies.uuid]\nversion = \"1\"",                         1),
            ("shared/Cargo.toml",       "[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"",            1),
            ("shared/Cargo.toml",       "[dev-dependencies]\nproptest.workspace = true",                0),
            ("shared/Cargo.toml",       "[features]\njson = [\"dep:serde\"]",                           0),
            ("web/Cargo.toml",          "[dependencies]\ngloo-timers.workspace = true",                 0),
            ("web/Cargo.toml",          "[dependencies]\nrexie.workspace = true",                       1),
            ("web/Cargo.toml",          "[dev-dependencies]\nrexie.workspace = true",                   0),
            ("runtime-page/Cargo.toml", "[dependencies]\ngloo-timers.workspace = true",                 1),
            ("runtime-page/Cargo.toml", "[dev-dependencies]\nrexie.workspace = true",                   1),
            ("runtime-page/Cargo.toml", "[dependencies]\nbellwether-runtime-sw = { path = \"x\" }",     1),
            ("server/Cargo.toml",       "[dependencies]\nbellwether-web.workspace = true",              1),
            ("server/Cargo.toml",       "[dev-dependencies]\nbellwether-tests = { path = \"../tests\" }", 1),
            ("tests/fuzz/Cargo.toml",   "[dependencies]\nbellwether-tests = { path = \"..\" }",         0),
            ("bench/core/Cargo.toml",   "[dependencies]\nbellwether-tests = { path = \"../../tests\" }", 1),
            ("Cargo.toml",              "[workspace.dependencies]\nrexie = \"0.6\"",                    0),
        ];
        for (path, text, expected) in cases {
            assert_eq!(found(path, text), expected, "{path}: {text}");
        }
    }
}
