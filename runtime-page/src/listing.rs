//! What is on disk, read by the page itself: events that wait, and dead letters.

use bellwether_shared::rows::{DeadRow, FlightSource, JournalRow, Key, Reason, read};
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

/// A row that is listed, as it lies on disk.
pub(crate) struct Listed<'r> {
    pub(crate) session: &'r str,
    pub(crate) user: &'r str,
    pub(crate) lane: Lane,
    pub(crate) event: Event<'r>,
}

/// Shows the events that wait, in the order of appending.
pub(crate) fn pending(
    flights: &[(Key, Vec<u8>)],
    found: &[(Key, Vec<u8>)],
    mut show: impl FnMut(u64, Journey, &Listed<'_>),
) {
    let flights: Vec<FlightSource> = flights.iter().filter_map(|(_, row)| read(row).ok()).collect();
    for (key, bytes) in found {
        let (Key::Number(position), Ok(row)) = (key, read::<JournalRow<'_>>(bytes)) else {
            continue;
        };
        let Ok(event) = wire::decode(row.sealed) else { continue };
        let sealed = flights.iter().any(|flight| flight.source.covers(*position));
        let journey = if sealed { Journey::Sending } else { Journey::Durable };
        let listed = Listed { session: row.session, user: row.user, lane: row.lane, event };
        show(*position, journey, &listed);
    }
}

/// Shows the dead letters, in the order of their ids.
pub(crate) fn failed(
    found: &[(Key, Vec<u8>)],
    mut show: impl FnMut(&str, &DeadRow, Option<&Listed<'_>>),
) {
    for (key, bytes) in found {
        let (Key::Text(id), Ok(row)) = (key, read::<DeadRow>(bytes)) else { continue };
        let listed = wire::decode(&row.sealed).ok().map(|event| Listed {
            session: &row.session,
            user: &row.user,
            lane: row.lane,
            event,
        });
        show(id, &row, listed.as_ref());
    }
}

impl Listed<'_> {
    /// The event's body.
    pub(crate) fn data(&self) -> Option<&str> {
        self.event.data.and_then(|data| core::str::from_utf8(data).ok())
    }
}

impl QueuedEvent {
    pub(crate) fn new(position: u64, journey: Journey, listed: &Listed<'_>) -> Self {
        let id = listed.event.id.as_str().into();
        Self { id, position, journey, content: listed.into() }
    }
}

impl DeadLetter {
    pub(crate) fn new(id: &str, row: &DeadRow, listed: Option<&Listed<'_>>) -> Self {
        Self {
            id: id.into(),
            reason: row.reason.clone(),
            tries: row.tries,
            buried_at_ms: row.buried_at.0,
            content: listed.map(Content::from).unwrap_or_default(),
        }
    }
}

impl From<&Listed<'_>> for Content {
    fn from(listed: &Listed<'_>) -> Self {
        let event = &listed.event;
        Self {
            type_: event.type_.into(),
            key: event.key.map(Box::from),
            data: listed.data().map(Box::from),
            correlation: event.correlation.map(Box::from),
            lane: listed.lane,
            at_ms: event.at.0,
            session: listed.session.into(),
            user: listed.user.into(),
        }
    }
}
