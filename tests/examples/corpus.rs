//! Writes the seeds of the fuzz targets: every row and message of the pinned bytes, and what is strange about each.
//!
//! `cargo run -p bellwether-tests --example corpus` writes them to `tests/fuzz/corpus`, beside what fuzzing found.
//! A file that is there stays as it is.

use std::path::{Path, PathBuf};
use std::{fs, io};

use bellwether_server::ticket::Ticket;
use bellwether_shared::base::{
    Culprit, DeviceId, EventId, Incarnation, LogEpoch, PageId, RequestId, Stamp, Wall,
};
use bellwether_shared::bus::Request;
use bellwether_shared::rows::{JournalRow, Replay, RetainedRow, StreamKey, StreamRow};
use bellwether_shared::tape::Recording;
use bellwether_shared::wire::farewell::{Farewell, Tickets, TicketsWanted};
use bellwether_shared::wire::{
    Answer, DeviceKey, Event, EventFlags, EventKind, KeyKind, Lane, Problem, Push, decode,
    text::from_hex, to_cbor,
};
use bellwether_tests::choice::Chooser;
use bellwether_tests::decoders::{exported, ticket_key, unsigned_push};
use bellwether_tests::generate::{self, Plot};
use bellwether_tests::scenario::Scenario;
use bellwether_tests::transcript::Detail;
use bellwether_tests::world::World;
use serde::Serialize;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let pinned = include_str!("../../shared/tests/bytes/golden.txt");
    let pinned = pinned.lines().filter_map(|line| line.split_once(' '));
    let pinned: Vec<(&str, Vec<u8>)> =
        pinned.filter_map(|(name, hex)| Some((name, from_hex(hex)?))).collect();
    for (name, bytes) in &pinned {
        let Some(decoder) = decoder_of(name) else { continue };
        write(&corpus, decoder, name, bytes)?;
        for (how, strange) in strange(bytes) {
            write(&corpus, decoder, &format!("{name}-{how}"), &strange)?;
        }
        for (decoder, json) in in_json(decoder, bytes) {
            write(&corpus, decoder, name, &json)?;
        }
    }
    for (decoder, _) in bellwether_tests::decoders::ALL {
        for (name, bytes) in anywhere() {
            write(&corpus, decoder, name, &bytes)?;
        }
    }
    let stories = [
        ("request_push", requests()),
        ("request_events", batches()),
        ("request_farewell", farewells()),
        ("wire_ticket", tickets()),
        ("json_binds", binds()),
        ("file_audit", audits(&pinned)),
        ("machine_coordinator", lives(&pinned)),
        ("machine_page", talks(&pinned)),
        ("text_hex", texts()),
        ("file_tape", tapes()),
        ("file_scenario", scenarios()),
    ];
    for (decoder, seeds) in stories {
        for (name, bytes) in seeds {
            write(&corpus, decoder, name, &bytes)?;
        }
    }
    Ok(())
}

fn write(corpus: &Path, decoder: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder: PathBuf = corpus.join(decoder);
    fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    if file.exists() { Ok(()) } else { fs::write(file, bytes) }
}

fn decoder_of(name: &str) -> Option<&'static str> {
    #[rustfmt::skip]
    let decoders = [
        ("journal-row", "row_journal"),   ("flight-row", "row_flight"), ("done-row", "row_done"),
        ("retained-row", "row_retained"), ("dead-row", "row_dead"),     ("device-row", "row_device"),
        ("config", "row_config"),         ("lease-row", "row_lease"),   ("stream-row", "row_stream"),
        ("cursor-row", "row_cursor"),     ("event", "wire_event"),      ("push", "wire_push"),
        ("answer", "wire_answer"),        ("problem", "wire_problem"),  ("log-page", "wire_log_page"),
        ("envelope", "bus_envelope"),     ("request", "bus_request"),   ("notice", "bus_notice"),
        ("tickets-wanted", "wire_tickets_wanted"),                      ("tickets", "wire_tickets"),
        ("wire-farewell", "wire_farewell"),                             ("audit-", "wire_audit_record"),
        ("patch", "wire_patch"),          ("document-", "wire_entry"),  ("snapshot", "wire_snapshot"),
    ];
    decoders.into_iter().find(|(begin, _)| name.starts_with(begin)).map(|(_, decoder)| decoder)
}

