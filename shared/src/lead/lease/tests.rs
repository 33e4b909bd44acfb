//! One candidate and its row: what it does for what it is told.

use super::*;
use crate::base::Wall;

const ANN: PageId = PageId([1; 16]);
const BEN: PageId = PageId([2; 16]);

/// One candidate, its clocks, and the row.
struct Stage {
    lease: Lease,
    now: Now,
    row: Option<Vec<u8>>,
}

impl Stage {
    fn new(row: Option<Vec<u8>>) -> Self {
        let now = Now { mono: Mono(5_000), wall: Wall(1_000_000) };
        Self { lease: Lease::new(now, ANN, "b", Epoch(0), 7), now, row }
    }

    fn leading() -> Self {
        let mut stage = Self::new(None);
        assert_eq!(stage.timeout(), ["read", "swap 1", "gained 1"]);
        stage
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono.0 += ms;
        self.now.wall.0 += ms;
    }

    fn told(&mut self, input: Input) {
        self.lease.handle(self.now, input);
    }

    fn timeout(&mut self) -> Vec<String> {
        self.told(Input::Timeout);
        self.perform()
    }

    /// Waits as long as it wants, once.
    fn wait(&mut self) -> Vec<String> {
        let due = self.lease.poll_timeout().expect("it wants to be woken");
        self.pass(due.since(self.now.mono).as_millis() as u64);
        self.timeout()
    }

    /// Does at once what is wanted, and says what it was.
    fn perform(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        while let Some(effect) = self.lease.poll_effect() {
            match effect {
                Effect::Read => {
                    done.push("read".to_owned());
                    self.told(Input::Read(self.row.clone()));
                }
                Effect::Swap { expected, row } => {
                    let written: LeaseRow = read(&row).expect("our own row");
                    let word = if written.resigned { "resign" } else { "swap" };
                    done.push(format!("{word} {}", written.epoch.0));
                    if expected == self.row {
                        self.row = Some(row);
                        self.told(Input::Swapped);
                    } else {
                        self.told(Input::Differed(self.row.clone()));
                    }
                }
                Effect::Gained(epoch) => done.push(format!("gained {}", epoch.0)),
                Effect::Lost(why) => done.push(format!("lost {why:?}")),
            }
        }
        done
    }

    fn written(&self) -> LeaseRow {
        read(self.row.as_deref().expect("a row")).expect("our own row")
    }
}

fn held_by(holder: PageId, epoch: u64) -> LeaseRow {
    let taken = LeaseRow::taken(None, holder, HostKind::Page, "", Wall(5));
    LeaseRow { epoch: Epoch(epoch), heartbeat_every_ms: 1_000, ..taken }
}

#[test]
fn a_row_is_taken_at_once_only_where_nobody_leads() {
    let resigned = LeaseRow { resigned: true, ..held_by(BEN, 7) };
    let newer = LeaseRow { version: 9, ..held_by(BEN, 7) };
    #[rustfmt::skip]
    let cases = [
        // what it shows          row                                 visible  what is done
        ("nobody led yet",        None,                               true,    &["read", "swap 1", "gained 1"][..]),
        ("resigned",              Some(to_cbor(&resigned)),           true,    &["read", "swap 8", "gained 8"]),
        ("out of sight",          Some(to_cbor(&resigned)),           false,   &["read"]),
        ("another's",             Some(to_cbor(&held_by(BEN, 7))),    true,    &["read"]),
        ("its own",               Some(to_cbor(&held_by(ANN, 7))),    true,    &["read", "swap 8", "gained 8"]),
        ("unreadable",            Some(vec![1, 2, 3]),                true,    &["read", "swap 1000001", "gained 1000001"]),
        ("of a newer build",      Some(to_cbor(&newer)),              true,    &["read"]),
    ];
    for (shows, row, visible, expected) in cases {
        let mut stage = Stage::new(row);
        stage.lease.visible = visible;
        assert_eq!(stage.timeout(), expected, "{shows}");
    }
}

