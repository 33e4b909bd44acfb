//! Builds the npm package: TypeScript and wasm glue become `npm/dist`.
//!
//! ```text
//! npm/src/*.ts, page's glue inside ──▶ index.js ────┐
//!              ├─▶ later.js, loaded when first wanted ┤
//!              ├─▶ host.js, coordinator's glue inside ┤
//!              ├─▶ lead.js, elections' glue inside ───┤
//!              ├─▶ below.js, where no database is ────┤
//!              ├─▶ leader.js, where one is to lead ───┤
//!              ├─▶ a face for each library, on top ───┤
//!              └─▶ *.d.ts ──────────────────────────┤
//! wasm of page and elections ──────────────────────────────────┼──▶ npm/dist/
//! worker.ts with the glue inside, and wasm ─────────┘      bellwether-sw.js, bellwether-sw.<hash>.wasm
//! ```
//!
//! What is shipped is minified, because pages load it as it is: not every app has a bundler.
//!
//! What always holds:
//! - `npm/dist` holds exactly what this build made; nothing stale stays behind;
//! - the worker's script is one classic script without imports, so all of its listeners are
//!   attached in its first synchronous run;
//! - one build id stands for the whole package and changes with any of its bytes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fault::{Fault, Outcome};
use crate::file;
use crate::hash::{self, Stamp};
use crate::need;
use crate::repo::Repo;
use crate::step::run;
use crate::wasm::{self, Profile, Runtime};

/// Stands in the worker's source for the file name of its wasm.
const WASM_PLACE: &str = "__BELLWETHER_WASM__";

/// Stands in the sources for the id of the build.
const BUILD_PLACE: &str = "__BELLWETHER_BUILD__";

/// The package's modules: the first, the one that it loads when something of it is first wanted, the one that is loaded
/// where a page may have to host the coordinator, the one for pages that take part in leading, the one for elections where
/// the browser has no locks, and the one for rows where it has no database.
pub(crate) const MODULES: [&str; 6] =
    ["index.js", "later.js", "host.js", "leader.js", "lead.js", "below.js"];

/// What apps import for a library of theirs. Each is a module by itself, which takes the library from the app, and of this
/// package the modules in [`BENEATH`] as they are: two copies of a class would be two classes.
pub(crate) const FACES: [&str; 6] =
    ["broadcast-sync.js", "react.js", "redux.js", "svelte.js", "vue.js", "zustand.js"];

/// The modules that faces import.
const BENEATH: [&str; 2] = ["index.js", "broadcast-sync.js"];

/// The name of the worker's script, where apps look for it.
pub(crate) const WORKER_SCRIPT: &str = "bellwether-sw.js";

/// A file of the package: its name inside `dist`, and its content.
type Built = (String, Vec<u8>);

/// Builds all of `npm/dist`, and returns that folder.
pub(crate) fn build(repo: &Repo, profile: Profile) -> Outcome<PathBuf> {
    if !repo.at("npm/package.json").exists() {
        return Err(Fault::new("npm/package.json is missing, so there is no package to build"));
    }
    need::node(repo)?;
    let glue = wasm::build(repo, profile)?;
    install(repo, "npm")?;
    let squeeze = Squeeze { repo, minify: profile == Profile::Release };
    let mut page_wasm = Vec::new();
    for runtime in [Runtime::Page, Runtime::Lead] {
        let name = format!("{}_bg.wasm", runtime.name());
        page_wasm.push((name.clone(), file::read(&glue.join(name))?));
    }
    let scripts = scripts(&squeeze, &glue)?;
    let worker = squeeze.classic(&worker_script(repo)?, &glue)?;
    let worker_wasm = file::read(&glue.join(format!("{}_bg.wasm", Runtime::Worker.name())))?;
    let parts = Parts { page_wasm, scripts, worker, worker_wasm };
    let dist = repo.at("npm/dist");
    file::make_exactly(&dist, &assemble(parts)?)?;
    Ok(dist)
}

/// Installs what `folder/package-lock.json` names, if it is not what was installed last.
pub(crate) fn install(repo: &Repo, folder: &str) -> Outcome {
    need::node(repo)?;
    let lock = repo.at(folder).join("package-lock.json");
    let manifest = file::read(&repo.at(folder).join("package.json"))?;
    let (command, locked) = match lock.exists() {
        true => ("ci", file::read(&lock)?),
        false => ("install", Vec::new()),
    };
    let name = format!("install-{}", folder.replace('/', "-"));
    let stamp = Stamp::new(repo, &name, [&manifest[..], &locked]);
    if stamp.is_current() && repo.at(folder).join("node_modules").exists() {
        return Ok(());
    }
    let mut npm = repo.node("npm", folder);
    npm.args([command, "--no-audit", "--no-fund", "--loglevel=error"]);
    run(&format!("npm {command} in {folder}"), &mut npm)?;
    stamp.keep()
}

/// Checks the types in the demo's scripts, against the package's sources.
pub(crate) fn check_demo(repo: &Repo) -> Outcome {
    run("types of the demo", compiler(repo)?.args(["--project", "../demo/tsconfig.json"]))
}