/// The same as a newer build, a careless encoder or somebody hostile would write it.
fn strange(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let open = [&[bytes[0] | 0x1f], &bytes[1..], &[0xff]].concat();
    let more = if bytes[0] >> 5 == 5 {
        [&[bytes[0] + 1], &bytes[1..], &[0x18, 0x63, 0x82, 0xf6, 0xbf, 0xff]].concat()
    } else {
        [&[bytes[0] + 1], &bytes[1..], &[0xd8, 0x20, 0x60]].concat()
    };
    let mut newer = bytes.to_vec();
    newer[2] = newer[2].wrapping_add(1);
    let middle = bytes.len() / 2;
    let lies = [&bytes[..middle], &[0x9b], &[0xff; 8]].concat();
    vec![
        ("open", open),
        ("more", more),
        ("newer", newer),
        ("cut", bytes[..middle].to_vec()),
        ("lies", lies),
    ]
}

/// What is strange to any decoder.
fn anywhere() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("any-list-without-end", [vec![0x9b], vec![0xff; 8]].concat()),
        ("any-bytes-without-end", [vec![0x5b], vec![0xff; 8]].concat()),
        ("any-deep", vec![0x81; 200]),
        ("any-deep-and-open", vec![0x9f; 200]),
        ("any-break", vec![0xff]),
        ("any-json", b"{\"a\":[null,1e9]}".to_vec()),
    ]
}

fn in_json(decoder: &str, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    fn json<T: Serialize>(message: &T) -> Vec<u8> {
        serde_json::to_vec(message).expect("a message can be written")
    }
    match decoder {
        "wire_push" => {
            let push = json(&decode::<Push>(bytes).expect("it is pinned"));
            vec![("json_push", push.clone()), ("request_push", push)]
        }
        "wire_answer" => {
            vec![("json_answer", json(&decode::<Answer>(bytes).expect("it is pinned")))]
        }
        "wire_problem" => {
            vec![("json_problem", json(&decode::<Problem>(bytes).expect("it is pinned")))]
        }
        "wire_tickets_wanted" => {
            let wanted = json(&decode::<TicketsWanted>(bytes).expect("it is pinned"));
            vec![("json_tickets_wanted", wanted)]
        }
        "wire_tickets" => {
            vec![("json_tickets", json(&decode::<Tickets>(bytes).expect("it is pinned")))]
        }
        "wire_farewell" => {
            let farewell = json(&decode::<Farewell>(bytes).expect("it is pinned"));
            vec![("json_farewell", farewell.clone()), ("request_farewell", farewell)]
        }
        _ => Vec::new(),
    }
}

/// An event that takes something from the result of `after`.
fn dependent(id: &str, after: &str, flags: Option<EventFlags>) -> Vec<u8> {
    let sealed = event(id, Some(b"{\"n\":[1]}"));
    let made: Event<'_> = decode(&sealed).expect("it was just sealed");
    to_cbor(&Event {
        after: Some(EventId::new(after).expect("a word is an id")),
        binds: Some(br#"{"/n/-":"/ids/1","/a~1b":"/id"}"#),
        flags,
        ..made
    })
}

fn event(id: &str, data: Option<&[u8]>) -> Vec<u8> {
    to_cbor(&Event {
        id: EventId::new(id).expect("a word is an id"),
        kind: EventKind::App,
        type_: "added",
        key: Some("k"),
        data,
        schema: 0,
        stamp: Stamp(1),
        page: PageId([7; 16]),
        at: Wall(1),
        correlation: None,
        after: None,
        binds: None,
        flags: None,
    })
}

/// Pushes that hold in themselves.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let events = [event("a", Some(b"[1]")), event("b", Some(b"no")), event("a", None), vec![0xa0]];
    let batch = unsigned_push(&events.each_ref().map(Vec::as_slice));
    let question = Push { events: Vec::new(), ..batch.clone() };
    let renewed = Push { log_epoch: Some(LogEpoch([9; 16])), ..batch.clone() };
    let signed = Push {
        key: DeviceKey { kind: KeyKind::Ed25519, public: vec![1; 32].into() },
        signature: vec![2; 64].into(),
        ..batch.clone()
    };
    vec![
        ("batch", to_cbor(&batch)),
        ("batch-in-json", serde_json::to_vec(&batch).expect("a push is JSON")),
        ("question", to_cbor(&question)),
        ("another-log", to_cbor(&renewed)),
        ("signed-by-nobody", to_cbor(&signed)),
    ]
}

