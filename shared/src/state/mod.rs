//! The document machine of the coordinator: keeps each session's document as the server's log makes it (STATE-1, STATE-8).
//!
//! ```text
//!  wanted ──▶ loaded from disk ──▶ pulled: what is new in the log, or all of it ──▶ folded ──▶ written ──▶ pages are told
//!                                    ▲                                                ▲
//!           somebody has heard of more                     a patch of ours was taken ─┘ just behind what is known
//! ```
//!
//! What always holds:
//! - patches are folded in the order of the log and of no other; one of ours that was taken further on waits as a row of its
//!   own, which is written before the journal lets go of it;
//! - pages are told once it is on disk, where they look for it;
//! - where there is no server the coordinator orders the patches itself, as the server would.
//!
//! Not here: what a patch does (`rules::document`), and what pages show beyond what is confirmed (`mirror`).

mod doc;
mod losers;
mod mirror;
mod resolve;

use core::time::Duration;
use std::collections::VecDeque;

use self::doc::{Doc, LocalRow, News, Written};
use self::losers::Loser;
pub use self::mirror::{Clash, Mirror, News as Seen, writer as last_writer};
pub use self::resolve::{Dispute, disputes, resolution};
use crate::base::{
    Culprit, EventId, Fault, LogEpoch, Mono, Now, Rng, SortedMap, Ticket, Wall, decimal,
};
use crate::bus::{Folded, Identity, Over};
use crate::rows::{DoneEntry, Key, Op, StreamKey};
use crate::rules::patch::Patch;
use crate::wire::{Event, EventKind, LogPage, Snapshot, decode};

/// What the machine asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read the rows of a session's document.
    Load {
        /// Answered by `on_loaded` or `on_load_failed`.
        ticket: Ticket,
        /// Which.
        session: Box<str>,
    },
    /// Ask the server.
    Pull {
        /// Answered by `on_pulled`.
        ticket: Ticket,
        /// Under whose token.
        identity: Identity,
        /// Path and query.
        path: String,
    },
    /// Write this under the epoch.
    Commit {
        /// Answered by `on_committed` or `on_commit_failed`.
        ticket: Ticket,
        /// What.
        ops: Vec<Op>,
        /// Outcomes to be filed with it, each with its stream.
        outcomes: Vec<(StreamKey, DoneEntry)>,
    },
    /// Tell all pages what has changed.
    Changed {
        /// Of which session.
        session: Box<str>,
        /// Which keys.
        keys: Vec<Box<str>>,
        /// Patches that are a part of it now, or never will be.
        over: Vec<Over>,
        /// What was written, if it was little and nothing else was.
        folded: Option<Folded>,
    },
    /// The session's log lives another life.
    Renewed {
        /// Which session.
        session: Box<str>,
        /// Its present life.
        epoch: LogEpoch,
    },
    /// The session's log lives the life that is known, and does not show what it has taken.
    GoneBack {
        /// Which session.
        session: Box<str>,
    },
    /// What was asked for is done, or could not be done.
    Settled(Ticket, Option<Fault>),
}

/// What came back for a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    /// Patches after the offset that was named.
    Page(LogPage),
    /// The document, or a part of it.
    Snapshot(Snapshot),
    /// The log lives another life than the one that was named, or keeps no more of what was asked for.
    Anew,
    /// The token is missing, or was refused.
    Unauthorized,
    /// Nothing that helps.
    Failed {
        /// What went wrong.
        fault: Fault,
        /// How long to wait at least.
        retry_after_ms: Option<u32>,
    },
}

/// Events of ours that the server has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whose stream.
    pub identity: Identity,
    /// Which life of the log.
    pub epoch: LogEpoch,
    /// The offsets of all of them, if these follow one another without a gap.
    pub span: Option<(u64, u64)>,
    /// The patches among them, each with its offset.
    pub patches: Vec<(u64, Vec<u8>)>,
    /// When.
    pub at: Wall,
    /// Patches that will never be a part of the document as they are.
    pub over: Vec<Over>,
    /// Of those the events that wait for somebody who makes one of two.
    pub losers: Vec<Vec<u8>>,
}

/// What a document waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Load,
    Pull,
}

#[derive(Debug)]
struct Writing {
    session: Box<str>,
    /// Keys are among it, so that the next of these waits for it.
    folds: bool,
    news: News,
    /// Rows of the journal that go with it.
    ordered: VecDeque<LocalRow>,
}

/// See the module.
#[derive(Debug)]
pub struct State {
    docs: SortedMap<Box<str>, Doc>,
    tasks: SortedMap<Ticket, (Task, Box<str>)>,
    writing: SortedMap<Ticket, Writing>,
    /// Whether there is a server to ask.
    served: bool,
    rng: Rng,
    effects: VecDeque<Effect>,
}

