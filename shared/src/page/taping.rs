//! What a page's machine writes down of itself while it is recorded (OBS-3).
//!
//! What always holds: each part of the tape begins with all that the machine knows, so that the oldest can go and the
//! rest can still be replayed. Nothing of it is on disk.

use core::time::Duration;
use std::collections::VecDeque;

use super::{Ask, Effect, Input, Page};
use crate::base::codec::{array, encode, map};
use crate::base::{Epoch, Mono, Now, PageId, RequestId, limits};
use crate::bus::{Hello, Identity, Request};
use crate::tape::{self, Machine, Recording, Scribe, Side, digest};

/// See the module.
#[derive(Debug)]
pub(super) struct Tape {
    tape: tape::Tape,
    full: VecDeque<Vec<u8>>,
    /// The machine is still recorded.
    on: bool,
}

/// A fact that is no [`Input`]: the app's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// [`Page::ask`].
    Ask(Request),
    /// [`Page::identify`].
    Identify(Identity, bool),
    /// [`Page::give_token`], with what the token stands in.
    Token(Request),
}

/// All that a page's machine knows.
pub(super) struct Snapshot {
    me: PageId,
    build: Box<str>,
    hello: Hello,
    linked: bool,
    epoch: Epoch,
    welcomed: Option<Epoch>,
    greeted: Option<Epoch>,
    hello_again: Option<u64>,
    hello_patience: u64,
    asks: Vec<Kept>,
    last_request: RequestId,
    batch_age: u64,
    nudge_due: Option<u64>,
    nudged: Option<u64>,
    heard: Option<u64>,
    wake: Option<u64>,
}

map!(Snapshot {
    0: me,
    1: build,
    2: hello,
    3: linked,
    4: epoch,
    5: welcomed,
    6: greeted,
    7: hello_again,
    8: hello_patience,
    9: asks,
    10: last_request,
    11: batch_age,
    12: nudge_due,
    13: nudged,
    14: heard,
    15: wake,
});

/// A request that waits.
struct Kept {
    id: RequestId,
    request: minicbor::bytes::ByteVec,
    asked: u64,
    again: u64,
    patience: u64,
    repeated: bool,
}

array!(Kept { 0: id, 1: request, 2: asked, 3: again, 4: patience, 5: repeated });

impl Page {
    /// Begins to write down what happens, or ends it. What was written before is forgotten when it begins.
    pub fn record(&mut self, recording: Option<Recording>) {
        match recording {
            Some(recording) => {
                let tape = tape::Tape::new(Machine::Page, &self.build, self.me, 0, recording);
                self.tape = Some(Box::new(Tape { tape, full: VecDeque::new(), on: true }));
            }
            None => {
                if let Some(tape) = &mut self.tape {
                    tape.on = false;
                }
            }
        }
    }

