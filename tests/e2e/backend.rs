//! An app's own back end: an ordinary HTTP server, which knows nothing of Bellwether.
//!
//! What always holds: a request under `/api/` is noted with what was answered, whatever that was, in the order in which
//! they came to be answered; it listens until its [`Backend`] is dropped.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running back end.
#[derive(Debug)]
pub(crate) struct Backend {
    port: u16,
    app: Arc<App>,
    task: JoinHandle<()>,
}

/// A request as it came, and what was answered.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) method: String,
    /// The path below `/api/`.
    pub(crate) path: String,
    /// Its `Idempotency-Key`.
    pub(crate) key: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
    pub(crate) reply: Reply,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Json(u16, Value),
    /// The connection ends in place of an answer.
    Cut,
}

impl Reply {
    /// Whether the app has done what was asked: when it has said so, and when it could not say so any more.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Json(200..=299, _) | Self::Cut)
    }
}

struct App {
    /// Everything beside `/api/` is a file of this folder.
    site: PathBuf,
    state: Mutex<State>,
}

struct State {
    decide: Box<dyn FnMut(&Noted) -> Reply + Send>,
    noted: Vec<Noted>,
}

impl Backend {
    /// Starts one that serves `site` and answers what is below `/api/` as `decide` says.
    pub(crate) async fn start(
        site: PathBuf,
        decide: impl FnMut(&Noted) -> Reply + Send + 'static,
    ) -> Self {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.expect("this machine has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let state = State { decide: Box::new(decide), noted: Vec::new() };
        let app = Arc::new(App { site, state: Mutex::new(state) });
        let task = tokio::spawn(serve(listener, Arc::clone(&app)));
        Self { port, app, task }
    }

    /// As pages see it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// Everything so far.
    pub(crate) fn noted(&self) -> Vec<Noted> {
        self.app.state().noted.clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl App {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let path = parts.uri.path();
        let Some(path) = path.strip_prefix("/api/") else { return Ok(self.file(path)) };
        let mut noted = Noted {
            method: parts.method.to_string(),
            path: path.to_owned(),
            key: text_of(&parts.headers, "idempotency-key"),
            authorization: text_of(&parts.headers, "authorization"),
            body: String::from_utf8_lossy(&body).into_owned(),
            reply: Reply::Cut,
        };
        let mut state = self.state();
        noted.reply = (state.decide)(&noted);
        state.noted.push(noted.clone());
        match noted.reply {
            Reply::Json(status, body) => {
                Ok(response(status, "application/json", body.to_string().into_bytes()))
            }
            Reply::Cut => Err(io::Error::other("the connection is cut, as ordered")),
        }
    }

    fn file(&self, path: &str) -> Response<Full<Bytes>> {
        let media_type = match path.rsplit('.').next() {
            Some("html") => "text/html",
            Some("js") => "text/javascript",
            Some("wasm") => "application/wasm",
            _ => "application/octet-stream",
        };
        match fs::read(self.site.join(path.trim_start_matches('/'))) {
            Ok(bytes) => response(200, media_type, bytes),
            Err(_) => response(404, "text/plain", b"there is no such file".to_vec()),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("site", &self.site).finish_non_exhaustive()
    }
}

async fn serve(listener: TcpListener, app: Arc<App>) {
    while let Ok((stream, _)) = listener.accept().await {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let service = service_fn(async |request| app.answer(request).await);
            // One that was cut ends with an error.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn response(status: u16, media_type: &str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, media_type);
    response.body(Full::new(body.into())).expect("these are a status and a header")
}
