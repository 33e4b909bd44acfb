//! A story as a file: what may befall it, the seed of its ids, and its choices.
//!
//! What always holds: the same file tells the same story, to the same bytes of its transcript. What is written can
//! be read; what is read says more than it has to in no field, or is refused by name.
//!
//! ```text
//! bellwether scenario 1
//! # a story of few words
//! length 60
//! server-loses yes
//! clones yes
//! culprits yes
//! device-loses yes
//! changes no
//! state no
//! planted forget_early
//! ids 17
//! opening 3 1
//! happens 3 1 0*4 2 9
//! ending 0 0 1
//! ```
//!
//! A story means what the world makes of it: a world that has learnt to do more may tell another story with the
//! same choices. What a kept story once showed is therefore also a test with a name.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::choice::{Choices, Chooser};
use crate::generate::{self, Plot};
use crate::transcript::Detail;
use crate::world::World;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What to know of it, for whoever reads the file.
    pub notes: Vec<String>,
    /// What the story may contain.
    pub plot: Plot,
    /// The seed of ids, keys and coordinators.
    pub ids: u64,
    /// Its choices; after them nothing goes wrong.
    pub choices: Choices,
}

/// Why a file is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioFault {
    /// It does not begin as one.
    #[error("the file does not begin with `{BEGINNING}`")]
    Stranger,
    /// It is of a newer version.
    #[error("scenarios of version {0} are not known; this is version {VERSION}")]
    Version(u32),
    /// A line names a field that there is not.
    #[error("line {line}: there is no field `{name}`")]
    Field {
        /// Which line.
        line: usize,
        /// The name.
        name: String,
    },
    /// A field's value cannot be read.
    #[error("line {line}: `{value}` is not {wanted}")]
    Value {
        /// Which line.
        line: usize,
        /// The value.
        value: String,
        /// What it should have been.
        wanted: &'static str,
    },
    /// It has more choices than any story.
    #[error("line {line}: more than {CHOICES_MAX} choices")]
    Endless {
        /// Which line.
        line: usize,
    },
}

impl Scenario {
    /// The story of a seed, which is known once it was played.
    #[must_use]
    pub fn drawn(seed: u64, plot: Plot, detail: Detail) -> (Self, World) {
        let mut world = World::of(Chooser::random(seed), seed);
        world.transcript.detail = detail;
        run(&mut world, &plot);
        (Self::of(&world, plot, seed), world)
    }

    /// The story that a world has told.
    #[must_use]
    pub fn of(world: &World, plot: Plot, ids: u64) -> Self {
        let choices = world.chooser.choices();
        Self { notes: Vec::new(), plot, ids, choices }
    }

    /// Plays it, to its end or to the first violation.
    #[must_use]
    pub fn play(&self, detail: Detail) -> World {
        let mut world = World::of(Chooser::recorded(self.choices.clone()), self.ids);
        world.transcript.detail = detail;
        run(&mut world, &self.plot);
        world
    }

