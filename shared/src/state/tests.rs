//! The document machine against a server that is told in a few lines, and a disk that is a map.

use std::collections::BTreeMap;

use super::*;
use crate::base::{PageId, Stamp};
use crate::rows::{EntryRow, FoldRow, JournalRow, Place, Store, document_prefix, read};
use crate::rules::document::{self, Author, Entry};
use crate::rules::patch::{Base, Patch, Write};
use crate::wire::{
    Event, EventFlags, EventKind, Lane, LogEvent, Outcome, PATCH_TYPE, decode, to_cbor,
};

fn at(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_000_000 + ms) }
}

fn identity() -> Identity {
    Identity { session: "s".into(), user: "ann".into() }
}

fn stream() -> StreamKey {
    StreamKey { session: "s".into(), user: "ann".into(), lane: Lane::Normal }
}

fn id(name: &str) -> EventId {
    EventId::new(name).expect("tests use fit ids")
}

fn sealed(name: &str, stamp: u64, key: &str, value: &str, base: Option<Base>) -> Vec<u8> {
    let write = Write { key, path: Vec::new(), value: Some(value.as_bytes()), base };
    let data = to_cbor(&Patch { writes: vec![write] });
    to_cbor(&Event {
        id: id(name),
        kind: EventKind::Patch,
        type_: PATCH_TYPE,
        key: None,
        data: Some(&data),
        schema: 0,
        stamp: Stamp(stamp),
        page: PageId([1; 16]),
        at: Wall(0),
        correlation: None,
        after: None,
        binds: None,
        flags: Some(EventFlags::RESOLVE),
    })
}

/// What the app's hook in the worker makes of two.
type Hook = fn(&Dispute) -> Option<Vec<u8>>;

/// A server's log of patches alone, its document, and the device beside it.
struct World {
    state: State,
    rows: BTreeMap<Key, Vec<u8>>,
    epoch: LogEpoch,
    log: Vec<Vec<u8>>,
    floor: u64,
    entries: BTreeMap<Box<str>, Entry>,
    refuses: bool,
    /// What the worker's hook makes of a dispute, whether it is there, and how often it was asked.
    hook: Option<Hook>,
    asked: u32,
    /// A page makes one of two itself.
    page_resolves: bool,
    /// The hook takes its time, and what it will say.
    thinks: bool,
    thought: Vec<(Ticket, Option<Vec<Vec<u8>>>)>,
    last: u64,
    told: Vec<String>,
    /// A page that is told of it all, and how often it did not have to read the disk.
    mirror: Mirror,
    folded: usize,
    ms: u64,
}

impl World {
    fn new(served: bool) -> Self {
        Self {
            state: State::new(served, 7),
            rows: BTreeMap::new(),
            epoch: LogEpoch([1; 16]),
            log: Vec::new(),
            floor: 0,
            entries: BTreeMap::new(),
            refuses: false,
            hook: None,
            asked: 0,
            page_resolves: false,
            thinks: false,
            thought: Vec::new(),
            last: 0,
            told: Vec::new(),
            mirror: Mirror::new("s"),
            folded: 0,
            ms: 0,
        }
    }

    /// Somebody writes at the server. Gives the offset.
    fn write(&mut self, sealed: Vec<u8>) -> u64 {
        let event: Event<'_> = decode(&sealed).expect("our own event");
        let patch: Patch<'_> = decode(event.data.expect("it is a patch")).expect("our own patch");
        let version = self.log.len() as u64 + 1;
        let (made, page) = (event.stamp, event.page);
        let author = Author { id: &event.id, made, page, taken_at: Wall(version), version };
        let changed = document::fold(|key| self.entries.get(key).cloned(), &patch, author);
        self.entries.extend(changed.iter().map(|(key, entry)| (key.clone(), entry.clone())));
        self.log.push(sealed);
        version
    }

    /// The server takes a patch of this device.
    fn take(&mut self, sealed: Vec<u8>) {
        self.hear_of_taken(sealed);
        self.go();
    }

    /// The same, and nothing is done about it yet.
    fn hear_of_taken(&mut self, sealed: Vec<u8>) {
        let offset = self.write(sealed.clone());
        let (identity, epoch, span) = (identity(), self.epoch, Some((offset, offset)));
        let (patches, at) = (vec![(offset, sealed)], Wall(offset));
        let (over, losers) = (Vec::new(), Vec::new());
        self.state.on_taken(Taken { identity, epoch, span, patches, at, over, losers });
    }

