//! One source of choice: whatever the world does not have to do, it asks here.
//!
//! What always holds:
//! - the choices made are written down, each with how many there were, and the same list leads to the same world;
//! - 0 is the most harmless choice: nothing goes wrong, the next in order. A list that has come to its end gives 0,
//!   and so does one that names what is not there; so any list is a story, and a shorter one a plainer story;
//! - what leaves no choice is not written down.
//!
//! Not here: ids, keys and the coordinators' own seeds. They come from a generator of their own, so that a story
//! does not change with the number of ids that were drawn.

use bellwether_shared::base::Rng;

/// See the module.
#[derive(Debug, Clone)]
pub struct Chooser {
    source: Source,
    made: Vec<Choice>,
    marks: Vec<usize>,
}

/// A choice as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// How many there were to choose from.
    pub of: u32,
    /// Which one was chosen.
    pub chosen: u32,
}

#[derive(Debug, Clone)]
enum Source {
    Random(Rng),
    Recorded(Vec<u32>),
}

impl Chooser {
    /// Chooses by chance.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        Self::new(Source::Random(Rng::new(seed)))
    }

    /// Chooses what this list says, and then 0.
    #[must_use]
    pub fn recorded(choices: Vec<u32>) -> Self {
        Self::new(Source::Recorded(choices))
    }

    fn new(source: Source) -> Self {
        Self { source, made: Vec::new(), marks: Vec::new() }
    }

    /// The choices made so far.
    #[must_use]
    pub fn made(&self) -> &[Choice] {
        &self.made
    }

    /// Where in the list of choices something began that could as well not have happened.
    #[must_use]
    pub fn marks(&self) -> &[usize] {
        &self.marks
    }

    /// Something begins that could as well not happen.
    pub fn mark(&mut self) {
        self.marks.push(self.made.len());
    }

    /// A number below `bound`, each as likely as another.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.clamp(1, u64::from(u32::MAX)) as u32;
        u64::from(self.choose(bound, |rng| (rng.next_u64() % u64::from(bound)) as u32))
    }

    /// Whether something of this chance in a hundred happens. At 0 and at 100 there is no choice.
    pub fn chance(&mut self, in_a_hundred: u64) -> bool {
        match in_a_hundred {
            0 => false,
            100.. => true,
            _ => self.choose(2, |rng| u32::from(rng.next_u64() % 100 < in_a_hundred)) == 1,
        }
    }

    /// One of these, the first being the most harmless.
    pub fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[self.below(N as u64) as usize]
    }

    /// The place of one of these weights, the first being the most harmless.
    pub fn weighted<const N: usize>(&mut self, weights: [u32; N]) -> usize {
        let total = u64::from(weights.iter().sum::<u32>());
        let drawn = |rng: &mut Rng| {
            let mut left = (rng.next_u64() % total) as u32;
            let place = weights.iter().position(|weight| {
                let here = left < *weight;
                left = left.saturating_sub(*weight);
                here
            });
            place.unwrap_or(0) as u32
        };
        self.choose(N as u32, drawn) as usize
    }

    fn choose(&mut self, of: u32, drawn: impl FnOnce(&mut Rng) -> u32) -> u32 {
        if of < 2 {
            return 0;
        }
        let chosen = match &mut self.source {
            Source::Random(rng) => drawn(rng),
            Source::Recorded(list) => {
                list.get(self.made.len()).copied().filter(|chosen| *chosen < of).unwrap_or(0)
            }
        };
        self.made.push(Choice { of, chosen });
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(chooser: &mut Chooser) -> (u64, bool, usize, char) {
        let first = chooser.below(10);
        let second = chooser.chance(50);
        assert!(chooser.chance(100) && !chooser.chance(0));
        assert_eq!(chooser.below(1), 0);
        (first, second, chooser.weighted([1, 0, 5]), chooser.pick(['a', 'b', 'c']))
    }

    #[test]
    fn what_was_chosen_by_chance_is_chosen_again_from_the_list() {
        for seed in 0..50 {
            let mut random = Chooser::random(seed);
            let told = story(&mut random);
            assert_ne!(told.2, 1, "a weight of nothing");
            let list: Vec<u32> = random.made().iter().map(|choice| choice.chosen).collect();
            assert_eq!(list.len(), 4, "no choice, no entry");
            let mut recorded = Chooser::recorded(list);
            assert_eq!(story(&mut recorded), told);
            assert_eq!(recorded.made(), random.made());
        }
    }

    #[test]
    fn what_a_list_does_not_say_is_the_most_harmless() {
        for (list, told) in [
            (vec![], (0, false, 0, 'a')),
            (vec![10, 2, 3, 9], (0, false, 0, 'a')),
            (vec![9, 1, 2], (9, true, 2, 'a')),
        ] {
            assert_eq!(story(&mut Chooser::recorded(list)), told);
        }
    }
}
