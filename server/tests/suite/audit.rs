//! The audit: what is exported is sound, and whatever is changed in it is found where it was changed.
//!
//! Forgers here are able: they number offsets anew, and write an end that fits. What they cannot do is
//! sign for a device.

use std::sync::LazyLock;

use bellwether_server::audit::{
    Anchor, AuditAsk, Export, Finding, Flaw, Rules, Unsound, Verifier, verify,
};
use bellwether_server::engine::Signatures;
use bellwether_server::store::{Embedded, Opening, Store};
use bellwether_shared::base::{DeviceId, Seq};
use bellwether_shared::rules::chain;
use bellwether_shared::wire::audit::{LoggedEvent, Record, SignedBatch, SparePlace};
use bellwether_shared::wire::{self, DeviceKey, Event, Former, KeyKind, Push, Reader};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::contract::{Directory, memory, push, read};
use crate::device::{Device, dependent, event, plain};
use crate::http::{Setup, push as push_http, send};

/// The session of the tests: what each record of it is, is told where it is made.
async fn story<S: Store>(store: &S) {
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    // Offsets 1 to 3: ann's places 1 to 3, one batch.
    push(store, &ann.batch(&plain(["a1", "a2", "a3"]))).await;
    // Offsets 4 and 5: ben's places 1 and 3; 2 is refused.
    push(store, &ben.batch(&[event("count", "b1"), event("refuse", "b2"), event("count", "b3")]))
        .await;
    // Offset 6: ann's place 4; 5 can only be taken later.
    let batch = ann.batch(&[event("count", "a4"), event("later-once", "a5"), event("plain", "a6")]);
    push(store, &batch).await;
    // Offset 7: ben's place 5; place 4 has an id that is known.
    push(store, &ben.batch(&[event("count", "a1"), event("count", "b5")])).await;
    // Offsets 8 and 9: ann's places 5 and 6, for the same batch as before.
    push(store, &batch).await;
    // Offset 10: the next incarnation's place 3; what it sends again at 1 and 2 is known.
    let former = Former { incarnation: ann.stream.incarnation, head: ann.head.into() };
    let mut ann = ann.reborn(3, Some(former));
    push(store, &ann.batch(&plain(["a5", "a6"]))).await;
    push(store, &ann.batch(&plain(["a7"]))).await;
    // Offsets 11 and 12: ben's places 6 and 7.
    push(store, &ben.batch(&plain(["b6"]))).await;
    push(store, &ben.batch(&plain(["b7"]))).await;
    // Ann's last place, 4, is refused, and has no offset.
    push(store, &ann.batch(&[event("refuse", "a8")])).await;
}

pub(crate) async fn export<S: Store>(store: &S, session: &str) -> (Vec<u8>, Anchor) {
    let mut export = Export::new(AuditAsk { tenant: "".into(), session: session.into() });
    let mut file = Vec::new();
    while !export.is_done() {
        let (next, part) = store.audit(export).await.expect("the store answers");
        file.extend(part);
        export = next;
    }
    (file, export.anchor())
}

/// The story's file, and the anchor at its end.
static STORY: LazyLock<(Vec<u8>, Anchor)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime starts").block_on(async {
        let store = memory();
        story(&store).await;
        export(&store, "s").await
    })
});

fn records(file: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let mut reader = Reader::new(rest);
        reader.skip();
        let (record, after) = rest.split_at(reader.position());
        records.push(wire::decode(record).expect("an export is made of records"));
        rest = after;
    }
    records
}

/// Writes records as a forger would: offsets without holes, and an end that fits.
fn forged(mut records: Vec<Record>) -> Vec<u8> {
    let mut offset = 0;
    for record in &mut records {
        if let Record::Event(event) = record {
            offset += 1;
            event.offset = offset;
        }
    }
    if let Some(Record::Begin(begin)) = records.first_mut() {
        begin.head = offset;
    }
    finished(records)
}

