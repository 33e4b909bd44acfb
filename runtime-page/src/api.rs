//! What JavaScript sees: one class, and conversions, nothing else.

use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{Culprit, EventId, Fault, LogEpoch, limits};
use bellwether_shared::bus::{Breaker, Change, Identity, PROTOCOL_MAX, Reply, Request, Sync, Wipe};
use bellwether_shared::rows::{self, Deliver, Overflow};
use bellwether_shared::rules::document::{Entry, Leaf};
use bellwether_shared::rules::patch::Write;
use bellwether_shared::state::{Mirror, patch_of};
use bellwether_shared::tape::Recording;
use bellwether_shared::wire::{EventFlags, EventKind, Lane};
use bellwether_web::members::Members;
use js_sys::{Array, Function, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::client::{Bellwether, NewEvent};
use crate::driver::AskToken;
use crate::group::Settle;
use crate::options::{Options, WorkerChoice};
use crate::status::{Happening, Host, Status};

#[wasm_bindgen]
extern "C" {
    /// The app's options, checked for type; `undefined` stands for the default.
    #[wasm_bindgen(extends = Members)]
    pub type RawOptions;

    /// A function of the package's: one that is told what happens, by name, or what came of a call, with its fault.
    #[derive(Clone)]
    #[wasm_bindgen(extends = Function)]
    pub type Told;
    #[wasm_bindgen(method, js_name = call)]
    fn tell(this: &Told, context: &JsValue, first: &JsValue, second: &JsValue);
    #[wasm_bindgen(method, js_name = call)]
    fn show(
        this: &Told,
        context: &JsValue,
        name: &str,
        keys: &JsValue,
        source: &str,
        origin: u32,
        version: f64,
    );
}

/// A page's client of one channel.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Client(Bellwether);

#[wasm_bindgen]
impl Client {
    /// Calls `opened` when the journal is open, or with why it cannot be; within 3 s. `sink` is told what happens.
    pub fn open(raw: RawOptions, sink: Told, opened: Told) -> Result<Self, JsValue> {
        let told = sink.clone();
        let hear = Rc::new(move |happening: &Happening| tell(&told, happening));
        let has_token = raw.get("hasToken").is_truthy();
        let token = has_token.then(|| asking(sink.clone()));
        let it = Self(Bellwether::open(options(&raw), token, vec![hear]).map_err(thrown)?);
        let driver = Rc::clone(it.0.driver());
        it.0.driver().start(move |result| {
            tell(&sink, &Happening::Status(driver.status()));
            give(&opened, result.map(|()| JsValue::UNDEFINED));
        });
        Ok(it)
    }

    /// The page's id.
    pub fn id(&self) -> JsValue {
        self.0.id().text().into()
    }

    /// Stores an event; gives its id at once, and settles with its position when it is durable. Or gives it to the
    /// coordinator for another of the same id, see `How` in `wasm.ts`.
    #[allow(clippy::too_many_arguments, reason = "an object would have to be taken apart here")]
    pub fn append(
        &self,
        type_: JsValue,
        data: JsValue,
        key: JsValue,
        id: JsValue,
        correlation: JsValue,
        after: JsValue,
        binds: JsValue,
        schema: u32,
        how: u32,
        settle: Told,
    ) -> Result<JsValue, JsValue> {
        let type_ = text(&type_);
        let texts = [data, key, id, correlation, after, binds].map(|text| text.as_string());
        let [data, key, id, correlation, after, binds] = texts.each_ref().map(Option::as_deref);
        let event = NewEvent {
            type_: &type_,
            data,
            key,
            id,
            correlation,
            schema,
            after,
            binds,
            flags: EventFlags(how >> 3 & 3),
            kind: if how & 32 == 0 { EventKind::App } else { EventKind::Request },
            lane: match how & 3 {
                0 => Lane::Critical,
                1 => Lane::Normal,
                _ => Lane::Bulk,
            },
            immediate: how & 4 != 0,
        };
        let made = match how >> 6 {
            0 => self.0.append(event, settling(settle, number)),
            change => self.0.change(event, change == 1, answering(settle)),
        };
        Ok(made.map_err(thrown)?.as_str().into())
    }

    /// Gives the keys and rows of a store, in their order; with numbers, those beyond `after`. Or, at once, the
    /// rows that this page has not seen written. Or what was written down of what happened.
    pub fn read(&self, what: JsValue, after: f64, settle: Told) {
        let driver = self.0.driver();
        match &*text(&what) {
            "unwritten" => {
                let list = Array::new();
                for row in driver.unwritten() {
                    list.push(&Uint8Array::from(&row[..]));
                }
                give(&settle, Ok(list.into()));
            }
            "recording" => {
                let given =
                    move |file: Vec<u8>| give(&settle, Ok(Uint8Array::from(&file[..]).into()));
                driver.recording(given);
            }
            store => driver.read_as_is(store, after, settling(settle, |found| found)),
        }
    }

    /// Appends a row that another page has left.
    pub fn adopt(&self, row: JsValue, settle: Told) -> Result<(), JsValue> {
        let row = row.unchecked_ref::<Uint8Array>().to_vec();
        self.0.driver().append(row, false, settling(settle, number)).map_err(thrown)
    }

    /// Asks the coordinator: to send a dead letter or all again, to throw one away, to take an event out of the queue,
    /// to stop or go on, to remove what is stored of a session and user or of all, or to deliver what is there. Or, as
    /// it does, writes down what happens.
    pub fn ask(
        &self,
        what: JsValue,
        id: JsValue,
        user: JsValue,
        settle: Told,
    ) -> Result<(), JsValue> {
        let of = id.as_string();
        let id = || of.as_deref().map(event_id).transpose();
        let request = match &*text(&what) {
            "retry" => Request::Retry { id: id()? },
            "pause" => Request::Pause { on: true },
            "resume" => Request::Pause { on: false },
            "flush" => Request::Flush,
            "pull" => {
                self.0
                    .driver()
                    .pull(of.as_deref().and_then(|head| head.parse().ok()), answering(settle));
                return Ok(());
            }
            "record" | "record-bodies" | "record-end" => {
                self.0.record(match &*text(&what) {
                    "record" => Some(Recording::WithoutBodies),
                    "record-bodies" => Some(Recording::WithBodies),
                    _ => None,
                });
                return Ok(());
            }
            wipe @ ("wipe" | "wipe-undelivered") => Request::Wipe(Wipe {
                undelivered: wipe.len() > 4,
                session: of.map(Into::into),
                user: user.as_string().map(Into::into),
            }),
            what => {
                let id = event_id(&of.unwrap_or_default())?;
                match what {
                    "discard" => Request::Discard { id },
                    "resolved" => Request::Resolved { id },
                    _ => Request::Replace(Change { id, sealed: None }),
                }
            }
        };
        self.0.driver().ask(request, answering(settle));
        Ok(())
    }

    /// Writes to the session's document: each an array of the key, `based` if it counts only on what it is built on, JSON text,
    /// and the names of members on the way to the place; the middle two may be empty. Gives the event's id at once, and
    /// settles with how far the log is known. `how` is 4 for a write that waits for a resolver if it loses.
    pub fn set(&self, writes: JsValue, how: u32, settle: Told) -> Result<JsValue, JsValue> {
        let driver = self.0.driver();
        let texts = |write: JsValue| -> Vec<_> { items(&write).map(|part| text(&part)).collect() };
        let lists: Vec<Vec<Box<str>>> = items(&writes).map(texts).collect();
        let writes = lists.iter().filter_map(|parts| {
            let [key, based, json, path @ ..] = &parts[..] else { return None };
            let base = (!based.is_empty()).then(|| driver.mirror(|mirror| mirror.base(key)));
            let value = (!json.is_empty()).then_some(json.as_bytes());
            Some(Write { key, path: path.iter().map(|name| &**name).collect(), value, base })
        });
        let made = driver.write_state(writes.collect(), EventFlags(how), settling(settle, number));
        Ok(made.map_err(thrown)?.as_str().into())
    }

    /// What is shown of a key, as arrays of JSON text or `undefined`, and the names of members on the way to it. Or without
    /// a key the keys; or the writes that wait for a resolver, each with its event's id.
    pub fn state(&self, key: JsValue) -> JsValue {
        let driver = self.0.driver();
        match key.as_string() {
            Some(key) => {
                driver.mirror(|mirror| mirror.get(&key).map_or(JsValue::UNDEFINED, leaves))
            }
            None if key.is_null() => list(driver.mirror(losers).into_iter()),
            None => {
                driver.show_state();
                list(driver.mirror(Mirror::keys).iter().map(|key| JsValue::from_str(key)))
            }
        }
    }

    /// A page hosts the coordinator: what is said to it is given to `post`, and what it says to the function that this gives.
    /// A worker that is found meanwhile is `offered`, and taken with [`back`](Self::back).
    pub fn via(&self, post: JsValue, offered: JsValue) -> JsValue {
        self.0.driver().via(&post, &offered)
    }

    /// A worker hosts it again; or one is looked for, if it is `undefined`.
    pub fn back(&self, worker: JsValue) {
        self.0.driver().back(&worker);
    }

    /// There is no database here: rows are kept by `journal`, an object with the methods of the class in `journal.js`.
    #[wasm_bindgen(js_name = keepIn)]
    pub fn keep_in(&self, journal: JsValue) {
        self.0.driver().keep_in(&journal);
    }

    /// Answers what the sink was told as `token`.
    pub fn token(&self, user: JsValue, session: JsValue, token: JsValue) {
        let identity = Identity { session: text(&session), user: text(&user) };
        self.0.driver().give_token(identity, token.as_string().map(Into::into));
    }

    /// From here on this page's events are another's; `sink` is the one it was opened with, if there are tokens.
    pub fn identify(
        &self,
        user: JsValue,
        session: JsValue,
        sink: Option<Told>,
    ) -> Result<(), JsValue> {
        let identity = Identity { session: text(&session), user: text(&user) };
        self.0.identify(identity, sink.map(asking)).map_err(thrown)
    }

    /// Leaves; what is being written is let finish.
    pub fn close(&self, closed: Told) {
        self.0.driver().close_when_written(move || give(&closed, Ok(JsValue::UNDEFINED)));
    }
}

fn items(list: &JsValue) -> impl Iterator<Item = JsValue> + '_ {
    list.unchecked_ref::<Array>().iter()
}

