//! What happened, in lines that people can read: facts in (`<`), effects out (`>`), and what befell.
//!
//! What always holds: the same choices give the same lines, byte for byte, on every machine and in every profile.
//! A line leaves out most bytes of what it shows; the digest at the end covers all of them.

use std::fmt::{self, Write as _};

use bellwether_shared::base::limits;
use bellwether_shared::bus::{Envelope, Notice, Request};
use bellwether_shared::coordinator::{Effect, Input, To};
use bellwether_shared::outbox::Response;
use bellwether_shared::page;
use bellwether_shared::rows::{Key, Op, WriteBatch};
use bellwether_shared::tape::{FNV_START, fnv};
use bellwether_shared::wire::{Answer, CBOR, LogPage, Push, Snapshot, from_cbor};

use crate::check;

/// How much is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// Nothing.
    #[default]
    Nothing,
    /// What befell the world.
    Story,
    /// Also every fact and every effect.
    Facts,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// How much is written down.
    pub detail: Detail,
    /// The lines.
    pub lines: Vec<String>,
    digest: Digest,
}

impl Transcript {
    /// Notes what befalls the world `at_ms` after its beginning.
    pub fn note(&mut self, at_ms: u64, text: impl FnOnce() -> String) {
        if self.detail >= Detail::Story {
            self.lines.push(format!("{at_ms:>8} {}", text()));
        }
    }

    /// Notes a fact or an effect: `whole` for the digest, and a line to read.
    pub fn fact(&mut self, at_ms: u64, whole: &dyn fmt::Debug, text: impl FnOnce() -> String) {
        if self.detail >= Detail::Facts {
            self.digest.add(whole);
            self.lines.push(format!("{at_ms:>8}   {}", text()));
        }
    }

    /// All lines, and the digest if there were facts.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        if self.detail == Detail::Facts {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "digest {:016x}", self.digest.value());
        }
        text
    }
}

/// A digest of what can be printed (FNV-1a), the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(FNV_START)
    }
}

impl Digest {
    /// Adds everything that `what` shows of itself.
    pub fn add(&mut self, what: &dyn fmt::Debug) {
        // Our own sink refuses nothing.
        let _ = writeln!(self, "{what:?}");
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, fnv);
    }

    /// The digest so far.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// A fact that a coordinator is told.
#[must_use]
pub fn fact(input: &Input) -> String {
    match input {
        Input::Message { from, bytes } => format!("message of {}: {}", from.0, request(bytes)),
        Input::Clients(clients) => {
            let names: Vec<&str> = clients.iter().map(|client| &*client.0).collect();
            format!("clients [{}]", names.join(" "))
        }
        Input::Device(_) => "device".into(),
        Input::DeviceFailed(fault) => format!("device failed: {}", fault.code),
        Input::DatabaseLost => "database lost".into(),
        Input::Journal { rows, ended } => {
            let shown: Vec<String> = rows
                .iter()
                .map(|(position, row)| match check::row_id(row) {
                    Some(id) => format!("{position}={id}"),
                    None => format!("{position}=?"),
                })
                .collect();
            format!("journal [{}]{}", shown.join(" "), if *ended { " end" } else { "" })
        }
        Input::JournalFailed(fault) => format!("journal failed: {}", fault.code),
        Input::Retained { ticket, rows } => format!("retained #{}: {} rows", ticket.0, rows.len()),
        Input::RetainedFailed { ticket, fault } => {
            format!("retained #{} failed: {}", ticket.0, fault.code)
        }
        Input::Document { ticket, rows } => format!("document #{}: {} rows", ticket.0, rows.len()),
        Input::Resolution { ticket, made } => match made {
            None => format!("resolution #{}: none", ticket.0),
            Some(rows) => format!("resolution #{}: {} rows", ticket.0, rows.len()),
        },
        Input::Pulled { ticket, response } => format!("pulled #{}: {}", ticket.0, pulled(response)),
        Input::Old { store, rows } => format!("old {}: {} rows", store.name(), rows.len()),
        Input::Committed(ticket) => format!("committed #{}", ticket.0),
        Input::CommitFailed { ticket, fault } => {
            format!("commit failed #{}: {}", ticket.0, fault.code)
        }
        Input::Fenced => "fenced".into(),
        Input::Signed { ticket, signature } => {
            let made = if signature.is_some() { "signed" } else { "could not sign" };
            format!("{made} #{}", ticket.0)
        }
        Input::Response { ticket, response: got } => {
            format!("response #{}: {}", ticket.0, response(got))
        }
        Input::Trigger(trigger) => format!("trigger {trigger:?}"),
        Input::Timeout => "timeout".into(),
    }
}

