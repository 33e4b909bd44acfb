//! `GET /v1/events`: a page of a session's log, for readers that are no Bellwether clients, too.
//!
//! JSON shows each event opened, with its body as the JSON that the app sent, and in it what the event
//! takes from its prerequisite's result (OUT-16). CBOR is the sealed form, [`LogPage`], with such a body beside.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_shared::base::{DeviceId, EventId, Incarnation, LogEpoch, PageId, Seq, Wall};
use bellwether_shared::rules::patch::{Patch, Write};
use bellwether_shared::wire::{self, Event, EventKind, Lane, LogEvent, LogPage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::asked::{OfSession, admitted};
use super::format::{Format, json_answer};
use crate::app::App;
use crate::bounds::{PAGE_EVENTS, PAGE_EVENTS_MAX, WAIT_MS_MAX};
use crate::engine::{PageAsk, Which};
use crate::fault::Fault;
use crate::store::Store;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    session: Box<str>,
    #[serde(default)]
    epoch: Option<LogEpoch>,
    #[serde(default)]
    after: u64,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    wait: u64,
    #[serde(default)]
    kind: Option<Kind>,
}

/// Which events are wanted.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Patch,
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
    let page = match read(&app, &headers, asked).await {
        Ok(page) => page,
        Err(fault) => return format.problem(&fault),
    };
    match format {
        Format::Cbor => super::format::cbor_answer(&page),
        Format::Json => json_answer(&opened(&page)),
    }
}

async fn read<S: Store>(
    app: &App<S>,
    headers: &HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<LogPage, Fault> {
    let (caller, asked) = admitted(&app.guard, headers, asked)?;
    let limit = asked.limit.unwrap_or(PAGE_EVENTS).clamp(1, PAGE_EVENTS_MAX);
    let mut ask = PageAsk {
        tenant: caller.tenant,
        session: asked.session,
        epoch: asked.epoch,
        after: asked.after,
        limit,
        which: match asked.kind {
            Some(Kind::Patch) => Which::Patches,
            None => Which::All,
        },
    };
    if asked.wait == 0 {
        return app.store.page(ask).await;
    }
    // Watched before it is read: what comes in between is heard of.
    let mut watch = app.heads.watch(&ask.tenant, &ask.session)?;
    let until = Instant::now() + Duration::from_millis(asked.wait.min(WAIT_MS_MAX));
    loop {
        let page = app.store.page(ask.clone()).await?;
        if !page.events.is_empty() || !matches!(timeout_at(until, watch.news()).await, Ok(true)) {
            return Ok(page);
        }
        ask.after = page.through.unwrap_or(ask.after);
    }
}

#[derive(Debug, Serialize)]
struct OpenPage<'a> {
    epoch: LogEpoch,
    events: Vec<OpenEvent<'a>>,
    head: u64,
    floor: u64,
    more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<u64>,
}

/// An event as people read it. `stamp` is text, because it is larger than what JavaScript counts
/// exactly; the times are milliseconds since 1970.
#[derive(Debug, Serialize)]
pub(super) struct OpenEvent<'a> {
    offset: u64,
    id: Option<EventId>,
    client: Incarnation,
    device: DeviceId,
    seq: Seq,
    lane: Lane,
    user: &'a str,
    #[serde(rename = "type")]
    type_: Option<&'a str>,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    data: Option<Cow<'a, RawValue>>,
    schema: Option<u32>,
    stamp: Option<String>,
    at: Option<Wall>,
    taken_at: Wall,
    correlation_id: Option<&'a str>,
    page: Option<PageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binds: Option<&'a RawValue>,
}

fn opened(page: &LogPage) -> OpenPage<'_> {
    OpenPage {
        epoch: page.epoch,
        events: page.events.iter().map(open).collect(),
        head: page.head,
        floor: page.floor,
        more: page.more,
        through: page.through,
    }
}

// What is in the log was readable when it was taken; if it is not any more, its place still shows.
pub(super) fn open(event: &LogEvent) -> OpenEvent<'_> {
    let sealed = wire::decode::<Event<'_>>(&event.sealed).ok();
    let sealed = sealed.as_ref();
    let bound = event.bound.as_ref().map(|bound| bound.as_slice());
    OpenEvent {
        offset: event.offset,
        id: sealed.map(|sealed| sealed.id.clone()),
        client: event.incarnation,
        device: event.device,
        seq: event.seq,
        lane: event.lane,
        user: &event.user,
        type_: sealed.map(|sealed| sealed.type_),
        key: sealed.and_then(|sealed| sealed.key),
        kind: sealed.and_then(|sealed| (sealed.kind == EventKind::Patch).then_some("patch")),
        data: match sealed {
            Some(sealed) if sealed.kind == EventKind::Patch => patch(sealed).map(Cow::Owned),
            _ => bound
                .or(sealed.and_then(|sealed| sealed.data))
                .and_then(|text| serde_json::from_slice(text).ok())
                .map(Cow::Borrowed),
        },
        schema: sealed.map(|sealed| sealed.schema),
        stamp: sealed.map(|sealed| sealed.stamp.0.to_string()),
        at: sealed.map(|sealed| sealed.at),
        taken_at: event.taken_at,
        correlation_id: sealed.and_then(|sealed| sealed.correlation),
        page: sealed.map(|sealed| sealed.page),
        after: sealed.and_then(|sealed| sealed.after.clone()),
        binds: sealed
            .and_then(|sealed| sealed.binds)
            .and_then(|text| serde_json::from_slice(text).ok()),
    }
}

// A patch as people read it: what it writes where, and on what.
fn patch(sealed: &Event<'_>) -> Option<Box<RawValue>> {
    #[derive(Serialize)]
    struct OpenWrite<'a> {
        key: &'a str,
        path: &'a [&'a str],
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        base: Option<OpenBase<'a>>,
    }
    #[derive(Serialize)]
    struct OpenBase<'a> {
        version: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<&'a EventId>,
    }
    let patch: Patch<'_> = wire::decode(sealed.data?).ok()?;
    let open = patch.writes.iter().map(|Write { key, path, value, base }| OpenWrite {
        key,
        path,
        value: value.and_then(|value| serde_json::from_slice(value).ok()),
        base: base
            .as_ref()
            .map(|base| OpenBase { version: base.version, after: base.after.as_ref() }),
    });
    let writes: Vec<OpenWrite<'_>> = open.collect();
    serde_json::value::to_raw_value(&serde_json::json!({ "writes": writes })).ok()
}
