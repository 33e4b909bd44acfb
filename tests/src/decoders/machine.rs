//! Machines that are told anything: what lies on disk, what is said, what is answered.
//!
//! The bytes are a list of `[kind, bytes]` in CBOR, so that a change to them can change one thing alone.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bellwether_shared::base::{Culprit, DeviceId, Fault, LogEpoch, Mono, Now, PageId, Seq, Wall};
use bellwether_shared::bus::{Hello, Identity, Request};
use bellwether_shared::coordinator::{Client, Coordinator, Effect, Input, Restored, Trigger};
use bellwether_shared::outbox::{OutboxRows, Response};
use bellwether_shared::page::{self, Page};
use bellwether_shared::rows::{
    Config, DeviceRow, HostKind, Key, LeaseRow, Op, Options, ROW_VERSION, Store, read,
};
use bellwether_shared::wire::{
    Answer, CBOR, DeviceKey, EventResult, KeyKind, Outcome, PROBLEM_CBOR, Push, Verdict, decode,
    from_cbor, to_cbor,
};

/// What a piece is to a coordinator; its number is its place here.
const PIECES: [Piece; 12] = [
    Piece::Stream,
    Piece::Flight,
    Piece::Cursor,
    Piece::Dead,
    Piece::Config,
    Piece::Journal,
    Piece::Retained,
    Piece::Device,
    Piece::Message,
    Piece::Answer,
    Piece::Refusal,
    Piece::Time,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Stream,
    Flight,
    Cursor,
    Dead,
    Config,
    Journal,
    Retained,
    Device,
    Message,
    /// What the server says next: a status as two bytes, and a body. Status 0: it takes as many events as the
    /// body has bytes, and means it.
    Answer,
    /// The disk refuses as many transactions as the piece has bytes.
    Refusal,
    /// As many seconds pass as the piece has bytes.
    Time,
}

pub(super) fn coordinator(bytes: &[u8]) {
    let Ok(pieces) = decode::<Vec<(u8, &[u8])>>(bytes) else { return };
    let pieces = pieces.iter().take(PIECES_MAX);
    let pieces: Vec<(Piece, Vec<u8>)> = pieces
        .filter_map(|(kind, bytes)| Some((*PIECES.get(usize::from(*kind))?, bytes.to_vec())))
        .collect();
    Host::boot(&pieces).live(pieces);
}

/// A driver and its disk in as few lines as will do.
struct Host {
    coordinator: Coordinator,
    device: DeviceRow,
    journal: BTreeMap<u64, Vec<u8>>,
    retained: BTreeMap<u64, Vec<u8>>,
    last_position: u64,
    answers: VecDeque<Vec<u8>>,
    refusals: usize,
    pushes: usize,
    is_over: bool,
    at_ms: u64,
}

impl Host {
    fn boot(pieces: &[(Piece, Vec<u8>)]) -> Self {
        let of = |kind: Piece| {
            let wanted = pieces.iter().filter(move |(piece, _)| *piece == kind);
            wanted.map(|(_, bytes)| bytes.clone())
        };
        let dead = (0..).map(Key::Number).zip(of(Piece::Dead)).collect();
        let outbox = OutboxRows {
            streams: of(Piece::Stream).collect(),
            flights: of(Piece::Flight).collect(),
            cursors: of(Piece::Cursor).collect(),
            dead,
            answered: of(Piece::Retained).count() as u64,
        };
        let server = Config { server: "https://server.test".into(), ..Config::default() };
        let config = of(Piece::Config).next().unwrap_or_else(|| to_cbor(&server));
        let lease = LeaseRow::taken(None, PageId([1; 16]), HostKind::Worker, "fuzz", Wall(0));
        let restored = Restored { lease, config: Some(config), outbox };
        let key = DeviceKey { kind: KeyKind::None, public: Vec::new().into() };
        let device = DeviceId([2; 16]);
        let minted = DeviceRow { version: ROW_VERSION, device, key, minted_at: Wall(0) };
        let journal: BTreeMap<u64, Vec<u8>> = (1..).zip(of(Piece::Journal)).collect();
        Self {
            coordinator: Coordinator::restore(at(0), &restored, 7),
            device: of(Piece::Device).find_map(|row| read(&row).ok()).unwrap_or(minted),
            last_position: journal.len() as u64,
            journal,
            retained: (1..).zip(of(Piece::Retained)).collect(),
            answers: of(Piece::Answer).collect(),
            refusals: of(Piece::Refusal).map(|piece| piece.len()).sum(),
            pushes: 0,
            is_over: false,
            at_ms: 0,
        }
    }

