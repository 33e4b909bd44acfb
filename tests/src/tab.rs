//! Pages that run the page's machine, and their driver: as thin as the browser's.
//!
//! What always holds:
//! - events that are enqueued while a transaction is under way share the next one, as in the shipped group commit;
//! - an event is promised once the transaction that wrote it is complete;
//! - a frozen page hears nothing and its timers stand; when it goes on, all comes at once.

use std::collections::VecDeque;
use std::time::Duration;

use bellwether_shared::base::{EventId, Fault, PageId, RequestId, limits};
use bellwether_shared::bus::{Hello, Identity, Request, Status};
use bellwether_shared::coordinator::Client;
use bellwether_shared::page;
use bellwether_shared::wire::PATCH_TYPE;
use minicbor::bytes::ByteVec;

use crate::browser::Handle;
use crate::bus::{Mail, Path, spoken};
use crate::check;
use crate::disk::DiskFault;
use crate::document::Shown;
use crate::driver::What;
use crate::model::Draft;
use crate::transcript::{self, Digest};
use crate::wishes::Wish;
use crate::world::World;

/// See the module.
#[derive(Debug)]
pub struct Tab {
    /// What it calls itself.
    pub id: PageId,
    /// What the browser calls it.
    pub client: Client,
    /// The machine.
    pub machine: page::Page,
    /// What it has told its app.
    pub said: Vec<page::Effect>,
    /// How things stand, as it was told last.
    pub status: Option<Status>,
    /// Posts it has made.
    pub posts: u64,
    /// The token it gives when asked.
    pub token: Option<Box<str>>,
    /// It hears nothing, and its timers stand.
    pub frozen: bool,
    /// Its timers ring this much too late.
    pub late_ms: u64,
    /// It speaks this version of the bus alone, instead of ours.
    pub protocol: Option<u16>,
    /// What it has asked, and whether no message has been lost since.
    pub asks: Vec<(RequestId, bool)>,
    pub(crate) born_ms: u64,
    /// Messages from the worker, in order.
    pub(crate) inbox: VecDeque<Vec<u8>>,
    /// The version of the worker that it posts to.
    pub(crate) worker: u32,
    /// Whom its port leads to.
    pub(crate) port: Option<PageId>,
    pub(crate) handle: Handle,
    /// Rows to be written with the next transaction.
    rows: Vec<Row>,
    /// Rows of the transaction under way.
    unsure: Vec<Vec<u8>>,
    writing: bool,
    posted: Vec<(RequestId, Vec<u8>)>,
    /// The session's document in it, where stories have one.
    pub shown: Option<Shown>,
    /// What its app waits for.
    pub(crate) wishes: Vec<(RequestId, Wish)>,
}

/// A row to be written, and the event that it holds.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: EventId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) strict: bool,
    pub(crate) urgent: bool,
    /// It is a write to the document.
    pub(crate) patch: bool,
}

impl World {
    /// Opens a page that runs the page's machine, linked to the worker.
    pub fn open_page(&mut self, device: usize, user: &str, token: Option<&str>) -> usize {
        self.open_page_of(device, user, token, None)
    }

    /// The same for a page that speaks this version of the bus alone.
    pub fn open_page_of(
        &mut self,
        device: usize,
        user: &str,
        token: Option<&str>,
        protocol: Option<u16>,
    ) -> usize {
        let id = self.fresh_realm();
        let shares = self.shares && protocol.is_none();
        let hello = Hello {
            identity: Identity { session: "s".into(), user: user.into() },
            server: self.server_url().into(),
            options: self.options.clone(),
            has_token: token.is_some(),
            visible: true,
            network: self.network,
            shows_state: shares.then_some(true),
            resolves: None,
        };
        let age = Duration::from_millis(limits::BATCH_AGE_MS.into());
        let here = &mut self.devices[device];
        here.pages.push(Tab {
            id,
            client: Client(format!("client-{}", self.count).into()),
            machine: page::Page::new(id, "test", hello, age),
            said: Vec::new(),
            status: None,
            posts: 0,
            token: token.map(Box::from),
            frozen: false,
            late_ms: 0,
            protocol,
            asks: Vec::new(),
            born_ms: self.now_ms,
            inbox: VecDeque::new(),
            worker: here.version,
            port: None,
            handle: Handle::default(),
            rows: Vec::new(),
            unsure: Vec::new(),
            writing: false,
            posted: Vec::new(),
            shown: shares.then(|| Shown::new(self.planted.tentative_kept)),
            wishes: Vec::new(),
        });
        let page = here.pages.len() - 1;
        if self.recording.is_some() {
            here.pages[page].machine.record(self.recording);
        }
        self.note(|| format!("device {device} opens page {page}"));
        self.tell_page(device, page, page::Input::Linked);
        self.read_document(device, id);
        page
    }

