//! The page's copy, shown rows, rows of the journal and what other pages say.

use super::*;
use crate::base::{LogEpoch, Stamp, Wall};
use crate::rows::{ROW_VERSION, StreamKey};
use crate::rules::document::fold;
use crate::rules::patch::Write;
use crate::wire::{EventKind, Lane, PATCH_TYPE, to_cbor};

fn at(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_000_000 + ms) }
}

fn id(name: &str) -> EventId {
    EventId::new(name).expect("tests use fit ids")
}

fn sealed(name: &str, stamp: u64, key: &str, value: &str, base: Option<Base>) -> Vec<u8> {
    let write = Write { key, path: Vec::new(), value: Some(value.as_bytes()), base };
    let data = to_cbor(&Patch { writes: vec![write] });
    to_cbor(&Event {
        id: id(name),
        kind: EventKind::Patch,
        type_: PATCH_TYPE,
        key: None,
        data: Some(&data),
        schema: 0,
        stamp: Stamp(stamp),
        page: PageId([stamp as u8; 16]),
        at: Wall(0),
        correlation: None,
        after: None,
        binds: None,
        flags: None,
    })
}

/// The rows of a document that these patches have made, one after the other.
fn rows(log: &[Vec<u8>]) -> Vec<(Key, Vec<u8>)> {
    let mut entries: SortedMap<Box<str>, Entry> = SortedMap::new();
    for (version, sealed) in (1..).zip(log) {
        let (event, patch) = opened(sealed).expect("our own patch");
        let (made, page) = (event.stamp, event.page);
        let author = Author { id: &event.id, made, page, taken_at: Wall(1_000_000), version };
        let changed = fold(|key| entries.get(key).cloned(), &patch, author);
        changed.iter().for_each(|(key, entry)| drop(entries.insert(key.clone(), entry.clone())));
    }
    let row_of = |key: &str, entry: &Entry| {
        let row = EntryRow { version: ROW_VERSION, entry: entry.clone() };
        (Place::Key(key).key("s"), to_cbor(&row))
    };
    let mut rows: Vec<_> = entries.iter().map(|(key, entry)| row_of(key, entry)).collect();
    let (epoch, offset) = (LogEpoch([1; 16]), log.len() as u64);
    let fold = FoldRow { version: ROW_VERSION, epoch, offset, alone: false };
    rows.push((Place::Fold.key("s"), to_cbor(&fold)));
    rows
}

fn queued(position: u64, sealed: &[u8]) -> (u64, Vec<u8>) {
    let (session, user) = ("s".into(), "".into());
    let stream = StreamKey { session, user, lane: Lane::Normal };
    (position, to_cbor(&JournalRow::new(&stream, sealed, Wall(0))))
}

fn shown(mirror: &Mirror, key: &str) -> Option<String> {
    let value = mirror.get(key)?.leaves.first()?.value.clone()?;
    Some(String::from_utf8_lossy(&value).into())
}

/// Nothing is shown differently for a patch with this stamp.
fn nothing(stamp: u64) -> News {
    News { made: Some(Stamp(stamp)), ..News::default() }
}

fn names(news: &News) -> Vec<&str> {
    news.keys.iter().map(|key| &**key).collect()
}

#[test]
fn a_patch_is_shown_until_it_is_named() {
    let mut mirror = Mirror::new("s");
    let patch = sealed("e1", 5, "k", "1", None);
    assert_eq!(names(&mirror.on_patch(at(1), &patch)), ["k"]);
    assert_eq!(mirror.on_patch(at(1), &patch), nothing(5), "it is heard of again");
    assert_eq!(shown(&mirror, "k").as_deref(), Some("1"));
    assert!(mirror.on_durable(&id("e1"), 3));
    assert!(!mirror.on_durable(&id("e2"), 4));

    let news = mirror.on_changed(at(2), &[Over::taken(id("e1"))], &rows(&[patch]));
    assert_eq!(news, News::default(), "it looks as before");
    assert_eq!((mirror.version(), mirror.keys(), mirror.due()), (1, vec!["k".into()], None));
}

