//! The page's machine: keeps in touch with the coordinator, wherever and whenever it lives (HOST-2, HOST-8).
//!
//! What always holds:
//! - nothing here stands between an event and the disk: appending needs no coordinator;
//! - a request is sent again after silence, under the same id, until it is answered or given up in words;
//! - a coordinator that does not know this page yet is told of it before anything else;
//! - notices of an older epoch than the newest heard of are dropped;
//! - while something is pending the coordinator is woken at least once in the time of the safety net (OUT-4).
//!
//! Not here: the journal, the mirror of the session state, and who hosts the coordinator.

mod taping;

use core::time::Duration;
use std::collections::VecDeque;

use minicbor::bytes::ByteVec;

use crate::base::{
    Culprit, Epoch, Fault, LogEpoch, Mono, Now, PageId, RequestId, SortedMap, limits,
};
use crate::bus::{
    BusFault, Changed, Envelope, Farewell, Hello, Identity, Network, Notice, Reply, Request,
    Status, Sync, TokenGiven,
};
use crate::rows::{HostKind, Reason};

#[cfg(feature = "replay")]
pub use self::taping::Asked;

/// A fact from outside, already true when it is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// There is somebody to talk to: a worker has become active, or another one has.
    Linked,
    /// There is nobody to talk to.
    Unlinked,
    /// The coordinator has said something.
    Message(Vec<u8>),
    /// Events were made durable.
    Appended {
        /// Whether one of them is critical, or is to go at once.
        urgent: bool,
    },
    /// The page has come into sight, or gone out of it.
    Visible(bool),
    /// The browser says that the network is back.
    Online,
    /// What the browser says of the network is another, or nothing any more.
    Network(Option<Network>),
    /// The page is back from a frozen state or from the back/forward cache.
    Returned,
    /// The page goes, perhaps for good.
    Leaving {
        /// Journal rows that it has not seen written.
        rows: Vec<ByteVec>,
        /// Whether it may come back.
        may_return: bool,
    },
    /// The time that `poll_timeout` named has come.
    Timeout,
}

/// What the driver is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this to the coordinator.
    Post {
        /// The sealed envelope.
        message: Vec<u8>,
        /// It may go by the fast path, which does not wake anybody; else by the one that does.
        fast: bool,
        /// It is a hello: a port for the fast path goes with it.
        hello: bool,
    },
    /// The coordinator knows this page.
    Welcomed,
    /// How things stand with the coordinator.
    Status(Epoch, Box<str>, Status),
    /// A request was answered, or given up.
    Answered(RequestId, Reply),
    /// An event was buried.
    Buried {
        /// Which.
        id: Box<str>,
        /// Its type.
        type_: Box<str>,
        /// Why.
        reason: Reason,
        /// Tries it had spent.
        tries: u32,
    },
    /// Something that was thought safe is gone.
    StateLost {
        /// `server-log` or `database`.
        what: Box<str>,
        /// The session it concerns; empty for the database.
        session: Box<str>,
        /// The life of the log before.
        from: Option<LogEpoch>,
        /// Its present life.
        to: Option<LogEpoch>,
    },
    /// The app is asked for a token.
    TokenWanted(Identity),
    /// Something went wrong that the developer should know.
    Trouble(Fault),
    /// What is on disk of a document has changed.
    Changed(Changed),
    /// The coordinator is of another build, too far apart.
    ReloadNeeded(Box<str>),
    /// Who was asked does not host the coordinator: a page does.
    HostedByPage,
}

