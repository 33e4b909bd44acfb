//! What demonstrations and tests need; there only with `--dev-faults`, in development.
//!
//! `GET` and `POST /dev/mood`: faults to order. `/dev/echo`: an ordinary endpoint for plain requests, which tells what it
//! was sent and how often, and is in the same mood. `POST /dev/verify`: whether an audit's file is sound.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;

use serde::Serialize;

use super::format::{Format, json_answer, read};
use super::push::befallen;
use crate::app::App;
use crate::audit::{self, Rules};
use crate::bounds::{AUDIT_CHECK_BYTES_MAX, SMALL_BODY_BYTES_MAX};
use crate::fault::Fault;
use crate::mood::{Mode, Mood, Moods, Report};
use crate::serve::cut_off;
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

/// What a plain request has brought.
#[derive(Debug, Serialize)]
struct Echo {
    method: Box<str>,
    key: Box<str>,
    /// How often this key has come.
    times: u64,
    text: Box<str>,
}

pub(crate) async fn echo<S: Store>(State(app): State<Arc<App<S>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let echo = async {
        let moods = moods(&app, &parts.headers)?;
        let body = read(&parts.headers, body, SMALL_BODY_BYTES_MAX).await?;
        let mode = moods.befall();
        if let Some(response) = befallen(mode, Some(moods), Format::Json).await {
            return Ok(response);
        }
        let key = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let key = key.unwrap_or_default();
        let (times, text) = (moods.echo(key), String::from_utf8_lossy(&body).into());
        let echo = Echo { method: parts.method.as_str().into(), key: key.into(), times, text };
        let lost = mode == Mode::LoseAnswers;
        Ok::<_, Fault>(if lost { cut_off() } else { json_answer(&echo) })
    };
    echo.await.unwrap_or_else(|fault| Format::Json.problem(&fault))
}

/// What was found in an audit's file.
#[derive(Debug, Serialize)]
struct Verdict {
    sound: bool,
    finding: Option<Box<str>>,
}

pub(crate) async fn verify<S: Store>(State(app): State<Arc<App<S>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let verdict = async {
        moods(&app, &parts.headers)?;
        let file = read(&parts.headers, body, AUDIT_CHECK_BYTES_MAX).await?;
        let found = audit::verify(&file[..], &Rules::default()).err();
        let finding: Option<Box<str>> = found.map(|found| found.to_string().into());
        Ok::<_, Fault>(json_answer(&Verdict { sound: finding.is_none(), finding }))
    };
    verdict.await.unwrap_or_else(|fault| Format::Json.problem(&fault))
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
