//! What is on disk, read by the page itself: events that wait, and dead letters.

use bellwether_shared::rows::{DeadRow, FlightRow, JournalRow, Key, Reason, read};
use bellwether_shared::wire::{self, Event, Lane};

/// How far an event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journey {
    /// It is on disk.
    Durable,
    /// It is in a batch that is sent until the server has spoken.
    Sending,
}

/// An event that the server has not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Its id.
    pub id: Box<str>,
    /// Place in the order of appending on this device.
    pub position: u64,
    /// How far it has come.
    pub journey: Journey,
    /// The rest of it.
    pub content: Content,
}

/// An event that will not be sent again by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event's id; for a row that cannot be read, `journal:` and its position.
    pub id: Box<str>,
    /// Why.
    pub reason: Reason,
    /// Tries it had spent.
    pub tries: u32,
    /// When it was buried, in milliseconds since the Unix epoch.
    pub buried_at_ms: u64,
    /// The rest of it; empty for a row that cannot be read.
    pub content: Content,
}

/// What the app enqueued, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The type.
    pub type_: Box<str>,
    /// The key.
    pub key: Option<Box<str>>,
    /// The body, as JSON text.
    pub data: Option<Box<str>>,
    /// What the app ties together with it.
    pub correlation: Option<Box<str>>,
    /// The lane.
    pub lane: Lane,
    /// When it was made, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The session.
    pub session: Box<str>,
    /// The user.
    pub user: Box<str>,
}

/// Rows of a store, with their keys.
pub(crate) type Rows = Vec<(Key, Vec<u8>)>;

/// The events that wait, in the order of appending.
pub(crate) fn pending(flights: &[(Key, Vec<u8>)], found: &[(Key, Vec<u8>)]) -> Vec<QueuedEvent> {
    let flights: Vec<FlightRow> = flights.iter().filter_map(|(_, row)| read(row).ok()).collect();
    let queued = |(key, bytes): &(Key, Vec<u8>)| {
        let Key::Number(position) = *key else { return None };
        let row: JournalRow<'_> = read(bytes).ok()?;
        let event: Event<'_> = wire::decode(row.sealed).ok()?;
        let sealed = flights.iter().any(|flight| flight.covers(position));
        Some(QueuedEvent {
            id: event.id.as_str().into(),
            position,
            journey: if sealed { Journey::Sending } else { Journey::Durable },
            content: content(&event, row.session, row.user, row.lane),
        })
    };
    found.iter().filter_map(queued).collect()
}

/// The dead letters, the oldest first.
pub(crate) fn failed(found: &[(Key, Vec<u8>)]) -> Vec<DeadLetter> {
    let letter = |(key, bytes): &(Key, Vec<u8>)| {
        let Key::Text(id) = key else { return None };
        let row: DeadRow = read(bytes).ok()?;
        let event = wire::decode::<Event<'_>>(&row.sealed).ok();
        let content = event.map(|event| content(&event, &row.session, &row.user, row.lane));
        Some(DeadLetter {
            id: id.clone(),
            reason: row.reason,
            tries: row.tries,
            buried_at_ms: row.buried_at.0,
            content: content.unwrap_or_default(),
        })
    };
    // By hand: they are few, and the standard sort is large.
    let mut letters: Vec<DeadLetter> = Vec::new();
    for letter in found.iter().filter_map(letter) {
        let at = letters.partition_point(|before| before.buried_at_ms <= letter.buried_at_ms);
        letters.insert(at, letter);
    }
    letters
}

fn content(event: &Event<'_>, session: &str, user: &str, lane: Lane) -> Content {
    let text = |bytes| core::str::from_utf8(bytes).ok().map(Box::from);
    Content {
        type_: event.type_.into(),
        key: event.key.map(Box::from),
        data: event.data.and_then(text),
        correlation: event.correlation.map(Box::from),
        lane,
        at_ms: event.at.0,
        session: session.into(),
        user: user.into(),
    }
}
