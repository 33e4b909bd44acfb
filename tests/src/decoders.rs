//! Every place where bytes of others come in, each behind one function of bytes.
//!
//! What always holds of each, or it panics:
//! - any bytes are a value or a typed fault;
//! - a value, written and read again, is the same value, and is not longer than the bytes it came from;
//! - a machine that is told anything comes to rest.
//!
//! The fuzz targets in `tests/fuzz` and the tests of the corpus call these and nothing else.

mod machine;
mod request;

pub use request::{exported, ticket_key, unsigned_push};

use bellwether_server::audit::{Rules, Unsound, verify};
use bellwether_server::engine::{Binds, Unbound};
use bellwether_shared::base::{Wall, limits};
use bellwether_shared::bus::{Envelope, Notice, Request};
use bellwether_shared::replay::{self, Life};
use bellwether_shared::rows::{
    self, Config, CursorRow, DeadRow, DeviceRow, DoneRow, FlightRow, JournalRow, LeaseRow,
    ROW_VERSION, RetainedRow, RowFault, StreamRow,
};
use bellwether_shared::rules::document::Entry;
use bellwether_shared::rules::patch::Patch;
use bellwether_shared::wire::audit::Record;
use bellwether_shared::wire::farewell::{Farewell, Tickets, TicketsWanted};
use bellwether_shared::wire::{
    Answer, Event, LogPage, Problem, Push, Snapshot, from_cbor, text::from_hex, text::to_hex,
    to_cbor,
};

use crate::scenario::Scenario;

