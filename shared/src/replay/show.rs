//! Facts and effects as people read them: one line each, ids cut short.

use core::fmt::{self, Write};

use super::{Did, Fact, Life, Recorded, Step};
use crate::bus::{Change, Changed, Envelope, Folded, Identity, Notice, Request};
use crate::coordinator::{self, Input, To};
use crate::outbox::Response;
use crate::page::{self, Asked};
use crate::rows::{DeadRow, JournalRow, Key, Op, RetainedRow, Store, read};
use crate::tape::{Machine, Recording};
use crate::wire::{Answer, Event, LogPage, Push, Snapshot, decode};

/// What an effect of this kind is called.
pub(super) fn kind_name(of_page: bool, kind: u8) -> &'static str {
    let names: &[&'static str] = if of_page {
        &[
            "post",
            "welcomed",
            "status",
            "answered",
            "buried",
            "state-lost",
            "token-wanted",
            "trouble",
            "reload-needed",
            "changed",
        ]
    } else {
        &[
            "commit",
            "sign",
            "push",
            "read journal",
            "read retained",
            "read old",
            "list clients",
            "send",
            "ask for sync",
            "start over",
            "request",
            "want a token",
            "tell the hook",
            "pull",
            "read document",
        ]
    };
    names.get(usize::from(kind).wrapping_sub(1)).copied().unwrap_or("something unknown")
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Machine::Coordinator => write!(f, "coordinator, epoch {}", self.life)?,
            Machine::Page => f.write_str("page")?,
        }
        let bodies = match self.recording {
            Recording::WithoutBodies => "without bodies",
            Recording::WithBodies => "with bodies",
        };
        let (build, facts) = (&self.build, self.len());
        write!(f, " {}, build {build}: {facts} facts, {bodies}", short(&self.realm.to_string()))?;
        match self.missing() {
            0 => Ok(()),
            missing => write!(f, "; {missing} parts are missing"),
        }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recorded { mono_ms, fact, .. } = self.recorded;
        write!(f, "{:>5} {:>9.3} {fact}", self.number, *mono_ms as f64 / 1_000.0)?;
        for did in self.did {
            write!(f, "\n{:>17} {did}", "→")?;
        }
        match self.difference {
            Some(difference) => write!(f, "\n{:>17} {}", "≠", difference.what),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins { restored, .. } => {
                let rows = &restored.outbox;
                write!(
                    f,
                    "begins: {} streams, {} flights, {} cursors, {} dead, {} answered",
                    rows.streams.len(),
                    rows.flights.len(),
                    rows.cursors.len(),
                    rows.dead.len(),
                    rows.answered
                )
            }
            Self::Coordinator(input) => fmt::Display::fmt(input, f),
            Self::Resumes(snapshot) => write!(f, "is at this point ({} bytes)", snapshot.len()),
            Self::Page(input) => fmt::Display::fmt(input, f),
            Self::Asked(Asked::Ask(asked)) => write!(f, "app asks: {}", request(asked)),
            Self::Asked(Asked::Identify(identity, has_token)) => write!(
                f,
                "app is {}/{}, {} token",
                identity.session,
                identity.user,
                if *has_token { "with a" } else { "without" }
            ),
            Self::Asked(Asked::ShowsState) => f.write_str("app looks at the state"),
            Self::Asked(Asked::Token(identity, token)) => {
                write!(f, "app answers: {}", token_for(identity, token.is_some()))
            }
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { from, bytes } => {
                write!(f, "message from {}: {}", short(&from.0), said_by_page(bytes))
            }
            Self::Clients(clients) => write!(f, "{} clients", clients.len()),
            Self::Device(device) => {
                write!(
                    f,
                    "device {}, signs {:?}",
                    short(&device.device.to_string()),
                    device.key.kind
                )
            }
            Self::DeviceFailed(fault) => write!(f, "device failed: {}", fault.code),
            Self::DatabaseLost => f.write_str("database lost"),
            Self::Journal { rows, ended } => {
                let end = if *ended { ", the end" } else { "" };
                write!(
                    f,
                    "journal: {}{end}",
                    list(rows.iter().map(|(at, row)| journal_row(*at, row)))
                )
            }
            Self::JournalFailed(fault) => write!(f, "journal failed: {}", fault.code),
            Self::Retained { ticket, rows } => {
                write!(f, "retained for #{}: {} rows", ticket.0, rows.len())
            }
            Self::RetainedFailed { ticket, fault } => {
                write!(f, "retained for #{} failed: {}", ticket.0, fault.code)
            }
            Self::Document { ticket, rows } => {
                write!(f, "document for #{}: {} rows", ticket.0, rows.len())
            }
            Self::Resolution { ticket, made: None } => {
                write!(f, "nothing was made of the two of #{}", ticket.0)
            }
            Self::Resolution { ticket, made: Some(rows) } => {
                let rows = rows.iter().map(|row| journal_row(0, row));
                write!(f, "made of the two of #{}: {}", ticket.0, list(rows))
            }
            Self::Pulled { ticket, response } => {
                write!(f, "pulled #{}: {}", ticket.0, pulled(response))
            }
            Self::Old { store, rows } => write!(f, "old of {}: {} rows", store.name(), rows.len()),
            Self::Committed(ticket) if *ticket == coordinator::TAPE => {
                f.write_str("committed: the tape")
            }
            Self::Committed(ticket) => write!(f, "committed #{}", ticket.0),
            Self::CommitFailed { ticket, fault } => {
                write!(f, "commit #{} failed: {}", ticket.0, fault.code)
            }
            Self::Fenced => f.write_str("fenced"),
            Self::Signed { ticket, signature } => {
                let bytes = signature.as_ref().map(Vec::len);
                match bytes {
                    Some(bytes) => write!(f, "signed #{}: {bytes} bytes", ticket.0),
                    None => write!(f, "could not sign #{}", ticket.0),
                }
            }
            Self::Response { ticket, response } => {
                write!(f, "response #{}: {}", ticket.0, heard(response))
            }
            Self::Trigger(trigger) => write!(f, "trigger: {trigger:?}"),
            Self::Timeout => f.write_str("timeout"),
        }
    }
}

