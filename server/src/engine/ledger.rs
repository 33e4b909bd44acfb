//! What the engine asks of a store, inside one transaction.
//!
//! What always holds: a [`Ledger`] shows its own writes at once; whoever lends it makes all of them
//! lasting together, or none.

use bellwether_shared::base::{EventId, LogEpoch, Seq, Wall};
use bellwether_shared::rules::chain::Hash;
use bellwether_shared::wire::audit::Followed;
use bellwether_shared::wire::{DeviceKey, LogEvent, Push, StreamId};

use super::Moment;
use super::check::Link;
use crate::effect::{AcceptedEvent, Effect, EffectOutcome};
use crate::fault::Fault;
use crate::ticket::Ticket;

/// The store did not do what it was asked; the transaction must be undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreFault(Box<str>);

impl StoreFault {
    /// A fault in the store's own words.
    #[must_use]
    pub fn new(words: impl Into<Box<str>>) -> Self {
        Self(words.into())
    }
}

// The words stay in the log of the server: they may name files.
impl From<StoreFault> for Fault {
    fn from(fault: StoreFault) -> Self {
        tracing::error!(%fault, "the store failed");
        Self::unavailable("the store cannot work just now; nothing was taken")
    }
}

/// A session's row. The default stands for a session that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionRow {
    /// The store's name for it.
    pub key: i64,
    /// Which life of the log this is.
    pub epoch: LogEpoch,
    /// The last offset.
    pub head: u64,
    /// Events up to this offset have no bodies any more.
    pub floor: u64,
}

/// A stream's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    /// The store's name for it.
    pub key: i64,
    /// Whose session it belongs to.
    pub tenant: Box<str>,
    /// The key it is bound to.
    pub device_key: DeviceKey,
    /// Its chain head before the first event.
    pub genesis: Hash,
    /// The last place consumed.
    pub through: Seq,
    /// The chain head there.
    pub head: Hash,
    /// The highest host epoch seen.
    pub host_epoch: u64,
}

impl StreamRow {
    /// Whether the sender is the one this stream is bound to, and no predecessor of one seen before.
    ///
    /// # Errors
    /// [`Fault::Forbidden`] and [`Fault::HostSuperseded`].
    pub fn admits(&self, tenant: &str, push: &Push) -> Result<(), Fault> {
        self.admits_tenant(tenant)?;
        if self.device_key != push.key {
            return Err(Fault::Forbidden("the stream is bound to another device key".into()));
        }
        if push.host_epoch < self.host_epoch {
            return Err(Fault::HostSuperseded { found: push.host_epoch, seen: self.host_epoch });
        }
        Ok(())
    }

    /// Whether the stream belongs to this tenant.
    ///
    /// # Errors
    /// [`Fault::Forbidden`].
    pub fn admits_tenant(&self, tenant: &str) -> Result<(), Fault> {
        if *self.tenant == *tenant {
            Ok(())
        } else {
            Err(Fault::Forbidden("the stream is bound to another tenant".into()))
        }
    }
}

/// What the first push says of a stream.
#[derive(Debug, Clone, Copy)]
pub struct NewStream<'a> {
    /// Whose session it belongs to.
    pub tenant: &'a str,
    /// The first push.
    pub push: &'a Push,
    /// The chain head before the first event.
    pub genesis: Hash,
}

/// A consumed place of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub seq: Seq,
    /// The chain head after it.
    pub head: Hash,
    /// The hash of its event, where the log does not have the event by this place.
    pub hash: Option<Hash>,
    /// The id of its event, if it could be read.
    pub id: Option<EventId>,
    /// What was decided.
    pub filled: Filled,
}

impl Place {
    /// A place whose event the log does not have by it.
    pub(super) fn spare(seq: Seq, link: Link<'_>, id: Option<EventId>, filled: Filled) -> Self {
        Self { seq, head: link.head, hash: Some(link.hash), id, filled }
    }

    /// The id of an event that was refused here.
    pub(super) fn into_refused(self) -> Option<EventId> {
        match self.filled {
            Filled::Refused { .. } => self.id,
            Filled::Taken(_) => None,
        }
    }
}