    fn answer(&self, path: &str) -> Pulled {
        let argument = |name: &str| {
            path.split(['?', '&']).find_map(|part| part.strip_prefix(name)).map(str::to_owned)
        };
        if path.starts_with("/v1/state") {
            let after = argument("after=").unwrap_or_default();
            let rest = self.entries.iter().filter(|(key, _)| ***key > *after);
            let mut entries = rest.map(|(key, entry)| (key.clone(), to_cbor(entry).into()));
            let entries: Vec<_> = entries.by_ref().take(2).collect();
            let last = entries.last().map(|(key, _): &(Box<str>, _)| key.clone());
            let more = last.is_some_and(|last| self.entries.keys().any(|key| *key > last));
            let (epoch, head) = (self.epoch, self.log.len() as u64);
            return Pulled::Snapshot(Snapshot { epoch, head, entries, more });
        }
        if argument("epoch=") != Some(self.epoch.text()) {
            return Pulled::Anew;
        }
        let after: u64 = argument("after=").and_then(|it| it.parse().ok()).expect("it is asked");
        let events = (1..).zip(&self.log).filter(|(offset, _)| *offset > after);
        let events = events.take(2).map(|(offset, sealed)| LogEvent {
            offset,
            device: crate::base::DeviceId([0; 16]),
            incarnation: crate::base::Incarnation([0; 16]),
            user: "".into(),
            lane: Lane::Normal,
            seq: crate::base::Seq(1),
            taken_at: Wall(offset),
            sealed: sealed.clone().into(),
            bound: None,
        });
        let events: Vec<_> = events.collect();
        let head = self.log.len() as u64;
        let more = events.last().is_some_and(|event| event.offset < head);
        let (epoch, floor) = (self.epoch, self.floor);
        Pulled::Page(LogPage { epoch, events, head, floor, more, through: None })
    }

    fn go(&mut self) {
        loop {
            self.ms += 1;
            let now = at(self.ms);
            let last = &mut self.last;
            let tickets = &mut || {
                *last += 1;
                Ticket(*last)
            };
            self.state.go(now, tickets);
            let Some(effect) = self.state.poll_effect() else {
                if !self.ask(now) || self.thinks {
                    return;
                }
                continue;
            };
            match effect {
                Effect::Load { ticket, session } => {
                    let prefix = document_prefix(&session);
                    let of = |(key, row): (&Key, &Vec<u8>)| (key.clone(), row.clone());
                    let rows = self.rows.iter().map(of).filter(
                        |(key, _)| matches!(key, Key::Text(text) if text.starts_with(&prefix)),
                    );
                    let rows: Vec<_> = rows.collect();
                    self.state.on_loaded(ticket, &rows);
                }
                Effect::Pull { ticket, path, .. } => {
                    let answer = self.answer(&path);
                    self.state.on_pulled(now, ticket, answer);
                }
                Effect::Commit { ticket, .. } if core::mem::take(&mut self.refuses) => {
                    self.told.push("refused".into());
                    self.state.on_commit_failed(now, ticket);
                    self.ms += 10_000;
                }
                Effect::Commit { ticket, ops, outcomes } => {
                    self.told.extend(
                        outcomes
                            .iter()
                            .map(|(_, entry)| format!("{} {:?}", entry.id, entry.outcome)),
                    );
                    for op in ops {
                        match op {
                            Op::Put { store: Store::Document, key, row } => {
                                self.rows.insert(key, row);
                            }
                            Op::Delete { store: Store::Document, key } => {
                                self.rows.remove(&key);
                            }
                            Op::Append { row } => {
                                self.told.push("appended".into());
                                let row: JournalRow<'_> = read(&row).expect("our own row");
                                if self.hook.is_some() {
                                    self.state.on_row(row.stream(), 100, row.sealed);
                                }
                            }
                            Op::DeleteSpan { from, through, .. } => {
                                self.told.push(format!("-{from}..{through}"));
                            }
                            Op::Put { .. } | Op::Delete { .. } => panic!("of no other store"),
                        }
                    }
                    self.state.on_committed(ticket);
                }
                Effect::Changed { mut keys, over, folded, .. } => {
                    self.is_told(now, &over, folded);
                    keys.sort();
                    let over = over.iter().map(|over| match &over.refused {
                        Some(reason) => format!("{} {}", over.id, reason.code),
                        None => over.id.to_string(),
                    });
                    let over: Vec<_> = over.collect();
                    self.told.push(format!("{} changed, over: {}", keys.join(" "), over.join(" ")));
                }
                Effect::Renewed { .. } => self.told.push("renewed".into()),
                Effect::GoneBack { .. } => self.told.push("gone back".into()),
                Effect::Settled(ticket, fault) => {
                    let code = fault.map_or("".into(), |fault| fault.code);
                    self.told.push(format!("settled {} {code}", ticket.0));
                }
            }
        }
    }

