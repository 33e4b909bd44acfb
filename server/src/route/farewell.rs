//! `POST /v1/tickets` and `POST /v1/farewell`: what a page asks for while it lives, and what it sends when it
//! closes (OUT-8).
//!
//! What always holds: a farewell needs no header that a beacon cannot have; its ticket is what it may.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bellwether_shared::base::{Wall, limits};
use bellwether_shared::wire::farewell::{
    FAREWELL_BYTES_MAX, FAREWELL_EVENTS_MAX, Farewell, TICKET_BYTES_MAX, TICKETS, TICKETS_MAX,
    Tickets, TicketsWanted,
};
use bellwether_shared::wire::{self, Answer, Decode, PROTOCOL};
use serde::de::DeserializeOwned;

use super::format::{Format, read};
use crate::app::App;
use crate::bounds::{SMALL_BODY_BYTES_MAX, TICKET_AGE_MS};
use crate::engine::Parting;
use crate::fault::Fault;
use crate::store::{Store, entropy, wall};
use crate::ticket::Ticket;

pub(crate) async fn tickets<S: Store>(
    State(app): State<Arc<App<S>>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body_format = Format::of_body(&parts.headers);
    let format = Format::accepted(&parts.headers).or(body_format.clone().ok());
    let format = format.unwrap_or(Format::Json);
    let minted = async {
        let body = read(&parts.headers, body, SMALL_BODY_BYTES_MAX).await?;
        mint(&app, &parts.headers, body_format?, &body)
    };
    match minted.await {
        Ok(tickets) => format.answer(&tickets),
        Err(fault) => format.problem(&fault),
    }
}

fn mint<S: Store>(
    app: &App<S>,
    headers: &HeaderMap,
    format: Format,
    body: &[u8],
) -> Result<Tickets, Fault> {
    let caller = app.guard.admit(headers)?;
    let wanted: TicketsWanted = parse(format, body)?;
    check_protocol(wanted.protocol)?;
    let TicketsWanted { device, session, user, count, .. } = wanted;
    let is_fit = (1..=limits::NAME_BYTES_MAX).contains(&session.len())
        && user.len() <= limits::NAME_BYTES_MAX;
    if !is_fit {
        return Err(Fault::Malformed("session or user is out of its bounds".into()));
    }
    caller.may_use(&session)?;
    caller.may_speak_as(&user)?;
    let now = wall();
    let expires_at = Wall(now.0 + TICKET_AGE_MS);
    let one = || {
        let (tenant, session, user) = (caller.tenant.clone(), session.clone(), user.clone());
        let nonce = entropy()?;
        let ticket = Ticket { tenant, session, user, device, expires_at, nonce };
        Ok(app.store.ticket_key().seal(&ticket).into())
    };
    let count = usize::from(count.unwrap_or(TICKETS)).clamp(1, TICKETS_MAX);
    let tickets = (0..count).map(|_| one()).collect::<Result<_, Fault>>()?;
    Ok(Tickets { tickets, expires_at, server_time: now })
}

pub(crate) async fn post<S: Store>(State(app): State<Arc<App<S>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let accepted = Format::accepted(headers);
    let body = match read(headers, body, FAREWELL_BYTES_MAX).await {
        Ok(body) => body,
        Err(fault) => return accepted.unwrap_or(Format::Json).problem(&fault),
    };
    let body_format = format_of(headers, &body);
    let format = accepted.or(body_format.clone().ok()).unwrap_or(Format::Json);
    match take(&app, headers, body_format, &body).await {
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
    if app.guard.is_development() {
        app.guard.admit(headers)?;
    }
    let farewell: Farewell = parse(format?, body)?;
    check_protocol(farewell.protocol)?;
    if farewell.events.is_empty() {
        return Err(Fault::Malformed("the farewell has no events".into()));
    }
    if farewell.events.len() > FAREWELL_EVENTS_MAX {
        let found = farewell.events.len();
        return Err(Fault::BatchTooLarge { found, bound: FAREWELL_EVENTS_MAX });
    }
    if farewell.ticket.len() > TICKET_BYTES_MAX {
        return Err(Fault::TicketInvalid);
    }
    let ticket = app.store.ticket_key().open(&farewell.ticket, wall())?;
    let (tenant, session) = (ticket.tenant.clone(), ticket.session.clone());
    let (app, parting) = (Arc::clone(app), Parting::of(farewell, ticket)?);
    // On its own, because the page that sent it is gone.
    let taken = tokio::spawn(async move {
        let answer = app.store.farewell(parting).await?;
        app.heads.tell(&tenant, &session, answer.log_head);
        Ok(answer)
    });
    taken
        .await
        .map_err(|fault| Fault::Internal(format!("a farewell did not end: {fault}").into()))?
}

// A beacon that needs no leave beforehand can only say that it is plain text, or nothing. JSON begins with a
// brace, with which no farewell in CBOR begins.
fn format_of(headers: &HeaderMap, body: &[u8]) -> Result<Format, Fault> {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let plain = named.is_none_or(|named| {
        named.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/plain")
    });
    match body.first() {
        Some(b'{') if plain => Ok(Format::Json),
        _ if plain => Ok(Format::Cbor),
        _ => Format::of_body(headers),
    }
}

fn check_protocol(found: (u16, u16)) -> Result<(), Fault> {
    if (found.0..=found.1).contains(&PROTOCOL) {
        return Ok(());
    }
    Err(Fault::ProtocolUnknown { found, spoken: PROTOCOL })
}

fn parse<T: for<'b> Decode<'b> + DeserializeOwned>(
    format: Format,
    body: &[u8],
) -> Result<T, Fault> {
    let malformed = |fault: &dyn std::fmt::Display| {
        Fault::Malformed(format!("the body has another shape: {fault}").into())
    };
    match format {
        Format::Cbor => {
            wire::from_cbor(body, FAREWELL_BYTES_MAX).map_err(|fault| malformed(&fault))
        }
        Format::Json => serde_json::from_slice(body).map_err(|fault| malformed(&fault)),
    }
}
