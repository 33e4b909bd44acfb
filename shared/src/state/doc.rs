//! One session's document, as far as it is known, and what is to be written of it.

use core::time::Duration;
use std::collections::VecDeque;

use minicbor::bytes::ByteVec;

use super::losers::Losers;
use super::{Taken, page_path, patch_of, snapshot_path};
use crate::base::{EventId, LogEpoch, Mono, Now, SortedMap, Stamp, Ticket, Wall, limits};
use crate::bus::{Folded, Identity, Over};
use crate::rows::{
    AheadRow, DoneEntry, EntryRow, FoldRow, JournalRow, Key, LoserRow, Op, Place, ROW_VERSION,
    Reason, Store, StreamKey, document_prefix, read,
};
use crate::rules::document::{
    Author, Conflict, Entry, Leaf, Refusal, STATE_CONFLICT, apply, fold, keys,
};
use crate::rules::patch::{Patch, Write};
use crate::wire::{
    Event, EventFlags, EventKind, Lane, LogPage, Outcome, PATCH_TYPE, Snapshot, decode, to_cbor,
};

/// What pages are to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) keys: Vec<Box<str>>,
    pub(super) over: Vec<Over>,
    pub(super) folded: Option<Folded>,
}

impl News {
    fn change(&mut self, key: &str) {
        if !self.keys.iter().any(|known| **known == *key) {
            self.keys.push(key.into());
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Doc {
    session: Box<str>,
    /// Who has asked for it, or written to it, the last one last: any one's token will do.
    readers: Vec<Identity>,
    /// A page shows it.
    pub(super) wanted: bool,
    /// What follows is what the disk says, and what is to be written of it.
    pub(super) loaded: bool,
    /// How far the log is known; not at all before the first snapshot.
    fold: Option<Fold>,
    /// What the disk says of that, and whether other rows than keys were written since pages were told of it.
    on_disk: Option<Fold>,
    beside: bool,
    /// The log cannot be read on from there.
    stale: bool,
    entries: SortedMap<Box<str>, Entry>,
    ahead: SortedMap<u64, AheadRow>,
    /// Those of them that were taken before the server was asked.
    asked_ahead: Vec<u64>,
    /// How often in a row it has not shown them.
    pub(super) missed: u32,
    /// Parts of a snapshot that are there.
    parts: Option<Snapshot>,
    /// Patches to be ordered here.
    pub(super) rows: VecDeque<LocalRow>,
    pub(super) wants_pull: bool,
    /// Those whose token was refused.
    withheld: Vec<Identity>,
    /// Under whose token the server was asked.
    asked: Option<Identity>,
    /// How often the server has refused to be asked since it was last willing, and how many new tokens were refused so.
    pub(super) refusals: u32,
    pub(super) spoiled: u32,
    /// A token has come since it was asked last.
    is_new_token: bool,
    pub(super) failures: u32,
    pub(super) again: Option<Mono>,
    pub(super) pulled: Option<Mono>,
    pub(super) waiters: Vec<Ticket>,
    /// To be written: the keys, whether how far the log is known, and other things.
    changed: SortedMap<Box<str>, ()>,
    moved: bool,
    folded: Vec<Op>,
    /// To be written whatever becomes of the rest.
    ops: Vec<Op>,
    outcomes: Vec<(StreamKey, DoneEntry)>,
    /// Rows that are removed from the journal with it.
    ordered: VecDeque<LocalRow>,
    news: News,
    pub(super) losers: Losers,
    /// Patches that were refused, of which pages hear once what they have lost against is there.
    beaten: Vec<Over>,
}

/// A row of the journal that is ordered here: its stream, its position, and the sealed event.
pub(super) type LocalRow = (StreamKey, u64, Vec<u8>);

/// What is to be written, and told once it is.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) ops: Vec<Op>,
    /// Whether keys are among it.
    pub(super) folds: bool,
    pub(super) outcomes: Vec<(StreamKey, DoneEntry)>,
    pub(super) ordered: VecDeque<LocalRow>,
    pub(super) news: News,
}

/// How far a log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fold {
    epoch: LogEpoch,
    offset: u64,
    /// This device alone keeps it.
    alone: bool,
}

impl Doc {
    pub(super) fn new(session: Box<str>) -> Self {
        Self {
            session,
            readers: Vec::new(),
            wanted: false,
            loaded: false,
            fold: None,
            on_disk: None,
            // The coordinator before may not have told.
            beside: true,
            stale: false,
            entries: SortedMap::new(),
            ahead: SortedMap::new(),
            asked_ahead: Vec::new(),
            missed: 0,
            parts: None,
            rows: VecDeque::new(),
            wants_pull: false,
            withheld: Vec::new(),
            asked: None,
            refusals: 0,
            spoiled: 0,
            is_new_token: false,
            failures: 0,
            again: None,
            pulled: None,
            waiters: Vec::new(),
            changed: SortedMap::new(),
            moved: false,
            folded: Vec::new(),
            ops: Vec::new(),
            outcomes: Vec::new(),
            ordered: VecDeque::new(),
            news: News::default(),
            losers: Losers::default(),
            beaten: Vec::new(),
        }
    }

