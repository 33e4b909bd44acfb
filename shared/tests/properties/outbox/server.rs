//! A server that does what `docs/protocol.md` asks of one, and what a server should not do.

use std::collections::BTreeMap;

use bellwether_shared::base::{Culprit, EventId, Incarnation, LogEpoch, PageId, Seq, Stamp, Wall};
use bellwether_shared::outbox::Response;
use bellwether_shared::wire::{
    Answer, CBOR, Event, EventFlags, EventKind, EventResult, Later, Outcome, PROBLEM_CBOR, Problem,
    Push, Verdict, decode, to_cbor,
};
use proptest::prelude::*;
use proptest::sample::select;

use super::chain::{self, Hash};

/// How it is. Listed from well to strange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    /// It takes so many events of a batch, and then asks for time.
    Full(usize),
    /// It takes the batch, and its answer is lost.
    AnswersLost,
    Unreachable,
    /// It refuses every request so.
    Problem(u16, Option<u32>),
    /// Somebody else answers, or the answer is broken.
    Strange(u16, Vec<u8>),
    /// It claims that so many places more are consumed than it knows of, and says nothing about them.
    Boasts(u64),
}

pub(super) fn mood() -> impl Strategy<Value = Mood> {
    let status = select(vec![400_u16, 401, 403, 408, 413, 425, 429, 500, 502, 503]);
    let strange = prop_oneof![Just(vec![]), prop::collection::vec(any::<u8>(), 1..40)];
    prop_oneof![
        4 => Just(Mood::Well),
        2 => (0..3_usize).prop_map(Mood::Full),
        2 => Just(Mood::AnswersLost),
        2 => Just(Mood::Unreachable),
        4 => (status, prop::option::of(0..1_000_000_u32)).prop_map(|(status, wait)| Mood::Problem(status, wait)),
        2 => (select(vec![200_u16, 204, 302, 404, 409, 500]), strange)
            .prop_map(|(status, body)| Mood::Strange(status, body)),
        1 => (1..4_u64).prop_map(Mood::Boasts),
    ]
}

#[derive(Debug, Default)]
struct Stream {
    heads: Vec<Hash>,
    results: Vec<EventResult>,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) mood: Mood,
    /// What it put off and what poisoned it is taken like anything else.
    pub(super) takes_all: bool,
    lives: u8,
    streams: BTreeMap<Incarnation, Stream>,
    logs: BTreeMap<Box<str>, Vec<String>>,
}

impl Server {
    pub(super) fn new() -> Self {
        let (streams, logs) = (BTreeMap::new(), BTreeMap::new());
        Self { mood: Mood::Well, takes_all: false, lives: 1, streams, logs }
    }

    pub(super) fn wipe(&mut self) {
        *self = Self { mood: self.mood.clone(), lives: self.lives + 1, ..Self::new() };
    }

    pub(super) fn log(&self, session: &str) -> impl Iterator<Item = &String> {
        self.logs.get(session).into_iter().flatten()
    }

    pub(super) fn handle(&mut self, push: &Push, now: Wall) -> Response {
        match self.mood.clone() {
            Mood::Unreachable => Response::Unreachable,
            Mood::Problem(status, wait) => problem(status, wait),
            Mood::Strange(status, body) => http(status, CBOR, body),
            Mood::AnswersLost => {
                let _ = self.take(push, usize::MAX, now);
                Response::Unreachable
            }
            Mood::Well => self.take(push, usize::MAX, now).unwrap_or_else(|response| response),
            Mood::Full(most) => self.take(push, most, now).unwrap_or_else(|response| response),
            Mood::Boasts(more) => {
                let mut answer = self.answer(push, Verdict::Taken, now);
                answer.through = answer.through.plus(more);
                answer.durable = answer.through;
                http(200, CBOR, to_cbor(&answer))
            }
        }
    }