    /// The hook is asked whatever it can be asked at once, and answers, unless it `thinks`.
    fn ask(&mut self, now: Now) -> bool {
        let before = self.asked;
        let page_resolves = self.page_resolves;
        while let Some((identity, id)) = self.state.dispute(&|_| !page_resolves) {
            self.asked += 1;
            let ticket = Ticket(10_000 + u64::from(self.asked));
            self.state.ask(ticket, &identity.session);
            self.thought.push((ticket, self.make_of_two(now, &identity, &id)));
        }
        if !self.thinks {
            self.answer_all();
        }
        self.asked > before
    }

    fn answer_all(&mut self) {
        let page_resolves = self.page_resolves;
        for (ticket, made) in core::mem::take(&mut self.thought) {
            self.state.on_resolution(ticket, made, &|_| !page_resolves);
        }
    }

    /// It has thought enough.
    fn says(&mut self) {
        assert!(!self.thought.is_empty(), "it was not asked");
        self.answer_all();
        self.go();
    }

    fn make_of_two(&self, now: Now, identity: &Identity, loser: &EventId) -> Option<Vec<Vec<u8>>> {
        let rows: Vec<_> = self.rows.clone().into_iter().collect();
        let disputes = disputes(&identity.session, &rows, loser)?;
        let hook = self.hook?;
        let made: Option<Vec<_>> =
            disputes.into_iter().map(|it| hook(&it).map(|made| (it, Some(made)))).collect();
        let new = id(&format!("made-{}", self.asked));
        Some(vec![resolution(now, identity, PageId([9; 16]), &new, &made?)?])
    }

    /// A page is told, and shows then what one shows that reads the disk.
    fn is_told(&mut self, now: Now, over: &[Over], folded: Option<Folded>) {
        let rows: Vec<_> = self.rows.clone().into_iter().collect();
        let seen = folded.and_then(|folded| self.mirror.on_folded(now, over, &folded));
        match seen {
            Some(_) => self.folded += 1,
            None => drop(self.mirror.on_changed(now, over, &rows)),
        }
        let mut fresh = Mirror::new("s");
        fresh.on_changed(now, &[], &rows);
        let shows = |mirror: &Mirror| {
            let entries = mirror.keys().into_iter().map(|key| {
                let entry = mirror.get(&key).cloned();
                (key, entry)
            });
            (mirror.version(), mirror.losers().to_vec(), entries.collect::<BTreeMap<_, _>>())
        };
        assert_eq!(shows(&self.mirror), shows(&fresh));
    }

    fn told(&mut self) -> Vec<String> {
        core::mem::take(&mut self.told)
    }

    /// What the disk has of a key, and how far it is known.
    fn shown(&self) -> (BTreeMap<Box<str>, Entry>, u64, usize) {
        let prefix = document_prefix("s");
        let mut entries = BTreeMap::new();
        let (mut offset, mut ahead) = (0, 0);
        for (key, row) in &self.rows {
            match Place::of(key, &prefix).expect("it is of the session") {
                Place::Fold => offset = read::<FoldRow>(row).expect("our own row").offset,
                Place::Key(key) => {
                    let row = read::<EntryRow>(row).expect("our own row");
                    entries.insert(key.into(), row.entry);
                }
                Place::Ahead(_) => ahead += 1,
                Place::Loser(_) => {}
            }
        }
        (entries, offset, ahead)
    }

    fn agrees(&self) {
        assert_eq!(self.shown(), (self.entries.clone(), self.log.len() as u64, 0));
    }
}

#[test]
fn a_page_that_comes_has_all_of_the_document_in_parts() {
    let mut world = World::new(true);
    for key in ["a", "b", "c", "d", "e"] {
        world.write(sealed(key, 5, key, "1", None));
    }
    world.state.on_wanted(at(0), &identity());
    world.go();
    world.agrees();
    assert_eq!(world.told(), ["a b c d e changed, over: "]);
}

#[test]
fn what_is_new_is_pulled_page_by_page_and_folded_in_its_order() {
    let mut world = World::new(true);
    world.state.on_wanted(at(0), &identity());
    world.go();
    for name in ["e1", "e2", "e3", "e4", "e5"] {
        world.write(sealed(name, 5, "k", "1", None));
    }
    world.state.on_news(&identity(), None, Some(Ticket(99)));
    world.go();
    world.agrees();
    let told = world.told().join("; ");
    assert!(told.ends_with("settled 99 "), "{told}");
    assert!(world.folded > 0, "the page did not have to read the disk each time");
}

#[test]
fn a_patch_of_ours_is_folded_without_asking_if_it_follows() {
    let mut world = World::new(true);
    world.state.on_wanted(at(0), &identity());
    world.go();
    world.take(sealed("mine", 5, "k", "1", None));
    world.agrees();
    assert_eq!(world.told(), ["k changed, over: mine"]);
}

