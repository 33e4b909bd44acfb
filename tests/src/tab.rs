//! Pages that run the page's machine.

use std::collections::VecDeque;
use std::time::Duration;

use bellwether_shared::base::{PageId, RequestId, limits};
use bellwether_shared::bus::{Hello, Identity, Request};
use bellwether_shared::coordinator::Client;
use bellwether_shared::page;

use crate::transcript;
use crate::world::World;

/// See the module.
#[derive(Debug)]
pub struct Tab {
    /// What the browser calls it.
    pub client: Client,
    /// The machine.
    pub machine: page::Page,
    /// What it has told its app.
    pub said: Vec<page::Effect>,
    /// Posts it has made.
    pub posts: u64,
    /// The token it gives when asked.
    pub token: Option<Box<str>>,
    pub(crate) born_ms: u64,
    /// Messages from the worker, in order.
    pub(crate) inbox: VecDeque<Vec<u8>>,
}

impl World {
    /// Opens a page that runs the page's machine, linked to the worker.
    pub fn open_page(&mut self, device: usize, user: &str, token: Option<&str>) -> usize {
        let id = PageId(self.ids.bytes());
        let hello = Hello {
            identity: Identity { session: "s".into(), user: user.into() },
            server: "https://server.test".into(),
            options: self.options.clone(),
            has_token: token.is_some(),
            visible: true,
        };
        let age = Duration::from_millis(limits::BATCH_AGE_MS.into());
        self.devices[device].pages.push(Tab {
            client: Client(format!("client-{}", self.count).into()),
            machine: page::Page::new(id, "test", hello, age),
            said: Vec::new(),
            posts: 0,
            token: token.map(Box::from),
            born_ms: self.now_ms,
            inbox: VecDeque::new(),
        });
        self.count += 1;
        let page = self.devices[device].pages.len() - 1;
        if self.recording.is_some() {
            self.devices[device].pages[page].machine.record(self.recording);
        }
        self.note(|| format!("device {device} opens page {page}"));
        self.tell_page(device, page, page::Input::Linked);
        page
    }

    /// A page's machine is told something.
    pub fn tell_page(&mut self, device: usize, page: usize, input: page::Input) {
        let now = self.clock(device, self.devices[device].pages[page].born_ms);
        self.fact(&input, || format!("{device}.page{page} < {}", transcript::page_fact(&input)));
        self.devices[device].pages[page].machine.handle(now, input);
        self.pump_page(device, page);
    }

    /// A page's machine is asked for something.
    pub fn ask(&mut self, device: usize, page: usize, request: Request) -> RequestId {
        let now = self.clock(device, self.devices[device].pages[page].born_ms);
        self.fact(&request, || format!("{device}.page{page} < ask {request:?}"));
        let id = self.devices[device].pages[page].machine.ask(now, request);
        self.pump_page(device, page);
        id
    }

    fn pump_page(&mut self, device: usize, page: usize) {
        loop {
            let machine = &mut self.devices[device].pages[page].machine;
            let Some(effect) = machine.poll_effect() else { return };
            self.fact(&effect, || {
                format!("{device}.page{page} > {}", transcript::page_effect(&effect))
            });
            let here = &mut self.devices[device].pages[page];
            match effect {
                page::Effect::Post { message, fast, .. } => {
                    here.posts += 1;
                    let client = here.client.clone();
                    self.post(device, client, message, fast);
                }
                page::Effect::TokenWanted(identity) => {
                    let token = here.token.clone();
                    here.machine.give_token(identity, token);
                }
                page::Effect::Welcomed
                | page::Effect::Status(..)
                | page::Effect::Answered(..)
                | page::Effect::Buried { .. }
                | page::Effect::StateLost { .. }
                | page::Effect::Trouble(_)
                | page::Effect::ReloadNeeded(_) => here.said.push(effect),
            }
        }
    }
}
