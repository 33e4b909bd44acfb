//! Effects in words.

use bellwether_shared::base::{Fault, Seq, Wall};
use bellwether_shared::bus::{Envelope, Notice, Reply, Request, Status, Sync};
use bellwether_shared::coordinator::{Effect, To};
use bellwether_shared::rows::{
    Config, CursorRow, DeadRow, DoneRow, FlightRow, JournalRow, Key, Op, RetainedRow, Source, Span,
    Store, StreamRow, read,
};
use bellwether_shared::wire::{Event, Lane, Push, decode, from_cbor};

use crate::names::Names;

/// An effect of the coordinator: a line, and what belongs to it in further lines.
pub(crate) fn effect(names: &mut Names, begun: Wall, effect: &Effect) -> Vec<String> {
    match effect {
        Effect::Commit { ticket, batch } => {
            let strict = if batch.strict { ", to last a power cut" } else { "" };
            let head = format!("commit #{} under epoch {}{strict}", ticket.0, batch.epoch.0);
            let ops = batch.ops.iter().map(|op| format!("  {}", self::op(names, begun, op)));
            core::iter::once(head).chain(ops).collect()
        }
        Effect::Sign { ticket, .. } => vec![format!("sign #{}", ticket.0)],
        Effect::Push { ticket, token, body, .. } => {
            let with = if token.is_some() { ", with a token" } else { "" };
            vec![format!("push #{}{with}: {}", ticket.0, push(names, body))]
        }
        Effect::ReadJournal { after, .. } => vec![format!("read the journal after {after}")],
        Effect::ReadRetained { ticket, store: Store::Retained, after, .. } => {
            vec![format!("read #{} what is retained after {after}", ticket.0)]
        }
        Effect::ReadRetained { ticket, store, after, .. } => {
            vec![format!("read #{} {} after {after}", ticket.0, store.name())]
        }
        Effect::ReadOld { store, .. } => vec![format!("read the oldest of {}", store.name())],
        Effect::ListClients => vec!["list the pages".to_owned()],
        Effect::Send { to, message } => {
            let to = match to {
                To::All => "all pages",
                To::Client(client) => &*client.0,
            };
            vec![format!("tell {to}: {}", notice(names, begun, message))]
        }
        Effect::StartOver => vec!["start over".to_owned()],
        Effect::Request { ticket, id, .. } => {
            vec![format!("request #{} of {}", ticket.0, id.as_str())]
        }
        Effect::WantToken { identity, page, .. } => {
            let page = page.as_ref().map_or("no page", |page| &page.0);
            vec![format!("ask for a token of {}: the hook, or {page}", identity.user)]
        }
        Effect::TellHook { id, reason, .. } => {
            vec![format!("tell the hook that {id} is buried: {}", reason.code)]
        }
        Effect::Pull { ticket, url, .. } => vec![format!("pull #{} {url}", ticket.0)],
        Effect::ReadDocument { ticket, prefix } => {
            vec![format!("read document #{} of {prefix:?}", ticket.0)]
        }
        Effect::Resolve { ticket, id, .. } => {
            vec![format!("resolve #{}: {} has lost", ticket.0, id.as_str())]
        }
        Effect::AskForSync => vec!["ask the browser for a background sync".to_owned()],
    }
}

fn push(names: &mut Names, body: &[u8]) -> String {
    let push: Push = from_cbor(body, usize::MAX).expect("our own push");
    let stream = stream(&push.stream.session, &push.stream.user, push.stream.lane);
    let life = names.life(push.stream.incarnation);
    let log = push.log_epoch.map(|log| format!(", {}", names.log(log))).unwrap_or_default();
    if push.events.is_empty() {
        return format!("where does {stream} in {life} stand?{log}");
    }
    let former = push.former.map(|former| format!(", formerly {}", names.life(former.incarnation)));
    let ids: Vec<String> = push.events.iter().map(|sealed| id(sealed)).collect();
    format!(
        "{stream} in {life}, {} [{}], {} to {}{}{log}",
        places(push.first, push.events.len() as u64),
        ids.join(" "),
        names.hash(*push.previous),
        names.hash(*push.head),
        former.unwrap_or_default(),
    )
}

/// An operation of a transaction.
fn op(names: &mut Names, begun: Wall, op: &Op) -> String {
    match op {
        Op::Put { store, key, row } => format!("put {}", self::row(names, begun, *store, key, row)),
        Op::Append { row } => {
            let row: JournalRow<'_> = read(row).expect("our own row");
            format!("append to journal: {}", id(row.sealed))
        }
        Op::Delete { store, key } => format!("delete {} {}", store.name(), self::key(key)),
        Op::DeleteSpan { store, from, through } => {
            format!("delete {} {}", store.name(), span(*from, *through))
        }
    }
}