/// What a device has signed of a batch, kept for the audit (OUT-12). Both heads follow from the places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The first place that was consumed for this batch.
    pub from: Seq,
    /// The batch's first place.
    pub first: Seq,
    /// How many events it has.
    pub count: u64,
    /// The signature; empty if the device cannot sign.
    pub signature: Box<[u8]>,
    /// The hashes of its last events, which were not consumed for it.
    pub tail: Vec<Hash>,
}

impl Proof {
    /// The last place that was consumed for this batch.
    #[must_use]
    pub fn through(&self) -> Seq {
        Seq((self.first.0 + self.count).saturating_sub(self.tail.len() as u64 + 1))
    }
}

/// What was decided about a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// Its event is in the log, by this place or by another one under the same id.
    Taken(Taken),
    /// Its event will never be taken from this place.
    Refused {
        /// A stable name.
        code: Box<str>,
        /// For the developer.
        message: Box<str>,
    },
}

/// An event of the log, as its sender is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its offset.
    pub offset: u64,
    /// What its effect gave back, as JSON text.
    pub result: Option<Box<[u8]>>,
}

/// An event to be appended.
#[derive(Debug, Clone, Copy)]
pub struct Appended<'a> {
    /// The stream it came by.
    pub stream: &'a StreamRow,
    /// Its place there.
    pub seq: Seq,
    /// Its name in the session.
    pub id: &'a EventId,
    /// Its offset and result.
    pub taken: &'a Taken,
    /// The event as it travelled.
    pub sealed: &'a [u8],
    /// Whether it is a patch.
    pub is_patch: bool,
    /// The server's wall clock.
    pub taken_at: Wall,
}

/// Which events of a log are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// All of them.
    #[default]
    All,
    /// Those that change the document.
    Patches,
}

/// What is only read.
pub trait Reader {
    /// The session of that name.
    ///
    /// # Errors
    /// The store failed.
    fn session(&self, tenant: &str, name: &str) -> Result<Option<SessionRow>, StoreFault>;

    /// The stream of that name, whichever tenant it is bound to.
    ///
    /// # Errors
    /// The store failed.
    fn stream(&self, stream: &StreamId) -> Result<Option<StreamRow>, StoreFault>;

    /// The places from `first` to `last`, in order.
    ///
    /// # Errors
    /// The store failed.
    fn places(&self, stream: &StreamRow, first: Seq, last: Seq) -> Result<Vec<Place>, StoreFault>;

    /// The event of that id, if the session's log has it.
    ///
    /// # Errors
    /// The store failed.
    fn taken(&self, session: &SessionRow, id: &EventId) -> Result<Option<Taken>, StoreFault>;

    /// Hands out the events after `after`, in order, at most `limit`, until `each` says no. What is looked at to find few among
    /// many does not grow with the many.
    ///
    /// # Errors
    /// The store failed.
    fn log(
        &self,
        session: &SessionRow,
        which: Which,
        after: u64,
        limit: u32,
        each: &mut dyn FnMut(LogEvent) -> bool,
    ) -> Result<(), StoreFault>;

    /// The encoded entry of a key of the session's document.
    ///
    /// # Errors
    /// The store failed.
    fn entry(&self, session: &SessionRow, key: &str) -> Result<Option<Vec<u8>>, StoreFault>;

    /// Hands out the keys after `after`, in the order of their bytes, with their encoded entries, until `each` says no.
    ///
    /// # Errors
    /// The store failed.
    fn entries(
        &self,
        session: &SessionRow,
        after: &str,
        each: &mut dyn FnMut(&str, Vec<u8>) -> bool,
    ) -> Result<(), StoreFault>;

    /// How many keys the session's document has.
    ///
    /// # Errors
    /// The store failed.
    fn entry_count(&self, session: &SessionRow) -> Result<u64, StoreFault>;
}

/// A stream of a session, for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedStream {
    /// Its name.
    pub id: StreamId,
    /// Its row.
    pub row: StreamRow,
    /// The incarnation that it follows.
    pub former: Option<Followed>,
}

