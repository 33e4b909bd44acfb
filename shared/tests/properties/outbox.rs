//! The coordinator between a disk, a server and a model of both, and whatever befalls them.
//!
//! The model knows what was appended and what the server took. It never asks the coordinator how it stands.

mod chain;
mod disk;
mod server;
mod wipe;

use std::collections::{BTreeMap, BTreeSet};

use bellwether_shared::base::{
    Culprit, EventId, Fault, Mono, Now, PageId, RequestId, Wall, limits,
};
use bellwether_shared::bus::{Change, Request};
use bellwether_shared::coordinator::{Client, Coordinator, Effect, Input, Trigger};
use bellwether_shared::rows::{DoneRow, JournalRow, Options, Store, StreamKey, read};
use bellwether_shared::wire::{Lane, Outcome, Push, from_cbor, to_cbor};
use proptest::prelude::*;
use proptest::sample::Index;

use self::disk::Disk;
use self::server::{Mood, Server, id_of, sealed};

/// One thing that befalls the device. Listed in the order in which a failing case is simplest.
#[derive(Debug, Clone)]
enum Step {
    /// A page appends an event to one of the streams; its type says what the server will think of it.
    Append { stream: usize, type_: &'static str },
    /// A page appends an event that comes after another, or after itself.
    AppendAfter { stream: usize, type_: &'static str, after: Index, release: bool },
    /// An event is appended once more, as when a closing page does not know that it was.
    AppendAgain(Index),
    /// What is under way goes on until nothing is left.
    Settle,
    /// One thing that is under way is done.
    Do(Index),
    /// Time passes, and the alarm rings.
    Pass { ms: u64 },
    /// How the server is from here on.
    Become(Mood),
    /// The next transaction is refused.
    RefuseCommit,
    /// The worker is killed. Perhaps the transaction under way completes, and what is on the wire arrives.
    Kill { commits: bool, arrives: bool },
    /// The server loses everything.
    Wipe,
    /// A row that nobody can read.
    AppendGarbage,
    /// A page asks for something.
    Ask(Ask),
}

#[derive(Debug, Clone, Copy)]
enum Ask {
    Pause(bool),
    Flush,
    RetryAll,
    Cancel(Index),
    Replace(Index),
    EditAll,
}

fn step() -> impl Strategy<Value = Step> {
    let type_ = prop::sample::select(vec![
        "plain", "plain", "plain", "plain", "plain", "refuse", "later", "poison", "ping",
    ]);
    prop_oneof![
        8 => (0..STREAMS.len(), type_).prop_map(|(stream, type_)| Step::Append { stream, type_ }),
        3 => (0..STREAMS.len(), prop::sample::select(vec!["plain", "refuse"]), any::<Index>(), any::<bool>())
            .prop_map(|(stream, type_, after, release)| Step::AppendAfter { stream, type_, after, release }),
        1 => any::<Index>().prop_map(Step::AppendAgain),
        4 => Just(Step::Settle),
        8 => any::<Index>().prop_map(Step::Do),
        3 => (0..40_000_u64).prop_map(|ms| Step::Pass { ms }),
        4 => server::mood().prop_map(Step::Become),
        1 => Just(Step::RefuseCommit),
        2 => any::<(bool, bool)>().prop_map(|(commits, arrives)| Step::Kill { commits, arrives }),
        1 => Just(Step::Wipe),
        1 => Just(Step::AppendGarbage),
        1 => any::<bool>().prop_map(|on| Step::Ask(Ask::Pause(on))),
        1 => Just(Step::Ask(Ask::Flush)),
        1 => Just(Step::Ask(Ask::RetryAll)),
        2 => any::<Index>().prop_map(|which| Step::Ask(Ask::Cancel(which))),
        1 => any::<Index>().prop_map(|which| Step::Ask(Ask::Replace(which))),
        1 => Just(Step::Ask(Ask::EditAll)),
    ]
}

const STREAMS: [(&str, &str, Lane); 4] = [
    ("s", "ann", Lane::Normal),
    ("s", "ann", Lane::Bulk),
    ("s", "ben", Lane::Normal),
    ("t", "", Lane::Critical),
];

fn stream(at: usize) -> StreamKey {
    let (session, user, lane) = STREAMS[at];
    StreamKey { session: session.into(), user: user.into(), lane }
}

struct World {
    coordinator: Coordinator,
    disk: Disk,
    server: Server,
    /// What was asked for and is not done.
    under_way: Vec<Effect>,
    at_ms: u64,
    refuse_commit: bool,
    appended: BTreeMap<String, StreamKey>,
    /// What comes after what, and goes even if that fails.
    after: BTreeMap<String, (String, bool)>,
    /// What a page has asked to be cancelled.
    cancelled: BTreeSet<String>,
    /// What was appended more than once, and may have been sent so.
    repeated: BTreeSet<String>,
    requests: u64,
    /// Letters were sent again, and so are behind what was appended after them.
    retried: bool,
    /// The server has lost everything, and was sent it again.
    wiped: bool,
    /// A coordinator has asked for another.
    reborn: bool,
    batch_events: u32,
}

impl World {
    fn new(batch_events: u32) -> Self {
        let mut disk = Disk::new(Options { batch_events, ..Options::default() });
        Self {
            coordinator: disk.boot(at(0)),
            disk,
            server: Server::new(),
            under_way: Vec::new(),
            at_ms: 0,
            refuse_commit: false,
            appended: BTreeMap::new(),
            after: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            repeated: BTreeSet::new(),
            requests: 0,
            retried: false,
            wiped: false,
            reborn: false,
            batch_events,
        }
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Append { stream: at, type_ } => self.append(&stream(at), type_),
            Step::AppendAfter { stream: at, type_, after, release } => {
                let id = self.name(type_);
                let all: Vec<String> = self.appended.keys().cloned().chain([id.clone()]).collect();
                self.after.insert(id, (all[after.index(all.len())].clone(), release));
                self.append(&stream(at), type_);
            }
            Step::AppendAgain(_) if self.appended.is_empty() => {}
            Step::AppendAgain(which) => self.append_again(which.index(self.appended.len())),
            Step::Settle => self.settle(),
            Step::Do(_) if self.under_way.is_empty() => {}
            Step::Do(which) => self.do_one(which.index(self.under_way.len())),
            Step::Pass { ms } => {
                self.at_ms += ms;
                self.tell(Input::Timeout);
            }
            Step::Become(mood) => self.server.mood = mood,
            Step::RefuseCommit => self.refuse_commit = true,
            Step::Kill { commits, arrives } => self.kill(commits, arrives),
            Step::Wipe => {
                self.wiped = true;
                self.server.wipe();
            }
            Step::AppendGarbage => {
                self.disk.append(vec![0xa1, 0x00]);
                self.tell(Input::Trigger(Trigger::Start));
            }
            Step::Ask(ask) => self.ask(ask),
        }
    }

    fn append(&mut self, stream: &StreamKey, type_: &str) {
        let id = self.name(type_);
        self.appended.insert(id.clone(), stream.clone());
        self.append_row(&id);
    }

    fn name(&self, type_: &str) -> String {
        format!("{:03}-{type_}", self.appended.len())
    }

    fn append_again(&mut self, which: usize) {
        let id = self.appended.keys().nth(which).cloned().expect("it is one of them");
        self.repeated.insert(id.clone());
        self.append_row(&id);
    }

    fn append_row(&mut self, id: &str) {
        let sealed = self.seal(id, 10);
        let row = to_cbor(&JournalRow::new(&self.appended[id], &sealed, at(self.at_ms).wall));
        self.disk.append(row);
        self.tell(Input::Trigger(Trigger::Start));
    }

    fn seal(&self, id: &str, data: usize) -> Vec<u8> {
        let after = self.after.get(id).map(|(after, release)| (&**after, *release));
        sealed(id, data, after)
    }

    fn ask(&mut self, ask: Ask) {
        let change = |id: &str, sealed: Option<Vec<u8>>| {
            let id = EventId::new(id).expect("our own id");
            Change { id, sealed: sealed.map(Into::into) }
        };
        let all: Vec<String> = self.appended.keys().cloned().collect();
        let request = match ask {
            Ask::Pause(on) => Request::Pause { on },
            Ask::Flush => Request::Flush,
            Ask::RetryAll => Request::Retry { id: None },
            Ask::Cancel(_) | Ask::Replace(_) if all.is_empty() => return,
            Ask::Cancel(which) => {
                let id = &all[which.index(all.len())];
                self.cancelled.insert(id.clone());
                Request::Replace(change(id, None))
            }
            Ask::Replace(which) => {
                let id = &all[which.index(all.len())];
                Request::Replace(change(id, Some(self.seal(id, 20))))
            }
            Ask::EditAll => {
                for id in &self.disk.dead_ids() {
                    self.request(&Request::Edit(change(id, Some(self.seal(id, 30)))));
                }
                return;
            }
        };
        self.retried |= matches!(ask, Ask::RetryAll);
        self.request(&request);
    }

    fn request(&mut self, request: &Request) {
        self.requests += 1;
        let epoch = self.coordinator.epoch();
        let bytes = request.seal("test", PageId([5; 16]), RequestId(self.requests), epoch);
        self.tell(Input::Message { from: Client("page".into()), bytes });
    }

    fn tell(&mut self, input: Input) {
        self.coordinator.handle(at(self.at_ms), input);
        while let Some(effect) = self.coordinator.poll_effect() {
            if let Some(push) = pushed(&effect) {
                self.check(&push);
                let others = self.under_way.iter().filter_map(pushed);
                let same = others.filter(|other| other.stream == push.stream).count();
                assert_eq!(same, 0, "two batches of one stream are on the wire");
            }
            self.reborn |= effect == Effect::StartOver;
            if !matches!(
                effect,
                Effect::Send { .. }
                    | Effect::AskForSync
                    | Effect::Request { .. }
                    | Effect::WantToken { .. }
                    | Effect::Pull { .. }
                    | Effect::TellHook { .. }
                    | Effect::StartOver
            ) {
                self.under_way.push(effect);
            }
        }
    }

    /// What must hold of any push that leaves, whatever has happened before.
    fn check(&self, push: &Push) {
        if push.events.is_empty() {
            return;
        }
        assert!(push.events.len() <= self.batch_events as usize, "more events than the app allows");
        let bytes: usize = push.events.iter().map(|event| event.len()).sum();
        assert!(bytes <= limits::BATCH_BYTES_MAX || push.events.len() == 1, "too many bytes");
        assert_eq!(*push.head, chain::head_after(*push.previous, &push.events));
        assert_eq!(&push.signature[..], chain::signature(&chain::statement(push)));
        assert!(self.disk.has_sealed(&push.head[..]), "a batch leaves before it is on disk");
        let key = StreamKey {
            session: push.stream.session.clone(),
            user: push.stream.user.clone(),
            lane: push.stream.lane,
        };
        let ids: BTreeSet<String> = push.events.iter().map(|sealed| id_of(sealed)).collect();
        let is_whole = ids.len() == push.events.len();
        assert!(is_whole || push.former.is_some(), "an event twice in one batch");
        for sealed in &push.events {
            assert_eq!(self.appended.get(&id_of(sealed)), Some(&key), "not of this stream");
        }
    }

    /// Does one thing that is under way. Transactions are done in the order of asking.
    fn do_one(&mut self, which: usize) {
        let mut at = which;
        if matches!(self.under_way[at], Effect::Commit { .. }) {
            let first = self.under_way.iter().position(|it| matches!(it, Effect::Commit { .. }));
            at = first.expect("there is one");
        }
        let effect = self.under_way.remove(at);
        let fact = self.perform(effect);
        self.tell(fact);
        if core::mem::take(&mut self.reborn) {
            self.kill(true, true);
        }
    }

    fn settle(&mut self) {
        for _ in 0..SETTLES_MAX {
            if self.under_way.is_empty() {
                assert!(self.coordinator.is_quiet(), "it waits for what will not come");
                return;
            }
            self.do_one(0);
        }
        panic!("it does not come to rest: {:?}", self.under_way);
    }

    fn perform(&mut self, effect: Effect) -> Input {
        match effect {
            Effect::Commit { ticket, batch } => {
                assert_eq!(batch.epoch, self.coordinator.epoch());
                if core::mem::take(&mut self.refuse_commit) {
                    let fault = Fault::new("store-quota", Culprit::Browser, "the disk is full");
                    return Input::CommitFailed { ticket, fault };
                }
                batch.ops.into_iter().for_each(|op| self.disk.write(op));
                Input::Committed(ticket)
            }
            Effect::Sign { ticket, statement } => {
                Input::Signed { ticket, signature: Some(chain::signature(&statement).to_vec()) }
            }
            Effect::Push { ticket, ref body, .. } => {
                let push = from_cbor(body, limits::PUSH_BYTES_MAX).expect("it was checked");
                let response = self.server.handle(&push, at(self.at_ms).wall);
                Input::Response { ticket, response }
            }
            Effect::ReadJournal { after, limit } => {
                // In small pages, so that a page ends in the middle of anything.
                let (rows, ended) = self.disk.journal_after(after, limit.min(3));
                Input::Journal { rows, ended }
            }
            Effect::ReadRetained { ticket, store, after, limit } => {
                Input::Retained { ticket, rows: self.disk.numbered(store, after, limit) }
            }
            // No page of this device shows anything.
            Effect::ReadDocument { ticket, .. } => Input::Document { ticket, rows: Vec::new() },
            Effect::Resolve { ticket, .. } => Input::Resolution { ticket, made: None },
            Effect::ReadOld { store, limit } => {
                Input::Old { store, rows: self.disk.numbered(store, 0, limit) }
            }
            Effect::ListClients => Input::Clients(Vec::new()),
            Effect::Send { .. }
            | Effect::AskForSync
            | Effect::Request { .. }
            | Effect::WantToken { .. }
            | Effect::Pull { .. }
            | Effect::TellHook { .. }
            | Effect::StartOver => {
                unreachable!("nobody waits for these")
            }
        }
    }

    fn kill(&mut self, commits: bool, arrives: bool) {
        let under_way = core::mem::take(&mut self.under_way);
        let mut commits = commits;
        for effect in under_way {
            if let (Some(push), true) = (pushed(&effect), arrives) {
                self.server.handle(&push, at(self.at_ms).wall);
            } else if let (Effect::Commit { batch, .. }, true) = (effect, commits) {
                commits = false;
                batch.ops.into_iter().for_each(|op| self.disk.write(op));
            }
        }
        self.coordinator = self.disk.boot(at(self.at_ms));
        self.tell(Input::Device(self.disk.device()));
    }

    /// What was filed as taken out, each for a reason that the model knows.
    fn struck(&self) -> BTreeSet<String> {
        let mut struck = BTreeSet::new();
        for (_, row) in self.disk.numbered(Store::Done, 0, u32::MAX) {
            let row: DoneRow = read(&row).expect("our own row");
            for entry in row.entries {
                let id = entry.id.as_str().to_owned();
                match entry.code.as_deref() {
                    Some("cancelled") => {
                        assert!(self.cancelled.contains(&id), "nobody asked for that of {id}");
                    }
                    Some("superseded") => {
                        let later = |(other, key): (&String, &StreamKey)| {
                            *other > id && other.ends_with("ping") && *key == self.appended[&id]
                        };
                        let is_last = !self.appended.iter().any(later);
                        let again = !self.repeated.is_empty();
                        assert!(id.ends_with("ping") && (!is_last || again), "{id} is the last");
                    }
                    Some(_) | None => continue,
                }
                struck.insert(id);
            }
        }
        struck
    }

    /// The weather clears, and time passes until there is nothing left to wait for.
    fn clear_up(&mut self) {
        self.server.mood = Mood::Well;
        self.server.takes_all = true;
        self.refuse_commit = false;
        self.ask(Ask::Pause(false));
        // Each session is pushed to once more, so that it is learnt whether its log still lives.
        (0..STREAMS.len()).for_each(|at| self.append(&stream(at), "plain"));
        for _ in 0..WAITS_MAX {
            self.settle();
            let now = at(self.at_ms);
            let Some(next) = self.coordinator.poll_timeout(now) else { break };
            self.at_ms = self.at_ms.max(next.0);
            self.tell(Input::Timeout);
        }
    }
}

/// The push that an effect asks for.
fn pushed(effect: &Effect) -> Option<Push> {
    let Effect::Push { body, .. } = effect else { return None };
    Some(from_cbor(body, limits::PUSH_BYTES_MAX).expect("a push within its bound can be read"))
}

fn at(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_790_000_000_000 + ms) }
}

