//! Messages of wire and bus: what is written is read, and nothing else is taken for it.

use bellwether_shared::base::{EventId, PageId, Stamp, Wall};
use bellwether_shared::bus::{BusFault, Envelope, Notice, PROTOCOL_MAX, Request};
use bellwether_shared::wire::audit::Record;
use bellwether_shared::wire::farewell::{Farewell, Tickets, TicketsWanted};
use bellwether_shared::wire::{
    Answer, Event, EventKind, LogPage, Problem, Push, StreamId, from_cbor, to_cbor,
};
use proptest::prelude::*;

use crate::bytes::{
    cbor, every_changed_byte_is_outlasted, every_truncation_is_refused, with_more, with_open_end,
};
use crate::draw;

/// For each type a test: how it is drawn, and how many places its array has.
macro_rules! messages {
    ($($name:ident: $type:ty, $drawn:expr, $places:literal;)+) => { $(
        mod $name {
            use super::*;

            fn again(bytes: &[u8]) -> Option<Vec<u8>> {
                from_cbor::<$type>(bytes, usize::MAX).ok().map(|read| to_cbor(&read))
            }

            proptest! {
                #![proptest_config(crate::cases(64))]

                #[test]
                fn is_read_as_it_was_written(
                    value in $drawn, turn: u8, more in prop::collection::vec(cbor(), 1..3),
                ) {
                    let written = to_cbor(&value);
                    prop_assert_eq!(from_cbor::<$type>(&written, usize::MAX), Ok(value.clone()));
                    prop_assert!(from_cbor::<$type>(&written, written.len() - 1).is_err());
                    every_truncation_is_refused(&written, &again)?;
                    every_changed_byte_is_outlasted(&written, turn, &again)?;
                    for longer in [with_more(&written, $places, &more), with_open_end(&written)] {
                        prop_assert_eq!(from_cbor::<$type>(&longer, usize::MAX), Ok(value.clone()));
                    }
                }
            }
        }
    )+ };
}

messages! {
    push: Push, draw::push(), 12;
    answer: Answer, draw::answer(), 9;
    problem: Problem, draw::problem(), 7;
    log_page: LogPage, draw::log_page(), 6;
    stream_id: StreamId, draw::stream_id(), 5;
    audit_record: Record, draw::audit_record(), 2;
    tickets_wanted: TicketsWanted, draw::tickets_wanted(), 5;
    tickets: Tickets, draw::tickets(), 3;
    wire_farewell: Farewell, draw::wire_farewell(), 6;
}

type Drawn = (EventId, Box<str>, Option<Box<str>>, Option<Vec<u8>>, u32, Stamp, PageId, Wall);

fn drawn() -> impl Strategy<Value = Drawn> {
    let data = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    let key = prop::option::of(draw::text());
    (draw::id(), draw::text(), key, data, any::<u32>(), draw::stamp(), draw::page(), draw::wall())
}

fn event(drawn: &Drawn) -> Event<'_> {
    let (id, type_, key, data, schema, stamp, page, at) = drawn;
    Event {
        id: id.clone(),
        kind: EventKind::App,
        type_,
        key: key.as_deref(),
        data: data.as_deref(),
        schema: *schema,
        stamp: *stamp,
        page: *page,
        at: *at,
        correlation: key.as_deref(),
        after: None,
        binds: None,
        flags: None,
    }
}

fn event_again(bytes: &[u8]) -> Option<Vec<u8>> {
    from_cbor::<Event<'_>>(bytes, usize::MAX).ok().map(|read| to_cbor(&read))
}

/// The message that the envelope holds, sealed once more.
fn request_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let envelope = Envelope::read(bytes).ok()?;
    let request = Request::open(&envelope).ok()??;
    let Envelope { build, sender, request: id, epoch, .. } = envelope;
    Some(request.seal(build, sender, id, epoch))
}

fn notice_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let envelope = Envelope::read(bytes).ok()?;
    let notice = Notice::open(&envelope).ok()??;
    let Envelope { build, sender, request, epoch, .. } = envelope;
    Some(notice.seal(build, sender, request, epoch))
}