#[test]
fn one_that_does_not_follow_waits_as_a_row_until_what_lies_between_is_there() {
    let mut world = World::new(true);
    world.state.on_wanted(at(0), &identity());
    world.go();
    world.write(sealed("theirs", 9, "k", "2", None));
    let offset = world.write(sealed("mine", 5, "k", "1", None));
    let (identity, epoch, span) = (identity(), world.epoch, Some((offset, offset)));
    let patches = vec![(offset, sealed("mine", 5, "k", "1", None))];
    let (over, losers) = (Vec::new(), Vec::new());
    world.state.on_taken(Taken { identity, epoch, span, patches, at: Wall(1), over, losers });
    let now = at(5);
    world.state.go(now, &mut || Ticket(50));
    let Some(Effect::Commit { ops, .. }) = world.state.poll_effect() else { panic!("a row") };
    assert!(matches!(&ops[..], [Op::Put { store: Store::Document, key, .. }]
        if matches!(Place::named(key), Some(Place::Ahead(2)))));
    world.state.on_committed(Ticket(50));
    world.go();
    world.agrees();
}

#[test]
fn what_is_written_beside_the_keys_sends_pages_to_the_disk() {
    let mut world = World::new(true);
    world.state.on_wanted(at(0), &identity());
    world.go();
    world.take(sealed("e1", 5, "k", "1", None));
    let told = world.folded;
    world.hear_of_taken(sealed("e2", 6, "k", "2", None));
    world.write(sealed("theirs", 7, "l", "1", None));
    // It does not follow, and becomes a row of its own in the same transaction.
    world.hear_of_taken(sealed("e3", 8, "m", "1", None));
    world.go();
    world.agrees();
    world.take(sealed("e4", 9, "k", "3", None));
    world.agrees();
    assert!(world.folded > told, "afterwards pages are told again");
}

#[test]
fn a_log_that_lives_another_life_or_keeps_too_little_is_read_from_its_document() {
    let mut world = World::new(true);
    world.write(sealed("e1", 5, "a", "1", None));
    world.state.on_wanted(at(0), &identity());
    world.go();

    world.write(sealed("e2", 5, "b", "1", None));
    world.floor = 2;
    world.state.on_news(&identity(), None, None);
    world.go();
    world.agrees();

    world.told();
    (world.epoch, world.floor) = (LogEpoch([2; 16]), 0);
    (world.log, world.entries) = (Vec::new(), BTreeMap::new());
    world.write(sealed("e3", 5, "b", "3", None));
    world.state.on_news(&identity(), None, None);
    world.go();
    world.agrees();
    assert_eq!(world.told(), ["renewed", "a b changed, over: "]);
}

#[test]
fn a_disk_that_refuses_is_read_again_and_loses_nothing() {
    let mut world = World::new(true);
    world.state.on_wanted(at(0), &identity());
    world.go();
    world.refuses = true;
    world.take(sealed("mine", 5, "k", "1", None));
    world.ms += 2_000;
    world.go();
    world.agrees();

    let mut alone = World::new(false);
    alone.refuses = true;
    alone.state.on_row(stream(), 4, &sealed("mine", 5, "k", "1", None));
    alone.go();
    alone.ms += 2_000;
    alone.go();
    assert_eq!(alone.told().last().map(String::as_str), Some("k changed, over: mine"));
    assert_eq!(alone.shown().0.len(), 1);
}

#[test]
fn without_a_server_the_coordinator_takes_and_refuses_like_one() {
    let mut world = World::new(false);
    let base = |version, after| Some(Base { version, after });
    world.state.on_row(stream(), 1, &sealed("e1", 5, "k", "1", base(0, None)));
    world.state.on_row(stream(), 2, &sealed("e2", 6, "k", "2", base(0, None)));
    world.state.on_row(stream(), 3, &sealed("e3", 7, "k", "3", base(0, Some(id("e1")))));
    world.state.on_row(stream(), 4, &sealed("e3", 7, "k", "3", base(0, Some(id("e1")))));
    world.go();
    let told = world.told();
    let outcomes: Vec<&str> =
        told.iter().filter(|line| line.contains("Outcome")).map(|line| line.as_str()).collect();
    let shown = |name: &str, outcome: Outcome| format!("{name} {outcome:?}");
    assert_eq!(
        outcomes,
        [
            shown("e1", Outcome::ACCEPTED),
            shown("e2", Outcome::REFUSED),
            shown("e3", Outcome::ACCEPTED),
            shown("e3", Outcome::DUPLICATE),
        ]
    );
    let spans: Vec<&String> = told.iter().filter(|line| line.starts_with('-')).collect();
    assert_eq!(spans, ["-1..4"]);
    assert_eq!(
        told.last().map(String::as_str),
        Some("k changed, over: e1 e2 state-conflict e3 e3")
    );
    assert!(world.rows.keys().any(|key| Place::named(key) == Some(Place::Loser("e2"))));
    world.state.on_resolved(&identity(), &id("e2"));
    world.go();
    assert!(!world.rows.keys().any(|key| Place::named(key) == Some(Place::Loser("e2"))));
}

