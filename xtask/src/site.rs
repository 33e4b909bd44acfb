//! Assembles the demo's site from the demo's files and the built package.
//!
//! ```text
//! target/demo-site/…              the files of demo/
//! target/demo-site/bellwether/…   the package, as an app would serve it
//! target/demo-site/bellwether-sw* the worker's script and wasm, at the root for their scope
//! ```
//!
//! What always holds: the folder holds exactly these files, and the demo's own worker carries a
//! hash over all of them, so that its cache changes whenever any of them does.

use std::path::{Path, PathBuf};

use crate::fault::{Fault, Outcome};
use crate::file;
use crate::hash;
use crate::package::{self, WORKER_SCRIPT};
use crate::repo::Repo;
use crate::wasm::Profile;

/// Stands in the demo's worker for the hash over the site.
const DEMO_PLACE: &str = "__DEMO_BUILD__";

const DEMO_WORKER: &str = "sw.js";

/// Builds the package and the site around it; returns the site's folder.
pub(crate) fn build(repo: &Repo, profile: Profile) -> Outcome<PathBuf> {
    let dist = package::build(repo, profile)?;
    let demo = repo.at("demo");
    if !demo.join("index.html").exists() {
        return Err(Fault::new("demo/index.html is missing, so there is no site to build"));
    }
    let site = repo.built("demo-site");
    file::make_exactly(&site, &assemble(files_of(&demo, &is_served)?, files_of(&dist, &ships)?))?;
    Ok(site)
}

fn files_of(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Outcome<Vec<(String, Vec<u8>)>> {
    let names = file::below(folder, wanted)?;
    names.into_iter().map(|name| Ok((name.clone(), file::read(&folder.join(name))?))).collect()
}

fn assemble(demo: Vec<(String, Vec<u8>)>, dist: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut site = demo;
    for (name, content) in dist {
        if name == WORKER_SCRIPT || is_worker_wasm(&name) {
            site.push((name.clone(), content.clone()));
        }
        site.push((format!("bellwether/{name}"), content));
    }
    site.sort();
    let parts = site.iter().flat_map(|(name, content)| [name.as_bytes(), content]);
    let build = hash::short(parts);
    for (name, content) in &mut site {
        if name == DEMO_WORKER {
            *content = String::from_utf8_lossy(content).replace(DEMO_PLACE, &build).into_bytes();
        }
    }
    site
}

fn is_worker_wasm(name: &str) -> bool {
    name.starts_with("bellwether-sw.") && name.ends_with(".wasm")
}

/// Whether a file of the demo is for its visitors and not for its authors.
fn is_served(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_for_authors = matches!(
        name,
        "README.md"
            | "package.json"
            | "package-lock.json"
            | "tsconfig.json"
            | "jsconfig.json"
            | "node_modules"
    );
    !is_for_authors && !name.starts_with('.') && !name.ends_with(".sh")
}

/// Whether a file of the package is of use to a browser.
fn ships(path: &str) -> bool {
    !path.ends_with(".d.ts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &str) -> (String, Vec<u8>) {
        (name.to_owned(), content.as_bytes().to_vec())
    }

    fn demo_build(site: &[(String, Vec<u8>)]) -> String {
        let worker = site.iter().find(|(name, _)| name == "sw.js");
        String::from_utf8_lossy(&worker.expect("the site has a worker").1).into_owned()
    }

    #[test]
    fn the_worker_and_its_wasm_are_at_the_root_and_in_the_package() {
        let dist = vec![
            file("bellwether-sw.0123.wasm", "w"),
            file("bellwether-sw.js", "s"),
            file("bellwether_page_bg.wasm", "p"),
            file("index.js", "i"),
        ];
        let site = assemble(vec![file("index.html", "h")], dist);
        let names: Vec<&str> = site.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "bellwether-sw.0123.wasm",
            "bellwether-sw.js",
            "bellwether/bellwether-sw.0123.wasm",
            "bellwether/bellwether-sw.js",
            "bellwether/bellwether_page_bg.wasm",
            "bellwether/index.js",
            "index.html",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_demo_build_changes_with_any_file_of_the_site() {
        let site = |page: &str| {
            assemble(vec![file("sw.js", "__DEMO_BUILD__"), file("index.html", page)], Vec::new())
        };
        let first = demo_build(&site("one"));
        assert_eq!(first.len(), 16, "{first}");
        assert_eq!(first, demo_build(&site("one")));
        assert_ne!(first, demo_build(&site("two")));
    }

    #[test]
    fn what_is_for_authors_is_not_served() {
        let cases = [
            ("index.html", true),
            ("src/main.js", true),
            ("README.md", false),
            ("package.json", false),
            (".eslintrc", false),
            ("icons/render.sh", false),
            ("node_modules", false),
        ];
        for (path, served) in cases {
            assert_eq!(is_served(path), served, "{path}");
        }
    }
}
