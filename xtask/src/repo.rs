//! Where things are: the repository, the build folder and the programs that xtask starts.
//!
//! What always holds: every path is absolute, so a command works from any folder.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fault::{Fault, Outcome};

/// The checked-out repository and the folder its builds go to.
#[derive(Debug, Clone)]
pub(crate) struct Repo {
    root: PathBuf,
    target: PathBuf,
}

impl Repo {
    /// Finds the repository that this xtask was started from.
    pub(crate) fn find() -> Outcome<Self> {
        let own = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = own.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        let Some(root) = root else {
            return Err(Fault::new("xtask finds its files through cargo; run `cargo xtask help`"));
        };
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(&folder)
                .map_err(|cause| Fault::file("find", Path::new(&folder), &cause))?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A file or folder of the repository.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A file or folder among what was built.
    pub(crate) fn built(&self, path: &str) -> PathBuf {
        self.target.join(path)
    }

    /// A program that cargo built: `folder` is that of its profile.
    pub(crate) fn program(&self, folder: &str, name: &str) -> Outcome<PathBuf> {
        let file = format!("{name}{}", env::consts::EXE_SUFFIX);
        let path = self.target.join(folder).join(file);
        if path.is_file() {
            return Ok(path);
        }
        let sentence = "cargo built no program there; does its package have a `src/main.rs`?";
        Err(Fault::new(format!("{}: {sentence}", path.display())))
    }

    /// The cargo that started us, run in the root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).current_dir(&self.root).env("CARGO_TERM_COLOR", "never");
        command
    }

    /// A program of Node's (`node`, `npm`), run in `folder`.
    pub(crate) fn node(&self, program: &str, folder: &str) -> Command {
        // On Windows everything but node itself is a script with this ending.
        let ending = if cfg!(windows) && program != "node" { ".cmd" } else { "" };
        let mut command = Command::new(format!("{program}{ending}"));
        command.current_dir(self.at(folder));
        command
    }

    /// The path shortened for a message: without the root, if it lies inside it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// What a short command prints, or `None` if it cannot be started or fails.
pub(crate) fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
