//! The live log over a WebSocket.
//!
//! A browser can give a socket no headers but the subprotocols that it offers: `bellwether.v1.json` or `bellwether.v1.cbor` says
//! how events come, and `bearer.` with a token behind it stands for the `Authorization` header.
//!
//! What always holds: a page of an origin that may not ask gets no socket, since no browser would keep it from reading; a
//! reader that says nothing for two of our questions, or takes nothing for as long, is gone.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bellwether_shared::wire::{self, LogPage};

use super::{Encoding, News, Reader, Told};
use crate::app::App;
use crate::bounds::{
    CLOSE_TIMEOUT_MS, LIVE_TAKE_MS_MAX, SOCKET_BUFFER_BYTES, SOCKET_MESSAGE_BYTES_MAX,
    SOCKET_SILENT_QUESTIONS_MAX,
};
use crate::config::Origins;
use crate::fault::Fault;
use crate::store::Store;

/// The headers as the guard reads them.
///
/// # Errors
/// [`Fault::Forbidden`]: a page of this origin may not ask.
pub(super) fn credentials(headers: &HeaderMap, origins: &Origins) -> Result<HeaderMap, Fault> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(origin) = text(header::ORIGIN) {
        let host = origin.split_once("://").map(|(_, host)| host);
        if host != text(header::HOST) && !origins.allow(origin) {
            return Err(Fault::Forbidden("pages of this origin may not ask".into()));
        }
    }
    let mut headers = headers.clone();
    let token = offered(&headers).find_map(|it| it.strip_prefix("bearer.")).map(str::to_owned);
    if let Some(token) =
        token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok())
    {
        headers.insert(header::AUTHORIZATION, token);
    }
    Ok(headers)
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

pub(super) fn answer<S: Store>(
    upgrade: WebSocketUpgrade,
    mut reader: Reader,
    app: Arc<App<S>>,
    first: LogPage,
) -> Response {
    let upgrade = upgrade
        .protocols([JSON, CBOR])
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .max_frame_size(SOCKET_MESSAGE_BYTES_MAX)
        .max_message_size(SOCKET_MESSAGE_BYTES_MAX);
    match upgrade.selected_protocol().and_then(|chosen| chosen.to_str().ok()) {
        Some(CBOR) => reader.encoding = Encoding::Cbor,
        Some(_) => reader.encoding = Encoding::Json,
        None => {}
    }
    upgrade.on_upgrade(move |socket| converse(socket, reader, app, first))
}

async fn converse<S: Store>(
    mut socket: WebSocket,
    reader: Reader,
    app: Arc<App<S>>,
    first: LogPage,
) {
    let encoding = reader.encoding;
    let mut news = reader.start(app, first);
    let mut questions = 0;
    loop {
        let message = tokio::select! {
            news = news.recv() => match news {
                Some(News { told: Told::Alive, .. }) => {
                    questions += 1;
                    if questions > SOCKET_SILENT_QUESTIONS_MAX {
                        return;
                    }
                    Message::Ping(Vec::new().into())
                }
                Some(news) => message(&news, encoding),
                None => break,
            },
            heard = socket.recv() => match heard {
                // Nothing that a reader says means anything, but that he is there.
                Some(Ok(_)) => {
                    questions = 0;
                    continue;
                }
                Some(Err(_)) | None => return,
            },
        };
        let patience = Duration::from_millis(LIVE_TAKE_MS_MAX);
        if !matches!(tokio::time::timeout(patience, socket.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
    let close = CloseFrame { code: COME_AGAIN, reason: "come again".into() };
    // Who does not hear it learns of the end all the same. A connection that is dropped before the other has closed it,
    // too, may be reset, and its last words lost.
    let closing = async {
        if socket.send(Message::Close(Some(close))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(CLOSE_TIMEOUT_MS), closing).await;
}

fn message(news: &News, encoding: Encoding) -> Message {
    match (&news.told, encoding) {
        (Told::Event(event), Encoding::Cbor) => Message::Binary(wire::to_cbor(&**event).into()),
        _ => {
            // Names and places need no escaping.
            let (name, id, data) = (news.name(), news.id(), news.data());
            Message::Text(format!(r#"{{"event":"{name}","id":"{id}","data":{data}}}"#).into())
        }
    }
}

const JSON: &str = "bellwether.v1.json";
const CBOR: &str = "bellwether.v1.cbor";
/// The server ends, or the log cannot be followed any further.
const COME_AGAIN: u16 = 4_000;