fn row(names: &mut Names, begun: Wall, store: Store, key: &Key, bytes: &[u8]) -> String {
    let key = self::key(key);
    match store {
        Store::Flight => {
            let row: FlightRow = read(bytes).expect("our own row");
            let source = match &row.source {
                Source::Journal(spans) => format!("journal {}", self::spans(spans)),
                Source::Retained { keys, skip } => format!("retained {keys:?} after {skip}"),
            };
            let fault = row.last_fault.map(|fault| format!(", {}", fault.code));
            let (previous, head) = (names.hash(*row.previous), names.hash(*row.head));
            let ahead = row.ahead.map(|ahead| {
                let from = spans(&ahead.spans);
                format!(
                    "; behind it {}, from journal {from}, to {}",
                    ahead.count,
                    names.hash(*ahead.head)
                )
            });
            format!(
                "flight {}: {} in {}, from {source}, {previous} to {head}, attempt {}, tries {}, due {}{}{}",
                stream(&row.session, &row.user, row.lane),
                places(row.first, row.count),
                names.life(row.incarnation),
                row.attempt,
                row.tries,
                time(begun, row.due_at),
                fault.unwrap_or_default(),
                ahead.unwrap_or_default(),
            )
        }
        Store::Stream => {
            let row: StreamRow = read(bytes).expect("our own row");
            let former =
                row.former.map(|former| format!(", formerly {}", names.life(former.incarnation)));
            let replay = row.replay.map(|replay| {
                let from = span(replay.from, replay.through);
                format!(", to send again: retained {from} after {}", replay.skip)
            });
            format!(
                "stream {}: {}, confirmed {} at {}{}{}",
                stream(&row.session, &row.user, row.lane),
                names.life(row.incarnation),
                row.confirmed.0,
                names.hash(*row.head),
                former.unwrap_or_default(),
                replay.unwrap_or_default(),
            )
        }
        Store::Done => {
            let row: DoneRow = read(bytes).expect("our own row");
            let entries = row.entries.iter().map(|entry| {
                let at = entry.offset.map(|offset| format!(" at {offset}")).unwrap_or_default();
                let code = entry.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
                format!("{} {}{code}{at}", entry.id, entry.outcome.name())
            });
            format!("done {key}: {}", entries.collect::<Vec<_>>().join(", "))
        }
        Store::Retained => {
            let row: RetainedRow = read(bytes).expect("our own row");
            let ids: Vec<String> = row.events.iter().map(|sealed| id(sealed)).collect();
            format!("retained {key}: {}", ids.join(" "))
        }
        Store::Dead => {
            let row: DeadRow = read(bytes).expect("our own row");
            format!("dead {key}: {}, {} tries", row.reason.code, row.tries)
        }
        Store::Cursor => {
            let row: CursorRow = read(bytes).expect("our own row");
            format!("cursor {key}: {}, offset {}", names.log(row.epoch), row.offset)
        }
        Store::Meta => {
            let row: Config = read(bytes).expect("our own row");
            let paused = if row.paused { ", paused" } else { "" };
            let wiping = row.wiping.map(|it| format!(", wiping through {}", it.through));
            format!("config: {}{paused}{}", row.server, wiping.unwrap_or_default())
        }
        Store::Journal | Store::Document | Store::Lease | Store::Idle | Store::Kv => {
            format!("{} {key}", store.name())
        }
    }
}

/// A notice in its envelope.
pub(crate) fn notice(names: &mut Names, begun: Wall, message: &[u8]) -> String {
    let envelope = Envelope::read(message).expect("our own envelope");
    let notice = Notice::open(&envelope).expect("our own notice").expect("of a kind we know");
    match notice {
        Notice::Welcome(welcome) => format!("welcome, {}", status(begun, &welcome.status)),
        Notice::Status(told) => format!("status, {}", status(begun, &told)),
        Notice::Reply(reply) => format!("reply to {}: {}", envelope.request.0, self::reply(&reply)),
        Notice::Buried { id, reason, tries, .. } => {
            format!("buried {id}: {} after {tries} tries", reason.code)
        }
        Notice::StateLost { what, session, from, to } => {
            let mut log = |log: Option<_>| log.map_or("no log".to_owned(), |log| names.log(log));
            format!("state lost: {what} of {session}, from {} to {}", log(from), log(to))
        }
        Notice::TokenWanted(identity) => format!("a token for {} is wanted", identity.user),
        Notice::HostedBy { kind } => format!("hosted by {kind:?}").to_lowercase(),
        Notice::Trouble(fault) => format!("trouble: {}", self::fault(&fault)),
        Notice::ReloadNeeded => "reload needed".to_owned(),
        Notice::Changed(changed) => {
            let over = changed.over.iter().map(|over| over.id.as_str());
            let over: Vec<&str> = over.collect();
            format!("{} changed, over: {}", changed.keys.join(" "), over.join(" "))
        }
    }
}

