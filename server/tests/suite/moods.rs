//! Faults to order. What a cut connection looks like is in `binary.rs`; here it is an empty answer.

use axum::Router;
use bellwether_shared::base::Seq;
use bellwether_shared::wire::{Outcome, Push};
use serde_json::{Value, json};

use crate::device::{Device, event, plain};
use crate::http::{Reply, Setup, get, push, send};

fn moody() -> Router {
    Setup { moods: true, ..Setup::default() }.router()
}

async fn order(router: &Router, mood: &Value) -> Reply {
    send(router, "POST", "/dev/mood", &[], mood.to_string()).await
}

#[tokio::test]
async fn each_mood_does_what_it_says() {
    #[rustfmt::skip]
    let cases = [
        // mode           status  problem code   is the batch stored?
        ("error-500",     500,    "internal",    false),
        ("error-400",     400,    "malformed",   false),
        ("error-429",     429,    "throttled",   false),
        ("not-ours-404",  404,    "",            false),
        ("down",          200,    "",            false),
        ("cut",           200,    "",            false),
        ("lose-answers",  200,    "",            true),
        ("slow",          200,    "",            true),
        ("well",          200,    "",            true),
    ];
    for (mode, status, code, stored) in cases {
        let router = moody();
        let mood = json!({"mode": mode, "count": 1, "delay_ms": 1, "retry_after_ms": 2_500});
        assert_eq!(order(&router, &mood).await.json()["mode"], mode);
        let batch = Device::new(1, "s", "ann").batch(&plain(["a"]));
        let reply = push(&router, &batch).await;
        assert_eq!(reply.status, status, "{mode}");
        if !code.is_empty() {
            assert_eq!(reply.problem(), (status, code.to_owned()), "{mode}");
        }
        if mode == "error-429" {
            assert_eq!(reply.header("retry-after"), "3");
        }
        if mode == "not-ours-404" {
            assert!(reply.header("content-type").starts_with("text/html"));
        }
        let head = get(&router, "/v1/events?session=s").await.json()["head"].clone();
        assert_eq!(head, u64::from(stored), "{mode}");

        let again = push(&router, &batch).await.answer();
        let expected = if stored { Outcome::DUPLICATE } else { Outcome::ACCEPTED };
        assert_eq!(again.results[0].outcome, expected, "{mode}: all is well after one push");
        let report = get(&router, "/dev/mood").await.json();
        assert_eq!(report["mode"], "well", "{mode}");
        let affected = u64::from(mode != "well");
        assert_eq!(report["counters"], json!({"pushes": 2, "affected": affected}), "{mode}");
    }
}

#[tokio::test]
async fn types_can_be_refused_and_poisoned() {
    let router = moody();
    let mut ann = Device::new(1, "s", "ann");
    order(&router, &json!({"refuse_types": ["refuse", "count"], "poison_types": ["panic-once"]}))
        .await;
    let batch = ann.batch(&[event("plain", "a"), event("count", "b")]);
    let answer = push(&router, &batch).await.answer();
    assert_eq!(answer.results[1].code.as_deref(), Some("demo-refused"));
    assert_eq!(answer.through, Seq(2));

    let poisoned =
        ann.push_at(ann.next, ann.head, &[event("plain", "c"), event("panic-once", "d")]);
    assert_eq!(push(&router, &poisoned).await.problem(), (500, "internal".to_owned()));
    order(&router, &json!({"poison_types": ["panic-once"], "poison_status": 400})).await;
    assert_eq!(push(&router, &poisoned).await.problem(), (400, "malformed".to_owned()));
    assert_eq!(push(&router, &ann.batch(&plain(["c"]))).await.answer().through, Seq(3));
}

#[tokio::test]
async fn a_share_of_pushes_follows_from_the_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let router = moody();
        order(&router, &json!({"mode": "error-500", "rate": 0.5, "seed": 42})).await;
        let mut statuses = Vec::new();
        let question: Push = Device::new(1, "s", "ann").question();
        for _ in 0..40 {
            statuses.push(push(&router, &question).await.status);
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    let failed = runs[0].iter().filter(|status| **status == 500).count();
    assert!((10..30).contains(&failed), "{failed}");
}

#[tokio::test]
async fn orders_that_cannot_be_read_change_nothing() {
    let router = moody();
    for bad in ["", "3", r#"{"mode":"tired"}"#, r#"{"rate":"often"}"#, r#"{"mod":"well"}"#] {
        let reply = send(&router, "POST", "/dev/mood", &[], bad).await;
        assert_eq!(reply.problem(), (400, "malformed".to_owned()), "{bad}");
    }
    let via = [("via", "1.1 proxy")];
    assert_eq!(send(&router, "GET", "/dev/mood", &via, "").await.status, 403);
    assert_eq!(get(&router, "/dev/mood").await.json()["mode"], "well");
}

#[tokio::test]
async fn what_has_started_has_a_number_that_others_can_take() {
    let router = moody();
    let mut device = Device::new(1, "s", "ann");
    let answer = push(&router, &device.batch(&[event("walk.started", "a")])).await.answer();
    assert_eq!(answer.results[0].result.as_ref().map(|it| &it[..]), Some(&br#"{"number":1}"#[..]));
    let answer = push(&router, &device.batch(&plain(["b"]))).await.answer();
    assert_eq!(answer.results[0].result, None);
}

#[tokio::test]
async fn an_echo_counts_how_often_a_key_has_come_and_shares_the_mood() {
    let router = moody();
    let send = || send(&router, "PUT", "/dev/echo", &[("idempotency-key", "e1")], "wren");
    let echo = |times: u64| json!({"method": "PUT", "key": "e1", "times": times, "text": "wren"});
    assert_eq!(send().await.json(), echo(1));
    order(&router, &json!({"mode": "lose-answers", "count": 1})).await;
    assert_eq!(send().await.body, b"", "it came, and its answer was lost");
    order(&router, &json!({"mode": "error-500", "count": 1})).await;
    assert_eq!(send().await.status, 500);
    assert_eq!(send().await.json(), echo(3));
}

#[tokio::test]
async fn an_audit_is_found_sound_or_not_and_only_for_demonstrations() {
    let router = moody();
    push(&router, &Device::new(1, "s", "ann").batch(&plain(["a"]))).await;
    let audit = get(&router, "/v1/audit?session=s").await.body;
    let mut forged = audit.clone();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    for (file, sound) in [(audit, true), (forged, false), (b"?".to_vec(), false)] {
        let verdict = send(&router, "POST", "/dev/verify", &[], file).await.json();
        assert_eq!(verdict["sound"], sound, "{verdict}");
        assert_eq!(verdict["finding"].is_null(), sound, "{verdict}");
    }
    let plain = Setup::default().router();
    for path in ["/dev/echo", "/dev/verify"] {
        assert_eq!(send(&plain, "POST", path, &[], Vec::new()).await.status, 404);
    }
}
