//! What a page's machine writes down of itself while it is recorded (OBS-3).
//!
//! What always holds:
//! - each part of the tape begins with all that the machine knows, so that the oldest can go and the rest can still be
//!   replayed. Nothing of it is on disk;
//! - a token is never in it, nor is anything of a message that this build does not know.

use core::time::Duration;

use minicbor::bytes::ByteVec;

use super::{Effect, Input, Page};
use crate::base::codec::{Encode, begin_array};
use crate::base::{Epoch, Mono, Now, PageId, RequestId, limits};
use crate::bus::{Changed, Envelope, Identity, Notice, Request};
use crate::tape::{self, FNV_START, Machine, Recording, fnv};

#[cfg(feature = "replay")]
pub use self::played::Asked;

/// See the module.
#[derive(Debug)]
pub(super) struct Tape {
    tape: tape::Tape,
    full: Vec<Vec<u8>>,
    /// The machine is still recorded.
    on: bool,
}

/// Gives a fact as a tape has it, with bodies or without.
pub(super) type Fact<'a> = &'a dyn Fn(Recording) -> Vec<u8>;

impl Page {
    /// Begins to write down what happens, or ends it. What was written before is forgotten when it begins.
    pub fn record(&mut self, recording: Option<Recording>) {
        match recording {
            Some(recording) => {
                let tape = tape::Tape::new(Machine::Page, &self.build, self.me, 0, recording);
                self.tape = Some(Box::new(Tape { tape, full: Vec::new(), on: true }));
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
        let mut chunks = tape.full.clone();
        if !tape.tape.is_empty() {
            chunks.push(tape.tape.peek());
        }
        chunks
    }

    /// A fact comes; the result is to be handed to [`taped`](Self::taped).
    #[inline(never)]
    pub(super) fn tape(&mut self, now: Now, fact: Fact<'_>) -> usize {
        let begins = self.tape.as_deref().is_some_and(|tape| tape.on && tape.tape.is_empty());
        let start = begins.then(|| (self.known(), self.poll_timeout()));
        if let Some(tape) = self.tape.as_mut().filter(|tape| tape.on) {
            if let Some((start, timeout)) = start {
                tape.tape.note(now, start);
                tape.tape.end(&[], timeout.map(|at| at.0));
            }
            let fact = fact(tape.tape.recording);
            tape.tape.note(now, fact);
        }
        self.effects.len()
    }

    /// What came of the fact is what was asked for since.
    #[inline(never)]
    pub(super) fn taped(&mut self, before: usize) {
        let timeout = self.poll_timeout();
        let Some(tape) = self.tape.as_mut().filter(|tape| tape.on) else { return };
        let mut digests = Vec::new();
        let mut at = before;
        while let Some(effect) = self.effects.get(at) {
            digests.extend_from_slice(&effect.digest());
            at += 1;
        }
        tape.tape.end(&digests, timeout.map(|at| at.0));
        if tape.tape.len() >= limits::TAPE_CHUNK_BYTES {
            tape.full.push(tape.tape.take().1);
            while tape.full.iter().map(Vec::len).sum::<usize>() > limits::TAPE_PAGE_BYTES_MAX {
                tape.full.remove(0);
            }
        }
    }

    /// All that the machine knows as the fact that a part begins with; each request that waits stands behind it.
    pub(crate) fn known(&self) -> Vec<u8> {
        let ms = |at: Option<Mono>| at.map(|at| at.0);
        let mut to = written(
            0,
            &[
                &self.me,
                &self.build,
                &self.hello,
                &self.linked,
                &self.epoch,
                &self.welcomed,
                &self.greeted,
                &ms(self.hello_again),
                &millis(self.hello_patience),
                &self.last_request,
                &millis(self.batch_age),
                &ms(self.nudge_due),
                &ms(self.nudged),
                &ms(self.heard),
                &ms(self.wake),
                &millis(self.safety_net),
                &self.pending,
                &self.left,
            ],
        );
        for (id, ask) in self.asks.iter() {
            let (request, patience) = (plain(&ask.request), millis(ask.patience));
            let (asked, again) = (ask.asked.0, ask.again.0);
            append(&mut to, 0, &[id, &&request[..], &asked, &again, &patience, &ask.repeated]);
        }
        to
    }
}

impl Input {
    /// The fact as a tape has it.
    pub(super) fn written(&self, recording: Recording) -> Vec<u8> {
        match self {
            Self::Linked => written(1, &[]),
            Self::Unlinked => written(2, &[]),
            Self::Message(bytes) => written(3, &[&&known_part(bytes, recording)[..]]),
            Self::Appended { urgent } => written(4, &[urgent]),
            Self::Visible(visible) => written(5, &[visible]),
            Self::Online => written(6, &[]),
            Self::Returned => written(7, &[]),
            Self::Leaving { rows, may_return } => match recording {
                Recording::WithoutBodies => written(8, &[may_return, &Blank(rows)]),
                Recording::WithBodies => written(8, &[may_return, rows]),
            },
            Self::Timeout => written(9, &[]),
            // 10 to 12 are the app's.
            Self::Network(network) => written(13, &[network]),
        }
    }
}

/// Rows as zeros of their lengths.
struct Blank<'a>(&'a [ByteVec]);

impl Encode for Blank<'_> {
    fn write(&self, to: &mut Vec<u8>) {
        begin_array(to, self.0.len() as u64);
        for row in self.0 {
            let mut row = row.clone();
            row.fill(0);
            row.write(to);
        }
    }
}

