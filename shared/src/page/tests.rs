//! The page's machine by short scripts: what it says, when it says it again, and whom it believes.

use super::*;
use crate::bus::{Folded, Sync, Welcome};
use crate::rows::{HostKind, Options};

const ME: PageId = PageId([7; 16]);
const WORKER: PageId = PageId([9; 16]);

fn at(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: crate::base::Wall(1_000_000 + ms) }
}

fn page() -> Page {
    let identity = Identity { session: "s".into(), user: "".into() };
    let (server, options) = ("https://server.test".into(), Options::default());
    let hello = Hello {
        identity,
        server,
        options,
        has_token: false,
        visible: true,
        network: None,
        shows_state: None,
        resolves: None,
    };
    Page::new(ME, "test", hello, Duration::from_millis(50))
}

fn status(pump: Option<PageId>, wake_at: Option<u64>) -> Status {
    Status {
        host: HostKind::Worker,
        pending: 0,
        dead: 0,
        answered: 0,
        read_through: 0,
        breaker: None,
        pages: 1,
        pump,
        wake_at: wake_at.map(|ms| at(ms).wall),
        next_attempt_at: None,
        sync: Sync::Synchronized,
        reason: "".into(),
        paused: false,
        reachable: None,
    }
}

fn notice(page: &mut Page, ms: u64, epoch: u64, request: RequestId, notice: &Notice) {
    let bytes = notice.seal("test", WORKER, request, Epoch(epoch));
    page.handle(at(ms), Input::Message(bytes));
}

fn welcome(page: &mut Page, ms: u64, epoch: u64) {
    let welcome = Welcome { status: status(None, None) };
    notice(page, ms, epoch, RequestId(0), &Notice::Welcome(welcome));
}

/// What the page asks its driver for: the kinds of requests that it posts, and the rest by name.
fn shown(page: &mut Page) -> Vec<String> {
    let mut shown = Vec::new();
    while let Some(effect) = page.poll_effect() {
        shown.push(match effect {
            Effect::Post { message, .. } => {
                let envelope = Envelope::read(&message).expect("our own envelope");
                let request = Request::open(&envelope).expect("our own request");
                let text = format!("{:?}", request.expect("of a kind we know"));
                text.split([' ', '(']).next().unwrap_or_default().to_owned()
            }
            Effect::Answered(_, reply) => format!("{reply:?}"),
            Effect::Trouble(fault) => fault.code.into(),
            Effect::Status(epoch, ..) => format!("status of {}", epoch.0),
            Effect::Welcomed => "welcomed".to_owned(),
            Effect::Buried { .. }
            | Effect::StateLost { .. }
            | Effect::TokenWanted(_)
            | Effect::Changed(_)
            | Effect::HostedByPage
            | Effect::ReloadNeeded(_) => "other".to_owned(),
        });
    }
    shown
}

/// Lets time pass until `until`, ringing each alarm; what was shown, and when.
fn wait(page: &mut Page, from: u64, until: u64) -> Vec<(u64, String)> {
    let mut now = from;
    let mut all = Vec::new();
    while let Some(next) = page.poll_timeout().filter(|next| next.0 <= until) {
        now = now.max(next.0);
        page.handle(at(now), Input::Timeout);
        let shown = shown(page);
        assert!(page.poll_timeout().is_none_or(|next| next.0 > now), "an alarm that rings at once");
        all.extend(shown.into_iter().map(|shown| (now, shown)));
    }
    all
}

#[test]
fn a_hello_is_sent_again_with_patience_until_it_is_welcomed() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    assert_eq!(shown(&mut page), ["Hello"]);
    let again: Vec<u64> = wait(&mut page, 0, 40_000).into_iter().map(|(ms, _)| ms).collect();
    assert_eq!(again, [1_000, 3_000, 7_000, 15_000, 31_000]);
    welcome(&mut page, 40_000, 3);
    assert_eq!(shown(&mut page), ["welcomed", "status of 3"]);
    assert_eq!(wait(&mut page, 40_000, 400_000), []);
}

#[test]
fn notices_of_an_older_coordinator_are_dropped() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 5, 8);
    shown(&mut page);
    #[rustfmt::skip]
    let cases = [
        ("an older coordinator",          7, vec![]),
        ("the same",                      8, vec!["status of 8"]),
        ("a newer one, not yet greeted",  9, vec!["Hello", "status of 9"]),
        ("the one before that",           8, vec![]),
    ];
    for (shows, epoch, expected) in cases {
        notice(&mut page, 10, epoch, RequestId(0), &Notice::Status(status(None, None)));
        assert_eq!(shown(&mut page), expected, "{shows}");
    }
}

