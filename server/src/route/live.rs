//! `GET /v1/live`: a session's log as it grows, as server-sent events (WHATWG HTML, section 9.2).
//!
//! What always holds: events come in the log's order and without a hole, from where the reader says he is; nothing is buffered
//! for anybody: the log is read as fast as the reader takes it, and one who is too far behind is told so (`hint`) and reads the
//! rest by `GET /v1/events`.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwether_shared::base::LogEpoch;
use bellwether_shared::wire::{self, LogPage};
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::events::open;
use super::format::Format;
use crate::app::App;
use crate::bounds::{COUNT_MAX, LIVE_ALIVE_MS, LIVE_LAG_MAX, PAGE_EVENTS};
use crate::engine::PageAsk;
use crate::fault::Fault;
use crate::live::Watch;
use crate::store::Store;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    session: Box<str>,
    #[serde(default)]
    epoch: Option<LogEpoch>,
    #[serde(default)]
    after: Option<u64>,
    #[serde(default)]
    encoding: Encoding,
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    /// Open, as by `GET /v1/events`.
    #[default]
    Json,
    /// Sealed, base64 of a `log-event` in CBOR.
    Cbor,
}

pub(crate) async fn get<S: Store>(
    State(app): State<Arc<App<S>>>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    match begin(&app, &headers, asked).await {
        Ok((reader, first)) => {
            let (lines, taken) = mpsc::channel(1);
            tokio::spawn(reader.go_on(app, first, lines));
            let headers =
                [(header::CONTENT_TYPE, EVENT_STREAM), (header::CACHE_CONTROL, "no-store")];
            (StatusCode::OK, headers, Body::new(Lines(taken))).into_response()
        }
        Err(fault) => Format::Json.problem(&fault),
    }
}

// Watched before it is read: what comes in between is heard of.
async fn begin<S: Store>(
    app: &App<S>,
    headers: &HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<(Reader, LogPage), Fault> {
    let caller = app.guard.admit(headers)?;
    let Query(asked) = asked.map_err(|fault| Fault::Malformed(fault.body_text().into()))?;
    caller.may_use(&asked.session)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let (epoch, after) = match last.map(|id| place(id).ok_or_else(|| unread(id))).transpose()? {
        Some((epoch, offset)) => (Some(epoch), Some(offset)),
        None => (asked.epoch, asked.after),
    };
    let watch = app.heads.watch(&caller.tenant, &asked.session)?;
    let mut ask = PageAsk {
        tenant: caller.tenant,
        session: asked.session,
        epoch,
        // From here on, unless the reader has something.
        after: after.unwrap_or(COUNT_MAX),
        limit: PAGE_EVENTS,
    };
    let page = app.store.page(ask.clone()).await?;
    ask.after = after.unwrap_or(page.head);
    Ok((Reader { ask, watch, encoding: asked.encoding }, page))
}

fn place(id: &str) -> Option<(LogEpoch, u64)> {
    let (epoch, offset) = id.split_once(':')?;
    Some((LogEpoch::parse(epoch)?, offset.parse().ok()?))
}

fn unread(id: &str) -> Fault {
    Fault::Malformed(format!("{id:?} is no Last-Event-ID of this server: `epoch:offset`").into())
}

/// Someone who reads along.
struct Reader {
    ask: PageAsk,
    watch: Watch,
    encoding: Encoding,
}

impl Reader {
    // Until nobody takes it any more, or the server ends.
    async fn go_on<S: Store>(
        mut self,
        app: Arc<App<S>>,
        first: LogPage,
        lines: mpsc::Sender<Bytes>,
    ) {
        let welcome = json!({ "epoch": first.epoch, "head": first.head, "after": self.ask.after });
        let welcome = self.block(first.epoch, "welcome", &welcome.to_string());
        if lines.send(welcome).await.is_err() {
            return;
        }
        let mut page: Result<LogPage, Fault> = Ok(first);
        loop {
            let block = match &page {
                Ok(page) => self.read(page),
                // Another life of the log, or a store that fails: the reader begins anew.
                Err(fault) => {
                    let problem = fault.problem();
                    let told = json!({ "code": problem.code, "detail": problem.detail });
                    let _ = lines.send(format!("event: end\ndata: {told}\n\n").into()).await;
                    return;
                }
            };
            if !block.is_empty() && lines.send(block).await.is_err() {
                return;
            }
            let is_behind = page.as_ref().is_ok_and(|page| self.ask.after < page.head);
            if !is_behind && !self.wait(&lines).await {
                return;
            }
            page = app.store.page(self.ask.clone()).await;
        }
    }

    // Whether there may be news.
    async fn wait(&mut self, lines: &mpsc::Sender<Bytes>) -> bool {
        loop {
            tokio::select! {
                news = self.watch.news() => return news,
                () = lines.closed() => return false,
                () = tokio::time::sleep(Duration::from_millis(LIVE_ALIVE_MS)) => {}
            }
            if lines.send(Bytes::from_static(b": alive\n\n")).await.is_err() {
                return false;
            }
        }
    }

    fn read(&mut self, page: &LogPage) -> Bytes {
        // A log that did not live yet has a name from its first event on.
        if page.epoch != LogEpoch::default() {
            self.ask.epoch = Some(page.epoch);
        }
        let lag = page.head.saturating_sub(self.ask.after);
        // Events that are not kept any more are not waited for either.
        if lag > LIVE_LAG_MAX || lag > 0 && page.events.is_empty() {
            self.ask.after = page.head;
            let hint = json!({ "epoch": page.epoch, "head": page.head });
            return self.block(page.epoch, "hint", &hint.to_string());
        }
        let mut blocks = Vec::new();
        let fresh = page.events.iter().filter(|event| event.offset > self.ask.after);
        for event in fresh.collect::<Vec<_>>() {
            let data = match self.encoding {
                Encoding::Cbor => STANDARD.encode(wire::to_cbor(event)),
                // What was read from the log can be written.
                Encoding::Json => serde_json::to_string(&open(event)).unwrap_or_default(),
            };
            self.ask.after = event.offset;
            blocks.extend_from_slice(&self.block(page.epoch, "event", &data));
        }
        blocks.into()
    }

    // JSON of ours and base64 have no line breaks.
    fn block(&self, epoch: LogEpoch, name: &str, data: &str) -> Bytes {
        let mut block = String::with_capacity(data.len() + 100);
        let after = self.ask.after;
        let _ = write!(block, "event: {name}\nid: {epoch}:{after}\ndata: {data}\n\n");
        block.into()
    }
}

/// A body that is written as somebody sends it.
struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|lines| lines.map(|lines| Ok(Frame::data(lines))))
    }
}

const EVENT_STREAM: &str = "text/event-stream";
