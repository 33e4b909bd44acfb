//! The outbox: every stream of this device side by side, behind one face (OUT).
//!
//! What always holds: no stream waits for another; whatever a row, an answer or the disk says, the others go on.
//!
//! Not here: reading the journal forward (`coordinator`), and anything about pages.

mod answer;
mod backlog;
mod batch;
mod change;
mod coalesce;
mod dead;
mod depend;
mod pace;
mod plain;
mod retry;
mod stream;
mod wipe;

use std::collections::VecDeque;

use self::backlog::Taken;
pub use self::change::{busy, letter_unknown};
use self::dead::{DeadLetters, Found, find};
use self::pace::Pace;
use self::retry::clamp_due;
pub use self::retry::{Response, is_of, problem_of};
use self::stream::{HURRY_MIN, News, Shared, Stream};
pub use crate::base::Ticket;
use crate::base::{Epoch, EventId, Fault, LogEpoch, Mono, Now, Rng, SortedMap, Wall};
use crate::bus::{self, Identity, Network, Notice, Over, Sync};
use crate::rows::{
    Config, CursorRow, DeviceRow, DoneEntry, FlightRow, Key, Op, ROW_VERSION, Store, StreamKey,
    StreamRow, read,
};
use crate::rules::breaker::{Breaker, BreakerRow, Stand};
use crate::wire::{Lane, to_cbor};

/// What the outbox asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this under the epoch.
    Commit {
        /// Answered by `on_committed` or `on_commit_failed`.
        ticket: Ticket,
        /// What.
        ops: Vec<Op>,
        /// Whether completion must mean that the disk has it.
        strict: bool,
    },
    /// Sign this with the device's key.
    Sign {
        /// Answered by `on_signed`.
        ticket: Ticket,
        /// What.
        statement: Vec<u8>,
    },
    /// Send this to the server.
    Push {
        /// Answered by `on_response`.
        ticket: Ticket,
        /// Under whose token.
        identity: Identity,
        /// The encoded push.
        body: Vec<u8>,
        /// Whether that is worth compressing.
        compress: bool,
    },
    /// Send the plain request that an event holds (OUT-14).
    Request {
        /// Answered by `on_response`.
        ticket: Ticket,
        /// Under whose token.
        identity: Identity,
        /// The event, by which a repeat can be known.
        id: EventId,
        /// What is to be sent, as JSON text; the page wrote it.
        request: Vec<u8>,
    },
    /// Read rows of `retained`.
    ReadRetained {
        /// Answered by `on_retained` or `on_retained_failed`.
        ticket: Ticket,
        /// Keys greater than this.
        after: u64,
        /// How many at the most.
        limit: u32,
    },
    /// A token is needed.
    TokenWanted {
        /// Whose.
        identity: Identity,
        /// The request that was sent without it, or with one that was refused.
        ticket: Ticket,
    },
    /// Tell all pages.
    Tell(Notice),
    /// A change of a document, where there is no server: it is not sent.
    Local {
        /// Its stream.
        stream: StreamKey,
        /// Its place in the journal.
        position: u64,
        /// The sealed event.
        sealed: Vec<u8>,
    },
    /// Events were taken, or patches have come to another end. What of it belongs on disk is asked for before the journal lets go of them.
    Verdicts(Verdicts),
}

/// What the server has said of events of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// Whose.
    pub identity: Identity,
    /// Which life of the log.
    pub epoch: LogEpoch,
    /// Their offsets, if all were new and follow one another without a gap.
    pub span: Option<(u64, u64)>,
    /// The patches among them, each with its offset.
    pub patches: Vec<(u64, Vec<u8>)>,
    /// When, by the server's clock.
    pub at: Wall,
    /// Patches that will never be a part of the document as they are.
    pub over: Vec<Over>,
    /// Of those the events that wait for somebody who makes one of two.
    pub losers: Vec<Vec<u8>>,
}

/// What the disk holds for the outbox.
#[derive(Debug, Clone, Default)]
pub struct OutboxRows {
    /// All of `stream`.
    pub streams: Vec<Vec<u8>>,
    /// All of `flight`.
    pub flights: Vec<Vec<u8>>,
    /// All of `cursor`.
    pub cursors: Vec<Vec<u8>>,
    /// All of `dead`.
    pub dead: Vec<(Key, Vec<u8>)>,
    /// The last key of `done`; 0 if there is none.
    pub answered: u64,
}