    fn take(&mut self, push: &Push, most: usize, now: Wall) -> Result<Response, Response> {
        let known = push.log_epoch.filter(|known| *known != LogEpoch::default());
        let lives = self.logs.contains_key(&push.stream.session);
        if known.is_some_and(|known| known != self.epoch(lives)) {
            return Ok(http(200, CBOR, to_cbor(&self.answer(push, Verdict::EpochChanged, now))));
        }
        if push.events.is_empty() {
            return Ok(http(200, CBOR, to_cbor(&self.answer(push, Verdict::Taken, now))));
        }
        let poisoned = push.events.iter().any(|sealed| id_of(sealed).ends_with("poison"));
        if poisoned && !self.takes_all {
            return Err(problem(400, None));
        }
        let genesis = chain::genesis(&push.stream, push.former.as_ref());
        let stream = self.streams.entry(push.stream.incarnation).or_default();
        if stream.heads.is_empty() {
            stream.heads.push(genesis);
        }
        let through = stream.results.len();
        let before = usize::try_from(push.first.0 - 1).expect("places are few");
        if before > through {
            return Ok(http(200, CBOR, to_cbor(&self.answer(push, Verdict::Gap, now))));
        }
        let mut head = *push.previous;
        let mut at = push.first;
        let heads = push.events.iter().map(|sealed| {
            head = chain::link(head, sealed);
            head
        });
        let heads: Vec<Hash> = core::iter::once(*push.previous).chain(heads).collect();
        for (ours, theirs) in stream.heads[before..].iter().zip(&heads) {
            if ours != theirs {
                let verdict = Verdict::Forked { at };
                return Ok(http(200, CBOR, to_cbor(&self.answer(push, verdict, now))));
            }
            at = at.next();
        }
        self.logs.entry(push.stream.session.clone()).or_default();
        let mut later = None;
        let known = through - before;
        for (sealed, head) in push.events.iter().zip(&heads[1..]).skip(known).take(most) {
            let id = id_of(sealed);
            if id.ends_with("later") && !self.takes_all {
                later = Some(id);
                break;
            }
            self.consume(push, id, *head);
        }
        let stream = &self.streams[&push.stream.incarnation];
        let results: Vec<EventResult> =
            stream.results.iter().skip(before).take(push.events.len()).cloned().collect();
        let mut answer = self.answer(push, Verdict::Taken, now);
        answer.results = results;
        for result in answer.results.iter_mut().take(known) {
            if result.outcome == Outcome::ACCEPTED {
                result.outcome = Outcome::DUPLICATE;
            }
        }
        let ended = (answer.results.len() as u64) < push.events.len() as u64;
        answer.retry_after_ms = ended.then_some(10);
        answer.later = later.map(|id| Later {
            seq: answer.through.next(),
            id: EventId::new(&id).expect("our own id"),
            code: "busy".into(),
        });
        Ok(http(200, CBOR, to_cbor(&answer)))
    }

    fn consume(&mut self, push: &Push, id: String, head: Hash) {
        let log = self.logs.entry(push.stream.session.clone()).or_default();
        let stream = self.streams.entry(push.stream.incarnation).or_default();
        let mut result = EventResult {
            seq: Seq(stream.heads.len() as u64),
            outcome: Outcome::REFUSED,
            offset: None,
            result: None,
            code: Some("no".into()),
            message: None,
        };
        if !id.ends_with("refuse") {
            let at = log.iter().position(|known| *known == id);
            result.outcome = if at.is_some() { Outcome::DUPLICATE } else { Outcome::ACCEPTED };
            result.offset = Some(at.unwrap_or(log.len()) as u64 + 1);
            result.code = None;
            if at.is_none() {
                log.push(id);
            }
        }
        stream.heads.push(head);
        stream.results.push(result);
    }

    fn epoch(&self, lives: bool) -> LogEpoch {
        if lives { LogEpoch([self.lives; 16]) } else { LogEpoch::default() }
    }

    fn answer(&self, push: &Push, verdict: Verdict, now: Wall) -> Answer {
        let through = self.streams.get(&push.stream.incarnation);
        let through = Seq(through.map_or(0, |stream| stream.results.len() as u64));
        let log = self.logs.get(&push.stream.session);
        Answer {
            log_epoch: self.epoch(log.is_some()),
            verdict,
            through,
            durable: through,
            results: Vec::new(),
            later: None,
            retry_after_ms: None,
            log_head: log.map_or(0, |log| log.len() as u64),
            server_time: now,
        }
    }
}

/// A sealed event of that id, with so many bytes of data, and what it comes after, come what may of that or not.
pub(super) fn sealed(id: &str, data: usize, after: Option<(&str, bool)>) -> Vec<u8> {
    let release = if after.is_some_and(|(_, release)| release) { 1 } else { 0 };
    let collapse = if id.ends_with("ping") { 2 } else { 0 };
    let after = after.map(|(after, _)| EventId::new(after).expect("our own id"));
    to_cbor(&Event {
        id: EventId::new(id).expect("tests use fit ids"),
        kind: EventKind::App,
        type_: "any",
        key: None,
        data: Some(&vec![b'1'; data]),
        schema: 0,
        stamp: Stamp(1),
        page: PageId([7; 16]),
        at: Wall(1),
        correlation: None,
        after,
        binds: None,
        flags: (release + collapse > 0).then_some(EventFlags(release + collapse)),
    })
}

pub(super) fn id_of(sealed: &[u8]) -> String {
    let event: Event<'_> = decode(sealed).expect("tests seal well");
    event.id.as_str().to_owned()
}

fn http(status: u16, media: &str, body: Vec<u8>) -> Response {
    Response::Http { status, content_type: media.into(), retry_after_ms: None, body }
}

fn problem(status: u16, retry_after_ms: Option<u32>) -> Response {
    let (code, detail) = ("no".into(), "".into());
    let (culprit, retryable) = (Culprit::Server, true);
    let problem = Problem { code, status, culprit, retryable, retry_after_ms, detail, floor: None };
    http(status, PROBLEM_CBOR, to_cbor(&problem))
}
