//! Where stories of the coordinator are played: a disk and a signer that answer at once, a server that answers when
//! it is told to, and a page.

use std::collections::VecDeque;

use bellwether_shared::base::{
    Culprit, EventId, Fault, LogEpoch, Mono, Now, PageId, RequestId, Seq, Stamp, Wall,
};
use bellwether_shared::bus::{Hello, Identity, Request, TokenGiven};
use bellwether_shared::coordinator::{Client, Coordinator, Effect, Input, Trigger};
use bellwether_shared::outbox::{Response, Ticket};
use bellwether_shared::rows::{JournalRow, Options, Store, StreamKey};
use bellwether_shared::wire::{
    Answer, CBOR, Event, EventFlags, EventKind, EventResult, Lane, Outcome, PROBLEM_CBOR, Problem,
    Push, Verdict, from_cbor, to_cbor,
};

use crate::disk::Disk;
use crate::names::Names;
use crate::tell;

/// See the module.
pub(crate) struct Stage {
    told: String,
    names: Names,
    disk: Disk,
    options: Options,
    coordinator: Option<Coordinator>,
    at_ms: u64,
    under_way: VecDeque<Effect>,
    wire: VecDeque<(Ticket, Push)>,
    requested: VecDeque<Ticket>,
    refuses: bool,
    fenced: bool,
    log: LogEpoch,
    offsets: u64,
    requests: u64,
}

impl Stage {
    pub(crate) fn new(title: &str, options: Options) -> Self {
        Self {
            told: format!("# {title}\n"),
            names: Names::default(),
            disk: Disk::new(options.clone()),
            options,
            coordinator: None,
            at_ms: 0,
            under_way: VecDeque::new(),
            wire: VecDeque::new(),
            requested: VecDeque::new(),
            refuses: false,
            fenced: false,
            log: LogEpoch([1; 16]),
            offsets: 0,
            requests: 0,
        }
    }

    pub(crate) fn end(self, name: &str) {
        assert!(self.wire.is_empty(), "a push is left without an answer");
        crate::compare(name, &self.told);
    }

    /// The worker starts.
    pub(crate) fn boot(&mut self) {
        let restored = self.disk.boot(self.now());
        self.fact(&format!("the worker starts as epoch {}", restored.lease.epoch.0));
        let seed = restored.lease.epoch.0;
        self.coordinator = Some(Coordinator::restore(self.now(), &restored, seed));
        self.listen();
        self.tell("the device is known", Input::Device(Disk::device()));
    }

    /// The worker dies, and what it had asked for with it.
    pub(crate) fn kill(&mut self) {
        self.fact("the worker is killed");
        self.coordinator = None;
        self.under_way.clear();
        self.wire.clear();
        self.requested.clear();
    }

    /// A page appends events of ann's in the normal lane, and nudges.
    pub(crate) fn append(&mut self, ids: &[&str]) {
        let stream = ann();
        for id in ids {
            let row = to_cbor(&JournalRow::new(&stream, &sealed(id), self.now().wall));
            self.append_row(id, row);
        }
        self.ask(Request::Nudge { hurry: false });
    }

    /// A page appends events of ann's as one, each with its prerequisite and flags; those of ben's begin with `ben-`.
    pub(crate) fn append_choices(&mut self, events: &[(&str, Option<&str>, EventFlags)]) {
        for (id, after, flags) in events {
            let stream = if id.starts_with("ben-") { ben() } else { ann() };
            let sealed = chosen(id, *after, *flags);
            let row = to_cbor(&JournalRow::new(&stream, &sealed, self.now().wall));
            let after = after.map(|after| format!(", after {after}")).unwrap_or_default();
            self.append_row(&format!("{id}{after}"), row);
        }
        self.ask(Request::Nudge { hurry: false });
    }

    /// A page appends an event of ben's.
    pub(crate) fn append_of_ben(&mut self, id: &str) {
        let stream = ben();
        let row = to_cbor(&JournalRow::new(&stream, &sealed(id), self.now().wall));
        self.append_row(id, row);
        self.ask(Request::Nudge { hurry: false });
    }

