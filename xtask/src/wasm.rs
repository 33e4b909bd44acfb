//! Compiles the three runtimes to wasm and gives each the JavaScript that loads it.
//!
//! ```text
//! runtime-sw    ──▶ glue/bellwether_sw.js    + bellwether_sw_bg.wasm
//! runtime-page  ──▶ glue/bellwether_page.js  + bellwether_page_bg.wasm
//! runtime-lead  ──▶ glue/bellwether_lead.js  + bellwether_lead_bg.wasm
//! ```
//!
//! What always holds: the glue is made by the same version of wasm-bindgen that the runtimes were
//! compiled with; the two speak a private language that changes with every version.

use std::path::{Path, PathBuf};

use crate::fault::{Fault, Outcome};
use crate::file;
use crate::hash::Stamp;
use crate::need::{self, WASM};
use crate::repo::Repo;
use crate::step::run;

/// How the wasm is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Small and slow to compile: what is shipped.
    Release,
    /// Large and quick to compile, with the names of functions.
    Dev,
}

/// A runtime, and where its glue goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// The coordinator, loaded by the service worker.
    Worker,
    /// The page's client.
    Page,
    /// How pages elect one of them where the browser has no locks.
    Lead,
}

impl Runtime {
    /// All.
    pub(crate) const ALL: [Self; 3] = [Self::Worker, Self::Page, Self::Lead];

    /// The name of its glue files: `<name>.js`, `<name>_bg.wasm`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Worker => "bellwether_sw",
            Self::Page => "bellwether_page",
            Self::Lead => "bellwether_lead",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Worker => "bellwether-runtime-sw",
            Self::Page => "bellwether-runtime-page",
            Self::Lead => "bellwether-runtime-lead",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Page => "page",
            Self::Lead => "lead",
        }
    }
}

/// Compiles all runtimes and writes their glue; returns its folder.
pub(crate) fn build(repo: &Repo, profile: Profile) -> Outcome<PathBuf> {
    let folder = repo.built("glue");
    for (runtime, module) in compile(repo, profile)? {
        let options = match profile {
            Profile::Release => SHIPPED,
            Profile::Dev => &["--names"],
        };
        convert(repo, runtime, &module, &folder, options)?;
    }
    match profile {
        Profile::Release => optimize(repo, &folder),
        Profile::Dev => Ok(folder),
    }
}

/// Like [`build`] for the shipped profile, but with the names of functions kept, to measure by.
pub(crate) fn build_named(repo: &Repo) -> Outcome<PathBuf> {
    let folder = repo.built("glue-named");
    for (runtime, module) in compile(repo, Profile::Release)? {
        convert(repo, runtime, &module, &folder, &[SHIPPED, &["--names"]].concat())?;
    }
    Ok(folder)
}

/// Builds the `tools` workspace and returns the path of one of its programs. It is built as a
/// whole because cargo would compile what the programs share once for each of them otherwise.
pub(crate) fn tool(repo: &Repo, name: &str) -> Outcome<PathBuf> {
    let ours = file::read_text(&repo.at("Cargo.lock"))?;
    let tools = file::read_text(&repo.at("tools/Cargo.lock"))?;
    check_agreement(&ours, &tools)?;
    let folder = repo.built("tools");
    let mut cargo = repo.cargo(&["build", "--workspace", "--manifest-path", "tools/Cargo.toml"]);
    cargo.arg("--target-dir").arg(&folder);
    run("compiling the tools", &mut cargo)?;
    repo.program("tools/debug", name)
}

fn compile(repo: &Repo, profile: Profile) -> Outcome<[(Runtime, PathBuf); 3]> {
    need::wasm_target(repo)?;
    let (cargo_profile, folder) = match profile {
        Profile::Release => ("wasm", "wasm"),
        Profile::Dev => ("dev", "debug"),
    };
    let mut cargo = repo.cargo(&["build", "--lib", "--profile", cargo_profile, "--target", WASM]);
    if profile == Profile::Release {
        let flags = SMALLER.map(|flag| format!("\"-Cllvm-args={flag}\"")).join(",");
        cargo.args(["--config", &format!("target.{WASM}.rustflags=[{flags}]")]);
    }
    for runtime in Runtime::ALL {
        let feature = format!("{}/package", runtime.package());
        cargo.args(["--package", runtime.package(), "--features", &feature]);
    }
    run("compiling the wasm", &mut cargo)?;
    Ok(Runtime::ALL.map(|runtime| {
        let name = runtime.package().replace('-', "_");
        (runtime, repo.built(&format!("{WASM}/{folder}/{name}.wasm")))
    }))
}

fn convert(
    repo: &Repo,
    runtime: Runtime,
    module: &PathBuf,
    folder: &PathBuf,
    options: &[&str],
) -> Outcome {
    let bindgen = tool(repo, "bellwether-bindgen")?;
    let content = file::read(module)?;
    let program = file::read(&bindgen)?;
    let words = options.join(" ");
    let name = format!("{}-{}", folder.file_name().unwrap_or_default().display(), runtime.name());
    let stamp = Stamp::new(repo, &name, [&content[..], &program, words.as_bytes()]);
    if stamp.is_current() && folder.join(format!("{}.js", runtime.name())).exists() {
        return Ok(());
    }
    let mut command = std::process::Command::new(bindgen);
    command.arg(module).arg(folder).args([runtime.name(), runtime.kind()]).args(options);
    run("making the wasm's JavaScript", &mut command)?;
    stamp.keep()
}