/// The outbox.
#[derive(Debug)]
pub struct Outbox {
    shared: Shared,
    streams: SortedMap<StreamKey, Stream>,
    owners: SortedMap<Ticket, StreamKey>,
    answered_before: u64,
    /// Rows that cannot be read, on their way to the letters.
    aside: Vec<(Ticket, u64, Key)>,
    /// Where the first of those lies that found no room, or that the disk refused to move.
    unread: Option<u64>,
    /// It has refused; until it takes something else there is no use in asking again.
    refused: bool,
    /// The stream of the row read last, for knowing where a run of one stream's rows begins.
    read_last: Option<StreamKey>,
    /// What is on disk is about to go: nothing changes here until another takes it up anew.
    frozen: bool,
}

impl Outbox {
    /// Takes up what the disk says. Total: a row that cannot be read is left where it is, and its stream begins anew.
    #[must_use]
    pub fn restore(
        now: Now,
        rows: &OutboxRows,
        config: Config,
        host_epoch: Epoch,
        build: &str,
        seed: u64,
    ) -> Self {
        let breaker = config.breaker.unwrap_or_default();
        let until = clamp_due(breaker.until, now.wall);
        let breaker = BreakerRow { until, ..breaker };
        let cursors = rows.cursors.iter().filter_map(|bytes| read::<CursorRow>(bytes).ok());
        let shared = Shared {
            device: None,
            config,
            host_epoch,
            build: build.into(),
            cursors: cursors.map(|cursor| (cursor.session.clone(), cursor)).collect(),
            dead: DeadLetters::restore(&rows.dead),
            answered: rows.answered,
            replaying: false,
            rng: Rng::new(seed),
            last_ticket: Ticket(0),
            effects: VecDeque::new(),
            reachable: None,
            breaker: Breaker::restore(breaker),
            pace: Pace::default(),
            urgent: false,
            last_sent: None,
        };
        let mut streams = SortedMap::new();
        for row in rows.streams.iter().filter_map(|bytes| read::<StreamRow>(bytes).ok()) {
            let key = row.key();
            streams.insert(key.clone(), Stream::new(key, Some(row)));
        }
        for flight in rows.flights.iter().filter_map(|bytes| read::<FlightRow>(bytes).ok()) {
            let key = flight.key();
            let stream = streams.get_or_insert_with(key.clone(), || Stream::new(key, None));
            stream.resume(flight, now);
        }
        let answered_before = rows.answered;
        Self {
            shared,
            streams,
            owners: SortedMap::new(),
            answered_before,
            aside: Vec::new(),
            unread: None,
            refused: false,
            read_last: None,
            frozen: false,
        }
    }

    /// The device is known: from here on batches can be sealed.
    pub fn set_device(&mut self, now: Now, device: DeviceRow) {
        self.shared.device = Some(device);
        self.tick(now);
    }

    /// The app's configuration has changed.
    pub fn set_config(&mut self, now: Now, config: Config) {
        if config.server != self.shared.config.server {
            self.shared.breaker = Breaker::default();
        }
        self.shared.config = config;
        self.tick(now);
    }

