//! Farewells: tickets, what they may, and how their events are known when the stream brings them.

use axum::Router;
use axum::body::Body;
use bellwether_server::Fault;
use bellwether_server::audit::{Flaw, Rules};
use bellwether_server::auth::{Guard, TokenKey};
use bellwether_server::engine::Parting;
use bellwether_server::store::Store;
use bellwether_server::ticket::{Ticket, TicketKey};
use bellwether_shared::base::{DeviceId, Seq, Wall};
use bellwether_shared::wire::farewell::{Farewell, Tickets, TicketsWanted};
use bellwether_shared::wire::{self, CBOR, Outcome, PROTOCOL};
use jsonwebtoken::{EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;

use crate::audit::{export, found};
use crate::contract::{Directory, ids, memory, push, read};
use crate::device::{Device, dependent, event, plain, released};
use crate::http::{Reply, Setup, get, push as push_http, send};

const LONG_AFTER: Wall = Wall(4_000_000_000_000);

fn wanted() -> TicketsWanted {
    TicketsWanted {
        protocol: (PROTOCOL, PROTOCOL),
        device: DeviceId([1; 16]),
        session: "s".into(),
        user: "ann".into(),
        count: None,
    }
}

async fn tickets(router: &Router, wanted: &TicketsWanted) -> Tickets {
    let headers = [("content-type", CBOR)];
    let reply = send(router, "POST", "/v1/tickets", &headers, wire::to_cbor(wanted)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    wire::from_cbor(&reply.body, usize::MAX).expect("the body is tickets")
}

fn farewell(ticket: &[u8], events: &[Vec<u8>]) -> Farewell {
    let TicketsWanted { protocol, device, session, user, .. } = wanted();
    let events = events.iter().map(|sealed| sealed.clone().into()).collect();
    Farewell { protocol, ticket: ticket.to_vec().into(), device, session, user, events }
}

/// As a beacon of plain text does it.
async fn part(router: &Router, farewell: &Farewell) -> Reply {
    let headers = [("content-type", "text/plain;charset=UTF-8"), ("accept", CBOR)];
    send(router, "POST", "/v1/farewell", &headers, wire::to_cbor(farewell)).await
}

fn ticket(nonce: u8) -> Ticket {
    Ticket {
        tenant: "".into(),
        session: "s".into(),
        user: "ann".into(),
        device: DeviceId([1; 16]),
        expires_at: LONG_AFTER,
        nonce: [nonce; 16],
    }
}

fn parting(nonce: u8, events: &[Vec<u8>]) -> Parting {
    Parting { ticket: ticket(nonce), events: events.to_vec() }
}

#[tokio::test]
async fn what_a_closing_page_sends_is_known_when_its_stream_brings_it() {
    let router = Setup::default().router();
    let given = tickets(&router, &wanted()).await;
    assert_eq!(given.tickets.len(), 4);
    assert!(given.expires_at > given.server_time);
    let events = [event("count", "a"), event("refuse", "b"), event("count", "c")];
    let answer = part(&router, &farewell(&given.tickets[0], &events)).await.answer();
    let outcomes: Vec<_> = answer.results.iter().map(|told| (told.seq.0, told.outcome)).collect();
    let expected = [(1, Outcome::ACCEPTED), (2, Outcome::REFUSED), (3, Outcome::ACCEPTED)];
    assert_eq!(outcomes, expected);
    assert_eq!((answer.through, answer.durable, answer.log_head), (Seq(3), Seq(3), 2));
    let page = get(&router, "/v1/events?session=s").await.json();
    assert_eq!((&page["events"][0]["id"], &page["events"][0]["seq"]), (&json!("a"), &json!(0)));
    assert_eq!(page["events"][0]["lane"], "critical");

    let mut ann = Device::new(1, "s", "ann");
    let answer = push_http(&router, &ann.batch(&events)).await.answer();
    let told = answer.results.iter().map(|told| (told.outcome, told.offset));
    let expected =
        [(Outcome::DUPLICATE, Some(1)), (Outcome::REFUSED, None), (Outcome::DUPLICATE, Some(2))];
    assert!(told.eq(expected), "{answer:?}");
    assert_eq!(answer.results[2].result.as_deref().map(Vec::as_slice), Some(&b"2"[..]));
    // The other way round: what the stream has brought is known to a farewell.
    let events = [event("count", "d"), event("count", "e")];
    push_http(&router, &ann.batch(&events[..1])).await.answer();
    let answer = part(&router, &farewell(&given.tickets[1], &events)).await.answer();
    let outcomes: Vec<_> = answer.results.iter().map(|told| told.outcome).collect();
    assert_eq!(outcomes, [Outcome::DUPLICATE, Outcome::ACCEPTED]);
}

#[tokio::test]
async fn a_ticket_is_good_once_for_whom_it_was_given() {
    let router = Setup::default().router();
    let given = tickets(&router, &TicketsWanted { count: Some(100), ..wanted() }).await.tickets;
    assert_eq!(given.len(), 8, "there is a bound");
    let foreign = tickets(&Setup::default().router(), &wanted()).await.tickets;
    let event = plain(["a"]);
    let good = || farewell(&given[0], &event);
    let mut changed = given[0].to_vec();
    changed[3] ^= 1;
    #[rustfmt::skip]
    let cases = [
        ("another session",   Farewell { session: "t".into(), ..good() },                    403, "ticket-invalid"),
        ("another user",      Farewell { user: "ben".into(), ..good() },                     403, "ticket-invalid"),
        ("another device",    Farewell { device: DeviceId([2; 16]), ..good() },              403, "ticket-invalid"),
        ("another server's",  farewell(&foreign[0], &event),                                 403, "ticket-invalid"),
        ("a bit changed",     farewell(&changed, &event),                                    403, "ticket-invalid"),
        ("none",              farewell(&[], &event),                                         403, "ticket-invalid"),
        ("a long one",        farewell(&[1; 2_000], &event),                                 403, "ticket-invalid"),
        ("no events",         farewell(&given[0], &[]),                                      400, "malformed"),
        ("many events",       farewell(&given[0], &vec![event[0].clone(); 65]),              413, "batch-too-large"),
        ("another protocol",  Farewell { protocol: (2, 3), ..good() },                       400, "protocol-unknown"),
    ];
    for (shows, bad, status, code) in cases {
        assert_eq!(part(&router, &bad).await.problem(), (status, code.to_owned()), "{shows}");
    }
    assert_eq!(get(&router, "/v1/events?session=s").await.json()["head"], 0);
    assert_eq!(part(&router, &good()).await.answer().log_head, 1);
    for events in [event.to_vec(), plain(["b"]).to_vec()] {
        let again = part(&router, &farewell(&given[0], &events)).await;
        assert_eq!(again.problem(), (409, "ticket-used".to_owned()));
    }
    let large = Body::from(vec![0; 64 * 1024 + 1]);
    let reply = send(&router, "POST", "/v1/farewell", &[], large).await;
    assert_eq!(reply.problem(), (413, "body-too-large".to_owned()));
}

#[test]
fn a_ticket_has_its_time() {
    let key = TicketKey::new(&[7; 32]);
    let sealed = key.seal(&ticket(1));
    assert_eq!(key.open(&sealed, LONG_AFTER), Ok(ticket(1)));
    assert_eq!(key.open(&sealed, Wall(LONG_AFTER.0 + 1)), Err(Fault::TicketExpired));
    assert_eq!(TicketKey::new(&[8; 32]).open(&sealed, Wall(0)), Err(Fault::TicketInvalid));
    for end in 0..sealed.len() {
        assert_eq!(key.open(&sealed[..end], Wall(0)), Err(Fault::TicketInvalid));
    }
}

proptest! {
    #[test]
    fn a_changed_ticket_is_none(at in any::<prop::sample::Index>(), by in 1..=u8::MAX) {
        let key = TicketKey::new(&[7; 32]);
        let mut sealed = key.seal(&ticket(1));
        let at = at.index(sealed.len());
        sealed[at] ^= by;
        prop_assert_eq!(key.open(&sealed, Wall(0)), Err(Fault::TicketInvalid));
    }
}

#[tokio::test]
async fn a_beacon_need_not_ask_for_leave() {
    let router = Setup::default().router();
    let given = tickets(&router, &TicketsWanted { count: Some(8), ..wanted() }).await.tickets;
    #[rustfmt::skip]
    let cases = [
        // content type                       in JSON   status
        (Some("text/plain"),                  false,    200),
        (Some("Text/Plain; charset=UTF-8"),   true,     200),
        (None,                                false,    200),
        (Some(CBOR),                          false,    200),
        (Some("application/json"),            true,     200),
        (Some("multipart/form-data"),         false,    415),
    ];
    for (number, (named, is_json, status)) in cases.into_iter().enumerate() {
        let farewell = farewell(&given[number], &[event("plain", &format!("e{number}"))]);
        let body = if is_json {
            serde_json::to_vec(&farewell).expect("a farewell is JSON")
        } else {
            wire::to_cbor(&farewell)
        };
        let headers: Vec<_> = named.iter().map(|named| ("content-type", *named)).collect();
        let reply = send(&router, "POST", "/v1/farewell", &headers, body).await;
        assert_eq!(reply.status, status, "{named:?}: {reply:?}");
    }
}

#[tokio::test]
async fn tickets_are_for_who_may_push_and_farewells_for_who_has_a_ticket() {
    let secret = b"a secret of at least 32 bytes, for tests";
    let guard = Guard::Tokens(Box::new(TokenKey::hs256(secret)));
    let router = Setup { guard, ..Setup::default() }.router();
    let claims = json!({"sub": "ann", "tenant": "red", "sessions": ["s"], "exp": LONG_AFTER.0});
    let token =
        jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret));
    let bearer = format!("Bearer {}", token.expect("claims can be signed"));
    #[rustfmt::skip]
    let cases = [
        ("no token",        false,  "s",  "ann",  401),
        ("another session", true,   "t",  "ann",  403),
        ("another user",    true,   "s",  "ben",  403),
        ("no session",      true,   "",   "ann",  400),
        ("the right one",   true,   "s",  "ann",  200),
    ];
    let mut given = None;
    for (shows, has_token, session, user, status) in cases {
        let wanted = TicketsWanted { session: session.into(), user: user.into(), ..wanted() };
        let mut headers = vec![("content-type", CBOR)];
        headers.extend(has_token.then_some(("authorization", &*bearer)));
        let reply = send(&router, "POST", "/v1/tickets", &headers, wire::to_cbor(&wanted)).await;
        assert_eq!(reply.status, status, "{shows}: {reply:?}");
        given = wire::from_cbor::<Tickets>(&reply.body, usize::MAX).ok();
    }
    let given = given.expect("the last was right");
    let reply = part(&router, &farewell(&given.tickets[0], &plain(["a"]))).await;
    assert_eq!(reply.answer().log_head, 1, "without a token");
    let headers = [("authorization", &*bearer)];
    let page = send(&router, "GET", "/v1/events?session=s", &headers, "").await.json();
    assert_eq!(page["events"][0]["user"], "ann", "in the ticket's tenant, under its user");

    let router = Setup::default().router();
    let foreign = [("host", "evil.example")];
    let reply = send(&router, "POST", "/v1/farewell", &foreign, "").await;
    assert_eq!(reply.problem(), (403, "forbidden".to_owned()), "development is for this machine");
}