    /// A page dies without a word.
    pub fn kill_page(&mut self, device: usize, page: usize) {
        let gone = self.devices[device].pages.remove(page);
        self.leave_host(device, gone.id);
        self.tapes.extend(gone.machine.recorded());
        self.outstanding.retain(|job| job.realm != gone.id);
        self.devices[device].disk.dies(gone.id);
        self.thawed(device);
    }

    /// A page goes, and leaves what it has not seen written.
    pub fn close_page(&mut self, device: usize, page: usize) {
        let here = &self.devices[device].pages[page];
        let rows = here.unsure.iter().chain(here.rows.iter().map(|row| &row.bytes));
        let rows = rows.map(|row| ByteVec::from(row.clone())).collect();
        self.tell_page(device, page, page::Input::Leaving { rows, may_return: false });
        self.kill_page(device, page);
    }

    /// A page is frozen: it hears nothing, and its timers stand still.
    pub fn freeze(&mut self, device: usize, page: usize) {
        let page = &mut self.devices[device].pages[page];
        page.frozen = true;
        page.shown.iter_mut().for_each(|shown| shown.words.clear());
        page.excuse();
        let id = page.id;
        self.leave_host(device, id);
    }

    /// A frozen page goes on.
    pub fn thaw(&mut self, device: usize, page: usize) {
        if !std::mem::take(&mut self.devices[device].pages[page].frozen) {
            return;
        }
        self.thawed(device);
        self.read_document(device, self.devices[device].pages[page].id);
        self.tell_page(device, page, page::Input::Returned);
        self.link(device, page);
    }

    // A deletion that has waited for frozen pages goes on.
    fn thawed(&mut self, device: usize) {
        let here = &mut self.devices[device];
        if here.deleting && !here.pages.iter().any(|page| page.frozen) {
            here.deleting = false;
            here.pages.iter_mut().for_each(|page| page.handle.lose());
            self.evict(device, true);
        }
    }

    pub(crate) fn follow(&mut self, device: usize, id: PageId) {
        let page = self.devices[device].pages.iter().position(|page| page.id == id);
        page.into_iter().for_each(|page| self.link(device, page));
    }

    // Posts go to the worker that is active now.
    fn link(&mut self, device: usize, page: usize) {
        let here = &mut self.devices[device];
        if std::mem::replace(&mut here.pages[page].worker, here.version) != here.version {
            here.pages[page].port = None;
            self.tell_page(device, page, page::Input::Linked);
        }
    }

    /// A page enqueues events; each is promised once the transaction that writes it is complete.
    pub fn enqueue(
        &mut self,
        device: usize,
        page: usize,
        drafts: &[Draft],
        strict: bool,
        urgent: bool,
    ) {
        let made: Vec<(EventId, Vec<u8>)> =
            drafts.iter().map(|draft| self.make(device, draft, strict)).collect();
        let id = self.devices[device].pages[page].id;
        let row = |(id, bytes)| Row { id, bytes, strict, urgent, patch: false };
        self.write_rows(device, id, made.into_iter().map(row).collect());
    }

    /// A page's rows are written with its next transaction.
    pub(crate) fn write_rows(&mut self, device: usize, id: PageId, rows: Vec<Row>) {
        let pages = &mut self.devices[device].pages;
        let Some(here) = pages.iter_mut().find(|page| page.id == id) else { return };
        here.rows.extend(rows);
        if !std::mem::replace(&mut here.writing, true) {
            self.write_next(device, id);
        }
    }

    fn write_next(&mut self, device: usize, id: PageId) {
        let Some(here) = self.devices[device].pages.iter_mut().find(|page| page.id == id) else {
            return;
        };
        let rows = std::mem::take(&mut here.rows);
        here.writing = !rows.is_empty();
        here.unsure = rows.iter().map(|row| row.bytes.clone()).collect();
        if !rows.is_empty() {
            self.later(device, id, 0, What::Write(rows));
        }
    }

    pub(crate) fn write(&mut self, device: usize, rows: &[Row]) -> Result<u64, DiskFault> {
        let strict = rows.iter().any(|row| row.strict);
        let bytes = rows.iter().map(|row| row.bytes.clone()).collect();
        self.devices[device].disk.append(bytes, strict)?;
        rows.iter().for_each(|row| self.lies(device, &row.bytes));
        Ok(self.devices[device].disk.last_position())
    }

