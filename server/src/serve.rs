//! Connections: accepting them, ending them, and cutting one off where a mood asks for it.
//!
//! What always holds: at most [`CONNECTIONS_MAX`] at once, and beside them the sockets of those who follow a log, which are
//! bounded by themselves; at the end no new ones are accepted, and
//! the requests that run have [`SHUTDOWN_MS_MAX`] to end.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use crate::bounds::{CONNECTIONS_MAX, HEAD_TIMEOUT_MS, SHUTDOWN_MS_MAX};

/// Serves `router` until `stop` ends, then lets what runs come to its end.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            (stream, permit) = accept(&listener, &permits) => {
                tokio::spawn(converse(stream, router.clone(), graceful.watcher(), permit));
            }
            () = &mut stop => break,
        }
    }
    drop(listener);
    let patience = Duration::from_millis(SHUTDOWN_MS_MAX);
    if tokio::time::timeout(patience, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
}

/// An answer that is never given: the connection ends in its place.
pub(crate) fn cut_off() -> Response {
    let mut response = ().into_response();
    response.extensions_mut().insert(CutOff);
    response
}

/// Marks an answer that is not to be given; as an error it ends the connection.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection was cut off, as ordered")]
struct CutOff;

// Dropped and begun again by the loop above at any point: neither a permit nor a stream is lost that
// was not given back.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(fault) => {
                // Mostly: out of file descriptors, which only time can mend.
                tracing::warn!(%fault, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    router: Router,
    watcher: Watcher,
    _permit: Option<OwnedSemaphorePermit>,
) {
    // Answers are written whole, so there is nothing to wait for.
    if let Err(fault) = stream.set_nodelay(true) {
        tracing::debug!(%fault, "a connection stays with delays");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let answered: Result<Response, Infallible> =
                router.oneshot(request.map(Body::new)).await;
            let response = answered.unwrap_or_else(|never| match never {});
            match response.extensions().get::<CutOff>() {
                Some(cut) => Err(*cut),
                None => Ok(response),
            }
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_TIMEOUT_MS));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(fault) = watcher.watch(connection).await {
        tracing::debug!(%fault, "a connection ended early");
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
