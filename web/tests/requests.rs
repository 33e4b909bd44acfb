//! Requests to servers, from a dedicated worker.

#![cfg(target_arch = "wasm32")]

mod support;

use core::time::Duration;

use bellwether_web::fetch::{Reply, Unreachable, post, replay, resolve_conflict, tell_hook, token};
use support::{PATIENCE, js};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Posts to a server that is `body`, a function of address and request.
async fn post_to(
    body: &str,
    timeout: Duration,
    answer_bytes_max: usize,
) -> Result<Reply, Unreachable> {
    js("", &format!("globalThis.plain_fetch = fetch; globalThis.fetch = (url, it) => {body}"))
        .await;
    let address = "https://server.test/push";
    let reply = post(
        address,
        "application/cbor",
        "text/plain",
        Some("token"),
        &[1, 2, 3],
        timeout,
        answer_bytes_max,
        false,
    );
    let reply = reply.await;
    js("", "globalThis.fetch = plain_fetch").await;
    reply
}

#[wasm_bindgen_test]
async fn a_request_carries_nothing_but_what_was_given() {
    let server = "{
        const sent = [
            url, it.method, it.credentials, it.cache, it.redirect,
            [...new Headers(it.headers)].join(';'), [...it.body].join(),
        ];
        const headers = {'content-type': 'text/plain', 'retry-after': '7'};
        return Promise.resolve(new Response(sent.join(' '), {status: 429, headers}));
    }";
    let reply = post_to(server, PATIENCE, 4_096).await.expect("it answers");
    assert_eq!(reply.status, 429);
    assert_eq!(reply.content_type.as_deref(), Some("text/plain"));
    assert_eq!(reply.retry_after.as_deref(), Some("7"));
    let expected = "https://server.test/push POST omit  error accept,text/plain;\
        authorization,Bearer token;content-type,application/cbor 1,2,3";
    assert_eq!(String::from_utf8(reply.body).as_deref(), Ok(expected));
}

#[wasm_bindgen_test]
async fn an_answer_is_read_up_to_its_bound() {
    let server = |bytes: u32| format!("Promise.resolve(new Response(new Uint8Array({bytes})))");
    let reply = post_to(&server(1_000), PATIENCE, 1_000).await.expect("it fits");
    assert_eq!(reply.body.len(), 1_000);
    let refused = post_to(&server(1_001), PATIENCE, 1_000).await;
    assert_eq!(refused, Err(Unreachable::TooLarge));
    let empty = post_to("Promise.resolve(new Response(null, {status: 204}))", PATIENCE, 0).await;
    assert_eq!(empty.map(|reply| reply.body.len()), Ok(0));
}

#[wasm_bindgen_test]
async fn a_request_without_an_answer_is_aborted() {
    let silent = "new Promise((_, reject) =>
        it.signal.onabort = () => { globalThis.aborted = true; reject(it.signal.reason); })";
    let timeout = Duration::from_millis(50);
    assert_eq!(post_to(silent, timeout, 9).await, Err(Unreachable::Timeout));
    assert!(js("", "return globalThis.aborted").await.is_truthy());
    let stuck = "Promise.resolve(new Response(new ReadableStream({})))";
    assert_eq!(post_to(stuck, timeout, 9).await, Err(Unreachable::Timeout));
    let broken = "Promise.reject(new TypeError('Failed to fetch'))";
    let fault = post_to(broken, timeout, 9).await.expect_err("it fails");
    assert_eq!(fault.to_string(), "TypeError: Failed to fetch");
    let fault = post_to("{ throw new TypeError('no') }", timeout, 9).await.expect_err("it throws");
    assert_eq!(fault.to_string(), "TypeError: no");
}

