//! A stream as this device knows it, and how far each session's log is known.
//!
//! The row says what the server has confirmed. What is sealed beyond that stands in the stream's
//! flight row, and there is at most one.

use minicbor::bytes::ByteArray;

use super::{Key, ROW_VERSION};
use crate::base::codec::{array, map};
use crate::base::{DeviceId, Incarnation, LogEpoch, Seq, decimal};
use crate::rules::chain;
use crate::wire::{Former, Lane, StreamId};

/// A stream of this device, whatever its incarnation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The session.
    pub session: Box<str>,
    /// The user; empty where the app names none.
    pub user: Box<str>,
    /// The lane.
    pub lane: Lane,
}

impl StreamKey {
    /// Its key in the stores `stream` and `flight`: lengths before texts, so that no two collide.
    #[must_use]
    pub fn key(&self) -> Key {
        let Self { session, user, lane } = self;
        let mut text = String::with_capacity(session.len() + user.len() + 16);
        text.push_str(lane.name());
        for name in [session, user] {
            text.push(' ');
            text.push_str(&decimal(name.len() as u64));
            text.push(' ');
            text.push_str(name);
        }
        Key::Text(text.into())
    }

    /// The stream with its device and incarnation, as the wire names it.
    #[must_use]
    pub fn id(&self, device: DeviceId, incarnation: Incarnation) -> StreamId {
        let (session, user) = (self.session.clone(), self.user.clone());
        StreamId { device, session, user, lane: self.lane, incarnation }
    }
}

/// Acknowledged events that the server has lost, to be sent again before anything newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// Key of the first row of `retained` that is still to be sent.
    pub from: u64,
    /// Key of the last.
    pub through: u64,
    /// Events of the first row that are done with.
    pub skip: u64,
}

array!(Replay { 0: from, 1: through, 2: skip });

impl Replay {
    /// What is left once another event of the row `key` is done with.
    #[must_use]
    pub fn past(self, key: u64) -> Self {
        let skip = if self.from == key { self.skip.saturating_add(1) } else { 1 };
        Self { from: key, skip, ..self }
    }
}

/// What the server has confirmed of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    /// Version of the row.
    pub version: u16,
    /// The session.
    pub session: Box<str>,
    /// The user.
    pub user: Box<str>,
    /// The lane.
    pub lane: Lane,
    /// Its present life.
    pub incarnation: Incarnation,
    /// The last place that the server has consumed.
    pub confirmed: Seq,
    /// The chain head there.
    pub head: ByteArray<32>,
    /// The life before this one.
    pub former: Option<Former>,
    /// What has to be sent again first.
    pub replay: Option<Replay>,
    /// Up to this position of the journal its events have been sealed, in whatever life or cut: the server may have them,
    /// so none of them is changed any more. Absent where that is only what its flight holds.
    pub sealed_through: Option<u64>,
}

map!(StreamRow {
    0: version,
    1: session,
    2: user,
    3: lane,
    4: incarnation,
    5: confirmed,
    6: head,
    7: former,
    8: replay,
    9: sealed_through,
});

impl StreamRow {
    /// A stream without events.
    #[must_use]
    pub fn begin(
        key: &StreamKey,
        device: DeviceId,
        incarnation: Incarnation,
        former: Option<Former>,
        replay: Option<Replay>,
    ) -> Self {
        let id = key.id(device, incarnation);
        let head = chain::genesis(&id, former.as_ref().map(|former| &*former.head));
        Self {
            version: ROW_VERSION,
            session: key.session.clone(),
            user: key.user.clone(),
            lane: key.lane,
            incarnation,
            confirmed: Seq(0),
            head: head.into(),
            former,
            replay,
            sealed_through: None,
        }
    }

    /// Which stream it is.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        StreamKey { session: self.session.clone(), user: self.user.clone(), lane: self.lane }
    }
}

/// How far a session's log is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorRow {
    /// Version of the row.
    pub version: u16,
    /// The session.
    pub session: Box<str>,
    /// Which life of the log.
    pub epoch: LogEpoch,
    /// The last offset heard of.
    pub offset: u64,
}

map!(CursorRow { 0: version, 1: session, 2: epoch, 3: offset });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_goes_on_event_by_event_and_row_by_row() {
        let replay = |from, skip| Replay { from, through: 9, skip };
        #[rustfmt::skip]
        let cases = [
            ("the first of a row",                replay(3, 0),        3, replay(3, 1)),
            ("another of the same row",           replay(3, 1),        3, replay(3, 2)),
            ("the first of a later row",          replay(3, 2),        5, replay(5, 1)),
            ("a count that nobody has written",   replay(3, u64::MAX), 3, replay(3, u64::MAX)),
        ];
        for (shows, replay, key, expected) in cases {
            assert_eq!(replay.past(key), expected, "{shows}");
        }
    }

    #[test]
    fn no_two_streams_share_a_key() {
        let key = |session: &str, user: &str, lane| {
            StreamKey { session: session.into(), user: user.into(), lane }.key()
        };
        let keys = [
            key("a", "", Lane::Normal),
            key("", "a", Lane::Normal),
            key("a", "", Lane::Bulk),
            key("a 1 b", "", Lane::Normal),
            key("a", "b", Lane::Normal),
            key("a 1", "b", Lane::Normal),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys[at + 1..].iter().all(|other| other != one), "{one:?}");
        }
        assert_eq!(keys[0], Key::from("normal 1 a 0 "));
    }
}
