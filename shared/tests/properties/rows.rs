//! Rows of every store: what is written is read, what is newer says so, and what is neither is unreadable.

use bellwether_shared::base::Generation;
use bellwether_shared::base::limits;
use bellwether_shared::rows::{
    Config, CursorRow, DeadRow, DeviceRow, DoneRow, FlightRow, JournalRow, LeaseRow, Options,
    RetainedRow, RowFault, StreamKey, StreamRow, read,
};
use bellwether_shared::wire::to_cbor;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::bytes::{
    Again, cbor, every_changed_byte_is_outlasted, every_truncation_is_refused, with_more,
    with_open_end,
};
use crate::draw;

/// What holds of the bytes of any row of version 1.
fn holds(
    written: &[u8],
    turn: u8,
    more: &[Vec<u8>],
    version: u16,
    again: Again<'_>,
    fault: &dyn Fn(&[u8]) -> Option<RowFault>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(again(written), Some(written.to_vec()));
    every_truncation_is_refused(written, again)?;
    every_changed_byte_is_outlasted(written, turn, again)?;
    for longer in [with_more(written, 0, more), with_open_end(written)] {
        prop_assert_eq!(again(&longer), Some(written.to_vec()), "unknown fields are skipped");
    }
    // The version comes first: `{0: 1, …}`.
    prop_assert_eq!(&written[1..3], [0, 1]);
    let other = [&[written[0], 0, 0x19], &version.to_be_bytes()[..], &written[3..]].concat();
    match version {
        0 => prop_assert_eq!(fault(&other), Some(RowFault::Unreadable)),
        1 => prop_assert_eq!(again(&other), Some(written.to_vec())),
        found => {
            prop_assert_eq!(fault(&other), Some(RowFault::Newer { found }));
            // However different a newer row is: as long as it begins like one, it is not taken for broken.
            let strange = [&other[..5], &[0x00; 3], &more.concat()[..]].concat();
            prop_assert_eq!(fault(&strange), Some(RowFault::Newer { found }));
        }
    }
    Ok(())
}

fn versions() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(1), Just(2), any::<u16>()]
}

macro_rules! rows {
    ($($name:ident: $type:ty, $drawn:expr;)+) => { $(
        proptest! {
            #![proptest_config(crate::cases(48))]

            #[test]
            fn $name(
                row in $drawn, turn: u8, more in prop::collection::vec(cbor(), 1..3), version in versions(),
            ) {
                let written = to_cbor(&row);
                prop_assert_eq!(read::<$type>(&written), Ok(row));
                let again = |bytes: &[u8]| read::<$type>(bytes).ok().map(|row| to_cbor(&row));
                let fault = |bytes: &[u8]| read::<$type>(bytes).err();
                holds(&written, turn, &more, version, &again, &fault)?;
            }
        }
    )+ };
}

rows! {
    a_flight_row_is_read_as_it_was_written: FlightRow, draw::flight_row();
    a_done_row_is_read_as_it_was_written: DoneRow, draw::done_row();
    a_retained_row_is_read_as_it_was_written: RetainedRow, draw::retained_row();
    a_dead_row_is_read_as_it_was_written: DeadRow, draw::dead_row();
    a_stream_row_is_read_as_it_was_written: StreamRow, draw::stream_row();
    a_cursor_row_is_read_as_it_was_written: CursorRow, draw::cursor_row();
    a_lease_row_is_read_as_it_was_written: LeaseRow, draw::lease_row();
    a_device_row_is_read_as_it_was_written: DeviceRow, draw::device_row();
    a_configuration_is_read_as_it_was_written: Config, draw::config();
}

proptest! {
    #![proptest_config(crate::cases(48))]

    #[test]
    fn a_journal_row_is_read_as_it_was_written(
        stream in draw::stream_key(), sealed in draw::bytes(), at in draw::wall(), generation in draw::generation(),
        turn: u8, more in prop::collection::vec(cbor(), 1..3), version in versions(),
    ) {
        let row = JournalRow { generation, ..JournalRow::new(&stream, &sealed, at) };
        let written = to_cbor(&row);
        prop_assert_eq!(read::<JournalRow<'_>>(&written), Ok(row.clone()));
        prop_assert_eq!(row.stream(), stream);
        let again = |bytes: &[u8]| read::<JournalRow<'_>>(bytes).ok().map(|row| to_cbor(&row));
        let fault = |bytes: &[u8]| read::<JournalRow<'_>>(bytes).err();
        holds(&written, turn, &more, version, &again, &fault)?;
    }

    /// There is one version so far, and nothing to migrate: what the first build wrote is read as it would be written today.
    #[test]
    fn a_row_by_hand_is_the_row_that_is_read(session in "[a-z]{0,20}", generation in 0..24_u8) {
        let by_hand = [
            &[0xa7, 0x00, 0x01, 0x01, 0x60 | session.len() as u8][..],
            session.as_bytes(),
            &[0x02, 0x60, 0x03, 0x02, 0x04, 0x43, 7, 8, 9, 0x05, 0x19, 0x03, 0xe8, 0x06, generation],
        ].concat();
        let stream = StreamKey { session: (*session).into(), user: "".into(), lane: bellwether_shared::wire::Lane::Bulk };
        let at = bellwether_shared::base::Wall(1_000);
        let row = JournalRow { generation: Generation(generation.into()), ..JournalRow::new(&stream, &[7, 8, 9], at) };
        prop_assert_eq!(read(&by_hand), Ok(row.clone()));
        prop_assert_eq!(to_cbor(&row), by_hand);
    }

    #[test]
    fn any_bytes_are_a_row_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = read::<FlightRow>(&bytes);
        let _ = read::<JournalRow<'_>>(&bytes);
        let _ = read::<Config>(&bytes);
    }

    #[test]
    fn no_two_streams_share_a_key(one in draw::stream_key(), other in draw::stream_key()) {
        prop_assert_eq!(one == other, one.key() == other.key());
    }

    /// Rows and messages may say anything; what is done is within the bounds, and doing it twice changes nothing.
    #[test]
    fn options_are_brought_within_their_bounds(options in draw::options()) {
        let bounded = options.clone().bounded();
        let Options { tries_max, base_delay_ms, max_delay_ms, batch_events, dead_max, overflow, deliver } = bounded;
        prop_assert!(tries_max >= 1 && dead_max >= 1);
        prop_assert!((1..=limits::BATCH_EVENTS_MAX as u32).contains(&batch_events));
        prop_assert!(1 <= base_delay_ms && base_delay_ms <= max_delay_ms);
        prop_assert!(max_delay_ms <= limits::RETRY_AFTER_MS_MAX);
        prop_assert_eq!((overflow, deliver), (options.overflow, options.deliver));
        prop_assert_eq!(bounded.clone().bounded(), bounded);
        prop_assert_eq!(Options::default().bounded(), Options::default());
    }
}