fn list(items: impl Iterator<Item = JsValue>) -> JsValue {
    let list = Array::new();
    for item in items {
        list.push(&item);
    }
    list.into()
}

fn losers(mirror: &Mirror) -> Vec<JsValue> {
    let shown = |(id, sealed): &(EventId, Vec<u8>)| {
        let (event, patch) = patch_of(sealed)?;
        let writes = patch.writes.iter().map(|write| {
            let json = write.value.and_then(|json| core::str::from_utf8(json).ok());
            let json = json.map_or(JsValue::UNDEFINED, JsValue::from_str);
            list([JsValue::from_str(write.key), json].into_iter())
        });
        let (id, page) = (JsValue::from_str(id.as_str()), JsValue::from_str(&event.page.text()));
        Some(list([id, page, list(writes)].into_iter()))
    };
    mirror.losers().iter().filter_map(shown).collect()
}

fn leaves(entry: &Entry) -> JsValue {
    // Most keys are one value, for which somebody may be waiting.
    if let [Leaf { path, value: Some(json), .. }] = &entry.leaves[..]
        && path.is_empty()
    {
        return core::str::from_utf8(json).map_or(JsValue::UNDEFINED, JsValue::from_str);
    }
    list(entry.leaves.iter().map(|leaf| {
        let json = leaf.value.as_ref().and_then(|json| core::str::from_utf8(json).ok());
        let json = json.map_or(JsValue::UNDEFINED, JsValue::from_str);
        list([json].into_iter().chain(leaf.path.iter().map(|name| JsValue::from_str(name))))
    }))
}

