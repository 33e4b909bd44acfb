//! An app's own tables, written in the transaction that appends the event, and results for the page.
//!
//! A visit's `visit.ended` names its `visit.started` as its prerequisite, and takes the number that it was given:
//!
//! ```js
//! const start = await outbox.enqueue({ type: "visit.started" });
//! await outbox.enqueue({ type: "visit.ended", data: { minutes: 3 }, after: start.id, binds: { "/visit": "/visit" } });
//! ```
//!
//! `cargo run -p bellwether-server --example effect` serves it on port 8787, for this machine only. The
//! notes are in the table `notes` of `bellwether-data/bellwether.sqlite`, beside the server's own.

use std::path::PathBuf;
use std::sync::Arc;

use bellwether_server::auth::Guard;
use bellwether_server::config::Origins;
use bellwether_server::engine::Signatures;
use bellwether_server::store::{Embedded, Opening};
use bellwether_server::{
    AcceptedEvent, App, Effect, EffectFault, EffectOutcome, EffectTx, app, observe, serve,
};
use tokio::net::TcpListener;

/// Keeps notes, and numbers them by session.
struct Notes;

impl Effect for Notes {
    fn apply(&self, tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> EffectOutcome {
        match event.event.type_ {
            "note.added" => add(tx, event).unwrap_or_else(|fault| fault.later()),
            "visit.started" => start(tx, event).unwrap_or_else(|fault| fault.later()),
            "visit.ended" => end(tx, event).unwrap_or_else(|fault| fault.later()),
            // What is not known here is kept in the log all the same.
            _ => EffectOutcome::Done { result: None },
        }
    }
}

fn add(tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> Result<EffectOutcome, EffectFault> {
    let Some(text) = event.event.data else {
        return Ok(EffectOutcome::Refuse {
            code: "note-empty".into(),
            message: "a note needs data".into(),
        });
    };
    let Some(sql) = tx.sql()? else {
        return Ok(EffectOutcome::Pause { retry_after_ms: 60_000 });
    };
    let session = &event.stream.session;
    sql.execute_batch(
        "CREATE TABLE IF NOT EXISTS notes (tenant TEXT, session TEXT, id TEXT, text BLOB) STRICT",
    )?;
    sql.execute(
        "INSERT INTO notes VALUES (?1, ?2, ?3, ?4)",
        (event.tenant, session, event.event.id.as_str(), text),
    )?;
    let number: i64 = sql.query_row(
        "SELECT count(*) FROM notes WHERE tenant = ?1 AND session = ?2",
        (event.tenant, session),
        |row| row.get(0),
    )?;
    // What `delivered(id)` gives to the page.
    let result = format!("{{\"number\": {number}}}");
    Ok(EffectOutcome::Done { result: Some(result.into_bytes().into()) })
}

fn start(tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> Result<EffectOutcome, EffectFault> {
    let Some(sql) = tx.sql()? else {
        return Ok(EffectOutcome::Pause { retry_after_ms: 60_000 });
    };
    sql.execute_batch(
        "CREATE TABLE IF NOT EXISTS visits
         (visit INTEGER PRIMARY KEY, tenant TEXT, session TEXT, minutes INTEGER) STRICT",
    )?;
    let session = &event.stream.session;
    sql.execute("INSERT INTO visits (tenant, session) VALUES (?1, ?2)", (event.tenant, session))?;
    let result = format!("{{\"visit\": {}}}", sql.last_insert_rowid());
    Ok(EffectOutcome::Done { result: Some(result.into_bytes().into()) })
}

fn end(tx: &EffectTx<'_>, event: &AcceptedEvent<'_>) -> Result<EffectOutcome, EffectFault> {
    let Some(sql) = tx.sql()? else {
        return Ok(EffectOutcome::Pause { retry_after_ms: 60_000 });
    };
    // The number of the visit is in the data by the time it is here: the server has bound it.
    let ended = sql.execute(
        "UPDATE visits SET minutes = ?1 ->> '$.minutes'
         WHERE visit = ?1 ->> '$.visit' AND tenant = ?2 AND session = ?3",
        (
            event.event.data.and_then(|data| std::str::from_utf8(data).ok()),
            event.tenant,
            &event.stream.session,
        ),
    )?;
    if ended == 0 {
        return Ok(EffectOutcome::Refuse {
            code: "visit-unknown".into(),
            message: "no such visit; name its start in `after`, and bind /visit to /visit".into(),
        });
    }
    Ok(EffectOutcome::Done { result: None })
}

#[tokio::main]
async fn main() -> Result<(), String> {
    observe::start("info", false)?;
    let opening = Opening { directory: PathBuf::from("bellwether-data"), new_epoch: false };
    let router = app(App {
        store: Embedded::open(&opening, Arc::new(Notes))?,
        // For development. Elsewhere: Guard::Tokens, and the origins of the app's pages.
        guard: Guard::Development,
        signatures: Signatures::Required,
        origins: Origins { named: Vec::new(), any: false, loopback: true },
        heads: Arc::default(),
        moods: None,
        assets: None,
    });
    let listener = TcpListener::bind("127.0.0.1:8787").await;
    let listener = listener.map_err(|fault| format!("cannot listen on port 8787: {fault}"))?;
    serve(listener, router, std::future::pending()).await;
    Ok(())
}
