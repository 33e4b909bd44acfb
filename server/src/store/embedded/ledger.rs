//! The engine's questions as SQL, inside the transaction of whoever lends the connection.

use std::cell::Cell;

use bellwether_shared::base::{DeviceId, EventId, Incarnation, LogEpoch, Seq, Wall};
use bellwether_shared::rules::chain::Hash;
use bellwether_shared::wire::{DeviceKey, KeyKind, Lane, LogEvent, StreamId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::effect::{self, AcceptedEvent, Effect, EffectFault, EffectOutcome, Room};
use crate::engine::{
    Appended, Clerk, Filled, Ledger, Moment, NewStream, Place, Proof, Reader, SessionRow,
    StoreFault, StreamRow, Taken, Which,
};
use crate::ticket::Ticket;

/// A transaction in the engine's terms.
#[derive(Debug)]
pub(super) struct SqlLedger<'c> {
    pub(super) connection: &'c Connection,
}

impl<'c> SqlLedger<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    pub(super) fn ping(&self) -> Result<(), StoreFault> {
        let mut statement = self.connection.prepare_cached("SELECT count(*) FROM bw_session")?;
        let _: i64 = statement.query_row([], |row| row.get(0))?;
        Ok(())
    }
}

impl From<rusqlite::Error> for StoreFault {
    fn from(fault: rusqlite::Error) -> Self {
        Self::new(fault.to_string())
    }
}

impl Reader for SqlLedger<'_> {
    fn session(&self, tenant: &str, name: &str) -> Result<Option<SessionRow>, StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT session, epoch, head, floor FROM bw_session WHERE tenant = ?1 AND name = ?2",
        )?;
        let found = statement.query_row(params![tenant, name], |row| {
            Ok(SessionRow {
                key: row.get(0)?,
                epoch: LogEpoch(row.get(1)?),
                head: count(row, 2)?,
                floor: count(row, 3)?,
            })
        });
        Ok(found.optional()?)
    }

    fn stream(&self, stream: &StreamId) -> Result<Option<StreamRow>, StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT stream, tenant, key_kind, key, genesis, through, head, host_epoch
             FROM bw_stream
             WHERE device = ?1 AND incarnation = ?2 AND lane = ?3 AND user = ?4
               AND session_name = ?5",
        )?;
        let name = params![
            stream.device.0,
            stream.incarnation.0,
            stream.lane as u8,
            stream.user,
            stream.session
        ];
        let found = statement.query_row(name, stream_row);
        Ok(found.optional()?)
    }

    fn places(&self, stream: &StreamRow, first: Seq, last: Seq) -> Result<Vec<Place>, StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT place.seq, place.head, place.id, place.offset, place.code, place.message,
                    place.hash,
                    (SELECT log.result FROM bw_log log JOIN bw_stream stream
                     ON log.session = stream.session
                     WHERE stream.stream = place.stream AND log.offset = place.offset)
             FROM bw_place place WHERE place.stream = ?1 AND place.seq BETWEEN ?2 AND ?3
             ORDER BY place.seq",
        )?;
        let rows = statement.query_map(params![stream.key, int(first.0), int(last.0)], place)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn taken(&self, session: &SessionRow, id: &EventId) -> Result<Option<Taken>, StoreFault> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT offset, result FROM bw_log WHERE session = ?1 AND id = ?2")?;
        let found = statement.query_row(params![session.key, id.as_str()], |row| {
            Ok(Taken { offset: count(row, 0)?, result: bytes(row, 1)? })
        });
        Ok(found.optional()?)
    }

    fn log(
        &self,
        session: &SessionRow,
        which: Which,
        after: u64,
        limit: u32,
        each: &mut dyn FnMut(LogEvent) -> bool,
    ) -> Result<(), StoreFault> {
        let mut statement = self.connection.prepare_cached(match which {
            Which::All => {
                "SELECT log.offset, stream.device, stream.incarnation, stream.user, stream.lane,
                        log.seq, log.taken_at, log.sealed
                 FROM bw_log log JOIN bw_stream stream ON stream.stream = log.stream
                 WHERE log.session = ?1 AND log.offset > ?2 ORDER BY log.offset LIMIT ?3"
            }
            // Joined in this order, so that only patches are looked at.
            Which::Patches => {
                "SELECT log.offset, stream.device, stream.incarnation, stream.user, stream.lane,
                        log.seq, log.taken_at, log.sealed
                 FROM bw_patch patch
                 CROSS JOIN bw_log log ON log.session = patch.session AND log.offset = patch.offset
                 JOIN bw_stream stream ON stream.stream = log.stream
                 WHERE patch.session = ?1 AND patch.offset > ?2 ORDER BY patch.offset LIMIT ?3"
            }
        })?;
        let mut rows = statement.query(params![session.key, int(after), limit])?;
        while let Some(row) = rows.next()? {
            let event = LogEvent {
                offset: count(row, 0)?,
                device: DeviceId(row.get(1)?),
                incarnation: Incarnation(row.get(2)?),
                user: row.get(3)?,
                lane: lane(row.get(4)?),
                seq: Seq(count(row, 5)?),
                taken_at: Wall(count(row, 6)?),
                sealed: row.get::<_, Vec<u8>>(7)?.into(),
                bound: None,
            };
            if !each(event) {
                break;
            }
        }
        Ok(())
    }

    fn entry(&self, session: &SessionRow, key: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT entry FROM bw_document WHERE session = ?1 AND key = ?2")?;
        Ok(statement.query_row(params![session.key, key], |row| row.get(0)).optional()?)
    }

    fn entries(
        &self,
        session: &SessionRow,
        after: &str,
        each: &mut dyn FnMut(&str, Vec<u8>) -> bool,
    ) -> Result<(), StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, entry FROM bw_document WHERE session = ?1 AND key > ?2 ORDER BY key",
        )?;
        let mut rows = statement.query(params![session.key, after])?;
        while let Some(row) = rows.next()? {
            let key: Box<str> = row.get(0)?;
            if !each(&key, row.get(1)?) {
                break;
            }
        }
        Ok(())
    }

    fn entry_count(&self, session: &SessionRow) -> Result<u64, StoreFault> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*) FROM bw_document WHERE session = ?1")?;
        Ok(statement.query_row([session.key], |row| count(row, 0))?)
    }
}

