//! Plays a flight recording again: builds the program that can, and lets it speak (OBS-3).

use std::process::Command;

use crate::fault::{Fault, Outcome};
use crate::repo::Repo;
use crate::step::run;

const BUILD: &[&str] = &[
    "build",
    "--quiet",
    "--package",
    "bellwether-shared",
    "--features",
    "replay",
    "--bin",
    "bellwether-replay",
];

/// Runs it where the caller stands, so that a file's path is the caller's.
pub(crate) fn run_replay(repo: &Repo, arguments: &[String]) -> Outcome {
    run("compiling the replay", &mut repo.cargo(BUILD))?;
    let program = repo.program("debug", "bellwether-replay")?;
    match Command::new(program).args(arguments).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Fault::new(format!("the replay ended with {status}"))),
        Err(cause) => Err(Fault::new(format!("the replay cannot be started: {cause}"))),
    }
}