// Texts cross as they are and are read here: each that the glue wrote would be written there by code of its own.
fn text(value: &JsValue) -> Box<str> {
    value.as_string().unwrap_or_default().into()
}

fn number(number: u64) -> JsValue {
    JsValue::from_f64(number as f64)
}

fn event_id(id: &str) -> Result<EventId, JsValue> {
    EventId::new(id).map_err(|_| {
        let words = "this is no event's id: 1 to 64 visible ASCII characters";
        thrown(Fault::new("event-invalid", Culprit::App, words))
    })
}

fn settling<T: 'static>(settle: Told, shown: impl FnOnce(T) -> JsValue + 'static) -> Settle<T> {
    Box::new(move |result| give(&settle, result.map(shown)))
}

fn answering(settle: Told) -> Settle<Reply> {
    Box::new(move |result| {
        let reply = match result {
            Ok(Reply::Done(count)) => Ok(number(count)),
            Ok(Reply::Flushed { delivered, pending, dead }) => {
                let numbers = Members::none();
                numbers.set("delivered", &number(delivered));
                numbers.set("pending", &number(pending));
                numbers.set("dead", &number(dead));
                Ok(numbers.into())
            }
            Ok(Reply::Failed(fault)) | Err(fault) => Err(fault),
        };
        give(&settle, reply);
    })
}

