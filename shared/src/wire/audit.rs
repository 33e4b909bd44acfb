//! The audit trail of a session: its log with the proofs of devices, as a sequence of records (OUT-12).
//!
//! A file is a CBOR sequence (RFC 8742). It begins with [`Begin`] and ends with [`End`]; in between
//! stand streams, events, places and batches, each after what it refers to, so that writer and reader
//! need memory for streams and not for events.
//!
//! Not here: what makes a file sound, which is the verifier's.

use minicbor::bytes::{ByteArray, ByteVec};

use super::{DeviceKey, Lane, StreamId};
use crate::base::codec::{
    Decode, Encode, Fields, Reader, array, begin_array, read_one, write_uint,
};
use crate::base::{DeviceId, EventId, Incarnation, LogEpoch, Seq, Wall};

/// The version of the format. A new field or kind of record takes another.
pub const FORMAT: u16 = 1;

/// One item of the sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// What is exported. Comes first, and once.
    Begin(Begin),
    /// A stream, before anything of it.
    Stream(Stream),
    /// An event of the log, in the log's order.
    Event(LoggedEvent),
    /// A place of a stream that has no event of its own in the log.
    Place(SparePlace),
    /// What a device has signed, after the last place that it was consumed for.
    Batch(SignedBatch),
    /// Comes last, and once.
    End(End),
}

/// What is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// [`FORMAT`].
    pub format: u16,
    /// Whose session; empty where the server knows no tenants.
    pub tenant: Box<str>,
    /// Which.
    pub session: Box<str>,
    /// Which life of the log.
    pub log_epoch: LogEpoch,
    /// The last offset when the export began, which is the last in the file.
    pub head: u64,
    /// The server's wall clock then.
    pub at: Wall,
}

array!(Begin { 0: format, 1: tenant, 2: session, 3: log_epoch, 4: head, 5: at });

/// A stream of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its name in the file: 1, 2, 3 …
    pub number: u64,
    /// Its device.
    pub device: DeviceId,
    /// Its user.
    pub user: Box<str>,
    /// Its lane.
    pub lane: Lane,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The key that it was bound to.
    pub key: DeviceKey,
    /// The incarnation that it follows.
    pub former: Option<Followed>,
    /// Its chain head before the first place.
    pub genesis: ByteArray<32>,
}

array!(Stream {
    0: number,
    1: device,
    2: user,
    3: lane,
    4: incarnation,
    5: key,
    6: former,
    7: genesis,
});

impl Stream {
    /// The stream's name everywhere else.
    #[must_use]
    pub fn id(&self, session: &str) -> StreamId {
        StreamId {
            device: self.device,
            session: session.into(),
            user: self.user.clone(),
            lane: self.lane,
            incarnation: self.incarnation,
        }
    }
}

/// The incarnation before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Which.
    pub incarnation: Incarnation,
    /// Its chain head, as the device named it; absent if the server did not keep it.
    pub head: Option<ByteArray<32>>,
}

array!(Followed { 0: incarnation, 1: head });

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its place in the log.
    pub offset: u64,
    /// The stream that it came by.
    pub stream: u64,
    /// Its place there; 0 if it came outside of the stream's order.
    pub seq: Seq,
    /// The chain head after it; absent at place 0.
    pub head: Option<ByteArray<32>>,
    /// When the server took it.
    pub taken_at: Wall,
    /// The sealed event; absent if it was erased.
    pub sealed: Option<ByteVec>,
    /// Its hash, if it was erased.
    pub hash: Option<ByteArray<32>>,
    /// What its effect gave back, as JSON text.
    pub result: Option<ByteVec>,
}

array!(LoggedEvent {
    0: offset,
    1: stream,
    2: seq,
    3: head,
    4: taken_at,
    5: sealed,
    6: hash,
    7: result,
});

/// A place whose event was refused, or is in the log by another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparePlace {
    /// Its stream.
    pub stream: u64,
    /// Which.
    pub seq: Seq,
    /// The chain head after it.
    pub head: ByteArray<32>,
    /// The hash of its event; absent if the server did not keep it.
    pub hash: Option<ByteArray<32>>,
    /// The id of its event, if it could be read.
    pub id: Option<EventId>,
    /// Where the event of that id is in the log; absent if it was refused.
    pub offset: Option<u64>,
    /// Why it was refused: a stable code.
    pub code: Option<Box<str>>,
    /// Why it was refused, for the developer.
    pub message: Option<Box<str>>,
}

array!(SparePlace { 0: stream, 1: seq, 2: head, 3: hash, 4: id, 5: offset, 6: code, 7: message });

/// A batch as its device signed it, and which places were consumed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBatch {
    /// Its stream.
    pub stream: u64,
    /// The first place that it brought; those of the batch before were known.
    pub from: Seq,
    /// The first place of the statement.
    pub first: Seq,
    /// How many places the statement has.
    pub count: u64,
    /// The statement's head before the first.
    pub previous: ByteArray<32>,
    /// The statement's head after the last.
    pub head: ByteArray<32>,
    /// The signature over the statement; empty if the device cannot sign.
    pub signature: ByteVec,
    /// The hashes, one after the other, of the batch's last events, which were not consumed for it.
    pub tail: ByteVec,
}

array!(SignedBatch {
    0: stream,
    1: from,
    2: first,
    3: count,
    4: previous,
    5: head,
    6: signature,
    7: tail,
});

/// The end of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How many events there are.
    pub events: u64,
    /// The log's anchor at its last offset.
    pub anchor: ByteArray<32>,
    /// SHA-256 of all bytes of the file before this record.
    pub digest: ByteArray<32>,
}

array!(End { 0: events, 1: anchor, 2: digest });

impl Encode for Record {
    fn write(&self, to: &mut Vec<u8>) {
        let (kind, body): (u64, &dyn Encode) = match self {
            Self::Begin(body) => (0, body),
            Self::Stream(body) => (1, body),
            Self::Event(body) => (2, body),
            Self::Place(body) => (3, body),
            Self::Batch(body) => (4, body),
            Self::End(body) => (5, body),
        };
        begin_array(to, 2);
        write_uint(to, kind);
        body.write(to);
    }
}

impl<'b> Decode<'b> for Record {
    fn blank() -> Self {
        Self::Begin(Begin::blank())
    }

    fn read(&mut self, from: &mut Reader<'b>) {
        let mut fields = from.open_array();
        let mut kind = 0;
        loop {
            match fields.next(from) {
                0 => kind = from.uint(u64::MAX),
                1 => match kind {
                    0 => *self = Self::Begin(read_one(from)),
                    1 => *self = Self::Stream(read_one(from)),
                    2 => *self = Self::Event(read_one(from)),
                    3 => *self = Self::Place(read_one(from)),
                    4 => *self = Self::Batch(read_one(from)),
                    5 => *self = Self::End(read_one(from)),
                    _ => from.refuse_kind(),
                },
                Fields::END => break,
                _ => from.skip(),
            }
        }
        fields.check(from, 0b11);
    }
}
