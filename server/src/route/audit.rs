//! `GET /v1/audit`: a session's log with its proofs, as a file that is written while it is sent.
//!
//! What always holds: one part is in memory, and no transaction is open while the reader takes it; a
//! file that could not be written to its end has no end, and its connection breaks off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Frame;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::asked::{OfSession, admitted};
use super::format::Format;
use crate::app::App;
use crate::audit::{AuditAsk, Export};
use crate::fault::Fault;
use crate::store::Store;

/// Media type of a CBOR sequence (RFC 8742).
const CBOR_SEQUENCE: &str = "application/cbor-seq";

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    session: Box<str>,
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
    match begin(app, &headers, asked).await {
        Ok(parts) => {
            let headers =
                [(header::CONTENT_TYPE, CBOR_SEQUENCE), (header::CACHE_CONTROL, "no-store")];
            (headers, Body::new(parts)).into_response()
        }
        Err(fault) => Format::accepted(&headers).unwrap_or(Format::Json).problem(&fault),
    }
}

// The first part is there before the answer begins, so that what fails at once is still a problem.
async fn begin<S: Store>(
    app: Arc<App<S>>,
    headers: &HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Parts, Fault> {
    let (caller, asked) = admitted(&app.guard, headers, asked)?;
    let export = Export::new(AuditAsk { tenant: caller.tenant, session: asked.session });
    let (export, first) = app.store.audit(export).await?;
    let (sender, parts) = mpsc::channel(1);
    tokio::spawn(send(app, export, first, sender));
    Ok(Parts(parts))
}

async fn send<S: Store>(
    app: Arc<App<S>>,
    mut export: Export,
    mut part: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
) {
    loop {
        // A reader that has gone wants no more.
        if sender.send(Ok(part.into())).await.is_err() || export.is_done() {
            return;
        }
        (export, part) = match app.store.audit(export).await {
            Ok(next) => next,
            Err(fault) => {
                let _ = sender.send(Err(io::Error::other(fault))).await;
                return;
            }
        };
    }
}

/// A body that comes from elsewhere, part by part.
struct Parts(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}