/// Two writes to `k` on the same base, of which the second has lost.
fn disputed(hook: Option<Hook>, page_resolves: bool) -> World {
    let mut world = World { hook, page_resolves, ..World::new(false) };
    let base = Some(Base { version: 0, after: None });
    world.state.on_row(stream(), 1, &sealed("e1", 5, "k", "1", base.clone()));
    world.state.on_row(stream(), 2, &sealed("e2", 6, "k", "2", base));
    world.go();
    world
}

fn both(dispute: &Dispute) -> Option<Vec<u8>> {
    let [remote, local] =
        [&dispute.remote, &dispute.local].map(|it| it.as_deref().unwrap_or_default());
    Some([b"[", remote, b",", local, b"]"].concat())
}

fn value(world: &World, key: &str) -> String {
    let (entries, ..) = world.shown();
    let value = entries[key].leaves[0].value.as_deref().expect("it is there");
    String::from_utf8(value.clone()).expect("JSON")
}

fn losers(world: &World) -> usize {
    let is_loser = |key: &&Key| matches!(Place::named(key), Some(Place::Loser(_)));
    world.rows.keys().filter(is_loser).count()
}

#[test]
fn the_workers_hook_makes_one_of_two_where_no_page_does() {
    let world = disputed(Some(both), false);
    assert_eq!((&*value(&world, "k"), losers(&world), world.asked), ("[1,2]", 0, 1));
    let mut world = disputed(Some(both), true);
    assert_eq!((losers(&world), world.asked), (1, 0), "a page does");
    world.page_resolves = false;
    world.go();
    assert_eq!((losers(&world), world.asked), (0, 1), "that page has gone");
}

#[test]
fn a_conflict_of_which_the_hook_makes_nothing_waits_for_the_next_coordinator() {
    for hook in [None, Some((|_| None) as Hook)] {
        let mut world = disputed(hook, false);
        world.go();
        assert_eq!((losers(&world), world.asked), (1, 1));
        let mut next = World { state: State::new(false, 7), ..world };
        next.hook = Some(|dispute| dispute.local.clone());
        next.state.on_wanted(at(0), &identity());
        next.go();
        assert_eq!((&*value(&next, "k"), losers(&next), next.asked), ("2", 0, 2));
    }
}

#[test]
fn a_hook_that_others_are_always_faster_than_is_not_asked_without_end() {
    let mut world = World { thinks: true, ..disputed(Some(|it| it.local.clone()), true) };
    world.page_resolves = false;
    for round in 0..20 {
        world.go();
        if world.thought.is_empty() {
            break;
        }
        let faster = sealed(&format!("f{round}"), 9 + round, "k", "9", None);
        world.state.on_row(stream(), 10 + round, &faster);
        world.go();
        world.says();
    }
    assert_eq!((losers(&world), world.asked), (1, 5));
}

#[test]
fn of_several_that_have_lost_each_is_built_on_what_was_made_of_the_one_before() {
    let mut world = World { page_resolves: true, hook: Some(both), ..World::new(false) };
    let base = Some(Base { version: 0, after: None });
    for n in 0..9 {
        let name = format!("e{n}");
        world.state.on_row(stream(), n, &sealed(&name, 5 + n, "k", &n.to_string(), base.clone()));
    }
    world.go();
    assert_eq!(losers(&world), 8);
    world.page_resolves = false;
    world.go();
    assert_eq!(value(&world, "k"), "[[[[[[[[0,1],2],3],4],5],6],7],8]");
    assert_eq!((losers(&world), world.asked), (0, 8));
}

#[test]
fn a_disk_that_fails_while_the_hook_thinks_has_it_asked_no_second_time() {
    let mut world = World { thinks: true, ..disputed(Some(both), true) };
    world.page_resolves = false;
    world.go();
    world.refuses = true;
    world.state.on_row(stream(), 3, &sealed("e3", 7, "l", "3", None));
    world.go();
    assert!(world.told().contains(&"refused".into()));
    world.go();
    assert_eq!((losers(&world), world.asked), (1, 1));
    world.says();
    assert_eq!((&*value(&world, "k"), losers(&world), world.asked), ("[1,2]", 0, 1));
    // What it has made could not be written: it is asked once more.
    let mut world = World { thinks: true, ..disputed(Some(both), true) };
    world.page_resolves = false;
    world.go();
    world.refuses = true;
    world.says();
    world.ms += 10_000;
    world.go();
    assert_eq!((losers(&world), world.asked), (1, 2));
    world.says();
    assert_eq!((&*value(&world, "k"), losers(&world)), ("[1,2]", 0));
}