#[test]
fn another_leads_while_its_row_changes_and_is_followed_when_it_does_not() {
    let mut stage = Stage::new(Some(to_cbor(&held_by(BEN, 7))));
    assert_eq!(stage.timeout(), ["read"]);
    assert_eq!(stage.lease.leader(), Some(BEN));
    for writes in 2..6 {
        stage.row = Some(to_cbor(&LeaseRow { writes, ..held_by(BEN, 7) }));
        let before = stage.now.mono;
        assert_eq!(stage.wait(), ["read"], "one look in a beat");
        assert!(stage.now.mono.since(before) >= BEAT);
    }
    let before = stage.now.mono;
    let mut done = Vec::new();
    while done.len() < 3 {
        done = stage.wait();
    }
    assert_eq!(done, ["read", "swap 8", "gained 8"]);
    let took = stage.now.mono.since(before);
    assert!(took >= TERM && took <= TERM + BEAT, "{took:?}");
    assert_eq!((stage.lease.epoch(), stage.lease.leader()), (Some(Epoch(8)), Some(ANN)));
}

#[test]
fn a_row_of_a_newer_build_is_left_alone_for_ever() {
    let newer = to_cbor(&LeaseRow { version: 9, ..held_by(BEN, 7) });
    let mut stage = Stage::new(Some(newer));
    stage.timeout();
    for _ in 0..20 {
        assert_eq!(stage.wait(), ["read"]);
    }
}

#[test]
fn a_long_sleep_is_not_taken_for_anothers_silence() {
    let mut stage = Stage::new(Some(to_cbor(&held_by(BEN, 7))));
    stage.timeout();
    stage.pass(3_600_000);
    assert_eq!(stage.timeout(), ["read"], "the other may have slept, too");
    stage.row = Some(to_cbor(&LeaseRow { writes: 2, ..held_by(BEN, 7) }));
    assert_eq!(stage.wait(), ["read"]);
    // Timers that always come late are no reason never to lead.
    stage.pass(60_000);
    assert_eq!(stage.timeout(), ["read"]);
    stage.pass(60_000);
    assert_eq!(stage.timeout(), ["read", "swap 8", "gained 8"]);
}

#[test]
fn wall_clocks_make_nobody_a_leader() {
    let mut stage = Stage::new(Some(to_cbor(&held_by(BEN, 7))));
    stage.timeout();
    stage.now.wall.0 += 1_000_000_000;
    assert_eq!(stage.timeout(), [""; 0]);
    stage.pass(1_400);
    stage.told(Input::Hint);
    assert_eq!(stage.perform(), ["read"]);
}

#[test]
fn a_leader_renews_under_the_same_epoch_and_each_taking_has_its_own() {
    let mut stage = Stage::leading();
    for writes in 2..10 {
        assert_eq!(stage.wait(), ["swap 1"]);
        assert_eq!((stage.written().writes, stage.written().epoch), (writes, Epoch(1)));
    }
    stage.pass(3_000);
    assert_eq!(stage.timeout(), ["lost Slept", "read", "swap 2", "gained 2"]);
}

#[test]
fn whoever_has_slept_lets_go_before_anything_else() {
    #[rustfmt::skip]
    let cases = [
        // what it shows                     mono    wall    expected
        ("in time",                          900,    900,    &[][..]),
        ("the measuring clock ran on",       3_000,  0,      &["lost Slept"]),
        ("it stood, and the wall clock ran", 0,      3_000,  &["lost Slept"]),
        ("the wall clock was put back",      900,    0,      &[]),
    ];
    for (shows, mono, wall, expected) in cases {
        let mut stage = Stage::leading();
        stage.now.mono.0 += mono;
        stage.now.wall.0 += wall;
        // Whatever it is told first.
        stage.told(Input::Visible(false));
        let mut effects = Vec::new();
        while let Some(effect) = stage.lease.poll_effect() {
            if let Effect::Lost(why) = effect {
                assert!(effects.is_empty(), "{shows}");
                effects.push(format!("lost {why:?}"));
            }
        }
        assert_eq!(effects, expected, "{shows}");
    }
}

#[test]
fn a_leader_that_was_replaced_writes_nothing() {
    let mut stage = Stage::leading();
    stage.row = Some(to_cbor(&held_by(BEN, 2)));
    assert_eq!(stage.wait(), ["swap 1", "lost Replaced"]);
    assert_eq!(stage.written(), held_by(BEN, 2));
    assert_eq!(stage.lease.leader(), Some(BEN));
}