/// A decoder: its name, which is that of its fuzz target, and what it does with bytes.
pub type Decoder = (&'static str, fn(&[u8]));

macro_rules! decoders {
    ($($(#[$doc:meta])* $name:ident = $read:expr;)+) => {
        $($(#[$doc])* pub fn $name(bytes: &[u8]) {
            $read(bytes);
        })+

        /// All of them.
        pub const ALL: &[Decoder] = &[$((stringify!($name), $name)),+];
    };
}

/// Reads a row; what is of a newer version says so, and is not looked into.
macro_rules! row {
    ($type:ty) => {
        |bytes| match rows::read::<$type>(bytes) {
            Ok(row) => {
                assert!((1..=ROW_VERSION).contains(&row.version), "a version that is none of ours");
                let written = to_cbor(&row);
                assert!(written.len() <= bytes.len(), "a row that grows");
                assert_eq!(rows::read::<$type>(&written), Ok(row));
            }
            Err(RowFault::Newer { found }) => assert!(found > ROW_VERSION, "not newer: {found}"),
            Err(RowFault::Unreadable) => {}
        }
    };
}

/// Reads a message in CBOR.
macro_rules! message {
    ($type:ty) => {
        |bytes| {
            if let Ok(message) = from_cbor::<$type>(bytes, BOUND) {
                let written = to_cbor(&message);
                assert!(written.len() <= bytes.len(), "a message that grows");
                assert_eq!(from_cbor::<$type>(&written, BOUND), Ok(message));
            }
        }
    };
}

/// Reads a message in JSON, and takes it through CBOR and back.
macro_rules! json {
    ($type:ty) => {
        |bytes| {
            if let Ok(message) = serde_json::from_slice::<$type>(bytes) {
                let by_cbor = from_cbor::<$type>(&to_cbor(&message), usize::MAX);
                assert_eq!(by_cbor.as_ref(), Ok(&message));
                let written = serde_json::to_vec(&message).expect("a message can be written");
                let again = serde_json::from_slice::<$type>(&written);
                assert_eq!(again.expect("what was written can be read"), message);
            }
        }
    };
}

/// Reads a message of the bus, header and body.
macro_rules! bus {
    ($type:ident) => {
        |bytes| {
            let Ok(envelope) = Envelope::read(bytes) else { return };
            let Envelope { build, sender, request, epoch, .. } = envelope;
            if let Ok(Some(message)) = $type::open(&envelope) {
                let sealed = message.seal(build, sender, request, epoch);
                let envelope = Envelope::read(&sealed).expect("what was sealed is an envelope");
                assert_eq!($type::open(&envelope), Ok(Some(message)));
            }
        }
    };
}

decoders! {
    /// A row of `journal`.
    row_journal = row!(JournalRow<'_>);
    /// A row of `flight`.
    row_flight = row!(FlightRow);
    /// A row of `done`.
    row_done = row!(DoneRow);
    /// A row of `retained`.
    row_retained = row!(RetainedRow);
    /// A row of `dead`.
    row_dead = row!(DeadRow);
    /// A row of `stream`.
    row_stream = row!(StreamRow);
    /// A row of `cursor`.
    row_cursor = row!(CursorRow);
    /// A row of `lease`.
    row_lease = row!(LeaseRow);
    /// The row `device` of `meta`.
    row_device = row!(DeviceRow);
    /// The row `config` of `meta`.
    row_config = row!(Config);
    /// The header of a message of the bus.
    bus_envelope = message!(Envelope<'_>);
    /// What a page says.
    bus_request = bus!(Request);
    /// What the coordinator says.
    bus_notice = bus!(Notice);
    /// A push.
    wire_push = message!(Push);
    /// An answer.
    wire_answer = message!(Answer);
    /// A problem.
    wire_problem = message!(Problem);
    /// A page of the log.
    wire_log_page = message!(LogPage);
    /// A change of a session's document.
    wire_patch = message!(Patch<'_>);
    /// A key of one.
    wire_entry = message!(Entry);
    /// A document, or a part of it.
    wire_snapshot = message!(Snapshot);
    /// A sealed event.
    wire_event = event;
    /// What asks for tickets.
    wire_tickets_wanted = message!(TicketsWanted);
    /// Tickets.
    wire_tickets = message!(Tickets);
    /// A farewell.
    wire_farewell = message!(Farewell);
    /// One record of an audit.
    wire_audit_record = message!(Record);
    /// A ticket, as the server opens it.
    wire_ticket = ticket;
    /// A push in JSON.
    json_push = json!(Push);
    /// An answer in JSON.
    json_answer = json!(Answer);
    /// A problem in JSON.
    json_problem = json!(Problem);
    /// What asks for tickets, in JSON.
    json_tickets_wanted = json!(TicketsWanted);
    /// Tickets in JSON.
    json_tickets = json!(Tickets);
    /// A farewell in JSON.
    json_farewell = json!(Farewell);
    /// Bindings, data and a result.
    json_binds = binds;
    /// Hexadecimal text.
    text_hex = hex;
    /// A recording.
    file_tape = tape;
    /// A scenario.
    file_scenario = scenario;
    /// An audit.
    file_audit = audit;
    /// The body of a request, through checks, engine and store.
    request_push = request::push;
    /// Sealed events, properly chained, through engine and store.
    request_events = request::events;
    /// The body of a farewell whose ticket is good, through engine and store.
    request_farewell = request::farewell;
    /// Rows, messages and answers, told to a coordinator.
    machine_coordinator = machine::coordinator;
    /// Messages, told to a page.
    machine_page = machine::page;
}

/// The decoder of that name.
#[must_use]
pub fn named(name: &str) -> Option<fn(&[u8])> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, decoder)| *decoder)
}

fn event(bytes: &[u8]) {
    if let Ok(event) = from_cbor::<Event<'_>>(bytes, BOUND) {
        let _ = event.check();
        let written = to_cbor(&event);
        assert!(written.len() <= bytes.len(), "an event that grows");
        assert_eq!(from_cbor(&written, BOUND), Ok(event));
    }
}

fn hex(bytes: &[u8]) {
    assert_eq!(from_hex(&to_hex(bytes)).as_deref(), Some(bytes));
    if let Some(read) = core::str::from_utf8(bytes).ok().and_then(from_hex) {
        assert_eq!(read.len() * 2, bytes.len());
    }
}

// Without the key no bytes are a ticket but those that were made with it.
fn ticket(bytes: &[u8]) {
    if let Ok(ticket) = ticket_key().open(bytes, Wall(0)) {
        assert_eq!(ticket_key().seal(&ticket), bytes);
    }
}

/// The three pieces stand between bytes `ff`, which no text has.
fn binds(bytes: &[u8]) {
    let mut pieces = bytes.split(|byte| *byte == 0xff);
    let Ok(binds) = Binds::read(pieces.next().unwrap_or_default()) else { return };
    match binds.apply(pieces.next(), pieces.next()) {
        Ok(bound) => {
            assert!(bound.len() <= limits::EVENT_DATA_BYTES_MAX);
            let again = serde_json::from_slice::<serde::de::IgnoredAny>(&bound);
            assert!(again.is_ok(), "what was bound is JSON");
        }
        Err(Unbound::TooLarge { found }) => assert!(found > limits::EVENT_DATA_BYTES_MAX),
        Err(Unbound::Missing(_) | Unbound::Unsettable(_)) => {}
    }
}

fn audit(bytes: &[u8]) {
    let rules = Rules { unsigned: true, anchors: Vec::new() };
    match verify(bytes, &rules) {
        Ok(_) => {
            assert!(verify(&bytes[..bytes.len() - 1], &rules).is_err(), "a cut is found");
        }
        Err(Unsound::Found(_)) => {}
        Err(Unsound::Unread(fault)) => panic!("memory can be read: {fault}"),
    }
}

fn tape(bytes: &[u8]) {
    if let Ok(lives) = replay::read(bytes) {
        let facts: usize = lives.iter().map(Life::len).sum();
        assert!(facts <= bytes.len() && lives.iter().all(|life| life.missing() < u64::MAX));
    }
}

fn scenario(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(scenario) = Scenario::read(text) {
        assert_eq!(Scenario::read(&scenario.write()).as_ref(), Ok(&scenario));
    }
}

/// More than any message may have.
const BOUND: usize = 4 * 1024 * 1024;