fn give(settle: &Told, result: Result<JsValue, Fault>) {
    let (value, fault) = match result {
        Ok(value) => (value, JsValue::UNDEFINED),
        Err(fault) => (JsValue::UNDEFINED, thrown(fault)),
    };
    settle.tell(&JsValue::UNDEFINED, &value, &fault);
}

fn options(raw: &RawOptions) -> Options {
    let defaults = rows::Options::default();
    let text = |name| text(&raw.get(name));
    let flag = |name| raw.get(name).as_bool().unwrap_or_default();
    let number = |name, default: u32| raw.get(name).as_f64().map_or(default, |it| it as u32);
    let worker = match raw.text("worker") {
        _ if flag("workerOff") => WorkerChoice::Off,
        Some(url) => WorkerChoice::At(url.into()),
        None => WorkerChoice::Auto,
    };
    let overflow = if flag("dropOldest") { Overflow::DropOldest } else { Overflow::Block };
    let batch_age_ms = number("batchAgeMs", limits::BATCH_AGE_MS);
    let safety_net_ms = number("safetyNetMs", limits::SAFETY_NET_MS);
    Options {
        channel: text("channel"),
        session: Some(text("session")),
        user: text("user"),
        server: text("server"),
        worker,
        scope: raw.text("scope").map(Into::into),
        relaxed: flag("relaxed"),
        batch_age: Duration::from_millis(batch_age_ms.into()),
        safety_net: Duration::from_millis(safety_net_ms.into()),
        outbox: rows::Options {
            tries_max: number("maxRetries", defaults.tries_max),
            base_delay_ms: number("baseDelayMs", defaults.base_delay_ms),
            max_delay_ms: number("maxDelayMs", defaults.max_delay_ms),
            batch_events: number("batchSize", defaults.batch_events),
            dead_max: number("deadLetterCap", defaults.dead_max),
            overflow,
            deliver: flag("requests").then_some(Deliver::Requests),
        },
        token: None,
        shows_state: flag("state"),
        resolves: flag("resolves"),
        debug: flag("debug"),
        build: text("build"),
    }
}

fn asking(sink: Told) -> AskToken {
    Rc::new(move |_, identity| {
        let asked = Members::none();
        asked.set_text("user", &identity.user);
        asked.set_text("session", &identity.session);
        sink.tell(&JsValue::UNDEFINED, &"token".into(), &asked);
    })
}