impl fmt::Display for page::Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linked => f.write_str("linked"),
            Self::Unlinked => f.write_str("unlinked"),
            Self::Message(bytes) => write!(f, "message: {}", said_by_coordinator(bytes)),
            Self::Appended { urgent } => {
                f.write_str(if *urgent { "appended, urgent" } else { "appended" })
            }
            Self::Visible(visible) => f.write_str(if *visible { "visible" } else { "hidden" }),
            Self::Online => f.write_str("online"),
            Self::Network(network) => write!(f, "the network is {network:?}"),
            Self::Returned => f.write_str("returned"),
            Self::Leaving { rows, may_return } => {
                let end = if *may_return { ", may return" } else { "" };
                write!(f, "leaving with {} rows{end}", rows.len())
            }
            Self::Timeout => f.write_str("timeout"),
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coordinator(effect) => fmt::Display::fmt(effect, f),
            Self::Page(effect) => fmt::Display::fmt(effect, f),
        }
    }
}

impl fmt::Display for coordinator::Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit { ticket, batch } => {
                let strict = if batch.strict { " strict" } else { "" };
                write!(f, "commit #{}{strict}: {}", ticket.0, list(batch.ops.iter().map(op)))
            }
            Self::Sign { ticket, statement } => {
                write!(f, "sign #{}: {} bytes", ticket.0, statement.len())
            }
            Self::Push { ticket, url, token, body, compress } => {
                let token = if token.is_some() { ", with a token" } else { "" };
                let packed = if *compress { ", compressed" } else { "" };
                write!(f, "push #{} to {url}{token}{packed}: {}", ticket.0, push(body))
            }
            Self::Pull { ticket, url, token } => {
                let token = if token.is_some() { ", with a token" } else { "" };
                write!(f, "pull #{} {url}{token}", ticket.0)
            }
            Self::ReadDocument { ticket, prefix } => {
                write!(f, "read document #{} of {prefix:?}", ticket.0)
            }
            Self::Resolve { ticket, id, .. } => {
                write!(f, "resolve #{}: {} has lost", ticket.0, short(id.as_str()))
            }
            Self::Request { ticket, token, id, .. } => {
                let token = if token.is_some() { ", with a token" } else { "" };
                write!(f, "request #{} of {}{token}", ticket.0, short(id.as_str()))
            }
            Self::WantToken { identity, page, .. } => {
                let page = page.as_ref().map_or("nobody", |page| short(&page.0));
                write!(f, "want a token of {}/{}, page: {page}", identity.session, identity.user)
            }
            Self::TellHook { id, reason, .. } => {
                write!(f, "tell the hook that {} is buried: {}", short(id), reason.code)
            }
            Self::ReadJournal { after, limit } => {
                write!(f, "read journal after {after}, at most {limit}")
            }
            Self::ReadRetained { ticket, store, after, limit } => {
                let store = store.name();
                write!(f, "read {store} #{} after {after}, at most {limit}", ticket.0)
            }
            Self::ReadOld { store, limit } => {
                write!(f, "read oldest of {}, at most {limit}", store.name())
            }
            Self::ListClients => f.write_str("list clients"),
            Self::Send { to, message } => {
                let to = match to {
                    To::Client(client) => short(&client.0),
                    To::All => "all",
                };
                write!(f, "send to {to}: {}", said_by_coordinator(message))
            }
            Self::AskForSync => f.write_str("ask for sync"),
            Self::StartOver => f.write_str("start over"),
        }
    }
}