    pub(super) fn wants_load(&self) -> bool {
        let is_needed = self.wanted
            || !self.ahead.is_empty()
            || !self.rows.is_empty()
            || !self.losers.is_empty();
        is_needed && !self.loaded
    }

    /// Somebody asks for it, or has written to it.
    pub(super) fn used_by(&mut self, identity: &Identity) {
        if self.readers.last() != Some(identity) {
            self.readers.retain(|reader| reader != identity);
            if self.readers.len() >= READERS_MAX {
                self.readers.remove(0);
            }
            self.readers.push(identity.clone());
        }
    }

    /// Under whose token the server is to be asked; none if all of them wait for one.
    pub(super) fn reader(&self) -> Option<&Identity> {
        self.readers.iter().rev().find(|reader| !self.withheld.contains(reader))
    }

    /// The server is asked.
    pub(super) fn ask(&mut self) -> Option<Identity> {
        self.asked = self.reader().cloned();
        self.asked_ahead = self.ahead.keys().copied().collect();
        self.asked.clone()
    }

    /// Whoever the server was asked for may not ask it.
    pub(super) fn withhold(&mut self) {
        self.withheld.extend(self.asked.take());
        self.refusals = self.refusals.saturating_add(1);
        self.spoiled += u32::from(core::mem::take(&mut self.is_new_token));
    }

    /// How long to wait for a token: not long while somebody waits for news, else ever longer.
    pub(super) fn patience(&self) -> Duration {
        if !self.waiters.is_empty() {
            return PATIENCE_MIN;
        }
        let doublings = self.refusals.saturating_sub(1).min(8);
        (PATIENCE_MIN * 2_u32.pow(doublings)).min(PATIENCE_MAX)
    }

    /// Nobody has brought a token for so long that those who were refused are tried once more, and asked.
    pub(super) fn believe_again(&mut self) {
        self.withheld.clear();
    }

    /// A token of this user has come.
    pub(super) fn on_token(&mut self, identity: &Identity) {
        self.withheld.retain(|reader| reader != identity);
        // A page whose every token is refused gives them as fast as they are asked for.
        if self.spoiled < SPOILED_MAX {
            self.again = None;
        }
        self.is_new_token = true;
    }

    /// Whether this device alone has kept it so far.
    pub(super) fn is_alone(&self) -> bool {
        self.fold.is_some_and(|fold| fold.alone)
    }

    /// Whether the document is not known as a whole.
    pub(super) fn is_partial(&self) -> bool {
        self.stale || self.fold.is_none() || self.parts.is_some()
    }

    /// From here on the document is read as a whole.
    pub(super) fn read_anew(&mut self) {
        self.stale = true;
        self.parts = None;
    }

    /// Parts that are there are of no use.
    pub(super) fn drop_parts(&mut self) {
        self.parts = None;
    }

