//! Where in a row or a message that stands which must not be recorded.
//!
//! A path leads through CBOR, and through byte strings that hold CBOR, to each such place. Bytes that it cannot be
//! followed through hold who knows what, and are left out whole, but for the version of a row.
//!
//! What always holds: zeros in those places change nothing that a machine decides, but for the hashes.

use core::ops::Range;

use crate::base::codec::{Fields, Reader};
use crate::wire::{EventHead, decode};

/// Tells events apart that differ in their bodies alone.
pub type Mark = [u8; 8];

/// A path: steps of these kinds, each with a place in its low bits. It ends at a byte string.
pub type Path = &'static [u8];

const ARRAY: u8 = 0x00;
const MAP: u8 = 0x20;
const EACH: u8 = 0x40;
const INSIDE: u8 = 0x60;
const TEXT: u8 = 0x80;
const KIND: u8 = 0xe0;

/// Where an event has its body.
const BODY: u8 = MAP | 4;

/// The body of a journal row's event.
pub const JOURNAL: Path = &[MAP | 4, INSIDE, BODY];
/// The body of a dead letter.
pub const DEAD: Path = JOURNAL;
/// The bodies of retained events.
pub const RETAINED: Path = &[MAP | 5, EACH, INSIDE, BODY];
/// The results of answered events.
pub const DONE: Path = &[MAP | 2, EACH, ARRAY | 3];
/// The values of a document's key.
pub(super) const ENTRY_ROW: Path = &[MAP | 1, MAP | 2, EACH, ARRAY | 2];
/// The body of a patch that was taken ahead of what is known.
pub(super) const AHEAD_ROW: Path = &[MAP | 3, INSIDE, BODY];
/// The body of a patch that was refused.
pub(super) const LOSER_ROW: Path = &[MAP | 2, INSIDE, BODY];
/// The bodies in a page of the log.
pub(super) const PAGE: Path = &[ARRAY | 1, EACH, ARRAY | 7, INSIDE, BODY];
/// Those that took something of a result.
pub(super) const PAGE_BOUND: Path = &[ARRAY | 1, EACH, ARRAY | 8];
/// The values in a document.
pub(super) const SNAPSHOT: Path = &[ARRAY | 2, EACH, ARRAY | 1, INSIDE, MAP | 2, EACH, ARRAY | 2];
/// The values in a patch, in whose places nothing is read into.
const VALUES: Path = &[MAP, EACH, MAP | 2];
/// The bodies of pushed events.
pub(super) const PUSH: Path = &[ARRAY | 11, EACH, INSIDE, BODY];
/// The results in an answer.
pub(super) const ANSWER: Path = &[ARRAY | 4, EACH, ARRAY | 3];
/// The bodies in a farewell.
pub(super) const FAREWELL: Path = &[ARRAY | 8, INSIDE, ARRAY, EACH, INSIDE, MAP | 4, INSIDE, BODY];
/// The body of an event that takes another's place.
pub(super) const CHANGE: Path = &[ARRAY | 8, INSIDE, ARRAY | 1, INSIDE, BODY];
/// The rows of a document that have changed.
pub(super) const FOLDED: Path = &[ARRAY | 8, INSIDE, ARRAY | 3, ARRAY | 1, EACH, ARRAY | 1];
/// The token that a page gives.
pub(super) const TOKEN: Path = &[ARRAY | 8, INSIDE, ARRAY | 1, TEXT];
/// All of a message's body.
pub(super) const MESSAGE: Path = &[ARRAY | 8];

