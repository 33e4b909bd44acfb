//! Stories of when something is sent, and under what.

use bellwether_shared::rows::{Deliver, Options};
use bellwether_shared::wire::Lane;

use crate::stage::Stage;

#[test]
fn an_outage_is_probed_by_one_stream_until_the_server_is_back() {
    let title = "The server is away: after five failures one request is tried at a time, also by the next worker, and \
                 what was held up goes on as soon as one is answered.";
    let mut stage = Stage::new(title, Options::default());
    stage.boot();
    stage.append(&["a"]);
    stage.append_of_ben("b");
    stage.cuts();
    stage.cuts();
    stage.pass();
    stage.cuts();
    stage.pass();
    stage.cuts();
    stage.pass();
    // The batch, and the question whether the server is well.
    stage.cuts();
    stage.cuts();
    stage.pass();
    stage.cuts();
    stage.kill();
    stage.boot();
    stage.wake();
    stage.pass();
    stage.takes(1);
    stage.takes(1);
    stage.end("breaker");
}

#[test]
fn one_token_is_asked_for_however_many_requests_were_refused() {
    let title = "Two lanes are refused for one credential: it is asked for once. A request that was refused with the \
                 one before is sent again with the present one.";
    let mut stage = Stage::new(title, Options::default());
    stage.boot();
    stage.hello(true);
    stage.give_token();
    stage.append(&["a"]);
    stage.append_in(Lane::Critical, &["b"]);
    stage.fails(401, "unauthorized", None);
    stage.give_token();
    stage.fails(401, "unauthorized", None);
    stage.takes(1);
    stage.takes(1);
    stage.end("one-token");
}

#[test]
fn what_can_wait_lets_the_others_go_first() {
    let options = Options { batch_events: 1, ..Options::default() };
    let title = "Bulk waits until nothing else is under way.";
    let mut stage = Stage::new(title, options);
    stage.boot();
    stage.append(&["a", "b"]);
    stage.append_in(Lane::Bulk, &["z"]);
    stage.takes(1);
    stage.takes(1);
    stage.takes(1);
    stage.end("bulk-yields");
}

#[test]
fn what_can_wait_does_not_wait_for_ever() {
    let title = "Bulk has waited for ten seconds beside others that do not end, and goes.";
    let mut stage = Stage::new(title, Options::default());
    stage.boot();
    stage.append(&["a"]);
    stage.append_in(Lane::Bulk, &["z"]);
    stage.pass();
    stage.takes(1);
    stage.takes(1);
    stage.end("bulk-goes");
}

#[test]
fn plain_requests_go_one_by_one_and_are_judged_by_their_status() {
    let options = Options { deliver: Some(Deliver::Requests), tries_max: 2, ..Options::default() };
    let title = "Plain requests: one is taken with a result, one is refused, one fails twice and is given up, one is \
                 cut off, the worker is killed, and it is sent again under the same key, once a page of its user is there.";
    let mut stage = Stage::new(title, options);
    stage.boot();
    stage.hello(false);
    stage.append(&["a", "b", "c", "d"]);
    stage.answers_request(201, r#"{"id":7}"#);
    stage.answers_request(404, "");
    stage.answers_request(500, "");
    stage.pass();
    stage.answers_request(500, "");
    stage.kill();
    stage.boot();
    stage.wake();
    stage.hello(false);
    stage.answers_request(204, "");
    stage.end("plain-requests");
}
