//! Runs the benchmarks: against other libraries, and of our own core.

use crate::fault::{Fault, Outcome};
use crate::package;
use crate::repo::Repo;
use crate::step::{say, watch};

const PEERS: &str = "bench/peers";
const CORE: &str = "bench/core/Cargo.toml";

/// Runs what benchmarks there are; `arguments` go to the comparison with other libraries.
pub(crate) fn run_bench(repo: &Repo, arguments: &[String]) -> Outcome {
    let has_peers = repo.at(PEERS).join("run.mjs").exists();
    let has_core = repo.at(CORE).exists();
    if !has_peers && !has_core {
        return Err(Fault::new("there are no benchmarks: neither bench/peers nor bench/core"));
    }
    if has_peers {
        package::install(repo, PEERS)?;
        watch("the comparison", repo.node("node", "").arg("bench/peers/run.mjs").args(arguments))?;
    }
    if has_core {
        say("core:");
        let mut cargo = repo.cargo(&["run", "--quiet", "--release", "--manifest-path", CORE]);
        watch("the core's benchmark", &mut cargo)?;
    }
    Ok(())
}