#[wasm_bindgen_test]
async fn a_body_that_is_worth_it_travels_compressed() {
    let unpacks = "{
        const packed = it.body.stream().pipeThrough(new DecompressionStream('gzip'));
        const kind = new Headers(it.headers).get('content-encoding');
        return new Response(packed, {headers: {'content-type': kind}});
    }";
    js(
        "",
        &format!("globalThis.plain_fetch = fetch; globalThis.fetch = async (url, it) => {unpacks}"),
    )
    .await;
    let body = vec![7; 10_000];
    let (to, cbor) = ("https://server.test/push", "application/cbor");
    let reply = post(to, cbor, cbor, None, &body, PATIENCE, 20_000, true).await;
    js("", "globalThis.fetch = plain_fetch").await;
    let reply = reply.expect("it answers");
    assert_eq!((reply.content_type.as_deref(), reply.body), (Some("gzip"), body));
}

/// Replays a request to a server that tells what it was sent.
async fn replayed(json: &str, hooks: &str) -> Result<Reply, Unreachable> {
    let tells = "new Response([
        it.method, it.url, it.credentials, [...it.headers].join(';'), await it.text(), !!init.signal,
    ].join(' '))";
    js(
        "",
        &format!(
            "globalThis.plain_fetch = fetch; globalThis.fetch = async (it, init) => {tells};
        globalThis.bellwether = {{hooks: {{ {hooks} }}}}"
        ),
    )
    .await;
    let sent = replay(json, "e1", Some("secret"), "https://api.test", PATIENCE, 4_096).await;
    js("", "globalThis.fetch = plain_fetch; delete globalThis.bellwether").await;
    sent
}

async fn told(json: &str, hooks: &str) -> String {
    let reply = replayed(json, hooks).await.expect("it answers");
    String::from_utf8(reply.body).expect("it is text")
}

#[wasm_bindgen_test]
async fn a_plain_request_goes_out_as_it_was_queued_with_its_key() {
    let put = r#"{"method":"PUT","url":"https://other.test/a","headers":{"x-a":"1"},"body":"hi"}"#;
    assert_eq!(
        told(put, "").await,
        "PUT https://other.test/a same-origin content-type,text/plain;charset=UTF-8;idempotency-key,e1;x-a,1 hi true"
    );
    let bytes = r#"{"method":"POST","url":"https://other.test/","headers":{"idempotency-key":"mine"},
        "body":"AAEC","base64":true}"#;
    assert_eq!(
        told(bytes, "").await,
        "POST https://other.test/ same-origin idempotency-key,mine \0\u{1}\u{2} true"
    );
}