#[test]
fn a_host_that_cannot_start_is_heard_and_stands_for_nobody() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 5, 8);
    shown(&mut page);
    let fault = Fault::new("reload-needed", Culprit::Peer, "too old");
    notice(&mut page, 10, 0, RequestId(0), &Notice::Trouble(fault));
    assert_eq!(shown(&mut page), ["reload-needed"]);
    notice(&mut page, 20, 7, RequestId(0), &Notice::Status(status(None, None)));
    assert_eq!(shown(&mut page), Vec::<String>::new(), "epoch 8 is still the newest");
}

#[test]
fn a_request_is_sent_again_under_its_id_and_given_up_in_words() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 0, 1);
    shown(&mut page);
    let id = page.ask(at(0), Request::Flush);
    assert_eq!(shown(&mut page), ["Flush"]);
    let later = wait(&mut page, 0, 60_000);
    let flushes = later.iter().filter(|(_, shown)| shown == "Flush").count();
    let (gave_up, answer) =
        later.iter().find(|(_, shown)| shown.contains("silent")).expect("given up");
    assert!(flushes >= 3, "{later:?}");
    assert!((20_000..40_000).contains(gave_up), "{gave_up}");
    assert!(answer.contains("coordinator-silent"));
    // A late answer is nobody's any more.
    notice(&mut page, 61_000, 1, id, &Notice::Reply(Reply::Done(1)));
    assert_eq!(shown(&mut page), Vec::<String>::new());
}

#[test]
fn a_request_without_anybody_to_talk_to_is_given_up_too() {
    let mut page = page();
    page.ask(at(0), Request::Flush);
    let said = wait(&mut page, 0, 60_000);
    assert!(said.iter().any(|(_, shown)| shown.contains("coordinator-silent")), "{said:?}");
}

#[test]
fn an_answer_ends_the_request_once() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 0, 1);
    let id = page.ask(at(0), Request::Flush);
    shown(&mut page);
    for expected in [vec!["Done(3)"], vec![]] {
        notice(&mut page, 10, 1, id, &Notice::Reply(Reply::Done(3)));
        assert_eq!(shown(&mut page), expected);
    }
}

#[test]
fn the_page_that_pumps_wakes_in_time_and_the_others_only_if_it_does_not() {
    for (pump, expected) in [(ME, 5_000), (WORKER, 5_000 + limits::PUMP_PATIENCE_MS)] {
        let mut page = page();
        page.handle(at(0), Input::Linked);
        welcome(&mut page, 0, 1);
        notice(&mut page, 0, 1, RequestId(0), &Notice::Status(status(Some(pump), Some(5_000))));
        shown(&mut page);
        let first = wait(&mut page, 0, 100_000).into_iter().next();
        assert_eq!(first, Some((expected, "Nudge".to_owned())));
    }
}

/// A status with something pending, heard at `ms`; what is posted until `until`.
fn nudged_with(pending: u64, paused: bool, safety_net_ms: u64, until: u64) -> Vec<(u64, String)> {
    let mut page = page().with_safety_net(Duration::from_millis(safety_net_ms));
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 0, 1);
    let told = Status { pending, paused, ..status(Some(ME), None) };
    notice(&mut page, 0, 1, RequestId(0), &Notice::Status(told));
    shown(&mut page);
    let mut said = Vec::new();
    let mut now = 0;
    while let Some(next) = page.poll_timeout().filter(|next| next.0 <= until) {
        now = now.max(next.0);
        page.handle(at(now), Input::Timeout);
        for shown in shown(&mut page) {
            // Somebody is awake, and has nothing new to say.
            notice(&mut page, now + 1, 1, RequestId(99), &Notice::Reply(Reply::Done(0)));
            said.push((now, shown));
        }
    }
    said
}

