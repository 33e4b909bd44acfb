//! `POST /v1/push`: one batch of one stream, or a question where the stream stands.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use bellwether_shared::wire::{self, Answer, Push};

use super::format::{Format, read};
use crate::app::App;
use crate::bounds::{CBOR_BODY_BYTES_MAX, JSON_BODY_BYTES_MAX};
use crate::engine::{Checked, check_frame};
use crate::fault::Fault;
use crate::mood::{Mode, Moods};
use crate::serve::cut_off;
use crate::store::Store;

pub(crate) async fn post<S: Store>(State(app): State<Arc<App<S>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let body_format = Format::of_body(headers);
    let format = Format::accepted(headers).or(body_format.clone().ok()).unwrap_or(Format::Json);
    let mode = app.moods.as_ref().map_or(Mode::Well, |moods| moods.befall());
    if mode == Mode::Down {
        return cut_off();
    }
    let bound = match body_format {
        Ok(Format::Cbor) => CBOR_BODY_BYTES_MAX,
        Ok(Format::Json) | Err(_) => JSON_BODY_BYTES_MAX,
    };
    let body = match read(headers, body, bound).await {
        Ok(body) => body,
        Err(fault) => return format.problem(&fault),
    };
    if let Some(response) = befallen(mode, app.moods.as_deref(), format).await {
        return response;
    }
    let answer = take(&app, headers, body_format, &body).await;
    if mode == Mode::LoseAnswers {
        return cut_off();
    }
    match answer {
        Ok(answer) => format.answer(&answer),
        Err(fault) => format.problem(&fault),
    }
}

async fn take<S: Store>(
    app: &Arc<App<S>>,
    headers: &HeaderMap,
    format: Result<Format, Fault>,
    body: &[u8],
) -> Result<Answer, Fault> {
    let caller = app.guard.admit(headers)?;
    let push = parse(format?, body)?;
    check_frame(&push)?;
    caller.may_use(&push.stream.session)?;
    caller.may_speak_as(&push.stream.user)?;
    if push.events.is_empty() {
        return app.store.position(&caller.tenant, push).await;
    }
    match app.moods.as_ref().and_then(|moods| moods.poison(&push)) {
        Some(400) => return Err(ordered_400()),
        Some(_) => return Err(ordered_500()),
        None => {}
    }
    let session = push.stream.session.clone();
    let checked = Checked::of(push, app.signatures)?;
    let (app, tenant) = (Arc::clone(app), caller.tenant);
    // On its own, so that it is told also if whoever sent it has gone.
    let pushed = tokio::spawn(async move {
        let answer = app.store.push(&tenant, checked).await?;
        app.heads.tell(&tenant, &session, answer.log_head);
        Ok(answer)
    });
    pushed.await.map_err(|fault| Fault::Internal(format!("a push did not end: {fault}").into()))?
}

fn parse(format: Format, body: &[u8]) -> Result<Push, Fault> {
    let malformed = |fault: &dyn std::fmt::Display| {
        Fault::Malformed(format!("the body is not a push: {fault}").into())
    };
    match format {
        Format::Cbor => {
            wire::from_cbor(body, CBOR_BODY_BYTES_MAX).map_err(|fault| malformed(&fault))
        }
        Format::Json => serde_json::from_slice(body).map_err(|fault| malformed(&fault)),
    }
}

pub(super) async fn befallen(
    mode: Mode,
    moods: Option<&Moods>,
    format: Format,
) -> Option<Response> {
    let moods = moods?;
    match mode {
        Mode::Well | Mode::LoseAnswers => None,
        Mode::Slow => {
            tokio::time::sleep(moods.delay()).await;
            None
        }
        Mode::Down | Mode::Cut => Some(cut_off()),
        Mode::Error500 => Some(format.problem(&ordered_500())),
        Mode::Error400 => Some(format.problem(&ordered_400())),
        Mode::Error429 => {
            Some(format.problem(&Fault::Throttled { retry_after_ms: moods.retry_after_ms() }))
        }
        Mode::NotOurs404 => {
            let page = Html("<!doctype html><title>Not found</title><h1>Not found</h1>");
            Some((StatusCode::NOT_FOUND, page).into_response())
        }
    }
}

fn ordered_500() -> Fault {
    Fault::Internal("the server was told to fail".into())
}

fn ordered_400() -> Fault {
    Fault::Malformed("the server was told to refuse".into())
}
