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
    /// Where in `made` each happening began, and then the ending.
    marks: Vec<usize>,
    ended: bool,
    /// How often something may still go wrong, where that is limited.
    troubles: Option<u32>,
    calm: bool,
}

/// A choice as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// How many there were to choose from.
    pub of: u32,
    /// Which one was chosen.
    pub chosen: u32,
}

/// A list of choices, happening by happening: where one is left out or takes another turn, the next still begins
/// with its own first choice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// How the world begins.
    pub opening: Vec<u32>,
    /// What happens, each in a list of its own.
    pub happenings: Vec<Vec<u32>>,
    /// How it becomes quiet.
    pub ending: Vec<u32>,
}

#[derive(Debug, Clone)]
enum Source {
    Random(Rng),
    Recorded { choices: Choices, part: Part, at: usize },
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Opening,
    Happening(usize),
    Ending,
}

impl Choices {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lists().map(Vec::len).sum()
    }

    /// Every list, in order.
    pub fn lists(&self) -> impl Iterator<Item = &Vec<u32>> {
        [&self.opening].into_iter().chain(&self.happenings).chain([&self.ending])
    }

    /// The list of this place in [`lists`](Self::lists).
    pub fn list_mut(&mut self, at: usize) -> Option<&mut Vec<u32>> {
        let happenings = self.happenings.len();
        match at.checked_sub(1) {
            None => Some(&mut self.opening),
            Some(at) if at < happenings => self.happenings.get_mut(at),
            Some(at) => (at == happenings).then_some(&mut self.ending),
        }
    }

    /// Without the zeros that each list would give by itself.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        for at in 0..self.happenings.len() + 2 {
            if let Some(list) = self.list_mut(at) {
                let used = list.iter().rposition(|choice| *choice != 0).map_or(0, |last| last + 1);
                list.truncate(used);
            }
        }
        while self.happenings.pop_if(|list| list.is_empty()).is_some() {}
        self
    }
}

impl Chooser {
    /// Chooses by chance.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        Self::new(Source::Random(Rng::new(seed)))
    }

    /// Chooses what this list says, and then 0.
    #[must_use]
    pub fn recorded(choices: Choices) -> Self {
        Self::new(Source::Recorded { choices, part: Part::Opening, at: 0 })
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            made: Vec::new(),
            marks: Vec::new(),
            ended: false,
            troubles: None,
            calm: false,
        }
    }

    /// The choices made so far, in order.
    #[must_use]
    pub fn made(&self) -> &[Choice] {
        &self.made
    }

    /// The choices made so far, as a list that makes them again.
    #[must_use]
    pub fn choices(&self) -> Choices {
        let list = |from: usize, to: usize| -> Vec<u32> {
            self.made[from..to].iter().map(|choice| choice.chosen).collect()
        };
        let ends = self.marks.iter().copied().skip(1).chain([self.made.len()]);
        let mut happenings: Vec<Vec<u32>> =
            self.marks.iter().zip(ends).map(|(from, to)| list(*from, to)).collect();
        let opening = list(0, self.marks.first().copied().unwrap_or(self.made.len()));
        let ending = if self.ended { happenings.pop().unwrap_or_default() } else { Vec::new() };
        Choices { opening, happenings, ending }.trimmed()
    }

    /// Something begins that could as well not happen.
    pub fn begin_happening(&mut self) {
        self.marks.push(self.made.len());
        if let Source::Recorded { part, at, .. } = &mut self.source {
            *part = match *part {
                Part::Happening(last) => Part::Happening(last + 1),
                Part::Opening | Part::Ending => Part::Happening(0),
            };
            *at = 0;
        }
    }

    /// From now on only so much goes wrong; then there is no choice but the harmless one.
    pub fn allow_troubles(&mut self, troubles: u32) {
        self.troubles = Some(troubles);
    }

    /// How often something may still go wrong, where that is limited.
    #[must_use]
    pub fn troubles_left(&self) -> Option<u32> {
        self.troubles
    }

    /// From now on there is no choice but the most harmless.
    pub fn calm_down(&mut self) {
        self.calm = true;
    }

    /// What goes wrong, of so many things, 0 being nothing.
    pub fn trouble(&mut self, of: u32) -> u32 {
        self.troubled(of, |rng| (rng.next_u64() % u64::from(of)) as u32)
    }

    fn troubled(&mut self, of: u32, drawn: impl FnOnce(&mut Rng) -> u32) -> u32 {
        if self.troubles == Some(0) {
            return 0;
        }
        let chosen = self.choose(of, drawn);
        if chosen > 0 {
            self.troubles = self.troubles.map(|left| left - 1);
        }
        chosen
    }

    /// Nothing more befalls the world.
    pub fn begin_ending(&mut self) {
        self.marks.push(self.made.len());
        self.ended = true;
        if let Source::Recorded { part, at, .. } = &mut self.source {
            (*part, *at) = (Part::Ending, 0);
        }
    }

    /// A number below `bound`, each as likely as another.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.clamp(1, u64::from(u32::MAX)) as u32;
        u64::from(self.choose(bound, |rng| (rng.next_u64() % u64::from(bound)) as u32))
    }

    /// Whether something bad of this chance in a hundred happens. At 0 and at 100 there is no choice.
    pub fn chance(&mut self, in_a_hundred: u64) -> bool {
        match in_a_hundred {
            0 => false,
            100.. => true,
            _ => self.troubled(2, |rng| u32::from(rng.next_u64() % 100 < in_a_hundred)) == 1,
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
        if of < 2 || self.calm {
            return 0;
        }
        let chosen = match &mut self.source {
            Source::Random(rng) => drawn(rng),
            Source::Recorded { choices, part, at } => {
                let list = match *part {
                    Part::Opening => Some(&choices.opening),
                    Part::Happening(which) => choices.happenings.get(which),
                    Part::Ending => Some(&choices.ending),
                };
                let chosen = list.and_then(|list| list.get(*at)).copied();
                *at += 1;
                chosen.filter(|chosen| *chosen < of).unwrap_or(0)
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
            let opening = story(&mut random);
            random.begin_happening();
            let first = story(&mut random);
            random.begin_happening();
            let second = story(&mut random);
            random.begin_ending();
            let ending = story(&mut random);
            assert_ne!(opening.2, 1, "a weight of nothing");
            assert_eq!(random.made().len(), 16, "no choice, no entry");

            let choices = random.choices();
            let mut recorded = Chooser::recorded(choices.clone());
            assert_eq!(story(&mut recorded), opening);
            recorded.begin_happening();
            assert_eq!(story(&mut recorded), first);
            recorded.begin_happening();
            recorded.below(5);
            recorded.begin_ending();
            assert_eq!(
                story(&mut recorded),
                ending,
                "a happening that takes another turn disturbs nothing"
            );
            assert_eq!(second, {
                let only = choices.happenings.get(1).cloned().unwrap_or_default();
                let mut alone = Chooser::recorded(Choices { opening: only, ..Choices::default() });
                story(&mut alone)
            });
        }
    }

    #[test]
    fn what_a_list_does_not_say_is_the_most_harmless() {
        for (opening, told) in [
            (vec![], (0, false, 0, 'a')),
            (vec![10, 2, 3, 9], (0, false, 0, 'a')),
            (vec![9, 1, 2], (9, true, 2, 'a')),
        ] {
            let mut chooser = Chooser::recorded(Choices { opening, ..Choices::default() });
            assert_eq!(story(&mut chooser), told);
        }
    }
}
