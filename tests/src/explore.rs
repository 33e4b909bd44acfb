//! All stories of a small world, one after another.
//!
//! A story is played from its beginning each time, with the choices of the one before up to the last that can be
//! made otherwise. Where two stories reach the same state, the second goes no further: what can follow was, or will
//! be, told by the first.
//!
//! What always holds: when [`Report::completed`] is true, every list of choices has been played, up to states that
//! were reached before. Two states count as the same when their digests are the same.

use std::collections::HashSet;

use crate::choice::{Choice, Choices, Chooser};

/// How an exploration ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Stories played to their end.
    pub ended: u64,
    /// Stories that came to a state which another had reached.
    pub joined: u64,
    /// States.
    pub states: usize,
    /// Whether there was nothing more to play.
    pub completed: bool,
    /// The first story that went wrong, after which nothing more was played.
    pub found: Option<Found>,
}

/// A story that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its choices.
    pub choices: Choices,
    /// What was found.
    pub violation: String,
}

/// What has been seen before, in one exploration.
#[derive(Debug, Default)]
pub struct Seen {
    states: HashSet<u64>,
    /// Up to here the story is as the one before.
    known: usize,
    joined: bool,
}

impl Seen {
    /// Whether this state was reached before, so that the story can end here. `state` has to cover everything on
    /// which the rest of the story depends.
    pub fn before(&mut self, chooser: &Chooser, state: impl FnOnce() -> u64) -> bool {
        if chooser.made().len() < self.known {
            return false;
        }
        self.joined = !self.states.insert(state());
        self.joined
    }
}

/// Plays every story, but no more than `stories_max`. `play` plays one from its beginning, and gives its chooser
/// back with what went wrong, if anything.
pub fn explore(
    stories_max: u64,
    mut play: impl FnMut(Chooser, &mut Seen) -> (Chooser, Option<String>),
) -> Report {
    let mut seen = Seen::default();
    let mut report = Report { ended: 0, joined: 0, states: 0, completed: false, found: None };
    let mut next = Some(Vec::new());
    while let Some(opening) = next {
        if report.ended + report.joined == stories_max {
            break;
        }
        seen.known = opening.len();
        seen.joined = false;
        let (chooser, violation) =
            play(Chooser::recorded(Choices { opening, ..Choices::default() }), &mut seen);
        if seen.joined {
            report.joined += 1;
        } else {
            report.ended += 1;
        }
        report.states = seen.states.len();
        if let Some(violation) = violation {
            report.found = Some(Found { choices: chooser.choices(), violation });
            return report;
        }
        next = after(chooser.made());
        report.completed = next.is_none();
    }
    report
}

/// The list that comes after one, counted like a number whose last digit turns first.
fn after(made: &[Choice]) -> Option<Vec<u32>> {
    let turns = made.iter().rposition(|choice| choice.chosen + 1 < choice.of)?;
    let mut list: Vec<u32> = made[..=turns].iter().map(|choice| choice.chosen).collect();
    list[turns] += 1;
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_played_once_unless_states_are_the_same() {
        let mut told = Vec::new();
        let report = explore(1_000, |mut chooser, _| {
            let first = chooser.below(3);
            let second = if first == 1 { chooser.below(2) } else { 0 };
            told.push((first, second));
            (chooser, None)
        });
        assert_eq!(told, [(0, 0), (1, 0), (1, 1), (2, 0)]);
        assert!(report.completed && report.ended == 4);

        // Ten coins, of which only the sum counts: 2 to the power of 10 lists, but few states.
        let mut sums = HashSet::new();
        let report = explore(1_000, |mut chooser, seen| {
            let mut sum = 0;
            for coin in 0..10 {
                if seen.before(&chooser, || coin * 100 + sum) {
                    return (chooser, None);
                }
                sum += chooser.below(2);
            }
            sums.insert(sum);
            (chooser, None)
        });
        assert!(report.completed && report.ended + report.joined < 100, "{report:?}");
        assert_eq!((sums.len(), report.states), (11, 55));
    }

    #[test]
    fn it_says_when_it_was_cut_off_and_what_it_found() {
        let coins = |mut chooser: Chooser| {
            let sum: u64 = (0..10).map(|_| chooser.below(2)).sum();
            (chooser, (sum == 9).then(|| "nine".to_owned()))
        };
        let report = explore(100, |chooser, _| coins(chooser));
        assert!(!report.completed && report.found.is_none() && report.ended == 100);
        let report = explore(10_000, |chooser, _| coins(chooser));
        let found = report.found.expect("some story has nine");
        assert_eq!(coins(Chooser::recorded(found.choices)).1, Some("nine".to_owned()));
    }
}