    /// The file.
    #[must_use]
    pub fn write(&self) -> String {
        let yes = |is| if is { "yes" } else { "no" };
        let Plot { length, server_loses, clones, culprits, device_loses, changes, state, planted } =
            self.plot;
        let mut text = format!("{BEGINNING} {VERSION}\n");
        for note in self.notes.iter().flat_map(|note| note.split('\n')) {
            line(&mut text, &format!("# {note}"));
        }
        line(&mut text, &format!("length {length}"));
        line(&mut text, &format!("server-loses {}", yes(server_loses)));
        line(&mut text, &format!("clones {}", yes(clones)));
        line(&mut text, &format!("culprits {}", yes(culprits)));
        line(&mut text, &format!("device-loses {}", yes(device_loses)));
        line(&mut text, &format!("changes {}", yes(changes)));
        line(&mut text, &format!("state {}", yes(state)));
        for fault in planted.names() {
            line(&mut text, &format!("planted {fault}"));
        }
        line(&mut text, &format!("ids {}", self.ids));
        let Choices { opening, happenings, ending } = &self.choices;
        let lists = [("opening", opening)].into_iter();
        let lists = lists.chain(happenings.iter().map(|list| ("happens", list)));
        for (name, list) in lists.chain([("ending", ending)]) {
            line(&mut text, &format!("{name} {}", runs(list).join(" ")));
        }
        text
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ScenarioFault`], which names the line.
    pub fn read(text: &str) -> Result<Self, ScenarioFault> {
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let version = lines.next().and_then(|(_, line)| line.strip_prefix(BEGINNING));
        match version.map(|version| version.trim().parse()) {
            Some(Ok(VERSION)) => {}
            Some(Ok(newer)) => return Err(ScenarioFault::Version(newer)),
            Some(Err(_)) | None => return Err(ScenarioFault::Stranger),
        }
        // Stories that say nothing of a document are older than it.
        let (plot, choices) = (Plot { state: false, ..Plot::default() }, Choices::default());
        let mut read = Self { notes: Vec::new(), plot, ids: 0, choices };
        for (at, line) in lines {
            if let Some(note) = line.strip_prefix('#') {
                read.notes.push(note.trim().to_owned());
            } else if !line.is_empty() {
                let (name, value) = line.split_once(' ').unwrap_or((line, ""));
                read.take(at, name, value.trim())?;
            }
        }
        Ok(read)
    }

    fn take(&mut self, line: usize, name: &str, value: &str) -> Result<(), ScenarioFault> {
        let plot = &mut self.plot;
        match name {
            "length" => plot.length = number(line, value)?,
            "server-loses" => plot.server_loses = yes_or_no(line, value)?,
            "clones" => plot.clones = yes_or_no(line, value)?,
            "culprits" => plot.culprits = yes_or_no(line, value)?,
            "device-loses" => plot.device_loses = yes_or_no(line, value)?,
            "changes" => plot.changes = yes_or_no(line, value)?,
            "state" => plot.state = yes_or_no(line, value)?,
            "planted" => {
                if !plot.planted.plant(value) {
                    let wanted = "the name of a fault";
                    return Err(ScenarioFault::Value { line, value: value.to_owned(), wanted });
                }
            }
            "ids" => self.ids = number(line, value)?,
            "opening" => self.choices.opening = list(line, value)?,
            "happens" => self.choices.happenings.push(list(line, value)?),
            "ending" => self.choices.ending = list(line, value)?,
            _ => return Err(ScenarioFault::Field { line, name: name.to_owned() }),
        }
        Ok(())
    }
}

// A panic is found like anything else, and the choices that led to it are not lost.
fn run(world: &mut World, plot: &Plot) {
    let played = catch_unwind(AssertUnwindSafe(|| generate::run(world, plot)));
    if let Err(payload) = played {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        world.violations.push(format!("panic: {}", text.unwrap_or("without a word")));
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

fn number<T: std::str::FromStr>(line: usize, value: &str) -> Result<T, ScenarioFault> {
    let wanted = "a number that fits";
    value.parse().map_err(|_| ScenarioFault::Value { line, value: value.to_owned(), wanted })
}

fn yes_or_no(line: usize, value: &str) -> Result<bool, ScenarioFault> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(ScenarioFault::Value { line, value: value.to_owned(), wanted: "yes or no" }),
    }
}

fn list(line: usize, value: &str) -> Result<Vec<u32>, ScenarioFault> {
    let mut list = Vec::new();
    for run in value.split_whitespace() {
        let (choice, times) = run.split_once('*').unwrap_or((run, "1"));
        let (choice, times): (u32, usize) = (number(line, choice)?, number(line, times)?);
        if times > CHOICES_MAX - list.len() {
            return Err(ScenarioFault::Endless { line });
        }
        list.extend(std::iter::repeat_n(choice, times));
    }
    Ok(list)
}

/// `7 7 7 0` as `7*3 0`.
fn runs(choices: &[u32]) -> Vec<String> {
    let equal = choices.chunk_by(|one, next| one == next);
    equal
        .map(|run| match run {
            [choice] => choice.to_string(),
            _ => format!("{}*{}", run[0], run.len()),
        })
        .collect()
}

const BEGINNING: &str = "bellwether scenario";
const VERSION: u32 = 1;
/// Far more than any story makes.
const CHOICES_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Planted;

    #[test]
    fn what_is_written_is_read_again() {
        for seed in 0..20 {
            let mut planted = Planted::default();
            planted.plant(Planted::NAMES[seed as usize % Planted::NAMES.len()]);
            let plot = Plot { clones: seed % 2 == 0, planted, ..Plot::default() };
            let (mut drawn, _) = Scenario::drawn(seed, plot, Detail::Nothing);
            drawn.notes = vec!["a story".into(), "".into(), "of two parts".into()];
            assert_eq!(Scenario::read(&drawn.write()), Ok(drawn));
        }
    }

    #[test]
    fn what_is_no_scenario_is_refused_by_name() {
        let with = |rest: &str| format!("{BEGINNING} 1\n{rest}");
        let value =
            |value: &str, wanted| ScenarioFault::Value { line: 2, value: value.to_owned(), wanted };
        #[rustfmt::skip]
        let cases = [
            ("nothing",         String::new(),                  ScenarioFault::Stranger),
            ("another file",    "[package]\n".to_owned(),       ScenarioFault::Stranger),
            ("a newer one",     format!("{BEGINNING} 2\n"),     ScenarioFault::Version(2)),
            ("a strange field", with("colour blue"),            ScenarioFault::Field { line: 2, name: "colour".to_owned() }),
            ("no number",       with("length long"),            value("long", "a number that fits")),
            ("neither",         with("clones perhaps"),         value("perhaps", "yes or no")),
            ("no such fault",   with("planted tulip"),          value("tulip", "the name of a fault")),
            ("no such choice",  with("opening 1 2*x"),          value("x", "a number that fits")),
            ("without end",     with("happens 1*1000001"),      ScenarioFault::Endless { line: 2 }),
        ];
        for (shows, text, fault) in cases {
            assert_eq!(Scenario::read(&text), Err(fault), "{shows}");
        }
    }
}
