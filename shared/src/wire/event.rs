//! An event as it is sealed: encoded once, by the page that made it, and never again.
//!
//! These bytes are stored, hashed, sent and kept by the server as they are. Session, user and lane
//! are the stream's, and stand there.

use crate::base::codec::{index, map};
use crate::base::{EventId, PageId, Stamp, Wall, limits};

/// What an event is to the coordinator and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventKind {
    /// Something the app reports.
    #[default]
    App,
}

index!(EventKind { 0: App });

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'b> {
    /// Its name for ever; the server takes each id once per session.
    pub id: EventId,
    /// What it is.
    pub kind: EventKind,
    /// What happened, as the server's app knows it.
    pub type_: &'b str,
    /// Events of one key take effect in the order of appending.
    pub key: Option<&'b str>,
    /// The body, as JSON text.
    pub data: Option<&'b [u8]>,
    /// The app's version of the body's shape; 0 where it names none.
    pub schema: u32,
    /// The hybrid clock of the page that made it.
    pub stamp: Stamp,
    /// The page that made it.
    pub page: PageId,
    /// When it was made, by that page's wall clock.
    pub at: Wall,
    /// What the app ties together with it.
    pub correlation: Option<&'b str>,
}

map!(Event<'b> {
    0: id, 1: kind, 2: type_, 3: key, 4: data, 5: schema, 6: stamp, 7: page, 8: at,
    9: correlation,
});

/// What the app asked to enqueue breaks a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventUnfit {
    /// The type is empty.
    #[error("the event has no type: give it a `type` of 1 to 200 bytes")]
    TypeMissing,
    /// A field is over its bound.
    #[error("the event's {field} has {found} bytes, at most {bound} are taken")]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// How many bytes it has.
        found: usize,
        /// How many are taken.
        bound: usize,
    },
}

impl Event<'_> {
    /// Checks every bound.
    pub fn check(&self) -> Result<(), EventUnfit> {
        if self.type_.is_empty() {
            return Err(EventUnfit::TypeMissing);
        }
        let bounds = [
            ("type", self.type_.len(), limits::EVENT_TYPE_BYTES_MAX),
            ("key", self.key.map_or(0, str::len), limits::EVENT_KEY_BYTES_MAX),
            ("data", self.data.map_or(0, <[u8]>::len), limits::EVENT_DATA_BYTES_MAX),
            ("correlationId", self.correlation.map_or(0, str::len), limits::CORRELATION_BYTES_MAX),
        ];
        match bounds.into_iter().find(|(_, found, bound)| found > bound) {
            Some((field, found, bound)) => Err(EventUnfit::TooLarge { field, found, bound }),
            None => Ok(()),
        }
    }
}