#[test]
fn while_something_is_pending_the_coordinator_is_woken_again_and_again() {
    let nudges = |times: &[u64]| -> Vec<(u64, String)> {
        times.iter().map(|ms| (*ms, "Nudge".to_owned())).collect()
    };
    #[rustfmt::skip]
    let cases = [
        // what it shows                      pending paused net      nudges
        ("once a minute",                     1,      false, 60_000,  nudges(&[60_000, 120_000, 180_000])),
        ("as often as the app wants it",      1,      false, 90_000,  nudges(&[90_000, 180_000])),
        ("not while nothing is pending",      0,      false, 60_000,  nudges(&[])),
        ("nor while the app has paused it",   1,      true,  60_000,  nudges(&[])),
    ];
    for (shows, pending, paused, net, expected) in cases {
        assert_eq!(nudged_with(pending, paused, net, 200_000), expected, "{shows}");
    }
    assert_eq!(nudged_with(1, false, 1, 11_000), nudges(&[5_000, 10_000]), "5 s at the least");
}

#[test]
fn a_coordinator_that_wants_to_be_woken_sooner_is() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 0, 1);
    let told = Status { pending: 1, ..status(Some(ME), Some(5_000)) };
    notice(&mut page, 0, 1, RequestId(0), &Notice::Status(told));
    shown(&mut page);
    assert_eq!(wait(&mut page, 0, 5_500), [(5_000, "Nudge".to_owned())]);
}

#[test]
fn another_network_is_told_by_a_hello() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 0, 1);
    shown(&mut page);
    page.handle(at(10), Input::Network(Some(Network::Slow)));
    let Some(Effect::Post { message, hello: true, .. }) = page.poll_effect() else {
        panic!("a hello is posted");
    };
    let envelope = Envelope::read(&message).expect("our own envelope");
    let Ok(Some(Request::Hello(hello))) = Request::open(&envelope) else { panic!("a hello") };
    assert_eq!(hello.network, Some(Network::Slow));
}

#[test]
fn a_nudge_waits_for_more_events_unless_it_is_urgent() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 0, 1);
    shown(&mut page);
    page.handle(at(10), Input::Appended { urgent: false });
    page.handle(at(30), Input::Appended { urgent: false });
    assert_eq!(wait(&mut page, 30, 100), [(60, "Nudge".to_owned())]);
    page.handle(at(200), Input::Appended { urgent: true });
    assert_eq!(shown(&mut page), ["Nudge"]);
}

#[test]
fn silence_after_a_nudge_is_followed_by_a_hello_and_a_word_is_not() {
    for (word, expected) in [(false, vec![(1_100, "Hello".to_owned())]), (true, vec![])] {
        let mut page = page();
        page.handle(at(0), Input::Linked);
        welcome(&mut page, 0, 1);
        page.handle(at(100), Input::Appended { urgent: true });
        if word {
            notice(&mut page, 200, 1, RequestId(0), &Notice::Status(status(None, None)));
        }
        shown(&mut page);
        assert_eq!(wait(&mut page, 200, 2_000), expected);
    }
}

#[test]
fn a_recording_is_bounded_and_what_is_left_of_it_replays() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    let id = page.ask(at(0), Request::Flush);
    let nudge = Request::Flush.seal("test", ME, id, Epoch(9_000));
    page.record(Some(crate::tape::Recording::WithoutBodies));
    page.handle(at(0), Input::Network(Some(Network::Medium)));
    for ms in 1..3_000 {
        page.handle(at(ms), Input::Appended { urgent: ms % 7 == 0 });
        page.handle(at(ms), Input::Message(vec![0xff; 1_000]));
        let trouble = Fault::new("trouble", Culprit::Us, "x".repeat(1_000));
        notice(&mut page, ms, ms, RequestId(0), &Notice::Trouble(trouble));
        if ms % 100 == 0 {
            notice(&mut page, ms, ms, id, &Notice::Status(status(Some(ME), Some(ms + 500))));
        }
        page.handle(at(ms), Input::Timeout);
    }
    for (kind, protocol_min) in [(Notice::LAST + 1, 1), (1, 2)] {
        let build = Envelope::read(&nudge).expect("our own envelope");
        let newer = Envelope { kind, protocol_min, protocol_max: 2, body: b"secret", ..build };
        page.handle(at(3_000), Input::Message(crate::wire::to_cbor(&newer)));
    }
    let rows = vec![("k".into(), b"a secret value".to_vec().into())];
    let changed = Changed {
        session: "s".into(),
        keys: vec!["k".into()],
        over: Vec::new(),
        folded: Some(Folded { since: 1, rows }),
    };
    notice(&mut page, 3_000, 3_000, RequestId(0), &Notice::Changed(changed));
    let rows = vec![b"a secret row".to_vec().into()];
    page.handle(at(3_000), Input::Leaving { rows, may_return: true });
    page.give_token(page.identity().clone(), Some("secret".into()));
    let recorded = page.recorded();
    let bytes: usize = recorded.iter().map(Vec::len).sum();
    assert!((limits::TAPE_PAGE_BYTES_MAX / 2..limits::TAPE_PAGE_BYTES_MAX * 2).contains(&bytes));
    let file = crate::tape::file(recorded.iter().map(|part| &part[..]).collect());
    assert!(!file.windows(6).any(|part| part == b"secret"));
    #[cfg(feature = "replay")]
    {
        let lives = crate::replay::read(&file).expect("what was just written can be read");
        let played = crate::replay::play(&lives[0], usize::MAX, &mut |_| {});
        assert_eq!((played.difference, played.shown), (None, 0));
        assert!(lives[0].missing() > 0 && played.facts > 1_000);
    }
}

