//! `GET /v1/state`: a session's document, for readers that are no Bellwether clients, too (STATE-1, SRV-3).
//!
//! JSON shows the value of each key. CBOR shows the writes that it is made of, [`Snapshot`], from which a device goes on.

use std::sync::Arc;

use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_shared::base::LogEpoch;
use bellwether_shared::rules::document::Entry;
use bellwether_shared::wire::{self, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::asked::{OfSession, admitted};
use super::format::{Format, cbor_answer, json_answer};
use crate::app::App;
use crate::engine::StateAsk;
use crate::fault::Fault;
use crate::store::Store;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    session: Box<str>,
    #[serde(default)]
    epoch: Option<LogEpoch>,
    #[serde(default)]
    after: Box<str>,
}

impl OfSession for Asked {
    fn session(&self) -> &str {
        &self.session
    }
}

pub(crate) async fn get<S: Store>(
    State(app): State<Arc<App<S>>>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let format = Format::accepted(&headers).unwrap_or(Format::Json);
    let snapshot = match read(&app, &headers, asked).await {
        Ok(snapshot) => snapshot,
        Err(fault) => return format.problem(&fault),
    };
    match format {
        Format::Cbor => cbor_answer(&snapshot),
        Format::Json => json_answer(&opened(&snapshot)),
    }
}

async fn read<S: Store>(
    app: &App<S>,
    headers: &HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Snapshot, Fault> {
    let (caller, asked) = admitted(&app.guard, headers, asked)?;
    let Asked { session, epoch, after } = asked;
    app.store.snapshot(StateAsk { tenant: caller.tenant, session, epoch, after }).await
}

#[derive(Debug, Serialize)]
struct OpenSnapshot<'a> {
    epoch: LogEpoch,
    head: u64,
    entries: Vec<OpenEntry<'a>>,
    more: bool,
}

/// A key as people read it; one that was deleted has no value.
#[derive(Debug, Serialize)]
struct OpenEntry<'a> {
    key: &'a str,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
}

// What is in the document could be read when it was written.
fn opened(snapshot: &Snapshot) -> OpenSnapshot<'_> {
    let entries = snapshot.entries.iter().map(|(key, entry)| {
        let entry: Entry = wire::decode(entry).unwrap_or_default();
        OpenEntry { key, version: entry.version, value: value(&entry) }
    });
    OpenSnapshot {
        epoch: snapshot.epoch,
        head: snapshot.head,
        entries: entries.collect(),
        more: snapshot.more,
    }
}

/// What an entry shows; nothing where all was deleted. A value that stands alone is shown as it was written.
fn value(entry: &Entry) -> Option<Box<RawValue>> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).ok();
    if let [leaf] = &*entry.leaves
        && leaf.path.is_empty()
    {
        return RawValue::from_string(text(leaf.value.as_ref()?)?).ok();
    }
    let mut shown = None;
    for leaf in &entry.leaves {
        // JSON can say what cannot be put together: half a character, a number beyond all bounds.
        let value =
            leaf.value.as_ref().map(|text| serde_json::from_slice(text).unwrap_or_default());
        put(&mut shown, &leaf.path, value);
    }
    shown.and_then(|shown| to_raw_value(&shown).ok())
}

fn put(at: &mut Option<Value>, path: &[Box<str>], value: Option<Value>) {
    let [name, rest @ ..] = path else {
        *at = value;
        return;
    };
    let members = match at {
        Some(Value::Object(members)) => members,
        // Where there is no object there is nothing to be deleted.
        _ if value.is_none() => return,
        _ => {
            *at = Some(Value::Object(Map::new()));
            let Some(Value::Object(members)) = at else { return };
            members
        }
    };
    let mut member = members.remove(&**name);
    put(&mut member, rest, value);
    if let Some(member) = member {
        members.insert((**name).into(), member);
    }
}
