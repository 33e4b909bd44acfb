//! Folders that last as long as a test.

use std::path::{Path, PathBuf};
use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

/// A new, empty folder; removed with everything in it when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("bellwether-e2e-{}-{count}-{name}", id()));
        fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A process that was just killed may still write. What stays then goes with the folder for temporary files,
        // which is the run's own.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a folder and everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    let told = |path: &Path, fault: std::io::Error| format!("{}: {fault}", path.display());
    fs::create_dir_all(to).unwrap_or_else(|fault| panic!("{}", told(to, fault)));
    let entries = fs::read_dir(from).unwrap_or_else(|fault| panic!("{}", told(from, fault)));
    for entry in entries.map(|entry| entry.expect("a folder's entries can be read")) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            copy_folder(&source, &target);
        } else if kind.is_file() {
            fs::copy(&source, &target).unwrap_or_else(|fault| panic!("{}", told(&source, fault)));
        }
    }
}