    fn live(mut self, pieces: Vec<(Piece, Vec<u8>)>) {
        self.tell(Input::Device(self.device.clone()));
        self.tell(Input::Trigger(Trigger::Start));
        for (kind, bytes) in pieces {
            if kind == Piece::Message {
                self.tell(Input::Message { from: Client("page".into()), bytes });
            } else if kind == Piece::Time {
                self.at_ms += 1_000 * bytes.len() as u64;
                self.tell(Input::Timeout);
            }
        }
        self.tell(Input::Trigger(Trigger::PeriodicSync));
    }

    /// Hands in one fact, and all that follows from it.
    fn tell(&mut self, input: Input) {
        let mut facts = VecDeque::from([input]);
        for _ in 0..STEPS_MAX {
            // It has asked for another in its place, and nobody listens to it any more.
            if self.is_over {
                return;
            }
            let Some(fact) = facts.pop_front() else {
                assert!(self.coordinator.is_quiet(), "it waits for nothing that will come");
                return;
            };
            self.coordinator.handle(at(self.at_ms), fact);
            while let Some(effect) = self.coordinator.poll_effect() {
                facts.extend(self.perform(effect));
            }
        }
        panic!("it does not come to rest");
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        Some(match effect {
            Effect::Commit { ticket, batch } => {
                assert_eq!(batch.epoch, self.coordinator.epoch());
                if self.refusals > 0 {
                    self.refusals -= 1;
                    let fault = Fault::new("store-quota", Culprit::Browser, "the disk is full");
                    return Some(Input::CommitFailed { ticket, fault });
                }
                batch.ops.into_iter().for_each(|op| self.write(op));
                Input::Committed(ticket)
            }
            Effect::Sign { ticket, .. } => Input::Signed { ticket, signature: Some(vec![3; 64]) },
            Effect::Push { ticket, body, .. } => {
                self.pushes += 1;
                assert!(self.pushes <= PUSHES_MAX, "it does not stop sending");
                let response = self.answer(&body);
                Input::Response { ticket, response }
            }
            Effect::ReadJournal { after, limit } => {
                let (rows, ended) = page_of(&self.journal, after, limit);
                Input::Journal { rows, ended }
            }
            Effect::ReadRetained { ticket, store, after, limit } => {
                let rows = if store == Store::Journal { &self.journal } else { &self.retained };
                Input::Retained { ticket, rows: page_of(rows, after, limit).0 }
            }
            Effect::ReadDocument { ticket, .. } => Input::Document { ticket, rows: Vec::new() },
            Effect::Resolve { ticket, .. } => Input::Resolution { ticket, made: None },
            Effect::ReadOld { store, .. } => Input::Old { store, rows: Vec::new() },
            Effect::ListClients => Input::Clients(vec![Client("page".into())]),
            Effect::StartOver => {
                self.is_over = true;
                return None;
            }
            Effect::Request { ticket, .. } => {
                self.pushes += 1;
                assert!(self.pushes <= PUSHES_MAX, "it does not stop sending");
                Input::Response { ticket, response: Response::Unreachable }
            }
            Effect::Send { .. }
            | Effect::WantToken { .. }
            | Effect::Pull { .. }
            | Effect::TellHook { .. }
            | Effect::AskForSync => return None,
        })
    }

