//! The coordinator: composes the machines, and is the one consumer of the journal (HOST-3).
//!
//! ```text
//!  event ─▶ driver ─▶ handle(now, Input) ─▶ poll_effect()* ─▶ perform ─▶ facts back in ─▶ … until quiet
//! ```
//!
//! What always holds:
//! - it lives from [`restore`](Coordinator::restore), which no row can stop, until its realm dies; there is no end;
//! - it writes only under its epoch, and once it is fenced it asks for nothing more;
//! - each slice ends by reading the journal past its last key until it is empty, so that a lost nudge loses nothing.
//!
//! Not here: who may boot (`host::succession`), what a stream does (`outbox`), the browser (the driver).

mod asks;
mod documents;
mod effect;
mod housekeeping;
mod input;
mod reader;
mod restore;
mod roster;
mod status;
mod taping;
mod tokens;
mod wiper;

use core::time::Duration;
use std::collections::VecDeque;

pub use self::effect::{Effect, To};
pub use self::input::{Client, Input, Trigger};
pub use self::restore::Restored;
pub use self::taping::{TAPE, first_key};

use self::asks::Asks;
use self::housekeeping::Housekeeping;
use self::reader::Reader;
use self::roster::Roster;
use self::taping::Tape;
use self::tokens::{Refused, Tokens};
use self::wiper::Wiper;
use crate::base::{Culprit, Epoch, Fault, Mono, Now, PageId, RequestId, SortedMap, limits};
use crate::bus::{
    BusFault, Change, Envelope, Farewell, Hello, Identity, Notice, Reply, Request, Status, Welcome,
};
use crate::outbox::{self, Outbox, Ticket, letter_unknown};
use crate::rows::{Config, HostKind, JournalRow, Key, Op, ROW_VERSION, Store, WriteBatch, read};
use crate::state::State;
use crate::wire::to_cbor;

/// See the module.
#[derive(Debug)]
pub struct Coordinator {
    realm: PageId,
    kind: HostKind,
    build: Box<str>,
    epoch: Epoch,
    outbox: Outbox,
    state: State,
    /// The app has said what it wants: before that there is no telling where events go.
    configured: bool,
    roster: Roster,
    reader: Reader,
    asks: Asks,
    housekeeping: Housekeeping,
    tokens: Tokens,
    /// Whose token each pull under way was sent with.
    pulls: SortedMap<Ticket, Identity>,
    /// Appends of our own, after which the journal has to be read again: what a closing page left, or nothing
    /// where the rows are safe elsewhere if the disk refuses.
    appends: SortedMap<Ticket, Vec<Vec<u8>>>,
    /// What a closing page left and the disk has refused, and when to try again.
    unsaved: Option<(Mono, Vec<Vec<u8>>)>,
    /// What was to be told while nobody was there to hear it.
    untold: VecDeque<Notice>,
    told: Option<(Mono, Status)>,
    /// Outcomes that are on disk; who waits for one looks there when told of more.
    filed: u64,
    /// How many there will be, by the write that files them.
    filing: SortedMap<Ticket, u64>,
    /// When a background sync was asked for; until one comes that is news there is no need to ask again.
    sync_asked: Option<Mono>,
    /// The write after which it is to be booted anew, so that its next life is recorded.
    rebirth: Option<Ticket>,
    /// Changes of queued events that were asked for; the journal is read to its end before they are looked for.
    changes: VecDeque<(Ticket, Change)>,
    wiper: Option<Wiper>,
    tape: Option<Box<Tape>>,
    fenced: bool,
    /// The database before was lost, and the disk says that no page has been told.
    lost: bool,
    /// Messages that could not be understood, and were dropped.
    dropped: u64,
    effects: VecDeque<Effect>,
}

impl Coordinator {
    /// Takes in one fact, and does what has become due.
    pub fn handle(&mut self, now: Now, input: Input) {
        if let Some(tape) = &mut self.tape {
            tape.begin(now, &input);
        }
        let before = self.effects.len();
        self.take_in(now, input);
        self.end_tape_entry(now, before);
    }