    pub(crate) fn written(
        &mut self,
        device: usize,
        id: PageId,
        rows: Vec<Row>,
        result: Result<u64, Fault>,
    ) {
        if result.is_ok() {
            for row in &rows {
                self.promise(&row.id);
            }
        }
        let Some(page) = self.devices[device].pages.iter().position(|page| page.id == id) else {
            return;
        };
        self.devices[device].pages[page].unsure.clear();
        for (behind, row) in rows.iter().rev().enumerate().filter(|(_, row)| row.patch) {
            let position = result.as_ref().map(|last| last - behind as u64).map_err(drop);
            self.stored(device, id, &row.id, position);
        }
        if result.is_ok() {
            let urgent = rows.iter().any(|row| row.urgent);
            self.tell_page(device, page, page::Input::Appended { urgent });
        }
        self.write_next(device, id);
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
        let fair = self.weather.lose_message == 0;
        let life = self.devices[device].disk.life;
        self.fact(&request, || format!("{device}.page{page} < ask {request:?}"));
        let here = &mut self.devices[device].pages[page];
        let id = here.machine.ask(now, request);
        // One that knows of more boots than a database made anew may have to wait for a minute.
        let fair = fair && here.late_ms == 0 && here.protocol.is_none() && life == 0;
        here.asks.push((id, fair));
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
                page::Effect::Post { message, fast, hello } => {
                    here.posts += 1;
                    if self.planted.request_not_resent && here.has_posted(&message) {
                        continue;
                    }
                    let path = match here.port {
                        Some(realm) if fast => Path::Port(realm),
                        Some(_) | None => Path::Worker(here.worker),
                    };
                    let protocol = here.protocol.filter(|_| !self.planted.versions_unread);
                    let bytes = protocol.map_or(message.clone(), |it| spoken(it, &message));
                    let mail = Mail { from: here.client.clone(), path, bytes, port: hello };
                    self.post(device, mail);
                }
                page::Effect::TokenWanted(identity) => {
                    let token = here.token.clone();
                    here.machine.give_token(identity, token);
                }
                page::Effect::Status(_, _, ref status) => {
                    let (id, drained) = (here.id, status.pending == 0);
                    here.status = Some(status.clone());
                    here.said.push(effect);
                    if drained {
                        self.on_drained(device, id);
                    }
                }
                page::Effect::Answered(id, ref reply) => {
                    let found = check::progress::answered(here, id, reply);
                    here.asks.retain(|(asked, _)| *asked != id);
                    let place = here.wishes.iter().position(|(asked, _)| *asked == id);
                    let wish = place.map(|place| here.wishes.swap_remove(place).1);
                    let reply = reply.clone();
                    here.said.push(effect);
                    self.violations.extend(found);
                    wish.into_iter().for_each(|wish| self.on_reply(device, wish, &reply));
                }
                page::Effect::Welcomed => {
                    let id = here.id;
                    here.said.push(effect);
                    self.welcomed(device, id);
                }
                page::Effect::Changed(changed) => {
                    let id = here.id;
                    self.on_changed(device, id, changed);
                }
                page::Effect::Buried { id: ref event, ref type_, .. } => {
                    let (id, event, is_patch) = (here.id, event.clone(), &**type_ == PATCH_TYPE);
                    here.said.push(effect);
                    if let (true, Ok(event)) = (is_patch, EventId::new(&event)) {
                        self.take_back(device, id, &event);
                    }
                }
                page::Effect::StateLost { ref what, .. } => {
                    let (id, is_ours) = (here.id, &**what == "database");
                    here.said.push(effect);
                    if is_ours {
                        self.read_document(device, id);
                    }
                }
                page::Effect::Trouble(_)
                | page::Effect::ReloadNeeded(_)
                | page::Effect::HostedByPage => here.said.push(effect),
            }
        }
    }
}

impl Tab {
    /// Adds everything on which the rest of a story depends.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self {
            id,
            client,
            machine,
            said: _,
            status,
            posts: _,
            token,
            frozen,
            late_ms,
            protocol,
            asks,
            born_ms,
            inbox,
            worker,
            port,
            handle,
            rows,
            unsure,
            writing,
            posted,
            shown,
            wishes,
        } = self;
        digest.add(&(id, client, machine, status, token, frozen, late_ms, protocol, asks));
        digest.add(&(born_ms, inbox, worker, port, handle, rows, unsure, writing, posted));
        digest.add(&(wishes, shown));
    }

    /// It has no right to be answered in time what it has asked.
    pub(crate) fn excuse(&mut self) {
        self.asks.iter_mut().for_each(|(_, fair)| *fair = false);
    }

    /// When its timer rings, if there is nothing in the way.
    pub(crate) fn alarm_ms(&self) -> Option<u64> {
        let due = self.shown.as_ref().and_then(Shown::due);
        let at = self.machine.poll_timeout().into_iter().chain(due).min()?;
        Some(self.born_ms.saturating_add(at.0).saturating_add(self.late_ms))
    }

    // For the planted fault: whether a request was posted before.
    fn has_posted(&mut self, message: &[u8]) -> bool {
        let Ok(envelope) = bellwether_shared::bus::Envelope::read(message) else { return false };
        let name = (envelope.request, envelope.body.to_vec());
        let seen = envelope.request != RequestId(0) && self.posted.contains(&name);
        self.posted.push(name);
        seen
    }
}
