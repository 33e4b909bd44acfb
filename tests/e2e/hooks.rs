//! Functions of the app's own: what it encrypts, and how it mends what its server does not know any more (OUT-19, OUT-6).

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::site::Site;
use crate::stage::play;
use crate::wait::secs;

#[test]
fn what_the_app_encrypts_lies_nowhere_in_the_clear_and_is_opened_for_its_pages() {
    play(Site::bare(), async |stage| {
        let page = stage.unjoined().await;
        page.run(JOIN_SEALED, json!([])).await;
        page.ready().await;

        // 1. On the device, while the server is away.
        stage.server.kill();
        let body = "return (await bw.outbox.enqueue({ type: 'noted', data: { text: args } })).id";
        let id: String = page.ask(body, json!(SECRET)).await;
        let pending: Vec<Value> = page.ask("return bw.outbox.pending()", json!([])).await;
        assert_eq!(pending[0]["data"]["text"], SECRET, "{pending:?}");
        let places: Vec<String> = page.ask("return placesOf(args)", json!(SECRET)).await;
        assert_eq!(places, [""; 0]);
        // The search does find what is in the clear.
        let places: Vec<String> = page.ask("return placesOf(args)", json!(id)).await;
        assert!(places.iter().any(|it| it.ends_with("/journal")), "{places:?}");

        // 2. On the way and at the server.
        page.stop_workers().await;
        stage.server.start().await;
        let log = stage.server.log_reaches("e2e", 1, secs(20)).await;
        assert_eq!(log[0].id, id);
        let data = log[0].data.as_ref().expect("it has data").to_string();
        assert!(data.contains("$sealed") && !data.contains(SECRET), "{data}");
        page.status_is("status.pending === 0 && status.dead === 0", secs(10)).await;

        // 3. What comes back from the server can be opened by the app alone.
        let sealed = log[0].data.as_ref().expect("it has data")["$sealed"].clone();
        let opened = page.run("return JSON.parse(await opened(args))", sealed).await;
        assert_eq!(opened["text"], SECRET);
    });
}

#[test]
fn letters_of_a_type_that_the_server_does_not_know_are_mended_by_a_newer_page() {
    play(Site::bare(), async |stage| {
        stage.server.kill();
        stage.server.start_with(&["--event-types", "noted"]).await;
        let old = stage.page(crate::stage::brisk()).await;
        old.ready().await;
        let ids = [enqueue(&old, "note").await, enqueue(&old, "scribble").await];
        old.status_is("status.dead === 2 && status.pending === 0", secs(10)).await;
        let failed: Vec<Value> = old.ask("return bw.outbox.failed()", json!([])).await;
        assert!(failed.iter().all(|it| it["code"] == "type-unknown"), "{failed:?}");

        // The newer build knows what has become of one of them.
        let new = stage.unjoined().await;
        new.run(JOIN_MENDING, json!([])).await;
        let log = stage.server.log_reaches("e2e", 1, secs(20)).await;
        assert_eq!((log[0].id.as_str(), log[0].type_.as_str()), (ids[0].as_str(), "noted"));
        assert_eq!(log[0].data, Some(json!({ "was": "note" })));
        for tab in [&old, &new] {
            tab.status_is("status.dead === 1 && status.pending === 0", secs(10)).await;
        }
        let failed: Vec<Value> = new.ask("return bw.outbox.failed()", json!([])).await;
        assert_eq!(failed[0]["id"], ids[1].as_str(), "the other stays a letter");
    });
}

async fn enqueue(tab: &Tab, type_: &str) -> String {
    let body = "return (await bw.outbox.enqueue({ type: args, data: { was: args } })).id";
    tab.ask(body, json!(type_)).await
}

const SECRET: &str = "what nobody else may read";

/// Joins with AES-GCM by WebCrypto, as an app would.
const JOIN_SEALED: &str = "
    const name = 'AES-GCM';
    const key = await crypto.subtle.generateKey({ name, length: 256 }, false, ['encrypt', 'decrypt']);
    const seal = async (json) => {
        const iv = crypto.getRandomValues(new Uint8Array(12));
        const bytes = await crypto.subtle.encrypt({ name, iv }, key, new TextEncoder().encode(json));
        return btoa(String.fromCharCode(...iv, ...new Uint8Array(bytes)));
    };
    const open = async (text) => {
        const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
        const iv = bytes.subarray(0, 12);
        return new TextDecoder().decode(await crypto.subtle.decrypt({ name, iv }, key, bytes.subarray(12)));
    };
    window.opened = open;
    return join({ outbox: { encrypt: { seal, open }, baseDelayMs: 100, maxDelayMs: 1000 } });
";

/// Joins with a hook that knows what one type is called today.
const JOIN_MENDING: &str = "
    const migrate = ({ type, data }) => (type === 'note' ? { type: 'noted', data } : undefined);
    return join({ outbox: { migrate, baseDelayMs: 100, maxDelayMs: 1000 } });
";
