//! `POST /v1/push`: encodings, bounds, signatures, problems.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use bellwether_server::engine::Signatures;
use bellwether_shared::base::Seq;
use bellwether_shared::rules::chain;
use bellwether_shared::wire::{
    self, Answer, CBOR, DeviceKey, KeyKind, Outcome, PROBLEM_CBOR, Push, Verdict,
};
use serde_json::json;

use crate::device::{Device, event, event_with, plain};
use crate::http::{Setup, get, push, push_bytes, send};

#[tokio::test]
async fn an_answer_comes_in_the_encoding_of_the_request_or_the_one_asked_for() {
    let router = Setup::default().router();
    let batch = Device::new(1, "s", "ann").batch(&[event("count", "a"), event("refuse", "b")]);
    let cbor = wire::to_cbor(&batch);
    let json = serde_json::to_vec(&batch).expect("a push is JSON");
    const JSON: &str = "application/json";
    #[rustfmt::skip]
    let cases = [
        // sent in                            body    accepts               answered in
        (CBOR,                                &cbor,  None,                 CBOR),
        (JSON,                                &json,  None,                 JSON),
        ("Application/JSON; charset=utf-8",   &json,  None,                 JSON),
        (CBOR,                                &cbor,  Some(JSON),           JSON),
        (JSON,                                &json,  Some(CBOR),           CBOR),
        (CBOR,                                &cbor,  Some("*/*"),          CBOR),
        (JSON,                                &json,  Some("text/html, application/cbor;q=0.9"), CBOR),
    ];
    for (sent, body, accepts, expected) in cases {
        let mut headers = vec![("content-type", sent)];
        headers.extend(accepts.map(|accepts| ("accept", accepts)));
        let reply = send(&router, "POST", "/v1/push", &headers, body.clone()).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, expected), "{sent}");
        let answer: Answer = if expected == CBOR {
            wire::from_cbor(&reply.body, usize::MAX).expect("an answer in CBOR")
        } else {
            serde_json::from_slice(&reply.body).expect("an answer in JSON")
        };
        assert_eq!((answer.through, answer.log_head), (Seq(2), 1));
        assert_eq!(answer.results[0].result.as_deref().map(Vec::as_slice), Some(&b"1"[..]));
    }
    let reply = push_bytes(&router, JSON, json).await;
    let shown = reply.json();
    assert_eq!(shown["verdict"], "taken");
    assert_eq!(shown["results"][0], json!({"seq": 1, "outcome": 1, "offset": 1, "result": "1"}));
    assert_eq!(shown["results"][1]["code"], "no");
}

#[tokio::test]
async fn a_problem_comes_in_the_same_encodings() {
    let router = Setup::default().router();
    let cases = [(CBOR, PROBLEM_CBOR), ("application/json", "application/problem+json")];
    for (sent, expected) in cases {
        let reply = push_bytes(&router, sent, b"!".to_vec()).await;
        assert_eq!(reply.problem(), (400, "malformed".to_owned()));
        assert_eq!(reply.header("content-type"), expected);
    }
}