    /// Whether something was taken beyond what is known.
    pub(super) fn is_behind(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Whether the server does not show what it had taken before it was asked.
    pub(super) fn misses(&self) -> bool {
        self.asked_ahead.iter().any(|offset| self.ahead.contains_key(offset))
    }

    /// What was taken is in the log no longer, and nobody has sent it again.
    pub(super) fn give_up_ahead(&mut self) {
        self.missed = 0;
        self.let_go(|_, _| true);
    }

    /// Whether the log is known as far as this.
    pub(super) fn knows(&self, head: u64) -> bool {
        self.fold.is_some_and(|fold| self.follows(fold) && fold.offset >= head)
    }

    /// Which life of the log is known.
    pub(super) fn epoch(&self) -> Option<LogEpoch> {
        self.fold.filter(|fold| !fold.alone).map(|fold| fold.epoch)
    }

    /// What to ask the server for.
    pub(super) fn path(&self, session: &str) -> String {
        match (&self.fold, &self.parts) {
            (Some(fold), None) if !self.stale => page_path(session, fold.epoch, fold.offset),
            (_, parts) => {
                let last = parts.as_ref().and_then(|parts| parts.entries.last());
                snapshot_path(session, last.map_or("", |(key, _)| key))
            }
        }
    }

    /// Takes up what the disk says. What has been taken meanwhile stays.
    pub(super) fn load(&mut self, rows: &[(Key, Vec<u8>)]) {
        let prefix = document_prefix(&self.session);
        self.loaded = true;
        for (key, bytes) in rows {
            match Place::of(key, &prefix) {
                Some(Place::Fold) => {
                    let fold = read::<FoldRow>(bytes).ok();
                    self.fold = fold.map(|FoldRow { epoch, offset, alone, .. }| Fold {
                        epoch,
                        offset,
                        alone,
                    });
                }
                Some(Place::Key(key)) => {
                    // One that cannot be read is asked for anew, with all the others.
                    if let Ok(EntryRow { entry, .. }) = read(bytes) {
                        self.entries.insert(key.into(), entry);
                    } else {
                        self.fold = None;
                    }
                }
                Some(Place::Ahead(offset)) => {
                    if let Ok(row) = read::<AheadRow>(bytes) {
                        self.ahead.get_or_insert_with(offset, || row);
                    }
                }
                Some(Place::Loser(id)) => {
                    let user = read::<LoserRow>(bytes).ok().and_then(|row| row.user);
                    if let Ok(id) = EventId::new(id) {
                        self.losers.lose(id, user);
                    }
                }
                None => {}
            }
        }
        self.on_disk = self.fold;
        self.catch_up();
        self.wants_pull |= !self.ahead.is_empty();
    }

    /// Pages hear of patches that were refused.
    pub(super) fn tell_beaten(&mut self) {
        self.news.over.append(&mut self.beaten);
    }

    /// The disk may say something else than this; `rows` are still in the journal, and of `over` nobody has heard.
    pub(super) fn forget(&mut self, again: Mono, mut rows: VecDeque<LocalRow>, over: Vec<Over>) {
        let new = Self::new(self.session.clone());
        let before = core::mem::replace(self, new);
        rows.extend(before.rows);
        self.wanted = true;
        self.readers = before.readers;
        self.wants_pull = true;
        self.again = Some(again);
        self.waiters = before.waiters;
        self.rows = rows;
        self.ops = before.ops;
        self.losers = before.losers;
        // They may be on disk by now, or soon.
        self.ahead = before.ahead;
        self.beaten = before.beaten;
        self.beaten.extend(over);
        self.beaten.extend(before.news.over);
    }

    /// Events of ours were taken. What is `busy` is the disk, with what they would be built on.
    pub(super) fn on_taken(&mut self, taken: Taken, busy: bool) {
        let Taken { identity, epoch, span, patches, at, over, losers } = taken;
        let follows = |fold: &Fold| fold.epoch == epoch && self.follows(*fold) && !busy;
        let known = self.fold.filter(follows);
        let follows = known.zip(span).filter(|(fold, (from, _))| fold.offset + 1 == *from);
        if let Some((_, (_, through))) = follows {
            for (offset, sealed) in patches {
                self.take(offset, at, &sealed);
            }
            self.advance(through);
        } else {
            for (offset, sealed) in patches {
                self.news.over.extend(patch_of(&sealed).map(|(event, _)| Over::taken(event.id)));
                // What is known already only comes again.
                if known.is_some_and(|fold| offset <= fold.offset) {
                    continue;
                }
                // A log that had gone back has it at another place.
                self.let_go(|at, row| at != offset && *row.sealed == *sealed);
                let sealed = ByteVec::from(sealed);
                let row = AheadRow { version: ROW_VERSION, offset, taken_at: at, sealed, epoch };
                let key = Place::Ahead(offset).key(&self.session);
                self.ops.push(Op::Put { store: Store::Document, key, row: to_cbor(&row) });
                self.ahead.insert(offset, row);
                self.wants_pull = true;
            }
        }
        self.wants_pull |= over.iter().any(|over| over.refused.is_some());
        self.beaten.extend(over);
        losers.iter().for_each(|sealed| self.lose(at, &identity.user, sealed));
    }

    /// What was refused is done with.
    pub(super) fn resolve(&mut self, id: &EventId) {
        let key = Place::Loser(id.as_str()).key(&self.session);
        self.ops.push(Op::Delete { store: Store::Document, key });
        self.losers.settle(id);
    }

    /// The refused patch that the worker's hook can be asked about next, and whose what is made of it will be. None while a
    /// patch of this device waits to be ordered: what is made is built on what is known.
    pub(super) fn dispute(&self) -> Option<(Identity, EventId)> {
        let is_known = self.loaded && !self.is_partial() && self.rows.is_empty();
        let loser = self.losers.next().filter(|_| is_known && self.again.is_none())?;
        let user = loser.user.as_ref().or_else(|| Some(&self.readers.last()?.user))?;
        let identity = Identity { session: self.session.clone(), user: user.clone() };
        Some((identity, loser.id.clone()))
    }

    /// The worker's hook has made this of two.
    pub(super) fn on_resolution(&mut self, id: &EventId, rows: Vec<Vec<u8>>) {
        self.losers.resolve(id);
        for row in rows {
            let made = read::<JournalRow<'_>>(&row).ok();
            if let Some((event, _)) = made.and_then(|row| patch_of(row.sealed)) {
                self.losers.made(id, event.id);
            }
            self.folded.push(Op::Append { row });
        }
        let key = Place::Loser(id.as_str()).key(&self.session);
        self.folded.push(Op::Delete { store: Store::Document, key });
    }

    /// A page of the log's patches.
    pub(super) fn on_page(&mut self, page: LogPage) {
        let known = self.fold.filter(|fold| fold.epoch == page.epoch && self.follows(*fold));
        // What is no longer in the log is told by the document alone.
        let Some(fold) = known.filter(|fold| page.floor <= fold.offset) else {
            return self.read_anew();
        };
        self.leave_behind(page.epoch);
        let last = page.events.last().map_or(fold.offset, |event| event.offset);
        for event in page.events {
            self.take(event.offset, event.taken_at, &event.sealed);
        }
        let through = page.through.unwrap_or(last).max(last);
        self.advance(if page.more { through } else { through.max(page.head) });
        self.wants_pull |= page.more;
    }

    /// A part of the document. Gives the log's life, if it is another than the one that was known.
    pub(super) fn on_snapshot(&mut self, mut part: Snapshot) -> Option<LogEpoch> {
        let (entries, more) = (core::mem::take(&mut part.entries), part.more);
        let mut parts = match self.parts.take() {
            Some(parts) if parts.epoch == part.epoch => parts,
            // Each part is of another document: begun anew.
            Some(_) => {
                self.wants_pull = true;
                return None;
            }
            // Of all parts the first tells from where the log goes on.
            None => Snapshot { entries: Vec::new(), ..part },
        };
        parts.entries.extend(entries);
        if more {
            self.parts = Some(parts);
            return None;
        }
        let Snapshot { epoch, head, entries, .. } = parts;
        let before = core::mem::take(&mut self.entries);
        for (key, bytes) in entries {
            // One that cannot be read is of a build to come.
            if let Ok(entry) = decode::<Entry>(&bytes) {
                self.entries.insert(key, entry);
            }
        }
        for (key, entry) in self.entries.iter() {
            if before.get(&**key) != Some(entry) {
                self.changed.insert(key.clone(), ());
            }
        }
        for (key, _) in before.iter() {
            if !self.entries.contains_key(key) {
                self.changed.insert(key.clone(), ());
            }
        }
        let known = self.epoch();
        self.fold = Some(Fold { epoch, offset: head, alone: false });
        self.stale = false;
        self.moved = true;
        self.leave_behind(epoch);
        self.catch_up();
        known.filter(|known| *known != epoch).map(|_| epoch)
    }

    /// Orders what the journal has, where there is no server.
    pub(super) fn confirm(&mut self, now: Now) {
        if !self.loaded || self.fold.is_some_and(|fold| !fold.alone) {
            return;
        }
        while let Some((stream, position, sealed)) = self.rows.pop_front() {
            let Some((event, patch)) = patch_of(&sealed) else { continue };
            let fold =
                self.fold.unwrap_or(Fold { epoch: LogEpoch::default(), offset: 0, alone: true });
            let version = fold.offset + 1;
            let (id, made, page) = (&event.id, event.stamp, event.page);
            let author = Author { id, made, page, taken_at: now.wall, version };
            let before = |key: &str| self.entries.get(key).cloned();
            let is_repeat = keys(&patch).any(|key| {
                self.entries.get(key).is_some_and(|entry| entry.writer.as_ref() == Some(id))
            });
            let checked = patch.check().map_err(|why| refused("patch-malformed", why.words()));
            let applied = checked.and_then(|()| match apply(before, &patch, author) {
                _ if is_repeat => Ok(SortedMap::new()),
                Ok(changed) => Ok(changed),
                Err(Refusal::Conflict(Conflict { .. })) => {
                    Err(refused(STATE_CONFLICT, "the key was changed meanwhile"))
                }
                Err(Refusal::TooManyLeaves { .. }) => {
                    Err(refused("state-too-large", "the key would have too many places"))
                }
            });
            let id = event.id.clone();
            if event.flags.is_some_and(|flags| flags.has(EventFlags::RESOLVE))
                && applied.as_ref().is_err_and(|reason| &*reason.code == STATE_CONFLICT)
            {
                self.lose(now.wall, &stream.user, &sealed);
            }
            let (outcome, reason) = match applied {
                Ok(changed) => {
                    self.fold = Some(Fold { offset: version, ..fold });
                    self.moved = true;
                    self.keep(changed);
                    let known = if is_repeat { Outcome::DUPLICATE } else { Outcome::ACCEPTED };
                    (known, None)
                }
                Err(reason) => (Outcome::REFUSED, Some(reason)),
            };
            let (code, message) = reason.clone().map(|it| (it.code, it.message)).unzip();
            let offset = reason.is_none().then_some(version);
            let result = None;
            let entry = DoneEntry { id: id.clone(), outcome, offset, result, code, message };
            self.outcomes.push((stream.clone(), entry));
            match self.folded.last_mut() {
                Some(Op::DeleteSpan { through, .. }) if *through + 1 == position => {
                    *through = position;
                }
                Some(_) | None => self.folded.push(Op::DeleteSpan {
                    store: Store::Journal,
                    from: position,
                    through: position,
                }),
            }
            self.news.over.push(Over { id, refused: reason });
            self.ordered.push_back((stream, position, sealed));
        }
    }

    /// There is a server now: what this device has kept alone becomes patches for it, as old as what they hold.
    pub(super) fn hand_over(&mut self, now: Now, id: &mut dyn FnMut() -> EventId) {
        let session = self.session.clone();
        let user = self.readers.last().map(|reader| reader.user.clone()).unwrap_or_default();
        let stream = StreamKey { session: session.clone(), user, lane: Lane::default() };
        for (key, entry) in self.entries.iter() {
            if let Some(sealed) = whole(key, entry, now.wall, id()) {
                let row = to_cbor(&JournalRow::new(&stream, &sealed, now.wall));
                self.folded.push(Op::Append { row });
            }
            let key = Place::Key(key).key(&session);
            self.folded.push(Op::Delete { store: Store::Document, key });
        }
        let key = Place::Fold.key(&session);
        self.folded.push(Op::Delete { store: Store::Document, key });
        self.entries = SortedMap::new();
        self.fold = None;
        self.wants_pull = true;
    }

    /// What is to be written, and told once it is.
    pub(super) fn take_written(&mut self, session: &str) -> Written {
        let mut ops = core::mem::take(&mut self.ops);
        let apart = ops.len();
        ops.append(&mut self.folded);
        self.beside |= ops.iter().any(|op| op.store() == Store::Document);
        let beside = ops.len();
        let store = Store::Document;
        let changed = core::mem::take(&mut self.changed);
        for key in changed.keys() {
            self.news.change(key);
            let at = Place::Key(key).key(session);
            ops.push(match self.entries.get(key) {
                Some(entry) => {
                    let row = to_cbor(&EntryRow { version: ROW_VERSION, entry: entry.clone() });
                    Op::Put { store, key: at, row }
                }
                None => Op::Delete { store, key: at },
            });
        }
        if let (true, Some(fold)) = (core::mem::take(&mut self.moved), self.fold) {
            let Fold { epoch, offset, alone } = fold;
            let row = to_cbor(&FoldRow { version: ROW_VERSION, epoch, offset, alone });
            ops.push(Op::Put { store, key: Place::Fold.key(session), row });
            self.news.folded = self.told(ops.get(beside..).unwrap_or_default());
            self.on_disk = Some(fold);
        }
        Written {
            folds: ops.len() > apart,
            ops,
            outcomes: core::mem::take(&mut self.outcomes),
            ordered: core::mem::take(&mut self.ordered),
            news: core::mem::take(&mut self.news),
        }
    }

    // The rows that pages can be told instead of being sent to the disk. A page that knows the log as far as it was known
    // before has all others, since these are what the log makes of them.
    fn told(&mut self, written: &[Op]) -> Option<Folded> {
        if core::mem::take(&mut self.beside) {
            return None;
        }
        let (before, fold) = (self.on_disk?, self.fold?);
        if (before.epoch, before.alone) != (fold.epoch, fold.alone) {
            return None;
        }
        let mut bytes = 0;
        let mut rows = Vec::new();
        for op in written {
            let Op::Put { key: Key::Text(key), row, .. } = op else { return None };
            bytes += key.len() + row.len();
            rows.push((key.clone(), ByteVec::from(row.clone())));
        }
        (bytes <= limits::FOLDED_BYTES_MAX).then_some(Folded { since: before.offset, rows })
    }

    /// What of it depends on nothing else.
    pub(super) fn take_apart(&mut self) -> Written {
        self.beside |= self.ops.iter().any(|op| op.store() == Store::Document);
        Written { ops: core::mem::take(&mut self.ops), ..Written::default() }
    }

    // It waits for somebody who makes one of two.
    fn lose(&mut self, at: Wall, user: &str, sealed: &[u8]) {
        if let Some((event, patch)) = patch_of(sealed) {
            let key = Place::Loser(event.id.as_str()).key(&self.session);
            let (sealed, user) = (sealed.to_vec().into(), Some(Box::from(user)));
            let row = LoserRow { version: ROW_VERSION, at, sealed, user: user.clone() };
            self.ops.push(Op::Put { store: Store::Document, key, row: to_cbor(&row) });
            self.losers.lose(event.id, user);
            keys(&patch).for_each(|key| self.news.change(key));
        }
    }

    // Whether the log's patches can be folded from here on.
    fn follows(&self, fold: Fold) -> bool {
        self.loaded && !self.stale && !fold.alone
    }

    // The log is known up to here, as far as there are patches in it.
    fn advance(&mut self, through: u64) {
        if let Some(fold) = self.fold.as_mut().filter(|fold| fold.offset < through) {
            fold.offset = through;
            self.moved = true;
        }
        self.catch_up();
    }

    // Patches of another life are sent again by whoever keeps them. One that was taken since the server was asked may be
    // of a life that has begun since.
    fn leave_behind(&mut self, epoch: LogEpoch) {
        let asked = core::mem::take(&mut self.asked_ahead);
        self.let_go(|offset, row| row.epoch != epoch && asked.contains(&offset));
        self.asked_ahead = asked;
    }

    // What lay ahead is known. It is only kept: when it was taken nobody has said but the log.
    fn catch_up(&mut self) {
        let Some(fold) = self.fold.filter(|fold| self.follows(*fold)) else { return };
        self.let_go(|offset, row| row.epoch == fold.epoch && offset <= fold.offset);
    }

    // Rows that lay ahead are removed; pages that have seen them look again.
    fn let_go(&mut self, goes: impl Fn(u64, &AheadRow) -> bool) {
        let Self { ahead, session, folded, news, .. } = self;
        ahead.retain(|offset, row| {
            let goes = goes(*offset, row);
            if goes {
                let key = Place::Ahead(*offset).key(session);
                folded.push(Op::Delete { store: Store::Document, key });
                news.over.extend(patch_of(&row.sealed).map(|(event, _)| Over::taken(event.id)));
            }
            !goes
        });
    }

    // A patch of the log, in its order.
    fn take(&mut self, offset: u64, taken_at: Wall, sealed: &[u8]) {
        let Some((event, patch)) = patch_of(sealed) else { return };
        let (id, made, page) = (&event.id, event.stamp, event.page);
        let author = Author { id, made, page, taken_at, version: offset };
        let changed = fold(|key| self.entries.get(key).cloned(), &patch, author);
        self.keep(changed);
        self.news.over.push(Over::taken(event.id));
    }

    fn keep(&mut self, mut changed: SortedMap<Box<str>, Entry>) {
        while let Some((key, entry)) = changed.pop_first() {
            self.changed.insert(key.clone(), ());
            self.entries.insert(key, entry);
        }
    }
}

// A patch that writes all of a key; none if there is nothing to write.
fn whole(key: &str, entry: &Entry, at: Wall, id: EventId) -> Option<Vec<u8>> {
    let newest = entry.leaves.iter().map(|leaf| leaf.mark).max()?;
    let write = |leaf: &'_ Leaf| -> (Vec<Box<str>>, Option<ByteVec>) {
        (leaf.path.clone(), leaf.value.clone())
    };
    let leaves: Vec<_> = entry.leaves.iter().map(write).collect();
    let writes = leaves.iter().map(|(path, value)| Write {
        key,
        path: path.iter().map(|name| &**name).collect(),
        value: value.as_ref().map(|value| &***value),
        base: None,
    });
    let data = to_cbor(&Patch { writes: writes.collect() });
    Some(to_cbor(&Event {
        id,
        kind: EventKind::Patch,
        type_: PATCH_TYPE,
        key: None,
        data: Some(&data),
        schema: 0,
        stamp: Stamp(newest.stamp.0),
        page: newest.page,
        at,
        correlation: None,
        after: None,
        binds: None,
        flags: None,
    }))
}

/// More users than share a device.
const READERS_MAX: usize = 8;
/// How many tokens in a row are tried as soon as they come.
const SPOILED_MAX: u32 = 4;
const PATIENCE_MIN: Duration = Duration::from_secs(5);
const PATIENCE_MAX: Duration = Duration::from_secs(900);

fn refused(code: &str, message: &str) -> Reason {
    Reason { code: code.into(), message: message.into() }
}
