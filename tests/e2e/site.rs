//! What the origin serves: the demo as it was built, or a bare site for pages under test.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::build::Build;
use crate::scratch::{Scratch, copy_folder};

/// Where this is set, bare sites have no worker, and their pages host the coordinator.
pub(crate) const RUNG: &str = "BELLWETHER_RUNG";

/// What hosts the coordinator of bare sites.
pub(crate) fn host() -> String {
    env::var(RUNG).unwrap_or_else(|_| "service-worker".to_owned())
}

/// A folder of files to serve.
#[derive(Debug)]
pub(crate) enum Site {
    /// The demo with its own worker, as built.
    Demo(PathBuf),
    /// An example of the package, as built.
    Example(PathBuf),
    /// The package, the stock worker and the pages of `e2e/page`.
    Bare(Scratch),
}

impl Site {
    pub(crate) fn demo() -> Self {
        Self::Demo(Build::This.site())
    }

    pub(crate) fn bare() -> Self {
        let scratch = Scratch::new("site");
        copy_folder(&Build::This.site(), scratch.path());
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/page"), scratch.path());
        for of_the_demo in ["index.html", "sw.js"] {
            fs::remove_file(scratch.path().join(of_the_demo)).expect("the demo has this file");
        }
        let site = Self::Bare(scratch);
        if env::var_os(RUNG).is_some() {
            let _ = site.remove_worker_script();
        }
        site
    }

    /// The bare site with the worker of `worker`'s build, and the pages under test of both builds; see [`Build::page`].
    pub(crate) fn mixed(worker: Build) -> Self {
        let site = Self::bare();
        copy_folder(
            &Build::Previous.site().join("bellwether"),
            &site.path().join("previous/bellwether"),
        );
        for (name, mine, previous) in [
            ("page.html", "\"/page.js\"", "\"/previous.js\""),
            ("page.js", "\"/bellwether/", "\"/previous/bellwether/"),
        ] {
            let text = fs::read_to_string(site.path().join(name)).expect("the site has this file");
            assert!(text.contains(mine), "{name} does not load {mine}");
            let name = name.replace("page", "previous");
            fs::write(site.path().join(name), text.replace(mine, previous))
                .expect("the site can be changed");
        }
        site.deploy_worker(worker);
        site
    }

    /// Puts the worker of this build in the place of the one that is there, as a deployment would. It tells whose it is, too.
    pub(crate) fn deploy_worker(&self, build: Build) {
        let Self::Bare(scratch) = self else { panic!("the built demo is not ours to change") };
        remove_worker(scratch.path(), |_| true);
        for entry in fs::read_dir(build.site()).expect("the site can be read") {
            let path = entry.expect("the site can be read").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy();
            if !is_of_worker(&name) {
                continue;
            }
            let mut bytes = fs::read(&path).expect("the site can be read");
            if name.ends_with(".js") {
                let told = format!(
                    "\nself.addEventListener('message', ({{ data, ports }}) => {{
                        if (data?.whose) ports[0].postMessage('{}');
                    }});\n",
                    build.name(),
                );
                bytes.extend(told.into_bytes());
            }
            fs::write(scratch.path().join(&*name), bytes).expect("the site can be changed");
        }
    }

    /// One of `npm/examples`, as its `build.mjs` makes it.
    pub(crate) fn example(name: &str) -> Self {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../npm/examples/dist");
        let path = examples.join(name);
        assert!(
            path.is_dir(),
            "{} is missing: `node npm/examples/build.mjs` makes it",
            path.display()
        );
        Self::Example(path)
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Demo(path) | Self::Example(path) => path,
            Self::Bare(scratch) => scratch.path(),
        }
    }

    /// Takes the worker's script away, so that none can be registered.
    pub(crate) fn remove_worker_script(&self) -> Removed {
        let Self::Bare(scratch) = self else { panic!("the built demo is not ours to change") };
        let files = remove_worker(scratch.path(), |name| name.ends_with(".js"));
        assert_eq!(files.len(), 1, "the site has one script for the worker");
        Removed(files)
    }

    /// Takes the worker's wasm away, as a broken deployment would.
    pub(crate) fn remove_worker_wasm(&self) -> Removed {
        let Self::Bare(scratch) = self else { panic!("the built demo is not ours to change") };
        let mut files = Vec::new();
        for folder in [scratch.path().to_owned(), scratch.path().join("bellwether")] {
            files.extend(remove_worker(&folder, |name| name.ends_with(".wasm")));
        }
        assert!(!files.is_empty(), "the site has no wasm for the worker");
        Removed(files)
    }
}

/// Files that were taken from a site.
#[derive(Debug)]
pub(crate) struct Removed(Vec<(PathBuf, Vec<u8>)>);

impl Removed {
    /// Puts them where they were.
    pub(crate) fn put_back(self) {
        for (path, bytes) in self.0 {
            fs::write(path, bytes).expect("the site can be changed");
        }
    }
}

/// Removes those of the worker's files in this folder that are wanted; gives them.
fn remove_worker(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the site can be read") {
        let path = entry.expect("the site can be read").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy();
        if is_of_worker(&name) && wanted(&name) {
            let bytes = fs::read(&path).expect("the site can be read");
            fs::remove_file(&path).expect("the site can be changed");
            files.push((path, bytes));
        }
    }
    files
}

fn is_of_worker(name: &str) -> bool {
    name.starts_with("bellwether-sw.")
}