/// Writes records with an end that fits.
fn finished(records: Vec<Record>) -> Vec<u8> {
    use aws_lc_rs::digest::{SHA256, digest};
    let mut file = Vec::new();
    let mut anchor = Anchor::begin("", "");
    let mut ids = Vec::new();
    let mut session = String::new();
    for mut record in records {
        match &mut record {
            Record::Begin(begin) => {
                anchor = Anchor::begin(&begin.tenant, &begin.session);
                session = begin.session.to_string();
            }
            Record::Stream(stream) => ids.push(stream.id(&session)),
            Record::Event(event) => {
                let hash = event.sealed.as_ref().map(|sealed| chain::event_hash(sealed));
                let hash = hash.or(event.hash.map(|hash| *hash)).unwrap_or_default();
                if let Some(id) = ids.get(event.stream as usize - 1) {
                    anchor = anchor.after(id, event.seq, &hash);
                }
            }
            Record::End(end) => {
                let sum: [u8; 32] = digest(&SHA256, &file).as_ref().try_into().expect("32 bytes");
                (end.events, end.anchor, end.digest) =
                    (anchor.offset, anchor.hash.into(), sum.into());
            }
            Record::Place(_) | Record::Batch(_) => {}
        }
        file.extend(wire::to_cbor(&record));
    }
    file
}

pub(crate) fn found(file: &[u8], rules: &Rules) -> Option<Finding> {
    match verify(file, rules) {
        Ok(_) => None,
        Err(Unsound::Found(finding)) => Some(*finding),
        Err(Unsound::Unread(fault)) => panic!("{fault}"),
    }
}

fn event_at(records: &mut [Record], offset: u64) -> &mut LoggedEvent {
    for record in records {
        if let Record::Event(event) = record
            && event.offset == offset
        {
            return event;
        }
    }
    panic!("the story has no offset {offset}")
}

fn place_of(records: &mut [Record], stream: u64, seq: u64) -> &mut SparePlace {
    for record in records {
        if let Record::Place(place) = record
            && (place.stream, place.seq) == (stream, Seq(seq))
        {
            return place;
        }
    }
    panic!("the story has no place {seq} of stream {stream}")
}

fn batch_from(records: &mut [Record], stream: u64, from: u64) -> &mut SignedBatch {
    for record in records {
        if let Record::Batch(batch) = record
            && (batch.stream, batch.from) == (stream, Seq(from))
        {
            return batch;
        }
    }
    panic!("the story has no batch from {from} of stream {stream}")
}

fn drop_where(records: &mut Vec<Record>, drop: impl Fn(&Record) -> bool) {
    let before = records.len();
    records.retain(|record| !drop(record));
    assert!(records.len() < before, "there is something to drop");
}

fn is_event(record: &Record, offset: u64) -> bool {
    matches!(record, Record::Event(event) if event.offset == offset)
}

fn is_batch(record: &Record, stream: u64, from: u64) -> bool {
    matches!(record, Record::Batch(batch) if (batch.stream, batch.from) == (stream, Seq(from)))
}

fn swap_events(records: &mut [Record], one: u64, other: u64) {
    let at = |wanted| records.iter().position(|record| is_event(record, wanted));
    let (one, other) = (at(one).expect("it is there"), at(other).expect("it is there"));
    records.swap(one, other);
}

/// What was bound is the server's word; what was signed is what the device made, and a change of it is found.
#[tokio::test]
async fn what_was_bound_is_exported_as_it_was_sealed() {
    let directory = Directory::new();
    let (memory, disk) = (memory(), directory.open());
    bound_and_exported(&memory).await;
    bound_and_exported(&disk).await;
}