/// [`Page::ask`] as a tape has it.
pub(super) fn asked(request: &Request) -> Vec<u8> {
    written(10, &[&&plain(request)[..]])
}

/// [`Page::identify`] as a tape has it.
pub(super) fn identified(identity: &Identity, has_token: bool) -> Vec<u8> {
    written(11, &[identity, &has_token])
}

/// [`Page::show_state`] as a tape has it.
pub(super) fn shows_state() -> Vec<u8> {
    written(14, &[])
}

/// [`Page::give_token`] as a tape has it: the token by its length.
pub(super) fn token_given(identity: &Identity, token: Option<&str>) -> Vec<u8> {
    written(12, &[identity, &token.map(|token| token.len() as u64)])
}

impl Effect {
    /// What a tape has of it: its kind, and 56 bits of FNV-1a of what leaves the page. What may have bodies or a token
    /// in it counts by its length.
    pub(crate) fn digest(&self) -> [u8; 8] {
        let mut hash = FNV_START;
        let kind = match self {
            Self::Post { message, fast, hello } => {
                hash ^= (message.len() as u64) << 2 | u64::from(*fast) << 1 | u64::from(*hello);
                if !Envelope::read(message).is_ok_and(|it| Request::is_private(it.kind)) {
                    hash = message.iter().fold(hash, fnv);
                }
                1
            }
            Self::Welcomed => 2,
            Self::Status(..) => 3,
            Self::Answered(..) => 4,
            Self::Buried { .. } => 5,
            Self::StateLost { .. } => 6,
            Self::TokenWanted(_) => 7,
            Self::Trouble(_) => 8,
            Self::ReloadNeeded(_) => 9,
            Self::HostedByPage => 11,
            Self::Changed(_) => 10,
        };
        let mut digest = hash.to_be_bytes();
        digest[0] = kind;
        digest
    }
}

fn written(kind: u8, parts: &[&dyn Encode]) -> Vec<u8> {
    let mut to = Vec::new();
    append(&mut to, kind, parts);
    to
}

fn append(to: &mut Vec<u8>, kind: u8, parts: &[&dyn Encode]) {
    begin_array(to, parts.len() as u64 + 1);
    to.push(kind);
    parts.iter().for_each(|part| part.write(to));
}

// A message of a kind that this build does not know may have anything in its body.
fn known_part(message: &[u8], recording: Recording) -> Vec<u8> {
    match Envelope::read(message) {
        // What it tells of a document is somebody's to see, and nothing that this machine decides by.
        Ok(envelope)
            if envelope.kind == Notice::CHANGED && recording == Recording::WithoutBodies =>
        {
            Changed::without_rows(envelope)
        }
        Ok(envelope) if (1..=Notice::LAST).contains(&envelope.kind) => message.to_vec(),
        Ok(_) | Err(_) => Envelope::without_body(message),
    }
}

