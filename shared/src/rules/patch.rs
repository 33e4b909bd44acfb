//! Changes of a session's document as they travel: writes to keys, and to places below them (STATE-5).
//!
//! A patch is the data of an event of kind [`Patch`](crate::wire::EventKind::Patch), encoded by the page that made it and
//! never again. What it does to a document is the business of [`document`](super::document).
//!
//! What always holds: a patch that passes [`check`](Patch::check) is within every bound, and so is each place that it
//! names.

use crate::base::codec::{array, map};
use crate::base::{EventId, limits};

/// What one `set` has changed. It is taken as a whole, or refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch<'b> {
    /// In the order in which they were made: of two to the same place the later one counts.
    pub writes: Vec<Write<'b>>,
}

map!(Patch<'b> { 0: writes });

/// A write to one place of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write<'b> {
    /// The key.
    pub key: &'b str,
    /// Names of members, from the key's value inwards; none for the whole value.
    pub path: Vec<&'b str>,
    /// What is there from here on, as JSON text; none: nothing.
    pub value: Option<&'b [u8]>,
    /// What the writer knew of the key: the write is refused if that is not so any more. Without it the later write
    /// counts.
    pub base: Option<Base>,
}

map!(Write<'b> { 0: key, 1: path, 2: value, 3: base });

/// What a write is built on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The key's version in the document that the writer had of the server; 0 if it had none.
    pub version: u64,
    /// The last write to the key that this device had queued before, and that the server had not answered.
    pub after: Option<EventId>,
}

array!(Base { 0: version, 1: after });

/// A patch breaks a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatchUnfit {
    /// It has no writes.
    #[error("the patch changes nothing")]
    Empty,
    /// It has too many.
    #[error("the patch has {found} writes, at most {} are taken", limits::PATCH_WRITES_MAX)]
    TooManyWrites {
        /// How many.
        found: usize,
    },
    /// A key is empty, or too long.
    #[error("a key has {found} bytes: give it 1 to {}", limits::STATE_KEY_BYTES_MAX)]
    KeyLength {
        /// How many bytes it has.
        found: usize,
    },
    /// A place is too deep below its key.
    #[error(
        "a value is changed {found} members deep, at most {} are taken",
        limits::PATH_DEPTH_MAX
    )]
    TooDeep {
        /// How deep.
        found: usize,
    },
    /// A member's name is too long.
    #[error("a member's name has {found} bytes, at most {} are taken", limits::STATE_KEY_BYTES_MAX)]
    NameLength {
        /// How many bytes it has.
        found: usize,
    },
}

impl PatchUnfit {
    /// The same without numbers, for where every formatted text weighs.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Empty => "there is nothing to write",
            Self::TooManyWrites { .. } => {
                "more than 1,000 places are written at once: write in parts"
            }
            Self::KeyLength { .. } => "a key is empty, or longer than 200 bytes",
            Self::TooDeep { .. } => "a value is changed more than 32 members deep",
            Self::NameLength { .. } => "a member's name is longer than 200 bytes",
        }
    }
}

impl Patch<'_> {
    /// Checks every bound, but for the size of the whole, which is that of an event's data.
    ///
    /// # Errors
    /// The first bound that is broken.
    pub fn check(&self) -> Result<(), PatchUnfit> {
        match self.writes.len() {
            0 => return Err(PatchUnfit::Empty),
            found if found > limits::PATCH_WRITES_MAX => {
                return Err(PatchUnfit::TooManyWrites { found });
            }
            _ => {}
        }
        for write in &self.writes {
            let found = write.key.len();
            if found == 0 || found > limits::STATE_KEY_BYTES_MAX {
                return Err(PatchUnfit::KeyLength { found });
            }
            let found = write.path.len();
            if found > limits::PATH_DEPTH_MAX {
                return Err(PatchUnfit::TooDeep { found });
            }
            let too_long = write.path.iter().find(|name| name.len() > limits::STATE_KEY_BYTES_MAX);
            if let Some(name) = too_long {
                return Err(PatchUnfit::NameLength { found: name.len() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::{decode, encode};

    fn write<'b>(key: &'b str, path: &[&'b str]) -> Write<'b> {
        Write { key, path: path.to_vec(), value: Some(b"1"), base: None }
    }

    #[test]
    fn every_bound_is_told_apart() {
        let long = "k".repeat(limits::STATE_KEY_BYTES_MAX + 1);
        let fits = "k".repeat(limits::STATE_KEY_BYTES_MAX);
        let deep = vec!["m"; limits::PATH_DEPTH_MAX + 1];
        let many = vec![write("k", &[]); limits::PATCH_WRITES_MAX + 1];
        let check = |writes: &[Write<'_>]| Patch { writes: writes.to_vec() }.check();
        assert_eq!(check(&[write(&fits, &deep[1..])]), Ok(()));
        assert_eq!(check(&many[1..]), Ok(()));
        assert_eq!(check(&[]), Err(PatchUnfit::Empty));
        assert_eq!(check(&many), Err(PatchUnfit::TooManyWrites { found: many.len() }));
        assert_eq!(check(&[write("", &[])]), Err(PatchUnfit::KeyLength { found: 0 }));
        assert_eq!(check(&[write(&long, &[])]), Err(PatchUnfit::KeyLength { found: long.len() }));
        assert_eq!(check(&[write("k", &deep)]), Err(PatchUnfit::TooDeep { found: deep.len() }));
        let named = check(&[write("k", &["m", &long])]);
        assert_eq!(named, Err(PatchUnfit::NameLength { found: long.len() }));
    }

    #[test]
    fn what_is_encoded_is_what_is_read() {
        let base = Base { version: 7, after: EventId::new("e-1").ok() };
        let based = Write { value: None, base: Some(base), ..write("profile", &["name"]) };
        let patch = Patch { writes: vec![write("theme", &[]), based] };
        assert_eq!(decode::<Patch<'_>>(&encode(&patch)), Ok(patch));
    }
}
