//! The file's tables, and how connections to it are set up.
//!
//! What always holds: `user_version` says which tables there are; a file of a newer server is not
//! touched.

use std::path::Path;
use std::time::Duration;

use bellwether_shared::wire::{self, Event, EventKind};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::ticket::TicketKey;

/// Opens the one connection that writes.
pub(super) fn open_to_write(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    set_up(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
}

/// Opens a connection that reads.
pub(super) fn open_to_read(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    set_up(&connection)?;
    Ok(connection)
}

/// Brings the tables to [`VERSION`], in one transaction.
///
/// # Errors
/// A sentence: the file is of a newer server, or SQLite's own words.
pub(super) fn migrate(connection: &Connection) -> Result<(), String> {
    let describe = |fault: rusqlite::Error| format!("cannot set up the store's tables: {fault}");
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(describe)?;
    let missing = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
    let Some(missing) = missing else { return Err(newer(found)) };
    if missing.is_empty() {
        return Ok(());
    }
    let steps = missing.concat();
    let begin = Transaction::new_unchecked(connection, TransactionBehavior::Immediate);
    let migrated = begin.and_then(|transaction| {
        transaction.execute_batch(&steps)?;
        if found < PATCHES_SINCE {
            find_patches(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()
    });
    migrated.map_err(describe)
}

// SQL cannot look into what is sealed.
fn find_patches(connection: &Connection) -> rusqlite::Result<()> {
    let mut log = connection.prepare("SELECT session, offset, sealed FROM bw_log")?;
    let mut insert = connection.prepare("INSERT INTO bw_patch VALUES (?1, ?2)")?;
    let mut rows = log.query([])?;
    while let Some(row) = rows.next()? {
        let sealed: Vec<u8> = row.get(2)?;
        if wire::decode::<Event<'_>>(&sealed).is_ok_and(|event| event.kind == EventKind::Patch) {
            insert.execute([row.get::<_, i64>(0)?, row.get(1)?])?;
        }
    }
    Ok(())
}

/// Sees that the tables are of [`VERSION`], for who only reads.
///
/// # Errors
/// A sentence: the file is of another server.
pub(super) fn check(connection: &Connection) -> Result<(), String> {
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|fault| format!("cannot read the store: {fault}"))?;
    match found {
        VERSION => Ok(()),
        0..VERSION => Err(format!(
            "the store has version {found}, and {VERSION} is needed; start the server on it once"
        )),
        _ => Err(newer(found)),
    }
}

fn newer(found: i64) -> String {
    format!("the store has version {found} and this server knows {VERSION}; use a newer server")
}

/// Gives every session's log a new epoch.
pub(super) fn renew_epochs(connection: &Connection) -> rusqlite::Result<()> {
    let renewed = connection.execute("UPDATE bw_session SET epoch = randomblob(16)", [])?;
    tracing::info!(sessions = renewed, "every session's log has a new epoch");
    Ok(())
}

/// The key of tickets, minted where there is none.
///
/// # Errors
/// A sentence in SQLite's own words.
pub(super) fn ticket_key(connection: &Connection, fresh: [u8; 32]) -> rusqlite::Result<TicketKey> {
    connection.execute("INSERT OR IGNORE INTO bw_secret VALUES ('ticket', ?1)", [fresh])?;
    let select = "SELECT value FROM bw_secret WHERE name = 'ticket'";
    let key: [u8; 32] = connection.query_row(select, [], |row| row.get(0))?;
    Ok(TicketKey::new(&key))
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)
}

const VERSION: i64 = STEPS.len() as i64;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENTS: usize = 64;
const CACHE_KIB: i64 = 16 * 1024;
// 32 MB of 4 KiB pages: each checkpoint costs two more waits for the disk.
const CHECKPOINT_PAGES: i64 = 8_000;

/// What makes each version of the one before. A step is never edited.
const STEPS: &[&str] = &[TABLES, PROOFS, TICKETS, DOCUMENT, PATCHES, ERASED];
/// The version from which on the offsets of patches are kept.
const PATCHES_SINCE: i64 = 5;

// A log is read by session and offset, and is small per event but for bodies: clustered, no rowid.
const TABLES: &str = "
CREATE TABLE bw_session (
    session INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    epoch BLOB NOT NULL,
    head INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE TABLE bw_stream (
    stream INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES bw_session,
    session_name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    device BLOB NOT NULL,
    user TEXT NOT NULL,
    lane INTEGER NOT NULL,
    incarnation BLOB NOT NULL,
    former BLOB,
    key_kind INTEGER NOT NULL,
    key BLOB NOT NULL,
    genesis BLOB NOT NULL,
    through INTEGER NOT NULL,
    head BLOB NOT NULL,
    host_epoch INTEGER NOT NULL,
    build TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    UNIQUE (device, incarnation, lane, user, session_name)
) STRICT;

CREATE TABLE bw_log (
    session INTEGER NOT NULL REFERENCES bw_session,
    offset INTEGER NOT NULL,
    id TEXT NOT NULL,
    stream INTEGER NOT NULL REFERENCES bw_stream,
    seq INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    result BLOB,
    PRIMARY KEY (session, offset)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX bw_log_id ON bw_log (session, id);

CREATE TABLE bw_place (
    stream INTEGER NOT NULL REFERENCES bw_stream,
    seq INTEGER NOT NULL,
    head BLOB NOT NULL,
    id TEXT,
    offset INTEGER,
    code TEXT,
    message TEXT,
    PRIMARY KEY (stream, seq),
    CHECK ((offset IS NULL) <> (code IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE bw_value (
    session INTEGER NOT NULL REFERENCES bw_session,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;
";

// What the audit needs beside (OUT-12). Both heads of a batch follow from its places. What was taken
// before this version has no proof.
const PROOFS: &str = "
ALTER TABLE bw_stream ADD COLUMN former_head BLOB;

ALTER TABLE bw_place ADD COLUMN hash BLOB;

CREATE TABLE bw_batch (
    stream INTEGER NOT NULL REFERENCES bw_stream,
    seq INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    signature BLOB NOT NULL,
    tail BLOB NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX bw_stream_session ON bw_stream (session);
";

// Farewells (OUT-8): what tickets are made with, and which are used up.
const TICKETS: &str = "
CREATE TABLE bw_secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bw_ticket (
    nonce BLOB PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX bw_ticket_expiry ON bw_ticket (expires_at);
";

// The session's document (STATE-1): what the patches of its log make of it.
const DOCUMENT: &str = "
CREATE TABLE bw_document (
    session INTEGER NOT NULL REFERENCES bw_session,
    key TEXT NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;
";

// Which events of the log are patches, so that few are found among many (STATE-1).
const PATCHES: &str = "
CREATE TABLE bw_patch (
    session INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (session, offset)
) STRICT, WITHOUT ROWID;
";

// What is left of an event whose body is gone (SRV-3): where there is a hash, `sealed` is empty.
const ERASED: &str = "
ALTER TABLE bw_log ADD COLUMN hash BLOB;
";
