//! `GET` and `POST /dev/mood`: faults to order; there only with `--dev-faults`, in development.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::format::{Format, json_answer, read};
use crate::app::App;
use crate::bounds::SMALL_BODY_BYTES_MAX;
use crate::fault::Fault;
use crate::mood::{Mood, Moods, Report};
use crate::store::Store;

pub(crate) async fn get<S: Store>(State(app): State<Arc<App<S>>>, headers: HeaderMap) -> Response {
    told(moods(&app, &headers).map(|moods| moods.report()))
}

pub(crate) async fn post<S: Store>(State(app): State<Arc<App<S>>>, request: Request) -> Response {
    told(order(&app, request).await)
}

async fn order<S: Store>(app: &App<S>, request: Request) -> Result<Report, Fault> {
    let (parts, body) = request.into_parts();
    let moods = moods(app, &parts.headers)?;
    let body = read(&parts.headers, body, SMALL_BODY_BYTES_MAX).await?;
    let mood: Mood = serde_json::from_slice(&body)
        .map_err(|fault| Fault::Malformed(format!("the body is not a mood: {fault}").into()))?;
    tracing::info!(?mood, "the mood has changed");
    moods.set(mood);
    Ok(moods.report())
}

fn moods<'a, S: Store>(app: &'a App<S>, headers: &HeaderMap) -> Result<&'a Moods, Fault> {
    app.guard.admit(headers)?;
    app.moods.as_deref().ok_or(Fault::NotFound)
}

fn told(report: Result<Report, Fault>) -> Response {
    match report {
        Ok(report) => json_answer(&report),
        Err(fault) => Format::Json.problem(&fault),
    }
}