async fn bound_and_exported<S: Store>(store: &S) {
    let mut ann = Device::new(1, "s", "ann");
    let binds = Some(r#"{"/start":"/id"}"#);
    let events = [
        event("start", "a"),
        dependent("echo", "b", "a", binds),
        event("refuse", "c"),
        dependent("echo", "d", "c", binds),
    ];
    push(store, &ann.batch(&events)).await;
    push(store, &ann.batch(&[dependent("echo", "e", "a", binds)])).await;
    let page = read(store, "", "s", 0, 10).await;
    let bound = page.events[1].bound.clone().expect("it takes the start's id");
    assert_ne!(*bound, br#"{"n":1}"#.to_vec());
    let (file, anchor) = export(store, "s").await;
    assert_eq!(found(&file, &Rules::default()), None);
    assert_eq!(found(&file, &Rules { anchors: vec![anchor], ..Rules::default() }), None);
    let mut records = records(&file);
    assert_eq!(event_at(&mut records, 2).sealed.as_deref(), Some(&events[1]), "as it was made");
    let result = event_at(&mut records, 2).result.clone();
    assert_eq!(result.as_ref(), Some(&bound), "the effect saw what was bound");

    let opened: Event<'_> = wire::decode(&events[1]).expect("it is an event");
    let swapped = wire::to_cbor(&Event { data: Some(&bound), ..opened });
    event_at(&mut records, 2).sealed = Some(swapped.into());
    let finding = found(&forged(records), &Rules::default()).expect("it was not signed so");
    assert_eq!((finding.offset, finding.seq), (Some(2), Some(Seq(2))), "{finding:?}");
}

#[tokio::test]
async fn what_is_exported_is_sound_and_says_what_was_taken() {
    let (file, anchor) = &*STORY;
    assert_eq!(found(file, &Rules::default()), None);
    assert_eq!(forged(records(file)), *file, "the tests write as the server does");
    let told: Vec<String> = records(file).iter().map(tell).collect();
    #[rustfmt::skip]
    let expected = [
        "begin s to 12",
        "stream 1 ann", "event 1 of 1: 1", "event 2 of 1: 2", "event 3 of 1: 3", "batch of 1: 1 from 1, 3 less 0",
        "stream 2 ben", "event 4 of 2: 1", "place of 2: 2 refused", "event 5 of 2: 3", "batch of 2: 1 from 1, 3 less 0",
        "event 6 of 1: 4", "batch of 1: 4 from 4, 3 less 2",
        "place of 2: 4 at 1", "event 7 of 2: 5", "batch of 2: 4 from 4, 2 less 0",
        "event 8 of 1: 5", "event 9 of 1: 6", "batch of 1: 4 from 5, 3 less 0",
        "stream 3 ann", "place of 3: 1 at 8", "place of 3: 2 at 9", "batch of 3: 1 from 1, 2 less 0",
        "event 10 of 3: 3", "batch of 3: 3 from 3, 1 less 0",
        "event 11 of 2: 6", "batch of 2: 6 from 6, 1 less 0",
        "event 12 of 2: 7", "batch of 2: 7 from 7, 1 less 0",
        "place of 3: 4 refused", "batch of 3: 4 from 4, 1 less 0",
        "end 12",
    ];
    assert_eq!(told, expected);
    assert_eq!(anchor.offset, 12);
    assert_eq!(anchor.to_string().parse(), Ok(*anchor));
    assert!("12:zz".parse::<Anchor>().is_err());

    let directory = Directory::new();
    let store = directory.open();
    story(&store).await;
    let (on_disk, at) = export(&store, "s").await;
    assert_eq!(found(&on_disk, &Rules::default()), None);
    assert_eq!(at, *anchor, "the same story has the same anchor on each store");
    let told: Vec<String> = records(&on_disk).iter().map(tell).collect();
    assert_eq!(told, expected);
    let unknown = export(&store, "t").await.0;
    assert_eq!(found(&unknown, &Rules::default()), None);
    assert_eq!(records(&unknown).len(), 2);
}

fn tell(record: &Record) -> String {
    match record {
        Record::Begin(begin) => format!("begin {} to {}", begin.session, begin.head),
        Record::Stream(stream) => format!("stream {} {}", stream.number, stream.user),
        Record::Event(e) => format!("event {} of {}: {}", e.offset, e.stream, e.seq.0),
        Record::Place(place) => {
            let what = match (place.offset, &place.code) {
                (Some(offset), None) => format!("at {offset}"),
                (None, Some(_)) => "refused".to_owned(),
                odd => panic!("{odd:?}"),
            };
            format!("place of {}: {} {what}", place.stream, place.seq.0)
        }
        Record::Batch(batch) => {
            let SignedBatch { stream, first, from, count, tail, .. } = batch;
            let tail = tail.len() / 32;
            format!("batch of {stream}: {} from {}, {count} less {tail}", first.0, from.0)
        }
        Record::End(end) => format!("end {}", end.events),
    }
}

#[test]
fn whatever_a_forger_changes_is_found_where_it_was_changed() {
    type Change = fn(&mut Vec<Record>);
    type Case = (&'static str, Change, Option<u64>, Option<u64>, Flaw);
    let missing = |place| Flaw::PlaceMissing { expected: Seq(place) };
    #[rustfmt::skip]
    let cases: [Case; 27] = [
        // what was done, how, and the offset, place and flaw that are named
        ("a byte of an event", |all| event_at(all, 2).sealed.as_mut().expect("it is there")[5] ^= 1,
            Some(2), Some(2), Flaw::EventChanged),
        ("a byte of an event, and its head", |all| {
            let before = event_at(all, 2).head.expect("it has one");
            let event = event_at(all, 3);
            event.sealed.as_mut().expect("it is there")[5] ^= 1;
            let hash = chain::event_hash(event.sealed.as_ref().expect("it is there"));
            event.head = Some(chain::link(&before, &hash).into());
        }, Some(1), Some(1), Flaw::BatchUnfit),
        ("an event before the last of a batch dropped", |all| drop_where(all, |r| is_event(r, 2)),
            Some(2), Some(3), missing(2)),
        ("the last of a batch dropped", |all| drop_where(all, |r| is_event(r, 3)),
            None, Some(3), missing(3)),
        ("the first of a stream dropped", |all| drop_where(all, |r| is_event(r, 1)),
            Some(1), Some(2), missing(1)),
        ("the first of an incarnation dropped", |all| drop_where(all, |r| matches!(r,
                Record::Place(p) if p.stream == 3 && p.seq.0 < 3) || is_batch(r, 3, 1)),
            Some(10), Some(3), missing(1)),
        ("a refused place dropped", |all| drop_where(all, |r| matches!(r,
                Record::Place(place) if place.stream == 2 && place.seq == Seq(2))),
            Some(5), Some(3), missing(2)),
        ("a whole batch dropped", |all| drop_where(all, |r| is_event(r, 11) || is_batch(r, 2, 6)),
            Some(11), Some(7), missing(6)),
        ("two events of a stream exchanged", |all| swap_events(all, 8, 9),
            Some(8), Some(6), missing(5)),
        ("two events exchanged, and their places", |all| {
            swap_events(all, 8, 9);
            event_at(all, 8).seq = Seq(6);
            event_at(all, 9).seq = Seq(5);
        }, Some(8), Some(5), Flaw::EventChanged),
        ("an event under another stream", |all| {
            let event = event_at(all, 11);
            (event.stream, event.seq) = (1, Seq(7));
        }, Some(11), Some(7), Flaw::EventChanged),
        ("an event of another place again", |all| {
            let again = event_at(all, 1).sealed.clone();
            event_at(all, 12).sealed = again;
        }, Some(12), Some(7), Flaw::EventChanged),
        ("all under another device", |all| {
            if let Record::Stream(stream) = &mut all[1] { stream.device = DeviceId([9; 16]); }
        }, Some(1), Some(1), Flaw::GenesisWrong),
        ("all under another session", |all| {
            if let Record::Begin(begin) = &mut all[0] { begin.session = "t".into(); }
        }, Some(1), Some(1), Flaw::GenesisWrong),
        ("another session, and its genesis", |all| {
            if let Record::Begin(begin) = &mut all[0] { begin.session = "t".into(); }
            if let Record::Stream(stream) = &mut all[1] {
                stream.genesis = chain::genesis(&stream.id("t"), None).into();
            }
        }, Some(1), Some(1), Flaw::EventChanged),
        ("another incarnation followed", |all| for record in all {
            if let Record::Stream(stream) = record && let Some(former) = &mut stream.former {
                former.head = Some([9; 32].into());
            }
        }, Some(10), Some(1), Flaw::GenesisWrong),
        ("a foreign key", |all| {
            let foreign = Device::new(9, "s", "ann").question().key;
            if let Record::Stream(stream) = &mut all[1] { stream.key = foreign; }
        }, Some(1), Some(1), Flaw::SignatureInvalid),
        ("no key", |all| {
            let none = DeviceKey { kind: KeyKind::None, public: vec![].into() };
            if let Record::Stream(stream) = &mut all[1] { stream.key = none; }
            batch_from(all, 1, 1).signature = vec![].into();
        }, Some(1), Some(1), Flaw::Unsigned),
        ("a signature of another batch", |all| {
            let other = batch_from(all, 1, 1).signature.clone();
            batch_from(all, 2, 1).signature = other;
        }, Some(4), Some(1), Flaw::SignatureInvalid),
        ("a signature dropped", |all| drop_where(all, |r| is_batch(r, 2, 1)),
            Some(4), Some(1), Flaw::Unsigned),
        ("the last signature dropped", |all| drop_where(all, |r| is_batch(r, 2, 7)),
            Some(12), Some(7), Flaw::Unsigned),
        ("the hash of a refused event", |all|
                place_of(all, 2, 2).hash = Some([9; 32].into()),
            None, Some(2), Flaw::EventChanged),
        ("no hash of a refused event", |all| place_of(all, 2, 2).hash = None,
            None, Some(2), Flaw::EventMissing),
        ("the rest of a batch that was cut", |all| batch_from(all, 1, 4).tail[40] ^= 1,
            Some(6), Some(4), Flaw::BatchUnfit),
        ("an event's bytes dropped", |all| event_at(all, 7).sealed = None,
            Some(7), Some(5), Flaw::EventMissing),
        ("a stream told twice", |all| all.insert(2, all[1].clone()),
            Some(1), None, Flaw::Misplaced),
        ("records before the beginning", |all| all.swap(0, 1),
            Some(1), None, Flaw::Misplaced),
    ];
    for (shows, change, offset, seq, flaw) in cases {
        let mut all = records(&STORY.0);
        change(&mut all);
        let finding = found(&forged(all), &Rules::default()).expect(shows);
        let told = (finding.offset, finding.seq, finding.flaw.clone());
        assert_eq!(told, (offset, seq.map(Seq), flaw), "{shows}: {finding}");
    }
}

#[test]
fn a_hole_in_the_log_is_named_before_anything_else() {
    for dropped in [1, 2, 8] {
        let mut all = records(&STORY.0);
        drop_where(&mut all, |record| is_event(record, dropped));
        let finding = found(&finished(all), &Rules::default()).expect("a hole is found");
        let told = (finding.offset, finding.flaw);
        assert_eq!(told, (Some(dropped + 1), Flaw::OffsetMissing { expected: dropped }));
    }
    let mut all = records(&STORY.0);
    drop_where(&mut all, |record| is_event(record, 12) || is_batch(record, 2, 7));
    let finding = found(&finished(all), &Rules::default()).expect("the head says that it is short");
    assert_eq!((finding.offset, finding.flaw), (Some(12), Flaw::OffsetMissing { expected: 12 }));
}

#[test]
fn what_no_device_signs_is_found_by_who_has_noted_an_anchor() {
    let (file, anchor) = &*STORY;
    let noted = Rules { anchors: vec![*anchor], ..Rules::default() };
    assert_eq!(found(file, &noted), None);
    type Change = fn(&mut Vec<Record>);
    #[rustfmt::skip]
    let cases: [(&str, Change); 3] = [
        ("the last batch of a stream dropped",
            |all| drop_where(all, |r| is_event(r, 12) || is_batch(r, 2, 7))),
        ("a whole stream dropped", |all| drop_where(all, |r| match r {
            Record::Stream(stream) => stream.number == 3,
            Record::Event(event) => event.stream == 3,
            Record::Place(place) => place.stream == 3,
            Record::Batch(batch) => batch.stream == 3,
            Record::Begin(_) | Record::End(_) => false,
        })),
        ("the order between streams", |all| {
            let at = all.iter().position(|r| is_event(r, 10)).expect("it is there");
            let batch = all.iter().position(|r| is_batch(r, 2, 6)).expect("it is there");
            let (event, own) = (all.remove(at), all.remove(at));
            assert!(is_batch(&own, 3, 3));
            all.insert(batch - 1, event);
            all.insert(batch, own);
        }),
    ];
    for (shows, change) in cases {
        let mut all = records(file);
        change(&mut all);
        let file = forged(all);
        assert_eq!(found(&file, &Rules::default()), None, "{shows}: devices say nothing of it");
        let finding = found(&file, &noted).expect(shows);
        assert_eq!((finding.offset, finding.flaw), (Some(12), Flaw::AnchorWrong), "{shows}");
    }
}

#[test]
fn an_erased_event_is_still_proved_by_its_hash() {
    let mut all = records(&STORY.0);
    let event = event_at(&mut all, 5);
    let sealed = event.sealed.take().expect("it is there");
    event.hash = Some(chain::event_hash(&sealed).into());
    let file = forged(all.clone());
    let noted = Rules { anchors: vec![STORY.1], ..Rules::default() };
    assert_eq!(found(&file, &noted), None, "the anchor is the same, too");
    event_at(&mut all, 5).hash = Some([9; 32].into());
    let finding = found(&forged(all), &Rules::default()).expect("another hash is found");
    assert_eq!((finding.offset, finding.flaw), (Some(5), Flaw::EventChanged));
}

#[test]
fn a_file_that_is_cut_is_found_wherever_it_is_cut() {
    let file = &STORY.0;
    for end in 0..file.len() {
        let finding = found(&file[..end], &Rules::default()).expect("it is cut");
        assert_eq!(finding.flaw, Flaw::Cut, "at {end}");
        assert!(finding.byte <= end as u64, "at {end}");
    }
    let longer = [&file[..], &file[..]].concat();
    let finding = found(&longer, &Rules::default()).expect("nothing may follow");
    assert_eq!((finding.byte, finding.flaw), (file.len() as u64, Flaw::Misplaced));
    let more = [&file[..], &[0]].concat();
    assert_eq!(found(&more, &Rules::default()).map(|found| found.flaw), Some(Flaw::Unreadable));
}

#[test]
fn another_format_says_so() {
    let mut all = records(&STORY.0);
    if let Some(Record::Begin(begin)) = all.first_mut() {
        begin.format = 2;
    }
    let finding = found(&forged(all), &Rules::default()).expect("it is not known");
    assert_eq!(finding.flaw, Flaw::FormatUnknown { found: 2 });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Each byte of a file is covered by something.
    #[test]
    fn no_byte_can_be_changed(at in any::<Index>(), by in 1..=u8::MAX) {
        let mut file = STORY.0.clone();
        let at = at.index(file.len());
        file[at] ^= by;
        for unsigned in [false, true] {
            let rules = Rules { unsigned, ..Rules::default() };
            prop_assert!(found(&file, &rules).is_some());
        }
    }

    #[test]
    fn any_bytes_are_outlasted(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut verifier = Verifier::new(Rules::default());
        let mut rest = &bytes[..];
        while let Ok(used) = verifier.take(rest) {
            rest = &rest[used..];
        }
        prop_assert!(found(&bytes, &Rules::default()).is_some());
    }
}

#[tokio::test]
async fn a_store_of_before_goes_on_and_its_past_has_no_proof() {
    let directory = Directory::new();
    let mut ann = Device::new(1, "s", "ann");
    push(&directory.open(), &ann.batch(&[event("count", "a1"), event("refuse", "a2")])).await;
    let file = directory.0.join("bellwether.sqlite");
    let sql = rusqlite::Connection::open(&file).expect("it is SQLite's");
    sql.execute_batch(
        "DROP TABLE bw_patch; ALTER TABLE bw_log DROP COLUMN hash; DROP TABLE bw_document; DROP TABLE bw_ticket; DROP TABLE bw_secret;
         DROP TABLE bw_batch; DROP INDEX bw_stream_session;
         ALTER TABLE bw_place DROP COLUMN hash; ALTER TABLE bw_stream DROP COLUMN former_head;
         PRAGMA user_version = 1;",
    )
    .expect("these are what later versions have added");
    drop(sql);
    let store = directory.open();
    push(&store, &ann.batch(&plain(["a3"]))).await;
    let (file, _) = export(&store, "s").await;
    let told: Vec<String> = records(&file).iter().map(tell).collect();
    let expected = [
        "begin s to 2",
        "stream 1 ann",
        "event 1 of 1: 1",
        "place of 1: 2 refused",
        "event 2 of 1: 3",
        "batch of 1: 3 from 3, 1 less 0",
        "end 2",
    ];
    assert_eq!(told, expected);
    let finding = found(&file, &Rules::default()).expect("nobody can prove the past");
    let told = (finding.offset, finding.seq, finding.flaw);
    assert_eq!(told, (Some(1), Some(Seq(1)), Flaw::Unsigned));
    assert_eq!(found(&file, &Rules { unsigned: true, ..Rules::default() }), None);

    drop(store);
    let sql = rusqlite::Connection::open(directory.0.join("bellwether.sqlite")).expect("SQLite's");
    sql.pragma_update(None, "user_version", 99).expect("it can be set");
    let opening = Opening { directory: directory.0.clone(), new_epoch: false };
    let opened = Embedded::open(&opening, std::sync::Arc::new(bellwether_server::NoEffect));
    assert!(opened.is_err_and(|sentence| sentence.contains("newer server")));
}

#[tokio::test]
async fn devices_without_keys_pass_only_where_they_may() {
    let store = memory();
    let unsigned = Push {
        key: DeviceKey { kind: KeyKind::None, public: vec![].into() },
        signature: vec![].into(),
        ..Device::new(2, "s", "ben").batch(&plain(["b"]))
    };
    let checked = bellwether_server::engine::Checked::of(unsigned, Signatures::Optional);
    store.push("", checked.expect("it is well-formed")).await.expect("it is taken");
    let (file, _) = export(&store, "s").await;
    let finding = found(&file, &Rules::default()).expect("nobody has signed it");
    assert_eq!((finding.offset, finding.flaw), (Some(1), Flaw::Unsigned));
    assert_eq!(found(&file, &Rules { unsigned: true, ..Rules::default() }), None);
}

/// Many parts, and a batch that ends in the middle of one.
#[tokio::test]
async fn a_long_log_is_written_in_parts() {
    let directory = Directory::new();
    let store = directory.open();
    let (mut ann, mut ben) = (Device::new(1, "s", "ann"), Device::new(2, "s", "ben"));
    for round in 0..10 {
        for (name, device) in [("a", &mut ann), ("b", &mut ben)] {
            let type_ = |n| if n % 5 == 0 { "refuse" } else { "plain" };
            let events: Vec<_> =
                (0..333).map(|n| event(type_(n), &format!("{name}-{round}-{n}"))).collect();
            push(&store, &device.batch(&events)).await;
        }
    }
    let mut export = Export::new(AuditAsk { tenant: "".into(), session: "s".into() });
    let (mut file, mut parts) = (Vec::new(), 0);
    while !export.is_done() {
        let (next, part) = store.audit(export).await.expect("the store answers");
        assert!(part.len() < 400 * 1024, "a part has {} bytes", part.len());
        file.extend(part);
        // What comes meanwhile is not part of it.
        push(&store, &ann.batch(&plain([&format!("late-{parts}")]))).await;
        (export, parts) = (next, parts + 1);
    }
    assert!(parts > 3, "{parts}");
    assert_eq!(found(&file, &Rules::default()), None);
    let Some(Record::End(end)) = records(&file).pop() else { panic!("there is an end") };
    assert_eq!(end.events, 10 * 2 * 266);
}

#[tokio::test]
async fn it_is_asked_for_as_the_log_is() {
    let router = Setup::default().router();
    push_http(&router, &Device::new(1, "s", "ann").batch(&plain(["a"]))).await.answer();
    let reply = send(&router, "GET", "/v1/audit?session=s", &[], "").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/cbor-seq"));
    assert_eq!(found(&reply.body, &Rules::default()), None);
    assert_eq!(records(&reply.body).len(), 5);
    for (method, path, status, code) in [
        ("GET", "/v1/audit", 400, "malformed"),
        ("POST", "/v1/audit?session=s", 405, "method-unknown"),
    ] {
        let reply = send(&router, method, path, &[], "").await;
        assert_eq!(reply.problem(), (status, code.to_owned()), "{method} {path}");
    }
}