#[test]
fn one_that_is_withdrawn_or_refused_leaves_what_was_there() {
    let mut mirror = Mirror::new("s");
    let before = sealed("e1", 5, "k", "1", None);
    mirror.on_changed(at(1), &[], &rows(std::slice::from_ref(&before)));
    mirror.on_patch(at(2), &sealed("e2", 6, "k", "2", None));
    assert_eq!(names(&mirror.on_withdrawn(at(3), &id("e2"))), ["k"]);
    assert_eq!(shown(&mirror, "k").as_deref(), Some("1"));

    mirror.on_patch(at(4), &sealed("e3", 7, "k", "3", None));
    let refused = [Over { id: id("e3"), refused: None }];
    assert_eq!(names(&mirror.on_changed(at(5), &refused, &rows(&[before]))), ["k"]);
    assert_eq!(shown(&mirror, "k").as_deref(), Some("1"));
}

#[test]
fn what_the_disk_has_is_shown_in_its_order_and_what_it_lacks_ends() {
    let base = |version, after: Option<&str>| Some(Base { version, after: after.map(id) });
    let (one, two) =
        (sealed("e1", 5, "k", "1", base(0, None)), sealed("e2", 6, "k", "2", base(0, Some("e1"))));
    let mut mirror = Mirror::new("s");
    mirror.on_patch(at(1), &sealed("e3", 7, "l", "3", None));
    mirror.on_durable(&id("e3"), 1);
    mirror.on_patch(at(1), &sealed("e4", 8, "m", "4", None));
    let read = mirror.begin_read();
    mirror.on_patch(at(2), &sealed("e5", 9, "n", "5", None));
    mirror.on_durable(&id("e5"), 9);
    let news = mirror.on_read(at(3), read, &[], &[queued(2, &one), queued(7, &two)]);
    assert_eq!(names(&news), ["l", "k"], "e3 was durable before, and is over");
    assert_eq!(shown(&mirror, "k").as_deref(), Some("2"));
    assert_eq!(shown(&mirror, "m").as_deref(), Some("4"), "it may be durable soon");
    assert_eq!(shown(&mirror, "n").as_deref(), Some("5"), "it became durable behind the read");

    assert_eq!(mirror.due(), Some(Mono(1 + limits::TENTATIVE_MS_MAX)));
    let read = mirror.begin_read();
    let news = mirror.on_read(at(1 + limits::TENTATIVE_MS_MAX), read, &[], &[queued(9, &one)]);
    assert_eq!(names(&news), ["k", "m", "n"]);
    assert_eq!(shown(&mirror, "m"), None);
}

#[test]
fn one_that_would_be_refused_is_not_shown() {
    let mut mirror = Mirror::new("s");
    mirror.on_changed(at(1), &[], &rows(&[sealed("e1", 5, "k", "1", None)]));
    assert_eq!(mirror.base("k"), Base { version: 1, after: None });
    let late = sealed("e2", 6, "k", "2", Some(Base { version: 0, after: None }));
    assert_eq!(mirror.on_patch(at(2), &late), nothing(6));
    let fit = sealed("e3", 6, "k", "3", Some(mirror.base("k")));
    assert_eq!(names(&mirror.on_patch(at(2), &fit)), ["k"]);
    assert_eq!(mirror.base("k"), Base { version: 1, after: Some(id("e3")) });
}

#[test]
fn a_write_that_meets_another_is_told_with_both() {
    let mut mirror = Mirror::new("s");
    let (first, mine, theirs) = (
        sealed("e1", 5, "k", "1", None),
        sealed("mine", 7, "k", "2", None),
        sealed("theirs", 9, "k", "3", None),
    );
    mirror.on_changed(at(1), &[], &rows(std::slice::from_ref(&first)));
    mirror.on_patch(at(2), &mine);
    let log = [first, theirs, mine];
    let news = mirror.on_changed(at(3), &[Over::taken(id("mine"))], &rows(&log));
    let values = news.clashes.iter().map(|clash| {
        let value = |entry: &Entry| {
            String::from_utf8_lossy(entry.leaves[0].value.as_ref().expect("a value")).into_owned()
        };
        (&*clash.key, value(&clash.base), value(&clash.local), value(&clash.remote))
    });
    let values: Vec<_> = values.collect();
    assert_eq!(values, [("k", "1".into(), "2".into(), "3".into())]);
    assert_eq!(names(&news), ["k"]);
}

