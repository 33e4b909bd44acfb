//! The coordinator's store: everything it reads and writes, in few transactions.
//!
//! What always holds:
//! - a [`WriteBatch`] is written whole or not at all, and only under the epoch it was decided under, while its holder has it;
//! - what is reported as written is complete on disk, as far as the batch asked for it;
//! - a row that is no bytes is given as an empty one, which nobody can read, and so is reported.
//!
//! Not here: what a row means, but for the epoch and the holder in the lease.

mod boot;
mod commit;

use core::time::Duration;

use bellwether_shared::base::joined;
use bellwether_shared::rows::{self, Key, WriteBatch};
use wasm_bindgen::JsValue;
use web_sys::IdbKeyRange;

use crate::connection::{Connection, Mode, Requests};
use crate::fault::StoreFault;
use crate::{js, schema};

/// The store of one channel. A clone shares the connection; with the last one it closes.
#[derive(Clone)]
pub struct Store(Connection);

/// What a coordinator starts from; all of it was true at one moment.
#[derive(Debug, Default)]
pub struct Boot {
    /// The host's lease as it is now: the row just written if it was taken, else the one found.
    pub lease: Option<Vec<u8>>,
    /// Whether it was taken.
    pub taken: bool,
    /// The device row.
    pub device: Option<Vec<u8>>,
    /// The database before this one was lost, and no page has been told yet.
    pub lost: bool,
    /// The channel's configuration.
    pub config: Option<Vec<u8>>,
    /// The device's key pair.
    pub signing: Option<JsValue>,
    /// All streams.
    pub streams: Vec<Vec<u8>>,
    /// All sealed batches, with their keys.
    pub flights: Vec<(Key, Vec<u8>)>,
    /// How far each session's log is known.
    pub cursors: Vec<Vec<u8>>,
    /// How many dead letters there are.
    pub dead: u64,
    /// How many events this device has had answered: the last key of `done`, 0 if there is none.
    pub answered: u64,
}

impl Store {
    /// Opens the channel's database, and creates it if it is new.
    ///
    /// Fails after `timeout`, in which it tries twice; so does each later use that has to open it again.
    pub async fn open(channel: &str, timeout: Duration) -> Result<Self, StoreFault> {
        let name = schema::database_name(channel);
        let connection = Connection::new(&name, rows::Store::ALL.map(rows::Store::name), timeout);
        connection.open().await?;
        Ok(Self(connection))
    }

    /// A store that something else keeps: an object with the methods of the class in `store.js`.
    #[must_use]
    pub fn over(store: JsValue) -> Self {
        Self(Connection::over(store))
    }

    /// Reads what there is and takes the lease if `decide` says so, in one transaction.
    ///
    /// `decide` is shown the host's lease row and gives the row to write, or `None` to leave it. Two
    /// boots are one after the other: the second is shown what the first has written.
    pub async fn boot(
        &self,
        decide: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>> + 'static,
    ) -> Result<Boot, StoreFault> {
        boot::boot(&self.0, Box::new(decide)).await
    }

    /// Writes `batch`, whole or not at all; [`StoreFault::Fenced`] if its epoch or its holder is not the lease's.
    pub async fn commit(&self, batch: &WriteBatch) -> Result<(), StoreFault> {
        commit::commit(&self.0, batch).await
    }

    /// Keeps the device row and its key pair, unless there is a device already; gives what is in force. `lost` is kept
    /// with a new one, until a page was told.
    pub async fn mint(
        &self,
        device: &[u8],
        signing: &JsValue,
        lost: bool,
    ) -> Result<(Vec<u8>, JsValue), StoreFault> {
        commit::mint(&self.0, device, signing, lost).await
    }

    /// Rows with numbers beyond `after`, ascending, up to `limit`.
    pub async fn read_numbers(
        &self,
        store: rows::Store,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreFault> {
        let rows = self.rows(store, Some(after), limit).await?;
        let number = |(key, row)| match key {
            Key::Number(number) => Some((number, row)),
            Key::Text(_) => None,
        };
        Ok(rows.into_iter().filter_map(number).collect())
    }

    /// Rows of a store in the order of their keys, up to `limit`.
    pub async fn read(
        &self,
        store: rows::Store,
        limit: u32,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        self.rows(store, None, limit).await
    }

    /// Rows whose keys are texts that begin with this, in their order.
    pub async fn read_texts(
        &self,
        store: rows::Store,
        prefix: &str,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        // No text that begins so comes after this one.
        let upper = joined(&[prefix, "\u{ffff}"]);
        let range = IdbKeyRange::bound(&JsValue::from_str(prefix), &JsValue::from_str(&upper))?;
        self.ranged(store, &range.into(), &JsValue::UNDEFINED).await
    }

    /// One row.
    pub async fn read_one(
        &self,
        store: rows::Store,
        key: &Key,
    ) -> Result<Option<Vec<u8>>, StoreFault> {
        let requests = Requests::default();
        requests.get(store, &js::from_key(key));
        Ok(self.0.run(&requests, Mode::Read, None).await?.row(0))
    }

    /// How many rows a store has.
    pub async fn count(&self, store: rows::Store) -> Result<u64, StoreFault> {
        let requests = Requests::default();
        requests.count(store);
        Ok(self.0.run(&requests, Mode::Read, None).await?.number(0))
    }

    /// How often the browser has taken the database away: for a deletion, an upgrade, or without a word. What is
    /// there after that may be another database, so whatever was known of the one before has to be read again.
    #[must_use]
    pub fn losses(&self) -> u32 {
        self.0.losses()
    }

    /// Lets go of the database; the next use opens it again.
    pub fn close(&self) {
        self.0.close();
    }

    async fn rows(
        &self,
        store: rows::Store,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        // To IndexedDB a limit of 0 is none.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let range = after.map(beyond).transpose()?.map_or(JsValue::UNDEFINED, JsValue::from);
        self.ranged(store, &range, &JsValue::from(limit)).await
    }

    async fn ranged(
        &self,
        store: rows::Store,
        range: &JsValue,
        limit: &JsValue,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        let requests = Requests::default();
        // Both at once: one after the other takes twice as long.
        requests.keys(store.name(), range, limit);
        requests.all(store, range, limit);
        Ok(self.0.run(&requests, Mode::Read, None).await?.pairs(0))
    }
}

// Texts come after all numbers.
fn beyond(after: u64) -> Result<IdbKeyRange, JsValue> {
    let (lower, upper) = (js::from_number(after), JsValue::from_f64(f64::INFINITY));
    IdbKeyRange::bound_with_lower_open(&lower, &upper, true)
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Store")
    }
}
