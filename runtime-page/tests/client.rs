//! The Rust client in a real window, without a worker: what a page promises alone (PKG-2, OUT-1, OUT-15).

#![cfg(target_arch = "wasm32")]

use bellwether_runtime_page::{Bellwether, Host, Journey, Lane, NewEvent, Options, WorkerChoice};
use futures::future::join_all;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

fn alone(channel: &str) -> Options {
    let name = format!("{channel}-{}", js_sys::Math::random());
    Options { channel: name.into(), worker: WorkerChoice::Off, ..Options::default() }
}

fn event(data: &str) -> NewEvent<'_> {
    NewEvent { type_: "note.added", data: Some(data), key: Some("k"), ..NewEvent::default() }
}

#[wasm_bindgen_test]
async fn what_was_enqueued_is_there_for_the_next_client() {
    let options = alone("kept");
    let first = Bellwether::connect(options.clone()).await.expect("the options fit");
    let receipt = first.enqueue(event("1")).await.expect("the disk takes it");
    first.close().await;

    let second = Bellwether::connect(options).await.expect("the options fit");
    let pending = second.pending().await.expect("the disk answers");
    assert_eq!(pending.len(), 1);
    assert_eq!(&*pending[0].id, receipt.id.as_str());
    assert_eq!(pending[0].position, receipt.position);
    assert_eq!(pending[0].journey, Journey::Durable);
    assert_eq!(pending[0].content.data.as_deref(), Some("1"));
    assert_eq!(pending[0].content.lane, Lane::Normal);
}

#[wasm_bindgen_test]
async fn more_at_once_than_a_transaction_takes_are_in_the_order_of_enqueueing() {
    let client = Bellwether::connect(alone("many")).await.expect("the options fit");
    let bodies: Vec<String> = (0..9_000).map(|number| number.to_string()).collect();
    let receipts = join_all(bodies.iter().map(|body| client.enqueue(event(body)))).await;
    let positions: Vec<u64> = receipts
        .iter()
        .map(|receipt| receipt.as_ref().expect("the disk takes it").position)
        .collect();
    assert!(positions.is_sorted());
    let pending = client.pending().await.expect("the disk answers");
    let found: Vec<_> = pending.iter().filter_map(|event| event.content.data.as_deref()).collect();
    assert_eq!(found, bodies);
}

#[wasm_bindgen_test]
async fn the_same_client_without_a_worker_says_why() {
    let client = Bellwether::connect(alone("off")).await.expect("the options fit");
    client.enqueue(event("1")).await.expect("the disk takes it");
    let status = client.status();
    assert_eq!(status.host, Host::Starting);
    assert_eq!(status.pending, 1);
    client.close().await;
}

#[wasm_bindgen_test]
async fn what_breaks_a_bound_is_refused_and_not_stored() {
    let client = Bellwether::connect(alone("bounds")).await.expect("the options fit");
    let large = "x".repeat(256 * 1024 + 1);
    #[rustfmt::skip]
    let cases = [
        ("no type",        NewEvent { type_: "", ..event("1") },              "event-invalid"),
        ("type too long",  NewEvent { type_: &large[..201], ..event("1") },   "outbox-too-large"),
        ("body too large", event(&large),                                     "outbox-too-large"),
        ("unfit id",       NewEvent { id: Some("a b"), ..event("1") },        "event-invalid"),
    ];
    for (shows, event, code) in cases {
        let fault = client.enqueue(event).await.expect_err(shows);
        assert_eq!(&*fault.code, code, "{shows}");
    }
    assert_eq!(client.pending().await.expect("the disk answers").len(), 0);
}

#[wasm_bindgen_test]
async fn a_closed_client_says_so() {
    let client = Bellwether::connect(alone("closed")).await.expect("the options fit");
    client.close().await;
    client.close().await;
    let fault = client.enqueue(event("1")).await.expect_err("it is closed");
    assert_eq!(&*fault.code, "closed");
}
