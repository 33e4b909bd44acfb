//! The page's stories.

use core::time::Duration;

use bellwether_shared::base::{Epoch, Mono, Now, PageId, RequestId, Wall};
use bellwether_shared::bus::{
    Hello, Identity, Network, Notice, Reply, Request, Status, Sync, Welcome,
};
use bellwether_shared::page::{Effect, Input, Page};
use bellwether_shared::rows::{HostKind, Options};

use crate::names::Names;
use crate::tell;

/// A page that is told facts one by one.
struct Stage {
    told: String,
    names: Names,
    page: Page,
    at_ms: u64,
}

impl Stage {
    fn new(title: &str) -> Self {
        let identity = Identity { session: "s".into(), user: "ann".into() };
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
        let page = Page::new(ME, "test", hello, Duration::from_millis(50));
        Self { told: format!("# {title}\n"), names: Names::default(), page, at_ms: 0 }
    }

    fn end(self, name: &str) {
        crate::compare(name, &self.told);
    }

    fn tell(&mut self, what: &str, input: Input) {
        self.fact(what);
        self.page.handle(now(self.at_ms), input);
        self.listen();
    }

    fn ask(&mut self, request: Request) -> RequestId {
        self.fact("the app asks");
        let id = self.page.ask(now(self.at_ms), request);
        self.listen();
        id
    }

    fn hear(&mut self, epoch: u64, request: RequestId, notice: &Notice) {
        let bytes = notice.seal("test", PageId([9; 16]), request, Epoch(epoch));
        let what = tell::notice(&mut self.names, now(0).wall, &bytes);
        self.tell(&format!("epoch {epoch} says: {what}"), Input::Message(bytes));
    }

    /// Time passes until then; each alarm rings in its time.
    fn pass(&mut self, until: u64) {
        while let Some(next) = self.page.poll_timeout().filter(|next| next.0 <= until) {
            self.at_ms = next.0;
            self.tell("the alarm rings", Input::Timeout);
        }
        self.at_ms = until;
    }

    fn listen(&mut self) {
        while let Some(effect) = self.page.poll_effect() {
            let line = match effect {
                Effect::Post { message, fast, .. } => {
                    let path = if fast { "by the fast path" } else { "by the path that wakes" };
                    format!("post {path}: {}", tell::request(&message))
                }
                Effect::Welcomed => "welcomed".to_owned(),
                Effect::Status(epoch, _, status) => {
                    format!("epoch {} stands: {}", epoch.0, tell::status(now(0).wall, &status))
                }
                Effect::Answered(id, reply) => {
                    format!("{} is answered: {}", id.0, tell::reply(&reply))
                }
                Effect::Trouble(fault) => format!("trouble: {}", tell::fault(&fault)),
                Effect::Buried { id, .. } => format!("buried: {id}"),
                Effect::StateLost { what, .. } => format!("state lost: {what}"),
                Effect::TokenWanted(identity) => format!("a token for {} is wanted", identity.user),
                Effect::Changed(changed) => format!("{} keys have changed", changed.keys.len()),
                Effect::ReloadNeeded(_) => "reload needed".to_owned(),
                Effect::HostedByPage => "hosted by a page".to_owned(),
            };
            self.told.push_str(&format!("          effect  {line}\n"));
        }
    }

    fn fact(&mut self, what: &str) {
        self.told.push_str(&format!("{:>6}    fact    {what}\n", self.at_ms));
    }
}

const ME: PageId = PageId([1; 16]);

fn now(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_790_000_000_000 + ms) }
}

fn status(pending: u64, wake_at: Option<u64>) -> Status {
    Status {
        host: HostKind::Worker,
        pending,
        dead: 0,
        answered: 0,
        pages: 1,
        pump: Some(ME),
        wake_at: wake_at.map(|ms| now(ms).wall),
        next_attempt_at: None,
        sync: if pending > 0 { Sync::Synchronizing } else { Sync::Synchronized },
        reason: "".into(),
        paused: false,
        reachable: None,
        read_through: 0,
        breaker: None,
    }
}

#[test]
fn a_page_keeps_in_touch() {
    let mut stage =
        Stage::new("A page says hello into silence, again and again, until somebody welcomes it.");
    stage.tell("a worker is active", Input::Linked);
    stage.pass(8_000);
    stage.hear(3, RequestId(1), &Notice::Welcome(Welcome { status: status(0, None) }));
    stage.tell("an event is durable", Input::Appended { urgent: false });
    stage.pass(8_060);
    stage.hear(3, RequestId(0), &Notice::Status(status(1, Some(12_000))));
    stage.pass(13_000);
    stage.hear(3, RequestId(0), &Notice::Status(status(0, None)));
    stage.hear(4, RequestId(0), &Notice::Status(status(0, None)));
    stage.hear(3, RequestId(0), &Notice::Status(status(7, None)));
    stage.hear(4, RequestId(2), &Notice::Welcome(Welcome { status: status(0, None) }));
    stage.tell("the page goes", Input::Leaving { rows: vec![vec![1].into()], may_return: true });
    stage.pass(100_000);
    stage.tell("the page is back", Input::Returned);
    stage.end("page-in-touch");
}

#[test]
fn a_page_is_the_safety_net_of_what_is_pending() {
    let mut stage = Stage::new(
        "Something stays pending and no news comes: the page wakes the coordinator every minute, until it is paused.",
    );
    stage.tell("a worker is active", Input::Linked);
    stage.hear(1, RequestId(1), &Notice::Welcome(Welcome { status: status(1, None) }));
    stage.pass(61_500);
    stage.hear(1, RequestId(0), &Notice::Status(status(1, None)));
    stage.tell("the network is another", Input::Network(Some(Network::Slow)));
    stage.hear(1, RequestId(2), &Notice::Welcome(Welcome { status: status(1, None) }));
    stage.pass(125_000);
    stage.hear(1, RequestId(0), &Notice::Status(Status { paused: true, ..status(1, None) }));
    stage.pass(400_000);
    stage.end("page-safety-net");
}

#[test]
fn a_request_is_asked_again_and_given_up_in_words() {
    let mut stage = Stage::new(
        "One request is lost once and answered; another is never answered, and given up.",
    );
    stage.tell("a worker is active", Input::Linked);
    stage.hear(1, RequestId(1), &Notice::Welcome(Welcome { status: status(0, None) }));
    let id = stage.ask(Request::Flush);
    stage.pass(1_500);
    let flushed = Reply::Flushed { delivered: 2, pending: 0, dead: 0 };
    stage.hear(1, id, &Notice::Reply(flushed.clone()));
    stage.hear(1, id, &Notice::Reply(flushed));
    stage.ask(Request::Pause { on: true });
    stage.pass(60_000);
    stage.end("page-requests");
}
