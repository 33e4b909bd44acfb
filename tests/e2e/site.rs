//! What the origin serves: the demo as it was built, or a bare site for pages under test.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::scratch::{Scratch, copy_folder};

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
        Self::Demo(built())
    }

    pub(crate) fn bare() -> Self {
        let scratch = Scratch::new("site");
        copy_folder(&built(), scratch.path());
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/page"), scratch.path());
        for of_the_demo in ["index.html", "sw.js"] {
            fs::remove_file(scratch.path().join(of_the_demo)).expect("the demo has this file");
        }
        Self::Bare(scratch)
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

    /// Takes the worker's wasm away, as a broken deployment would.
    pub(crate) fn remove_worker_wasm(&self) -> Removed {
        let Self::Bare(scratch) = self else { panic!("the built demo is not ours to change") };
        let mut files = Vec::new();
        for folder in [scratch.path().to_owned(), scratch.path().join("bellwether")] {
            for entry in fs::read_dir(folder).expect("the site can be read") {
                let path = entry.expect("the site can be read").path();
                let name = path.file_name().expect("an entry has a name").to_string_lossy();
                if name.starts_with("bellwether-sw.") && name.ends_with(".wasm") {
                    let bytes = fs::read(&path).expect("the site can be read");
                    fs::remove_file(&path).expect("the site can be changed");
                    files.push((path, bytes));
                }
            }
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

/// The folder that `cargo xtask build` fills.
fn built() -> PathBuf {
    let path = env::var_os("BELLWETHER_SITE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/demo-site"),
        PathBuf::from,
    );
    assert!(path.is_dir(), "{} is missing: `cargo xtask build` makes it", path.display());
    path
}