/// How things stand, without what is not worth a word.
pub(crate) fn status(begun: Wall, status: &Status) -> String {
    let mut words = vec![match status.sync {
        Sync::Synchronized => "synchronized".to_owned(),
        Sync::Synchronizing if !status.reason.is_empty() => {
            format!("synchronizing ({})", status.reason)
        }
        Sync::Synchronizing => "synchronizing".to_owned(),
        Sync::Offline => format!("offline ({})", status.reason),
        Sync::Blocked => format!("blocked ({})", status.reason),
    }];
    let counts =
        [("pending", status.pending), ("dead", status.dead), ("answered", status.answered)];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    words.extend(counts.map(|(what, count)| format!("{what} {count}")));
    words.extend(status.next_attempt_at.map(|at| format!("next attempt {}", time(begun, at))));
    if status.next_attempt_at.is_none() {
        words.extend(status.wake_at.map(|at| format!("wake {}", time(begun, at))));
    }
    words.join(", ")
}

pub(crate) fn request(message: &[u8]) -> String {
    let envelope = Envelope::read(message).expect("our own envelope");
    let request = Request::open(&envelope).expect("our own request").expect("of a kind we know");
    let name = Request::name(envelope.kind);
    let id =
        if envelope.request.0 > 0 { format!(" {}", envelope.request.0) } else { String::new() };
    match request {
        Request::Nudge { hurry: true } => format!("{name}{id}, in a hurry"),
        Request::Farewell(farewell) => format!("{name}{id} with {} rows", farewell.rows.len()),
        Request::Pause { on } => format!("{name}{id} {}", if on { "on" } else { "off" }),
        Request::Token(given) => {
            format!("{name}{id} for {}: {}", given.identity.user, given.token.is_some())
        }
        Request::Replace(change) | Request::Edit(change) => {
            let with = if change.sealed.is_some() { "another event" } else { "none" };
            format!("{name}{id} {} with {with}", change.id.as_str())
        }
        Request::Wipe(wipe) => format!("{name}{id} {wipe:?}"),
        Request::Hello(_)
        | Request::Nudge { .. }
        | Request::Retry { .. }
        | Request::Discard { .. }
        | Request::Record { .. }
        | Request::Pull { .. }
        | Request::Resolved { .. }
        | Request::Flush => format!("{name}{id}"),
    }
}

pub(crate) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Done(count) => format!("done, {count}"),
        Reply::Flushed { delivered, pending, dead } => {
            format!("flushed, delivered {delivered}, pending {pending}, dead {dead}")
        }
        Reply::Failed(fault) => format!("failed, {}", self::fault(fault)),
    }
}

pub(crate) fn fault(fault: &Fault) -> String {
    format!("{} ({})", fault.code, format!("{:?}", fault.culprit).to_lowercase())
}

fn id(sealed: &[u8]) -> String {
    let event: Event<'_> = decode(sealed).expect("an event of ours");
    event.id.as_str().to_owned()
}

fn stream(session: &str, user: &str, lane: Lane) -> String {
    format!("{session}/{user}/{}", lane.name())
}

fn places(first: Seq, count: u64) -> String {
    let places = if count == 1 { "place" } else { "places" };
    format!("{places} {}", span(first.0, first.0 + count.max(1) - 1))
}

fn spans(spans: &[Span]) -> String {
    spans.iter().map(|it| span(it.from, it.through)).collect::<Vec<_>>().join(", ")
}

fn span(from: u64, through: u64) -> String {
    if from == through { from.to_string() } else { format!("{from}-{through}") }
}

fn key(key: &Key) -> String {
    match key {
        Key::Number(number) => number.to_string(),
        Key::Text(text) => text.to_string(),
    }
}

fn time(begun: Wall, at: Wall) -> String {
    format!("at {} ms", at.0.saturating_sub(begun.0))
}
