//! Appends CBOR to a vector: the shortest heads, definite lengths only.

/// An unsigned number.
#[inline(never)]
pub fn write_uint(to: &mut Vec<u8>, value: u64) {
    head(to, UINT, value);
}

/// The head of an array of `count` items, which are to follow.
pub fn begin_array(to: &mut Vec<u8>, count: u64) {
    head(to, ARRAY, count);
}

/// The head of a map of `count` pairs, which are to follow.
pub fn begin_map(to: &mut Vec<u8>, count: u64) {
    head(to, MAP, count);
}

#[inline(never)]
pub(super) fn write_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    head(to, BYTES, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

#[inline(never)]
pub(super) fn write_text(to: &mut Vec<u8>, text: &str) {
    head(to, TEXT, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

/// Counts one more pair in the map whose head stands at `head`, and writes its key.
#[inline(never)]
pub(crate) fn map_slot(to: &mut Vec<u8>, head: usize, index: u8) {
    count(to, head);
    to.push(index);
}

/// Counts one more item in the array whose head stands at `head`, after nulls up to its place.
#[inline(never)]
pub(crate) fn array_slot(to: &mut Vec<u8>, head: usize, index: u8) {
    while to.get(head).is_some_and(|first| first & 0x1f < index) {
        to.push(super::reader::NULL);
        count(to, head);
    }
    count(to, head);
}

fn count(to: &mut [u8], head: usize) {
    if let Some(first) = to.get_mut(head) {
        *first += 1;
    }
}

#[inline(never)]
fn head(to: &mut Vec<u8>, major: u8, value: u64) {
    let big_endian = value.to_be_bytes();
    let (info, length) = match value {
        0..24 => return to.push(major << 5 | value as u8),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    to.push(major << 5 | info);
    to.extend_from_slice(&big_endian[8 - length..]);
}

pub(super) const UINT: u8 = 0;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