impl Ledger for SqlLedger<'_> {
    fn open_session(
        &mut self,
        tenant: &str,
        name: &str,
        moment: Moment,
    ) -> Result<SessionRow, StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO bw_session (tenant, name, epoch, head, floor, opened_at)
             VALUES (?1, ?2, ?3, 0, 0, ?4)",
        )?;
        let epoch = moment.fresh_epoch;
        let key = statement.insert(params![tenant, name, epoch.0, int(moment.now.0)])?;
        Ok(SessionRow { key, epoch, head: 0, floor: 0 })
    }

    fn open_stream(
        &mut self,
        session: &SessionRow,
        stream: NewStream<'_>,
        now: Wall,
    ) -> Result<StreamRow, StoreFault> {
        let NewStream { tenant, push, genesis } = stream;
        let id = &push.stream;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO bw_stream (session, session_name, tenant, device, user, lane, incarnation,
                 former, key_kind, key, genesis, through, head, host_epoch, build, opened_at,
                 former_head)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?11, ?12, ?13, ?14, ?15)",
        )?;
        let key = statement.insert(params![
            session.key,
            id.session,
            tenant,
            id.device.0,
            id.user,
            id.lane as u8,
            id.incarnation.0,
            push.former.as_ref().map(|former| former.incarnation.0),
            push.key.kind as u8,
            push.key.public.as_slice(),
            genesis,
            int(push.host_epoch),
            push.build,
            int(now.0),
            push.former.as_ref().map(|former| *former.head),
        ])?;
        Ok(StreamRow {
            key,
            tenant: tenant.into(),
            device_key: push.key.clone(),
            genesis,
            through: Seq(0),
            head: genesis,
            host_epoch: push.host_epoch,
        })
    }

    fn run(
        &mut self,
        session: &SessionRow,
        effect: &dyn Effect,
        event: &AcceptedEvent<'_>,
    ) -> Result<EffectOutcome, StoreFault> {
        let room =
            SqlRoom { connection: self.connection, session: session.key, entered: Cell::default() };
        let outcome = effect::ask(effect, &room, event);
        if room.entered.get() {
            if self.connection.is_autocommit() {
                return Err(StoreFault::new("an effect ended the transaction it ran in"));
            }
            if !matches!(outcome, EffectOutcome::Done { .. }) {
                execute(self.connection, "ROLLBACK TO effect")?;
            }
            execute(self.connection, "RELEASE effect")?;
        }
        Ok(outcome)
    }

    fn append(&mut self, session: &SessionRow, event: Appended<'_>) -> Result<(), StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO bw_log (session, offset, id, stream, seq, taken_at, sealed, result)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        statement.execute(params![
            session.key,
            int(event.taken.offset),
            event.id.as_str(),
            event.stream.key,
            int(event.seq.0),
            int(event.taken_at.0),
            event.sealed,
            event.taken.result,
        ])?;
        if event.is_patch {
            let mut statement =
                self.connection.prepare_cached("INSERT INTO bw_patch VALUES (?1, ?2)")?;
            statement.execute([session.key, int(event.taken.offset)])?;
        }
        Ok(())
    }

    fn put_entry(
        &mut self,
        session: &SessionRow,
        key: &str,
        entry: &[u8],
    ) -> Result<(), StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO bw_document VALUES (?1, ?2, ?3)
             ON CONFLICT (session, key) DO UPDATE SET entry = ?3",
        )?;
        statement.execute(params![session.key, key, entry])?;
        Ok(())
    }

    fn fill(&mut self, stream: &StreamRow, place: &Place) -> Result<(), StoreFault> {
        let (offset, code, message) = match &place.filled {
            Filled::Taken(taken) => (Some(int(taken.offset)), None, None),
            Filled::Refused { code, message } => (None, Some(code), Some(message)),
        };
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO bw_place (stream, seq, head, id, offset, code, message, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let id = place.id.as_ref().map(EventId::as_str);
        statement.execute(params![
            stream.key,
            int(place.seq.0),
            place.head,
            id,
            offset,
            code,
            message,
            place.hash,
        ])?;
        Ok(())
    }

    fn prove(&mut self, stream: &StreamRow, proof: &Proof) -> Result<(), StoreFault> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO bw_batch (stream, seq, first, count, signature, tail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        statement.execute(params![
            stream.key,
            int(proof.from.0),
            int(proof.first.0),
            int(proof.count),
            proof.signature,
            proof.tail.as_flattened(),
        ])?;
        Ok(())
    }

    fn save(&mut self, session: &SessionRow, stream: &StreamRow) -> Result<(), StoreFault> {
        let mut statement =
            self.connection.prepare_cached("UPDATE bw_session SET head = ?2 WHERE session = ?1")?;
        statement.execute(params![session.key, int(session.head)])?;
        let mut statement = self.connection.prepare_cached(
            "UPDATE bw_stream SET through = ?2, head = ?3, host_epoch = ?4 WHERE stream = ?1",
        )?;
        statement.execute(params![
            stream.key,
            int(stream.through.0),
            stream.head,
            int(stream.host_epoch)
        ])?;
        Ok(())
    }
}

