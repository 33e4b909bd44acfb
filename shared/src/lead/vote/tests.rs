//! One page in a vote: what it says for what it hears.

use super::*;
use crate::base::Wall;

const ANN: PageId = PageId([1; 16]);
const BEN: PageId = PageId([2; 16]);
const CAM: PageId = PageId([3; 16]);

/// One page, and its clocks.
struct Stage {
    vote: Vote,
    now: Now,
}

impl Stage {
    fn new() -> Self {
        let now = Now { mono: Mono(5_000), wall: Wall(1_000_000) };
        let mut stage = Self { vote: Vote::new(now, ANN, Epoch(0), 7), now };
        assert_eq!(stage.effects(), ["0 Comes"]);
        stage
    }

    /// A page that has been there for long enough to vote, and knows these.
    fn among(others: &[PageId]) -> Self {
        let mut stage = Self::new();
        stage.pass(6_000);
        stage.vote.next = Some(stage.vote.patience(stage.now));
        for page in others {
            stage.hear(*page, 0, Call::Here);
        }
        stage
    }

    fn leading(others: &[PageId]) -> Self {
        let mut stage = Self::among(others);
        stage.wait();
        for page in others {
            stage.hear(*page, 1, Call::Votes(ANN));
        }
        assert_eq!(stage.vote.epoch(), Some(Epoch(1)));
        stage
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono.0 += ms;
        self.now.wall.0 += ms;
    }

    fn told(&mut self, input: Input) -> Vec<String> {
        self.vote.handle(self.now, input);
        self.effects()
    }

    fn hear(&mut self, from: PageId, term: u64, call: Call) -> Vec<String> {
        self.told(Input::Heard(from, Ballot { term: Epoch(term), call }))
    }

    /// Waits as long as it wants, once.
    fn wait(&mut self) -> Vec<String> {
        let due = self.vote.poll_timeout().expect("it wants to be woken");
        self.pass(due.since(self.now.mono).as_millis() as u64);
        self.told(Input::Timeout)
    }

    fn effects(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(effect) = self.vote.poll_effect() {
            told.push(match effect {
                Effect::Say(Ballot { term, call: Call::Votes(page) }) => {
                    format!("{} Votes {}", term.0, page.0[0])
                }
                Effect::Say(Ballot { term, call }) => format!("{} {call:?}", term.0),
                Effect::Gained(term) => format!("gained {}", term.0),
                Effect::Lost(why) => format!("lost {why:?}"),
                Effect::Follows(page, term) => format!("follows {} in {}", page.0[0], term.0),
            });
        }
        told
    }
}

#[test]
fn a_page_alone_elects_itself_soon() {
    let mut stage = Stage::new();
    let before = stage.now.mono;
    assert_eq!(stage.wait(), ["1 Stands", "gained 1", "1 Leads"]);
    assert!(stage.now.mono.since(before) <= BEAT * 2);
    assert_eq!(stage.wait(), ["1 Leads"]);
    assert_eq!(stage.vote.leader(), Some(ANN));
}

