//! SHA-256 of files, for names that change with their content and for knowing what has changed.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::fault::Outcome;
use crate::file;
use crate::repo::Repo;

/// The first 16 hexadecimal digits of the SHA-256 over all parts, each preceded by its length.
pub(crate) fn short<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    sha.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The first 16 hexadecimal digits of the plain SHA-256 of one file's content.
pub(crate) fn of_content(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Remembers from what something was last made, so that it is not made again from the same.
#[derive(Debug)]
pub(crate) struct Stamp {
    path: PathBuf,
    fresh: String,
}

impl Stamp {
    /// The stamp called `name`, for what is made from `inputs`.
    pub(crate) fn new<'a>(
        repo: &Repo,
        name: &str,
        inputs: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        Self { path: repo.built("stamps").join(name), fresh: short(inputs) }
    }

    /// Whether the last making was from the same inputs.
    pub(crate) fn is_current(&self) -> bool {
        file::read_text(&self.path).is_ok_and(|last| last == self.fresh)
    }

    /// To be called once the making has succeeded.
    pub(crate) fn keep(&self) -> Outcome {
        file::write(&self.path, self.fresh.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_hash_is_the_start_of_its_sha256() {
        assert_eq!(of_content(b""), "e3b0c44298fc1c14");
        assert_eq!(of_content(b"abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn where_one_part_ends_matters() {
        let ab_c: [&[u8]; 2] = [b"ab", b"c"];
        let a_bc: [&[u8]; 2] = [b"a", b"bc"];
        assert_ne!(short(ab_c), short(a_bc));
    }
}
