//! Changes to bytes, as a fuzzer would make them.

use bellwether_shared::base::Rng;

/// `bytes` after one to four changes, some of which take from `other`.
pub(crate) fn changed(bytes: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.next_u64() % 4 {
        let (from, to) = span(bytes.len(), rng);
        match rng.next_u64() % 8 {
            0 => bytes.truncate(from),
            1 => drop(bytes.drain(from..to)),
            2 => drop(bytes.splice(from..from, heads(rng))),
            3 => drop(bytes.splice(from..to, heads(rng))),
            4 => {
                let part = bytes[from..to].to_vec();
                drop(bytes.splice(to..to, part));
            }
            5 => {
                let (first, last) = span(other.len(), rng);
                drop(bytes.splice(from..to, other[first..last].iter().copied()));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte ^= 1 << (rng.next_u64() % 8);
                }
            }
        }
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn span(length: usize, rng: &mut Rng) -> (usize, usize) {
    let mut place = || rng.next_u64() as usize % (length + 1);
    let (one, other) = (place(), place());
    (one.min(other), one.max(other).min(one.min(other) + 24))
}

/// First bytes of values that lie about what follows, or say that it does not end.
fn heads(rng: &mut Rng) -> Vec<u8> {
    let all: [&[u8]; 10] = [
        &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x5b, 127, 255, 255, 255, 255, 255, 255, 255],
        &[0x7a, 255, 255, 255, 255],
        &[0xbb, 128, 0, 0, 0, 0, 0, 0, 0],
        &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x9f],
        &[0xbf],
        &[0xff],
        &[0xf6],
        &[0x00],
    ];
    all[rng.next_u64() as usize % all.len()].to_vec()
}

const BYTES_MAX: usize = 16 * 1024;
