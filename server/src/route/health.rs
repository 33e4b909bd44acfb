//! `GET /healthz`: whether the store answers. Needs no credential, and tells nothing else.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bellwether_shared::wire::PROTOCOL;
use serde_json::json;

use super::format::{Format, json_answer};
use crate::app::App;
use crate::store::Store;

pub(crate) async fn get<S: Store>(State(app): State<Arc<App<S>>>) -> Response {
    match app.store.ping().await {
        Ok(()) => json_answer(&json!({
            "ok": true,
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": PROTOCOL,
        })),
        Err(fault) => Format::Json.problem(&fault),
    }
}
