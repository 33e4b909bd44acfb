//! Builds an earlier revision of this project, for the tests in which pages, workers and servers are of different builds.
//!
//! ```text
//! tests/previous-build                     the full hash of that revision
//! target/previous/site, bellwether-server  what it has come to
//! target/previous/source                   its files, and beside them its own `target`
//! ```
//!
//! What always holds: it is built by its own commands, from the files of that commit alone; what was built of the same
//! revision once is not built again. What it depends on is not compiled again where this revision depends on the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fault::{Fault, Outcome};
use crate::file;
use crate::hash::Stamp;
use crate::repo::{Repo, output_of};
use crate::step::{run, say, timed};

/// What of a revision's build the tests use.
#[derive(Debug, Clone)]
pub(crate) struct Previous {
    /// Its demo's site, with the package in it.
    pub(crate) site: PathBuf,
    /// Its server, as cargo builds it by default.
    pub(crate) server: PathBuf,
}

/// Where cargo puts what the site and the server are made of.
const COMPILED: [&str; 4] = ["debug", "wasm", "wasm32-unknown-unknown/wasm", "tools/debug"];

/// What of it can be lent.
const LENT: [&str; 3] = [".fingerprint", "build", "deps"];

/// How the names of the project's own crates begin.
const OURS: [&str; 2] = ["bellwether", "xtask"];

/// Builds the revision that `tests/previous-build` names. `None`, and a line that says why, where the project's history is
/// not at hand.
pub(crate) fn build(repo: &Repo) -> Outcome<Option<Previous>> {
    let revision = file::read_text(&repo.at("tests/previous-build"))?;
    let revision = revision.trim();
    if !is_full_hash(revision) {
        return Err(Fault::new(format!(
            "tests/previous-build must hold the full hash of a commit, and holds `{revision}`"
        )));
    }
    let folder = repo.built("previous");
    let previous = Previous { site: folder.join("site"), server: folder.join("bellwether-server") };
    let stamp = Stamp::new(repo, "previous", [revision.as_bytes()]);
    if stamp.is_current() && previous.site.is_dir() && previous.server.is_file() {
        return Ok(Some(previous));
    }
    if let Some(why) = check_history(repo, revision)? {
        say(&format!("left out: pages, workers and servers of different builds, because {why}"));
        return Ok(None);
    }
    timed("previous build", || make(repo, revision, &folder, &previous))?;
    stamp.keep()?;
    Ok(Some(previous))
}

fn is_full_hash(word: &str) -> bool {
    matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Why the revision cannot be had, where nobody is at fault; nothing if it is there.
fn check_history(repo: &Repo, revision: &str) -> Outcome<Option<&'static str>> {
    // Files of ours that lie in somebody else's repository have no history there.
    if output_of(git(repo).args(["rev-parse", "--show-prefix"])).as_deref() != Some("") {
        return Ok(Some("this is no clone (`git clone` gets one, with the history they need)"));
    }
    let object = format!("{revision}^{{commit}}");
    if output_of(git(repo).args(["cat-file", "-e", &object])).is_some() {
        return Ok(None);
    }
    let shallow = output_of(git(repo).args(["rev-parse", "--is-shallow-repository"]));
    if shallow.as_deref() == Some("true") {
        return Ok(Some("this clone is shallow (`git fetch --unshallow` gets what they need)"));
    }
    Err(Fault::new(format!(
        "tests/previous-build names {revision}, which is not in this repository's history; \
         run `git fetch`, or name a commit that is"
    )))
}

fn make(repo: &Repo, revision: &str, folder: &Path, previous: &Previous) -> Outcome {
    let (source, target) = (folder.join("source"), folder.join("target"));
    // Until it is there as a whole, nothing is.
    file::remove_folder(&previous.site)?;
    check_out(repo, revision, folder, &source)?;
    file::remove_folder(&target)?;
    lend(repo, &target)?;
    let cargo = |words: &[&str]| {
        let mut cargo = repo.cargo(words);
        cargo.current_dir(&source).env("CARGO_TARGET_DIR", &target);
        cargo
    };
    run("building the previous site", &mut cargo(&["xtask", "build", "--release"]))?;
    let package = ["build", "--package", "bellwether-server"];
    run("compiling the previous server", &mut cargo(&package))?;

    let site = target.join("demo-site");
    let names = file::below(&site, &|_| true)?;
    let files: Outcome<Vec<(String, Vec<u8>)>> =
        names.into_iter().map(|name| Ok((name.clone(), file::read(&site.join(name))?))).collect();
    file::make_exactly(&previous.site, &files?)?;
    let server = target.join("debug").join("bellwether-server");
    fs::copy(&server, &previous.server)
        .map(drop)
        .map_err(|cause| Fault::file("copy", &server, &cause))
}

/// Puts the files of the revision into `source`, and leaves no trace in the repository.
fn check_out(repo: &Repo, revision: &str, folder: &Path, source: &Path) -> Outcome {
    file::remove_folder(source)?;
    fs::create_dir_all(source).map_err(|cause| Fault::file("create", source, &cause))?;
    let index = folder.join("index");
    let with_index = |words: &[&str]| {
        let mut git = git(repo);
        git.args(words).env("GIT_INDEX_FILE", &index);
        git
    };
    run("reading the previous revision", &mut with_index(&["read-tree", revision]))?;
    let mut files = with_index(&["checkout-index", "--all", "--force"]);
    let mut prefix = std::ffi::OsString::from("--prefix=");
    prefix.push(source);
    prefix.push("/");
    run("taking the previous revision's files", files.arg(prefix))
}

/// Gives the build in `target` what cargo has compiled for this one and is not the project's own: those crates have the same
/// names there. What is missing is compiled, so it does not matter if some of it cannot be given.
fn lend(repo: &Repo, target: &Path) -> Outcome {
    let is_foreign = |path: &str| {
        let mut parts = path.split('/');
        let ours = |name: &str| {
            let name = name.strip_prefix("lib").unwrap_or(name);
            OURS.iter().any(|ours| name.starts_with(ours))
        };
        parts.next().is_some_and(|part| LENT.contains(&part)) && !parts.next().is_some_and(ours)
    };
    for folder in COMPILED {
        let (ours, theirs) = (repo.built(folder), target.join(folder));
        if !ours.is_dir() {
            continue;
        }
        for name in file::below(&ours, &is_foreign)? {
            let (from, to) = (ours.join(&name), theirs.join(&name));
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)
                    .map_err(|cause| Fault::file("create", folder, &cause))?;
            }
            // Cargo goes by the times of files, and a link has that of its file.
            let _ = fs::hard_link(from, to);
        }
    }
    Ok(())
}

fn git(repo: &Repo) -> Command {
    let mut git = Command::new("git");
    git.current_dir(repo.at(""));
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_hash_names_a_revision() {
        let full = "0123456789abcdef0123456789abcdef01234567";
        #[rustfmt::skip]
        let cases = [
            (full,            true),
            (&full[..12],     false),
            ("main",          false),
            ("",              false),
            ("0123456789abcdef0123456789abcdef0123456g", false),
        ];
        for (word, is_full) in cases {
            assert_eq!(is_full_hash(word), is_full, "{word}");
        }
    }
}
