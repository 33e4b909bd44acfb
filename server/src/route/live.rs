//! `GET /v1/live`: a session's log as it grows, by a WebSocket (RFC 6455) or as server-sent events (WHATWG HTML, section 9.2).
//!
//! What always holds: events come in the log's order and without a hole, from where the reader says he is; nothing is buffered
//! for anybody: the log is read as fast as the reader takes it, and one who is too far behind is told so (`hint`) and reads the
//! rest by `GET /v1/events`.

mod socket;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwether_shared::base::LogEpoch;
use bellwether_shared::wire::{self, LogEvent, LogPage};
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::asked::{OfSession, admitted};
use super::events::open;
use super::format::Format;
use crate::app::App;
use crate::bounds::{
    COUNT_MAX, LIVE_ALIVE_MS, LIVE_LAG_MAX, LIVE_RETRY_MS_MAX, LIVE_RETRY_MS_MIN, LIVE_TAKE_MS_MAX,
    PAGE_EVENTS,
};
use crate::engine::{PageAsk, Which};
use crate::fault::Fault;
use crate::live::Watch;
use crate::store::{Store, entropy};

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

impl OfSession for Asked {
    fn session(&self) -> &str {
        &self.session
    }
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    /// Open, as by `GET /v1/events`.
    #[default]
    Json,
    /// Sealed, a `log-event` in CBOR.
    Cbor,
}

/// What a reader is told.
#[derive(Debug)]
enum Told {
    /// Where he stands, and how long to wait before he comes again if this ends.
    Welcome { head: u64, retry_ms: u64 },
    /// An event of the log.
    Event(Box<LogEvent>),
    /// He is too far behind.
    Hint { head: u64, floor: Option<u64> },
    /// The log cannot be followed any further.
    End { code: Box<str>, detail: Box<str> },
    /// Nothing has happened.
    Alive,
}

/// Something told, and the place in the log up to which he has been told with it.
#[derive(Debug)]
struct News {
    epoch: LogEpoch,
    after: u64,
    told: Told,
}

pub(crate) async fn get<S: Store>(
    State(app): State<Arc<App<S>>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let is_socket = headers.contains_key(header::UPGRADE);
    let credentials =
        if is_socket { socket::credentials(&headers, &app.origins) } else { Ok(headers) };
    let begun = match credentials {
        Ok(headers) => begin(&app, &headers, asked).await,
        Err(fault) => Err(fault),
    };
    match (begun, upgrade) {
        (Ok((reader, first)), Ok(upgrade)) => socket::answer(upgrade, reader, app, first),
        (Ok(_), Err(rejection)) if is_socket => {
            Format::Json.problem(&Fault::Malformed(rejection.body_text().into()))
        }
        (Ok((reader, first)), Err(_)) => {
            let (encoding, news) = (reader.encoding, reader.start(app, first));
            let headers =
                [(header::CONTENT_TYPE, EVENT_STREAM), (header::CACHE_CONTROL, "no-store")];
            (StatusCode::OK, headers, Body::new(Lines { news, encoding })).into_response()
        }
        (Err(fault), _) => Format::Json.problem(&fault),
    }
}

// Watched before it is read: what comes in between is heard of.
async fn begin<S: Store>(
    app: &App<S>,
    headers: &HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<(Reader, LogPage), Fault> {
    let (caller, asked) = admitted(&app.guard, headers, asked)?;
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
        which: Which::All,
    };
    let page = page(app, &ask).await?;
    ask.after = after.unwrap_or(page.head);
    Ok((Reader { ask, watch, encoding: asked.encoding }, page))
}

