//! The project's commands: `cargo xtask <command>`.
//!
//! What always holds: a command is quiet while all is well, ends with a non-zero status when
//! anything is wrong, and then says in one sentence what it is and what mends it.

mod bench;
mod browser;
mod demo;
mod fault;
mod file;
mod hash;
mod lint;
mod need;
mod package;
mod previous;
mod replay;
mod repo;
mod section;
mod sim;
mod site;
mod size;
mod step;
mod test;
mod tidy;
mod wasm;

use std::path::PathBuf;
use std::process::ExitCode;

use fault::{Fault, Outcome};
use repo::Repo;
use step::say;
use test::Part;
use wasm::Profile;

const HELP: &str = "\
cargo xtask <command>

  build [--release|--dev]     build the wasm, the npm package and the demo's site
  previous                    build the earlier revision that tests/previous-build names
  demo [--port N] [--data D]  build and run the demo (port 4180)
  test [--only PART]          run all checks and tests; PART is unit, wasm or e2e
  ci                          what CI runs: test, and the licence audit where cargo-deny is there
  size [--what]               measure worker and page against their budgets; --what: by crate
  replay FILE [--step] [--until N] [--quiet]
                              play a flight recording again, and show each fact and what came of it
  sim --seed N                tell the story of one seed in the simulated world
  sim --replay FILE           play a scenario file, and print its transcript
  sim --count N [--from S]    play N stories; the first that goes wrong is made short and kept
  sim --hours H [--from S]    play stories for so long
  sim --small                 play all stories of small worlds
  bench [arguments]           run the benchmarks
  fmt                         format all Rust sources
  lint                        run clippy, native and wasm
  tidy                        check headers, import directions, cited ids and forbidden words
  help                        print this
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let repo = Repo::find()?;
    match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            say(HELP.trim_end());
            Ok(())
        }
        ["build"] | ["build", "--release"] => build(&repo, Profile::Release),
        ["build", "--dev"] => build(&repo, Profile::Dev),
        ["previous"] => previous::build(&repo).map(drop),
        ["demo", options @ ..] => {
            let Options { port, data } = options_of(options)?;
            demo::run_demo(&repo, port, data)
        }
        // For the demo alone: it waits beside the server, and tells when that is up.
        ["announce", port] => demo::announce(number(port)?),
        ["test"] => test::run_tests(&repo, None),
        ["test", "--only", part] => test::run_tests(&repo, Some(part_of(part)?)),
        ["ci"] => test::run_ci(&repo),
        ["size"] => size::check(&repo),
        ["size", "--what"] => size::what(&repo),
        ["replay", ..] => replay::run_replay(&repo, &arguments[1..]),
        ["sim", ..] => sim::run_sim(&repo, &arguments[1..]),
        ["bench", ..] => bench::run_bench(&repo, &arguments[1..]),
        ["fmt"] => lint::format(&repo),
        ["lint"] => lint::lint(&repo),
        ["tidy"] => tidy::check(&repo),
        unknown => Err(Fault::new(format!(
            "there is no command `{}`; `cargo xtask help` lists them",
            unknown.join(" ")
        ))),
    }
}

fn build(repo: &Repo, profile: Profile) -> Outcome {
    site::build(repo, profile).map(drop)
}

fn part_of(word: &str) -> Outcome<Part> {
    match word {
        "unit" => Ok(Part::Unit),
        "wasm" => Ok(Part::Wasm),
        "e2e" => Ok(Part::EndToEnd),
        _ => Err(Fault::new(format!("there is no part `{word}`; it is unit, wasm or e2e"))),
    }
}

/// What `demo` can be told.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    port: u16,
    data: Option<PathBuf>,
}

fn options_of(words: &[&str]) -> Outcome<Options> {
    let mut options = Options { port: demo::PORT, data: None };
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        let (name, value, after) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value), after),
            None => (*word, after.first().copied(), after.get(1..).unwrap_or_default()),
        };
        match (name, value) {
            ("--port", Some(port)) => options.port = number(port)?,
            ("--data", Some(folder)) => {
                let folder = std::path::absolute(folder);
                options.data = Some(folder.map_err(|cause| Fault::new(cause.to_string()))?);
            }
            ("--port" | "--data", None) => {
                return Err(Fault::new(format!("{name} wants a value; see `cargo xtask help`")));
            }
            _ => {
                return Err(Fault::new(format!("there is no option `{name}` of `demo`")));
            }
        }
        rest = after;
    }
    Ok(options)
}

fn number(word: &str) -> Outcome<u16> {
    word.parse().map_err(|_| Fault::new(format!("`{word}` is not a port from 1 to 65535")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_demo_are_read_in_both_spellings() {
        let options = |words: &[&str]| options_of(words).map_err(|fault| fault.to_string());
        let with_port = |port| Ok(Options { port, data: None });
        assert_eq!(options(&[]), with_port(demo::PORT));
        assert_eq!(options(&["--port", "5000"]), with_port(5000));
        assert_eq!(options(&["--port=5000"]), with_port(5000));
        assert_eq!(
            options(&["--port"]),
            Err("--port wants a value; see `cargo xtask help`".into())
        );
        assert_eq!(options(&["--port", "x"]), Err("`x` is not a port from 1 to 65535".into()));
        assert_eq!(options(&["--fast"]), Err("there is no option `--fast` of `demo`".into()));
        let data = options(&["--data", "d", "--port", "1"]).expect("both options exist").data;
        assert!(data.expect("a folder was named").is_absolute());
    }
}
