//! An event as it is sealed: encoded once, by the page that made it, and never again.
//!
//! These bytes are stored, hashed, sent and kept by the server as they are. Session, user and lane
//! are the stream's, and stand there.

use crate::base::codec::{index, map, transparent};
use crate::base::{EventId, PageId, Stamp, Wall, limits};

/// What an event is to the coordinator and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventKind {
    /// Something the app reports.
    #[default]
    App,
    /// A plain request to a back end that does not speak the protocol (OUT-14).
    Request,
    /// A change of the session's document (STATE-5).
    Patch,
}

index!(EventKind { 0: App, 1: Request, 2: Patch });

/// The type of events of kind [`Patch`](EventKind::Patch).
pub const PATCH_TYPE: &str = "bellwether.patch";

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
    /// The body, as JSON text; of a patch, a [`Patch`](crate::rules::patch::Patch).
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
    /// Its prerequisite: an event that was appended on this device before (OUT-16).
    pub after: Option<EventId>,
    /// What it takes from the prerequisite's result: JSON text of an object, from a JSON pointer (RFC 6901) into its
    /// own data to one into the result.
    pub binds: Option<&'b [u8]>,
    /// See [`EventFlags`]; absent where none is set.
    pub flags: Option<EventFlags>,
}

map!(Event<'b> {
    0: id, 1: kind, 2: type_, 3: key, 4: data, 5: schema, 6: stamp, 7: page, 8: at,
    9: correlation, 10: after, 11: binds, 12: flags,
});

/// What the coordinator reads of an [`Event`]; the rest it passes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHead<'b> {
    /// Its name.
    pub id: EventId,
    /// The number of its [`EventKind`]; those of builds to come are passed on like any.
    pub kind: Option<u32>,
    /// What happened.
    pub type_: &'b str,
    /// Its ordering key.
    pub key: Option<&'b str>,
    /// The body: where it is none, a recording cannot leave it out, and the event cannot be told from other bytes.
    pub data: Option<&'b [u8]>,
    /// The hybrid clock of the page that made it.
    pub stamp: Stamp,
    /// Its prerequisite.
    pub after: Option<EventId>,
    /// See [`EventFlags`].
    pub flags: Option<EventFlags>,
}

impl EventHead<'_> {
    /// Whether it is a change of the session's document.
    #[must_use]
    pub fn is_patch(&self) -> bool {
        self.kind == Some(EventKind::Patch as u32)
    }
}

map!(EventHead<'b> { 0: id, 1: kind, 2: type_, 3: key, 4: data, 6: stamp, 10: after, 12: flags });

/// Choices of the app about one event, as bits. Those that are not known are kept, and change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventFlags(pub u32);

transparent!(EventFlags);

impl EventFlags {
    /// It is sent even if its prerequisite failed; without this it is buried (OUT-16).
    pub const RELEASE: Self = Self(1);
    /// A later event of the same type and key takes its place, until it is sealed (OUT-11).
    pub const COLLAPSE: Self = Self(2);

    /// A patch that is refused for a conflict waits on its device for somebody who makes one of two (STATE-4).
    pub const RESOLVE: Self = Self(4);

    /// Whether all of `flags` are set.
    #[must_use]
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

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
            ("binds", self.binds.map_or(0, <[u8]>::len), limits::BINDS_BYTES_MAX),
        ];
        match bounds.into_iter().find(|(_, found, bound)| found > bound) {
            Some((field, found, bound)) => Err(EventUnfit::TooLarge { field, found, bound }),
            None => Ok(()),
        }
    }
}