#[tokio::test]
async fn what_does_not_hold_in_itself_is_a_problem() {
    let ann = Device::new(1, "s", "ann");
    let good = || ann.push_at(Seq(1), ann.head, &plain(["a", "b"]));
    let signature_of = |push: &Push| push.signature.clone();
    let other = Device::new(2, "s", "ann").push_at(Seq(1), ann.head, &plain(["a", "b"]));
    let shorter = ann.push_at(Seq(1), ann.head, &plain(["a"]));
    let later = ann.push_at(Seq(2), ann.head, &plain(["a", "b"]));
    let mut of_ben = ann.stream.clone();
    of_ben.user = "ben".into();
    let many: Vec<_> = (0..501).map(|number| event("plain", &format!("e{number}"))).collect();
    #[rustfmt::skip]
    let cases = [
        ("another key's signature",  Push { signature: signature_of(&other), ..good() },         400, "signature-invalid"),
        ("the place of another",     Push { signature: signature_of(&later), ..good() },         400, "signature-invalid"),
        ("fewer events signed",      Push { signature: signature_of(&shorter), ..good() },       400, "signature-invalid"),
        ("another stream signed",    Push { stream: of_ben, ..good() },                          400, "signature-invalid"),
        ("no signature",             Push { signature: vec![].into(), ..good() },                400, "signature-invalid"),
        ("a key cut short",          Push { key: DeviceKey { kind: KeyKind::Ed25519, public: vec![1; 31].into() }, ..good() }, 400, "signature-invalid"),
        ("a key of another kind",    Push { key: DeviceKey { kind: KeyKind::P256, public: good().key.public }, ..good() }, 400, "signature-invalid"),
        ("kind none, yet a key",     Push { key: DeviceKey { kind: KeyKind::None, public: good().key.public }, ..good() }, 400, "signature-invalid"),
        ("an event exchanged",       Push { events: shorter.events.clone(), ..good() },          400, "malformed"),
        ("another head",             Push { head: [1; 32].into(), ..good() },                    400, "malformed"),
        ("another previous head",    Push { previous: [1; 32].into(), ..good() },                400, "malformed"),
        ("place 0",                  ann.push_at(Seq(0), ann.head, &plain(["a"])),               400, "malformed"),
        ("a place beyond all",       ann.push_at(Seq(u64::MAX), ann.head, &plain(["a"])),        400, "malformed"),
        ("a host epoch beyond all",  Push { host_epoch: u64::MAX, ..good() },                    400, "malformed"),
        ("a protocol of tomorrow",   Push { protocol: (2, 9), ..good() },                        400, "protocol-unknown"),
        ("a protocol upside down",   Push { protocol: (9, 1), ..good() },                        400, "protocol-unknown"),
        ("a build without end",      Push { build: "x".repeat(201).into(), ..good() },           400, "malformed"),
        ("too many events",          ann.push_at(Seq(1), ann.head, &many),                       413, "batch-too-large"),
        ("no session",               Device::new(1, "", "ann").batch(&plain(["a"])),             400, "malformed"),
        ("a session without end",    Device::new(1, &"x".repeat(201), "ann").batch(&plain(["a"])), 400, "malformed"),
    ];
    let router = Setup::default().router();
    for (shows, bad, status, code) in cases {
        assert_eq!(push(&router, &bad).await.problem(), (status, code.to_owned()), "{shows}");
    }
    let page = get(&router, "/v1/events?session=s").await.json();
    assert_eq!(page["epoch"], "00000000-0000-0000-0000-000000000000", "nothing was written");
    assert_eq!(push(&router, &good()).await.answer().through, Seq(2));
}

#[tokio::test]
async fn a_full_batch_is_taken_and_a_body_over_its_bound_is_not() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    let full: Vec<_> = (0..500).map(|number| event("plain", &format!("e{number}"))).collect();
    assert_eq!(push(&router, &ann.batch(&full)).await.answer().through, Seq(500));

    let body = vec![b'1'; 256 * 1024];
    let large = |count: usize| -> Vec<_> {
        (0..count).map(|n| event_with("plain", &format!("large-{n}"), Some(&body))).collect()
    };
    let answer = push(&router, &ann.batch(&large(7))).await.answer();
    assert_eq!((answer.verdict, answer.log_head), (Verdict::Taken, 507));
    let over = ann.batch(&large(8));
    let reply = push(&router, &over).await;
    assert_eq!(reply.problem(), (413, "body-too-large".to_owned()));
    // These bodies do not tell their length; one that does is not even begun.
    let headers = [("content-type", CBOR), ("content-length", "2097153")];
    let reply = send(&router, "POST", "/v1/push", &headers, "").await;
    assert_eq!(reply.problem(), (413, "body-too-large".to_owned()));

    let json = serde_json::to_vec(&Device::new(2, "s", "ben").batch(&large(7))).expect("JSON");
    let reply = push_bytes(&router, "application/json", json).await;
    assert_eq!(reply.status, 200, "hex may be twice as long");
    let reply = push_bytes(&router, "application/json", vec![b' '; 5 * 1024 * 1024]).await;
    assert_eq!(reply.problem(), (413, "body-too-large".to_owned()));
}

