//! The coordinator's stories.

use bellwether_shared::base::{EventId, Seq};
use bellwether_shared::bus::{Change, Request, Wipe};
use bellwether_shared::rows::Options;
use bellwether_shared::wire::{EventFlags, Verdict};

use crate::stage::{Stage, chosen};

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

fn change(id: &str, sealed: Option<Vec<u8>>) -> Change {
    let id = EventId::new(id).expect("stories use fit ids");
    Change { id, sealed: sealed.map(Into::into) }
}

#[test]
fn what_is_not_sealed_can_be_cancelled_and_replaced() {
    let title = "Of four events two are cancelled and one replaced while delivery is paused; what is sealed stays.";
    let mut stage = stage(title);
    stage.boot();
    stage.ask(Request::Pause { on: true });
    stage.append_of_ben("z");
    stage.append(&["a", "b", "c"]);
    stage.ask(Request::Replace(change("b", None)));
    stage.ask(Request::Replace(change("c", Some(chosen("c", Some("a"), EventFlags::RELEASE)))));
    stage.ask(Request::Replace(change("c", Some(chosen("d", None, EventFlags(0))))));
    stage.refuse_next();
    stage.ask(Request::Replace(change("a", None)));
    stage.kill();
    stage.boot();
    // Asked of a worker that has read nothing yet.
    stage.ask(Request::Replace(change("z", None)));
    stage.ask(Request::Replace(change("z", None)));
    stage.ask(Request::Pause { on: false });
    stage.ask(Request::Replace(change("c", None)));
    stage.takes(2);
    stage.end("cancelled");
}

#[test]
fn of_what_a_read_brings_the_last_of_a_kind_stays() {
    let title =
        "Three pings and what was between them: the first two pings are superseded at once.";
    let mut stage = stage(title);
    stage.boot();
    let ping = EventFlags::COLLAPSE;
    let none = EventFlags(0);
    stage.append_choices(&[
        ("p1", None, ping),
        ("a", None, none),
        ("ben-1", None, none),
        ("p2", None, ping),
        ("p3", None, ping),
    ]);
    // Sealed, p3 is not superseded any more.
    stage.append_choices(&[("p4", None, ping)]);
    stage.takes(9);
    stage.takes(9);
    stage.takes(9);
    stage.end("superseded");
}

#[test]
fn what_comes_after_another_streams_event_waits_for_it() {
    let title =
        "Ben's event waits for ann's; when hers is refused, his go the way that was chosen.";
    let mut stage = stage(title);
    let none = EventFlags(0);
    stage.boot();
    stage.append_choices(&[
        ("a", None, none),
        ("ben-1", Some("a"), none),
        ("ben-2", Some("ben-1"), none),
        ("ben-3", Some("a"), EventFlags::RELEASE),
        ("ben-4", Some("later"), none),
        ("later", Some("later"), none),
    ]);
    stage.refuses();
    stage.takes(9);
    stage.ask(Request::Retry { id: None });
    stage.takes(9);
    stage.takes(9);
    stage.end("depends");
}

#[test]
fn a_letter_is_mended_and_sent_again() {
    let mut stage = stage("A refused event is edited, which outlives the worker, and tried again.");
    stage.boot();
    stage.append(&["a"]);
    stage.refuses();
    stage.ask(Request::Edit(change("b", Some(chosen("b", None, EventFlags(0))))));
    stage.ask(Request::Edit(change("a", Some(b"no event".to_vec()))));
    stage.refuse_next();
    stage.ask(Request::Edit(change("a", Some(chosen("a", None, EventFlags::RELEASE)))));
    stage.ask(Request::Edit(change("a", Some(chosen("a", None, EventFlags::RELEASE)))));
    stage.kill();
    stage.boot();
    stage.ask(Request::Retry { id: EventId::new("a").ok() });
    stage.takes(1);
    stage.end("edited");
}

#[test]
fn what_is_anns_goes_and_what_is_bens_stays() {
    let title = "Ann signs out for good, with an event delivered, one refused, one on its way, and one behind it.";
    let options = Options { batch_events: 1, ..Options::default() };
    let mut stage = Stage::new(title, options);
    stage.boot();
    stage.hello(false);
    stage.append(&["a"]);
    stage.takes(1);
    stage.append(&["b"]);
    stage.refuses();
    stage.append_of_ben("z");
    stage.takes(1);
    stage.append(&["c", "d", "e"]);
    let (session, user) = (Some("s".into()), Some("ann".into()));
    stage.ask(Request::Wipe(Wipe { session, user, undelivered: true }));
    stage.ask(Request::Flush);
    stage.kill();
    stage.boot();
    stage.wake();
    stage.append(&["f"]);
    stage.takes(1);
    stage.end("wiped");
}