/// On each store the same.
async fn a_ticket_is_used_up_with_what_it_brings<S: Store>(store: &S) {
    let refused = store.farewell(parting(1, &[event("refuse", "a")])).await.expect("answered");
    assert_eq!((refused.results[0].outcome, refused.log_head), (Outcome::REFUSED, 0));
    let later = [event("count", "b"), event("later-once", "c"), event("count", "d")];
    let answer = store.farewell(parting(1, &later)).await.expect("nothing was brought so far");
    let put_off = answer.later.map(|later| (later.seq, later.id.to_string()));
    assert_eq!((answer.through, put_off), (Seq(1), Some((Seq(2), "c".to_owned()))));
    assert_eq!(answer.retry_after_ms, Some(70));
    let again = store.farewell(parting(1, &later)).await;
    assert_eq!(again, Err(Fault::TicketUsed));
    let known = store.farewell(parting(2, &later[..1])).await.expect("it is known");
    assert_eq!(known.results[0].outcome, Outcome::DUPLICATE);
    assert_eq!(known.results[0].result.as_deref().map(Vec::as_slice), Some(&b"1"[..]));
    let other = store.farewell(parting(2, &later[2..])).await.expect("it has brought nothing");
    assert_eq!(other.results[0].result.as_deref().map(Vec::as_slice), Some(&b"2"[..]));
    assert_eq!(ids(&read(store, "", "s", 0, 10).await), ["b", "d"]);
}

