//! What compaction reads and writes, as SQL.

use bellwether_shared::base::{LogEpoch, Wall};
use bellwether_shared::rules::chain::{self, Hash};
use rusqlite::{OptionalExtension as _, params};

use super::ledger::{SqlLedger, count, int};
use crate::bounds::COMPACT_BYTES;
use crate::engine::{Keeper, SessionRow, StoreFault};

impl Keeper for SqlLedger<'_> {
    fn overdue(
        &self,
        from: i64,
        keep: u64,
        before: Wall,
    ) -> Result<Option<SessionRow>, StoreFault> {
        // A session's row is small, and its first event is found by its key: no body is read.
        let mut statement = self.connection.prepare_cached(
            "SELECT session.session, session.epoch, session.head, session.floor
             FROM bw_session session
             CROSS JOIN bw_log log
               ON log.session = session.session AND log.offset = session.floor + 1
             WHERE session.session >= ?1 AND session.head - session.floor > ?2
               AND log.taken_at < ?3
             ORDER BY session.session LIMIT 1",
        )?;
        let found = statement.query_row(params![from, int(keep), int(before.0)], |row| {
            Ok(SessionRow {
                key: row.get(0)?,
                epoch: LogEpoch(row.get(1)?),
                head: count(row, 2)?,
                floor: count(row, 3)?,
            })
        });
        Ok(found.optional()?)
    }

    fn erase(
        &mut self,
        session: &SessionRow,
        through: u64,
        before: Wall,
    ) -> Result<u64, StoreFault> {
        let mut floor = self
            .connection
            .prepare_cached("SELECT floor FROM bw_session WHERE session = ?1")?
            .query_row([session.key], |row| count(row, 0))?;
        if floor != session.floor {
            // Somebody else was here meanwhile.
            return Ok(floor);
        }
        let hashes = self.hashes(session, through, before)?;
        let mut erase = self.connection.prepare_cached(
            "UPDATE bw_log SET sealed = x'', hash = ?3 WHERE session = ?1 AND offset = ?2",
        )?;
        for hash in hashes {
            floor += 1;
            erase.execute(params![session.key, int(floor), hash])?;
        }
        let mut patches = self
            .connection
            .prepare_cached("DELETE FROM bw_patch WHERE session = ?1 AND offset <= ?2")?;
        patches.execute([session.key, int(floor)])?;
        let mut save = self
            .connection
            .prepare_cached("UPDATE bw_session SET floor = ?2 WHERE session = ?1")?;
        save.execute([session.key, int(floor)])?;
        Ok(floor)
    }
}

impl SqlLedger<'_> {
    // Of the events after the floor that go, as many as one step takes.
    fn hashes(
        &self,
        session: &SessionRow,
        through: u64,
        before: Wall,
    ) -> Result<Vec<Hash>, StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT offset, taken_at, sealed FROM bw_log
             WHERE session = ?1 AND offset > ?2 AND offset <= ?3 ORDER BY offset",
        )?;
        let mut rows = statement.query(params![session.key, int(session.floor), int(through)])?;
        let (mut hashes, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            if count(row, 0)? != session.floor + hashes.len() as u64 + 1 {
                return Err(StoreFault::new("an offset is missing from the log"));
            }
            if count(row, 1)? >= before.0 || bytes >= COMPACT_BYTES {
                break;
            }
            let sealed = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            bytes += sealed.len();
            hashes.push(chain::event_hash(sealed));
        }
        Ok(hashes)
    }
}