    fn take_in(&mut self, now: Now, input: Input) {
        if self.fenced {
            return;
        }
        let mut answered = None;
        let mut reborn = self.wipe(now, &input);
        match input {
            Input::Message { from, bytes } => self.on_message(now, from, &bytes),
            Input::Clients(clients) => self.on_clients(now, &clients),
            Input::Device(device) => self.outbox.set_device(now, device),
            Input::DeviceFailed(fault) => self.tell(Notice::Trouble(fault)),
            Input::DatabaseLost => {
                let (what, session) = ("database".into(), "".into());
                self.tell(Notice::StateLost { what, session, from: None, to: None });
                self.lost = true;
            }
            Input::Journal { rows, ended } => {
                self.reader.on_rows(now, &rows, ended, &mut self.outbox)
            }
            Input::JournalFailed(fault) => {
                self.reader.on_failed(now);
                self.tell(Notice::Trouble(fault));
            }
            Input::Retained { ticket, rows } => self.outbox.on_retained(now, ticket, &rows),
            Input::Document { ticket, rows } => self.state.on_loaded(ticket, &rows),
            Input::Resolution { ticket, made } => self.on_resolution(ticket, made),
            Input::RetainedFailed { ticket, fault } => {
                if !self.state.on_load_failed(now, ticket) {
                    self.outbox.on_retained_failed(now, ticket);
                }
                self.tell(Notice::Trouble(fault));
            }
            Input::Old { store, rows } => {
                self.housekeeping.on_old(now, store, &rows, &mut self.outbox)
            }
            Input::Committed(ticket) => {
                self.filed = self.filed.max(self.filing.remove(&ticket).unwrap_or_default());
                if self.appends.remove(&ticket).is_some() {
                    self.reader.want();
                }
                self.outbox.on_committed(now, ticket);
                self.state.on_committed(ticket);
                self.asks.on_committed(ticket);
                reborn |= self.rebirth.take_if(|rebirth| *rebirth == ticket).is_some();
            }
            Input::CommitFailed { ticket, fault } => {
                self.filing.remove(&ticket);
                self.asks.on_commit_failed(ticket, &fault);
                if let Some(rows) = self.appends.remove(&ticket).filter(|rows| !rows.is_empty()) {
                    self.tell(Notice::Trouble(fault.clone()));
                    let (_, unsaved) = self
                        .unsaved
                        .get_or_insert_with(|| (now.mono.after(SAVE_AGAIN), Vec::new()));
                    unsaved.extend(rows);
                }
                self.state.on_commit_failed(now, ticket);
                self.outbox.on_commit_failed(now, ticket, fault);
            }
            Input::Fenced => {
                self.fenced = true;
                self.effects.clear();
                return;
            }
            Input::Signed { ticket, signature } => self.outbox.on_signed(now, ticket, signature),
            Input::Response { ticket, response } => {
                self.outbox.on_response(now, ticket, response);
                answered = Some(ticket);
            }
            Input::Pulled { ticket, response } => self.on_pulled(now, ticket, response),
            Input::Trigger(trigger) => self.on_trigger(now, trigger),
            Input::Timeout => {}
        }
        if self.unsaved.as_ref().is_some_and(|(again, _)| *again <= now.mono)
            && let Some((_, rows)) = self.unsaved.take()
        {
            self.append(rows);
        }
        self.outbox.tick(now);
        self.settle(now);
        // What the outbox has made of it is judged by the token that the request was sent with.
        if let Some(ticket) = answered {
            self.tokens.on_response(ticket);
        }
        if reborn {
            self.effects.push_back(Effect::StartOver);
        }
    }