fn batches() -> Vec<(&'static str, Vec<u8>)> {
    let one = event("a", Some(b"{\"n\":1}"));
    let other = event("b", None);
    let spoilt = event("c", Some(b"{"));
    vec![
        ("one", one.clone()),
        ("repeated", [&one[..], &[0xff], &one, &[0xff], &other].concat()),
        ("spoilt", [&spoilt[..], &[0xff], &[0xa0], &[0xff], &other].concat()),
        ("dependent", [&one[..], &[0xff], &dependent("d", "a", None)].concat()),
        ("dependent-of-a-refused", [&spoilt[..], &[0xff], &dependent("d", "c", None)].concat()),
        ("released", dependent("d", "x", Some(EventFlags::RELEASE))),
        ("waiting", dependent("d", "x", None)),
    ]
}

fn farewells() -> Vec<(&'static str, Vec<u8>)> {
    let events = [event("a", None), dependent("b", "a", None), event("c", Some(b"no")), vec![0xa0]];
    let farewell = Farewell {
        protocol: (1, 1),
        ticket: vec![1; 90].into(),
        device: DeviceId([1; 16]),
        session: "s".into(),
        user: "".into(),
        events: events.map(Into::into).into(),
    };
    let waits = Farewell { events: vec![dependent("d", "x", None).into()], ..farewell.clone() };
    vec![
        ("farewell", to_cbor(&farewell)),
        ("farewell-in-json", serde_json::to_vec(&farewell).expect("a farewell is JSON")),
        ("waiting", to_cbor(&waits)),
    ]
}

fn tickets() -> Vec<(&'static str, Vec<u8>)> {
    let ticket = Ticket {
        tenant: "t".into(),
        session: "s".into(),
        user: "ann".into(),
        device: DeviceId([1; 16]),
        expires_at: Wall(1_790_000_000_123),
        nonce: [9; 16],
    };
    let good = ticket_key().seal(&ticket);
    let mut spoilt = good.clone();
    spoilt[4] ^= 1;
    vec![("good", good), ("spoilt", spoilt), ("tag-alone", vec![0; 32])]
}

