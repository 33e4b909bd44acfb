//! Reads a recording, and plays it again on the very machines, step by step (OBS-3).
//!
//! What always holds:
//! - reading is total: any bytes are a recording, or a [`TapeFault`];
//! - what is played has been compared: each effect by its digest, and the timeout, with what was recorded;
//! - after a part that is missing a coordinator's facts are only shown; a page goes on with what its next part begins with.
//!
//! Not here: opening files and printing, which the program `bellwether-replay` does.

mod read;
mod show;

use core::fmt;

pub use self::read::{Fact, Life, Recorded, TapeFault, read};
use crate::base::{Mono, Now, Wall, limits};
use crate::coordinator::{self, Coordinator};
use crate::page::{self, Asked, Page};
use crate::rules::chain::left_out::{Hashes, during};
use crate::tape::{FNV_START, Mark, Recording, Scribe, fnv};

/// What a machine did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// A coordinator.
    Coordinator(coordinator::Effect),
    /// A page.
    Page(page::Effect),
}

/// One fact, and what came of it this time.
#[derive(Debug)]
pub struct Step<'a> {
    /// Counts a life's facts from 1.
    pub number: usize,
    /// What was recorded.
    pub recorded: &'a Recorded,
    /// What was done now; nothing if the fact is only shown.
    pub did: &'a [Did],
    /// The first difference.
    pub difference: Option<&'a Difference>,
}

/// How a replay went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Played {
    /// Facts that came to the same effects.
    pub facts: usize,
    /// Those effects.
    pub effects: usize,
    /// Facts that could only be shown, for want of what came before them.
    pub shown: usize,
    /// A digest of all effects that were compared: the same wherever the same tape is played.
    pub digest: u64,
    /// Where it went another way. Nothing is played after that.
    pub difference: Option<Difference>,
}

/// Where a replay went another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The fact, counted from 1.
    pub number: usize,
    /// What differs.
    pub what: Box<str>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fact {}: {}", self.number, self.what)
    }
}

enum Machine {
    Coordinator(Box<Coordinator>),
    Page(Box<Page>),
}