    /// A page's browser says this of the network.
    pub fn set_network(&mut self, network: Network) {
        self.shared.pace.set_network(network);
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// A row of the journal, as it is read forward for the first time. Rows come in the order of their positions.
    pub fn on_row(&mut self, now: Now, position: u64, bytes: &[u8]) {
        match find(position, bytes) {
            Found::Event(stream, batch::Held { is_patch: true, sealed, .. })
                if !self.shared.config.is_served() =>
            {
                self.read_last = None;
                self.shared.effects.push_back(Effect::Local { stream, position, sealed });
            }
            Found::Event(key, mut held) => {
                held.run_start = self.read_last.as_ref() != Some(&key);
                let new = || Stream::new(key.clone(), None);
                let stream = self.streams.get_or_insert_with(key.clone(), new);
                if stream.on_row(held) {
                    self.drop_row(position);
                    self.read_last = None;
                } else {
                    self.read_last = Some(key);
                }
            }
            Found::Newer(key) => {
                self.read_last = None;
                if let Some(key) = key {
                    let new = || Stream::new(key.clone(), None);
                    self.streams.get_or_insert_with(key.clone(), new).backlog().close();
                }
            }
            Found::Unreadable => {
                self.read_last = None;
                self.set_aside(now, position, bytes);
            }
        }
    }

    /// The journal has been read as far as `through`; `u64::MAX` at its end.
    pub fn on_read(&mut self, now: Now, through: u64) {
        self.each(|stream, shared| stream.on_read(through, now, shared));
    }

    /// A stream whose backlog has room again for rows that did not fit, and after which position they lie. No stream
    /// where there is room again among the letters, for rows that cannot be read.
    #[must_use]
    pub fn wants_again(&self) -> Option<(Option<StreamKey>, u64)> {
        if let Some(from) = self.unread.filter(|_| !self.refused && self.has_room()) {
            return Some((None, from.saturating_sub(1)));
        }
        let wanted = |(key, stream): (&StreamKey, &Stream)| {
            stream.wants_again().map(|from| (Some(key.clone()), from.saturating_sub(1)))
        };
        self.streams.iter().find_map(wanted)
    }

    fn has_room(&self) -> bool {
        self.shared.dead.room(&self.shared.config.options) > 0
    }

    /// Rows read again for those that cannot be read.
    pub fn on_unread_again(&mut self, now: Now, rows: &[(u64, Vec<u8>)], reached: bool) {
        self.unread = None;
        for (position, bytes) in rows {
            if matches!(find(*position, bytes), Found::Unreadable) {
                self.set_aside(now, *position, bytes);
            }
        }
        if let Some((last, _)) = rows.last().filter(|_| !reached) {
            self.unread.get_or_insert(last.saturating_add(1));
        }
    }

    /// Rows read again for one stream. `reached` if they go as far as the journal had been read before.
    pub fn on_rows_again(
        &mut self,
        now: Now,
        key: &StreamKey,
        rows: &[(u64, Vec<u8>)],
        reached: bool,
    ) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let mut last: Option<u64> = None;
        let mut whole = true;
        let mut repeats = Vec::new();
        for (position, bytes) in rows {
            let Found::Event(of, mut held) = find(*position, bytes) else {
                last = None;
                continue;
            };
            if of != *key || held.is_patch && !self.shared.config.is_served() {
                last = None;
                continue;
            }
            held.run_start = last.is_none();
            last = Some(*position);
            match stream.backlog().offer_again(held) {
                Some(Taken::Repeat) => {
                    repeats.push(*position);
                    last = None;
                }
                Some(Taken::In | Taken::Later) => {}
                None => {
                    whole = false;
                    break;
                }
            }
        }
        if whole && reached {
            stream.backlog().caught_up();
        }
        repeats.into_iter().for_each(|position| self.drop_row(position));
        self.tick(now);
    }

    /// A transaction is complete.
    pub fn on_committed(&mut self, now: Now, ticket: Ticket) {
        self.shared.dead.left(ticket, false);
        self.changed(ticket, false);
        self.aside.retain(|(aside, ..)| *aside != ticket);
        self.refused = false;
        let news = self.owner(ticket, |stream, shared| stream.on_committed(ticket, now, shared));
        self.on_news(now, news);
    }

    /// The disk has refused a transaction; nothing of it was written.
    pub fn on_commit_failed(&mut self, now: Now, ticket: Ticket, fault: Fault) {
        self.shared.dead.left(ticket, true);
        self.changed(ticket, true);
        if let Some(at) = self.aside.iter().position(|(aside, ..)| *aside == ticket) {
            let (_, position, key) = self.aside.swap_remove(at);
            self.shared.dead.undo(&key);
            self.leave_unread(position);
            self.refused = true;
        }
        self.owner(ticket, |stream, shared| stream.on_commit_failed(ticket, fault, now, shared));
    }

    /// A signature has been made; `None` if the browser could not.
    pub fn on_signed(&mut self, now: Now, ticket: Ticket, signature: Option<Vec<u8>>) {
        self.owner(ticket, |stream, shared| stream.on_signed(ticket, signature, now, shared));
    }

    /// Rows of `retained` have been read.
    pub fn on_retained(&mut self, now: Now, ticket: Ticket, rows: &[(u64, Vec<u8>)]) {
        self.owner(ticket, |stream, shared| stream.on_retained(ticket, rows, now, shared));
    }

