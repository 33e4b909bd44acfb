//! `GET /v1/events`: a page of a session's log, for readers that are no Bellwether clients, too.
//!
//! JSON shows each event opened, with its body as the JSON that the app sent, and in it what the event
//! takes from its prerequisite's result (OUT-16). CBOR is the sealed form, [`LogPage`], with such a body beside.

use std::sync::Arc;

use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::HeaderMap;
use axum::response::Response;
use bellwether_shared::base::{DeviceId, EventId, Incarnation, LogEpoch, PageId, Seq, Wall};
use bellwether_shared::wire::{self, Event, Lane, LogEvent, LogPage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::format::{Format, json_answer};
use crate::app::App;
use crate::bounds::{PAGE_EVENTS, PAGE_EVENTS_MAX};
use crate::engine::PageAsk;
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
    let caller = app.guard.admit(headers)?;
    let Query(asked) = asked.map_err(|fault| Fault::Malformed(fault.body_text().into()))?;
    caller.may_use(&asked.session)?;
    let limit = asked.limit.unwrap_or(PAGE_EVENTS).clamp(1, PAGE_EVENTS_MAX);
    let ask = PageAsk {
        tenant: caller.tenant,
        session: asked.session,
        epoch: asked.epoch,
        after: asked.after,
        limit,
    };
    app.store.page(ask).await
}

#[derive(Debug, Serialize)]
struct OpenPage<'a> {
    epoch: LogEpoch,
    events: Vec<OpenEvent<'a>>,
    head: u64,
    floor: u64,
    more: bool,
}

/// An event as people read it. `stamp` is text, because it is larger than what JavaScript counts
/// exactly; the times are milliseconds since 1970.
#[derive(Debug, Serialize)]
struct OpenEvent<'a> {
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
    data: Option<&'a RawValue>,
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
    }
}

// What is in the log was readable when it was taken; if it is not any more, its place still shows.
fn open(event: &LogEvent) -> OpenEvent<'_> {
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
        data: bound
            .or(sealed.and_then(|sealed| sealed.data))
            .and_then(|text| serde_json::from_slice(text).ok()),
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