#[wasm_bindgen_test]
async fn the_token_is_shown_to_its_own_server_alone() {
    let cases = [
        ("https://api.test/a", true),
        ("https://api.test", true),
        ("https://api.test.evil.test/a", false),
        ("https://api.testing/a", false),
        ("http://api.test/a", false),
        ("https://other.test/?https://api.test/", false),
    ];
    for (url, shown) in cases {
        let json = format!(r#"{{"method":"GET","url":"{url}"}}"#);
        assert_eq!(told(&json, "").await.contains("Bearer secret"), shown, "{url}");
    }
    let own = r#"{"method":"GET","url":"https://api.test/","headers":{"authorization":"Basic x"}}"#;
    let told = told(own, "").await;
    assert!(told.contains("authorization,Basic x") && !told.contains("secret"), "{told}");
}

#[wasm_bindgen_test]
async fn the_apps_hooks_change_a_request_or_send_it() {
    let get = r#"{"method":"GET","url":"https://other.test/"}"#;
    let adds = "resolve: async it => new Request(it, {headers: {...Object.fromEntries(it.headers), 'x-csrf': 'c'}})";
    assert!(told(get, adds).await.contains("idempotency-key,e1;x-csrf,c"));
    assert!(told(get, "resolve: () => undefined").await.contains("idempotency-key,e1"));
    let sends =
        "deliver: (it, {signal}) => new Response(`${it.url} ${signal.aborted}`, {status: 202})";
    let reply = replayed(get, sends).await.expect("the hook answers");
    assert_eq!((reply.status, reply.body), (202, b"https://other.test/ false".to_vec()));
    let post = r#"{"method":"POST","url":"https://other.test/","body":"b"}"#;
    let leaves = "deliver: async it => { await it.text() }";
    assert!(told(post, leaves).await.ends_with(" b true"), "it is sent as if there were no hook");
    let throws = "resolve: () => { throw new Error('no csrf yet') }";
    assert!(replayed(get, throws).await.is_err(), "it is tried again later");
}

#[wasm_bindgen_test]
async fn what_is_no_request_has_the_status_0() {
    let cases = [
        "no json",
        "{}",
        r#"{"method":"GET","url":"https://user:password@other.test/"}"#,
        r#"{"method":"TRACE","url":"https://other.test/"}"#,
        r#"{"method":"POST","url":"https://other.test/","body":"%","base64":true}"#,
        r#"{"method":"GET","url":"https://other.test/","body":"a body"}"#,
    ];
    for json in cases {
        assert_eq!(replayed(json, "").await.map(|reply| reply.status), Ok(0), "{json}");
    }
}

#[wasm_bindgen_test]
async fn the_apps_hook_is_told_of_what_was_given_up() {
    tell_hook("e1", "note", "no", "never", 3).await;
    js("", "globalThis.bellwether = {hooks: {onEvent: async it => { globalThis.told = it }}}")
        .await;
    tell_hook("e1", "note", "no", "never", 3).await;
    let told = js("", "return JSON.stringify(globalThis.told)").await;
    assert_eq!(
        told.as_string().as_deref(),
        Some(
            r#"{"type":"dead-letter","detail":{"id":"e1","type":"note","code":"no","message":"never","tries":3}}"#
        )
    );
    js("", "delete globalThis.bellwether; delete globalThis.told").await;
}

#[wasm_bindgen_test]
async fn the_apps_hook_makes_one_of_two_or_leaves_it() {
    let asked = || resolve_conflict("list", Some("[2]"), None, Duration::from_millis(50));
    assert!(asked().await.is_err(), "there is no hook");
    // What goes wrong in the hook is reported, and is no fault of the test.
    js("", "globalThis.reported = globalThis.reportError; globalThis.reportError = () => {}").await;
    let cases = [
        (
            "async ({key, local, remote}) => [key, local, remote ?? 0]",
            Ok(Some(r#"["list",[2],0]"#)),
        ),
        ("({strategy}) => strategy", Ok(Some("\"custom\""))),
        ("() => null", Ok(Some("null"))),
        ("() => undefined", Ok(None)),
        ("() => () => 1", Err(())),
        ("() => 1n", Err(())),
        ("() => { throw new Error('cannot') }", Err(())),
        ("() => new Promise(() => {})", Err(())),
    ];
    for (hook, made) in cases {
        js("", &format!("globalThis.bellwether = {{hooks: {{resolveConflict: {hook}}}}}")).await;
        assert_eq!(asked().await.as_ref().map(Option::as_deref).map_err(|_| ()), made, "{hook}");
    }
    js("", "globalThis.reportError = reported; delete globalThis.bellwether; delete globalThis.reported").await;
}

#[wasm_bindgen_test]
async fn the_apps_hook_gives_tokens_where_there_is_one() {
    assert!(token("ann", "board").await.is_err(), "there is no hook");
    let cases = [
        ("({user, session}) => `${user} at ${session}`", Some("ann at board")),
        ("async () => undefined", None),
        ("() => { throw new Error('offline') }", None),
        ("() => 7", None),
    ];
    for (hook, given) in cases {
        js("", &format!("globalThis.bellwether = {{hooks: {{token: {hook}}}}}")).await;
        let token = token("ann", "board").await.expect("there is a hook");
        assert_eq!(token.as_deref(), given, "{hook}");
    }
    js("", "delete globalThis.bellwether").await;
}
