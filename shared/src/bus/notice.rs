//! What the coordinator says to pages.

use minicbor::bytes::ByteVec;

use super::BusFault;
use super::envelope::Envelope;
use super::request::Identity;
use crate::base::codec::{
    Decode, Encode, Fields, Reader, array, begin_array, index, read_one, write_uint,
};
use crate::base::{Epoch, EventId, Fault, LogEpoch, PageId, RequestId, Wall, limits};
use crate::rows::{HostKind, Reason};
use crate::wire::to_cbor;

/// How it stands with delivery, in one word (OUT-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// Nothing is waiting.
    #[default]
    Synchronized,
    /// Something is on its way.
    Synchronizing,
    /// Something waits for the server to be reached.
    Offline,
    /// Something waits for somebody to act; the reason says for what.
    Blocked,
}

index!(Sync { 0: Synchronized, 1: Synchronizing, 2: Offline, 3: Blocked });

/// What pages are told of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What hosts it.
    pub host: HostKind,
    /// Events on this device that the server has not answered.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// Events of this device whose outcomes are on disk: the newest key in `done`.
    pub answered: u64,
    /// Pages present.
    pub pages: u32,
    /// The page that is to wake the coordinator at `wake_at`.
    pub pump: Option<PageId>,
    /// When it has something to do again.
    pub wake_at: Option<Wall>,
    /// When the next delivery is tried.
    pub next_attempt_at: Option<Wall>,
    /// How it stands.
    pub sync: Sync,
    /// Why it is blocked or cannot reach the server: a stable code; empty where nothing is wrong.
    pub reason: Box<str>,
    /// Whether the app has paused delivery.
    pub paused: bool,
    /// Whether the server answered the last time it was asked; absent before the first time.
    pub reachable: Option<bool>,
    /// The journal position up to which `pending` has counted.
    pub read_through: u64,
    /// How the breaker stands; absent while it is closed (OUT-9).
    pub breaker: Option<Breaker>,
}

/// Whether the server is being spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Breaker {
    /// No.
    #[default]
    Closed,
    /// Nothing is sent.
    Open,
    /// One request is on its way, to see whether the server is well again.
    HalfOpen,
}

index!(Breaker { 0: Closed, 1: Open, 2: HalfOpen });

array!(Status {
    0: host,
    1: pending,
    2: dead,
    3: answered,
    4: pages,
    5: pump,
    6: wake_at,
    7: next_attempt_at,
    8: sync,
    9: reason,
    10: paused,
    11: reachable,
    12: read_through,
    13: breaker,
});

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// How things stand.
    pub status: Status,
}

array!(Welcome { 0: status });

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done, for so many letters.
    Done(u64),
    /// Nothing more can be delivered at once.
    Flushed {
        /// Events answered since the request came.
        delivered: u64,
        /// Events still waiting.
        pending: u64,
        /// Dead letters.
        dead: u64,
    },
    /// It could not be done.
    Failed(Fault),
}

struct Done {
    letters: u64,
}

array!(Done { 0: letters });

struct Flushed {
    delivered: u64,
    pending: u64,
    dead: u64,
}

array!(Flushed { 0: delivered, 1: pending, 2: dead });

struct Failed {
    fault: Fault,
}

array!(Failed { 0: fault });

// An array of the kind's number and an array of what belongs to it.
impl Encode for Reply {
    fn write(&self, to: &mut Vec<u8>) {
        begin_array(to, 2);
        match *self {
            Self::Done(letters) => {
                write_uint(to, 0);
                Done { letters }.write(to);
            }
            Self::Flushed { delivered, pending, dead } => {
                write_uint(to, 1);
                Flushed { delivered, pending, dead }.write(to);
            }
            Self::Failed(ref fault) => {
                write_uint(to, 2);
                begin_array(to, 1);
                fault.write(to);
            }
        }
    }
}

impl<'b> Decode<'b> for Reply {
    fn blank() -> Self {
        Self::Done(0)
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        let mut fields = from.open_array();
        let mut kind = 0;
        loop {
            match fields.next(from) {
                0 => kind = from.uint(u64::MAX),
                1 => *self = read_reply(kind, from),
                Fields::END => break,
                _ => from.skip(),
            }
        }
        fields.check(from, 0b11);
    }
}

fn read_reply(kind: u64, from: &mut Reader<'_>) -> Reply {
    match kind {
        0 => Reply::Done(read_one::<Done>(from).letters),
        1 => {
            let Flushed { delivered, pending, dead } = read_one(from);
            Reply::Flushed { delivered, pending, dead }
        }
        2 => Reply::Failed(read_one::<Failed>(from).fault),
        _ => {
            from.refuse_kind();
            Reply::blank()
        }
    }
}

/// What the coordinator tells one page or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// To a page that said hello.
    Welcome(Welcome),
    /// Something about [`Status`] has changed.
    Status(Status),
    /// The answer to the request that the envelope names.
    Reply(Reply),
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
    /// Something that was thought safe is gone: the server's log, or this device's database.
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
    /// A token is needed to send this identity's events.
    TokenWanted(Identity),
    /// The coordinator lives elsewhere.
    HostedBy {
        /// What hosts it there.
        kind: HostKind,
    },
    /// Something went wrong that the developer should know.
    Trouble(Fault),
    /// The page is of a build too far apart to be understood.
    ReloadNeeded,
    /// See [`Changed`].
    Changed(Changed),
}

/// What is on disk of a session's document has changed (STATE-8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// The session.
    pub session: Box<str>,
    /// Which keys.
    pub keys: Vec<Box<str>>,
    /// Patches that are a part of it now, or never will be.
    pub over: Vec<Over>,
    /// What has changed, where it is little and nothing else has; else the disk has to be read.
    pub folded: Option<Folded>,
}