    /// Rows of `retained` could not be read.
    pub fn on_retained_failed(&mut self, now: Now, ticket: Ticket) {
        self.owner(ticket, |stream, _| stream.on_retained_failed(ticket, now));
    }

    /// Something came back for a push, or did not.
    pub fn on_response(&mut self, now: Now, ticket: Ticket, response: Response) {
        let news =
            self.owner(ticket, |stream, shared| stream.on_response(ticket, response, now, shared));
        self.on_news(now, news);
        self.heed_breaker(now);
    }

    // How the breaker stands is remembered; once it has closed, what the outage held up goes on.
    fn heed_breaker(&mut self, now: Now) {
        let row = self.shared.breaker.row();
        if row == self.shared.config.breaker {
            return;
        }
        self.shared.config.breaker = row;
        let config = to_cbor(&self.shared.config);
        self.put_config(config, false);
        if row.is_none() {
            self.each(|stream, shared| stream.on_server_back(now, shared));
        }
    }

    /// How the breaker stands; none while it is closed.
    #[must_use]
    pub fn breaker(&self, now: Now) -> Option<bus::Breaker> {
        match self.shared.breaker.stand(now.wall) {
            Stand::Closed => None,
            Stand::Open(_) | Stand::Ready => Some(bus::Breaker::Open),
            Stand::Probing => Some(bus::Breaker::HalfOpen),
        }
    }

    // What one stream has heard concerns all of its session.
    fn on_news(&mut self, now: Now, news: Option<(StreamKey, Option<News>)>) {
        match news {
            Some((key, Some(News::Renewed(epoch)))) => {
                self.on_epoch_changed(now, &key.session, epoch);
            }
            Some((key, Some(News::Lost))) => {
                self.each(|other, shared| {
                    if other.session() == &*key.session && !other.is(&key) {
                        other.on_log_lost(now, shared);
                    }
                });
            }
            Some((_, None)) | None => {}
        }
    }

    // The log of a session lives another life: what it held of ours may be gone. The streams begin anew before
    // the disk knows of that life, so that a death in between repeats all of it.
    fn on_epoch_changed(&mut self, now: Now, session: &str, epoch: LogEpoch) {
        let from = self.shared.cursors.get(session).map(|cursor| cursor.epoch);
        // A log that nobody has written to yet has no life of its own.
        let to = (epoch != LogEpoch::default()).then_some(epoch);
        let key = Key::from(session);
        let op = if let Some(epoch) = to {
            let session: Box<str> = session.into();
            let cursor =
                CursorRow { version: ROW_VERSION, session: session.clone(), epoch, offset: 0 };
            let row = to_cbor(&cursor);
            self.shared.cursors.insert(session, cursor);
            Op::Put { store: Store::Cursor, key, row }
        } else {
            self.shared.cursors.remove(session);
            Op::Delete { store: Store::Cursor, key }
        };
        self.on_gone_back(now, session);
        self.write(vec![op], true);
        let (what, session) = ("server-log".into(), session.into());
        let lost = Notice::StateLost { what, session, from, to };
        self.shared.effects.push_back(Effect::Tell(lost));
    }

    /// The app or the browser says that it is worth trying now.
    pub fn hurry(&mut self, now: Now) {
        if self.shared.last_sent.is_none_or(|sent| now.mono.since(sent) >= HURRY_MIN) {
            self.shared.breaker.hurry(now.wall);
        }
        self.each(|stream, shared| stream.hurry(now, shared));
    }

    /// A token has come.
    pub fn on_token(&mut self, now: Now, identity: &Identity) {
        self.each(|stream, shared| {
            if stream.is_of(identity) {
                stream.on_token(now, shared);
            }
        });
    }

    /// Does whatever has become due.
    pub fn tick(&mut self, now: Now) {
        self.each(|stream, shared| stream.go(now, shared));
    }

