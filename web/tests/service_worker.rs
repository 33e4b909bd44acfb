//! What only a service worker has, in one.

#![cfg(target_arch = "wasm32")]

mod support;

use bellwether_shared::base::{Epoch, PageId};
use bellwether_shared::rows::{Op, Store as Place, WriteBatch};
use bellwether_web::fault::StoreFault;
use bellwether_web::store::Store;
use bellwether_web::{scope, sign};
use support::{PATIENCE, channel};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_service_worker);

#[wasm_bindgen_test]
async fn pages_are_found_and_posted_to() {
    let pages = scope::clients_match_all().await.expect("they are listed");
    assert!(!pages.is_empty(), "the page that runs this test is one");
    for page in &pages {
        page.post("c", &[1]).expect("it is posted");
        assert_eq!(scope::post(&page.id, "c", &[1]).await, Ok(true));
    }
    assert_eq!(scope::post("00000000-0000-0000-0000-000000000000", "c", &[1]).await, Ok(false));
    assert!(scope::online());
}

#[wasm_bindgen_test]
async fn a_wake_up_may_be_asked_for() {
    // Whether it is granted is the browser's business; that it answers is ours.
    let _granted = scope::register_sync("bellwether").await;
}

#[wasm_bindgen_test]
async fn the_store_works_here_too() {
    let store = Store::open(&channel("sw"), PATIENCE).await.expect("the database opens");
    let ops = vec![Op::Append { row: vec![1] }];
    let (epoch, holder) = (Epoch(1), PageId::default());
    let refused = store.commit(&WriteBatch { epoch, holder, strict: true, ops }).await;
    assert_eq!(refused, Err(StoreFault::Fenced { found: Epoch(0) }));
    let (pair, ..) = sign::generate().await.expect("keys are made");
    store.mint(&[1], &pair, false).await.expect("it is minted");
    let boot = store.boot(|_| Some(vec![7])).await.expect("it boots");
    assert!(boot.taken && boot.signing.is_some());
    assert_eq!(store.count(Place::Lease).await, Ok(1));
}