/// What comes next in the log. Where that is not kept any more, nothing comes before its head.
async fn page<S: Store>(app: &App<S>, ask: &PageAsk) -> Result<LogPage, Fault> {
    match app.store.page(ask.clone()).await {
        Err(Fault::Compacted { epoch, head, floor }) => {
            Ok(LogPage { epoch, events: Vec::new(), head, floor, more: true, through: None })
        }
        read => read,
    }
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
    // Ends when nobody takes the news any more, and with the server.
    fn start<S: Store>(self, app: Arc<App<S>>, first: LogPage) -> mpsc::Receiver<News> {
        let (news, taken) = mpsc::channel(1);
        tokio::spawn(async move {
            let _ = self.go_on(&app, first, &news).await;
            // The store is let go of before the reader hears of the end.
            drop(app);
            drop(news);
        });
        taken
    }

    async fn go_on<S: Store>(
        mut self,
        app: &App<S>,
        first: LogPage,
        news: &mpsc::Sender<News>,
    ) -> Result<(), Gone> {
        let welcome = Told::Welcome { head: first.head, retry_ms: retry_ms() };
        give(news, self.news(first.epoch, welcome)).await?;
        self.tell(&first, news).await?;
        let mut is_behind = first.head > self.ask.after;
        drop(first);
        loop {
            let read = if is_behind {
                page(app, &self.ask).await.map(Arc::new)
            } else {
                // What was committed before the last reading has been read; what comes after is told.
                if !self.wait(news).await? {
                    return Ok(());
                }
                // Whoever has read as far reads this once for all.
                let (after, told) = (self.ask.after, self.watch.told());
                self.watch.tail().page(after, told, page(app, &self.ask)).await
            };
            match read {
                Ok(page) => {
                    self.tell(&page, news).await?;
                    is_behind = page.head > self.ask.after;
                }
                // Another life of the log, or a store that fails: the reader begins anew.
                Err(fault) => {
                    let problem = fault.problem();
                    let (code, detail) = (problem.code, problem.detail);
                    let epoch = self.ask.epoch.unwrap_or_default();
                    return give(news, self.news(epoch, Told::End { code, detail })).await;
                }
            }
        }
    }

    // Whether there may be news. The log is looked at again from time to time, whatever was told.
    async fn wait(&mut self, news: &mpsc::Sender<News>) -> Result<bool, Gone> {
        tokio::select! {
            is_news = self.watch.news() => return Ok(is_news),
            () = news.closed() => return Ok(false),
            () = tokio::time::sleep(Duration::from_millis(LIVE_ALIVE_MS)) => {}
        }
        give(news, self.news(self.ask.epoch.unwrap_or_default(), Told::Alive)).await?;
        Ok(true)
    }

    async fn tell(&mut self, page: &LogPage, news: &mpsc::Sender<News>) -> Result<(), Gone> {
        // A log that did not live yet has a name from its first event on.
        if page.epoch != LogEpoch::default() {
            self.ask.epoch = Some(page.epoch);
        }
        let lag = page.head.saturating_sub(self.ask.after);
        // Events that are not kept any more are not waited for either.
        if lag > LIVE_LAG_MAX || lag > 0 && page.events.is_empty() {
            let floor = (self.ask.after < page.floor).then_some(page.floor);
            self.ask.after = page.head;
            return give(news, self.news(page.epoch, Told::Hint { head: page.head, floor })).await;
        }
        for event in &page.events {
            if event.offset > self.ask.after {
                self.ask.after = event.offset;
                give(news, self.news(page.epoch, Told::Event(Box::new(event.clone())))).await?;
            }
        }
        Ok(())
    }

    fn news(&self, epoch: LogEpoch, told: Told) -> News {
        News { epoch, after: self.ask.after, told }
    }
}

/// Nobody takes the news any more.
struct Gone;

async fn give(to: &mpsc::Sender<News>, news: News) -> Result<(), Gone> {
    let patience = Duration::from_millis(LIVE_TAKE_MS_MAX);
    to.send_timeout(news, patience).await.map_err(|_| Gone)
}

impl News {
    fn name(&self) -> &'static str {
        match &self.told {
            Told::Welcome { .. } => "welcome",
            Told::Event(_) => "event",
            Told::Hint { .. } => "hint",
            Told::End { .. } => "end",
            Told::Alive => "alive",
        }
    }

    fn id(&self) -> String {
        format!("{}:{}", self.epoch, self.after)
    }

    fn data(&self) -> String {
        let data = match &self.told {
            Told::Welcome { head, retry_ms } => {
                let (epoch, after) = (&self.epoch, self.after);
                json!({ "epoch": epoch, "head": head, "after": after, "retry_ms": retry_ms })
            }
            // What was read from the log can be written.
            Told::Event(event) => return serde_json::to_string(&open(event)).unwrap_or_default(),
            Told::Hint { head, floor: None } => json!({ "epoch": self.epoch, "head": head }),
            Told::Hint { head, floor } => {
                let code = wire::code::COMPACTED;
                json!({ "epoch": self.epoch, "head": head, "code": code, "floor": floor })
            }
            Told::End { code, detail } => json!({ "code": code, "detail": detail }),
            Told::Alive => Value::Null,
        };
        data.to_string()
    }

    // JSON of ours and base64 have no line breaks.
    fn block(&self, encoding: Encoding) -> String {
        let data = match (&self.told, encoding) {
            (Told::Alive, _) => return ": alive\n\n".into(),
            (Told::Event(event), Encoding::Cbor) => STANDARD.encode(wire::to_cbor(&**event)),
            _ => self.data(),
        };
        let mut block = String::with_capacity(data.len() + 100);
        if let Told::Welcome { retry_ms, .. } = self.told {
            let _ = writeln!(block, "retry: {retry_ms}");
        }
        let _ = write!(block, "event: {}\nid: {}\ndata: {data}\n\n", self.name(), self.id());
        block
    }
}

/// A body of blocks, each written when it is taken.
struct Lines {
    news: mpsc::Receiver<News>,
    encoding: Encoding,
}

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let encoding = self.encoding;
        let frame = |news: News| Ok(Frame::data(news.block(encoding).into()));
        self.news.poll_recv(context).map(|news| news.map(frame))
    }
}

// Each waits for another time, so that they do not all come at once after a restart (SRV-7).
fn retry_ms() -> u64 {
    let random = entropy::<2>().map_or(0, u16::from_le_bytes);
    LIVE_RETRY_MS_MIN + u64::from(random) % (LIVE_RETRY_MS_MAX - LIVE_RETRY_MS_MIN)
}

const EVENT_STREAM: &str = "text/event-stream";
