//! A session's document on this device: what the server's log says, as far as it is known (STATE-1).
//!
//! Rows of four kinds lie in one store, a session's side by side, so that whoever wants the document has it with one read
//! of one range:
//!
//! ```text
//!  <length of the session's name> <session> /fold              how far the log is known
//!  <…> <session> /ahead/<offset>                                a patch that was taken beyond that
//!  <…> <session> /key/<key>                                     a key
//!  <…> <session> /loser/<id>                                    a patch that was refused, and waits for a resolver
//! ```
//!
//! What always holds: the keys are what the log's patches up to the fold have made of them. A patch ahead of it is one of
//! this device's own, and has left the journal; what lies between is still to be heard.

use minicbor::bytes::ByteVec;

use super::Key;
use crate::base::codec::map;
use crate::base::{LogEpoch, Wall, decimal, joined};
use crate::rules::document::Entry;

/// A key of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Version of the row.
    pub version: u16,
    /// The key.
    pub entry: Entry,
}

map!(EntryRow { 0: version, 1: entry });

/// How far a session's log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoldRow {
    /// Version of the row.
    pub version: u16,
    /// Which life of the log.
    pub epoch: LogEpoch,
    /// The last offset that was looked at.
    pub offset: u64,
    /// This device alone keeps the log, and gives the offsets.
    pub alone: bool,
}

map!(FoldRow { 0: version, 1: epoch, 2: offset, 3: alone });

/// A patch of this device that was taken, ahead of what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AheadRow {
    /// Version of the row.
    pub version: u16,
    /// Its offset.
    pub offset: u64,
    /// When it was taken, by the server's clock.
    pub taken_at: Wall,
    /// The sealed [`Event`](crate::wire::Event).
    pub sealed: ByteVec,
    /// In which life of the log.
    pub epoch: LogEpoch,
}

map!(AheadRow { 0: version, 1: offset, 2: taken_at, 3: sealed, 4: epoch });

/// A patch of this device that was refused for a conflict, until somebody has made one of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoserRow {
    /// Version of the row.
    pub version: u16,
    /// When it was refused.
    pub at: Wall,
    /// The sealed [`Event`](crate::wire::Event).
    pub sealed: ByteVec,
    /// Whose patch it is; absent in rows of before there was a hook to be asked.
    pub user: Option<Box<str>>,
}

map!(LoserRow { 0: version, 1: at, 2: sealed, 3: user });

/// Which row of a session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// How far the log is known.
    Fold,
    /// A patch of this offset.
    Ahead(u64),
    /// A key.
    Key(&'a str),
    /// A refused patch, by its event's id.
    Loser(&'a str),
}

/// What the keys of all rows of a session begin with. No session's is the beginning of another's.
#[must_use]
pub fn document_prefix(session: &str) -> String {
    joined(&[&decimal(session.len() as u64), " ", session, " "])
}

impl Place<'_> {
    /// The row's key.
    #[must_use]
    pub fn key(self, session: &str) -> Key {
        let mut text = document_prefix(session);
        match self {
            Self::Fold => text.push_str(FOLD),
            Self::Ahead(offset) => {
                text.push_str(AHEAD);
                let digits = decimal(offset);
                // As many as a number can have, so that texts are in the order of the numbers.
                (digits.len()..DIGITS).for_each(|_| text.push('0'));
                text.push_str(&digits);
            }
            Self::Key(key) => {
                text.push_str(KEY);
                text.push_str(key);
            }
            Self::Loser(id) => {
                text.push_str(LOSER);
                text.push_str(id);
            }
        }
        Key::Text(text.into())
    }
}

impl<'a> Place<'a> {
    /// The place that a key names, of the session with this [`document_prefix`].
    #[must_use]
    pub fn of(key: &'a Key, prefix: &str) -> Option<Self> {
        let Key::Text(text) = key else { return None };
        Self::read(text.strip_prefix(prefix)?)
    }

    /// The place that a key names, whichever session it is of.
    #[must_use]
    pub fn named(key: &'a Key) -> Option<Self> {
        let Key::Text(text) = key else { return None };
        let (length, rest) = text.split_once(' ')?;
        let length: usize = length.parse().ok()?;
        Self::read(rest.get(length..)?.strip_prefix(' ')?)
    }

    fn read(place: &'a str) -> Option<Self> {
        if place == FOLD {
            Some(Self::Fold)
        } else if let Some(key) = place.strip_prefix(KEY) {
            Some(Self::Key(key))
        } else if let Some(id) = place.strip_prefix(LOSER) {
            Some(Self::Loser(id))
        } else {
            place.strip_prefix(AHEAD)?.parse().ok().map(Self::Ahead)
        }
    }
}

const FOLD: &str = "/fold";
const AHEAD: &str = "/ahead/";
const KEY: &str = "/key/";
const LOSER: &str = "/loser/";
const DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_in_its_session_alone() {
        let places = [
            Place::Fold,
            Place::Ahead(0),
            Place::Ahead(u64::MAX),
            Place::Key("theme"),
            Place::Loser("e"),
        ];
        for (session, other) in [("s", "s "), ("", " "), ("a b", "a")] {
            for place in places {
                let key = place.key(session);
                assert_eq!(Place::of(&key, &document_prefix(session)), Some(place));
                assert_eq!(Place::of(&key, &document_prefix(other)), None, "{key:?}");
                assert_eq!(Place::named(&key), Some(place));
            }
        }
        assert_eq!(Place::of(&Key::from("1 s /other"), "1 s "), None);
        assert_eq!(Place::of(&Key::Number(1), ""), None);
    }

    #[test]
    fn patches_lie_in_the_order_of_their_offsets() {
        let keys = [0, 9, 10, 99, 100, u64::MAX].map(|offset| Place::Ahead(offset).key("s"));
        assert!(keys.is_sorted());
    }
}
