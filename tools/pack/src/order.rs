//! An order in which like follows like.
//!
//! A compressor pays for how far back the same bytes lie, and guesses what follows from what it saw last. A function is
//! followed by the one that shares most with it of those that are left; two are as alike as Jaccard's index of their
//! sequences of four bytes says.

use std::collections::{HashMap, HashSet};

/// Functions by their numbers, the first one first. Of equals the one with the lower number comes.
pub(crate) fn by_likeness(bodies: &[Vec<u8>]) -> Vec<usize> {
    let pieces: Vec<HashSet<&[u8]>> =
        bodies.iter().map(|body| body.windows(PIECE_BYTES).collect()).collect();
    let mut having: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (function, pieces) in pieces.iter().enumerate() {
        pieces.iter().for_each(|piece| having.entry(piece).or_default().push(function));
    }
    let mut left: Vec<bool> = vec![true; bodies.len()];
    let mut order = Vec::with_capacity(bodies.len());
    let mut next = (!bodies.is_empty()).then_some(0);
    while let Some(function) = next {
        left[function] = false;
        order.push(function);
        let mut shared = vec![0_usize; bodies.len()];
        for piece in &pieces[function] {
            let others = having.get(piece).filter(|others| others.len() <= FREQUENT);
            others.into_iter().flatten().for_each(|other| shared[*other] += 1);
        }
        let likeness = |other: usize| {
            let both = pieces[function].len() + pieces[other].len() - shared[other];
            shared[other] as f64 / both.max(1) as f64
        };
        let still = (0..bodies.len()).filter(|other| left[*other]);
        next =
            still.reduce(|best, other| if likeness(other) > likeness(best) { other } else { best });
    }
    order
}

const PIECE_BYTES: usize = 4;

/// What more functions have than this tells none of them apart.
const FREQUENT: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_follows_like_and_each_comes_once() {
        let bodies = ["aaaabbbbcccc", "12345678", "aaaabbbbccdd", "12345679", "", "zz"];
        let bodies: Vec<Vec<u8>> = bodies.iter().map(|body| body.as_bytes().to_vec()).collect();
        assert_eq!(by_likeness(&bodies), [0, 2, 1, 3, 4, 5]);
        assert!(by_likeness(&[]).is_empty());
    }
}