#[derive(Debug)]
struct Ask {
    request: Request,
    asked: Mono,
    again: Mono,
    patience: Duration,
    /// It was sent more than once: the first may have been carried out by a coordinator that died over the answer.
    repeated: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Page {
    me: PageId,
    build: Box<str>,
    hello: Hello,
    linked: bool,
    /// It has said farewell, and has not returned: browsers put a page out of sight after they have hidden it away.
    left: bool,
    epoch: Epoch,
    /// The epoch of the coordinator that knows this page.
    welcomed: Option<Epoch>,
    /// The epoch of the coordinator that was told of this page last.
    greeted: Option<Epoch>,
    /// When the hello is sent again.
    hello_again: Option<Mono>,
    hello_patience: Duration,
    asks: SortedMap<RequestId, Ask>,
    last_request: RequestId,
    batch_age: Duration,
    nudge_due: Option<Mono>,
    nudged: Option<Mono>,
    heard: Option<Mono>,
    wake: Option<Mono>,
    safety_net: Duration,
    /// The coordinator has something to deliver, as far as it has told.
    pending: bool,
    effects: VecDeque<Effect>,
    tape: Option<Box<taping::Tape>>,
}

impl Page {
    /// A page that knows nobody yet. `batch_age` is how long a nudge waits for more events.
    #[must_use]
    pub fn new(me: PageId, build: &str, hello: Hello, batch_age: Duration) -> Self {
        Self {
            me,
            build: build.into(),
            hello,
            linked: false,
            left: false,
            epoch: Epoch(0),
            welcomed: None,
            greeted: None,
            hello_again: None,
            hello_patience: PATIENCE_MIN,
            asks: SortedMap::new(),
            last_request: RequestId(0),
            batch_age,
            nudge_due: None,
            nudged: None,
            heard: None,
            wake: None,
            safety_net: Duration::from_millis(limits::SAFETY_NET_MS.into()),
            pending: false,
            effects: VecDeque::new(),
            tape: None,
        }
    }

    /// The same, but with a safety net of its own; [`SAFETY_NET_MS_MIN`](limits::SAFETY_NET_MS_MIN) at the least.
    #[must_use]
    pub fn with_safety_net(mut self, safety_net: Duration) -> Self {
        self.safety_net = safety_net.max(Duration::from_millis(limits::SAFETY_NET_MS_MIN));
        self
    }

    /// Takes in one fact.
    pub fn handle(&mut self, now: Now, input: Input) {
        let before = self.tape(now, &|recording| input.written(recording));
        match input {
            Input::Linked => {
                self.linked = true;
                self.welcomed = None;
                self.say_hello(now);
            }
            Input::Unlinked => self.linked = false,
            Input::Message(bytes) => self.on_message(now, &bytes),
            Input::Appended { urgent } => {
                let due = if urgent { now.mono } else { now.mono.after(self.batch_age) };
                self.nudge_due = Some(self.nudge_due.map_or(due, |earlier| earlier.min(due)));
            }
            Input::Visible(visible) => {
                self.hello.visible = visible;
                self.left &= !visible;
                self.say_hello(now);
                if visible {
                    self.nudge(now, true);
                }
            }
            Input::Online => self.nudge(now, true),
            Input::Network(network) => {
                self.hello.network = network;
                self.say_hello(now);
            }
            Input::Returned => {
                self.left = false;
                self.welcomed = None;
                self.say_hello(now);
                self.nudge(now, true);
            }
            Input::Leaving { rows, may_return } => {
                self.say_farewell(rows, may_return);
                self.left = true;
                self.welcomed = None;
                self.hello_again = None;
                self.wake = None;
            }
            Input::Timeout => {}
        }
        self.settle(now);
        self.taped(before);
    }

    /// Asks the coordinator for something; the answer comes as [`Effect::Answered`].
    pub fn ask(&mut self, now: Now, request: Request) -> RequestId {
        let before = self.tape(now, &|_| taping::asked(&request));
        self.last_request.0 += 1;
        let id = self.last_request;
        // Somebody heard of a moment ago is awake, and the fast path will do.
        let fast = self.heard.is_some_and(|heard| now.mono.since(heard) < AWAKE);
        self.post(&request, id, fast && self.welcomed.is_some());
        let again = now.mono.after(PATIENCE_MIN);
        self.asks.insert(
            id,
            Ask { request, asked: now.mono, again, patience: PATIENCE_MIN, repeated: false },
        );
        self.taped(before);
        id
    }

    /// The page's events are another's from here on.
    pub fn identify(&mut self, now: Now, identity: Identity, has_token: bool) {
        let before = self.tape(now, &|_| taping::identified(&identity, has_token));
        self.hello.identity = identity;
        self.hello.has_token = has_token;
        self.say_hello(now);
        self.taped(before);
    }

    /// From here on the page shows the session's document.
    pub fn show_state(&mut self, now: Now) {
        if self.hello.shows_state != Some(true) {
            let before = self.tape(now, &|_| taping::shows_state());
            self.hello.shows_state = Some(true);
            self.say_hello(now);
            self.taped(before);
        }
    }

    /// The app has answered what [`Effect::TokenWanted`] asked.
    pub fn give_token(&mut self, identity: Identity, token: Option<Box<str>>) {
        let before =
            self.tape(Now::default(), &|_| taping::token_given(&identity, token.as_deref()));
        let request = Request::Token(TokenGiven { identity, token });
        self.post(&request, RequestId(0), false);
        self.taped(before);
    }

