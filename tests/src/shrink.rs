//! Makes a story that goes wrong as short as it can be told.
//!
//! What always holds: what is given back goes wrong in the same way as what came in; each step leaves out happenings
//! or choices, or makes them lower; and no more stories are played than was allowed.
//!
//! A story is shortened by leaving out what happened, and made plainer by lowering its choices: 0 is always the
//! most harmless one.

use crate::choice::Choices;
use crate::scenario::Scenario;
use crate::transcript::Detail;

/// What became of a story.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The shortest story found.
    pub scenario: Scenario,
    /// How many were played to find it.
    pub plays: u32,
}

/// The way in which a story goes wrong: what was found, without its numbers and without what is quoted.
#[must_use]
pub fn class(violation: &str) -> String {
    let mut class = String::new();
    // Every second part stands in quotes.
    for part in violation.split('"').step_by(2) {
        for letter in part.chars() {
            let letter = if letter.is_ascii_digit() { '#' } else { letter };
            if letter != '#' || !class.ends_with('#') {
                class.push(letter);
            }
        }
    }
    class
}

/// Shrinks a story that goes wrong; plays at most `plays_max` others. A story that ends well is given back as it is.
#[must_use]
pub fn shrink(scenario: &Scenario, plays_max: u32) -> Shrunk {
    let world = scenario.play(Detail::Nothing);
    let Some(violation) = world.violations.first() else {
        return Shrunk { scenario: scenario.clone(), plays: 1 };
    };
    let mut search = Search {
        wanted: class(violation),
        best: Scenario::of(&world, scenario.plot, scenario.ids),
        plays: 1,
        plays_max,
    };
    loop {
        let before = search.best.choices.clone();
        search.leave_out_happenings();
        search.leave_out_choices();
        search.lower();
        if search.best.choices == before || search.is_spent() {
            break;
        }
    }
    let notes = scenario.notes.clone();
    Shrunk { scenario: Scenario { notes, ..search.best }, plays: search.plays }
}

struct Search {
    wanted: String,
    best: Scenario,
    plays: u32,
    plays_max: u32,
}

impl Search {
    fn is_spent(&self) -> bool {
        self.plays >= self.plays_max
    }

    /// Keeps these choices if the story still goes wrong in the same way, and is simpler.
    fn keeps(&mut self, choices: Choices) -> bool {
        let choices = choices.trimmed();
        if self.is_spent() || !simpler(&choices, &self.best.choices) {
            return false;
        }
        self.plays += 1;
        let tried = Scenario { choices, ..self.best.clone() };
        let world = tried.play(Detail::Nothing);
        if !world.violations.iter().any(|found| class(found) == self.wanted) {
            return false;
        }
        // What was played may need fewer choices than what was asked for.
        let played = Scenario::of(&world, tried.plot, tried.ids);
        let better = if simpler(&played.choices, &tried.choices) { played } else { tried };
        self.best = better;
        true
    }

    fn leave_out_happenings(&mut self) {
        let mut size = self.best.choices.happenings.len();
        while size > 0 && !self.is_spent() {
            let mut at = self.best.choices.happenings.len();
            while at > 0 {
                at = at.saturating_sub(size);
                let mut choices = self.best.choices.clone();
                let to = choices.happenings.len().min(at + size);
                choices.happenings.drain(at.min(to)..to);
                self.keeps(choices);
            }
            size /= 2;
        }
    }

    fn leave_out_choices(&mut self) {
        for size in [usize::MAX, 16, 4, 1] {
            let mut list = self.best.choices.happenings.len() + 2;
            while list > 0 && !self.is_spent() {
                list -= 1;
                let mut at = self.length(list);
                while at > 0 {
                    at = at.saturating_sub(size);
                    self.keeps_list(list, |list| {
                        let to = list.len().min(at.saturating_add(size));
                        list.drain(at.min(to)..to);
                    });
                }
            }
        }
    }

    fn lower(&mut self) {
        for list in 0..self.best.choices.happenings.len() + 2 {
            let mut at = 0;
            while at < self.length(list) && !self.is_spent() {
                let chosen = self.best.choices.lists().nth(list).map_or(0, |list| list[at]);
                let mut lower = vec![0, chosen / 4, chosen / 2, chosen.saturating_sub(1)];
                lower.retain(|lower| *lower < chosen);
                lower.dedup();
                let lowered =
                    lower.into_iter().any(|lower| self.keeps_list(list, |list| list[at] = lower));
                at += usize::from(!lowered);
            }
        }
    }

    fn length(&self, list: usize) -> usize {
        self.best.choices.lists().nth(list).map_or(0, Vec::len)
    }

    fn keeps_list(&mut self, list: usize, change: impl FnOnce(&mut Vec<u32>)) -> bool {
        let mut choices = self.best.choices.clone();
        choices.list_mut(list).map(change);
        self.keeps(choices)
    }
}

// Fewer happenings, or as many with fewer choices, or as many and lower at the first difference.
fn simpler(one: &Choices, other: &Choices) -> bool {
    let size = |choices: &Choices| (choices.happenings.len(), choices.count());
    size(one).cmp(&size(other)).then_with(|| one.lists().cmp(other.lists())).is_lt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_of_going_wrong_has_no_numbers() {
        for (violation, expected) in [
            ("e15 is lost", "e# is lost"),
            ("epoch 2 writes while epoch 13 hosts", "epoch # writes while epoch # hosts"),
            ("it does not become quiet", "it does not become quiet"),
            ("not on disk: Text(\"bulk 1 s 0 ann\")", "not on disk: Text()"),
        ] {
            assert_eq!(class(violation), expected);
        }
    }

    #[test]
    fn shorter_is_simpler_and_so_is_lower() {
        let story = |lists: &[&[u32]]| Choices {
            happenings: lists.iter().map(|list| list.to_vec()).collect(),
            ..Choices::default()
        };
        assert!(simpler(&story(&[&[9, 9, 9]]), &story(&[&[1], &[1]])));
        assert!(simpler(&story(&[&[1], &[2]]), &story(&[&[2], &[1]])));
        assert!(simpler(&story(&[&[3]]), &story(&[&[1, 1]])));
        assert!(!simpler(&story(&[&[1]]), &story(&[&[1]])));
        assert_eq!(story(&[&[1, 0], &[0]]).trimmed(), story(&[&[1]]));
    }
}