impl fmt::Display for page::Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post { message, fast, .. } => {
                let way = if *fast { "post by the port" } else { "post" };
                write!(f, "{way}: {}", said_by_page(message))
            }
            Self::Welcomed => f.write_str("welcomed"),
            Self::Status(epoch, _, status) => write!(f, "epoch {}, {}", epoch.0, state(status)),
            Self::Answered(id, answer) => write!(f, "request {} answered: {answer:?}", id.0),
            Self::Buried { id, reason, .. } => write!(f, "buried {}: {}", short(id), reason.code),
            Self::StateLost { what, session, .. } => write!(f, "state lost: {what} {session}"),
            Self::TokenWanted(identity) => {
                write!(f, "token wanted for {}/{}", identity.session, identity.user)
            }
            Self::Trouble(fault) => write!(f, "trouble: {}", fault.code),
            Self::Changed(changed) => {
                let Changed { session, keys, over, folded } = changed;
                write!(
                    f,
                    "{} keys of {session} have changed, {} are over",
                    keys.len(),
                    over.len()
                )?;
                let of = |folded: &Folded| write!(f, ", {} rows told", folded.rows.len());
                folded.as_ref().map_or(Ok(()), of)
            }
            Self::ReloadNeeded(build) => write!(f, "reload needed: {build}"),
            Self::HostedByPage => f.write_str("a page hosts the coordinator"),
        }
    }
}

fn said_by_page(bytes: &[u8]) -> String {
    let Ok(envelope) = Envelope::read(bytes) else { return "unreadable".into() };
    let what = match Request::open(&envelope) {
        Ok(Some(asked)) => request(&asked),
        Ok(None) => format!("unknown kind {}", envelope.kind),
        Err(_) => format!("unreadable {}", Request::name(envelope.kind)),
    };
    match envelope.request.0 {
        0 => what,
        id => format!("{what} (request {id})"),
    }
}

fn said_by_coordinator(bytes: &[u8]) -> String {
    let Ok(envelope) = Envelope::read(bytes) else { return "unreadable".into() };
    let what = match Notice::open(&envelope) {
        Ok(Some(Notice::Welcome(welcome))) => format!("welcome, {}", state(&welcome.status)),
        Ok(Some(Notice::Status(status))) => format!("status, {}", state(&status)),
        Ok(Some(Notice::Reply(reply))) => format!("reply {reply:?}"),
        Ok(Some(Notice::Buried { id, reason, .. })) => {
            format!("buried {}: {}", short(&id), reason.code)
        }
        Ok(Some(Notice::Trouble(fault))) => format!("trouble: {}", fault.code),
        Ok(Some(_)) => Notice::name(envelope.kind).into(),
        Ok(None) => format!("unknown kind {}", envelope.kind),
        Err(_) => format!("unreadable {}", Notice::name(envelope.kind)),
    };
    format!("{what} (epoch {})", envelope.epoch.0)
}

fn request(asked: &Request) -> String {
    match asked {
        Request::Hello(hello) => {
            let sight = if hello.visible { "visible" } else { "hidden" };
            format!("hello of {}/{}, {sight}", hello.identity.session, hello.identity.user)
        }
        Request::Nudge { hurry } => if *hurry { "nudge, hurry" } else { "nudge" }.into(),
        Request::Farewell(farewell) => format!("farewell with {} rows", farewell.rows.len()),
        Request::Token(given) => token_for(&given.identity, given.token.is_some()),
        Request::Retry { id: Some(id) } => format!("retry {}", short(id.as_str())),
        Request::Retry { id: None } => "retry all".into(),
        Request::Discard { id } => format!("discard {}", short(id.as_str())),
        Request::Pause { on } => if *on { "pause" } else { "go on" }.into(),
        Request::Flush => "flush".into(),
        Request::Record { recording } => format!("record {recording:?}"),
        Request::Replace(Change { id, sealed: None }) => format!("cancel {}", short(id.as_str())),
        Request::Replace(Change { id, .. }) => format!("replace {}", short(id.as_str())),
        Request::Edit(Change { id, .. }) => format!("edit {}", short(id.as_str())),
        Request::Pull { head: Some(head) } => format!("pull as far as {head}"),
        Request::Pull { head: None } => "pull".into(),
        Request::Resolved { id } => format!("resolved {}", short(id.as_str())),
        Request::Wipe(wipe) => {
            let of = wipe.session.as_deref().unwrap_or("every session");
            format!("wipe {of}{}", if wipe.undelivered { ", undelivered events, too" } else { "" })
        }
    }
}

