//! Compressed bodies: what is taken, and that no body unpacks beyond its bound (OUT-10).

use std::io::Write as _;

use bellwether_shared::base::Seq;
use bellwether_shared::wire::{self, CBOR};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::device::{Device, event_with, plain};
use crate::http::{Reply, Setup, get, send};

fn packed(body: &[u8]) -> Vec<u8> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
    packing.write_all(body).expect("memory takes it");
    packing.finish().expect("memory takes it")
}

async fn post(router: &axum::Router, media: &str, encodings: &[&str], body: Vec<u8>) -> Reply {
    let mut headers = vec![("content-type", media)];
    headers.extend(encodings.iter().map(|encoding| ("content-encoding", *encoding)));
    send(router, "POST", "/v1/push", &headers, body).await
}

#[tokio::test]
async fn a_compressed_push_is_taken_like_another() {
    let router = Setup::default().router();
    let mut ann = Device::new(1, "s", "ann");
    let large =
        vec![event_with("plain", "large", Some(format!("\"{}\"", "x".repeat(200_000)).as_bytes()))];
    let batch = ann.batch(&large);
    let body = packed(&wire::to_cbor(&batch));
    assert!(body.len() < 10_000);
    assert_eq!(post(&router, CBOR, &["gzip"], body).await.answer().through, Seq(1));
    let batch = ann.batch(&plain(["a", "b"]));
    let json = serde_json::to_vec(&batch).expect("a push is JSON");
    let reply = post(&router, "application/json", &["GZip"], packed(&json)).await;
    assert_eq!(reply.json()["through"], 3);
    let reply = post(&router, CBOR, &["identity"], wire::to_cbor(&batch)).await;
    assert_eq!(reply.answer().through, Seq(3));
}

/// What it shows, encodings, body, status, code.
type Case<'a> = (&'a str, &'a [&'a str], Vec<u8>, u16, &'a str);

#[tokio::test]
async fn what_does_not_unpack_is_told() {
    let router = Setup::default().router();
    let body = wire::to_cbor(&Device::new(1, "s", "ann").batch(&plain(["a", "b"])));
    let good = packed(&body);
    let mut spoilt = good.clone();
    *spoilt.last_mut().expect("it has bytes") ^= 1;
    let bomb = packed(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < 500_000);
    let nested = packed(&bomb);
    #[rustfmt::skip]
    let cases: [Case<'_>; 14] = [
        ("not gzip",             &["gzip"],          body.clone(),                        400, "malformed"),
        ("nothing",              &["gzip"],          vec![],                              400, "malformed"),
        ("cut",                  &["gzip"],          good[..good.len() - 9].to_vec(),     400, "malformed"),
        ("cut in its head",      &["gzip"],          good[..5].to_vec(),                  400, "malformed"),
        ("another length",       &["gzip"],          spoilt,                              400, "malformed"),
        ("something behind it",  &["gzip"],          [&good[..], b"x"].concat(),          400, "malformed"),
        ("two in one",           &["gzip"],          [&good[..], &good].concat(),         400, "malformed"),
        ("a bomb",               &["gzip"],          bomb,                                413, "body-too-large"),
        ("a bomb in a bomb",     &["gzip"],          nested,                              400, "malformed"),
        ("packed and not said",  &[],                good.clone(),                        400, "malformed"),
        ("brotli",               &["br"],            good.clone(),                        415, "encoding-unknown"),
        ("a list",               &["gzip, gzip"],    good.clone(),                        415, "encoding-unknown"),
        ("twice",                &["gzip", "gzip"],  packed(&good),                       415, "encoding-unknown"),
        ("deflate",              &["deflate"],       good.clone(),                        415, "encoding-unknown"),
    ];
    for (shows, encodings, body, status, code) in cases {
        let reply = post(&router, CBOR, encodings, body).await;
        assert_eq!(reply.problem(), (status, code.to_owned()), "{shows}");
        assert_eq!(
            reply.header("accept-encoding"),
            if status == 415 { "gzip" } else { "" },
            "{shows}"
        );
    }
    assert_eq!(get(&router, "/v1/events?session=s").await.json()["head"], 0);
}

/// The bound is that of the body as it is read, to the byte.
#[tokio::test]
async fn a_body_at_its_bound_is_read() {
    let router = Setup::default().router();
    for (bytes, expected) in
        [(2 * 1024 * 1024, "malformed"), (2 * 1024 * 1024 + 1, "body-too-large")]
    {
        let reply = post(&router, CBOR, &["gzip"], packed(&vec![0; bytes])).await;
        assert_eq!(reply.problem().1, expected, "{bytes}");
    }
}
