//! Rounds, and what they come to.

use std::fmt;
use std::time::Instant;

/// A number that is shown with three digits.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Shown(pub(crate) f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value >= 100.0 => write!(f, "{value:.0}"),
            value if value >= 10.0 => write!(f, "{value:.1}"),
            value => write!(f, "{value:.2}"),
        }
    }
}

/// What several rounds came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) median: Shown,
    pub(crate) min: Shown,
    pub(crate) max: Shown,
}

impl Figure {
    /// Of at least one value.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| Shown(values.get(place).copied().unwrap_or(f64::NAN));
        let last = values.len().saturating_sub(1);
        Self { median: at(values.len() / 2), min: at(0), max: at(last) }
    }
}

/// Microseconds that `work` takes for each of its `per_round` repetitions.
pub(crate) fn micros<T>(per_round: u32, mut work: impl FnMut() -> T) -> Figure {
    let mut round = || {
        let begun = Instant::now();
        for _ in 0..per_round {
            std::hint::black_box(work());
        }
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(per_round)
    };
    round();
    Figure::of((0..ROUNDS).map(|_| round()).collect())
}

pub(crate) const ROUNDS: usize = 9;