// A request alone; who asks, and under which number, is the machine's affair.
fn plain(request: &Request) -> Vec<u8> {
    request.seal("", PageId::default(), RequestId(0), Epoch(0))
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// What a replay makes of it.
#[cfg(feature = "replay")]
mod played {
    use super::super::Ask;
    use super::{Duration, Epoch, Identity, Mono, Page, PageId, Request, RequestId};
    use crate::base::SortedMap;
    use crate::base::codec::{Reader, array, read_one};
    use crate::bus::{Envelope, Hello};

    /// A fact that is no [`Input`](super::Input): the app's.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Asked {
        /// [`Page::ask`].
        Ask(Request),
        /// [`Page::identify`].
        Identify(Identity, bool),
        /// [`Page::give_token`], with the token's length.
        Token(Identity, Option<u64>),
        /// [`Page::show_state`].
        ShowsState,
    }

    struct Known {
        kind: u8,
        me: PageId,
        build: Box<str>,
        hello: Hello,
        linked: bool,
        epoch: Epoch,
        welcomed: Option<Epoch>,
        greeted: Option<Epoch>,
        hello_again: Option<u64>,
        hello_patience: u64,
        last_request: RequestId,
        batch_age: u64,
        nudge_due: Option<u64>,
        nudged: Option<u64>,
        heard: Option<u64>,
        wake: Option<u64>,
        safety_net: Option<u64>,
        pending: Option<bool>,
        left: Option<bool>,
    }

    array!(Known {
        0: kind,
        1: me,
        2: build,
        3: hello,
        4: linked,
        5: epoch,
        6: welcomed,
        7: greeted,
        8: hello_again,
        9: hello_patience,
        10: last_request,
        11: batch_age,
        12: nudge_due,
        13: nudged,
        14: heard,
        15: wake,
        16: safety_net,
        17: pending,
        18: left,
    });

    struct Waiting {
        kind: u8,
        id: RequestId,
        request: minicbor::bytes::ByteVec,
        asked: u64,
        again: u64,
        patience: u64,
        repeated: bool,
    }

    array!(Waiting { 0: kind, 1: id, 2: request, 3: asked, 4: again, 5: patience, 6: repeated });

    impl Page {
        /// The machine that knows this; `None` if it is not what [`known`](Self::known) gives.
        pub(crate) fn resume(known: &[u8]) -> Option<Self> {
            let mut from = Reader::new(known);
            let known: Known = read_one(&mut from);
            let mut asks = SortedMap::new();
            while !from.is_at_end() && from.finish().is_ok() {
                let kept: Waiting = read_one(&mut from);
                let request = Request::open(&Envelope::read(&kept.request).ok()?).ok()??;
                let patience = Duration::from_millis(kept.patience);
                let (asked, again, repeated) = (Mono(kept.asked), Mono(kept.again), kept.repeated);
                asks.insert(kept.id, Ask { request, asked, again, patience, repeated });
            }
            from.finish().ok()?;
            let at = |ms: Option<u64>| ms.map(Mono);
            let batch_age = Duration::from_millis(known.batch_age);
            Some(Self {
                linked: known.linked,
                epoch: known.epoch,
                welcomed: known.welcomed,
                greeted: known.greeted,
                hello_again: at(known.hello_again),
                hello_patience: Duration::from_millis(known.hello_patience),
                asks,
                last_request: known.last_request,
                nudge_due: at(known.nudge_due),
                nudged: at(known.nudged),
                heard: at(known.heard),
                wake: at(known.wake),
                pending: known.pending.unwrap_or_default(),
                left: known.left.unwrap_or_default(),
                // A tape of before there was one.
                safety_net: known.safety_net.map_or(Duration::MAX, Duration::from_millis),
                ..Self::new(known.me, &known.build, known.hello, batch_age)
            })
        }
    }
}