    /// A page of a newer build appends an event of ann's.
    pub(crate) fn append_of_newer_build(&mut self, id: &str) {
        let (stream, sealed) = (ann(), sealed(id));
        let row = JournalRow::new(&stream, &sealed, self.now().wall);
        let row = to_cbor(&JournalRow { version: 2, ..row });
        self.append_row(&format!("{id}, as a row of version 2"), row);
        self.ask(Request::Nudge { hurry: false });
    }

    fn append_row(&mut self, what: &str, row: Vec<u8>) {
        let position = self.disk.append(row);
        self.fact(&format!("a page appends {what} at {position}"));
    }

    pub(crate) fn hello(&mut self, has_token: bool) {
        let identity = Identity { session: "s".into(), user: "ann".into() };
        let (server, options) = ("https://server.test".into(), self.options.clone());
        self.ask(Request::Hello(Hello {
            identity,
            server,
            options,
            has_token,
            visible: true,
            network: None,
            shows_state: None,
            resolves: None,
        }));
    }

    pub(crate) fn give_token(&mut self) {
        let identity = Identity { session: "s".into(), user: "ann".into() };
        self.ask(Request::Token(TokenGiven { identity, token: Some("secret".into()) }));
    }

    /// A page says something.
    pub(crate) fn ask(&mut self, request: Request) {
        let asks = !matches!(request, Request::Nudge { .. } | Request::Token(_));
        self.requests += u64::from(asks);
        let id = RequestId(if asks { self.requests } else { 0 });
        let epoch = self.coordinator.as_ref().map(Coordinator::epoch).unwrap_or_default();
        let bytes = request.seal("test", PageId([1; 16]), id, epoch);
        let what = format!("page 1 says: {}", tell::request(&bytes));
        self.tell(&what, Input::Message { from: Client("page 1".into()), bytes });
    }

    /// Time passes, and the alarm rings.
    pub(crate) fn pass(&mut self) {
        let coordinator = self.coordinator.as_ref().expect("it lives");
        let next = coordinator.poll_timeout(self.now()).expect("it waits for a time");
        self.at_ms = next.0;
        self.tell("the alarm rings", Input::Timeout);
    }

