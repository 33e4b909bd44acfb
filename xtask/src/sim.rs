//! Plays stories in the simulated world, and tells those that go wrong.

use crate::fault::{Fault, Outcome};
use crate::repo::Repo;
use crate::step::{run, watch};

/// Compiles the simulation and hands it `arguments`. Stories that go wrong are kept in `target/sim`.
pub(crate) fn run_sim(repo: &Repo, arguments: &[String]) -> Outcome {
    if arguments.is_empty() {
        return Err(Fault::new(
            "say --seed, --replay, --count, --hours or --small; see `cargo xtask help`",
        ));
    }
    let mut cargo = repo.cargo(&["build", "--profile", "search", "--package", "bellwether-tests"]);
    run("compiling the simulation", cargo.args(["--example", "sim"]))?;
    let mut sim = std::process::Command::new(repo.program("search/examples", "sim")?);
    watch("the simulation", sim.args(arguments).arg("--keep").arg(repo.built("sim")))
}
