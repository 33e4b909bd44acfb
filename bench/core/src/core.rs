//! The core's own figures, in microseconds.

use bellwether_shared::base::{
    DeviceId, EventId, Incarnation, LogEpoch, PageId, Seq, Stamp, Wall, limits,
};
use bellwether_shared::rows::{JournalRow, StreamKey};
use bellwether_shared::rules::chain;
use bellwether_shared::wire::{
    Answer, Event, EventKind, EventResult, Lane, Outcome, PROTOCOL, Push, StreamId, Verdict,
    from_cbor, to_cbor,
};

use crate::measure::{Figure, ROUNDS, micros};
use crate::world::{self, World};

/// Name and figure of each.
pub(crate) fn figures() -> Vec<(&'static str, Figure)> {
    let sealed: Vec<Vec<u8>> = (0..BATCH).map(sealed).collect();
    let push = push(&sealed);
    let (encoded, answered) = (to_cbor(&push), to_cbor(&answer(&push, Seq(0))));
    let key = world::stream_key();
    vec![
        ("encode one 300 B event as a row of the journal, µs", micros(5_000, || row(&key, 7))),
        ("hash chain, for each event, µs", per_event(micros(20, || head(&sealed)), BATCH)),
        ("chain, statement and encoding of a push of 500, µs", {
            micros(20, || to_cbor(&self::push(&sealed)))
        }),
        ("decode a push of 500, µs", {
            micros(50, || from_cbor::<Push>(&encoded, limits::PUSH_BYTES_MAX).is_ok())
        }),
        ("decode an answer of 500, µs", {
            micros(50, || from_cbor::<Answer>(&answered, limits::ANSWER_BYTES_MAX).is_ok())
        }),
        ("coordinator: 10,000 events read, sealed and answered, for each event, µs", {
            let events: u32 = 10_000;
            let rounds = (0..ROUNDS).map(|_| {
                let mut world = World::new((0..events).map(|n| row(&key, n)).collect());
                world.drain().as_secs_f64() * 1e6 / f64::from(events)
            });
            Figure::of(rounds.collect())
        }),
    ]
}

/// One event of about 300 bytes of JSON, sealed.
pub(crate) fn sealed(number: u32) -> Vec<u8> {
    let data = format!(
        "{{\"id\":\"s-{number:07}\",\"type\":\"session.activity\",\"seq\":{number},\
         \"at\":1763600000000,\"user\":\"user-4821\",\
         \"device\":\"b6f0c2d1-54aa-4c1e-9d0e-2f6b1c9a7e55\",\
         \"path\":\"/projects/17/board?view=list&sort=due\",\
         \"data\":{{\"kind\":\"card.move\",\"from\":\"todo\",\"to\":\"doing\",\"card\":90210,\
         \"title\":\"Write the quarterly figures down\",\"pos\":3.25}}}}"
    );
    let mut random = [0; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    to_cbor(&Event {
        id: EventId::from_uuid(NOW, random),
        kind: EventKind::App,
        type_: "session.activity",
        key: None,
        data: Some(data.as_bytes()),
        schema: 0,
        stamp: Stamp(0x0199_0000_0000_0001),
        page: PageId([7; 16]),
        at: NOW,
        correlation: None,
        after: None,
        binds: None,
        flags: None,
    })
}

/// What the server says of a push that it has taken.
pub(crate) fn answer(push: &Push, log_head: Seq) -> Answer {
    let count = push.events.len() as u64;
    let through = Seq(push.first.0 + count - 1);
    let result = |place: u64| EventResult {
        seq: Seq(push.first.0 + place),
        outcome: Outcome::ACCEPTED,
        offset: Some(log_head.0 + place + 1),
        result: None,
        code: None,
        message: None,
    };
    Answer {
        log_epoch: LogEpoch([5; 16]),
        verdict: Verdict::Taken,
        through,
        durable: through,
        results: (0..count).map(result).collect(),
        later: None,
        retry_after_ms: None,
        log_head: log_head.0 + count,
        server_time: NOW,
    }
}

fn row(key: &StreamKey, number: u32) -> Vec<u8> {
    to_cbor(&JournalRow::new(key, &sealed(number), NOW))
}

fn head(sealed: &[Vec<u8>]) -> chain::Hash {
    chain::head_after([0; 32], sealed.iter().map(Vec::as_slice))
}

fn push(sealed: &[Vec<u8>]) -> Push {
    let stream = StreamId {
        device: DeviceId([1; 16]),
        session: "board".into(),
        user: "".into(),
        lane: Lane::Normal,
        incarnation: Incarnation([2; 16]),
    };
    let head = head(sealed);
    let statement = chain::statement(&stream, Seq(1), u64::from(BATCH), &[0; 32], &head);
    Push {
        protocol: (PROTOCOL, PROTOCOL),
        stream,
        first: Seq(1),
        previous: [0; 32].into(),
        head: head.into(),
        key: world::device_key(),
        signature: statement[..64].to_vec().into(),
        host_epoch: 1,
        former: None,
        log_epoch: None,
        build: "bench".into(),
        events: sealed.iter().map(|sealed| sealed.clone().into()).collect(),
    }
}

fn per_event(figure: Figure, events: u32) -> Figure {
    let each = |value: f64| crate::measure::Shown(value / f64::from(events));
    Figure { median: each(figure.median.0), min: each(figure.min.0), max: each(figure.max.0) }
}

const BATCH: u32 = 500;
const NOW: Wall = Wall(1_763_600_000_000);