/// Puts zeros where `path` leads. Each event that this changes is shown to `leave_out` before, whose mark its body
/// then begins with.
pub(super) fn blank(bytes: &mut [u8], path: Path, leave_out: &mut dyn FnMut(&[u8]) -> Mark) {
    let mut found = Vec::new();
    walk(bytes, path, &mut found);
    let start = bytes.as_ptr() as usize;
    let range = |part: &[u8]| {
        let from = part.as_ptr() as usize - start;
        from..from + part.len()
    };
    let mut ranges: Vec<(Range<usize>, Mark)> = Vec::new();
    for (part, event) in found {
        let is_event = path.ends_with(&[BODY]) && !event.is_empty();
        let mut values = Vec::new();
        if is_event && decode::<EventHead<'_>>(event).is_ok_and(|head| head.is_patch()) {
            // Which keys a patch is about decides something.
            walk(part, VALUES, &mut values);
            if values.is_empty() {
                continue;
            }
        } else {
            values.push((part, event));
        }
        let mark = if is_event { leave_out(event) } else { Mark::default() };
        ranges.extend(values.into_iter().map(|(part, _)| (range(part), mark)));
    }
    for (range, mark) in ranges {
        let part = bytes.get_mut(range).unwrap_or_default();
        part.fill(0);
        part.iter_mut().zip(mark).for_each(|(byte, mark)| *byte = mark);
    }
}

type Found<'b> = Vec<(&'b [u8], &'b [u8])>;

// Finds the places in one piece of CBOR, each with the byte string around it.
fn walk<'b>(bytes: &'b [u8], path: &[u8], found: &mut Found<'b>) {
    let before = found.len();
    let mut from = Reader::new(bytes);
    step(&mut from, bytes, path, found);
    if from.finish().is_err() {
        found.truncate(before);
        found.push((bytes.get(version(bytes)..).unwrap_or(bytes), &[]));
    }
}

// Where a row's version ends, by which a newer one is known even if nothing else of it is.
fn version(bytes: &[u8]) -> usize {
    let mut from = Reader::new(bytes);
    from.open_map().next(&mut from);
    from.uint(u64::MAX);
    from.position()
}

// Reads one value.
fn step<'b>(from: &mut Reader<'b>, around: &'b [u8], path: &[u8], found: &mut Found<'b>) {
    let (kind, place, rest) = match path {
        [step, rest @ ..] => (step & KIND, u32::from(step & !KIND), rest),
        [] => (KIND, 0, path),
    };
    let mut fields = match kind {
        ARRAY | EACH => from.open_array(),
        MAP => from.open_map(),
        _ => {
            if !from.null() {
                match kind {
                    INSIDE => walk(from.bytes(), rest, found),
                    TEXT => found.push((from.text().as_bytes(), around)),
                    _ => found.push((from.bytes(), around)),
                }
            }
            return;
        }
    };
    loop {
        match fields.next(from) {
            Fields::END => return,
            at if at == place || kind == EACH => step(from, around, rest, found),
            _ => from.skip(),
        }
    }
}

#[cfg(test)]
mod tests {
    use minicbor::bytes::ByteVec;
    use proptest::prelude::*;

    use super::*;
    use crate::base::{Epoch, EventId, PageId, RequestId, Stamp, Wall};
    use crate::bus::{Changed, Folded, Notice};
    use crate::rows::{DoneRow, JournalRow, RetainedRow, StreamKey, read};
    use crate::wire::{Event, EventKind, Lane, decode, to_cbor};

    fn sealed(id: &str, data: Option<&[u8]>) -> Vec<u8> {
        to_cbor(&Event {
            id: EventId::new(id).expect("short and visible"),
            kind: EventKind::App,
            type_: "noted",
            key: Some("key"),
            data,
            schema: 0,
            stamp: Stamp(7),
            page: PageId([1; 16]),
            at: Wall(9),
            correlation: None,
            after: None,
            binds: None,
            flags: None,
        })
    }

    fn row(sealed: &[u8]) -> Vec<u8> {
        let (session, user) = ("s".into(), "u".into());
        let stream = StreamKey { session, user, lane: Lane::Normal };
        to_cbor(&JournalRow::new(&stream, sealed, Wall(3)))
    }

