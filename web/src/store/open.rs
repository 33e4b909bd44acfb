//! Opening a database, and what `idb` calls its failures.

use core::cell::Cell;
use std::rc::Rc;

use idb::event::Event as _;
use idb::{DatabaseEvent as _, Factory};
use web_sys::IdbDatabase;

use crate::connection::Open;
use crate::fault::StoreFault;
use crate::schema::Schema;

/// Opens a database by way of `idb`.
pub(crate) enum Idb {}

impl Open for Idb {
    async fn open(
        name: &str,
        version: Option<u32>,
        schema: &'static Schema,
        blocked: Rc<Cell<bool>>,
    ) -> Result<IdbDatabase, StoreFault> {
        let factory = Factory::new().map_err(|_| StoreFault::Unavailable("".into()))?;
        let mut request = factory.open(name, version).map_err(thrown)?;
        request.on_blocked(move |_| blocked.set(true));
        request.on_upgrade_needed(move |event| {
            let database = event.database();
            let upgraded = database.is_ok_and(|db| (schema.complete)(&db.into()).is_ok());
            // A schema that cannot be completed is none: the upgrade is undone, and the request fails.
            let request = event.target().ok().filter(|_| !upgraded);
            if let Some(transaction) = request.as_ref().and_then(idb::Request::transaction) {
                let _ = transaction.abort();
            }
        });
        Ok(request.await.map_err(thrown)?.into())
    }
}

/// A failure of `idb`, by the exception it carries.
#[expect(clippy::wildcard_enum_match_arm, reason = "fifty variants, of which we cause these")]
pub(crate) fn thrown(error: idb::Error) -> StoreFault {
    use idb::Error;
    match error {
        Error::DomException(thrown) => StoreFault::thrown(&thrown),
        Error::IndexedDbNotFound(thrown) | Error::IndexedDbOpenFailed(thrown) => {
            StoreFault::Unavailable(crate::dom::DomFault::new(&thrown).message)
        }
        Error::TransactionOpenFailed(thrown)
        | Error::ObjectStoreNotFound(thrown)
        | Error::GetFailed(thrown)
        | Error::GetAllFailed(thrown)
        | Error::GetAllKeysFailed(thrown)
        | Error::CountFailed(thrown) => StoreFault::thrown(&thrown),
        // Not in its words: to write them, all fifty sentences would have to be shipped.
        _ => StoreFault::Failed { name: "idb".into(), message: "something unforeseen".into() },
    }
}