    /// When [`tick`](Self::tick) is wanted; `None` while only facts can help.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Mono> {
        self.streams.values().filter_map(|stream| stream.poll_timeout(now, &self.shared)).min()
    }

    /// Whether anything waits for its time.
    #[must_use]
    pub fn is_resting(&self, now: Now) -> bool {
        self.streams.values().any(|stream| stream.is_resting(now, &self.shared))
    }

    /// The next thing asked for.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.shared.effects.pop_front()
    }

    /// Sends a dead letter again: `None` if there is none of that id that can be sent.
    pub fn retry(&mut self, now: Now, id: &EventId) -> Option<Ticket> {
        let ops = self.shared.dead.retry(id, now.wall)?;
        let ticket = self.write(ops, true);
        self.shared.dead.leave(id, ticket);
        Some(ticket)
    }

    /// Throws a dead letter away: `None` if there is none of that id.
    pub fn discard(&mut self, now: Now, id: &EventId) -> Option<Ticket> {
        let ticket = self.shared.ticket();
        if !self.shared.dead.leave(id, ticket) {
            return None;
        }
        let ops = vec![Op::Delete { store: Store::Dead, key: Key::from(id.as_str()) }];
        self.shared.effects.push_back(Effect::Commit { ticket, ops, strict: true });
        self.tick(now);
        Some(ticket)
    }

    /// The ids of all dead letters.
    #[must_use]
    pub fn dead_ids(&self) -> Vec<EventId> {
        self.shared.dead.ids()
    }

    /// Writes the configuration.
    pub fn store_config(&mut self, row: Vec<u8>) -> Ticket {
        self.put_config(row, true)
    }

    fn put_config(&mut self, row: Vec<u8>, strict: bool) -> Ticket {
        let key = Key::from(crate::rows::META_CONFIG);
        self.write(vec![Op::Put { store: Store::Meta, key, row }], strict)
    }

    /// A page has been told that the database before was lost.
    pub fn forget_loss(&mut self) {
        let key = Key::from(crate::rows::META_LOST);
        self.write(vec![Op::Delete { store: Store::Meta, key }], false);
    }

    /// Appends rows that a closing page left, as they are.
    pub fn append(&mut self, rows: Vec<Vec<u8>>) -> Ticket {
        self.write(rows.into_iter().map(|row| Op::Append { row }).collect(), true)
    }

    /// Events that the server has not answered.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.streams.values().map(Stream::pending).sum()
    }

    /// Whether events of this user wait that were enqueued with no other wish, as patches are.
    #[must_use]
    pub fn holds(&self, Identity { session, user }: &Identity) -> bool {
        let (session, user, lane) = (session.clone(), user.clone(), Lane::default());
        let stream = self.streams.get(&StreamKey { session, user, lane });
        stream.is_some_and(|stream| stream.pending() > 0)
    }

    /// Dead letters.
    #[must_use]
    pub fn dead(&self) -> u64 {
        self.shared.dead.len()
    }

    /// Events ever answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared.answered
    }

    /// Whether anything was answered in this life.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.shared.answered > self.answered_before
    }

    /// Forgets the rows of `done` or `retained` up to this key, unless something of them is being sent again.
    pub fn trim(&mut self, store: Store, through: u64) {
        if !self.streams.values().any(Stream::is_replaying) {
            self.write(vec![Op::DeleteSpan { store, from: 0, through }], false);
        }
    }

    /// Whether it has just answered somebody else.
    pub fn set_reachable(&mut self, reachable: bool) {
        self.shared.reachable = Some(reachable);
    }

    /// Whether the server answered the last time.
    #[must_use]
    pub fn reachable(&self) -> Option<bool> {
        self.shared.reachable
    }

    /// Whether anything is under way that will end by itself.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.streams.values().any(|stream| stream.is_busy() || stream.queue().is_busy())
    }

    /// Whether a transaction will be asked for as soon as a signature has come.
    #[must_use]
    pub fn is_about_to_write(&self) -> bool {
        self.streams.values().any(Stream::is_about_to_write)
    }

    /// Whether anything is to be sent, now or later.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.streams.values().any(Stream::has_work)
    }

    /// How it stands, and why.
    #[must_use]
    pub fn sync(&self) -> (Sync, &str) {
        let troubles = || self.streams.values().filter_map(Stream::trouble);
        if let Some((_, why)) = troubles().find(|(blocked, _)| *blocked) {
            return (Sync::Blocked, why);
        }
        if self.unread.is_some() && !self.has_room() {
            return (Sync::Blocked, "dead-letters-full");
        }
        if let Some((_, why)) = troubles().next() {
            return (Sync::Offline, why);
        }
        if self.pending() == 0 {
            return (Sync::Synchronized, "");
        }
        let waits = self.streams.values().any(|stream| stream.queue().is_waiting());
        (Sync::Synchronizing, if waits { "waits-for-prerequisite" } else { "" })
    }

    fn drop_row(&mut self, position: u64) {
        let op = Op::DeleteSpan { store: Store::Journal, from: position, through: position };
        self.write(vec![op], false);
    }

    fn set_aside(&mut self, now: Now, position: u64, bytes: &[u8]) {
        let options = self.shared.config.options.clone();
        if self.shared.dead.room(&options) == 0 {
            return self.leave_unread(position);
        }
        let burial = self.shared.dead.set_aside(position, bytes, now.wall, &options);
        let mut ops = burial.ops;
        ops.push(Op::DeleteSpan { store: Store::Journal, from: position, through: position });
        let ticket = self.write(ops, true);
        self.aside.push((ticket, position, burial.key));
        self.shared.effects.extend(burial.notices.into_iter().map(Effect::Tell));
    }

    fn leave_unread(&mut self, position: u64) {
        self.unread = Some(self.unread.map_or(position, |from| from.min(position)));
    }

    /// What another machine writes, with these outcomes filed; and whether the disk must have it.
    pub fn filed(
        &mut self,
        mut ops: Vec<Op>,
        outcomes: Vec<(StreamKey, DoneEntry)>,
        now: Now,
    ) -> (Vec<Op>, bool) {
        let mut outcomes = outcomes.into_iter().peekable();
        // One row for all that follow one another in a stream.
        while let Some((stream, entry)) = outcomes.next() {
            let mut entries = vec![entry];
            while let Some((_, entry)) = outcomes.next_if(|(other, _)| *other == stream) {
                entries.push(entry);
            }
            self.shared.file_into(&mut ops, &stream, entries, now);
        }
        // What only the server has said can be asked for again, and what leaves the journal with this is there again after
        // a power cut that undoes it. Only what is appended is nowhere else.
        let strict = ops.iter().any(|op| matches!(op, Op::Append { .. }));
        (ops, strict)
    }

    /// Whether something is asked for.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        !self.shared.effects.is_empty()
    }

    /// The log of a session lives another life, as somebody else has heard.
    pub fn on_renewed(&mut self, now: Now, session: &str, epoch: LogEpoch) {
        if self.shared.cursors.get(session).is_some_and(|cursor| cursor.epoch != epoch) {
            self.on_epoch_changed(now, session, epoch);
        }
    }

    /// The log of this session does not show any longer what it has taken: its streams begin anew.
    pub fn on_gone_back(&mut self, now: Now, session: &str) {
        self.each(|stream, shared| {
            if stream.session() == session {
                stream.on_log_lost(now, shared);
            }
        });
    }

    // A write that no stream waits for. If the disk refuses it, the next boot finds the cause again.
    fn write(&mut self, ops: Vec<Op>, strict: bool) -> Ticket {
        let ticket = self.shared.ticket();
        self.shared.effects.push_back(Effect::Commit { ticket, ops, strict });
        ticket
    }

    fn each(&mut self, mut act: impl FnMut(&mut Stream, &mut Shared)) {
        if self.frozen {
            return;
        }
        self.weigh();
        self.look_around();
        for stream in self.streams.values_mut() {
            act(stream, &mut self.shared);
            self.shared.urgent |= stream.is_urgent();
        }
        self.adopt();
    }

    fn owner<T>(
        &mut self,
        ticket: Ticket,
        act: impl FnOnce(&mut Stream, &mut Shared) -> T,
    ) -> Option<(StreamKey, T)> {
        if self.frozen {
            return None;
        }
        self.weigh();
        let key = self.owners.remove(&ticket)?;
        self.look_around();
        let done = act(self.streams.get_mut(&key)?, &mut self.shared);
        self.adopt();
        Some((key, done))
    }

    // What a stream has to know of the others.
    fn look_around(&mut self) {
        self.shared.replaying = self.streams.values().any(Stream::is_replaying);
        self.shared.urgent = self.streams.values().any(Stream::is_urgent);
    }

    // Notes whose each new ticket is.
    fn adopt(&mut self) {
        for (key, stream) in self.streams.iter() {
            for ticket in stream.awaits() {
                self.owners.get_or_insert_with(ticket, || key.clone());
            }
        }
    }
}