    /// What was recorded.
    #[must_use]
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        let Some(tape) = &self.tape else { return Vec::new() };
        let open = (!tape.tape.is_empty()).then(|| tape.tape.peek());
        tape.full.iter().cloned().chain(open).collect()
    }

    /// A fact comes; the result is to be handed to [`taped`](Self::taped).
    #[inline(never)]
    pub(super) fn tape(&mut self, now: Now, write: &dyn Fn(&mut Scribe<'_>)) -> usize {
        let before = self.effects.len();
        if let Some(mut tape) = self.tape.take() {
            if tape.on {
                if tape.tape.is_empty() {
                    let start = encode(&self.snapshot());
                    tape.tape.begin(now, None, &|to| {
                        to.kind(0, 1);
                        to.value(&&start[..]);
                    });
                    tape.tape.end(&[], self.poll_timeout().map(|at| at.0));
                }
                tape.tape.begin(now, None, write);
            }
            self.tape = Some(tape);
        }
        before
    }

    /// What came of the fact is what was asked for since.
    #[inline(never)]
    pub(super) fn taped(&mut self, before: usize) {
        let timeout = self.poll_timeout();
        let Some(tape) = self.tape.as_mut().filter(|tape| tape.on) else { return };
        let mut digests = Vec::new();
        for effect in self.effects.iter().skip(before) {
            digests.extend_from_slice(&effect.digest(tape.tape.recording));
        }
        tape.tape.end(&digests, timeout.map(|at| at.0));
        if tape.tape.len() >= limits::TAPE_CHUNK_BYTES {
            tape.full.push_back(tape.tape.take().1);
            while tape.full.iter().map(Vec::len).sum::<usize>() > limits::TAPE_PAGE_BYTES_MAX {
                tape.full.pop_front();
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let ms = |at: Option<Mono>| at.map(|at| at.0);
        let kept = |(id, ask): (&RequestId, &Ask)| Kept {
            id: *id,
            request: plain(&ask.request).into(),
            asked: ask.asked.0,
            again: ask.again.0,
            patience: millis(ask.patience),
            repeated: ask.repeated,
        };
        Snapshot {
            me: self.me,
            build: self.build.clone(),
            hello: self.hello.clone(),
            linked: self.linked,
            epoch: self.epoch,
            welcomed: self.welcomed,
            greeted: self.greeted,
            hello_again: ms(self.hello_again),
            hello_patience: millis(self.hello_patience),
            asks: self.asks.iter().map(kept).collect(),
            last_request: self.last_request,
            batch_age: millis(self.batch_age),
            nudge_due: ms(self.nudge_due),
            nudged: ms(self.nudged),
            heard: ms(self.heard),
            wake: ms(self.wake),
        }
    }
}

#[cfg(feature = "replay")]
impl Snapshot {
    /// The machine that knows this; `None` if a request in it cannot be read.
    pub(super) fn into_page(self) -> Option<Page> {
        let at = |ms: Option<u64>| ms.map(Mono);
        let mut asks = crate::base::SortedMap::new();
        for kept in self.asks {
            let envelope = crate::bus::Envelope::read(&kept.request).ok()?;
            let request = Request::open(&envelope).ok()??;
            let patience = Duration::from_millis(kept.patience);
            let (asked, again, repeated) = (Mono(kept.asked), Mono(kept.again), kept.repeated);
            asks.insert(kept.id, Ask { request, asked, again, patience, repeated });
        }
        Some(Page {
            me: self.me,
            build: self.build,
            hello: self.hello,
            linked: self.linked,
            epoch: self.epoch,
            welcomed: self.welcomed,
            greeted: self.greeted,
            hello_again: at(self.hello_again),
            hello_patience: Duration::from_millis(self.hello_patience),
            asks,
            last_request: self.last_request,
            batch_age: Duration::from_millis(self.batch_age),
            nudge_due: at(self.nudge_due),
            nudged: at(self.nudged),
            heard: at(self.heard),
            wake: at(self.wake),
            effects: VecDeque::new(),
            tape: None,
        })
    }
}

#[cfg(feature = "replay")]
impl Page {
    /// The machine that a part of a tape begins with; `None` if it is not what it should be.
    pub(crate) fn resume(snapshot: &[u8]) -> Option<Self> {
        crate::base::codec::decode::<Snapshot>(snapshot).ok()?.into_page()
    }

    /// What such a part begins with now.
    pub(crate) fn written(&self) -> Vec<u8> {
        encode(&self.snapshot())
    }
}

impl Input {
    /// Writes the fact down as a tape has it.
    pub(crate) fn write(&self, to: &mut Scribe<'_>) {
        match self {
            Self::Linked => to.kind(1, 0),
            Self::Unlinked => to.kind(2, 0),
            Self::Message(bytes) => {
                to.kind(3, 1);
                to.message(bytes, Side::Coordinator);
            }
            Self::Appended { urgent } => {
                to.kind(4, 1);
                to.value(urgent);
            }
            Self::Visible(visible) => {
                to.kind(5, 1);
                to.value(visible);
            }
            Self::Online => to.kind(6, 0),
            Self::Returned => to.kind(7, 0),
            Self::Leaving { rows, may_return } => {
                to.kind(8, 2);
                to.value(may_return);
                to.list(rows.len());
                rows.iter().for_each(|row| to.row(row, tape::JOURNAL));
            }
            Self::Timeout => to.kind(9, 0),
        }
    }
}

impl Asked {
    /// Writes the fact down as a tape has it.
    pub(crate) fn write(&self, to: &mut Scribe<'_>) {
        match self {
            Self::Ask(request) => {
                to.kind(10, 1);
                to.message(&plain(request), Side::Page);
            }
            Self::Identify(identity, has_token) => {
                to.kind(11, 2);
                to.value(identity);
                to.value(has_token);
            }
            Self::Token(request) => {
                to.kind(12, 1);
                to.message(&plain(request), Side::Page);
            }
        }
    }
}

impl Effect {
    /// What a tape has of it.
    pub(crate) fn digest(&self, recording: Recording) -> [u8; 8] {
        digest(recording, &|to| self.write(to))
    }

    fn write(&self, to: &mut Scribe<'_>) -> u8 {
        match self {
            Self::Post { message, fast, hello } => {
                to.value(fast);
                to.value(hello);
                to.message(message, Side::Page);
                1
            }
            Self::Welcomed => 2,
            Self::Status(epoch, build, status) => {
                to.value(epoch);
                to.value(build);
                to.value(status);
                3
            }
            Self::Answered(id, reply) => {
                to.value(id);
                to.value(reply);
                4
            }
            Self::Buried { id, type_, reason, tries } => {
                to.value(id);
                to.value(type_);
                to.value(reason);
                to.value(tries);
                5
            }
            Self::StateLost { what, session, from, to: now } => {
                to.value(what);
                to.value(session);
                to.value(from);
                to.value(now);
                6
            }
            Self::TokenWanted(identity) => {
                to.value(identity);
                7
            }
            Self::Trouble(fault) => {
                to.value(fault);
                8
            }
            Self::ReloadNeeded(build) => {
                to.value(build);
                9
            }
        }
    }
}

// A request alone; who asks, and under which number, is the machine's affair.
fn plain(request: &Request) -> Vec<u8> {
    request.seal("", PageId::default(), RequestId(0), Epoch(0))
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
