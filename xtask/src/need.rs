//! What must be on the machine: looked for first, installed where that is a single safe command,
//! and otherwise named in one sentence with the command that gets it.
//!
//! What always holds: nothing is installed that is already there, and system packages only as
//! root on a system with apt-get (a build machine, not someone's desk).

use std::path::Path;
use std::process::Command;

use crate::fault::{Fault, Outcome};
use crate::repo::{Repo, output_of};
use crate::step::{run, say};

/// The Rust target that browsers run.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

const NODE_MAJOR_MIN: u32 = 20;

/// The wasm target's standard library.
pub(crate) fn wasm_target(repo: &Repo) -> Outcome {
    let is_there = || {
        let mut rustc = Command::new("rustc");
        rustc.args(["--print", "target-libdir", "--target", WASM]).current_dir(repo.at(""));
        output_of(&mut rustc).is_some_and(|folder| Path::new(&folder).is_dir())
    };
    ensure(
        is_there,
        Command::new("rustup").args(["target", "add", WASM]).current_dir(repo.at("")),
        "the wasm target of Rust is missing; run `rustup target add wasm32-unknown-unknown`",
    )
}

/// The formatter and the linter.
pub(crate) fn rust_components(repo: &Repo) -> Outcome {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        ensure(
            || output_of(&mut repo.cargo(&[subcommand, "--version"])).is_some(),
            Command::new("rustup").args(["component", "add", component]).current_dir(repo.at("")),
            &format!("{component} is missing; run `rustup component add {component}`"),
        )?;
    }
    Ok(())
}

/// A C compiler, for the server's embedded database.
pub(crate) fn c_compiler() -> Outcome {
    let is_there = || output_of(Command::new("cc").arg("--version")).is_some();
    if cfg!(windows) || is_there() {
        return Ok(());
    }
    apt_install(&["build-essential"])?;
    if is_there() {
        return Ok(());
    }
    Err(Fault::new("no C compiler `cc` was found; run `apt-get install build-essential`"))
}

/// Node with npm, for the package and for measuring.
pub(crate) fn node(repo: &Repo) -> Outcome {
    let version = || output_of(repo.node("node", "").arg("--version"));
    let has_npm = || output_of(repo.node("npm", "").arg("--version")).is_some();
    if version().is_none() || !has_npm() {
        apt_install(&["nodejs", "npm"])?;
    }
    match version() {
        Some(version) if major_of(&version) < Some(NODE_MAJOR_MIN) => Err(Fault::new(format!(
            "Node {NODE_MAJOR_MIN} or newer is needed and {version} was found; get it from https://nodejs.org"
        ))),
        Some(_) if has_npm() => Ok(()),
        _ => Err(Fault::new(format!(
            "Node {NODE_MAJOR_MIN} with npm is missing; run `apt-get install nodejs npm` or get it from https://nodejs.org"
        ))),
    }
}

/// Installs system packages where that is ours to do: as root, with apt-get at hand. Elsewhere it
/// does nothing, and the caller, who looks again, names what is missing.
pub(crate) fn apt_install(packages: &[&str]) -> Outcome {
    let is_root = output_of(Command::new("id").arg("-u")).as_deref() == Some("0");
    if !is_root || output_of(Command::new("apt-get").arg("--version")).is_none() {
        return Ok(());
    }
    say(&format!("       installing {}", packages.join(" ")));
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run("update of the package lists", apt_get().arg("update"))?;
    let mut install = apt_get();
    install.args(["install", "-y", "--no-install-recommends"]).args(packages);
    run(&format!("installing {}", packages.join(" ")), &mut install)
}

fn ensure(is_there: impl Fn() -> bool, remedy: &mut Command, sentence: &str) -> Outcome {
    if is_there() {
        return Ok(());
    }
    let tried = run("preparing Rust", remedy);
    match tried {
        Ok(()) if is_there() => Ok(()),
        _ => Err(Fault::new(sentence)),
    }
}

/// "v20.11.1" is 20.
fn major_of(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_node_says() {
        let cases = [("v20.11.1", Some(20)), ("v8.0.0", Some(8)), ("twenty", None), ("", None)];
        for (said, major) in cases {
            assert_eq!(major_of(said), major, "{said}");
        }
    }
}
