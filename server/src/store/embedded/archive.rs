//! What the audit reads, as SQL.

use bellwether_shared::base::{DeviceId, Incarnation, Seq, Wall};
use bellwether_shared::rules::chain::Hash;
use bellwether_shared::wire::StreamId;
use bellwether_shared::wire::audit::Followed;
use rusqlite::{OptionalExtension as _, params};

use super::ledger::{SqlLedger, bytes, count, int, lane, stream_row};
use crate::engine::{
    Archive, ArchivedBody, ArchivedEvent, ArchivedStream, Proof, SessionRow, StoreFault, StreamRow,
};

impl Archive for SqlLedger<'_> {
    fn streams(&self, session: &SessionRow) -> Result<Vec<ArchivedStream>, StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT stream, tenant, key_kind, key, genesis, through, head, host_epoch,
                    device, session_name, user, lane, incarnation, former, former_head
             FROM bw_stream WHERE session = ?1 ORDER BY stream",
        )?;
        let rows = statement.query_map([session.key], |row| {
            let id = StreamId {
                device: DeviceId(row.get(8)?),
                session: row.get(9)?,
                user: row.get(10)?,
                lane: lane(row.get(11)?),
                incarnation: Incarnation(row.get(12)?),
            };
            let head = row.get::<_, Option<Hash>>(14)?.map(Hash::into);
            let former = row.get::<_, Option<[u8; 16]>>(13)?;
            let former = former.map(|former| Followed { incarnation: Incarnation(former), head });
            Ok(ArchivedStream { id, row: stream_row(row)?, former })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn events(
        &self,
        session: &SessionRow,
        after: u64,
        each: &mut dyn FnMut(ArchivedEvent) -> bool,
    ) -> Result<(), StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT log.offset, log.stream, log.seq, place.head, log.taken_at, log.sealed, log.result,
                    log.hash
             FROM bw_log log LEFT JOIN bw_place place
               ON place.stream = log.stream AND place.seq = log.seq
             WHERE log.session = ?1 AND log.offset > ?2 ORDER BY log.offset",
        )?;
        let mut rows = statement.query(params![session.key, int(after)])?;
        while let Some(row) = rows.next()? {
            let event = ArchivedEvent {
                offset: count(row, 0)?,
                stream: row.get(1)?,
                seq: Seq(count(row, 2)?),
                head: row.get(3)?,
                taken_at: Wall(count(row, 4)?),
                body: match row.get(7)? {
                    Some(hash) => ArchivedBody::Erased(hash),
                    None => ArchivedBody::Sealed(row.get(5)?),
                },
                result: bytes(row, 6)?,
            };
            if !each(event) {
                break;
            }
        }
        Ok(())
    }

    fn proof(&self, stream: &StreamRow, from: Seq) -> Result<Option<Proof>, StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, first, count, signature, tail FROM bw_batch
             WHERE stream = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1",
        )?;
        let found = statement.query_row(params![stream.key, int(from.0)], |row| {
            let tail: Vec<u8> = row.get(4)?;
            Ok(Proof {
                from: Seq(count(row, 0)?),
                first: Seq(count(row, 1)?),
                count: count(row, 2)?,
                signature: row.get::<_, Vec<u8>>(3)?.into(),
                tail: tail.as_chunks().0.to_vec(),
            })
        });
        Ok(found.optional()?)
    }
}