#[test]
fn what_the_hook_makes_while_a_page_has_come_that_does_so_is_left_out() {
    let mut world = World { thinks: true, ..disputed(Some(both), true) };
    world.page_resolves = false;
    world.go();
    world.page_resolves = true;
    world.says();
    assert_eq!((&*value(&world, "k"), losers(&world), world.asked), ("1", 1, 1));
    // That page goes without having made anything.
    world.page_resolves = false;
    world.go();
    world.says();
    assert_eq!((&*value(&world, "k"), losers(&world), world.asked), ("[1,2]", 0, 2));
    // Or it has, before the hook said something.
    let mut world = World { thinks: true, ..disputed(Some(both), true) };
    world.page_resolves = false;
    world.go();
    world.state.on_resolved(&identity(), &id("e2"));
    world.says();
    assert_eq!((&*value(&world, "k"), losers(&world), world.asked), ("1", 0, 1));
}

#[test]
fn what_could_not_be_read_for_the_hook_is_tried_again_later() {
    let mut world = World { thinks: true, ..disputed(Some(both), true) };
    world.page_resolves = false;
    world.go();
    let (ticket, _) = world.thought.pop().expect("it was asked");
    assert!(world.state.on_load_failed(at(world.ms), ticket));
    world.go();
    let due = world.state.poll_timeout(at(world.ms)).expect("it is tried again");
    assert_eq!(world.asked, 1);
    world.ms = due.0;
    world.go();
    world.says();
    assert_eq!((&*value(&world, "k"), losers(&world), world.asked), ("[1,2]", 0, 2));
}

#[test]
fn what_the_hook_makes_leaves_in_the_name_of_whose_patch_it_was() {
    let bob = StreamKey { user: "bob".into(), ..stream() };
    let mut world = World { page_resolves: true, ..World::new(false) };
    let base = Some(Base { version: 0, after: None });
    world.state.on_row(stream(), 1, &sealed("e1", 5, "k", "1", base.clone()));
    world.state.on_row(bob, 2, &sealed("e2", 6, "k", "2", base));
    world.state.on_wanted(at(0), &identity());
    world.go();
    let asks = |world: &World| world.state.dispute(&|_| true).map(|(identity, _)| identity.user);
    assert_eq!(asks(&world).as_deref(), Some("bob"));
    let mut next = World { state: State::new(false, 7), ..world };
    next.state.on_wanted(at(0), &identity());
    next.go();
    assert_eq!(asks(&next).as_deref(), Some("bob"), "the disk says so, too");
}

#[test]
fn what_was_written_in_parts_is_left_to_pages() {
    let mut world = World { hook: Some(|_| panic!("it is not asked")), ..World::new(false) };
    let part = |name: &str, path: Vec<&str>, base| {
        let data =
            to_cbor(&Patch { writes: vec![Write { key: "k", path, value: Some(b"1"), base }] });
        let event = sealed(name, 5, "k", "1", None);
        let event: Event<'_> = decode(&event).expect("our own event");
        to_cbor(&Event { data: Some(&data), ..event })
    };
    let base = Some(Base { version: 0, after: None });
    world.state.on_row(stream(), 1, &part("e1", vec!["a"], None));
    world.state.on_row(stream(), 2, &part("e2", Vec::new(), base));
    world.go();
    assert_eq!((losers(&world), world.asked), (1, 1));
}

#[test]
fn what_a_device_has_kept_alone_is_handed_to_its_first_server() {
    let mut world = World::new(false);
    world.state.on_row(stream(), 1, &sealed("e1", 5, "k", "1", None));
    world.state.on_row(stream(), 2, &sealed("e2", 5, "l", "1", None));
    world.go();
    world.told();
    let mut after = World { state: State::new(true, 7), ..world };
    after.state.on_wanted(at(0), &identity());
    after.go();
    assert_eq!(after.told()[..2], ["appended", "appended"]);
    after.agrees();
}