#[test]
fn a_lease_ends_by_itself_while_its_disk_does_not_answer() {
    let mut stage = Stage::leading();
    stage.pass(1_000);
    stage.told(Input::Timeout);
    let Some(Effect::Swap { row, .. }) = stage.lease.poll_effect() else { panic!("no swap") };
    assert_eq!(stage.lease.poll_timeout(), Some(Mono(8_000)), "three seconds after the first");
    assert_eq!(stage.wait(), ["lost Slept"]);
    // It was made, as it turns out: that epoch is over all the same.
    stage.row = Some(row);
    stage.told(Input::Swapped);
    assert_eq!(stage.perform(), ["swap 2", "gained 2"]);
}

#[test]
fn a_renewal_counts_from_when_it_was_asked_for() {
    let mut stage = Stage::leading();
    stage.pass(1_000);
    stage.told(Input::Timeout);
    assert!(matches!(stage.lease.poll_effect(), Some(Effect::Swap { .. })));
    stage.pass(1_500);
    stage.told(Input::Swapped);
    assert!(matches!(stage.lease.poll_effect(), Some(Effect::Swap { .. })), "the next is due");
    assert_eq!(stage.lease.poll_timeout(), Some(Mono(5_000 + 1_000 + 3_000)));
}

#[test]
fn a_taking_that_is_told_too_late_is_none() {
    let mut stage = Stage::new(None);
    stage.told(Input::Timeout);
    assert_eq!(stage.lease.poll_effect(), Some(Effect::Read));
    stage.told(Input::Read(None));
    let Some(Effect::Swap { row, .. }) = stage.lease.poll_effect() else { panic!("no swap") };
    stage.row = Some(row);
    stage.pass(3_000);
    stage.told(Input::Swapped);
    assert_eq!(stage.perform(), ["swap 2", "gained 2"]);
}

#[test]
fn a_failed_swap_is_looked_after_before_the_next() {
    for (shows, made) in [("it was not made", false), ("it was", true)] {
        let mut stage = Stage::leading();
        stage.pass(1_000);
        stage.told(Input::Timeout);
        let Some(Effect::Swap { row, .. }) = stage.lease.poll_effect() else { panic!("no swap") };
        if made {
            stage.row = Some(row);
        }
        stage.told(Input::Failed);
        assert_eq!(stage.wait(), ["read", "swap 1"], "{shows}");
        assert_eq!(stage.lease.epoch(), Some(Epoch(1)), "{shows}");
    }
}

#[test]
fn whoever_resigns_acts_no_more_and_leaves_the_role_to_others_first() {
    let mut stage = Stage::leading();
    stage.told(Input::Resign);
    assert_eq!(stage.perform(), ["lost Resigned", "resign 1"]);
    assert!(stage.written().resigned);
    stage.told(Input::Hint);
    assert_eq!(stage.perform(), [""; 0]);
    let before = stage.now.mono;
    assert_eq!(stage.wait(), ["read", "swap 2", "gained 2"], "nobody else would");
    assert!(stage.now.mono.since(before) >= TERM * 2);
}

#[test]
fn a_page_that_leaves_lets_go_and_comes_back_as_a_candidate() {
    let mut stage = Stage::leading();
    stage.told(Input::Leaving);
    assert_eq!(stage.perform(), ["lost Resigned", "resign 1"]);
    assert_eq!(stage.lease.poll_timeout(), None);
    stage.told(Input::Returned);
    assert_eq!(stage.perform(), ["read", "swap 2", "gained 2"]);
}

#[test]
fn what_was_asked_for_before_it_left_is_given_back() {
    let mut stage = Stage::new(None);
    stage.told(Input::Timeout);
    stage.lease.poll_effect();
    stage.told(Input::Read(None));
    stage.told(Input::Leaving);
    assert_eq!(stage.perform(), ["swap 1", "resign 1"], "nobody has led");
}

