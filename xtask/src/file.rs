//! Files and folders, read and written with faults that name them.
//!
//! What always holds: a file whose content would not change is not written, so its time stays and
//! nothing after it is rebuilt.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Outcome};

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|cause| Fault::file("read", path, &cause))
}

/// The text of a file; bytes that are not UTF-8 are replaced.
pub(crate) fn read_text(path: &Path) -> Outcome<String> {
    Ok(String::from_utf8_lossy(&read(path)?).into_owned())
}

/// Writes the file and the folders above it, if its content differs.
pub(crate) fn write(path: &Path, content: &[u8]) -> Outcome {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|cause| Fault::file("create", folder, &cause))?;
    }
    fs::write(path, content).map_err(|cause| Fault::file("write", path, &cause))
}

/// Removes a folder and what is in it; that it is absent is fine.
pub(crate) fn remove_folder(path: &Path) -> Outcome {
    match fs::remove_dir_all(path) {
        Err(cause) if path.exists() => Err(Fault::file("remove", path, &cause)),
        _ => Ok(()),
    }
}

/// All files below `folder` for which `wanted` holds, sorted, as paths relative to it with `/`
/// between the parts. Folders are asked for too, and not entered when unwanted.
pub(crate) fn below(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(inside) = open.pop() {
        let path = folder.join(&inside);
        let entries = fs::read_dir(&path).map_err(|cause| Fault::file("list", &path, &cause))?;
        for entry in entries {
            let entry = entry.map_err(|cause| Fault::file("list", &path, &cause))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = if inside.is_empty() { name } else { format!("{inside}/{name}") };
            if !wanted(&name) {
                continue;
            }
            if entry.path().is_dir() {
                open.push(name);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Makes `folder` hold exactly these files.
pub(crate) fn make_exactly(folder: &Path, files: &[(String, Vec<u8>)]) -> Outcome {
    let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    if folder.exists() {
        for stale in below(folder, &|_| true)?.iter().filter(|name| !names.contains(name.as_str()))
        {
            let path = folder.join(stale);
            fs::remove_file(&path).map_err(|cause| Fault::file("remove", &path, &cause))?;
        }
    }
    files.iter().try_for_each(|(name, content)| write(&folder.join(name), content))
}

/// A folder of its own below the system's temporary one, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder; two runs at once do not share one.
    pub(crate) fn new(purpose: &str) -> Outcome<Self> {
        let name = format!("bellwether-{purpose}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        remove_folder(&path)?;
        fs::create_dir_all(&path).map_err(|cause| Fault::file("create", &path, &cause))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A browser that is still closing may hold a file; the system clears what is left.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_exactly_what_it_was_given_last() {
        let scratch = Scratch::new("file-test").expect("the temporary folder can be written");
        let first = [("a.js".into(), b"1".to_vec()), ("b/c.js".into(), b"2".to_vec())];
        let second = [("b/c.js".into(), b"3".to_vec()), ("d.js".into(), b"4".to_vec())];
        for files in [&first, &second] {
            make_exactly(scratch.path(), files).expect("the scratch folder can be written");
        }
        let names = below(scratch.path(), &|_| true).expect("the scratch folder can be read");
        assert_eq!(names, ["b/c.js", "d.js"]);
        let changed = read_text(&scratch.path().join("b/c.js")).expect("the file was written");
        assert_eq!(changed, "3");
    }
}