impl State {
    /// Knows nothing yet: what the disk says is read when it is wanted. `seed` is fresh entropy.
    #[must_use]
    pub fn new(served: bool, seed: u64) -> Self {
        Self {
            docs: SortedMap::new(),
            tasks: SortedMap::new(),
            writing: SortedMap::new(),
            served,
            rng: Rng::new(seed),
            effects: VecDeque::new(),
        }
    }

    /// Whether there is a server to ask; the coordinator is booted anew when that changes.
    pub fn set_served(&mut self, served: bool) {
        self.served = served;
    }

    /// A page shows this session's document.
    pub fn on_wanted(&mut self, now: Now, identity: &Identity) {
        let served = self.served;
        let doc = self.doc(identity);
        let stale = doc.pulled.is_none_or(|at| now.mono.since(at) >= FRESH);
        doc.wanted = true;
        doc.wants_pull |= stale && served;
    }

    /// Somebody has heard of news at the server, as far as `head`, or asks for them. `waiter` is told once they are there.
    pub fn on_news(&mut self, identity: &Identity, head: Option<u64>, waiter: Option<Ticket>) {
        let served = self.served;
        let doc = self.doc(identity);
        doc.wanted = true;
        if head.is_some_and(|head| doc.knows(head)) {
            return self.effects.extend(waiter.map(|waiter| Effect::Settled(waiter, None)));
        }
        doc.wants_pull |= served;
        doc.again = None;
        doc.waiters.extend(waiter);
    }

    /// A patch of the journal, where there is no server.
    pub fn on_row(&mut self, stream: StreamKey, position: u64, sealed: &[u8]) {
        let (session, user) = (stream.session.clone(), stream.user.clone());
        self.doc(&Identity { session, user }).rows.push_back((stream, position, sealed.to_vec()));
    }

    /// The server has taken events of ours, before they leave the journal.
    pub fn on_taken(&mut self, taken: Taken) {
        if taken.patches.is_empty()
            && taken.over.is_empty()
            && !self.docs.contains_key(&taken.identity.session)
        {
            return;
        }
        let busy = is_busy(&self.writing, &taken.identity.session);
        self.doc(&taken.identity).on_taken(taken, busy);
    }

    /// Somebody has made one of two: of what this event holds, and of what it lost against.
    pub fn on_resolved(&mut self, identity: &Identity, id: &EventId) {
        self.doc(identity).resolve(id);
    }

    /// A patch that was refused, and that the worker's hook can be asked about now; and whose what is made of it will be. One
    /// of a session after the other, and of those who `may_ask` alone.
    #[must_use]
    pub fn dispute(&self, may_ask: &dyn Fn(&Identity) -> bool) -> Option<(Identity, EventId)> {
        let Self { docs, tasks, writing, served, .. } = self;
        docs.iter().filter(|(_, doc)| !doc.losers.is_empty()).find_map(|(session, doc)| {
            let is_busy = doc.wants_pull && *served
                || tasks.values().any(|(_, of)| of == session)
                || writing.values().any(|it| it.session == *session);
            doc.dispute().filter(|(identity, _)| !is_busy && may_ask(identity))
        })
    }

    /// The hook is asked about the one that was found last for this session. Answered by `on_resolution` or `on_load_failed`.
    pub fn ask(&mut self, ticket: Ticket, session: &str) {
        if let Some(doc) = self.docs.get_mut(session) {
            doc.losers.ask(ticket);
        }
    }

    /// The worker's hook has made this of two, if it has. What is of no use in this session any more (`is_of_use`) is not
    /// taken: the patch waits again.
    pub fn on_resolution(
        &mut self,
        ticket: Ticket,
        made: Option<Vec<Vec<u8>>>,
        is_of_use: &dyn Fn(&str) -> bool,
    ) {
        for (session, doc) in self.docs.iter_mut() {
            let Some(Loser { id, user }) = doc.losers.answered(ticket) else { continue };
            match made {
                Some(_) if !is_of_use(session) => doc.losers.lose(id, user),
                Some(rows) => doc.on_resolution(&id, rows),
                None => {}
            }
            return;
        }
    }

    /// The rows of a document have been read.
    pub fn on_loaded(&mut self, ticket: Ticket, rows: &[(Key, Vec<u8>)]) {
        if let Some(doc) = self.finish(ticket, Task::Load) {
            doc.load(rows);
        }
    }

    /// They could not be read, for us or for what the hook is asked. Whether it was for us.
    pub fn on_load_failed(&mut self, now: Now, ticket: Ticket) -> bool {
        let again = Some(now.mono.after(RETRY_MIN));
        if let Some(doc) = self.finish(ticket, Task::Load) {
            doc.again = again;
            return true;
        }
        for doc in self.docs.values_mut() {
            if let Some(Loser { id, user }) = doc.losers.answered(ticket) {
                doc.losers.lose(id, user);
                doc.again = again;
                return true;
            }
        }
        false
    }