/// Plays a life, up to and with the fact `until`, and shows each step to `see`.
pub fn play(life: &Life, until: usize, see: &mut dyn FnMut(&Step<'_>)) -> Played {
    let mut played = Played { digest: FNV_START, ..Played::default() };
    let mut machine: Option<Machine> = None;
    let mut hashes = Hashes::new();
    let mut number = 0;
    let mut next_part = 0;
    for part in &life.parts {
        if part.number != next_part {
            machine = None;
        }
        next_part = part.number + 1;
        for recorded in &part.facts {
            if number == until {
                return played;
            }
            number += 1;
            learn(recorded, life.recording, &mut hashes);
            let did = during(&mut hashes, || tell(&mut machine, recorded));
            let what = match &did {
                Ok(Some(did)) => compare(machine.as_ref(), did, recorded, life.recording),
                Ok(None) => None,
                Err(what) => Some((*what).into()),
            };
            let difference = what.map(|what| Difference { number, what });
            let did = did.unwrap_or_default();
            see(&Step {
                number,
                recorded,
                did: did.as_deref().unwrap_or_default(),
                difference: difference.as_ref(),
            });
            if difference.is_some() {
                return Played { difference, ..played };
            }
            match did {
                Some(did) => {
                    played.facts += 1;
                    played.effects += did.len();
                    played.digest = recorded.effects.iter().flatten().fold(played.digest, fnv);
                }
                None => played.shown += 1,
            }
        }
    }
    played
}

// Events of this fact whose bodies are left out have the hashes that stand beside them.
fn learn(recorded: &Recorded, recording: Recording, hashes: &mut Hashes) {
    let mut known = recorded.hashes.iter();
    let mut learn = |sealed: &[u8]| {
        if let Some(hash) = known.next() {
            hashes.insert(sealed.to_vec(), *hash);
        }
        Mark::default()
    };
    let mut scribe = Scribe::new(recording, &mut learn);
    match &recorded.fact {
        Fact::Begins { restored, seed } => restored.write(*seed, &mut scribe),
        Fact::Coordinator(input) => input.write(&mut scribe),
        Fact::Resumes(_) | Fact::Page(_) | Fact::Asked(_) => {}
    }
}

// What is done for the fact; nothing if there is no machine that could.
fn tell(
    machine: &mut Option<Machine>,
    recorded: &Recorded,
) -> Result<Option<Vec<Did>>, &'static str> {
    let now = Now { mono: Mono(recorded.mono_ms), wall: Wall(recorded.wall_ms) };
    match (&recorded.fact, &mut *machine) {
        (Fact::Begins { restored, seed }, _) => {
            let begun = Coordinator::restore(now, restored, *seed).unrecorded();
            *machine = Some(Machine::Coordinator(Box::new(begun)));
        }
        (Fact::Resumes(snapshot), before) => {
            if let Some(Machine::Page(page)) = before
                && page.known() != *snapshot
            {
                return Err("the page knows something else by now than when it was recorded");
            }
            let page = Page::resume(snapshot).ok_or("what the page knew cannot be read")?;
            *machine = Some(Machine::Page(Box::new(page)));
        }
        (Fact::Coordinator(input), Some(Machine::Coordinator(machine))) => {
            machine.handle(now, input.clone());
        }
        (Fact::Page(input), Some(Machine::Page(page))) => page.handle(now, input.clone()),
        (Fact::Asked(asked), Some(Machine::Page(page))) => match asked.clone() {
            Asked::Ask(request) => drop(page.ask(now, request)),
            Asked::Identify(identity, has_token) => page.identify(now, identity, has_token),
            Asked::Token(identity, bytes) => {
                let zeros = |bytes: u64| "\0".repeat(limits::TOKEN_BYTES_MAX.min(bytes as usize));
                page.give_token(identity, bytes.map(|bytes| zeros(bytes).into()));
            }
            Asked::ShowsState => page.show_state(now),
        },
        (Fact::Coordinator(_), Some(Machine::Page(_)))
        | (Fact::Page(_) | Fact::Asked(_), Some(Machine::Coordinator(_)))
        | (_, None) => return Ok(None),
    }
    let mut did = Vec::new();
    match machine {
        Some(Machine::Coordinator(machine)) => {
            did.extend(core::iter::from_fn(|| machine.poll_effect()).map(Did::Coordinator));
        }
        Some(Machine::Page(page)) => {
            did.extend(core::iter::from_fn(|| page.poll_effect()).map(Did::Page));
        }
        None => {}
    }
    Ok(Some(did))
}

fn compare(
    machine: Option<&Machine>,
    did: &[Did],
    recorded: &Recorded,
    recording: Recording,
) -> Option<Box<str>> {
    let digests: Vec<[u8; 8]> = did.iter().map(|did| did.digest(recording)).collect();
    let count = digests.len().max(recorded.effects.len());
    for at in 0..count {
        let (then, now) = (recorded.effects.get(at), digests.get(at));
        if then != now {
            let then = then.map_or("nothing".into(), |digest| did_name(did, recorded, digest));
            let now = did.get(at).map_or("nothing".into(), |did| format!("{did}"));
            return Some(format!("effect {} was {then}, and is {now}", at + 1).into());
        }
    }
    let now = Now { mono: Mono(recorded.mono_ms), wall: Wall(recorded.wall_ms) };
    let timeout = match machine? {
        Machine::Coordinator(machine) => machine.poll_timeout(now),
        Machine::Page(page) => page.poll_timeout(),
    };
    let timeout = timeout.map(|at| at.0);
    (timeout != recorded.timeout_ms).then(|| {
        format!("the next timeout was {:?}, and is {timeout:?}", recorded.timeout_ms).into()
    })
}

fn did_name(did: &[Did], recorded: &Recorded, digest: &[u8; 8]) -> String {
    let of_page = matches!(recorded.fact, Fact::Resumes(_) | Fact::Page(_) | Fact::Asked(_));
    let elsewhere = did.iter().position(|did| {
        [Recording::WithBodies, Recording::WithoutBodies]
            .iter()
            .any(|it| did.digest(*it) == *digest)
    });
    let place = elsewhere.map_or(String::new(), |at| format!(", which now is effect {}", at + 1));
    let hex: String = digest[1..5].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} ({hex}{place})", show::kind_name(of_page, digest[0]))
}

impl Did {
    fn digest(&self, recording: Recording) -> [u8; 8] {
        match self {
            Self::Coordinator(effect) => effect.digest(recording),
            Self::Page(effect) => effect.digest(),
        }
    }
}