// A page of a build too far apart said hello every 30 s for ever, and woke the worker each time.
#[test]
fn a_page_that_was_told_to_reload_says_hello_again_only_to_the_next_worker() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    assert_eq!(shown(&mut page), ["Hello"]);
    notice(&mut page, 10, 1, RequestId(0), &Notice::ReloadNeeded);
    assert_eq!((page.poll_timeout(), shown(&mut page)), (None, vec!["other".to_owned()]));
    page.handle(at(600_000), Input::Timeout);
    assert_eq!(shown(&mut page), Vec::<String>::new());
    page.handle(at(600_001), Input::Linked);
    assert_eq!(shown(&mut page), ["Hello"]);
}

#[test]
fn whoever_is_not_known_says_hello_and_asks_once_more() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 1, 3);
    shown(&mut page);
    let id = page.ask(at(2), Request::Pull { head: None });
    shown(&mut page);
    let unknown = || {
        let fault = Fault::new("page-unknown", Culprit::Browser, "");
        Notice::Reply(Reply::Failed(fault))
    };
    notice(&mut page, 3, 4, id, &unknown());
    assert_eq!(shown(&mut page), ["Hello", "Pull"]);
    notice(&mut page, 4, 4, id, &Notice::Reply(Reply::Done(1)));
    assert_eq!(shown(&mut page), ["Done(1)"]);
    // One that does not learn is not asked without end.
    let id = page.ask(at(5), Request::Pull { head: None });
    notice(&mut page, 6, 4, id, &unknown());
    shown(&mut page);
    notice(&mut page, 7, 4, id, &unknown());
    let told = shown(&mut page);
    assert!(told.len() == 1 && told[0].contains("page-unknown"), "{told:?}");
}

#[test]
fn epochs_begin_anew_with_the_database() {
    let mut page = page();
    page.handle(at(0), Input::Linked);
    welcome(&mut page, 1, 7);
    shown(&mut page);
    let lost = |what: &str| Notice::StateLost {
        what: what.into(),
        session: if what == "database" { "".into() } else { "s".into() },
        from: None,
        to: None,
    };
    notice(&mut page, 2, 1, RequestId(0), &lost("server-log"));
    notice(&mut page, 2, 1, RequestId(0), &Notice::Status(status(None, None)));
    assert_eq!(shown(&mut page), [""; 0], "of an epoch that is over");
    notice(&mut page, 3, 1, RequestId(0), &lost("database"));
    assert_eq!(shown(&mut page), ["Hello", "other"]);
    welcome(&mut page, 4, 1);
    assert_eq!(shown(&mut page), ["welcomed", "status of 1"]);
}

// Browsers put a page out of sight after they have hidden it away: it was counted for as long as nobody asked who is there.
#[test]
fn a_page_that_has_said_farewell_says_no_hello_until_it_returns() {
    let back = [Input::Returned, Input::Visible(true)];
    for back in back {
        let mut page = page();
        page.handle(at(0), Input::Linked);
        welcome(&mut page, 1, 1);
        page.handle(at(2), Input::Leaving { rows: Vec::new(), may_return: true });
        page.handle(at(3), Input::Visible(false));
        page.handle(at(4), Input::Network(Some(Network::Slow)));
        page.handle(at(60_000), Input::Timeout);
        assert_eq!(shown(&mut page), ["Hello", "welcomed", "status of 1", "Farewell"]);
        page.handle(at(60_001), back);
        assert_eq!(shown(&mut page)[0], "Hello");
    }
}