    fn write(&mut self, op: Op) {
        match op {
            Op::Append { row } => {
                self.last_position += 1;
                self.journal.insert(self.last_position, row);
            }
            Op::DeleteSpan { store, from, through } => {
                assert!(from <= through, "a range that is none");
                let is_outside = |at: &u64| *at < from || *at > through;
                if store == Store::Journal {
                    self.journal.retain(|at, _| is_outside(at));
                } else if store == Store::Retained {
                    self.retained.retain(|at, _| is_outside(at));
                }
            }
            Op::Put { store: Store::Retained, key: Key::Number(key), row } => {
                self.retained.insert(key, row);
            }
            Op::Put { .. } | Op::Delete { .. } => {}
        }
    }

    fn answer(&mut self, body: &[u8]) -> Response {
        let push: Push = from_cbor(body, usize::MAX).expect("what is pushed can be read");
        let Some(piece) = self.answers.pop_front() else { return Response::Unreachable };
        let Some((status, said)) = piece.split_first_chunk::<2>() else {
            return Response::Unreachable;
        };
        let status = u16::from_be_bytes(*status);
        let (status, media, body) = match status {
            0 => (200, CBOR, to_cbor(&honest(&push, said.len()))),
            200..300 => (status, CBOR, said.to_vec()),
            _ => (status, PROBLEM_CBOR, said.to_vec()),
        };
        Response::Http { status, content_type: media.into(), retry_after_ms: None, body }
    }
}

/// What a server would say that takes so many events.
fn honest(push: &Push, takes: usize) -> Answer {
    let results: Vec<EventResult> = (push.first.0..)
        .take(takes.min(push.events.len()))
        .map(|place| EventResult {
            seq: Seq(place),
            outcome: Outcome::ACCEPTED,
            offset: Some(place),
            result: None,
            code: None,
            message: None,
        })
        .collect();
    let through = Seq(push.first.0 - 1).plus(results.len() as u64);
    Answer {
        log_epoch: push.log_epoch.unwrap_or(LogEpoch([8; 16])),
        verdict: Verdict::Taken,
        through,
        durable: through,
        results,
        later: None,
        retry_after_ms: None,
        log_head: through.0,
        server_time: Wall(0),
    }
}

fn page_of(rows: &BTreeMap<u64, Vec<u8>>, after: u64, limit: u32) -> (Vec<(u64, Vec<u8>)>, bool) {
    let mut later = rows.iter().filter(|(key, _)| **key > after);
    let page: Vec<_> =
        later.by_ref().take(limit as usize).map(|(key, row)| (*key, row.clone())).collect();
    (page, later.next().is_none())
}

/// Each piece is a message, but for those of these numbers.
pub(super) fn page(bytes: &[u8]) {
    let Ok(pieces) = decode::<Vec<(u8, &[u8])>>(bytes) else { return };
    let identity = Identity { session: "s".into(), user: "".into() };
    let (server, options) = ("https://server.test".into(), Options::default());
    let hello = Hello {
        identity,
        server,
        options,
        has_token: true,
        visible: true,
        network: None,
        shows_state: None,
        resolves: None,
    };
    let mut page = Page::new(PageId([7; 16]), "fuzz", hello, Duration::from_millis(50));
    let mut at_ms = 0;
    page.handle(at(0), page::Input::Linked);
    for (kind, bytes) in pieces.into_iter().take(PIECES_MAX) {
        match kind {
            1 => at_ms += 1_000 * bytes.len() as u64,
            2 => page.handle(at(at_ms), page::Input::Appended { urgent: !bytes.is_empty() }),
            3 => page.handle(at(at_ms), page::Input::Returned),
            4 => drop(page.ask(at(at_ms), Request::Flush)),
            _ => page.handle(at(at_ms), page::Input::Message(bytes.to_vec())),
        }
        page.handle(at(at_ms), page::Input::Timeout);
        let mut effects = 0;
        while let Some(effect) = page.poll_effect() {
            effects += 1;
            assert!(effects <= EFFECTS_MAX, "it does not stop talking: {effect:?}");
        }
        let next = page.poll_timeout();
        assert!(next.is_none_or(|next| next.0 > at_ms), "an alarm that rings at once");
    }
}

fn at(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_790_000_000_000 + ms) }
}

const PIECES_MAX: usize = 64;
const STEPS_MAX: usize = 2_000;
const PUSHES_MAX: usize = 500;
const EFFECTS_MAX: usize = 200;
