//! Ids, each of a type of its own. Bytes come from the caller's entropy; nothing here is random.

use core::fmt;

use super::codec::{Decode, Encode, Reader, transparent};
use super::{Wall, limits};

macro_rules! id16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
        pub struct $name(pub [u8; 16]);

        transparent!($name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&uuid_text(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&uuid_text(self.0))
            }
        }

        impl $name {
            /// The hyphenated form, as [`Display`](fmt::Display) writes it.
            #[must_use]
            pub fn text(self) -> String {
                uuid_text(self.0)
            }

            /// Reads the hyphenated form that [`Display`](fmt::Display) writes.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                uuid_parse(text).map(Self)
            }
        }

        #[cfg(feature = "json")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&uuid_text(self.0))
            }
        }

        #[cfg(feature = "json")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a UUID"))
            }
        }
    };
}

id16! {
    /// A page: one tab or window of the app, from load to unload.
    PageId
}
id16! {
    /// A device: one database, minted with it.
    DeviceId
}
id16! {
    /// A stream's life between forks.
    Incarnation
}
id16! {
    /// Which life of a session's log on the server; changes when the server lost or replaced the log.
    LogEpoch
}

/// Which request of its sender, counted up from 1; 0 stands for "none asked".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RequestId(pub u64);

transparent!(RequestId);

/// Names one event for ever: a UUIDv7 by default, or the app's own text.
///
/// 1 to [`limits::EVENT_ID_BYTES_MAX`] bytes of visible ASCII.
#[expect(
    clippy::derived_hash_with_manual_eq,
    reason = "ids that are equal here have the same text"
)]
#[derive(Debug, Clone, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Box<str>);

// Ids that were made one after the other begin alike and end at random.
impl PartialEq for EventId {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        one.last() == other.last() && one == other
    }
}

/// A text cannot be an event id: it is empty, too long, or has characters other than visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event id is 1 to 64 visible ASCII characters")]
pub struct IdUnfit;

impl EventId {
    /// Takes the app's own id, or the text of a UUID.
    pub fn new(text: &str) -> Result<Self, IdUnfit> {
        let fits = !text.is_empty() && text.len() <= limits::EVENT_ID_BYTES_MAX;
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(IdUnfit)
        }
    }

    /// A UUIDv7 of `at` and ten random bytes.
    #[must_use]
    pub fn from_uuid(at: Wall, random: [u8; 10]) -> Self {
        Self(uuid_text(uuid_v7(at, random)).into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Encode for EventId {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
    }
}

// Written by hand because bytes from disk or wire may break the rule that `new` keeps.
impl<'b> Decode<'b> for EventId {
    fn blank() -> Self {
        Self(Box::default())
    }

    #[inline(never)]
    fn read(&mut self, from: &mut Reader<'b>) {
        match Self::new(from.text()) {
            Ok(id) => *self = id,
            Err(IdUnfit) => from.refuse(),
        }
    }
}

#[cfg(feature = "json")]
impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

#[cfg(feature = "json")]
impl<'de> serde::Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A UUID of version 7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits.
#[must_use]
pub fn uuid_v7(at: Wall, random: [u8; 10]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&at.0.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    bytes
}

const HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn uuid_text(bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for byte in bytes {
        if HYPHENS.contains(&text.len()) {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn uuid_parse(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (at, byte) in text.bytes().enumerate() {
        if HYPHENS.contains(&at) {
            (byte == b'-').then_some(())?;
            continue;
        }
        let digit = u8::try_from(char::from(byte).to_digit(16)?).ok()?;
        *bytes.get_mut(digits / 2)? |= if digits % 2 == 0 { digit << 4 } else { digit };
        digits += 1;
    }
    (digits == 32 && text.len() == 36).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_survives_its_text() {
        let bytes = uuid_v7(Wall(0x0123_4567_89ab), [0xff; 10]);
        let text = uuid_text(bytes);
        assert_eq!(text, "01234567-89ab-7fff-bfff-ffffffffffff");
        assert_eq!(uuid_parse(&text), Some(bytes));
    }

    #[test]
    fn what_is_not_a_uuid_is_not_read_as_one() {
        for text in
            ["", "0", "01234567-89ab-7fff-bfff-fffffffffff", "g1234567-89ab-7fff-bfff-ffffffffffff"]
        {
            assert_eq!(uuid_parse(text), None, "{text}");
        }
        assert_eq!(uuid_parse("01234567-89ab-7fff-bfff-ffffffffffff0"), None);
        assert_eq!(uuid_parse("0123456789ab-7fff-bfff-ffffffffffff-----"), None);
    }

    #[test]
    fn an_event_id_is_visible_ascii_within_its_bound() {
        #[rustfmt::skip]
        let cases = [
            ("a plain word",      "order-17".to_owned(),   true),
            ("the longest",       "x".repeat(64),          true),
            ("empty",             String::new(),           false),
            ("one too long",      "x".repeat(65),          false),
            ("a blank inside",    "a b".to_owned(),        false),
            ("beyond ASCII",      "ä".to_owned(),          false),
        ];
        for (shows, text, fits) in cases {
            assert_eq!(EventId::new(&text).is_ok(), fits, "{shows}");
        }
    }

    #[test]
    fn event_ids_are_equal_only_as_a_whole() {
        let id = |text| EventId::new(text).expect("tests use fit ids");
        let texts = ["a", "b", "ba", "x-12345678", "y-12345678", "12345678", "x-12345679"];
        for (at, text) in texts.into_iter().enumerate() {
            for (other_at, other) in texts.into_iter().enumerate() {
                assert_eq!(id(text) == id(other), at == other_at, "{text} {other}");
            }
        }
    }
}