impl Clerk for SqlLedger<'_> {
    fn is_used(&self, nonce: &[u8; 16]) -> Result<bool, StoreFault> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM bw_ticket WHERE nonce = ?1")?;
        Ok(statement.exists([nonce])?)
    }

    fn use_up(&mut self, ticket: &Ticket, now: Wall) -> Result<(), StoreFault> {
        let mut over =
            self.connection.prepare_cached("DELETE FROM bw_ticket WHERE expires_at < ?1")?;
        over.execute([int(now.0)])?;
        let mut used = self.connection.prepare_cached("INSERT INTO bw_ticket VALUES (?1, ?2)")?;
        used.execute(params![ticket.nonce, int(ticket.expires_at.0)])?;
        Ok(())
    }
}

/// An effect's data. The savepoint is set when the effect first asks for anything, as most do not.
#[derive(Debug)]
struct SqlRoom<'c> {
    connection: &'c Connection,
    session: i64,
    entered: Cell<bool>,
}

impl SqlRoom<'_> {
    fn enter(&self) -> Result<(), EffectFault> {
        if !self.entered.get() {
            execute(self.connection, "SAVEPOINT effect")
                .map_err(|fault| EffectFault(fault.to_string().into()))?;
            self.entered.set(true);
        }
        Ok(())
    }
}

