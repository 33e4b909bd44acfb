//! A row of the journal: one event, durable, not yet done with (OUT-1, OUT-2).
//!
//! The page that made the event encodes it once; here are those bytes and where they belong. Its
//! position is the row's key, given by the database when it is appended.

use super::{ROW_VERSION, StreamKey};
use crate::base::codec::map;
use crate::base::{Generation, Wall};
use crate::wire::Lane;

/// One appended event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow<'b> {
    /// Version of the row.
    pub version: u16,
    /// The session it belongs to.
    pub session: &'b str,
    /// The user who made it; empty where the app names none.
    pub user: &'b str,
    /// Its lane.
    pub lane: Lane,
    /// The sealed [`Event`](crate::wire::Event).
    pub sealed: &'b [u8],
    /// When it was appended, by the appender's wall clock.
    pub appended_at: Wall,
    /// The database's generation at that time.
    pub generation: Generation,
}

map!(JournalRow<'b> {
    0: version, 1: session, 2: user, 3: lane, 4: sealed, 5: appended_at, 6: generation,
});

impl<'b> JournalRow<'b> {
    /// A row of this build's version.
    #[must_use]
    pub fn new(stream: &'b StreamKey, sealed: &'b [u8], appended_at: Wall) -> Self {
        Self {
            version: ROW_VERSION,
            session: &stream.session,
            user: &stream.user,
            lane: stream.lane,
            sealed,
            appended_at,
            generation: Generation(0),
        }
    }

    /// The stream it will be sealed into.
    #[must_use]
    pub fn stream(&self) -> StreamKey {
        StreamKey { session: self.session.into(), user: self.user.into(), lane: self.lane }
    }
}