const SETTLES_MAX: usize = 5_000;
const WAITS_MAX: usize = 400;

proptest! {
    #![proptest_config(crate::cases(128))]

    /// Whatever is killed, lost, refused, wiped or lied about: what leaves is sealed on disk, chained and signed; one
    /// batch of a stream is on the wire; and once the weather clears, each event is in the log once and in order, or a
    /// letter, and its outcome was filed once.
    #[test]
    fn each_event_ends_once_whatever_befalls_the_device(
        steps in prop::collection::vec(step(), 1..60), batch_events in 1..7_u32,
    ) {
        let mut world = World::new(batch_events);
        world.tell(Input::Device(world.disk.device()));
        steps.into_iter().for_each(|step| world.play(step));
        world.clear_up();
        // What was to be set aside, and the disk refused to, is found again by the next boot.
        world.kill(false, false);
        world.clear_up();

        prop_assert_eq!(world.disk.journal_after(0, 9).0, Vec::new(), "the journal is empty");
        let letters: BTreeSet<String> = world.disk.dead_ids();
        let struck = world.struck();
        for (id, key) in &world.appended {
            let times = world.server.log(&key.session).filter(|logged| *logged == id).count();
            let is_letter = letters.contains(id);
            let is_struck = struck.contains(id);
            prop_assert!(times == 1 || (times == 0 && (is_letter || is_struck)), "{} is there {} times", id, times);
            let both = is_struck && (times > 0 || is_letter);
            prop_assert!(!both || world.repeated.contains(id), "{} was taken out, and sent", id);
        }
        for key in (0..STREAMS.len()).map(stream).filter(|_| !world.retried) {
            // What was taken out, and appended once more after that, is behind what came in between.
            let of_stream = |id: &&String| world.appended.get(*id) == Some(&key) && !struck.contains(*id);
            let log: Vec<&String> = world.server.log(&key.session).filter(of_stream).collect();
            prop_assert!(log.is_sorted(), "out of order: {:?}", log);
        }
        // What was sent again to a server that had lost it comes in any order, and so does what was appended twice.
        for (id, (after, _)) in world.after.iter().filter(|_| !world.wiped && !world.retried && world.repeated.is_empty()) {
            let log: Vec<&String> = world.server.log(&world.appended[id].session).collect();
            let place = |id| log.iter().position(|logged| *logged == id);
            if let (Some(dependent), Some(first)) = (place(id), place(after)) {
                prop_assert!(first <= dependent, "{} overtakes {}", id, after);
            }
        }
        let mut filed = BTreeSet::new();
        for (_, row) in world.disk.numbered(Store::Done, 0, u32::MAX) {
            let row: DoneRow = read(&row).expect("our own row");
            for entry in row.entries.iter().filter(|entry| entry.outcome != Outcome::REFUSED) {
                let id = entry.id.as_str();
                let first = filed.insert(id.to_owned()) || world.repeated.contains(id);
                prop_assert!(first, "{} was filed twice", entry.id);
            }
        }
    }
}