#[test]
fn a_server_that_cannot_be_reached_is_asked_later_and_later_and_a_token_is_waited_for() {
    let mut state = State::new(true, 7);
    let mut last = 0;
    let mut pull = |state: &mut State, ms: u64| loop {
        let tickets = &mut || {
            last += 1;
            Ticket(last)
        };
        state.go(at(ms), tickets);
        match state.poll_effect() {
            Some(Effect::Load { ticket, .. }) => state.on_loaded(ticket, &[]),
            Some(Effect::Pull { ticket, .. }) => return Some(ticket),
            Some(other) => panic!("{other:?} is not asked for"),
            None => return None,
        }
    };
    state.on_wanted(at(0), &identity());
    let mut ms = 0;
    let mut waits = Vec::new();
    for _ in 0..9 {
        let ticket = pull(&mut state, ms).expect("it asks");
        let fault = Fault::new("server-unreachable", Culprit::Server, "");
        state.on_pulled(at(ms), ticket, Pulled::Failed { fault, retry_after_ms: None });
        assert_eq!(pull(&mut state, ms), None);
        let due = state.poll_timeout(at(ms)).expect("it asks again").0;
        waits.push(due - ms);
        ms = due;
    }
    assert!(waits[0] < 1_500 && waits[8] > 40_000 && waits[8] <= 75_000, "{waits:?}");
    let ticket = pull(&mut state, ms).expect("it asks");
    state.on_pulled(at(ms), ticket, Pulled::Unauthorized);
    assert_eq!(pull(&mut state, ms), None);
    state.on_token(&identity());
    let mut ticket = pull(&mut state, ms).expect("it asks as soon as there is a token");
    // Each token is refused: they are not tried as fast as they come, and whoever is refused is asked now and then.
    let mut asked = 1;
    for _ in 0..20 {
        state.on_pulled(at(ms), ticket, Pulled::Unauthorized);
        state.on_token(&identity());
        match pull(&mut state, ms) {
            Some(next) => ticket = next,
            None => break,
        }
        asked += 1;
    }
    assert!(asked < 6, "asked {asked} times at once");
    let due = state.poll_timeout(at(ms)).expect("it asks again").0;
    assert!(due - ms >= 30_000, "{}", due - ms);
    assert!(pull(&mut state, due).is_some());
}

/// What the machine asks for until it is quiet, with the tickets; nobody answers.
fn asked(state: &mut State, ms: u64, last: &mut u64) -> Vec<Effect> {
    let tickets = &mut || {
        *last += 1;
        Ticket(*last)
    };
    state.go(at(ms), tickets);
    core::iter::from_fn(|| state.poll_effect()).collect()
}

/// The document is to be read, and the disk has nothing of it.
fn load_none(state: &mut State, ms: u64, last: &mut u64) {
    let load = asked(state, ms, last);
    let [Effect::Load { ticket, .. }] = load[..] else { panic!("{load:?} is asked for") };
    state.on_loaded(ticket, &[]);
}

#[test]
fn whoever_has_no_token_keeps_nobody_else_from_the_document() {
    let (mut state, mut last) = (State::new(true, 7), 0);
    let guest = Identity { session: "s".into(), user: "".into() };
    let whose = |effects: &[Effect]| match effects {
        [Effect::Pull { ticket, identity, .. }] => (*ticket, identity.clone()),
        other => panic!("{other:?} is asked for"),
    };
    state.on_wanted(at(0), &identity());
    load_none(&mut state, 0, &mut last);
    state.on_news(&guest, None, Some(Ticket(99)));
    let (ticket, first) = whose(&asked(&mut state, 1, &mut last));
    assert_eq!(first, guest, "who has asked last");
    state.on_pulled(at(1), ticket, Pulled::Unauthorized);
    let (ticket, second) = whose(&asked(&mut state, 2, &mut last));
    assert_eq!(second, identity());
    state.on_pulled(at(2), ticket, Pulled::Unauthorized);
    assert_eq!(asked(&mut state, 2, &mut last), [], "a token may be on its way");
    let due = state.poll_timeout(at(2)).expect("it is not waited for without end").0;
    let told = asked(&mut state, due, &mut last);
    assert!(
        matches!(&told[0], Effect::Settled(Ticket(99), Some(fault)) if &*fault.code == "unauthorized"),
        "{told:?}"
    );
    // Whoever was asked for a token may have gone: each is tried once more, so that another is asked.
    let (ticket, again) = whose(&told[1..]);
    assert_eq!(again, guest);
    state.on_token(&identity());
    state.on_pulled(at(due), ticket, Pulled::Unauthorized);
    assert_eq!(whose(&asked(&mut state, due, &mut last)).1, identity());
}