#[test]
fn more_than_half_of_the_known_pages_elect() {
    #[rustfmt::skip]
    let cases = [
        // pages known, itself included  votes of others needed
        (1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (64, 32),
    ];
    for (pages, needed) in cases {
        let others: Vec<PageId> = (2..=pages).map(|page| PageId([page; 16])).collect();
        let mut stage = Stage::among(&others);
        stage.wait();
        for (given, page) in others.iter().enumerate() {
            assert_eq!(stage.vote.epoch().is_some(), given >= needed, "{pages}: {given}");
            stage.hear(*page, 1, Call::Votes(ANN));
            stage.hear(*page, 1, Call::Votes(ANN));
        }
        assert_eq!(stage.vote.epoch(), Some(Epoch(1)), "{pages}");
    }
}

#[test]
fn votes_count_once_in_their_term_and_for_whom_they_are() {
    let pages = [BEN, CAM, PageId([4; 16]), PageId([5; 16])];
    #[rustfmt::skip]
    let cases = [
        // what it shows          from                term  for whom
        ("a repeated vote",       BEN,                1,    ANN),
        ("for another",           CAM,                1,    BEN),
        ("of an earlier term",    CAM,                0,    ANN),
        ("its own, come back",    ANN,                1,    ANN),
    ];
    for (shows, from, term, page) in cases {
        let mut stage = Stage::among(&pages);
        stage.wait();
        stage.hear(BEN, 1, Call::Votes(ANN));
        assert_eq!(stage.hear(from, term, Call::Votes(page)), [""; 0], "{shows}");
        assert_eq!(stage.vote.epoch(), None, "{shows}");
        assert_eq!(stage.hear(pages[3], 1, Call::Votes(ANN)), ["gained 1", "1 Leads"], "{shows}");
    }
}

#[test]
fn a_page_has_one_vote_in_a_term() {
    let mut stage = Stage::among(&[BEN, CAM]);
    assert_eq!(stage.hear(BEN, 1, Call::Stands), ["1 Votes 2"]);
    assert_eq!(stage.hear(CAM, 1, Call::Stands), [""; 0]);
    assert_eq!(stage.hear(BEN, 1, Call::Stands), ["1 Votes 2"], "the first may have been lost");
    assert_eq!(stage.hear(CAM, 2, Call::Stands), ["2 Votes 3"], "another term");
    assert_eq!(stage.wait(), ["3 Stands"]);
    assert_eq!(stage.hear(BEN, 3, Call::Stands), [""; 0], "it has its own vote");
}

#[test]
fn a_page_that_has_just_come_does_not_vote() {
    let mut stage = Stage::new();
    stage.hear(BEN, 4, Call::Here);
    assert_eq!(stage.hear(BEN, 5, Call::Stands), [""; 0]);
    assert_eq!(stage.wait(), [""; 0], "nor for itself");
    stage.pass(6_000);
    assert_eq!(stage.hear(BEN, 6, Call::Stands), ["6 Votes 2"]);
}

#[test]
fn who_is_new_is_answered_and_learns_the_leader() {
    let mut stage = Stage::leading(&[BEN]);
    assert_eq!(stage.hear(CAM, 0, Call::Comes), ["1 Leads"]);
    assert_eq!(stage.vote.known(), 3);
    assert_eq!(stage.hear(CAM, 1, Call::Here), [""; 0]);

    let mut stage = Stage::among(&[BEN]);
    assert_eq!(stage.hear(CAM, 0, Call::Comes), ["0 Here"]);
    assert_eq!(stage.hear(CAM, 0, Call::Here), [""; 0]);
    assert_eq!(stage.hear(BEN, 3, Call::Leads), ["follows 2 in 3"]);
    assert_eq!(stage.hear(BEN, 3, Call::Leads), [""; 0], "it was heard a moment ago");
    assert_eq!(stage.vote.leader(), Some(BEN));
    stage.pass(5_000);
    let heard = stage.hear(BEN, 3, Call::Leads);
    assert_eq!(heard, ["3 Here"], "so that the leader knows who is there");
}

#[test]
fn a_higher_term_ends_what_was_in_a_lower_one() {
    #[rustfmt::skip]
    let cases: [(&str, u64, Call, &[&str]); 6] = [
        // what it shows          term  call                  expected
        ("another leads",         2,    Call::Leads,          &["lost Replaced", "follows 2 in 2"]),
        ("another stands",        2,    Call::Stands,         &["lost Replaced", "2 Votes 2"]),
        ("somebody knows of it",  2,    Call::Here,           &["lost Replaced"]),
        ("an old leader",         0,    Call::Leads,          &["1 Leads"]),
        ("an old candidate",      0,    Call::Stands,         &["1 Leads"]),
        ("two in one term",       1,    Call::Leads,          &["lost Replaced"]),
    ];
    for (shows, term, call, expected) in cases {
        let mut stage = Stage::leading(&[BEN]);
        assert_eq!(stage.hear(BEN, term, call), expected, "{shows}");
    }
}

#[test]
fn whoever_has_slept_lets_go_before_anything_else() {
    #[rustfmt::skip]
    let cases = [
        // what it shows                     mono    wall    leads
        ("in time",                          900,    900,    true),
        ("the measuring clock ran on",       3_000,  0,      false),
        ("it stood, and the wall clock ran", 0,      3_000,  false),
        ("the wall clock was put back",      900,    0,      true),
    ];
    for (shows, mono, wall, leads) in cases {
        let mut stage = Stage::leading(&[BEN]);
        stage.now.mono.0 += mono;
        stage.now.wall.0 += wall;
        let effects = stage.hear(BEN, 1, Call::Here);
        assert_eq!(effects, if leads { &[][..] } else { &["lost Slept"] }, "{shows}");
        assert_eq!(stage.vote.epoch().is_some(), leads, "{shows}");
    }
    let mut stage = Stage::leading(&[BEN]);
    stage.pass(3_000);
    assert_eq!(stage.told(Input::Timeout), ["lost Slept"]);
    assert_eq!(stage.wait(), ["2 Stands"], "a term of its own");
}

#[test]
fn a_page_that_wakes_late_asks_before_it_stands() {
    let mut stage = Stage::among(&[BEN]);
    stage.hear(BEN, 1, Call::Leads);
    stage.pass(60_000);
    assert_eq!(stage.told(Input::Timeout), ["1 Comes"]);
    stage.hear(BEN, 1, Call::Leads);
    stage.pass(60_000);
    assert_eq!(stage.told(Input::Timeout), ["1 Comes"]);
    stage.pass(60_000);
    let effects = stage.told(Input::Timeout);
    assert_eq!(effects, ["2 Stands", "gained 2", "2 Leads"], "timers always come late here");
}

#[test]
fn who_goes_is_not_counted_and_its_followers_stand_soon() {
    let mut stage = Stage::among(&[BEN, CAM]);
    stage.hear(BEN, 1, Call::Leads);
    stage.hear(BEN, 1, Call::Gone);
    assert_eq!((stage.vote.known(), stage.vote.leader()), (2, None));
    let before = stage.now.mono;
    assert_eq!(stage.wait(), ["2 Stands"]);
    assert!(stage.now.mono.since(before) <= BEAT);
    assert_eq!(stage.hear(CAM, 2, Call::Votes(ANN)), ["gained 2", "2 Leads"]);
}

#[test]
fn who_was_not_heard_for_long_is_not_counted() {
    let mut stage = Stage::among(&[BEN, CAM]);
    stage.pass(15_000);
    stage.hear(CAM, 0, Call::Here);
    stage.vote.next = Some(stage.now.mono);
    assert_eq!(stage.told(Input::Timeout), ["1 Stands"]);
    assert_eq!(stage.hear(CAM, 1, Call::Votes(ANN)), ["gained 1", "1 Leads"]);
    assert_eq!(stage.vote.known(), 2);
}

#[test]
fn whoever_resigns_or_leaves_says_so_and_keeps_its_vote() {
    let mut stage = Stage::leading(&[BEN]);
    assert_eq!(stage.told(Input::Resign), ["lost Resigned", "1 Gone"]);
    let before = stage.now.mono;
    assert_eq!(stage.hear(BEN, 1, Call::Stands), [""; 0], "it has voted for itself");
    assert_eq!(stage.hear(BEN, 2, Call::Stands), ["2 Votes 2"]);
    assert_eq!(stage.now.mono, before);

    let mut stage = Stage::leading(&[BEN]);
    assert_eq!(stage.told(Input::Leaving), ["lost Resigned", "1 Gone"]);
    assert_eq!(stage.told(Input::Leaving), [""; 0]);
    assert_eq!(stage.vote.poll_timeout(), None);
    assert_eq!(stage.hear(BEN, 2, Call::Stands), [""; 0]);
    assert_eq!(stage.told(Input::Returned), ["1 Comes"]);
    assert_eq!(stage.hear(BEN, 1, Call::Stands), [""; 0], "it has voted for itself");
}

#[test]
fn no_more_pages_are_known_than_the_bound() {
    let mut stage = Stage::new();
    for page in 0..200 {
        stage.hear(PageId([page; 16]), 0, Call::Here);
    }
    assert_eq!(stage.vote.known(), limits::VOTERS_MAX);
}

#[test]
fn whoever_claims_the_role_stands_as_soon_as_it_may_vote() {
    let mut stage = Stage::among(&[BEN, CAM]);
    stage.hear(BEN, 4, Call::Leads);
    assert_eq!(stage.told(Input::Claim), ["5 Stands"]);

    let mut stage = Stage::new();
    stage.hear(BEN, 4, Call::Leads);
    assert_eq!(stage.told(Input::Claim), [""; 0], "it may have voted before it was reloaded");
    assert_eq!(stage.vote.poll_timeout(), Some(stage.vote.mute_until));

    let mut stage = Stage::leading(&[BEN]);
    assert_eq!(stage.told(Input::Claim), [""; 0], "it leads");
}
