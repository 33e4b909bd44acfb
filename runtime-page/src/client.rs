//! The client, as a Rust app uses it.

use std::rc::Rc;

use bellwether_shared::base::{Culprit, EventId, Fault, PageId, joined};
use bellwether_shared::bus::{Change, Identity, Reply, Request, Wipe};
use bellwether_shared::rows::{JournalRow, Store, StreamKey};
use bellwether_shared::tape::Recording;
use bellwether_shared::wire::{Event, EventFlags, EventKind, EventUnfit, Lane, to_cbor};
use bellwether_web::{clock, entropy, task};
use futures::channel::{mpsc, oneshot};

use crate::delivery::{Deliveries, Delivery, SettleDelivery};
use crate::driver::{AskToken, Driver, Hear, closed};
use crate::group::Settle;
use crate::listing::{self, DeadLetter, QueuedEvent, Rows};
use crate::options::{Options, Token};
use crate::status::{Happening, Status};

/// An event to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewEvent<'a> {
    /// What happened, as the server knows it; 1 to 200 bytes.
    pub type_: &'a str,
    /// The body, as JSON text; at most 256 KiB.
    pub data: Option<&'a str>,
    /// Events of one key take effect in the order of enqueueing; at most 200 bytes.
    pub key: Option<&'a str>,
    /// The app's own id; by default a UUIDv7. Enqueueing the same id again is safe: it takes effect once.
    pub id: Option<&'a str>,
    /// What the app ties together with it; at most 200 bytes.
    pub correlation: Option<&'a str>,
    /// The app's version of the body's shape.
    pub schema: u32,
    /// The id of its prerequisite, enqueued before on this device; it is not sent before the server has taken that one.
    pub after: Option<&'a str>,
    /// What it takes from the prerequisite's result: JSON text of an object, from a JSON pointer (RFC 6901) into the body
    /// to one into the result; at most 4 KiB.
    pub binds: Option<&'a str>,
    /// Whether it goes even if its prerequisite fails, and whether a later one of its type and key takes its place.
    pub flags: EventFlags,
    /// What its body is: the app's, or a plain request.
    pub kind: EventKind,
    /// How urgent it is.
    pub lane: Lane,
    /// The coordinator is woken at once, without waiting for more events. Critical events always are.
    pub immediate: bool,
}

/// An event that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub id: EventId,
    /// Place in the order of appending on this device; there may be gaps.
    pub position: u64,
}

/// What a flush has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushReport {
    /// Events that the server answered meanwhile.
    pub delivered: u64,
    /// Events that still wait.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
}

/// A page's client of one channel. A clone is the same client; dropped with its last clone, it closes.
///
/// ```ignore
/// let bellwether = Bellwether::connect(Options { server: "https://sync.example".into(), ..Options::default() }).await?;
/// bellwether.enqueue(NewEvent { type_: "todo.added", data: Some(r#"{"title":"Buy milk"}"#), ..NewEvent::default() }).await?;
/// ```
#[derive(Debug, Clone)]
pub struct Bellwether(Rc<Open>);