impl Room for SqlRoom<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EffectFault> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM bw_value WHERE session = ?1 AND key = ?2")?;
        Ok(statement.query_row(params![self.session, key], |row| row.get(0)).optional()?)
    }

    fn put(&self, key: &str, value: Option<&[u8]>) -> Result<(), EffectFault> {
        self.enter()?;
        let sql = match value {
            Some(_) => "REPLACE INTO bw_value (session, key, value) VALUES (?1, ?2, ?3)",
            None => "DELETE FROM bw_value WHERE session = ?1 AND key = ?2 AND ?3 IS NULL",
        };
        self.connection.prepare_cached(sql)?.execute(params![self.session, key, value])?;
        Ok(())
    }

    fn sql(&self) -> Result<Option<&Connection>, EffectFault> {
        self.enter()?;
        Ok(Some(self.connection))
    }
}

/// A stream's row from the first columns: key, tenant, kind and device key, genesis, place, head, host epoch.
pub(super) fn stream_row(row: &Row<'_>) -> rusqlite::Result<StreamRow> {
    Ok(StreamRow {
        key: row.get(0)?,
        tenant: row.get(1)?,
        device_key: DeviceKey { kind: kind(row.get(2)?), public: row.get::<_, Vec<u8>>(3)?.into() },
        genesis: row.get(4)?,
        through: Seq(count(row, 5)?),
        head: row.get(6)?,
        host_epoch: count(row, 7)?,
    })
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let filled = match row.get::<_, Option<i64>>(3)? {
        Some(_) => Filled::Taken(Taken { offset: count(row, 3)?, result: bytes(row, 7)? }),
        None => Filled::Refused {
            code: row.get(4)?,
            message: row.get::<_, Option<Box<str>>>(5)?.unwrap_or_default(),
        },
    };
    let head: Hash = row.get(1)?;
    // An id was fit when it was written; one that is not any more is only missing from a diagnosis.
    let id = row.get::<_, Option<String>>(2)?.and_then(|id| EventId::new(&id).ok());
    Ok(Place { seq: Seq(count(row, 0)?), head, hash: row.get(6)?, id, filled })
}

pub(super) fn bytes(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Box<[u8]>>> {
    Ok(row.get::<_, Option<Vec<u8>>>(at)?.map(Vec::into_boxed_slice))
}

// SQLite counts with a sign; nothing of ours is negative, or beyond 2^53.
pub(super) fn count(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}

pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn kind(number: u8) -> KeyKind {
    match number {
        1 => KeyKind::Ed25519,
        2 => KeyKind::P256,
        _ => KeyKind::None,
    }
}

pub(super) fn lane(number: u8) -> Lane {
    match number {
        0 => Lane::Critical,
        1 => Lane::Normal,
        _ => Lane::Bulk,
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreFault> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