proptest! {
    #![proptest_config(crate::cases(64))]

    #[test]
    fn a_sealed_event_is_read_as_it_was_written(
        drawn in drawn(), turn: u8, more in prop::collection::vec(cbor(), 1..3),
    ) {
        let event = event(&drawn);
        let written = to_cbor(&event);
        prop_assert_eq!(from_cbor(&written, usize::MAX), Ok(event.clone()));
        every_truncation_is_refused(&written, &event_again)?;
        every_changed_byte_is_outlasted(&written, turn, &event_again)?;
        for longer in [with_more(&written, 0, &more), with_open_end(&written)] {
            prop_assert_eq!(from_cbor(&longer, usize::MAX), Ok(event.clone()));
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written(
        request in draw::request(), header in (draw::text(), draw::page(), draw::request_id(), draw::epoch()),
        turn: u8, more in prop::collection::vec(cbor(), 1..3),
    ) {
        let (build, sender, id, epoch) = header;
        let sealed = request.seal(&build, sender, id, epoch);
        let envelope = Envelope::read(&sealed).expect("our own envelope");
        prop_assert_eq!((envelope.build, envelope.sender), (&*build, sender));
        prop_assert_eq!((envelope.request, envelope.epoch), (id, epoch));
        prop_assert_eq!(Request::open(&envelope), Ok(Some(request.clone())));
        prop_assert_eq!(request_again(&with_more(&sealed, 9, &more)), Some(sealed.clone()));
        if !envelope.body.is_empty() {
            let body = with_more(envelope.body, 8, &more);
            let longer = Envelope { body: &body, ..envelope.clone() };
            prop_assert_eq!(Request::open(&longer), Ok(Some(request)));
        }
        every_truncation_is_refused(&sealed, &request_again)?;
        every_changed_byte_is_outlasted(&sealed, turn, &request_again)?;
    }

    #[test]
    fn a_notice_is_read_as_it_was_written(
        notice in draw::notice(), header in (draw::text(), draw::page(), draw::request_id(), draw::epoch()),
        turn: u8, more in prop::collection::vec(cbor(), 1..3),
    ) {
        let (build, sender, id, epoch) = header;
        let sealed = notice.seal(&build, sender, id, epoch);
        let envelope = Envelope::read(&sealed).expect("our own envelope");
        prop_assert_eq!(Notice::open(&envelope), Ok(Some(notice.clone())));
        prop_assert_eq!(notice_again(&with_more(&sealed, 9, &more)), Some(sealed.clone()));
        let is_array = envelope.body.first().is_some_and(|first| first & 0xe0 == 0x80);
        if is_array {
            let body = with_more(envelope.body, 14, &more);
            let longer = Envelope { body: &body, ..envelope.clone() };
            prop_assert_eq!(Notice::open(&longer), Ok(Some(notice)));
        }
        every_truncation_is_refused(&sealed, &notice_again)?;
        every_changed_byte_is_outlasted(&sealed, turn, &notice_again)?;
    }

    /// A kind that is not known is no fault, whatever its body is; the receiver counts it.
    #[test]
    fn an_unknown_kind_is_told_apart_from_a_malformed_one(kind: u8, body in prop::collection::vec(any::<u8>(), 0..20)) {
        let envelope = Envelope {
            protocol_min: 1,
            protocol_max: 1,
            build: "b",
            sender: PageId([1; 16]),
            request: bellwether_shared::base::RequestId(0),
            epoch: bellwether_shared::base::Epoch(1),
            kind,
            flags: kind,
            body: &body,
        };
        let unknown = |name: &str| name == "unknown";
        prop_assert_eq!(unknown(Request::name(kind)), Request::open(&envelope) == Ok(None));
        prop_assert_eq!(unknown(Notice::name(kind)), Notice::open(&envelope) == Ok(None));
    }

    /// Whatever else has changed about a message: as long as its header can be read, one learns that it is too far off.
    #[test]
    fn versions_that_do_not_meet_are_told(
        (min, max) in any::<(u16, u16)>(), kind: u8, more in prop::collection::vec(cbor(), 0..3),
    ) {
        let envelope = Envelope {
            protocol_min: min,
            protocol_max: max,
            build: "b",
            sender: PageId([1; 16]),
            request: bellwether_shared::base::RequestId(3),
            epoch: bellwether_shared::base::Epoch(1),
            kind,
            flags: 0,
            body: &[],
        };
        let meets = min <= PROTOCOL_MAX && max >= PROTOCOL_MAX;
        let sealed = with_more(&to_cbor(&envelope), 9, &more);
        match Envelope::read(&sealed) {
            Ok(read) => prop_assert!(meets && read == envelope),
            Err(fault) => prop_assert!(!meets && fault == BusFault::TooFarApart),
        }
    }
}