#[tokio::test]
async fn p256_is_taken_and_unsigned_only_where_allowed() {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("keys are made");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).expect("keys are read");
    let mut ann = Device::new(1, "s", "ann");
    let batch = ann.batch(&plain(["a"]));
    let statement = chain::statement(&batch.stream, batch.first, 1, &batch.previous, &batch.head);
    let signature = pair.sign(&random, &statement).expect("it signs").as_ref().to_vec();
    let p256 = Push {
        key: DeviceKey { kind: KeyKind::P256, public: pair.public_key().as_ref().to_vec().into() },
        signature: signature.into(),
        ..batch.clone()
    };
    let unsigned = Push {
        key: DeviceKey { kind: KeyKind::None, public: vec![].into() },
        signature: vec![].into(),
        ..Device::new(2, "s", "ben").batch(&plain(["b"]))
    };
    let strict = Setup::default().router();
    assert_eq!(push(&strict, &p256).await.answer().through, Seq(1));
    assert_eq!(push(&strict, &unsigned).await.problem(), (403, "forbidden".to_owned()));
    let open = Setup { signatures: Signatures::Optional, ..Setup::default() }.router();
    assert_eq!(push(&open, &unsigned).await.answer().through, Seq(1));
    assert_eq!(push(&open, &batch).await.answer().through, Seq(1));
}

#[tokio::test]
async fn each_verdict_goes_over_the_wire() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    let start = ann.head;
    let first = push(&router, &ann.batch(&plain(["a"]))).await.answer();
    assert_eq!(first.results[0].outcome, Outcome::ACCEPTED);
    let epoch = Some(bellwether_shared::base::LogEpoch([9; 16]));
    let next = ann.push_at(Seq(2), ann.head, &plain(["b"]));
    #[rustfmt::skip]
    let cases = [
        ("a hole",       ann.push_at(Seq(3), start, &plain(["c"])),   Verdict::Gap),
        ("a fork",       ann.push_at(Seq(1), start, &plain(["x"])),   Verdict::Forked { at: Seq(1) }),
        ("another life", Push { log_epoch: epoch, ..next.clone() },   Verdict::EpochChanged),
        ("a question",   ann.question(),                              Verdict::Taken),
        ("a repeat",     ann.push_at(Seq(1), start, &plain(["a"])),   Verdict::Taken),
    ];
    for (shows, batch, verdict) in cases {
        let answer = push(&router, &batch).await.answer();
        assert_eq!((answer.verdict, answer.through), (verdict, Seq(1)), "{shows}");
        assert_eq!(answer.log_epoch, first.log_epoch, "{shows}");
    }
    ann.host_epoch = 0;
    let older = ann.push_at(Seq(2), ann.head, &plain(["b"]));
    assert_eq!(push(&router, &older).await.problem(), (409, "host-superseded".to_owned()));
}

#[tokio::test]
async fn other_media_methods_and_addresses_are_problems() {
    let router = Setup::default().router();
    #[rustfmt::skip]
    let cases = [
        ("POST",   "/v1/push",    Some("text/plain"), 415, "media-unknown"),
        ("POST",   "/v1/push",    None,               415, "media-unknown"),
        ("GET",    "/v1/push",    None,               405, "method-unknown"),
        ("DELETE", "/v1/events",  None,               405, "method-unknown"),
        ("GET",    "/v1/other",   None,               404, "not-found"),
        ("GET",    "/",           None,               404, "not-found"),
        ("GET",    "/dev/mood",   None,               404, "not-found"),
        ("POST",   "/dev/mood",   None,               404, "not-found"),
        ("GET",    "/dev/other",  None,               404, "not-found"),
    ];
    for (method, path, media_type, status, code) in cases {
        let headers: Vec<_> = media_type.map(|media| ("content-type", media)).into_iter().collect();
        let reply = send(&router, method, path, &headers, "{}").await;
        assert_eq!(reply.problem(), (status, code.to_owned()), "{method} {path}");
    }
    let health = get(&router, "/healthz").await;
    assert_eq!((health.status, &health.json()["ok"]), (200, &json!(true)));
}