array!(Changed { 0: session, 1: keys, 2: over, 3: folded });

/// The log was folded on from a known offset, and nothing else was written of the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folded {
    /// How far the log was known before.
    pub since: u64,
    /// The rows that were written, with their keys; how far the log is known is one of them.
    pub rows: Vec<(Box<str>, ByteVec)>,
}

array!(Folded { 0: since, 1: rows });

/// A patch that has come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// Its event.
    pub id: EventId,
    /// Why it was refused; absent if it was taken.
    pub refused: Option<Reason>,
}

array!(Over { 0: id, 1: refused });

impl Over {
    /// One that was taken.
    #[must_use]
    pub fn taken(id: EventId) -> Self {
        Self { id, refused: None }
    }
}

struct Buried {
    id: Box<str>,
    type_: Box<str>,
    reason: Reason,
    tries: u32,
}

array!(Buried { 0: id, 1: type_, 2: reason, 3: tries });

struct StateLost {
    what: Box<str>,
    session: Box<str>,
    from: Option<LogEpoch>,
    to: Option<LogEpoch>,
}

array!(StateLost { 0: what, 1: session, 2: from, 3: to });

impl Changed {
    /// A message that tells of this, without the rows.
    pub(crate) fn without_rows(envelope: Envelope<'_>) -> Vec<u8> {
        let mut from = Reader::new(envelope.body);
        let mut fields = from.open_array();
        let start = from.position();
        let mut end = start;
        while fields.next(&mut from) < 3 {
            from.skip();
            end = from.position();
        }
        let mut body = Vec::new();
        begin_array(&mut body, 3);
        body.extend_from_slice(envelope.body.get(start..end).unwrap_or_default());
        Envelope { body: &body, ..envelope }.seal()
    }
}

impl Notice {
    const WELCOME: u8 = 1;
    const STATUS: u8 = 2;
    const REPLY: u8 = 3;
    const BURIED: u8 = 4;
    const STATE_LOST: u8 = 5;
    const TOKEN_WANTED: u8 = 6;
    const HOSTED_BY: u8 = 7;
    const TROUBLE: u8 = 8;
    const RELOAD_NEEDED: u8 = 9;
    pub(crate) const CHANGED: u8 = 10;
    /// The last kind that this build knows. One that carries a body, a result or a token needs a path in `tape`.
    pub(crate) const LAST: u8 = Self::CHANGED;

    /// What a message of this kind is called in a log.
    #[must_use]
    pub fn name(kind: u8) -> &'static str {
        const NAMES: &[&str] = &[
            "welcome",
            "status",
            "reply",
            "buried",
            "state-lost",
            "token-wanted",
            "hosted-by",
            "trouble",
            "reload-needed",
            "changed",
        ];
        NAMES.get(usize::from(kind).wrapping_sub(1)).copied().unwrap_or("unknown")
    }

    /// The message with its header.
    #[must_use]
    pub fn seal(&self, build: &str, sender: PageId, request: RequestId, epoch: Epoch) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Welcome(welcome) => (Self::WELCOME, to_cbor(welcome)),
            Self::Status(status) => (Self::STATUS, to_cbor(status)),
            Self::Reply(reply) => (Self::REPLY, to_cbor(reply)),
            Self::Buried { id, type_, reason, tries } => {
                let (id, type_, reason) = (id.clone(), type_.clone(), reason.clone());
                (Self::BURIED, to_cbor(&Buried { id, type_, reason, tries: *tries }))
            }
            Self::StateLost { what, session, from, to } => {
                let (what, session) = (what.clone(), session.clone());
                (Self::STATE_LOST, to_cbor(&StateLost { what, session, from: *from, to: *to }))
            }
            Self::TokenWanted(identity) => (Self::TOKEN_WANTED, to_cbor(identity)),
            Self::HostedBy { kind } => (Self::HOSTED_BY, to_cbor(kind)),
            Self::Trouble(fault) => (Self::TROUBLE, to_cbor(fault)),
            Self::ReloadNeeded => (Self::RELOAD_NEEDED, Vec::new()),
            Self::Changed(changed) => (Self::CHANGED, to_cbor(changed)),
        };
        Envelope { kind, body: &body, ..Envelope::blank(build, sender, request, epoch) }.seal()
    }

    /// Reads the body; `None` for a kind that this build does not know.
    pub fn open(envelope: &Envelope<'_>) -> Result<Option<Self>, BusFault> {
        if envelope.body.len() > limits::BUS_BYTES_MAX {
            return Err(BusFault::Malformed);
        }
        let mut from = Reader::new(envelope.body);
        let from = &mut from;
        let read = match envelope.kind {
            Self::WELCOME => Self::Welcome(read_one(from)),
            Self::STATUS => Self::Status(read_one(from)),
            Self::REPLY => Self::Reply(read_one(from)),
            Self::BURIED => {
                let Buried { id, type_, reason, tries } = read_one(from);
                Self::Buried { id, type_, reason, tries }
            }
            Self::STATE_LOST => {
                let StateLost { what, session, from, to } = read_one(from);
                Self::StateLost { what, session, from, to }
            }
            Self::TOKEN_WANTED => Self::TokenWanted(read_one(from)),
            Self::HOSTED_BY => Self::HostedBy { kind: read_one(from) },
            Self::TROUBLE => Self::Trouble(read_one(from)),
            Self::RELOAD_NEEDED => Self::ReloadNeeded,
            Self::CHANGED => Self::Changed(read_one(from)),
            _ => return Ok(None),
        };
        from.finish().map(|()| Some(read)).map_err(|_| BusFault::Malformed)
    }
}