/// On each store the same.
async fn a_farewells_events_take_from_their_prerequisites<S: Store>(store: &S) {
    let binds = Some(r#"{"/start":"/id"}"#);
    let events = [
        event("start", "p"),
        dependent("echo", "q", "p", binds),
        event("refuse", "r"),
        dependent("echo", "t", "r", binds),
        released("echo", "u", "r", binds),
        dependent("echo", "v", "x", binds),
        event("plain", "w"),
    ];
    let answer = store.farewell(parting(11, &events)).await.expect("it is taken");
    let told = answer.results.iter().map(|told| {
        let result = told.result.as_deref().map(|text| String::from_utf8_lossy(text).into_owned());
        told.code.as_deref().map(str::to_owned).or(result).unwrap_or_default()
    });
    let told: Vec<String> = told.collect();
    let expected = ["{\"id\":", "{\"n\":1,\"start\":", "no", "prerequisite-failed", "{\"n\":1}"];
    assert_eq!(told.len(), expected.len());
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told} is not {expected}");
    }
    let later = answer.later.map(|later| (later.seq, later.id.to_string(), later.code));
    assert_eq!(later, Some((Seq(6), "v".to_owned(), "prerequisite-unknown".into())));
}

#[tokio::test]
async fn tickets_and_events_are_one_transaction_on_each_store() {
    let store = memory();
    a_ticket_is_used_up_with_what_it_brings(&store).await;
    a_farewells_events_take_from_their_prerequisites(&store).await;
    let directory = Directory::new();
    let store = directory.open();
    a_ticket_is_used_up_with_what_it_brings(&store).await;
    a_farewells_events_take_from_their_prerequisites(&store).await;
    let sealed = store.ticket_key().seal(&ticket(3));
    drop(store);
    let store = directory.open();
    assert_eq!(store.ticket_key().open(&sealed, Wall(0)), Ok(ticket(3)), "it outlasts a restart");
    let again = store.farewell(parting(1, &plain(["x"]))).await;
    assert_eq!(again, Err(Fault::TicketUsed));
    let over = Parting {
        ticket: Ticket { expires_at: Wall(1), ..ticket(4) },
        events: plain(["y"]).to_vec(),
    };
    store.farewell(over.clone()).await.expect("whose time is over is told before this");
    store.farewell(parting(5, &plain(["z"]))).await.expect("it is taken");
    store.farewell(over).await.expect("what is over is forgotten with the next");
}

