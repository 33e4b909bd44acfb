//! What is tested, as files: this build of the project, and an earlier one to meet it.

use std::env;
use std::path::{Path, PathBuf};

/// A build of pages, worker and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Of the files that lie here.
    This,
    /// Of the revision that `tests/previous-build` names.
    Previous,
}

impl Build {
    /// The folder that its `cargo xtask build` has filled.
    pub(crate) fn site(self) -> PathBuf {
        let (variable, usual, command) = match self {
            Self::This => ("BELLWETHER_SITE", "demo-site", "build"),
            Self::Previous => ("BELLWETHER_PREVIOUS_SITE", "previous/site", "previous"),
        };
        let path = named(variable, usual);
        assert!(path.is_dir(), "{} is missing: `cargo xtask {command}` makes it", path.display());
        path
    }

    /// Its server.
    pub(crate) fn server(self) -> PathBuf {
        let (variable, usual, command) = match self {
            Self::This => (
                "BELLWETHER_SERVER",
                "debug/bellwether-server",
                "cargo build --package bellwether-server",
            ),
            Self::Previous => {
                ("BELLWETHER_PREVIOUS_SERVER", "previous/bellwether-server", "cargo xtask previous")
            }
        };
        let path = named(variable, usual);
        assert!(path.is_file(), "{} is missing: `{command}` makes it", path.display());
        path
    }

    /// Where [`Site::mixed`](crate::site::Site::mixed) has the page under test, with this build's package.
    pub(crate) fn page(self) -> &'static str {
        match self {
            Self::This => "/page.html",
            Self::Previous => "/previous.html",
        }
    }

    /// What its worker says when it is asked whose it is.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::This => "this",
            Self::Previous => "previous",
        }
    }
}

/// What the variable names, or else the usual place among what was built.
fn named(variable: &str, usual: &str) -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(usual);
    env::var_os(variable).map_or_else(built, PathBuf::from)
}
