//! The journal as a page sees it: appending to it, and reading the stores.
//!
//! What always holds:
//! - rows of one call are written together and in their order, at positions that follow one another;
//! - `append` resolves when they are on disk, and fails when none of them is.
//!
//! Not here: what a row means, and when rows are grouped; the page's machine decides that.

use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::rows::{Key, Store};

use crate::connection::Connection;
use crate::fault::StoreFault;
use crate::transaction::{Mode, Request, Transaction, names};
use crate::{js, read, schema};

/// The journal of one channel. A clone shares the connection; with the last one it closes.
#[derive(Clone)]
pub struct Journal(Rc<Connection>);

impl Journal {
    /// Opens the channel's database, and creates it if it is new.
    ///
    /// Fails after `timeout`, in which it tries twice; so does each later use that has to open it again.
    pub async fn open(channel: &str, timeout: Duration) -> Result<Self, StoreFault> {
        let name = schema::database_name(channel);
        let connection = Connection::new(&name, &schema::CHANNEL, timeout);
        connection.database().await?;
        Ok(Self(connection))
    }

    /// Appends `rows`, and gives the position of the last; the others are right before it. 0 for none.
    ///
    /// `strict`: resolves only once the disk has them, not only the operating system.
    pub async fn append(&self, rows: &[Vec<u8>], strict: bool) -> Result<u64, StoreFault> {
        let mut last = Request::default();
        let fire = &mut |transaction: &Transaction| {
            let journal = transaction.store(Store::Journal);
            for row in rows {
                last = journal.add(&js::from_bytes(row));
            }
            transaction.commit();
        };
        self.0.run(names(&[Store::Journal]), Mode::Write { strict }, fire).await?;
        Ok(last.number())
    }

    /// Rows of a store in the order of their keys, up to `limit`.
    pub async fn read(&self, store: Store, limit: u32) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        read::rows(&self.0, store, None, limit).await
    }

    /// Rows of a store with numbers beyond `after`, ascending.
    pub async fn read_after(
        &self,
        store: Store,
        after: u64,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreFault> {
        read::rows(&self.0, store, Some(after), u32::MAX).await
    }

    /// One row.
    pub async fn read_one(&self, store: Store, key: &Key) -> Result<Option<Vec<u8>>, StoreFault> {
        read::one(&self.0, store, key).await
    }

    /// How many rows a store has.
    pub async fn count(&self, store: Store) -> Result<u64, StoreFault> {
        read::count(&self.0, store).await
    }

    /// Lets go of the database, as a page should in `pagehide`; the next use opens it again.
    pub fn close(&self) {
        self.0.close();
    }
}

impl core::fmt::Debug for Journal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Journal")
    }
}