/// What is left of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivedBody {
    /// All: the event as it travelled.
    Sealed(Vec<u8>),
    /// Its hash.
    Erased(Hash),
}

/// An event of the log, for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedEvent {
    /// Its offset.
    pub offset: u64,
    /// The store's name for its stream.
    pub stream: i64,
    /// Its place there.
    pub seq: Seq,
    /// The chain head there.
    pub head: Option<Hash>,
    /// When it was taken.
    pub taken_at: Wall,
    /// What is left of it.
    pub body: ArchivedBody,
    /// What its effect gave back.
    pub result: Option<Box<[u8]>>,
}

/// What is read for the audit.
pub trait Archive: Reader {
    /// All streams of a session, in the order in which they were opened.
    ///
    /// # Errors
    /// The store failed.
    fn streams(&self, session: &SessionRow) -> Result<Vec<ArchivedStream>, StoreFault>;

    /// Hands out the events after `after`, in order, until `each` says no.
    ///
    /// # Errors
    /// The store failed.
    fn events(
        &self,
        session: &SessionRow,
        after: u64,
        each: &mut dyn FnMut(ArchivedEvent) -> bool,
    ) -> Result<(), StoreFault>;

    /// The proof that begins at place `from` or is the next after it.
    ///
    /// # Errors
    /// The store failed.
    fn proof(&self, stream: &StreamRow, from: Seq) -> Result<Option<Proof>, StoreFault>;
}

/// What is written, too.
pub trait Ledger: Reader {
    /// Begins a session's log, with no events.
    ///
    /// # Errors
    /// The store failed.
    fn open_session(
        &mut self,
        tenant: &str,
        name: &str,
        moment: Moment,
    ) -> Result<SessionRow, StoreFault>;

    /// Begins a stream, with no places, and binds it.
    ///
    /// # Errors
    /// The store failed.
    fn open_stream(
        &mut self,
        session: &SessionRow,
        stream: NewStream<'_>,
        now: Wall,
    ) -> Result<StreamRow, StoreFault>;

    /// Carries out an effect. Its writes are in the transaction if it is `Done`, and nowhere otherwise.
    ///
    /// # Errors
    /// The store failed.
    fn run(
        &mut self,
        session: &SessionRow,
        effect: &dyn Effect,
        event: &AcceptedEvent<'_>,
    ) -> Result<EffectOutcome, StoreFault>;

    /// Appends an event to the log.
    ///
    /// # Errors
    /// The store failed.
    fn append(&mut self, session: &SessionRow, event: Appended<'_>) -> Result<(), StoreFault>;

    /// Writes a key of the session's document.
    ///
    /// # Errors
    /// The store failed.
    fn put_entry(
        &mut self,
        session: &SessionRow,
        key: &str,
        entry: &[u8],
    ) -> Result<(), StoreFault>;

    /// Consumes a place.
    ///
    /// # Errors
    /// The store failed.
    fn fill(&mut self, stream: &StreamRow, place: &Place) -> Result<(), StoreFault>;

    /// Keeps what was signed of the places just consumed. A ledger that is never audited need not.
    ///
    /// # Errors
    /// The store failed.
    fn prove(&mut self, _: &StreamRow, _: &Proof) -> Result<(), StoreFault> {
        Ok(())
    }

    /// Writes the session's head, and the stream's place, head and host epoch.
    ///
    /// # Errors
    /// The store failed.
    fn save(&mut self, session: &SessionRow, stream: &StreamRow) -> Result<(), StoreFault>;
}

/// What is kept of tickets (OUT-8).
pub trait Clerk {
    /// Whether the ticket with this nonce is used up.
    ///
    /// # Errors
    /// The store failed.
    fn is_used(&self, nonce: &[u8; 16]) -> Result<bool, StoreFault>;

    /// Uses a ticket up, and forgets those whose time is over.
    ///
    /// # Errors
    /// The store failed.
    fn use_up(&mut self, ticket: &Ticket, now: Wall) -> Result<(), StoreFault>;
}