    /// So much time passes, and nothing is said of it.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.at_ms += ms;
    }

    pub(crate) fn wake(&mut self) {
        self.tell("the browser wakes the worker", Input::Trigger(Trigger::Start));
    }

    /// The next transaction is refused.
    pub(crate) fn refuse_next(&mut self) {
        self.refuses = true;
    }

    /// Another worker boots; from here on the disk knows its epoch.
    pub(crate) fn supersede(&mut self) {
        let next = self.disk.boot(self.now());
        self.fact(&format!("another worker boots as epoch {}", next.lease.epoch.0));
        self.fenced = true;
    }

    /// The server is wiped: its logs live another life.
    pub(crate) fn wipe(&mut self) {
        self.fact("the server is put back to its first day");
        self.log.0[0] += 1;
        self.offsets = 0;
    }

    /// The server takes the first `count` events of the push, and answers.
    pub(crate) fn takes(&mut self, count: usize) {
        let (ticket, push) = self.wire.pop_front().expect("something was pushed");
        let results = (push.first.0..).take(count.min(push.events.len())).map(|seq| {
            self.offsets += 1;
            result(seq, Outcome::ACCEPTED, Some(self.offsets))
        });
        let results = results.collect();
        self.answer(ticket, &push, Verdict::Taken, results);
    }

    /// The server refuses all of the push.
    pub(crate) fn refuses(&mut self) {
        let (ticket, push) = self.wire.pop_front().expect("something was pushed");
        let all = (push.first.0..).take(push.events.len());
        let results = all.map(|seq| result(seq, Outcome::REFUSED, None)).collect();
        self.answer(ticket, &push, Verdict::Taken, results);
    }

    /// The server recognises all of the push.
    pub(crate) fn recognises(&mut self) {
        let (ticket, push) = self.wire.pop_front().expect("something was pushed");
        let all = (push.first.0..).take(push.events.len());
        let results = all.map(|seq| result(seq, Outcome::DUPLICATE, Some(seq))).collect();
        self.answer(ticket, &push, Verdict::Taken, results);
    }

    /// The server takes nothing, for this reason.
    pub(crate) fn objects(&mut self, verdict: Verdict) {
        let (ticket, push) = self.wire.pop_front().expect("something was pushed");
        self.answer(ticket, &push, verdict, Vec::new());
    }

    fn answer(&mut self, ticket: Ticket, push: &Push, verdict: Verdict, results: Vec<EventResult>) {
        let through = Seq(push.first.0 - 1).plus(results.len() as u64);
        let what = match verdict {
            Verdict::Taken => format!("taken through {}", through.0),
            Verdict::Gap => "a gap".to_owned(),
            Verdict::Forked { at } => format!("forked at {}", at.0),
            Verdict::EpochChanged => format!("this is {}", self.names.log(self.log)),
        };
        let body = to_cbor(&Answer {
            log_epoch: self.log,
            verdict,
            through,
            durable: through,
            results,
            later: None,
            retry_after_ms: None,
            log_head: self.offsets,
            server_time: self.now().wall,
        });
        self.respond(ticket, &what, 200, CBOR, body);
    }

    /// The server refuses the request.
    pub(crate) fn fails(&mut self, status: u16, code: &str, retry_after_ms: Option<u32>) {
        let (ticket, _) = self.wire.pop_front().expect("something was pushed");
        let (culprit, retryable) = (Culprit::Server, true);
        let problem = Problem {
            code: code.into(),
            status,
            culprit,
            retryable,
            retry_after_ms,
            detail: "".into(),
            floor: None,
        };
        let wait = retry_after_ms.map(|ms| format!(", come again in {ms} ms")).unwrap_or_default();
        self.respond(ticket, &format!("{code}{wait}"), status, PROBLEM_CBOR, to_cbor(&problem));
    }

    fn respond(&mut self, ticket: Ticket, what: &str, status: u16, media: &str, body: Vec<u8>) {
        let response =
            Response::Http { status, content_type: media.into(), retry_after_ms: None, body };
        let what = format!("response #{}: {status}, {what}", ticket.0);
        self.tell(&what, Input::Response { ticket, response });
    }

    /// Nothing comes back for the push.
    pub(crate) fn cuts(&mut self) {
        let (ticket, _) = self.wire.pop_front().expect("something was pushed");
        let response = Response::Unreachable;
        let what = format!("response #{}: none", ticket.0);
        self.tell(&what, Input::Response { ticket, response });
    }

    /// Hands in a fact, and what disk, signer and browser have to say to what comes of it.
    /// The server that a plain request was for answers it.
    pub(crate) fn answers_request(&mut self, status: u16, body: &str) {
        let ticket = self.requested.pop_front().expect("a request was sent");
        let (content_type, retry_after_ms) = ("application/json".into(), None);
        let body = body.as_bytes().to_vec();
        let response = Response::Http { status, content_type, retry_after_ms, body };
        let what = format!("response #{}: {status}", ticket.0);
        self.tell(&what, Input::Response { ticket, response });
    }

    /// A page appends events of ann's in another lane, and nudges.
    pub(crate) fn append_in(&mut self, lane: Lane, ids: &[&str]) {
        let stream = StreamKey { lane, ..ann() };
        for id in ids {
            let row = to_cbor(&JournalRow::new(&stream, &sealed(id), self.now().wall));
            self.append_row(&format!("{id}, which is {}", lane.name()), row);
        }
        self.ask(Request::Nudge { hurry: false });
    }

    pub(crate) fn tell(&mut self, what: &str, input: Input) {
        self.fact(what);
        self.coordinator.as_mut().expect("it lives").handle(now(self.at_ms), input);
        self.listen();
        while let Some(effect) = self.under_way.pop_front() {
            let (what, input) = self.perform(effect);
            self.fact(&what);
            self.coordinator.as_mut().expect("it lives").handle(now(self.at_ms), input);
            self.listen();
        }
    }

    fn listen(&mut self) {
        while let Some(effect) = self.coordinator.as_mut().and_then(Coordinator::poll_effect) {
            for (at, line) in tell::effect(&mut self.names, now(0).wall, &effect).iter().enumerate()
            {
                let mark = if at == 0 { "effect" } else { "" };
                self.told.push_str(&format!("          {mark:6}  {line}\n"));
            }
            match effect {
                Effect::Send { .. }
                | Effect::AskForSync
                | Effect::WantToken { .. }
                | Effect::Pull { .. }
                | Effect::TellHook { .. }
                | Effect::StartOver => {}
                Effect::Request { ticket, .. } => self.requested.push_back(ticket),
                Effect::Push { ticket, ref body, .. } => {
                    let push = from_cbor(body, usize::MAX).expect("our own push");
                    self.wire.push_back((ticket, push));
                }
                Effect::Commit { .. }
                | Effect::Sign { .. }
                | Effect::ReadJournal { .. }
                | Effect::ReadRetained { .. }
                | Effect::ReadOld { .. }
                | Effect::ReadDocument { .. }
                | Effect::Resolve { .. }
                | Effect::ListClients => self.under_way.push_back(effect),
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> (String, Input) {
        match effect {
            Effect::Commit { ticket, .. } if self.fenced => {
                (format!("#{} finds another epoch", ticket.0), Input::Fenced)
            }
            Effect::Commit { ticket, .. } if core::mem::take(&mut self.refuses) => {
                let fault = Fault::new("store-quota", Culprit::Browser, "the disk is full");
                let what = format!("#{} is refused: store-quota", ticket.0);
                (what, Input::CommitFailed { ticket, fault })
            }
            Effect::Commit { ticket, batch } => {
                batch.ops.into_iter().for_each(|op| self.disk.write(op));
                (format!("#{} is on disk", ticket.0), Input::Committed(ticket))
            }
            Effect::Sign { ticket, .. } => {
                let signature = Some(vec![3; 64]);
                (format!("#{} is signed", ticket.0), Input::Signed { ticket, signature })
            }
            Effect::ReadJournal { after, limit } => {
                let (rows, ended) = self.disk.after(Store::Journal, after, limit);
                let positions: Vec<u64> = rows.iter().map(|(position, _)| *position).collect();
                (format!("the journal holds {positions:?}"), Input::Journal { rows, ended })
            }
            Effect::ReadRetained { ticket, store, after, limit } => {
                let rows = self.disk.after(store, after, limit).0;
                let keys: Vec<u64> = rows.iter().map(|(key, _)| *key).collect();
                (format!("#{} holds {keys:?}", ticket.0), Input::Retained { ticket, rows })
            }
            Effect::ReadDocument { ticket, .. } => {
                ("there is no document".to_owned(), Input::Document { ticket, rows: Vec::new() })
            }
            Effect::Resolve { ticket, .. } => {
                ("there is no hook".to_owned(), Input::Resolution { ticket, made: None })
            }
            Effect::ReadOld { store, limit } => {
                let rows = self.disk.after(store, 0, limit).0;
                let keys: Vec<u64> = rows.iter().map(|(key, _)| *key).collect();
                (format!("{} holds {keys:?}", store.name()), Input::Old { store, rows })
            }
            Effect::ListClients => {
                ("there is page 1".to_owned(), Input::Clients(vec![Client("page 1".into())]))
            }
            Effect::Push { .. }
            | Effect::Send { .. }
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

    fn fact(&mut self, what: &str) {
        self.told.push_str(&format!("{:>6}    fact    {what}\n", self.at_ms));
    }

    fn now(&self) -> Now {
        now(self.at_ms)
    }
}

fn now(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_790_000_000_000 + ms) }
}

fn ann() -> StreamKey {
    StreamKey { session: "s".into(), user: "ann".into(), lane: Lane::Normal }
}

fn ben() -> StreamKey {
    StreamKey { user: "ben".into(), ..ann() }
}

fn sealed(id: &str) -> Vec<u8> {
    chosen(id, None, EventFlags(0))
}

/// A sealed event with its prerequisite and its flags.
pub(crate) fn chosen(id: &str, after: Option<&str>, flags: EventFlags) -> Vec<u8> {
    to_cbor(&Event {
        id: EventId::new(id).expect("stories use fit ids"),
        kind: EventKind::App,
        type_: "added",
        key: None,
        data: None,
        schema: 0,
        stamp: Stamp(1),
        page: PageId([1; 16]),
        at: Wall(1),
        correlation: None,
        after: after.map(|id| EventId::new(id).expect("stories use fit ids")),
        binds: None,
        flags: (flags.0 > 0).then_some(flags),
    })
}

fn result(seq: u64, outcome: Outcome, offset: Option<u64>) -> EventResult {
    EventResult { seq: Seq(seq), outcome, offset, result: None, code: None, message: None }
}