#[test]
fn contests_that_are_lost_are_taken_up_later_each_time() {
    let mut stage = Stage::new(None);
    let mut pauses = Vec::new();
    for writes in 0..6 {
        stage.told(Input::Timeout);
        assert_eq!(stage.lease.poll_effect(), Some(Effect::Read));
        stage.told(Input::Read(None));
        assert!(matches!(stage.lease.poll_effect(), Some(Effect::Swap { .. })));
        let resigned = LeaseRow { resigned: true, writes, ..held_by(BEN, 7) };
        stage.told(Input::Differed(Some(to_cbor(&resigned))));
        let due = stage.lease.poll_timeout().expect("another look");
        let pause = due.since(stage.now.mono).as_millis() as u64;
        pauses.push(pause);
        stage.pass(pause);
    }
    let bounds = [125, 250, 500, 1_000, 2_000, 2_000];
    let fits = |(pause, least): (&u64, u64)| (least..least * 2).contains(pause);
    assert!(pauses.iter().zip(bounds).all(fits), "{pauses:?}");
}

#[test]
fn answers_to_what_was_not_asked_change_nothing() {
    let mut stage = Stage::leading();
    for input in [Input::Read(None), Input::Swapped, Input::Differed(None)] {
        stage.told(input);
        assert_eq!(stage.perform(), [""; 0]);
        assert_eq!(stage.lease.epoch(), Some(Epoch(1)));
    }
}

#[test]
fn whoever_claims_the_role_waits_for_nobody_and_takes_a_later_epoch() {
    let mut stage = Stage::new(Some(to_cbor(&held_by(BEN, 7))));
    assert_eq!(stage.timeout(), ["read"]);
    stage.told(Input::Claim);
    assert_eq!(stage.perform(), ["read", "swap 8", "gained 8"]);

    stage.row = Some(to_cbor(&held_by(BEN, 9)));
    assert_eq!(stage.wait(), ["swap 8", "lost Replaced"]);
    assert_eq!(stage.wait(), ["read"], "it claims once");

    stage.told(Input::Leaving);
    stage.told(Input::Claim);
    assert_eq!(stage.perform(), [""; 0], "nobody leads who is not there");
}

#[test]
fn whoever_says_that_it_is_gone_is_not_waited_for_and_nobody_else_instead() {
    let mut stage = Stage::new(Some(to_cbor(&held_by(BEN, 7))));
    assert_eq!(stage.timeout(), ["read"]);
    stage.told(Input::Gone(Epoch(7)));
    assert_eq!(stage.perform(), ["read", "swap 8", "gained 8"]);

    let cam = PageId([3; 16]);
    let mut stage = Stage::new(Some(to_cbor(&held_by(BEN, 7))));
    assert_eq!(stage.timeout(), ["read"]);
    stage.row = Some(to_cbor(&held_by(cam, 8)));
    stage.told(Input::Gone(Epoch(7)));
    assert_eq!(stage.perform(), ["read"], "another was faster");
    stage.row = Some(to_cbor(&held_by(BEN, 9)));
    assert_eq!(stage.wait(), ["read"], "it has come back since");
}

#[test]
fn out_of_sight_it_waits_a_beat_for_others_and_not_for_whoever_is_gone() {
    let mut stage = Stage::new(Some(to_cbor(&held_by(BEN, 7))));
    stage.told(Input::Visible(false));
    assert_eq!(stage.timeout(), ["read"]);
    stage.told(Input::Gone(Epoch(7)));
    assert_eq!(stage.perform(), ["read"]);
    let since = stage.now.mono;
    let mut done = Vec::new();
    while !done.contains(&"gained 8".to_owned()) {
        done.extend(stage.wait());
        assert!(stage.now.mono.since(since) < 2 * BEAT, "{done:?}");
    }
    assert!(stage.now.mono.since(since) >= BEAT, "{done:?}");
}

#[test]
fn an_epoch_that_is_raised_is_beyond_all_that_were() {
    for (shows, found, newest, expected) in [
        ("nobody has led", None, 0, 1),
        ("somebody leads", Some(to_cbor(&held_by(BEN, 7))), 3, 8),
        ("the database was made anew", Some(to_cbor(&held_by(BEN, 7))), 40, 41),
        ("unreadable", Some(vec![0xff]), 40, 1_000_001),
    ] {
        let row = raised(found.as_deref(), ANN, "b", Epoch(newest), Wall(1_000_000));
        assert_eq!((row.epoch, row.holder, row.resigned), (Epoch(expected), ANN, false), "{shows}");
    }
}
