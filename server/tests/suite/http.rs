//! Requests to the routes without a port.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use bellwether_server::auth::Guard;
use bellwether_server::config::Origins;
use bellwether_server::engine::Signatures;
use bellwether_server::live::Heads;
use bellwether_server::mood::{Moods, Moody};
use bellwether_server::store::{Memory, Store};
use bellwether_server::{App, app};
use bellwether_shared::wire::{self, Answer, CBOR, PROBLEM_CBOR, Problem, Push};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::effect::Scripted;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The answer, which must be one.
    pub(crate) fn answer(&self) -> Answer {
        assert_eq!((self.status, self.header("content-type")), (200, CBOR), "{self:?}");
        wire::from_cbor(&self.body, usize::MAX).expect("the body is an answer")
    }

    /// Status and code of the problem, in whichever encoding.
    pub(crate) fn problem(&self) -> (u16, String) {
        if self.header("content-type") == PROBLEM_CBOR {
            let problem: Problem =
                wire::from_cbor(&self.body, usize::MAX).expect("the body is a problem");
            assert_eq!(problem.status, self.status);
            return (problem.status, problem.code.into());
        }
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        assert!(json["type"].is_string() && json["title"].is_string());
        (self.status, json["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// How a test's server differs from the usual one.
pub(crate) struct Setup {
    pub(crate) guard: Guard,
    pub(crate) signatures: Signatures,
    pub(crate) origins: Origins,
    pub(crate) heads: Arc<Heads>,
    pub(crate) moods: bool,
    pub(crate) assets: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            guard: Guard::Development,
            signatures: Signatures::Required,
            origins: Origins { named: Vec::new(), any: false, loopback: true },
            heads: Arc::default(),
            moods: false,
            assets: None,
        }
    }
}

impl Setup {
    pub(crate) fn router(self) -> Router {
        let moods = self.moods.then(Arc::<Moods>::default);
        let store = match &moods {
            Some(moods) => {
                Memory::new(Arc::new(Moody::new(Arc::clone(moods), Arc::new(Scripted::default()))))
            }
            None => Memory::new(Arc::new(Scripted::default())),
        };
        self.over(store, moods)
    }

    /// The same over another store.
    pub(crate) fn router_over<S: Store>(self, store: S) -> Router {
        self.over(store, None)
    }

    fn over<S: Store>(self, store: S, moods: Option<Arc<Moods>>) -> Router {
        app(App {
            store,
            guard: self.guard,
            signatures: self.signatures,
            origins: self.origins,
            heads: self.heads,
            moods,
            assets: self.assets,
        })
    }
}

/// Sends a request with these headers.
pub(crate) async fn send(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).expect("tests send fit requests");
    let response = router.clone().oneshot(request).await.expect("routes do not fail");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("bodies end").to_bytes().to_vec();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub(crate) async fn get(router: &Router, path: &str) -> Reply {
    send(router, "GET", path, &[], Body::empty()).await
}

/// Pushes in CBOR.
pub(crate) async fn push(router: &Router, push: &Push) -> Reply {
    push_bytes(router, CBOR, wire::to_cbor(push)).await
}

pub(crate) async fn push_bytes(router: &Router, media_type: &str, body: Vec<u8>) -> Reply {
    send(router, "POST", "/v1/push", &[(header::CONTENT_TYPE.as_str(), media_type)], body).await
}