    /// The server has answered, or has not.
    pub fn on_pulled(&mut self, now: Now, ticket: Ticket, pulled: Pulled) {
        let Self { docs, tasks, rng, effects, .. } = self;
        let Some((Task::Pull, session)) = tasks.remove(&ticket) else { return };
        let Some(doc) = docs.get_mut(&session) else { return };
        match pulled {
            Pulled::Failed { fault, retry_after_ms } => {
                let doublings = doc.failures.min(8);
                let delay = (RETRY_MIN * 2_u32.pow(doublings)).min(RETRY_MAX);
                let delay = rng.jitter(u64::try_from(delay.as_millis()).unwrap_or_default());
                let delay = delay.max(retry_after_ms.unwrap_or_default().into());
                doc.failures += 1;
                doc.wants_pull = true;
                doc.drop_parts();
                doc.tell_beaten();
                doc.again = Some(now.mono.after(Duration::from_millis(delay)));
                let waiters = doc.waiters.drain(..);
                effects.extend(waiters.map(|it| Effect::Settled(it, Some(fault.clone()))));
                return;
            }
            Pulled::Unauthorized => {
                doc.drop_parts();
                doc.tell_beaten();
                doc.wants_pull = true;
                doc.withhold();
                // A token may be on its way; or whoever was asked for one has gone, and another is to be asked.
                doc.again = doc.reader().is_none().then(|| now.mono.after(doc.patience()));
                return;
            }
            Pulled::Anew => doc.read_anew(),
            Pulled::Page(page) => doc.on_page(page),
            Pulled::Snapshot(part) => {
                if let Some(epoch) = doc.on_snapshot(part) {
                    effects.push_back(Effect::Renewed { session: session.clone(), epoch });
                }
            }
        }
        doc.failures = 0;
        (doc.refusals, doc.spoiled) = (0, 0);
        doc.pulled = Some(now.mono);
        if doc.is_partial() {
            doc.missed = 0;
            doc.wants_pull = true;
        } else if doc.is_behind() && !doc.wants_pull {
            // The server does not show what it has taken; it may be another that answers, or its log has gone back.
            doc.missed = if doc.misses() { doc.missed + 1 } else { 0 };
            match doc.missed {
                MISSED_MAX => effects.push_back(Effect::GoneBack { session }),
                GIVEN_UP.. => doc.give_up_ahead(),
                _ => {}
            }
            doc.wants_pull = true;
            doc.again = Some(now.mono.after(RETRY_MIN * 2_u32.pow(doc.missed)));
        } else {
            doc.missed = 0;
        }
    }

    /// A transaction is complete.
    pub fn on_committed(&mut self, ticket: Ticket) {
        let Some(Writing { session, news, .. }) = self.writing.remove(&ticket) else { return };
        let News { keys, over, folded } = news;
        if !keys.is_empty() || !over.is_empty() {
            self.effects.push_back(Effect::Changed { session, keys, over, folded });
        }
    }

    /// The disk has refused one: what it says is read again, and the server asked for the rest.
    pub fn on_commit_failed(&mut self, now: Now, ticket: Ticket) {
        let Some(Writing { session, news, ordered, .. }) = self.writing.remove(&ticket) else {
            return;
        };
        if let Some(doc) = self.docs.get_mut(&session) {
            doc.forget(now.mono.after(RETRY_MIN), ordered, news.over);
        }
    }

    /// A token of this user has come.
    pub fn on_token(&mut self, identity: &Identity) {
        if let Some(doc) = self.docs.get_mut(&identity.session) {
            doc.on_token(identity);
        }
    }

    /// The log of a session lives another life, as its streams have heard.
    pub fn on_renewed(&mut self, session: &str, epoch: Option<LogEpoch>) {
        if let Some(doc) = self.docs.get_mut(session)
            && doc.epoch() != epoch
        {
            doc.read_anew();
            doc.wants_pull = true;
        }
    }