#[test]
fn a_log_that_has_gone_back_is_noticed_and_what_nobody_sends_again_is_given_up() {
    let (mut state, mut last) = (State::new(true, 7), 0);
    let epoch = LogEpoch([3; 16]);
    state.on_wanted(at(0), &identity());
    load_none(&mut state, 0, &mut last);
    let first = asked(&mut state, 0, &mut last);
    let [Effect::Pull { ticket, .. }] = first[..] else { panic!("{first:?} is asked for") };
    let empty = Snapshot { epoch, head: 0, entries: Vec::new(), more: false };
    state.on_pulled(at(0), ticket, Pulled::Snapshot(empty));
    state.on_taken(Taken {
        identity: identity(),
        epoch,
        span: None,
        patches: vec![(2, sealed("e1", 5, "k", "1", None))],
        at: Wall(5),
        over: Vec::new(),
        losers: Vec::new(),
    });
    let (mut ms, mut gone_back, mut told_ms) = (0, 0, None);
    // The server says each time that the log ends before that.
    for _ in 0..100 {
        let effects = asked(&mut state, ms, &mut last);
        for effect in &effects {
            match effect {
                Effect::Commit { ticket, .. } => state.on_committed(*ticket),
                Effect::Pull { ticket, .. } => {
                    let (floor, events) = (0, Vec::new());
                    let page =
                        LogPage { epoch, events, head: 0, floor, more: false, through: None };
                    state.on_pulled(at(ms), *ticket, Pulled::Page(page));
                }
                Effect::GoneBack { session } => {
                    assert_eq!(&**session, "s");
                    (gone_back, told_ms) = (gone_back + 1, Some(ms));
                }
                Effect::Changed { .. } | Effect::Settled(..) => {}
                Effect::Load { .. } | Effect::Renewed { .. } => {
                    panic!("{effect:?} is asked for")
                }
            }
        }
        if effects.is_empty() {
            let Some(due) = state.poll_timeout(at(ms)) else { break };
            ms = due.0;
        }
    }
    assert_eq!(gone_back, 1, "told once, for one that may be another server's answer");
    assert!(told_ms.is_some_and(|told_ms| (1_000..10_000).contains(&told_ms)), "{told_ms:?}");
    assert!(
        state.poll_timeout(at(ms)).is_none(),
        "nobody has sent it again, and nothing waits for it"
    );
}

#[test]
fn a_write_waits_for_the_one_that_it_is_built_on() {
    let (mut state, mut last) = (State::new(false, 7), 0);
    state.on_row(stream(), 1, &sealed("e1", 5, "k", "1", None));
    load_none(&mut state, 0, &mut last);
    let first = asked(&mut state, 1, &mut last);
    let [Effect::Commit { ticket, .. }] = &first[..] else { panic!("{first:?} is asked for") };
    let base = Base { version: 0, after: Some(id("e1")) };
    state.on_row(stream(), 2, &sealed("e2", 6, "k", "2", Some(base)));
    assert_eq!(asked(&mut state, 2, &mut last), [], "the first may fail");
    state.on_commit_failed(at(2), *ticket);
    load_none(&mut state, 2_000, &mut last);
    let both = asked(&mut state, 2_001, &mut last);
    let [Effect::Commit { outcomes, .. }] = &both[..] else { panic!("{both:?} is asked for") };
    let offsets: Vec<_> = outcomes.iter().map(|(_, entry)| entry.offset).collect();
    assert_eq!(offsets, [Some(1), Some(2)]);
}

#[test]
fn an_answer_from_before_a_log_began_takes_nothing_from_it() {
    let (mut state, mut last) = (State::new(true, 7), 0);
    state.on_wanted(at(0), &identity());
    load_none(&mut state, 0, &mut last);
    let pull = asked(&mut state, 1, &mut last);
    let [Effect::Pull { ticket, .. }] = pull[..] else { panic!("{pull:?} is asked for") };
    let (identity, epoch) = (identity(), LogEpoch([1; 16]));
    let patches = vec![(1, sealed("e1", 5, "k", "1", None))];
    let (span, at_wall) = (Some((1, 1)), Wall(1));
    let (over, losers) = (Vec::new(), Vec::new());
    state.on_taken(Taken { identity, epoch, span, patches, at: at_wall, over, losers });
    let epoch = LogEpoch::default();
    let empty = Snapshot { epoch, head: 0, entries: Vec::new(), more: false };
    state.on_pulled(at(2), ticket, Pulled::Snapshot(empty));
    let written = asked(&mut state, 3, &mut last);
    let Some(Effect::Commit { ops, .. }) = written.first() else { panic!("{written:?}") };
    let ahead = Place::Ahead(1).key("s");
    let stays = |op: &Op| matches!(op, Op::Put { key, .. } if *key == ahead);
    let goes = |op: &Op| matches!(op, Op::Delete { key, .. } if *key == ahead);
    assert!(ops.iter().any(stays) && !ops.iter().any(goes), "{ops:?}");
}