#[test]
fn writes_of_its_own_device_meet_nothing() {
    let mut mirror = Mirror::new("s");
    let patches: Vec<Vec<u8>> =
        (1..8_u64).map(|at| sealed(&format!("e{at}"), at, "k", &format!("{at}"), None)).collect();
    for patch in &patches[..6] {
        mirror.on_patch(at(2), patch);
    }
    // One was confirmed, those behind it were superseded, and the last is still under way.
    let over: Vec<Over> = (1..6).map(|at| Over::taken(id(&format!("e{at}")))).collect();
    let news = mirror.on_changed(at(3), &over, &rows(&patches[..1]));
    assert_eq!((news.clashes, shown(&mirror, "k").as_deref()), (Vec::new(), Some("6")));
    // Nor does a place of one's own beside another's.
    mirror.on_patch(at(4), &patches[6]);
    let beside = sealed("theirs", 99, "l", "1", None);
    let news = mirror.on_changed(at(5), &[], &rows(&[patches[0].clone(), beside]));
    assert_eq!((news.clashes.len(), names(&news)), (0, vec!["l"]));
}

#[test]
fn rows_of_another_session_and_bytes_that_are_none_change_nothing() {
    let mut mirror = Mirror::new("t");
    let patch = sealed("e1", 5, "k", "1", None);
    let read = mirror.begin_read();
    let journal = [queued(1, &patch), (2, vec![1, 2, 3])];
    let news = mirror.on_read(at(1), read, &rows(&[patch]), &journal);
    assert_eq!((news, mirror.on_patch(at(1), b"no patch")), (News::default(), News::default()));
}

#[test]
fn the_disk_is_asked_once_at_a_time_and_again_if_it_has_failed() {
    let mut mirror = Mirror::new("s");
    mirror.on_patch(at(1), &sealed("e1", 5, "k", "1", None));
    let due = 1 + limits::TENTATIVE_MS_MAX;
    assert_eq!(mirror.due(), Some(Mono(due)));
    mirror.begin_read();
    assert_eq!(mirror.due(), None, "it is being asked");
    mirror.on_read_failed(at(due));
    assert_eq!(mirror.due(), Some(Mono(due + 1_000)));
    let read = mirror.begin_read();
    assert_eq!(mirror.due(), None);
    mirror.on_read(at(due + 1_000), read, &rows(&[]), &[]);
    assert_eq!((mirror.due(), shown(&mirror, "k")), (None, None));
}

#[test]
fn a_word_that_comes_after_the_coordinators_brings_nothing_back() {
    let mut mirror = Mirror::new("s");
    let (one, two) = (sealed("e1", 5, "k", "1", None), sealed("e2", 6, "k", "2", None));
    let over = |name| [Over::taken(id(name))];
    mirror.on_changed(at(1), &over("e1"), &[]);
    mirror.on_changed(at(1), &over("e2"), &rows(std::slice::from_ref(&two)));
    assert_eq!(mirror.on_patch(at(2), &one), nothing(5));
    assert!(mirror.on_durable(&id("e1"), 1), "it is known");
    let read = mirror.begin_read();
    let news = mirror.on_read(at(3), read, &rows(&[two]), &[queued(1, &one)]);
    assert_eq!(news, News::default(), "its row has not gone yet");
    assert_eq!((shown(&mirror, "k").as_deref(), mirror.due()), (Some("2"), None));

    let late = sealed("e3", 4, "l", "3", None);
    mirror.on_patch(at(4), &late);
    mirror.on_durable(&id("e3"), 2);
    assert_eq!(mirror.due(), Some(Mono(4 + limits::TENTATIVE_MS_MAX)), "nobody else has said so");
    let read = mirror.begin_read();
    mirror.on_read(at(5), read, &[], &[queued(2, &late)]);
    assert_eq!(mirror.due(), None, "the disk has it");
}

