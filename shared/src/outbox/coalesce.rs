//! Which event supersedes which (OUT-11).
//!
//! What always holds: only events that the app has marked for it do, and only one of the same stream, type and key
//! that is not sealed is superseded. A wrong guess of [`fold`] costs a comparison, and no event.

use super::batch::Held;
use crate::tape::{FNV_START, fnv};
use crate::wire::{EventHead, decode};

/// A number that events of one type and key have in common, and few others. Never 0.
pub(super) fn fold(type_: &str, key: Option<&str>) -> u64 {
    // The byte between the two, which is in no text, tells an absent key from an empty one.
    let parted = [type_.as_bytes(), key.map_or(&[], |_| &[0xff]), key.unwrap_or("").as_bytes()];
    parted.into_iter().flatten().fold(FNV_START, fnv) | 1
}

/// Whether `later` supersedes `earlier`, both of one stream and of one fold.
pub(super) fn supersedes(later: &Held, earlier: &Held) -> bool {
    let head = |held: &'_ Held| -> Option<(Box<str>, Option<Box<str>>)> {
        let EventHead { type_, key, .. } = decode(&held.sealed).ok()?;
        Some((type_.into(), key.map(Into::into)))
    };
    head(later) == head(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_keys_are_told_apart() {
        let kinds =
            [("a", None), ("a", Some("")), ("a", Some("b")), ("ab", None), ("", Some("ab"))];
        for (at, (type_, key)) in kinds.into_iter().enumerate() {
            let same = kinds.iter().filter(|(other, of)| fold(other, *of) == fold(type_, key));
            assert_eq!(same.count(), 1, "{at}");
        }
    }
}
