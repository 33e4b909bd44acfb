//! Who may ask: tokens, sessions, users, tenants, origins, and the development mode's own rules.

use axum::Router;
use bellwether_server::auth::{Guard, TokenKey};
use bellwether_server::config::Origins;
use bellwether_shared::wire::{self, CBOR};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::device::{Device, plain};
use crate::http::{Reply, Setup, get, send};

const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";
const LONG_AFTER: u64 = 4_000_000_000;

fn guarded() -> Router {
    with_tokens().router()
}

/// A server that wants tokens, and lets no pages of other origins ask.
pub(crate) fn with_tokens() -> Setup {
    let origins = Origins { named: Vec::new(), any: false, loopback: false };
    let guard = Guard::Tokens(Box::new(TokenKey::hs256(SECRET)));
    Setup { guard, origins, ..Setup::default() }
}

/// A token of that server.
pub(crate) fn token(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::default(), claims, &key).expect("claims can be signed")
}

/// Ann's claims, for the sessions `board-*`.
pub(crate) fn claims() -> Value {
    json!({"sub": "ann", "sessions": ["board-*"], "exp": LONG_AFTER})
}

fn but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("claims are an object").remove(name);
    claims
}

async fn push_with(router: &Router, credential: Option<&str>, session: &str, user: &str) -> Reply {
    let mut device = Device::new(1, session, user);
    let body = wire::to_cbor(&device.batch(&plain(["a"])));
    let mut headers = vec![("content-type", CBOR), ("accept", "application/json")];
    headers.extend(credential.map(|credential| ("authorization", credential)));
    send(router, "POST", "/v1/push", &headers, body).await
}

#[tokio::test]
async fn a_token_must_be_valid_and_cover_session_and_user() {
    let bearer = |claims: Value| Some(format!("Bearer {}", token(&claims)));
    let foreign = {
        let key = EncodingKey::from_secret(b"another secret of at least 32 bytes, too");
        let token = jsonwebtoken::encode(&Header::default(), &claims(), &key);
        Some(format!("Bearer {}", token.expect("claims can be signed")))
    };
    let hs384 = {
        let header = Header::new(Algorithm::HS384);
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(SECRET));
        Some(format!("Bearer {}", token.expect("claims can be signed")))
    };
    // Header {"alg":"none"}, claims as above, no signature.
    let unsigned = token(&claims())
        .split('.')
        .nth(1)
        .map(|claims| format!("Bearer eyJhbGciOiJub25lIn0.{claims}."));
    let lower = bearer(claims()).map(|text| text.replace("Bearer", "bearer"));
    let basic = Some("Basic YW5uOmFubg==".to_owned());
    #[rustfmt::skip]
    let cases = [
        ("the right token",           bearer(claims()),                            "board-1", "ann", 200),
        ("no user named",             bearer(claims()),                            "board-1", "",    200),
        ("any spelling of bearer",    lower,                                       "board-1", "ann", 200),
        ("no token",                  None,                                        "board-1", "ann", 401),
        ("another scheme",            basic,                                       "board-1", "ann", 401),
        ("another secret",            foreign,                                     "board-1", "ann", 401),
        ("another algorithm",         hs384,                                       "board-1", "ann", 401),
        ("no signature",              unsigned,                                    "board-1", "ann", 401),
        ("an expired token",          bearer(but("exp", json!(1_000))),            "board-1", "ann", 401),
        ("a token of tomorrow",       bearer(but("nbf", json!(LONG_AFTER - 1))),   "board-1", "ann", 401),
        ("no expiry",                 bearer(without("exp")),                      "board-1", "ann", 401),
        ("no subject",                bearer(without("sub")),                      "board-1", "ann", 401),
        ("no sessions",               bearer(without("sessions")),                 "board-1", "ann", 401),
        ("sessions of another shape", bearer(but("sessions", json!("*"))),         "board-1", "ann", 401),
        ("a token without end",       Some(format!("Bearer {}", "x".repeat(9_000))), "board-1", "ann", 401),
        ("another session",           bearer(claims()),                            "bird-1",  "ann", 403),
        ("an empty list",             bearer(but("sessions", json!([]))),          "board-1", "ann", 403),
        ("another user",              bearer(claims()),                            "board-1", "ben", 403),
    ];
    for (shows, credential, session, user, status) in cases {
        let router = guarded();
        let reply = push_with(&router, credential.as_deref(), session, user).await;
        assert_eq!(reply.status, status, "{shows}: {reply:?}");
        assert_eq!(
            reply.header("www-authenticate").starts_with("Bearer"),
            status == 401,
            "{shows}"
        );
        match status {
            401 => assert_eq!(reply.problem().1, "unauthorized", "{shows}"),
            403 => assert_eq!(reply.problem().1, "forbidden", "{shows}"),
            _ => {}
        }
        let headers: Vec<_> =
            credential.iter().map(|credential| ("authorization", credential.as_str())).collect();
        for address in ["events", "audit"] {
            let path = format!("/v1/{address}?session={session}");
            let read = send(&router, "GET", &path, &headers, "").await;
            let expected = if user == "ben" { 200 } else { status };
            assert_eq!(read.status, expected, "{shows}, reading {address}");
        }
    }
}

