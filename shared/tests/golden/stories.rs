//! The coordinator's stories.

use bellwether_shared::base::Seq;
use bellwether_shared::bus::Request;
use bellwether_shared::rows::Options;
use bellwether_shared::wire::Verdict;

use crate::stage::Stage;

fn stage(title: &str) -> Stage {
    Stage::new(title, Options::default())
}

#[test]
fn the_first_events_are_delivered() {
    let mut stage = stage("The first events, from the journal to their outcomes.");
    stage.boot();
    stage.hello(false);
    stage.append(&["a", "b"]);
    stage.append(&["c"]);
    stage.takes(2);
    stage.takes(1);
    stage.end("delivered");
}

#[test]
fn two_batches_are_sealed_together_and_the_second_leaves_at_once() {
    let options = Options { batch_events: 2, ..Options::default() };
    let title = "Five events in batches of two: what is behind a batch is sealed with it, and leaves when that is taken.";
    let mut stage = Stage::new(title, options);
    stage.boot();
    stage.append(&["a", "b", "c", "d", "e"]);
    stage.takes(2);
    stage.takes(1);
    stage.pass();
    stage.takes(9);
    stage.takes(9);
    stage.end("behind");
}

#[test]
fn a_worker_killed_over_a_push_sends_the_same_again() {
    let mut stage =
        stage("The worker is killed while a batch is on the wire, which arrives all the same.");
    stage.boot();
    stage.append(&["a", "b"]);
    stage.kill();
    stage.wait(2_000);
    stage.boot();
    stage.wake();
    stage.recognises();
    stage.end("killed");
}

#[test]
fn a_bad_event_is_found_by_halving_and_buried_alone() {
    let options = Options { tries_max: 2, ..Options::default() };
    let title = "The server fails over one event of three: it is found by halving, and buried after two tries.";
    let mut stage = Stage::new(title, options);
    stage.boot();
    stage.hello(false);
    stage.append(&["bad", "b", "c"]);
    for _ in 0..2 {
        stage.fails(500, "internal", None);
        stage.pass();
    }
    stage.fails(500, "internal", None);
    stage.takes(0);
    stage.fails(500, "internal", None);
    stage.takes(0);
    stage.pass();
    stage.fails(500, "internal", None);
    stage.takes(0);
    stage.takes(1);
    stage.takes(1);
    stage.end("halved");
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let mut stage =
        stage("The server asks for time: nobody spends a try, and the wait survives the worker.");
    stage.boot();
    stage.append(&["a"]);
    stage.fails(429, "throttled", Some(20_000));
    stage.wait(500);
    stage.kill();
    stage.boot();
    stage.wake();
    stage.pass();
    stage.fails(429, "throttled", Some(4_000_000_000));
    stage.pass();
    stage.takes(1);
    stage.end("throttled");
}

#[test]
fn a_forked_stream_begins_anew_under_the_same_ids() {
    let mut stage = stage(
        "A copy of this device was faster: the stream begins another life with the same events.",
    );
    stage.boot();
    stage.hello(false);
    stage.append(&["a"]);
    stage.takes(1);
    stage.append(&["b"]);
    stage.objects(Verdict::Forked { at: Seq(2) });
    stage.recognises();
    stage.takes(1);
    stage.end("forked");
}

#[test]
fn a_server_put_back_gets_again_what_it_lost() {
    let mut stage = stage(
        "The server's log lives another life: what it had taken is sent again, then what is new.",
    );
    stage.boot();
    stage.hello(false);
    stage.append(&["a", "b"]);
    stage.takes(2);
    stage.wipe();
    stage.append(&["c"]);
    stage.objects(Verdict::EpochChanged);
    stage.takes(2);
    stage.takes(1);
    stage.end("log-changed");
}

#[test]
fn a_coordinator_that_is_fenced_falls_silent() {
    let mut stage = stage(
        "Another worker has booted: the first one's next write fails, and it says nothing more.",
    );
    stage.boot();
    stage.append(&["a"]);
    stage.supersede();
    stage.takes(1);
    stage.append(&["b"]);
    stage.wake();
    stage.end("fenced");
}

#[test]
fn delivery_stops_at_a_pause_and_goes_on_after_it() {
    let mut stage = stage("The app pauses delivery, flushes in vain, and resumes.");
    stage.boot();
    stage.hello(false);
    stage.ask(Request::Pause { on: true });
    stage.append(&["a"]);
    stage.ask(Request::Flush);
    stage.ask(Request::Pause { on: false });
    stage.ask(Request::Flush);
    stage.takes(1);
    stage.end("paused");
}

#[test]
fn a_refused_credential_is_asked_for_and_costs_no_try() {
    let mut stage =
        stage("The server wants a token; a page gives one, and delivery goes on at once.");
    stage.boot();
    stage.hello(true);
    stage.append(&["a"]);
    stage.fails(401, "unauthorized", None);
    stage.wait(30);
    stage.give_token();
    stage.takes(1);
    stage.end("token-wanted");
}

#[test]
fn a_row_of_a_newer_build_stops_its_stream_and_no_other() {
    let mut stage = stage(
        "A row of a newer build stays where it is; ann's stream waits behind it, ben's goes on.",
    );
    stage.boot();
    stage.append(&["a"]);
    stage.takes(1);
    stage.append_of_newer_build("b");
    stage.append(&["c"]);
    stage.append_of_ben("d");
    stage.takes(1);
    stage.end("newer-row");
}

#[test]
fn a_full_disk_stops_nothing_for_good() {
    let mut stage = stage(
        "The disk refuses the seal of a batch: nothing has changed, and it is sealed again later.",
    );
    stage.boot();
    stage.refuse_next();
    stage.append(&["a"]);
    stage.pass();
    stage.takes(1);
    stage.end("disk-full");
}

#[test]
fn an_outage_costs_nobody_a_try() {
    let mut stage =
        stage("The server cannot be reached, nor asked; when it is back, everything arrives.");
    stage.boot();
    stage.append(&["a", "b"]);
    for _ in 0..2 {
        stage.cuts();
        stage.pass();
    }
    stage.cuts();
    stage.cuts();
    stage.pass();
    stage.takes(2);
    stage.end("outage");
}
