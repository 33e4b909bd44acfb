//! The HTTP face: `app(state)` is the whole server but for its socket.
//!
//! What always holds: `/v1`, `/dev` and `/healthz` are never answered from files; every answer, a
//! refusal included, carries the headers that let an allowed page of another origin read it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use axum::routing::{any, get, post};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::auth::Guard;
use crate::config::Origins;
use crate::engine::Signatures;
use crate::fault::Fault;
use crate::live::Heads;
use crate::mood::Moods;
use crate::route::format::Format;
use crate::route::{assets, audit, dev, events, farewell, health, live, push, state};
use crate::store::Store;

/// What the routes work with.
#[derive(Debug)]
pub struct App<S> {
    /// Where everything is kept.
    pub store: S,
    /// Who may ask.
    pub guard: Guard,
    /// Whether unsigned batches are taken.
    pub signatures: Signatures,
    /// Which pages of other origins may ask.
    pub origins: Origins,
    /// Who waits for news of which log.
    pub heads: Arc<Heads>,
    /// Faults to order, if they are offered.
    pub moods: Option<Arc<Moods>>,
    /// What is served at `/`.
    pub assets: Option<PathBuf>,
}

/// The routes over `app`.
pub fn app<S: Store>(app: impl Into<Arc<App<S>>>) -> Router {
    let app: Arc<App<S>> = app.into();
    let cors = cors(app.origins.clone());
    let directory = app.assets.clone();
    let router = Router::new()
        .route("/v1/push", post(push::post::<S>).fallback(method_unknown))
        .route("/v1/events", get(events::get::<S>).fallback(method_unknown))
        .route("/v1/live", get(live::get::<S>).fallback(method_unknown))
        .route("/v1/state", get(state::get::<S>).fallback(method_unknown))
        .route("/v1/audit", get(audit::get::<S>).fallback(method_unknown))
        .route("/v1/tickets", post(farewell::tickets::<S>).fallback(method_unknown))
        .route("/v1/farewell", post(farewell::post::<S>).fallback(method_unknown))
        .route("/v1/{*rest}", any(not_found))
        .route("/dev/mood", get(dev::get::<S>).post(dev::post::<S>).fallback(method_unknown))
        .route("/dev/echo", any(dev::echo::<S>))
        .route("/dev/verify", post(dev::verify::<S>).fallback(method_unknown))
        .route("/dev/{*rest}", any(not_found))
        .route("/healthz", get(health::get::<S>).fallback(method_unknown))
        .with_state(app);
    let router = match directory {
        Some(directory) => assets::serve(router, &directory),
        None => router.fallback(not_found),
    };
    router.layer(cors)
}

fn cors(origins: Origins) -> CorsLayer {
    let private_network = origins.loopback;
    let allowed = move |origin: &HeaderValue, _: &_| {
        origin.to_str().is_ok_and(|origin| origins.allow(origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::ACCEPT,
        ])
        .expose_headers([header::RETRY_AFTER])
        .allow_private_network(private_network)
        .max_age(PREFLIGHT_AGE)
}

async fn not_found() -> Response {
    Format::Json.problem(&Fault::NotFound)
}

async fn method_unknown() -> Response {
    Format::Json.problem(&Fault::MethodUnknown)
}

const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