/// Makes scripts small, if that is wanted, and one of many.
struct Squeeze<'a> {
    repo: &'a Repo,
    minify: bool,
}

impl Squeeze<'_> {
    /// A module and all that it imports, but for those that are loaded later.
    fn bundle(&self, module: &Path) -> Outcome<Vec<u8>> {
        let external = MODULES.map(|name| format!("--external:./{name}"));
        let external = external.each_ref().map(String::as_str);
        self.run(module, &[&["--bundle", "--format=esm"], &external[1..]].concat())
    }

    /// A module for a library of the app's, and of what it imports only what is its own.
    fn face(&self, module: &Path) -> Outcome<Vec<u8>> {
        let [first, second] = BENEATH.map(|name| format!("--external:./{name}"));
        self.run(module, &["--bundle", "--format=esm", "--packages=external", &first, &second])
    }

    /// A classic script, with the worker's glue in the place of the global that stands for it.
    fn classic(&self, script: &Path, glue: &Path) -> Outcome<Vec<u8>> {
        let inject = glue.join("inject.js");
        let name = Runtime::Worker.name();
        let names = ["initSync", "Worker"];
        let names = names.map(|name| format!("{name} as \"bellwether_wasm.{name}\""));
        let text = format!("export {{ {} }} from \"./{name}.js\";\n", names.join(", "));
        file::write(&inject, text.as_bytes())?;
        let mut option = String::from("--inject:");
        option.push_str(&inject.display().to_string());
        self.run(script, &["--bundle", "--format=iife", &option])
    }

    fn run(&self, script: &Path, options: &[&str]) -> Outcome<Vec<u8>> {
        let name = script.file_name().unwrap_or_default();
        let target = self.repo.built("squeezed").join(name);
        let mut esbuild = package_tool(self.repo, "esbuild")?;
        let mut outfile = std::ffi::OsString::from("--outfile=");
        outfile.push(&target);
        esbuild.arg(script).args(options).args(["--target=es2022", "--log-level=warning"]);
        esbuild.arg(outfile).args(self.minify.then_some("--minify"));
        run("making a script small", &mut esbuild)?;
        file::read(&target)
    }
}

/// The package's modules, with the glue of page and coordinator in them, and the declarations of all that they were made of.
fn scripts(squeeze: &Squeeze<'_>, glue: &Path) -> Outcome<Vec<Built>> {
    let folder = compile(squeeze.repo, "tsconfig.json", "package-js")?;
    let is_script = |name: &str| !name.contains('.') || name.ends_with(".js");
    for name in file::below(glue, &is_script)? {
        file::write(&folder.join(&name), &file::read(&glue.join(&name))?)?;
    }
    let mut built = Vec::new();
    for name in MODULES {
        built.push((name.to_owned(), squeeze.bundle(&folder.join(name))?));
    }
    for name in FACES {
        built.push((name.to_owned(), squeeze.face(&folder.join(name))?));
    }
    let is_declaration = |name: &str| !name.contains('.') || name.ends_with(".d.ts");
    for name in file::below(&folder, &is_declaration)? {
        built.push((name.clone(), file::read(&folder.join(name))?));
    }
    Ok(built)
}

/// The worker's own few lines, compiled to a classic script.
fn worker_script(repo: &Repo) -> Outcome<PathBuf> {
    let folder = compile(repo, "tsconfig.worker.json", "worker-js")?;
    let names = file::below(&folder, &|_| true)?;
    let is_worker = |name: &&String| name.as_str() == "worker.js" || name.ends_with("/worker.js");
    let Some(name) = names.iter().find(is_worker) else {
        return Err(Fault::new(
            "npm/tsconfig.worker.json compiled no worker.js; it must include src/worker.ts",
        ));
    };
    Ok(folder.join(name))
}

/// Runs the TypeScript compiler, unless nothing it reads has changed; returns what it wrote to.
fn compile(repo: &Repo, config: &str, name: &str) -> Outcome<PathBuf> {
    let npm = repo.at("npm");
    let folder = repo.built(name);
    let is_source = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        !matches!(name, "dist" | "build" | "node_modules")
            && (!name.contains('.') || is_typescript(name))
    };
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    for path in file::below(&npm, &is_source)? {
        inputs.push(file::read(&npm.join(&path))?);
        inputs.push(path.into_bytes());
    }
    let stamp = Stamp::new(repo, name, inputs.iter().map(Vec::as_slice));
    if stamp.is_current() && folder.exists() {
        return Ok(folder);
    }
    file::remove_folder(&folder)?;
    let mut tsc = compiler(repo)?;
    tsc.args(["--project", config, "--outDir"]).arg(&folder);
    run(&format!("compiling npm/{config}"), &mut tsc)?;
    stamp.keep()?;
    Ok(folder)
}

/// The package's TypeScript compiler.
fn compiler(repo: &Repo) -> Outcome<Command> {
    package_tool(repo, "tsc")
}

