//! Bytes that were right, changed by hand: what any reader has to outlast.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// A reader: the bytes that it would write for what it has read, if it could read.
pub(crate) type Again<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

/// No beginning of the bytes is taken for the whole.
pub(crate) fn every_truncation_is_refused(
    bytes: &[u8],
    again: Again<'_>,
) -> Result<(), TestCaseError> {
    for end in 0..bytes.len() {
        prop_assert_eq!(again(&bytes[..end]), None, "cut to {} of {}", end, bytes.len());
    }
    Ok(())
}

/// With any one byte changed they are refused, or another value that stands for itself and is no longer.
pub(crate) fn every_changed_byte_is_outlasted(
    bytes: &[u8],
    turn: u8,
    again: Again<'_>,
) -> Result<(), TestCaseError> {
    for at in 0..bytes.len() {
        for other in [bytes[at] ^ 1 << (turn % 8), bytes[at].wrapping_add(turn), turn | 0x1f, turn]
        {
            let mut changed = bytes.to_vec();
            changed[at] = other;
            if let Some(read) = again(&changed) {
                prop_assert!(read.len() <= bytes.len(), "{} for {} grows", other, at);
                prop_assert_eq!(again(&read), Some(read.clone()), "{} for {}", other, at);
            }
        }
    }
    Ok(())
}

/// The bytes of a map or array, with `more` after the fields that are known. An array has `places` of these.
pub(crate) fn with_more(bytes: &[u8], places: u8, more: &[Vec<u8>]) -> Vec<u8> {
    let (kind, mut count) = (bytes[0] & 0xe0, bytes[0] & 0x1f);
    let mut longer = bytes.to_vec();
    for (value, key) in more.iter().zip(0x20..) {
        if kind == MAP {
            longer.extend([0x18, key]);
        } else {
            while count < places {
                longer.push(NULL);
                count += 1;
            }
        }
        longer.extend(value);
        count += 1;
    }
    assert!(count < 24, "the head is still one byte");
    longer[0] = kind | count;
    longer
}

/// The bytes with the head's count left open, and a break at the end.
pub(crate) fn with_open_end(bytes: &[u8]) -> Vec<u8> {
    let mut open = bytes.to_vec();
    open[0] |= 0x1f;
    open.push(0xff);
    open
}

/// Any value at all, as a newer build might write it.
pub(crate) fn cbor() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<u8>().prop_map(|n| vec![0x18, n]),
        any::<u64>().prop_map(|n| [&[0x1b], &n.to_be_bytes()[..]].concat()),
        any::<u16>().prop_map(|n| [&[0x39], &n.to_be_bytes()[..]].concat()),
        any::<f64>().prop_map(|n| [&[0xfb], &n.to_be_bytes()[..]].concat()),
        "[a-zß]{0,5}".prop_map(|text| [&[0x60 | text.len() as u8], text.as_bytes()].concat()),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| [
            &[0x40 | bytes.len() as u8],
            &bytes[..]
        ]
        .concat()),
        prop::sample::select(vec![vec![0xf4], vec![0xf6], vec![0xf7], vec![0xf8, 0x20]]),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| [
                vec![0x80 | items.len() as u8],
                items.concat()
            ]
            .concat()),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| [
                vec![0x9f],
                items.concat(),
                vec![0xff]
            ]
            .concat()),
            inner.clone().prop_map(|value| [vec![0xa1, 0x61, b'k'], value].concat()),
            inner.clone().prop_map(|value| [vec![0xbf, 0x01], value, vec![0xff]].concat()),
            inner.prop_map(|value| [vec![0xd8, 0x20], value].concat()),
        ]
    })
}

const MAP: u8 = 0xa0;
const NULL: u8 = 0xf6;