#[derive(Debug)]
struct Open(Rc<Driver>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Bellwether {
    /// Connects. Ends when the journal is open, or known not to be openable (at most 3 s); never waits for a worker
    /// or the network.
    ///
    /// Fails with `option-invalid`. A journal that does not open is no failure here: enqueueing then says why.
    pub async fn connect(options: Options) -> Result<Self, Fault> {
        let token = options.token.clone().map(asking);
        let it = Self::open(options, token, Vec::new())?;
        let (sender, receiver) = oneshot::channel();
        it.driver().start(|_| sender.send(()).unwrap_or_default());
        receiver.await.unwrap_or_default();
        Ok(it)
    }

    pub(crate) fn open(
        options: Options,
        token: Option<AskToken>,
        hear: Vec<Hear>,
    ) -> Result<Self, Fault> {
        options.check(&options.identity())?;
        Ok(Self(Rc::new(Open(Driver::new(options, token, hear)))))
    }

    /// This page.
    #[must_use]
    pub fn id(&self) -> PageId {
        self.driver().me
    }

    /// How things stand.
    #[must_use]
    pub fn status(&self) -> Status {
        self.driver().status()
    }

    /// Everything that happens from here on. Dropped, it hears no more.
    #[must_use]
    pub fn happenings(&self) -> mpsc::UnboundedReceiver<Happening> {
        let (sender, receiver) = mpsc::unbounded();
        // Whoever listened may be gone.
        self.driver()
            .listen(Rc::new(move |happening| drop(sender.unbounded_send(happening.clone()))));
        receiver
    }

    /// Stores an event, to be sent as soon as that is possible; ends when it is durable.
    ///
    /// Fails with `event-invalid`, `outbox-too-large`, `outbox-full`, `store-quota` and the other faults of the store
    /// (nothing was stored), or `closed`.
    pub async fn enqueue(&self, event: NewEvent<'_>) -> Result<Receipt, Fault> {
        let (sender, receiver) = oneshot::channel();
        let id = self.append(event, Box::new(|settled| drop(sender.send(settled))))?;
        let position = receiver.await.map_err(|_| closed())??;
        Ok(Receipt { id, position })
    }

    /// Stores an event without waiting for it to be durable; a later failure is told as
    /// [`Happening::Trouble`].
    pub fn post(&self, event: NewEvent<'_>) -> Result<EventId, Fault> {
        let weak = Rc::downgrade(self.driver());
        self.append(
            event,
            Box::new(move |settled| {
                if let (Err(fault), Some(driver)) = (settled, weak.upgrade()) {
                    driver.tell_trouble(fault);
                }
            }),
        )
    }

    pub(crate) fn append(
        &self,
        event: NewEvent<'_>,
        settle: Settle<u64>,
    ) -> Result<EventId, Fault> {
        let driver = self.driver();
        if driver.closed.get() {
            return Err(closed());
        }
        let (id, sealed) = self.seal(&event)?;
        let Identity { session, user } = driver.identity();
        let stream = StreamKey { session, user, lane: event.lane };
        let row = to_cbor(&JournalRow::new(&stream, &sealed, clock::now().wall));
        let urgent = event.immediate || event.lane == Lane::Critical;
        driver.append(row, urgent, settle)?;
        Ok(id)
    }

    /// Gives `event` to the coordinator for the one of its id: for one that is `queued`, or for a dead letter's.
    pub(crate) fn change(
        &self,
        event: NewEvent<'_>,
        queued: bool,
        settle: Settle<Reply>,
    ) -> Result<EventId, Fault> {
        let (id, sealed) = self.seal(&event)?;
        let change = Change { id: id.clone(), sealed: Some(sealed.into()) };
        let request = if queued { Request::Replace(change) } else { Request::Edit(change) };
        self.driver().ask(request, settle);
        Ok(id)
    }

    fn seal(&self, event: &NewEvent<'_>) -> Result<(EventId, Vec<u8>), Fault> {
        let now = clock::now();
        let named = |id: &str| {
            EventId::new(id)
                .map_err(|_| unfit("this is no event's id: 1 to 64 visible ASCII characters"))
        };
        let id = match event.id {
            Some(id) => named(id)?,
            None => EventId::from_uuid(now.wall, entropy::bytes()),
        };
        let driver = self.driver();
        let sealed = Event {
            id: id.clone(),
            kind: event.kind,
            type_: event.type_,
            key: event.key,
            data: event.data.map(str::as_bytes),
            schema: event.schema,
            stamp: driver.clock.borrow_mut().tick(now.wall),
            page: driver.me,
            at: now.wall,
            correlation: event.correlation,
            after: event.after.map(named).transpose()?,
            binds: event.binds.map(str::as_bytes),
            flags: (event.flags != EventFlags::default()).then_some(event.flags),
        };
        sealed.check().map_err(|unfit| refuse(&unfit))?;
        Ok((id, to_cbor(&sealed)))
    }

    /// Events that the server has not answered, in the order of appending.
    pub async fn pending(&self) -> Result<Vec<QueuedEvent>, Fault> {
        let (flights, found) = awaited(|settle| self.read_pending(settle)).await?;
        let mut list = Vec::new();
        listing::pending(&flights, &found, |position, journey, listed| {
            list.push(QueuedEvent::new(position, journey, listed));
        });
        Ok(list)
    }

    /// Gives the batches under way, and the journal.
    pub(crate) fn read_pending(&self, settle: Settle<(Rows, Rows)>) {
        let driver = Rc::clone(self.driver());
        let with_flights = move |flights: Result<Rows, Fault>| match flights {
            Ok(flights) => {
                let both = |found: Result<Rows, Fault>| settle(found.map(|found| (flights, found)));
                driver.read(Store::Journal, Box::new(both));
            }
            Err(fault) => settle(Err(fault)),
        };
        self.driver().read(Store::Flight, Box::new(with_flights));
    }

    /// Dead letters, the oldest first.
    pub async fn failed(&self) -> Result<Vec<DeadLetter>, Fault> {
        let found = awaited(|settle| self.driver().read(Store::Dead, settle)).await?;
        let mut list = Vec::new();
        listing::failed(&found, |id, row, listed| list.push(DeadLetter::new(id, row, listed)));
        list.sort_by_key(|letter| letter.buried_at_ms);
        Ok(list)
    }

    /// Waits until the server has accepted or refused an event: one just enqueued, or one of up to 7 days ago.
    pub async fn delivered(&self, id: &EventId) -> Result<Delivery, Fault> {
        let settle = |settle: Settle<Delivery>| -> SettleDelivery {
            Box::new(|outcome| settle(outcome.map(Delivery::from)))
        };
        awaited(|settled| self.wait_for(id.clone(), settle(settled))).await
    }

    fn wait_for(&self, id: EventId, settle: SettleDelivery) {
        if self.driver().closed.get() {
            return settle(Err(closed()));
        }
        let outcomes =
            self.driver().outcomes.get_or_init(|| Box::new(Rc::new(Deliveries::default())));
        outcomes.wait(self.driver(), id, settle);
    }

    /// Sends a dead letter again, or all of them; ends when they are back in the journal. How many there were.
    pub async fn retry(&self, id: Option<EventId>) -> Result<u64, Fault> {
        self.count(Request::Retry { id }).await
    }

    /// Throws a dead letter away; ends when that is durable. Does nothing if there is none of that id.
    pub async fn discard(&self, id: EventId) -> Result<(), Fault> {
        self.count(Request::Discard { id }).await.map(drop)
    }

    /// Takes an event out of the queue; ends when that is durable. Its outcome is then refused, `cancelled`.
    ///
    /// Fails with `already-sealed` if it may be on its way, and `event-unknown` if it is not queued.
    pub async fn cancel(&self, id: EventId) -> Result<(), Fault> {
        self.count(Request::Replace(Change { id, sealed: None })).await.map(drop)
    }

    /// Puts `event` into the place of the queued one of its id, which it has to have; its lane is without effect.
    ///
    /// Fails like [`cancel`](Self::cancel), and for an event that does not fit.
    pub async fn replace(&self, event: NewEvent<'_>) -> Result<(), Fault> {
        self.changed(event, true).await
    }

    /// Puts `event` into the dead letter of its id. It stays one, until it is sent again.
    pub async fn edit(&self, event: NewEvent<'_>) -> Result<(), Fault> {
        self.changed(event, false).await
    }

    /// Removes what is stored of all sessions and users, or of those named; undelivered events and dead letters only
    /// if they are asked for. How many of these there were.
    pub async fn wipe(&self, wipe: Wipe) -> Result<u64, Fault> {
        self.count(Request::Wipe(wipe)).await
    }

    /// Ends the user's work in this page: the worker forgets the token, and the page goes on as nobody. With `discard`
    /// what this user has not delivered in this session is removed.
    pub async fn sign_out(&self, discard: bool) -> Result<(), Fault> {
        let Identity { session, user } = self.driver().identity();
        self.driver().give_token(Identity { session: session.clone(), user: user.clone() }, None);
        self.identify(Identity { session: session.clone(), user: "".into() }, None)?;
        if discard {
            let (session, user) = (Some(session), Some(user));
            self.wipe(Wipe { session, user, undelivered: true }).await?;
        }
        Ok(())
    }

    /// Stops delivering, or goes on, in all pages and after a restart too; ends when that is durable.
    pub async fn pause(&self, on: bool) -> Result<(), Fault> {
        self.count(Request::Pause { on }).await.map(drop)
    }

    /// Delivers what is there; ends when nothing more can be done at once.
    pub async fn flush(&self) -> Result<FlushReport, Fault> {
        match self.ask(Request::Flush).await? {
            Reply::Flushed { delivered, pending, dead } => {
                Ok(FlushReport { delivered, pending, dead })
            }
            Reply::Done(_) => Err(closed()),
            Reply::Failed(fault) => Err(fault),
        }
    }

    /// Writes down from here on what this page is told and what it asks for; and so does the coordinator, from its
    /// next life on, which begins at once. `None` ends both. What was written before is forgotten in this page only.
    pub fn record(&self, recording: Option<Recording>) {
        self.driver().record(recording);
    }

    /// What this page, and the coordinator in its last lives, have written down, as a file to be replayed.
    pub async fn recording(&self) -> Vec<u8> {
        let (sender, receiver) = oneshot::channel();
        self.driver().recording(|file| sender.send(file).unwrap_or_default());
        receiver.await.unwrap_or_default()
    }

    /// From here on this page's events are another session's or user's. What was enqueued before stays theirs.
    pub fn set_identity(&self, identity: Identity, token: Option<Token>) -> Result<(), Fault> {
        self.identify(identity, token.map(asking))
    }

    pub(crate) fn identify(
        &self,
        identity: Identity,
        token: Option<AskToken>,
    ) -> Result<(), Fault> {
        self.driver().options.check(&identity)?;
        self.driver().identify(identity, token);
        Ok(())
    }

    /// Leaves. Idempotent; what is durable stays, and is delivered by the others.
    pub async fn close(&self) {
        let (sender, receiver) = oneshot::channel();
        // What is being written is let finish.
        self.driver().close_when_written(|| sender.send(()).unwrap_or_default());
        receiver.await.unwrap_or_default();
    }

    async fn changed(&self, event: NewEvent<'_>, queued: bool) -> Result<(), Fault> {
        let answered = |settle| drop(self.change(event, queued, settle));
        match awaited(answered).await? {
            Reply::Failed(fault) => Err(fault),
            Reply::Done(_) | Reply::Flushed { .. } => Ok(()),
        }
    }

    async fn count(&self, request: Request) -> Result<u64, Fault> {
        match self.ask(request).await? {
            Reply::Done(count) => Ok(count),
            Reply::Flushed { .. } => Err(closed()),
            Reply::Failed(fault) => Err(fault),
        }
    }

    async fn ask(&self, request: Request) -> Result<Reply, Fault> {
        awaited(|settle| self.driver().ask(request, settle)).await
    }

    pub(crate) fn driver(&self) -> &Rc<Driver> {
        &self.0.0
    }
}

/// What comes of a call that settles.
async fn awaited<T: 'static>(call: impl FnOnce(Settle<T>)) -> Result<T, Fault> {
    let (sender, receiver) = oneshot::channel();
    // Whoever asked may not want to know any more.
    call(Box::new(|settled| drop(sender.send(settled))));
    receiver.await.map_err(|_| closed())?
}

fn asking(token: Token) -> AskToken {
    Rc::new(move |driver, identity| {
        let (asked, weak) = (token(&identity), Rc::downgrade(driver));
        task::spawn(async move {
            let token = asked.await;
            if let Some(driver) = weak.upgrade() {
                driver.give_token(identity, token);
            }
        });
    })
}

fn refuse(why: &EventUnfit) -> Fault {
    match why {
        EventUnfit::TypeMissing => {
            unfit("the event has no type: give it a `type` of 1 to 200 bytes")
        }
        EventUnfit::TooLarge { field, .. } => {
            let words = [
                "the event's `",
                field,
                "` is over its bound, and nothing was stored: see the limits",
            ];
            Fault::new("outbox-too-large", Culprit::App, joined(&words))
        }
    }
}

fn unfit(message: &str) -> Fault {
    Fault::new("event-invalid", Culprit::App, message)
}