#[tokio::test]
async fn an_audit_says_what_no_stream_has_brought_so_far() {
    let store = memory();
    let events = [event("plain", "a"), event("plain", "b")];
    store.farewell(parting(1, &events)).await.expect("it is taken");
    let mut ann = Device::new(1, "s", "ann");
    push(&store, &ann.batch(&plain(["c"]))).await;
    let unsigned = |offset| Some((Some(offset), Some(Seq(0)), Flaw::Unsigned));
    let flaw = |file: &[u8]| {
        found(file, &Rules::default()).map(|found| (found.offset, found.seq, found.flaw))
    };
    let (file, _) = export(&store, "s").await;
    assert_eq!(flaw(&file), unsigned(1));
    assert_eq!(found(&file, &Rules { unsigned: true, ..Rules::default() }), None);
    push(&store, &ann.batch(&events[..1])).await;
    assert_eq!(flaw(&export(&store, "s").await.0), unsigned(2));
    // Other bytes under the same id are no proof of these.
    push(&store, &Device::new(2, "s", "ben").batch(&[event("other", "b")])).await;
    assert_eq!(flaw(&export(&store, "s").await.0), unsigned(2));
    push(&store, &ann.batch(&events[1..])).await;
    assert_eq!(flaw(&export(&store, "s").await.0), None);
}