    /// Whose events the page makes.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.hello.identity
    }

    /// When [`Input::Timeout`] is wanted; `None` while only facts can help.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        let contact = [self.hello_again, self.nudge_due, self.wake];
        let contact = if self.linked && !self.left { contact } else { [None; 3] };
        let asks = self.asks.values().map(|ask| Some(ask.again));
        let mut next = None;
        let mut take = |at| next = Mono::earlier(next, at);
        contact.into_iter().for_each(&mut take);
        asks.for_each(take);
        next
    }

    /// The next thing the driver is asked to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn settle(&mut self, now: Now) {
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now.mono);
        if due(self.nudge_due) && self.linked {
            self.nudge(now, false);
        }
        if due(self.wake) {
            // The coordinator may have nothing new to say.
            self.wake = self.net(now);
            self.nudge(now, false);
        }
        if due(self.hello_again) {
            let heard = self.nudged.zip(self.heard).is_none_or(|(nudged, heard)| heard > nudged);
            if self.welcomed == Some(self.epoch) && heard {
                self.hello_again = None;
            } else {
                self.say_hello(now);
            }
        }
        self.ask_again(now);
    }

    fn ask_again(&mut self, now: Now) {
        let late: Vec<RequestId> =
            self.asks.iter().filter(|(_, ask)| ask.again <= now.mono).map(|(id, _)| *id).collect();
        for id in late {
            let Some(mut ask) = self.asks.remove(&id) else { continue };
            let since = self.heard.map_or(ask.asked, |heard| heard.max(ask.asked));
            if now.mono.since(since) >= GIVE_UP {
                self.effects.push_back(Effect::Answered(id, Reply::Failed(silent())));
                continue;
            }
            self.post(&ask.request, id, false);
            // Whoever works on it may have no answer yet, but has a word for a hello.
            if self.hello_again.is_none() && since == ask.asked {
                self.say_hello(now);
            }
            ask.repeated = true;
            ask.patience = (ask.patience * 2).min(PATIENCE_MAX);
            ask.again = now.mono.after(ask.patience);
            self.asks.insert(id, ask);
        }
    }

    fn nudge(&mut self, now: Now, hurry: bool) {
        self.nudge_due = None;
        self.post(&Request::Nudge { hurry }, RequestId(0), false);
        self.nudged = Some(now.mono);
        // Somebody should react; if nobody does, the hello asks for a word.
        let again = now.mono.after(PATIENCE_MIN);
        self.hello_again = Some(self.hello_again.map_or(again, |at| at.min(again)));
    }

    fn say_hello(&mut self, now: Now) {
        if !self.linked || self.left {
            return;
        }
        let hello = Request::Hello(self.hello.clone());
        self.last_request.0 += 1;
        let message = hello.seal(&self.build, self.me, self.last_request, self.epoch);
        self.effects.push_back(Effect::Post { message, fast: false, hello: true });
        self.hello_again = Some(now.mono.after(self.hello_patience));
        self.hello_patience = (self.hello_patience * 2).min(HELLO_PATIENCE_MAX);
    }

    // In as many messages as the bound of one takes; the last is said in any case.
    fn say_farewell(&mut self, rows: Vec<ByteVec>, may_return: bool) {
        let mut part = Farewell { rows: Vec::new(), may_return };
        let mut bytes = 0;
        for row in rows {
            if bytes + row.len() > limits::BUS_BYTES_MAX / 2 && !part.rows.is_empty() {
                let full = Farewell { rows: core::mem::take(&mut part.rows), may_return };
                self.post(&Request::Farewell(full), RequestId(0), false);
                bytes = 0;
            }
            bytes += row.len();
            part.rows.push(row);
        }
        self.post(&Request::Farewell(part), RequestId(0), false);
    }

    fn post(&mut self, request: &Request, id: RequestId, fast: bool) {
        let message = request.seal(&self.build, self.me, id, self.epoch);
        self.effects.push_back(Effect::Post { message, fast, hello: false });
    }

    fn on_message(&mut self, now: Now, bytes: &[u8]) {
        let envelope = match Envelope::read(bytes) {
            Ok(envelope) => envelope,
            Err(BusFault::TooFarApart) => {
                return self.part("");
            }
            Err(BusFault::Malformed) => return,
        };
        // Under epoch 0 speaks a host that could not become coordinator: it says why, and stands for nobody.
        let hosted = envelope.epoch != Epoch(0);
        let past = hosted && envelope.epoch < self.epoch;
        let Ok(Some(notice)) = Notice::open(&envelope) else { return };
        // Epochs begin anew with the database, which is no one session's.
        let anew = matches!(&notice, Notice::StateLost { session, .. } if session.is_empty());
        if past && !anew {
            return;
        }
        if hosted {
            self.epoch = envelope.epoch;
            self.heard = Some(now.mono);
        }
        if past {
            self.greeted = Some(self.epoch);
            self.say_hello(now);
        }
        let build = envelope.build;
        match notice {
            Notice::Welcome(welcome) => {
                self.welcomed = Some(self.epoch);
                self.hello_again = None;
                self.hello_patience = PATIENCE_MIN;
                self.effects.push_back(Effect::Welcomed);
                self.on_status(now, build, welcome.status);
            }
            Notice::Status(status) => {
                if self.welcomed != Some(self.epoch) && self.greeted != Some(self.epoch) {
                    self.greeted = Some(self.epoch);
                    self.say_hello(now);
                }
                self.on_status(now, build, status);
            }
            Notice::Reply(reply) => {
                // The question has woken one that has not heard of this page: once it has, it is asked once more.
                if let Some(ask) = self.asks.get_mut(&envelope.request)
                    && !ask.repeated
                    && is(&reply, "page-unknown")
                {
                    ask.again = now.mono;
                    return self.say_hello(now);
                }
                if let Some(ask) = self.asks.remove(&envelope.request) {
                    let gone = ask.repeated && is(&reply, "letter-unknown");
                    let reply = if gone { Reply::Done(1) } else { reply };
                    self.effects.push_back(Effect::Answered(envelope.request, reply));
                }
            }
            Notice::Buried { id, type_, reason, tries } => {
                self.effects.push_back(Effect::Buried { id, type_, reason, tries });
            }
            Notice::StateLost { what, session, from, to } => {
                self.effects.push_back(Effect::StateLost { what, session, from, to });
            }
            Notice::TokenWanted(identity) => {
                self.effects.push_back(Effect::TokenWanted(identity));
            }
            Notice::HostedBy { kind: HostKind::Page } => {
                self.effects.push_back(Effect::HostedByPage);
            }
            Notice::HostedBy { kind: HostKind::Worker } => {}
            Notice::Trouble(fault) => self.effects.push_back(Effect::Trouble(fault)),
            Notice::ReloadNeeded => self.part(build),
            Notice::Changed(changed) => self.effects.push_back(Effect::Changed(changed)),
        }
    }

    // Saying hello again and again would only wake a host that does not understand it; the next one is greeted.
    fn part(&mut self, build: &str) {
        self.hello_again = None;
        self.effects.push_back(Effect::ReloadNeeded(build.into()));
    }

    // One page wakes the coordinator in time; the others do if that one does not.
    fn on_status(&mut self, now: Now, build: &str, status: Status) {
        let soonest = now.mono.after(Duration::from_millis(limits::PUMP_MS_MIN));
        // Where nothing will be tried by itself somebody has to act, and waking the coordinator is of no use.
        let stuck = status.sync == Sync::Blocked && status.next_attempt_at.is_none();
        self.pending = status.pending > 0 && !status.paused && !stuck;
        let mut wake = status.wake_at.map(|at| now.mono_at(at).max(soonest));
        if let Some(net) = self.net(now) {
            wake = Some(wake.map_or(net, |at| at.min(net)));
        }
        self.wake = if status.pump == Some(self.me) {
            wake
        } else {
            wake.map(|at| at.after(Duration::from_millis(limits::PUMP_PATIENCE_MS)))
        };
        self.effects.push_back(Effect::Status(self.epoch, build.into(), status));
    }

    fn net(&self, now: Now) -> Option<Mono> {
        self.pending.then(|| now.mono.after(self.safety_net))
    }
}

fn is(reply: &Reply, code: &str) -> bool {
    matches!(reply, Reply::Failed(fault) if &*fault.code == code)
}

fn silent() -> Fault {
    Fault::new(
        "coordinator-silent",
        Culprit::Browser,
        "the coordinator did not answer; the request may still be carried out: try again later",
    )
}

const PATIENCE_MIN: Duration = Duration::from_secs(1);
const PATIENCE_MAX: Duration = Duration::from_secs(8);
const HELLO_PATIENCE_MAX: Duration = Duration::from_secs(30);
const GIVE_UP: Duration = Duration::from_secs(20);
const AWAKE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
