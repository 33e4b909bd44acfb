//! A seeded generator, for jitter and ids inside the core. Never for secrets.

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and good enough to spread retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng(u64);

impl Rng {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// `value`, moved by up to a quarter of itself either way (OUT-5).
    pub fn jitter(&mut self, value: u64) -> u64 {
        let quarter = value / 4;
        let spread = quarter.saturating_mul(2).saturating_add(1);
        value.saturating_sub(quarter).saturating_add(self.next_u64() % spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_quarter_and_does_spread() {
        let mut rng = Rng::new(7);
        let drawn: Vec<u64> = (0..1_000).map(|_| rng.jitter(1_000)).collect();
        assert!(drawn.iter().all(|value| (750..=1_250).contains(value)));
        assert!(drawn.iter().any(|value| *value < 800));
        assert!(drawn.iter().any(|value| *value > 1_200));
        assert_eq!(Rng::new(1).jitter(0), 0);
    }
}
