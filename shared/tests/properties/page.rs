//! The page's machine, told anything in any order.

use core::time::Duration;
use std::collections::BTreeMap;

use bellwether_shared::base::{Epoch, Mono, Now, PageId, RequestId, Wall};
use bellwether_shared::bus::{Envelope, Hello, Identity, Notice, Request};
use bellwether_shared::page::{Effect, Input, Page};
use bellwether_shared::rows::Options;
use proptest::prelude::*;

use crate::draw;

/// One thing that befalls a page. Listed in the order in which a failing case is simplest.
#[derive(Debug, Clone)]
enum Step {
    Pass { ms: u64 },
    Ask,
    Say { epoch: u64, request: u64, notice: Notice },
    Tell(Input),
}

fn step() -> impl Strategy<Value = Step> {
    let input = prop_oneof![
        3 => Just(Input::Linked),
        1 => Just(Input::Unlinked),
        3 => any::<bool>().prop_map(|urgent| Input::Appended { urgent }),
        1 => any::<bool>().prop_map(Input::Visible),
        1 => Just(Input::Online),
        1 => Just(Input::Returned),
        1 => any::<bool>().prop_map(|may_return| Input::Leaving { rows: Vec::new(), may_return }),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Input::Message),
    ];
    prop_oneof![
        4 => (0..20_000_u64).prop_map(|ms| Step::Pass { ms }),
        3 => Just(Step::Ask),
        5 => (0..4_u64, 0..20_u64, draw::notice())
            .prop_map(|(epoch, request, notice)| Step::Say { epoch, request, notice }),
        3 => input.prop_map(Step::Tell),
    ]
}

/// A page, and what has been heard of it.
struct World {
    page: Page,
    at_ms: u64,
    newest: Epoch,
    /// How often each request was answered.
    answered: BTreeMap<RequestId, u32>,
}

impl World {
    fn new() -> Self {
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
        let page = Page::new(PageId([7; 16]), "test", hello, Duration::from_millis(50));
        Self { page, at_ms: 0, newest: Epoch(0), answered: BTreeMap::new() }
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.at_ms), wall: Wall(1_000_000 + self.at_ms) }
    }

    fn play(&mut self, step: Step) {
        let now = self.now();
        match step {
            Step::Pass { ms } => {
                let until = self.at_ms + ms;
                while let Some(next) = self.page.poll_timeout().filter(|next| next.0 <= until) {
                    assert!(next.0 > self.at_ms, "an alarm that rings at once");
                    self.at_ms = next.0;
                    self.page.handle(self.now(), Input::Timeout);
                    self.look();
                }
                self.at_ms = until;
            }
            Step::Ask => {
                let id = self.page.ask(now, Request::Flush);
                assert_eq!(self.answered.insert(id, 0), None, "a request of its own");
            }
            Step::Say { epoch, request, notice } => {
                let epoch = Epoch(epoch);
                let bytes = notice.seal("test", PageId([9; 16]), RequestId(request), epoch);
                // What is due by itself is not the message's doing.
                self.page.handle(now, Input::Timeout);
                self.look();
                let before = self.page.poll_timeout();
                self.page.handle(now, Input::Message(bytes));
                let is_past = epoch != Epoch(0) && epoch < self.newest;
                // Epochs begin anew with the database, of which this tells.
                let is_anew =
                    matches!(&notice, Notice::StateLost { session, .. } if session.is_empty());
                if is_past && is_anew {
                    self.newest = epoch;
                } else if is_past {
                    assert_eq!(self.page.poll_effect(), None, "an old coordinator is not heard");
                    assert_eq!(self.page.poll_timeout(), before);
                }
                self.newest = self.newest.max(epoch);
            }
            Step::Tell(input) => self.page.handle(now, input),
        }
        self.look();
    }

    fn look(&mut self) {
        let mut posts = 0;
        while let Some(effect) = self.page.poll_effect() {
            match effect {
                Effect::Post { message, fast, hello } => {
                    posts += 1;
                    let envelope = Envelope::read(&message).expect("our own envelope");
                    assert_eq!(envelope.epoch, self.newest, "it names the newest it has heard of");
                    let request = Request::open(&envelope).expect("our own request");
                    assert_eq!(hello, matches!(request, Some(Request::Hello(_))));
                    assert!(!(hello && fast), "a hello takes the path that wakes");
                }
                Effect::Answered(id, _) => {
                    *self.answered.get_mut(&id).expect("nobody asked that") += 1;
                }
                Effect::Status(epoch, ..) => assert_eq!(epoch, self.newest),
                Effect::Welcomed
                | Effect::Changed(_)
                | Effect::Buried { .. }
                | Effect::StateLost { .. }
                | Effect::TokenWanted(_)
                | Effect::Trouble(_)
                | Effect::HostedByPage
                | Effect::ReloadNeeded(_) => {}
            }
        }
        assert!(posts <= 4 + self.answered.len(), "{posts} messages at one moment");
    }
}

proptest! {
    /// Whatever is said, lost, frozen or unlinked: each request is answered once, or given up in words once nobody
    /// has spoken for long enough; old coordinators change nothing; and no alarm rings at once.
    #[test]
    fn each_request_ends_once_and_old_coordinators_are_not_heard(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.play(step));
        world.play(Step::Pass { ms: 60_000 });
        prop_assert!(world.answered.values().all(|times| *times == 1), "{:?}", world.answered);
    }
}