fn tell(sink: &Told, happening: &Happening) {
    // Somebody is waiting for it, and each member of an object would be a step of its own.
    if let Happening::State { keys, source, origin, version } = happening {
        let keys = match &keys[..] {
            [key] => JsValue::from_str(key),
            keys => list(keys.iter().map(|key| JsValue::from_str(key))),
        };
        let (none, version) = (JsValue::UNDEFINED, *version as f64);
        return sink.show(&none, "state", &keys, &source.text(), *origin as u32, version);
    }
    let detail = Members::none();
    let name = match happening {
        Happening::State { .. } => return,
        Happening::Ready => "ready",
        Happening::Status(status) => {
            show_status(&detail, status);
            "status"
        }
        Happening::DeadLetter { id, type_, reason, tries } => {
            detail.set_text("id", id);
            detail.set_text("type", type_);
            detail.set_text("code", &reason.code);
            detail.set_text("message", &reason.message);
            detail.set("tries", &number((*tries).into()));
            "dead-letter"
        }
        Happening::StateLost { what, from, to, .. } => {
            let text = |epoch: &Option<LogEpoch>| epoch.map(LogEpoch::text).unwrap_or_default();
            detail.set_text("what", what);
            detail.set_text("from", &text(from));
            detail.set_text("to", &text(to));
            "state-lost"
        }
        Happening::Clash(clash) => {
            detail.set_text("key", &clash.key);
            detail.set("base", &leaves(&clash.base));
            detail.set("local", &leaves(&clash.local));
            detail.set("remote", &leaves(&clash.remote));
            "clash"
        }
        Happening::ReloadNeeded(build) => {
            detail.set_text("build", build);
            detail.set_text(
                "message",
                "this page and the coordinator are of builds too far apart: reload the page",
            );
            "reload-needed"
        }
        Happening::Trouble(fault) => {
            show_fault(&detail, fault);
            "error"
        }
        Happening::Message { out, name } => {
            detail.set("out", &JsValue::from_bool(*out));
            detail.set_text("name", name);
            "message"
        }
    };
    sink.tell(&JsValue::UNDEFINED, &name.into(), &detail);
}

fn show_status(detail: &Members, status: &Status) {
    let sync = match status.sync {
        Sync::Synchronized => "synchronized",
        Sync::Synchronizing => "synchronizing",
        Sync::Offline => "offline",
        Sync::Blocked => "blocked",
    };
    let connected = status.reachable == Some(true);
    detail.set_text("host", status.host.name());
    detail.set("leads", &JsValue::from_bool(status.leads));
    detail.set_text("reason", &status.host_reason);
    detail.set("epoch", &number(status.epoch.0));
    detail.set_text("connection", if connected { "connected" } else { "disconnected" });
    detail.set("online", &JsValue::from_bool(status.online));
    detail.set_text("sync", sync);
    if status.sync == Sync::Blocked {
        detail.set_text("blocked", &status.reason);
    }
    detail.set("pages", &number(status.pages.into()));
    detail.set("pending", &number(status.pending));
    detail.set("dead", &number(status.dead));
    detail.set("nextAttemptAt", &status.next_attempt_at.map_or(JsValue::NULL, |at| number(at.0)));
    detail.set("paused", &JsValue::from_bool(status.paused));
    let breaker = match status.breaker {
        Breaker::Closed => "closed",
        Breaker::Open => "open",
        Breaker::HalfOpen => "half-open",
    };
    detail.set_text("breaker", breaker);
    detail.set_text("build", &status.host_build);
    let protocol = if status.host == Host::Starting { 0 } else { PROTOCOL_MAX };
    detail.set("protocol", &number(protocol.into()));
}

fn show_fault(detail: &Members, fault: &Fault) {
    let culprit = match fault.culprit {
        Culprit::App => "app",
        Culprit::Server => "server",
        Culprit::Peer => "peer",
        Culprit::Browser => "browser",
        Culprit::Us => "us",
    };
    detail.set_text("code", &fault.code);
    detail.set_text("culprit", culprit);
    detail.set_text("message", &fault.message);
}

fn thrown(fault: Fault) -> JsValue {
    let detail = Members::none();
    show_fault(&detail, &fault);
    detail.into()
}

impl core::fmt::Debug for Told {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Told")
    }
}
