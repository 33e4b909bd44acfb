//! Which event supersedes which (OUT-11).
//!
//! What always holds: only events that the app has marked for it do, and only one of the same stream, type and key
//! that is not sealed is superseded. One that lies behind but was made before, by the clocks of their pages, supersedes
//! nothing: it is a second row of an event, left by a page that closed. A wrong guess of [`fold`] costs a comparison, and
//! no event.

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
    let Ok(head) = decode::<EventHead<'_>>(&later.sealed) else { return false };
    let Ok(other) = decode::<EventHead<'_>>(&earlier.sealed) else { return false };
    (head.type_, head.key) == (other.type_, other.key) && head.stamp >= other.stamp
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{EventId, PageId, Stamp, Wall};
    use crate::wire::{Event, EventFlags, EventKind, to_cbor};

    #[test]
    fn types_and_keys_are_told_apart() {
        let kinds =
            [("a", None), ("a", Some("")), ("a", Some("b")), ("ab", None), ("", Some("ab"))];
        for (at, (type_, key)) in kinds.into_iter().enumerate() {
            let same = kinds.iter().filter(|(other, of)| fold(other, *of) == fold(type_, key));
            assert_eq!(same.count(), 1, "{at}");
        }
    }

    #[test]
    fn a_later_one_of_type_and_key_supersedes_unless_it_was_made_before() {
        let made = |type_, key, stamp| {
            let id = EventId::new("e").expect("a letter is an id");
            let sealed = to_cbor(&Event {
                id,
                kind: EventKind::App,
                type_,
                key,
                data: None,
                schema: 0,
                stamp: Stamp(stamp),
                page: PageId([1; 16]),
                at: Wall(0),
                correlation: None,
                after: None,
                binds: None,
                flags: Some(EventFlags::COLLAPSE),
            });
            Held::read(&sealed, 0, true).expect("it is an event")
        };
        #[rustfmt::skip]
        let cases = [
            // what it shows           later                      supersedes
            ("it was made later",      made("a", Some("k"), 6),   true),
            ("at the same time",       made("a", Some("k"), 5),   true),
            ("it was made before",     made("a", Some("k"), 4),   false),
            ("it is of another key",   made("a", None, 6),        false),
            ("it is of another type",  made("b", Some("k"), 6),   false),
        ];
        for (shows, later, expected) in cases {
            assert_eq!(supersedes(&later, &made("a", Some("k"), 5)), expected, "{shows}");
        }
    }
}