fn token_for(identity: &Identity, is_given: bool) -> String {
    let token = if is_given { "a token" } else { "no token" };
    format!("{token} for {}/{}", identity.session, identity.user)
}

fn state(status: &crate::bus::Status) -> String {
    let mut text = format!("{:?}, {} pending", status.sync, status.pending);
    if status.dead > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, ", {} dead", status.dead);
    }
    if !status.reason.is_empty() {
        let _ = write!(text, ", {}", status.reason);
    }
    text
}

fn heard(response: &Response) -> String {
    match response {
        Response::Unreachable => "none".into(),
        Response::Withheld => "not sent".into(),
        Response::Http { status: 200, body, .. } => match decode::<Answer>(body) {
            Ok(answer) => format!("{:?} through {}", answer.verdict, answer.through.0),
            Err(_) => "200, but no answer".into(),
        },
        Response::Http { status, .. } => status.to_string(),
    }
}

fn pulled(response: &Response) -> String {
    let Response::Http { status: 200, body, .. } = response else { return heard(response) };
    if let Ok(page) = decode::<LogPage>(body) {
        let more = if page.more { ", and more" } else { "" };
        return format!("{} patches, head {}{more}", page.events.len(), page.head);
    }
    match decode::<Snapshot>(body) {
        Ok(part) => format!("{} keys, head {}", part.entries.len(), part.head),
        Err(_) => "200, but nothing of ours".into(),
    }
}

fn push(body: &[u8]) -> String {
    let Ok(push) = decode::<Push>(body) else { return "unreadable".into() };
    let stream = &push.stream;
    let events = push.events.iter().map(|sealed| event(sealed));
    let (session, user, lane) = (&stream.session, &stream.user, stream.lane.name());
    format!("{session}/{user}/{lane} from {}: {}", push.first.0, list(events))
}

fn op(op: &Op) -> String {
    match op {
        Op::Put { store, key, row } => {
            let what = match store {
                Store::Dead => {
                    read::<DeadRow>(row).map_or(String::new(), |it| it.reason.code.into())
                }
                Store::Retained => read::<RetainedRow>(row)
                    .map_or(String::new(), |it| format!("{} events", it.events.len())),
                Store::Journal
                | Store::Flight
                | Store::Done
                | Store::Document
                | Store::Stream
                | Store::Cursor
                | Store::Lease
                | Store::Idle
                | Store::Meta
                | Store::Kv => String::new(),
            };
            format!("put {} {} {what}", store.name(), key_name(key)).trim_end().into()
        }
        Op::Append { row } => format!("append {}", journal_row(0, row)),
        Op::Delete { store, key } => format!("delete {} {}", store.name(), key_name(key)),
        Op::DeleteSpan { store, from, through } => {
            format!("delete {} {from}–{through}", store.name())
        }
    }
}

fn key_name(key: &Key) -> String {
    match key {
        Key::Number(number) => number.to_string(),
        Key::Text(text) => text.to_string(),
    }
}

fn journal_row(at: u64, row: &[u8]) -> String {
    let what = match read::<JournalRow<'_>>(row) {
        Ok(row) => event(row.sealed),
        Err(fault) => fault.to_string(),
    };
    if at == 0 { what } else { format!("{at} {what}") }
}

fn event(sealed: &[u8]) -> String {
    match decode::<Event<'_>>(sealed) {
        Ok(event) => format!("{} {}", short(event.id.as_str()), event.type_),
        Err(_) => "unreadable".into(),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = items.collect();
    match all.len() {
        0 => "nothing".into(),
        count @ 1..=4 => {
            debug_assert_eq!(count, all.len());
            all.join("; ")
        }
        count => format!("{}; … {count} in all", all[..3].join("; ")),
    }
}

// The last part of an id differs the most.
fn short(id: &str) -> &str {
    let cut = id.len().saturating_sub(8);
    id.get(cut..).unwrap_or(id)
}