/// A program among the package's devDependencies, run in its folder.
pub(crate) fn package_tool(repo: &Repo, name: &str) -> Outcome<Command> {
    let program = format!("node_modules/.bin/{name}");
    if repo.at("npm").join(&program).exists() {
        return Ok(repo.node(&program, "npm"));
    }
    Err(Fault::new(format!(
        "npm/{program} is missing; it comes with npm/package.json's devDependencies: \
         run `npm install` in npm/"
    )))
}

/// Everything that goes into the package, before the placeholders are filled.
struct Parts {
    page_wasm: Vec<Built>,
    scripts: Vec<Built>,
    worker: Vec<u8>,
    worker_wasm: Vec<u8>,
}

/// The finished files of the package.
fn assemble(parts: Parts) -> Outcome<Vec<Built>> {
    let Parts { page_wasm, mut scripts, worker, worker_wasm } = parts;
    let wasm_name = format!("bellwether-sw.{}.wasm", hash::of_content(&worker_wasm));

    let everything = page_wasm.iter().chain(&scripts);
    let everything = everything.flat_map(|(name, content)| [name.as_bytes(), content]);
    let build = hash::short(everything.chain([&worker[..], &worker_wasm]));

    for (name, content) in &mut scripts {
        if name.ends_with(".js") {
            *content = fill(content, &[(WASM_PLACE, &wasm_name), (BUILD_PLACE, &build)]);
        }
    }
    let worker = fill(&worker, &[(WASM_PLACE, &wasm_name), (BUILD_PLACE, &build)]);
    check_is_classic(&worker)?;

    let mut files = scripts;
    files.extend(page_wasm);
    files.push((WORKER_SCRIPT.to_owned(), worker));
    files.push((wasm_name, worker_wasm));
    Ok(files)
}

/// The text with each placeholder replaced wherever it stands.
fn fill(text: &[u8], places: &[(&str, &str)]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text).into_owned();
    places.iter().fold(text, |text, (place, value)| text.replace(place, value)).into_bytes()
}

/// A classic script that contains a module's words does not even parse in the browser.
fn check_is_classic(script: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(script);
    let is_of_module = |line: &&str| line.starts_with("import ") || line.starts_with("export ");
    match text.lines().find(is_of_module) {
        None => Ok(()),
        Some(line) => Err(Fault::new(format!(
            "the worker must be a classic script, but npm/src/worker.ts compiled to `{line}`; \
             see npm/tsconfig.worker.json"
        ))),
    }
}

fn is_typescript(name: &str) -> bool {
    [".ts", ".tsx", ".json"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(worker: &str) -> Parts {
        let built = |name: &str, content: &str| (name.to_owned(), content.as_bytes().to_vec());
        Parts {
            page_wasm: vec![built("bellwether_page_bg.wasm", "page")],
            scripts: vec![
                built("index.js", "export const build = '__BELLWETHER_BUILD__';"),
                built("index.d.ts", "export declare const build: '__BELLWETHER_BUILD__';"),
            ],
            worker: worker.as_bytes().to_vec(),
            worker_wasm: b"abc".to_vec(),
        }
    }

    fn text(files: &[Built], name: &str) -> String {
        let found = files.iter().find(|(present, _)| present == name);
        String::from_utf8_lossy(&found.expect("the file is in the package").1).into_owned()
    }

    #[test]
    fn every_placeholder_is_filled_and_the_wasm_is_named_after_its_content() {
        let worker = "load('__BELLWETHER_WASM__'); build('__BELLWETHER_BUILD__');";
        let files = assemble(parts(worker)).expect("it is a classic script");
        let wasm = "bellwether-sw.ba7816bf8f01cfea.wasm";
        assert_eq!(text(&files, wasm), "abc");

        let worker = text(&files, WORKER_SCRIPT);
        assert!(worker.starts_with(&format!("load('{wasm}')")), "{worker}");

        let (_, id) = worker.split_once("build('").expect("it names its build");
        let id = &id[..16];
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(text(&files, "index.js"), format!("export const build = '{id}';"));
        assert!(text(&files, "index.d.ts").contains("__BELLWETHER_BUILD__"), "types stay");
    }

    #[test]
    fn the_build_id_changes_with_any_part() {
        let id = |parts: Parts| text(&assemble(parts).expect("it assembles"), "index.js");
        let first = id(parts("1;"));
        assert_eq!(first, id(parts("1;")));
        assert_ne!(first, id(parts("2;")));
        let other_wasm = Parts { worker_wasm: b"abd".to_vec(), ..parts("1;") };
        assert_ne!(first, id(other_wasm));
        let page_wasm = vec![("bellwether_page_bg.wasm".to_owned(), b"other".to_vec())];
        let other_page = Parts { page_wasm, ..parts("1;") };
        assert_ne!(first, id(other_page));
    }

    #[test]
    fn a_worker_with_imports_is_refused() {
        for shim in ["import { a } from './a.js';", "1;\nexport {};"] {
            let fault = assemble(parts(shim)).expect_err("a module is not a classic script");
            assert!(fault.to_string().contains("classic script"), "{fault}");
        }
    }
}