    /// Asks for whatever can be done next. `tickets` gives new ones.
    pub fn go(&mut self, now: Now, tickets: &mut dyn FnMut() -> Ticket) {
        let Self { docs, tasks, writing, served, rng, effects } = self;
        for (session, doc) in docs.iter_mut() {
            let busy = is_busy(writing, session);
            if busy {
                // One that fails must not have another behind it that is built on it.
            } else if !*served {
                doc.confirm(now);
            } else if doc.is_alone() {
                doc.hand_over(now, &mut || EventId::from_uuid(now.wall, rng.bytes()));
            }
            if !doc.wants_pull && !tasks.values().any(|(_, of)| of == session) {
                doc.tell_beaten();
            }
            let written = if busy { doc.take_apart() } else { doc.take_written(session) };
            let Written { ops, folds, outcomes, ordered, news } = written;
            if !ops.is_empty() {
                let ticket = tickets();
                let session = session.clone();
                writing.insert(ticket, Writing { session, folds, news, ordered });
                effects.push_back(Effect::Commit { ticket, ops, outcomes });
            } else if !news.over.is_empty() {
                let News { keys, over, folded } = news;
                let session = session.clone();
                effects.push_back(Effect::Changed { session, keys, over, folded });
            }
            let busy = tasks.values().any(|(_, of)| of == session);
            if busy || doc.again.is_some_and(|at| at > now.mono) {
                continue;
            }
            let due = doc.again.take().is_some();
            if doc.wants_load() {
                let ticket = tickets();
                tasks.insert(ticket, (Task::Load, session.clone()));
                effects.push_back(Effect::Load { ticket, session: session.clone() });
            } else if doc.wants_pull && doc.loaded && *served {
                if doc.reader().is_none() {
                    let waiters = doc.waiters.drain(..);
                    effects.extend(waiters.map(|it| Effect::Settled(it, Some(withheld()))));
                    if due {
                        doc.believe_again();
                    }
                }
                if let Some(identity) = doc.ask() {
                    let ticket = tickets();
                    tasks.insert(ticket, (Task::Pull, session.clone()));
                    doc.wants_pull = false;
                    let path = doc.path(session);
                    effects.push_back(Effect::Pull { ticket, identity, path });
                } else {
                    doc.again = Some(now.mono.after(doc.patience()));
                }
            } else if !(doc.wants_pull && *served
                || writing.values().any(|it| it.session == *session))
            {
                effects.extend(doc.waiters.drain(..).map(|it| Effect::Settled(it, None)));
            }
        }
    }

    /// The next thing asked for.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When something is to be tried again.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Mono> {
        let waits = |doc: &&Doc| doc.wants_load() || doc.wants_pull || !doc.losers.is_empty();
        let due = self.docs.values().filter(waits);
        due.filter_map(|doc| doc.again).filter(|at| *at > now.mono).min()
    }

    /// Whether nothing is under way that will end by itself.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let asks = self.docs.values().any(|doc| doc.losers.is_asking());
        self.tasks.is_empty() && self.writing.is_empty() && !asks
    }

    fn doc(&mut self, identity: &Identity) -> &mut Doc {
        let new = || Doc::new(identity.session.clone());
        let doc = self.docs.get_or_insert_with(identity.session.clone(), new);
        doc.used_by(identity);
        doc
    }

    fn finish(&mut self, ticket: Ticket, task: Task) -> Option<&mut Doc> {
        if self.tasks.get(&ticket)?.0 != task {
            return None;
        }
        let (_, session) = self.tasks.remove(&ticket)?;
        self.docs.get_mut(&session)
    }
}

/// The patch that an event is, with it; none if it is another event, or none at all.
#[must_use]
pub fn patch_of(sealed: &[u8]) -> Option<(Event<'_>, Patch<'_>)> {
    let event: Event<'_> = decode(sealed).ok()?;
    let data = event.data.filter(|_| event.kind == EventKind::Patch)?;
    Some((event, decode(data).ok()?))
}

fn is_busy(writing: &SortedMap<Ticket, Writing>, session: &str) -> bool {
    writing.values().any(|it| it.folds && *it.session == *session)
}

fn withheld() -> Fault {
    let message = "nobody on this device has a token that the server takes: sign in";
    Fault::new("unauthorized", Culprit::App, message)
}

// Everything but the unreserved characters of RFC 3986, section 2.3.
fn escape(to: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.push('%');
            for digit in [byte >> 4, byte & 15] {
                to.push(char::from(HEX.get(usize::from(digit)).copied().unwrap_or_default()));
            }
        }
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// So often in a row the server does not show what it has taken before its log has gone back.
const MISSED_MAX: u32 = 2;
/// So often, and nobody has sent it again: nobody keeps it.
const GIVEN_UP: u32 = 5;
/// A page that says hello again is not reason enough to ask the server within this time.
const FRESH: Duration = Duration::from_secs(5);
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

fn page_path(session: &str, epoch: LogEpoch, after: u64) -> String {
    let mut path = String::from("/v1/events?kind=patch&limit=500&session=");
    escape(&mut path, session);
    path.push_str("&epoch=");
    path.push_str(&epoch.text());
    path.push_str("&after=");
    path.push_str(&decimal(after));
    path
}

fn snapshot_path(session: &str, after: &str) -> String {
    let mut path = String::from("/v1/state?session=");
    escape(&mut path, session);
    if !after.is_empty() {
        path.push_str("&after=");
        escape(&mut path, after);
    }
    path
}

#[cfg(test)]
mod tests;