#[test]
fn what_waits_in_the_journal_is_looked_for_once_nothing_is_left_to_be_sent() {
    let mut mirror = Mirror::new("s");
    mirror.on_drained(at(0));
    assert_eq!(mirror.due(), None, "nothing waits");
    let patch = sealed("e1", 5, "k", "1", None);
    mirror.on_patch(at(1), &patch);
    mirror.on_durable(&id("e1"), 1);
    let read = mirror.begin_read();
    mirror.on_read(at(2), read, &[], &[queued(1, &patch)]);
    assert_eq!(mirror.due(), None, "it is queued, as offline for a week");
    mirror.on_drained(at(3));
    mirror.on_drained(at(900));
    assert_eq!(mirror.due(), Some(Mono(3 + 1_000)), "what has become of it may be on the way");
    mirror.on_changed(at(4), &[Over::taken(id("e1"))], &rows(std::slice::from_ref(&patch)));
    assert_eq!(mirror.due(), None, "and was");
    let next = sealed("e2", 6, "k", "2", None);
    mirror.on_patch(at(5), &next);
    mirror.on_durable(&id("e2"), 2);
    mirror.on_drained(at(6));
    let read = mirror.begin_read();
    mirror.on_read(at(1_006), read, &rows(&[patch, next]), &[]);
    assert_eq!((mirror.due(), shown(&mirror, "k").as_deref()), (None, Some("2")));
}

#[test]
fn rows_that_are_told_take_the_place_of_a_read_where_they_follow_what_is_known() {
    let log: Vec<_> =
        (1..=4_u8).map(|n| sealed(&format!("e{n}"), n.into(), "k", &n.to_string(), None)).collect();
    // Of each place in the log what is told of the step to the next one.
    let step = |since: usize| {
        let rows = rows(&log[..=since]).into_iter().map(|(key, row)| match key {
            Key::Text(key) => (key, row.into()),
            Key::Number(_) => unreachable!("keys of documents are texts"),
        });
        Folded { since: since as u64, rows: rows.collect() }
    };
    let over = |n: usize| [Over::taken(id(&format!("e{n}")))];
    let mut mirror = Mirror::new("s");
    assert_eq!(mirror.on_folded(at(1), &over(1), &step(0)), None, "it knows nothing yet");
    mirror.on_changed(at(1), &[], &rows(&log[..1]));
    mirror.on_patch(at(2), &log[1]);
    assert_eq!(mirror.on_folded(at(3), &over(2), &step(1)), Some(News::default()), "as before");
    assert_eq!((mirror.version(), mirror.due()), (2, None), "and confirmed");
    assert_eq!(mirror.on_folded(at(4), &over(4), &step(3)), None, "one step was missed");

    let read = mirror.begin_read();
    assert_eq!(
        mirror.on_folded(at(5), &over(3), &step(2)),
        None,
        "what is being read may be older"
    );
    mirror.on_read(at(6), read, &rows(&log), &[]);
    assert_eq!(mirror.on_folded(at(7), &over(3), &step(2)), None, "the disk has gone further");
    assert_eq!((mirror.version(), shown(&mirror, "k").as_deref()), (4, Some("4")));

    let mut other = Mirror::new("s");
    let fold = FoldRow { version: ROW_VERSION, epoch: LogEpoch([2; 16]), offset: 1, alone: false };
    other.on_changed(at(1), &[], &[(Place::Fold.key("s"), to_cbor(&fold))]);
    assert_eq!(other.on_folded(at(2), &[], &step(1)), None, "its log lives another life");
    let nonsense = Folded { since: 1, rows: vec![("k".into(), b"no row".to_vec().into())] };
    assert_eq!(other.on_folded(at(2), &[], &nonsense), None);
    assert_eq!(other.on_folded(at(2), &[], &Folded::default()), None);
}
