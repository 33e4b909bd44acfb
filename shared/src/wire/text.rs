//! How byte strings stand in JSON: as lower-case hex, but for the app's own JSON text, which stands as it is.

use core::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Lower-case hex of `bytes`.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A String takes every write.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that `text` stands for, if it is hex.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
    from_hex(&text).ok_or_else(|| serde::de::Error::custom("not hex"))
}

pub(super) mod hex {
    use minicbor::bytes::ByteVec;

    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &ByteVec, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ByteVec, D::Error> {
        read(from).map(ByteVec::from)
    }
}

pub(super) mod hex32 {
    use minicbor::bytes::ByteArray;

    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        bytes: &ByteArray<32>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(&bytes[..]))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<ByteArray<32>, D::Error> {
        let bytes: [u8; 32] =
            read(from)?.try_into().map_err(|_| serde::de::Error::custom("not 32 bytes"))?;
        Ok(ByteArray::from(bytes))
    }
}

pub(super) mod hex_list {
    use minicbor::bytes::ByteVec;

    use super::*;

    pub(crate) fn serialize<S: Serializer>(list: &[ByteVec], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|bytes| to_hex(bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<ByteVec>, D::Error> {
        Vec::<String>::deserialize(from)?
            .iter()
            .map(|text| from_hex(text).map(ByteVec::from))
            .collect::<Option<_>>()
            .ok_or_else(|| serde::de::Error::custom("not hex"))
    }
}

pub(super) mod json_text {
    use minicbor::bytes::ByteVec;

    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        text: &Option<ByteVec>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_ref().map(|text| String::from_utf8_lossy(text)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<ByteVec>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(|text| ByteVec::from(text.into_bytes())))
    }
}