/// An effect that a coordinator asks for.
#[must_use]
pub fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Commit { ticket, batch: wanted } => {
            format!("commit #{}{}", ticket.0, batch(wanted))
        }
        Effect::Sign { ticket, statement } => {
            format!("sign #{}: {} bytes", ticket.0, statement.len())
        }
        Effect::Push { ticket, token, body, .. } => {
            let token = if token.is_some() { " with a token" } else { "" };
            match from_cbor::<Push>(body, limits::PUSH_BYTES_MAX) {
                Ok(sent) => format!("push #{}{token}: {}", ticket.0, push(&sent)),
                Err(fault) => format!("push #{}{token}: {fault}", ticket.0),
            }
        }
        Effect::ReadJournal { after, limit } => format!("read journal after {after}, {limit} rows"),
        Effect::ReadRetained { ticket, store, after, limit } => {
            format!("read {} #{} after {after}, {limit} rows", store.name(), ticket.0)
        }
        Effect::ReadOld { store, limit } => format!("read old {}, {limit} rows", store.name()),
        Effect::ListClients => "list clients".into(),
        Effect::Send { to, message } => match to {
            To::Client(client) => format!("tell {}: {}", client.0, notice(message)),
            To::All => format!("tell all: {}", notice(message)),
        },
        Effect::AskForSync => "ask for a sync".into(),
        Effect::StartOver => "start over".into(),
        Effect::Request { ticket, id, .. } => format!("request #{} of {}", ticket.0, id.as_str()),
        Effect::Pull { ticket, url, .. } => format!("pull #{} {url}", ticket.0),
        Effect::ReadDocument { ticket, prefix } => {
            format!("read document #{} of {prefix:?}", ticket.0)
        }
        Effect::Resolve { ticket, id, .. } => format!("resolve #{} of {}", ticket.0, id.as_str()),
        Effect::TellHook { id, .. } => format!("tell the hook that {id} is buried"),
        Effect::WantToken { identity, page, .. } => {
            let page = page.as_ref().map_or("nobody", |page| &page.0);
            format!("want a token of {}/{}, page {page}", identity.session, identity.user)
        }
    }
}

/// What came back for a pull.
#[must_use]
pub fn pulled(got: &Response) -> String {
    let Response::Http { status: 200, body, .. } = got else { return response(got) };
    if let Ok(page) = from_cbor::<LogPage>(body, usize::MAX) {
        return format!("{} patches, head {}, more {}", page.events.len(), page.head, page.more);
    }
    match from_cbor::<Snapshot>(body, usize::MAX) {
        Ok(part) => format!("{} keys, head {}", part.entries.len(), part.head),
        Err(_) => "200, and nothing of ours".into(),
    }
}

/// A fact that a page is told.
#[must_use]
pub fn page_fact(input: &page::Input) -> String {
    match input {
        page::Input::Message(bytes) => format!("message: {}", notice(bytes)),
        page::Input::Leaving { rows, may_return } => {
            format!("leaving {} rows, may return: {may_return}", rows.len())
        }
        page::Input::Linked
        | page::Input::Unlinked
        | page::Input::Appended { .. }
        | page::Input::Visible(_)
        | page::Input::Online
        | page::Input::Network(_)
        | page::Input::Returned
        | page::Input::Timeout => format!("{input:?}"),
    }
}

/// An effect that a page asks for.
#[must_use]
pub fn page_effect(effect: &page::Effect) -> String {
    match effect {
        page::Effect::Post { message, fast, .. } => {
            format!("post {}{}", request(message), if *fast { ", fast" } else { "" })
        }
        page::Effect::Status(..) => "status".into(),
        page::Effect::Welcomed
        | page::Effect::Answered(..)
        | page::Effect::Buried { .. }
        | page::Effect::StateLost { .. }
        | page::Effect::TokenWanted(_)
        | page::Effect::Trouble(_)
        | page::Effect::Changed(_)
        | page::Effect::HostedByPage
        | page::Effect::ReloadNeeded(_) => format!("{effect:?}"),
    }
}