fn binds() -> Vec<(&'static str, Vec<u8>)> {
    let seed = |binds: &str, data: &str, result: &str| {
        [binds.as_bytes(), &[0xff], data.as_bytes(), &[0xff], result.as_bytes()].concat()
    };
    let deep = format!("{{\"{}\":\"\"}}", "/0".repeat(32));
    vec![
        (
            "members",
            seed(r#"{"/a":"/id","/b/c":"/ids/0"}"#, r#"{"b":{}}"#, r#"{"id":1,"ids":[2]}"#),
        ),
        ("elements", seed(r#"{"/0":"","/-":"/0"}"#, "[1]", "[[]]")),
        ("the-whole", seed(r#"{"":""}"#, "1", "null")),
        ("escapes", seed(r#"{"/~0~1":"/~1"}"#, "{}", r#"{"/":1.0}"#)),
        ("deep", seed(&deep, &format!("{}1{}", "[".repeat(40), "]".repeat(40)), "{}")),
        ("alone", br#"{"/a":""}"#.to_vec()),
        ("malformed", seed(r#"{"a":1}"#, "{}", "{}")),
    ]
}

/// Files of the pinned records, sound ones and others.
fn audits(pinned: &[(&str, Vec<u8>)]) -> Vec<(&'static str, Vec<u8>)> {
    let all = pinned.iter().filter(|(name, _)| name.starts_with("audit-"));
    let all: Vec<u8> = all.flat_map(|(_, bytes)| bytes.clone()).collect();
    let events = [event("a", Some(b"[1]")), event("b", Some(b"no")), dependent("c", "a", None)];
    let sound = exported(&events.each_ref().map(Vec::as_slice));
    let cut = sound[..sound.len() - 40].to_vec();
    vec![("records", all), ("sound", sound), ("sound-and-cut", cut)]
}

// The numbers of pieces, as `decoders/machine.rs` reads them.
const STREAM: u8 = 0;
const DEAD: u8 = 3;
const JOURNAL: u8 = 5;
const RETAINED: u8 = 6;
const MESSAGE: u8 = 8;
const ANSWER: u8 = 9;
const REFUSAL: u8 = 10;
const TIME: u8 = 11;

fn lives(pinned: &[(&str, Vec<u8>)]) -> Vec<(&'static str, Vec<u8>)> {
    let key = StreamKey { session: "s".into(), user: "".into(), lane: Lane::Normal };
    let row = |id: &str| to_cbor(&JournalRow::new(&key, &event(id, None), Wall(1)));
    let problem = |status: u16, code: &str| {
        let (code, detail) = (code.into(), "".into());
        let culprit = Culprit::Server;
        let problem = Problem {
            code,
            status,
            culprit,
            retryable: true,
            retry_after_ms: Some(7),
            detail,
            floor: None,
        };
        [&status.to_be_bytes()[..], &to_cbor(&problem)].concat()
    };
    let takes = |count: usize| vec![0; 2 + count];
    let life = |pieces: &[(u8, Vec<u8>)]| {
        let pieces: Vec<(u8, &[u8])> =
            pieces.iter().map(|(kind, bytes)| (*kind, &bytes[..])).collect();
        to_cbor(&pieces)
    };
    let of = |begin: &str, kind: u8| {
        let found = pinned.iter().filter(move |(name, _)| name.starts_with(begin));
        found.map(move |(_, bytes)| (kind, bytes.clone())).collect::<Vec<_>>()
    };
    let lost = StreamRow::begin(
        &key,
        DeviceId([2; 16]),
        Incarnation([3; 16]),
        None,
        Some(Replay { from: 0, through: 2, skip: 0 }),
    );
    let kept = RetainedRow {
        version: 1,
        at: Wall(1),
        session: "s".into(),
        user: "".into(),
        lane: Lane::Normal,
        events: vec![event("x", None).into(), event("y", None).into()],
    };
    let said = |status: u16, name: &str| {
        let answer = of(name, ANSWER).swap_remove(0).1;
        (ANSWER, [&status.to_be_bytes()[..], &answer].concat())
    };
    let (a, b, c) = ((JOURNAL, row("a")), (JOURNAL, row("b")), (JOURNAL, row("c")));
    let wait = (TIME, vec![0; 60]);
    let mut halved = vec![a.clone(), b.clone(), c.clone()];
    for _ in 0..6 {
        halved.extend([(ANSWER, problem(400, "malformed")), (ANSWER, takes(0)), wait.clone()]);
    }
    let mut ill = vec![a.clone(), b.clone()];
    for _ in 0..4 {
        ill.extend([(ANSWER, problem(500, "internal")), wait.clone()]);
    }
    let mut asked = vec![a.clone(), (ANSWER, takes(1))];
    asked.extend(of("dead-row", DEAD));
    asked.extend(of("request-", MESSAGE));
    let mut strange = of("stream-row", STREAM);
    strange.extend(of("flight-row", 1));
    strange.extend(of("cursor-row", 2));
    strange.extend(of("config-set", 4));
    strange.extend(of("device-row", 7));
    strange.extend([(JOURNAL, vec![0xa1, 0x00, 0x02]), (JOURNAL, vec![0xff]), a.clone()]);
    vec![
        ("delivered", life(&[a.clone(), b.clone(), c, (ANSWER, takes(2)), (ANSWER, takes(1))])),
        ("halved", life(&halved)),
        ("ill", life(&ill)),
        ("asked", life(&asked)),
        ("strange", life(&strange)),
        (
            "sent-again",
            life(&[
                (STREAM, to_cbor(&lost)),
                (RETAINED, to_cbor(&kept)),
                (RETAINED, to_cbor(&kept)),
                b,
                (ANSWER, takes(1)),
                wait.clone(),
                (ANSWER, takes(9)),
            ]),
        ),
        (
            "refused-by-the-disk",
            life(&[a.clone(), (REFUSAL, vec![0; 2]), wait.clone(), (ANSWER, takes(1))]),
        ),
        (
            "forked",
            life(&[a.clone(), said(200, "answer-forked"), wait.clone(), (ANSWER, takes(1))]),
        ),
        ("gap", life(&[a.clone(), said(200, "answer-gap"), wait.clone()])),
        ("another-log", life(&[a.clone(), said(200, "answer-epoch"), wait.clone()])),
        (
            "unauthorized",
            life(&[
                a,
                (ANSWER, problem(401, "unauthorized")),
                wait,
                (ANSWER, problem(409, "host-superseded")),
            ]),
        ),
    ]
}

fn talks(pinned: &[(&str, Vec<u8>)]) -> Vec<(&'static str, Vec<u8>)> {
    let notices = pinned.iter().filter(|(name, _)| name.starts_with("notice-"));
    let mut pieces: Vec<(u8, &[u8])> = vec![(4, &[]), (1, &[0; 3])];
    pieces.extend(notices.map(|(_, bytes)| (0, &bytes[..])));
    let all = to_cbor(&pieces);
    pieces.extend([(2, &[1][..]), (1, &[0; 30]), (3, &[]), (1, &[0; 30])]);
    let own =
        Request::Flush.seal("b", PageId([1; 16]), RequestId(1), bellwether_shared::base::Epoch(1));
    let echo = to_cbor(&vec![(0_u8, &own[..])]);
    vec![("all", all), ("all-and-later", to_cbor(&pieces)), ("its-own-words", echo)]
}

fn texts() -> Vec<(&'static str, Vec<u8>)> {
    [("pairs", "00ffAb"), ("odd", "abc"), ("none", "zz"), ("wide", "٠١")]
        .map(|(name, text)| (name, text.as_bytes().to_vec()))
        .into()
}

/// Short stories, as they are told and as they are recorded.
fn tapes() -> Vec<(&'static str, Vec<u8>)> {
    let names = ["without-bodies", "with-bodies"];
    let recordings = [Recording::WithoutBodies, Recording::WithBodies];
    let tape = |(name, recording)| {
        let mut world = World::of(Chooser::random(1), 1);
        world.recording = Some(recording);
        generate::run(&mut world, &Plot { length: 4, ..Plot::default() });
        (name, world.recorded())
    };
    names.into_iter().zip(recordings).map(tape).collect()
}

fn scenarios() -> Vec<(&'static str, Vec<u8>)> {
    let drawn = |seed, plot| Scenario::drawn(seed, plot, Detail::Nothing).0.write().into_bytes();
    let short = Plot { length: 4, ..Plot::default() };
    let clones = Plot { clones: true, ..short };
    let endless = b"bellwether scenario 1\nhappens 1*1000000 2*18446744073709551615\n";
    vec![
        ("short", drawn(1, short)),
        ("clones", drawn(2, clones)),
        ("endless", endless.to_vec()),
        ("newer", b"bellwether scenario 2\n".to_vec()),
    ]
}