/// Lets Binaryen make the modules smaller, arranges them, and returns the folder of the result.
fn optimize(repo: &Repo, glue: &Path) -> Outcome<PathBuf> {
    let folder = repo.built("glue-optimized");
    crate::package::install(repo, "npm")?;
    let pack = tool(repo, "bellwether-pack")?;
    let packing = file::read(&pack)?;
    for name in file::below(glue, &|name| name.starts_with(SNIPPETS))? {
        file::write(&folder.join(&name), &file::read(&glue.join(&name))?)?;
    }
    for runtime in Runtime::ALL {
        for name in file::below(glue, &|name| name.starts_with(runtime.name()))? {
            let (from, to) = (glue.join(&name), folder.join(&name));
            let content = file::read(&from)?;
            if !name.ends_with(".wasm") {
                file::write(&to, &content)?;
                continue;
            }
            let stamp = Stamp::new(
                repo,
                &format!("optimized-{name}"),
                [&content[..], &packing, WASM_OPT.join(" ").as_bytes()],
            );
            if stamp.is_current() && to.exists() {
                continue;
            }
            let mut wasm_opt = crate::package::package_tool(repo, "wasm-opt")?;
            let optimized = to.with_extension("optimized");
            wasm_opt.arg(&from).args(WASM_OPT).arg("--output").arg(&optimized);
            run("making the wasm small", &mut wasm_opt)?;
            let mut pack = std::process::Command::new(&pack);
            run("arranging the wasm", pack.arg(&optimized).arg(&to))?;
            stamp.keep()?;
        }
    }
    Ok(folder)
}

/// Left out of LLVM's work: what makes loops and branches quicker by saying something twice, or by keeping it in one more
/// local. Set as a matter of this build, so that flags of the environment, where there are any, win over them.
const SMALLER: [&str; 3] = ["-enable-pre=0", "-disable-licm-promotion", "-disable-lsr"];

/// A panic in what is shipped is a trap: nobody would read its words.
const SHIPPED: &[&str] = &["--trap"];

/// Where wasm-bindgen puts the modules that the runtimes' crates bring along, and the glue imports.
const SNIPPETS: &str = "snippets";

/// The features one by one: with all of them, modules come out that browsers refuse. Nothing is inlined but what is
/// hardly longer than its call, and neither repeated expressions nor ends of blocks are shared: what they save is less than
/// what brotli then misses. The first 1,024 bytes of memory are the far end of the stack, where nothing is kept.
const WASM_OPT: &[&str] = &[
    "-Os",
    "--always-inline-max-function-size=3",
    "--flexible-inline-max-function-size=0",
    "--one-caller-inline-max-function-size=0",
    "--skip-pass=code-folding",
    "--skip-pass=code-pushing",
    "--skip-pass=local-cse",
    "--skip-pass=simplify-locals",
    "--low-memory-unused",
    "--converge",
    "--strip-target-features",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Whether both lock files name the same wasm-bindgen.
fn check_agreement(ours: &str, tools: &str) -> Outcome {
    let Some(wanted) = locked(ours, "wasm-bindgen") else {
        return Err(Fault::new("Cargo.lock has no wasm-bindgen; run `cargo update --workspace`"));
    };
    for package in ["wasm-bindgen-cli-support", "wasm-bindgen-cli"] {
        match locked(tools, package) {
            Some(found) if found == wanted => {}
            found => {
                let found = found.unwrap_or("absent");
                return Err(Fault::new(format!(
                    "wasm-bindgen is {wanted} in Cargo.lock but {package} is {found} in \
                     tools/Cargo.lock; set it to \"={wanted}\" in tools/Cargo.toml"
                )));
            }
        }
    }
    Ok(())
}

/// The version of `package` in the text of a lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|&line| line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(package: &str, version: &str) -> String {
        format!("[[package]]\nname = \"{package}\"\nversion = \"{version}\"\n\n")
    }

    #[test]
    fn versions_that_differ_are_told_with_the_line_to_change() {
        let ours = lock("wasm-bindgen-futures", "0.4.80") + &lock("wasm-bindgen", "0.2.130");
        let support = |version| lock("wasm-bindgen-cli-support", version);
        let cli = |version| lock("wasm-bindgen-cli", version);
        let both = cli("0.2.130") + &support("0.2.130");
        assert_eq!(check_agreement(&ours, &both), Ok(()));

        #[rustfmt::skip]
        let faulty = [
            // what differs      ours           tools                                named in the sentence
            ("the library",      &ours[..],     cli("0.2.130") + &support("0.2.129"), "wasm-bindgen-cli-support is 0.2.129"),
            ("the test runner",  &ours[..],     cli("0.2.131") + &support("0.2.130"), "wasm-bindgen-cli is 0.2.131"),
            ("one is absent",    &ours[..],     support("0.2.130"),                   "wasm-bindgen-cli is absent"),
            ("ours is absent",   "",            both,                                 "Cargo.lock has no wasm-bindgen"),
        ];
        for (differs, ours, tools, named) in faulty {
            let fault = check_agreement(ours, &tools).expect_err(differs);
            assert!(fault.to_string().contains(named), "{differs}: {fault}");
        }
    }
}