/// A push: its stream, the incarnation's beginning, the first place, and the events.
#[must_use]
pub fn push(push: &Push) -> String {
    let ids: Vec<String> = check::push_ids(push).iter().map(|id| format!(" {id}")).collect();
    let stream = &push.stream;
    let life = u16::from_be_bytes([stream.incarnation.0[0], stream.incarnation.0[1]]);
    let (session, user, lane) = (&stream.session, &stream.user, stream.lane.name());
    format!("{session}/{user}/{lane} {life:04x} {}:{}", push.first.0, ids.concat())
}

/// What came back for a push.
#[must_use]
pub fn response(response: &Response) -> String {
    match response {
        Response::Unreachable => "nothing".into(),
        Response::Withheld => "not sent".into(),
        Response::Http { status: 200, body, content_type, .. } if **content_type == *CBOR => {
            match from_cbor::<Answer>(body, limits::ANSWER_BYTES_MAX) {
                Ok(answer) => {
                    let later = answer.later.map(|later| format!(" later {}", later.id));
                    let later = later.unwrap_or_default();
                    format!("{:?} through {}{later}", answer.verdict, answer.through.0)
                }
                Err(fault) => format!("no answer: {fault}"),
            }
        }
        Response::Http { status, .. } => status.to_string(),
    }
}

fn batch(batch: &WriteBatch) -> String {
    let mut text = format!(" epoch {}{}", batch.epoch.0, if batch.strict { " strict" } else { "" });
    for op in &batch.ops {
        let shown = match op {
            Op::Put { store, key, row } => {
                format!("put {} {} ({} bytes)", store.name(), name(key), row.len())
            }
            Op::Append { row } => match check::row_id(row) {
                Some(id) => format!("append {id}"),
                None => "append".into(),
            },
            Op::Delete { store, key } => format!("delete {} {}", store.name(), name(key)),
            Op::DeleteSpan { store, from, through } => {
                format!("delete {} {from} to {through}", store.name())
            }
        };
        text.push_str("; ");
        text.push_str(&shown);
    }
    text
}

fn name(key: &Key) -> String {
    match key {
        Key::Number(number) => number.to_string(),
        Key::Text(text) => format!("{text:?}"),
    }
}

fn request(bytes: &[u8]) -> String {
    let Ok(envelope) = Envelope::read(bytes) else { return "not understood".into() };
    match Request::open(&envelope) {
        Ok(Some(Request::Hello(hello))) => {
            let (session, user) = (hello.identity.session, hello.identity.user);
            format!("hello of {session}/{user}")
        }
        Ok(Some(Request::Farewell(farewell))) => format!("farewell, {} rows", farewell.rows.len()),
        Ok(Some(Request::Token(given))) => {
            let is = if given.token.is_some() { "token" } else { "no token" };
            format!("{is} of {}/{}", given.identity.session, given.identity.user)
        }
        Ok(Some(
            other @ (Request::Nudge { .. }
            | Request::Retry { .. }
            | Request::Discard { .. }
            | Request::Pause { .. }
            | Request::Flush
            | Request::Record { .. }
            | Request::Replace(_)
            | Request::Edit(_)
            | Request::Wipe(_)
            | Request::Pull { .. }
            | Request::Resolved { .. }),
        )) => format!("{other:?}"),
        Ok(None) | Err(_) => "not understood".into(),
    }
}

fn notice(bytes: &[u8]) -> String {
    let Ok(envelope) = Envelope::read(bytes) else { return "not understood".into() };
    match Notice::open(&envelope) {
        Ok(Some(Notice::Welcome(_))) => "welcome".into(),
        Ok(Some(Notice::Status(status))) => {
            let (pending, dead, answered) = (status.pending, status.dead, status.answered);
            let reason = if status.reason.is_empty() { "" } else { " because of " };
            let sync = status.sync;
            format!(
                "status {sync:?}{reason}{}, {pending} pending, {answered} answered, {dead} dead",
                status.reason
            )
        }
        Ok(Some(
            other @ (Notice::Reply(_)
            | Notice::Buried { .. }
            | Notice::StateLost { .. }
            | Notice::TokenWanted(_)
            | Notice::HostedBy { .. }
            | Notice::Trouble(_)
            | Notice::Changed(_)
            | Notice::ReloadNeeded),
        )) => format!("{other:?}"),
        Ok(None) | Err(_) => "not understood".into(),
    }
}