    /// When [`Input::Timeout`] is wanted; `None` while only facts can help.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Mono> {
        if self.fenced {
            return None;
        }
        let unsaved = self.unsaved.as_ref().map(|(again, _)| *again);
        let wiper = self.wiper.as_ref().and_then(Wiper::due);
        let (outbox, state) = (self.outbox.poll_timeout(now), self.state.poll_timeout(now));
        let next = [outbox, state, self.reader.poll_timeout(now), unsaved, wiper];
        next.into_iter().flatten().min()
    }

    /// The next thing the driver is asked to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether nothing is under way that will end by itself: what is left waits for a time or a fact.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        if self.fenced {
            return true;
        }
        if self.outbox.is_frozen() {
            return self.wiper.as_ref().is_none_or(|wiper| wiper.due().is_some());
        }
        !self.outbox.is_busy() && self.has_read() && self.state.is_quiet() && self.asks.is_quiet()
    }

    /// Whether anything is still to be sent, so that the browser should wake us when it can.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let sends = self.may_send() && self.outbox.has_work();
        !self.fenced && (sends || self.wiper.is_some())
    }

    /// Whether a newer coordinator has taken its place. It will not do anything any more.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    // Until the app has said where events go nothing is read.
    fn has_read(&self) -> bool {
        !self.configured || self.reader.is_quiet()
    }

    fn may_send(&self) -> bool {
        self.outbox.config().may_send()
    }

    fn on_trigger(&mut self, now: Now, trigger: Trigger) {
        self.reader.want();
        match trigger {
            // A browser that thinks it is online fires at once, and that says nothing of the server.
            Trigger::Sync => {
                let echo = self.sync_asked.is_some_and(|at| now.mono.since(at) < SYNC_ECHO);
                if !echo {
                    self.sync_asked = None;
                    self.outbox.hurry(now);
                }
            }
            Trigger::PeriodicSync | Trigger::Push => self.outbox.hurry(now),
            Trigger::Start => {}
        }
    }

    fn on_message(&mut self, now: Now, from: Client, bytes: &[u8]) {
        let envelope = match Envelope::read(bytes) {
            Ok(envelope) => envelope,
            Err(BusFault::TooFarApart) => {
                return self.send(To::Client(from), RequestId(0), &Notice::ReloadNeeded);
            }
            Err(BusFault::Malformed) => {
                self.dropped = self.dropped.saturating_add(1);
                return;
            }
        };
        let Ok(Some(request)) = Request::open(&envelope) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        let (page, id) = (envelope.sender, envelope.request);
        // A token that the worker's hook has given is handed in like a page's.
        if page != self.realm {
            self.roster.heard(page, &from, now.mono);
        }
        if id != RequestId(0) && !matches!(request, Request::Hello(_)) {
            match self.asks.seen(page, id) {
                asks::Seen::New => {}
                asks::Seen::UnderWay => return,
                asks::Seen::Answered(reply) => {
                    return self.send(To::Client(from), id, &Notice::Reply(reply));
                }
            }
        }
        if self.wiper.is_some() && !matches!(request, Request::Hello(_) | Request::Farewell(_)) {
            return self.on_request_while_wiping(page, id, request);
        }
        match request {
            Request::Hello(hello) => self.on_hello(now, page, id, from, hello),
            Request::Nudge { hurry } => {
                self.reader.want();
                if hurry {
                    self.outbox.hurry(now);
                }
            }
            Request::Farewell(farewell) => self.on_farewell(now, page, farewell),
            Request::Token(given) => self.on_token(now, given.identity, given.token),
            Request::Retry { id: letter } => {
                let named = letter.is_some();
                let ids = letter.map_or_else(|| self.outbox.dead_ids(), |id| vec![id]);
                let tickets: Vec<Ticket> =
                    ids.iter().filter_map(|id| self.outbox.retry(now, id)).collect();
                if tickets.is_empty() && named {
                    return self.asks.fail(page, id, letter_unknown());
                }
                self.appends.extend(tickets.iter().map(|ticket| (*ticket, Vec::new())));
                self.asks.wait_for(page, id, tickets);
            }
            Request::Discard { id: letter } => match self.outbox.discard(now, &letter) {
                Some(ticket) => self.asks.wait_for(page, id, vec![ticket]),
                None => self.asks.fail(page, id, letter_unknown()),
            },
            Request::Pause { on } => {
                let config = Config { paused: on, ..self.outbox.config().clone() };
                let ticket = self.store_config(now, config);
                self.asks.wait_for(page, id, vec![ticket]);
            }
            Request::Record { recording } => {
                let before = self.outbox.config();
                let begins = recording.is_some() && recording != before.recording;
                let config = Config { recording, ..before.clone() };
                let ticket = self.store_config(now, config);
                // A second page's wish does not undo the first's.
                let stays = self.rebirth.filter(|_| recording.is_some());
                self.rebirth = begins.then_some(ticket).or(stays);
                self.asks.wait_for(page, id, vec![ticket]);
            }
            Request::Flush => {
                self.reader.want();
                self.outbox.hurry(now);
                self.asks.wait_for_quiet(page, id, self.outbox.answered());
            }
            Request::Replace(_) if self.changes.len() == CHANGES_MAX => {
                self.asks.fail(page, id, outbox::busy());
            }
            Request::Replace(change) => {
                let ticket = self.outbox.ticket();
                self.asks.wait_for(page, id, vec![ticket]);
                self.changes.push_back((ticket, change));
                self.reader.want();
            }
            Request::Edit(change) => match self.outbox.edit(&change) {
                Ok(ticket) => self.asks.wait_for(page, id, vec![ticket]),
                Err(fault) => self.asks.fail(page, id, fault),
            },
            Request::Wipe(wipe) => self.on_wipe(page, id, wipe),
            Request::Pull { head } => self.on_pull_wanted(page, id, head),
            Request::Resolved { id: event } => self.on_resolved(page, id, &event),
        }
    }

    // A change that was asked for before all of the journal was read may be about a row that is only just found.
    fn make_changes(&mut self, now: Now) {
        if !self.reader.has_read() {
            return;
        }
        while let Some((ticket, change)) = self.changes.pop_front() {
            if let Err(fault) = self.outbox.replace(now, ticket, &change) {
                self.asks.on_commit_failed(ticket, &fault);
            }
        }
    }

    fn on_hello(&mut self, now: Now, page: PageId, id: RequestId, from: Client, hello: Hello) {
        // What befell one server says nothing of another.
        let is_same = hello.server == self.outbox.config().server;
        let config = Config {
            version: ROW_VERSION,
            server: hello.server,
            options: hello.options.bounded(),
            paused: self.outbox.config().paused,
            build: self.outbox.config().build.clone(),
            recording: self.outbox.config().recording,
            breaker: self.outbox.config().breaker.filter(|_| is_same),
            wiping: self.outbox.config().wiping.clone(),
        };
        let moves = self.configured && config.is_served() != self.outbox.config().is_served();
        if config != *self.outbox.config() {
            let build = self.build.clone();
            let ticket = self.store_config(now, Config { build, ..config });
            // Who orders the documents is another: as after a death, what lies there is taken up anew.
            if moves {
                self.rebirth = Some(ticket);
            }
        }
        if !moves {
            self.state.set_served(self.outbox.config().is_served());
        }
        self.configured = true;
        if hello.shows_state == Some(true) {
            self.state.on_wanted(now, &hello.identity);
        }
        self.reader.want();
        let identity = hello.identity;
        let wants_token = hello.has_token && self.tokens.wants(&identity, &from, now.mono);
        if let Some(network) = hello.network {
            self.outbox.set_network(network);
        }
        let resolves = hello.resolves == Some(true);
        self.roster.register(page, &identity, hello.has_token, hello.visible, resolves);
        if !hello.has_token {
            // Plain requests of this user need none.
            self.outbox.on_token(now, &identity);
            self.state.on_token(&identity);
        }
        let welcome = Notice::Welcome(Welcome { status: self.status(now) });
        self.send(To::Client(from.clone()), id, &welcome);
        while let Some(notice) = self.untold.pop_front() {
            self.send(To::Client(from.clone()), RequestId(0), &notice);
        }
        if wants_token {
            self.ask_for_token(identity);
        }
    }

    fn on_farewell(&mut self, now: Now, page: PageId, farewell: Farewell) {
        self.roster.gone(page, now.mono);
        self.ask_who_is_left(now);
        let fits = |row: &[u8]| {
            row.len() <= limits::EVENT_BYTES_MAX + limits::NAME_BYTES_MAX * 2
                && read::<JournalRow<'_>>(row).is_ok()
        };
        let (rows, rest): (Vec<_>, Vec<_>) =
            farewell.rows.into_iter().map(Vec::from).partition(|row: &Vec<u8>| fits(row));
        self.dropped = self.dropped.saturating_add(rest.len() as u64);
        if !rows.is_empty() {
            self.append(rows);
        }
        self.reader.want();
    }

    fn append(&mut self, rows: Vec<Vec<u8>>) {
        let ticket = self.outbox.append(rows.clone());
        self.appends.insert(ticket, rows);
    }

    fn on_token(&mut self, now: Now, identity: Identity, token: Option<Box<str>>) {
        let token = token.filter(|token| token.len() <= limits::TOKEN_BYTES_MAX);
        if self.tokens.on_given(&identity, token) {
            self.outbox.on_token(now, &identity);
            self.state.on_token(&identity);
        }
    }

    fn on_clients(&mut self, now: Now, clients: &[Client]) {
        self.roster.present(clients, now.mono);
        self.ask_who_is_left(now);
        let strangers: Vec<Client> =
            clients.iter().filter(|client| !self.roster.knows(client)).cloned().collect();
        for client in strangers {
            let status = self.status(now);
            self.send(To::Client(client), RequestId(0), &Notice::Status(status));
        }
    }

    fn store_config(&mut self, now: Now, config: Config) -> Ticket {
        let ticket = self.outbox.store_config(to_cbor(&config));
        self.outbox.set_config(now, config);
        ticket
    }

    // Everything that follows from what has just happened.
    fn settle(&mut self, now: Now) {
        if self.lost && self.untold.is_empty() {
            self.lost = false;
            self.outbox.forget_loss();
        }
        self.make_changes(now);
        self.go_wipe(now);
        self.go_on(now);
        // Behind what is written: transactions come one after the other.
        if !self.outbox.is_frozen() && self.configured {
            self.reader.go(now, &self.outbox, &mut self.effects);
        }
        let quiet = !self.outbox.is_busy() && self.has_read() && self.state.is_quiet();
        if quiet {
            self.housekeeping.go(&self.outbox, &mut self.effects);
        }
        if self.roster.wants_list(now.mono) {
            self.effects.push_back(Effect::ListClients);
        }
        let flushed = Reply::Flushed {
            delivered: 0,
            pending: self.outbox.pending(),
            dead: self.outbox.dead(),
        };
        for (page, id, reply) in self.asks.answers(quiet, self.outbox.answered(), &flushed) {
            if let Some(client) = self.roster.client(page) {
                self.send(To::Client(client), id, &Notice::Reply(reply));
            }
        }
        if self.sync_asked.is_none() && self.has_work() && self.outbox.is_resting(now) {
            self.sync_asked = Some(now.mono);
            self.effects.push_back(Effect::AskForSync);
        }
        let status = self.status(now);
        let news = match &self.told {
            None => true,
            Some((at, told)) => {
                // While batches follow one another only the numbers change, and a few times a second will do.
                let soon =
                    !quiet && now.mono.since(*at) < TELL_EVERY && !status::is_urgent(told, &status);
                !soon && status::differs(told, &status)
            }
        };
        if news {
            self.send(To::All, RequestId(0), &Notice::Status(status.clone()));
            self.told = Some((now.mono, status));
        }
    }

    fn commit(&mut self, ticket: Ticket, ops: Vec<Op>, strict: bool) {
        let filed = |op: &Op| match op {
            Op::Put { store: Store::Done, key: Key::Number(key), .. } => Some(*key),
            Op::Put { .. } | Op::Append { .. } | Op::Delete { .. } | Op::DeleteSpan { .. } => None,
        };
        if let Some(key) = ops.iter().filter_map(filed).max() {
            self.filing.insert(ticket, key);
        }
        let batch = WriteBatch { epoch: self.epoch, holder: self.realm, strict, ops };
        self.effects.push_back(Effect::Commit { ticket, batch });
    }

    // Whoever was asked for a token and has gone will not give it; another page may.
    fn ask_who_is_left(&mut self, now: Now) {
        let Self { tokens, roster, .. } = self;
        for identity in tokens.left(&|client| roster.knows(client)) {
            if let Some(page) = self.roster.token_giver(&identity)
                && self.tokens.wants(&identity, &page, now.mono)
            {
                self.ask_for_token(identity);
            }
        }
    }

    // The worker's hook is asked first; a page, where there is none.
    fn ask_for_token(&mut self, identity: Identity) {
        let page = self.roster.token_giver(&identity);
        self.tokens.on_asked(&identity, page.as_ref());
        let notice = Notice::TokenWanted(identity.clone());
        let message = notice.seal(&self.build, self.realm, RequestId(0), self.epoch);
        self.effects.push_back(Effect::WantToken { identity, page, message });
    }

    fn on_outbox(&mut self, now: Now, effect: outbox::Effect) {
        let effect = match effect {
            outbox::Effect::Commit { ticket, ops, strict } => {
                return self.commit(ticket, ops, strict);
            }
            outbox::Effect::Sign { ticket, statement } => Effect::Sign { ticket, statement },
            outbox::Effect::Push { ticket, identity, body, compress } => {
                let mut url = String::from(self.outbox.config().server.trim_end_matches('/'));
                url.push_str("/v1/push");
                let token = self.tokens.for_push(&identity, ticket);
                Effect::Push { ticket, url: url.into(), token, body, compress }
            }
            outbox::Effect::Request { ticket, identity, id, request } => {
                let token = self.tokens.for_push(&identity, ticket);
                // No server of ours will refuse what leaves with somebody else's cookies.
                if token.is_none() && !self.roster.vouches(&identity) {
                    return self.outbox.on_response(now, ticket, outbox::Response::Withheld);
                }
                let server = self.outbox.config().server.clone();
                Effect::Request { ticket, server, token, id, request }
            }
            outbox::Effect::ReadRetained { ticket, after, limit } => {
                Effect::ReadRetained { ticket, store: Store::Retained, after, limit }
            }
            outbox::Effect::TokenWanted { identity, ticket } => {
                match self.tokens.on_refused(&identity, ticket, now.mono) {
                    Refused::Ask => self.ask_for_token(identity),
                    Refused::Replaced => self.outbox.on_token(now, &identity),
                    Refused::Asked => {}
                }
                return;
            }
            outbox::Effect::Tell(notice) => {
                if let Notice::StateLost { session, to, .. } = &notice {
                    self.state.on_renewed(session, *to);
                }
                return self.tell(notice);
            }
            outbox::Effect::Local { stream, position, sealed } => {
                return self.state.on_row(stream, position, &sealed);
            }
            outbox::Effect::Verdicts(verdicts) => return self.on_verdicts(now, verdicts),
        };
        self.effects.push_back(effect);
    }

    // Tells all pages; if none is known to be there, the first one that says hello.
    fn tell(&mut self, notice: Notice) {
        if self.roster.is_empty() {
            if let Notice::Buried { id, type_, reason, tries } = &notice {
                let (id, type_, reason) = (id.clone(), type_.clone(), reason.clone());
                self.effects.push_back(Effect::TellHook { id, type_, reason, tries: *tries });
            }
            if self.untold.len() == UNTOLD_MAX {
                self.untold.pop_front();
            }
            self.untold.push_back(notice);
        } else {
            self.send(To::All, RequestId(0), &notice);
        }
    }

    fn send(&mut self, to: To, request: RequestId, notice: &Notice) {
        let message = notice.seal(&self.build, self.realm, request, self.epoch);
        self.effects.push_back(Effect::Send { to, message });
    }
}

/// Rows of a closing page that the disk has refused are tried again after this.
const SAVE_AGAIN: Duration = Duration::from_secs(1);
/// A background sync that comes this soon after it was asked for was not waited for.
const SYNC_ECHO: Duration = Duration::from_secs(5);
/// Pages are told of mere progress at most this often.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Notices kept for the first page that comes.
const UNTOLD_MAX: usize = 32;
/// Changes of queued events that wait for the journal to be read.
const CHANGES_MAX: usize = 64;

/// What to say when the coordinator's own build cannot go on.
#[must_use]
pub fn too_old() -> Fault {
    Fault::new(
        "reload-needed",
        Culprit::Peer,
        "this device's data was written by a newer version of the app: reload to get it",
    )
}

#[cfg(test)]
mod tests;