    fn blanked(mut bytes: Vec<u8>, path: Path) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut left_out = Vec::new();
        blank(&mut bytes, path, &mut |event| {
            left_out.push(event.to_vec());
            Mark::default()
        });
        (bytes, left_out)
    }

    #[test]
    fn a_body_is_zeros_of_its_length_and_all_else_stays() {
        let event = sealed("e1", Some(b"secret"));
        let (bytes, left_out) = blanked(row(&event), JOURNAL);
        assert_eq!(left_out, [event]);
        assert_eq!(bytes, row(&sealed("e1", Some(&[0; 6]))));

        let none = row(&sealed("e2", None));
        assert_eq!(blanked(none.clone(), JOURNAL), (none, Vec::new()));
    }

    #[test]
    fn rows_that_pages_are_told_are_left_out() {
        let said = |row: &[u8]| {
            let folded = Folded { since: 1, rows: vec![("k".into(), row.to_vec().into())] };
            let (keys, over) = (vec!["k".into()], Vec::new());
            let changed = Changed { session: "s".into(), keys, over, folded: Some(folded) };
            Notice::Changed(changed).seal("build", PageId([1; 16]), RequestId(0), Epoch(1))
        };
        assert_eq!(blanked(said(b"secret"), FOLDED).0, said(&[0; 6]));
    }

    #[test]
    fn events_that_differ_in_their_bodies_alone_still_do() {
        let mut marks = [[1; 8], [2; 8]].into_iter();
        let mut with_mark = |body: &[u8]| {
            let mut bytes = row(&sealed("e", Some(body)));
            blank(&mut bytes, JOURNAL, &mut |_| marks.next().expect("there are two"));
            bytes
        };
        assert_eq!(with_mark(b"one"), row(&sealed("e", Some(&[1; 3]))));
        assert_eq!(with_mark(b"two of it"), row(&sealed("e", Some(&[2, 2, 2, 2, 2, 2, 2, 2, 0]))));
    }

    #[test]
    fn each_event_of_a_list_is_found() {
        let row = |bodies: [&[u8]; 2]| {
            let events = bodies.map(|body| ByteVec::from(sealed("e", Some(body))));
            let (session, user) = ("s".into(), "u".into());
            let (version, at, lane) = (1, Wall(1), Lane::Bulk);
            to_cbor(&RetainedRow { version, at, session, user, lane, events: events.into() })
        };
        let (bytes, left_out) = blanked(row([b"one", b"four"]), RETAINED);
        assert_eq!(bytes, row([&[0; 3], &[0; 4]]));
        assert_eq!(left_out.len(), 2);
        let empty =
            DoneRow { version: 1, at: Wall(0), entries: Vec::new(), session: None, user: None };
        assert_eq!(blanked(to_cbor(&empty), DONE), (to_cbor(&empty), Vec::new()));
    }

    #[test]
    fn what_cannot_be_followed_is_left_out_whole_and_stays_as_unreadable_as_it_was() {
        let odd = row(b"no event, but perhaps a secret");
        let (bytes, left_out) = blanked(odd, JOURNAL);
        assert!(left_out.is_empty());
        let read: JournalRow<'_> = read(&bytes).expect("the row itself is sound");
        assert!(read.sealed[1..].iter().all(|byte| *byte == 0));
        assert!(decode::<Event<'_>>(read.sealed).is_err());
    }

    proptest! {
        /// Replaying leaves out again what was left out before, and must come to the same bytes.
        #[test]
        fn leaving_out_twice_is_leaving_out_once(mut bytes in any::<Vec<u8>>(), at in 0..9_usize) {
            let paths = [JOURNAL, RETAINED, DONE, PUSH, ANSWER, FAREWELL, CHANGE, TOKEN, MESSAGE, DEAD];
            if bytes.len() % 2 == 0 {
                bytes = row(&bytes);
            }
            let (once, _) = blanked(bytes.clone(), paths[at]);
            prop_assert_eq!(once.len(), bytes.len());
            prop_assert_eq!(blanked(once.clone(), paths[at]).0, once);
        }
    }
}