#[tokio::test]
async fn a_tenant_comes_from_the_token() {
    let router = guarded();
    let of = |tenant: &str| format!("Bearer {}", token(&but("tenant", json!(tenant))));
    assert_eq!(push_with(&router, Some(&of("red")), "board-1", "ann").await.status, 200);
    let stolen = push_with(&router, Some(&of("blue")), "board-1", "ann").await;
    assert_eq!(stolen.problem(), (403, "forbidden".to_owned()));
    for (tenant, head) in [("red", 1), ("blue", 0)] {
        let headers = [("authorization", &*of(tenant))];
        let page = send(&router, "GET", "/v1/events?session=board-1", &headers, "").await;
        assert_eq!(page.json()["head"], head, "{tenant}");
    }
}

#[tokio::test]
async fn eddsa_tokens_are_checked_with_the_public_key() {
    // Made for this test: openssl genpkey -algorithm ed25519, openssl pkey -pubout.
    let private = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
        -----END PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n\
        -----END PUBLIC KEY-----\n";
    let guard = || Guard::Tokens(Box::new(TokenKey::eddsa(public.as_bytes()).expect("a key")));
    let router = Setup { guard: guard(), ..Setup::default() }.router();
    let key = EncodingKey::from_ed_pem(private.as_bytes()).expect("a key");
    let sign = |header| jsonwebtoken::encode(&header, &claims(), &key).expect("it signs");
    let good = format!("Bearer {}", sign(Header::new(Algorithm::EdDSA)));
    assert_eq!(push_with(&router, Some(&good), "board-1", "ann").await.status, 200);
    // The public key is public: as a shared secret it must not count.
    let forged = jsonwebtoken::encode(
        &Header::default(),
        &claims(),
        &EncodingKey::from_secret(public.as_bytes()),
    );
    let forged = format!("Bearer {}", forged.expect("it signs"));
    assert_eq!(push_with(&router, Some(&forged), "board-1", "ann").await.status, 401);
    assert!(TokenKey::eddsa(b"no key").is_err());
}

#[tokio::test]
async fn development_is_for_this_machine() {
    let router = Setup::default().router();
    #[rustfmt::skip]
    let cases = [
        ("nothing said",            "accept",            "*/*",                200),
        ("its own name",            "host",              "localhost:8787",     200),
        ("its own address",         "host",              "127.0.0.1:8787",     200),
        ("a stranger's name",       "host",              "evil.example:8787",  403),
        ("another address",         "host",              "10.0.0.1",           403),
        ("a proxy, the new way",    "forwarded",         "for=1.2.3.4",        403),
        ("a proxy, the usual way",  "x-forwarded-for",   "1.2.3.4",            403),
        ("a proxy, in part",        "x-forwarded-proto", "https",              403),
        ("a proxy, the old way",    "via",               "1.1 proxy",          403),
    ];
    for (shows, name, value, status) in cases {
        let reply = send(&router, "GET", "/v1/events?session=s", &[(name, value)], "").await;
        assert_eq!(reply.status, status, "{shows}");
        if status == 403 {
            assert!(String::from_utf8_lossy(&reply.body).contains("token key"), "{shows}");
        }
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_ask_and_read_refusals() {
    let named =
        Origins { named: vec!["https://app.example".to_owned()], any: false, loopback: false };
    let local = Origins { named: Vec::new(), any: false, loopback: true };
    let all = Origins { named: vec!["*".to_owned()], any: true, loopback: false };
    #[rustfmt::skip]
    let cases = [
        (&named, "https://app.example",          true),
        (&named, "https://app.example.evil",     false),
        (&named, "http://app.example",           false),
        (&named, "http://localhost:3000",        false),
        (&local, "http://localhost:3000",        true),
        (&local, "http://127.0.0.1:5173",        true),
        (&local, "https://app.example",          false),
        (&local, "null",                         false),
        (&all,   "https://anywhere.example",     true),
    ];
    for (origins, origin, allowed) in cases {
        let router = Setup { origins: origins.clone(), ..Setup::default() }.router();
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        let preflight = send(&router, "OPTIONS", "/v1/push", &headers, "").await;
        let refused = send(&router, "POST", "/v1/push", &[("origin", origin)], "").await;
        for reply in [&preflight, &refused] {
            let named = reply.header("access-control-allow-origin");
            assert_eq!(named, if allowed { origin } else { "" }, "{origins:?} {origin}");
        }
        for header in ["authorization", "content-encoding"] {
            assert!(preflight.header("access-control-allow-headers").contains(header), "{header}");
        }
        assert!(refused.header("access-control-expose-headers").contains("retry-after"));
    }
    assert_eq!(get(&guarded(), "/healthz").await.status, 200, "health needs no token");
}
