//! What JavaScript sees: one class, and conversions, nothing else.

use core::future::Future;
use core::time::Duration;
use std::rc::Rc;

use bellwether_shared::base::{Culprit, EventId, Fault, LogEpoch, limits};
use bellwether_shared::bus::{Identity, PROTOCOL_MAX, Sync};
use bellwether_shared::rows::{self, Overflow};
use bellwether_shared::wire::Lane;
use bellwether_web::members::Members;
use bellwether_web::task;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::client::{Bellwether, NewEvent};
use crate::listing::{Content, Journey};
use crate::options::{Options, Token, WorkerChoice};
use crate::status::{Happening, Host, Status};

#[wasm_bindgen]
extern "C" {
    /// The app's options, checked for type; `undefined` stands for the default.
    #[wasm_bindgen(extends = Members)]
    pub type RawOptions;

    /// Where the app is told; its methods are the package's.
    #[derive(Clone)]
    pub type Sink;
    #[wasm_bindgen(method)]
    fn fault(this: &Sink, code: &str, culprit: &str, message: &str, cause: &JsValue) -> JsValue;
    #[wasm_bindgen(method)]
    fn status(
        this: &Sink,
        host: &str,
        reason: &str,
        epoch: f64,
        sync: &str,
        blocked: &str,
        connection: &str,
        online: bool,
        pages: u32,
        pending: f64,
        dead: f64,
        next_attempt_at: f64,
        paused: bool,
        worker_build: &str,
        protocol: u16,
    );
    #[wasm_bindgen(method)]
    fn ready(this: &Sink);
    #[wasm_bindgen(method, js_name = deadLetter)]
    fn dead_letter(this: &Sink, id: &str, type_: &str, code: &str, message: &str, tries: u32);
    #[wasm_bindgen(method, js_name = stateLost)]
    fn state_lost(this: &Sink, what: &str, from: &str, to: &str);
    #[wasm_bindgen(method, js_name = reloadNeeded)]
    fn reload_needed(this: &Sink, build: &str, message: &str);
    #[wasm_bindgen(method)]
    fn error(this: &Sink, error: &JsValue);
    #[wasm_bindgen(method)]
    fn log(this: &Sink, direction: &str, text: &str);
    #[wasm_bindgen(method, catch)]
    fn token(this: &Sink, user: &str, session: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(extends = Function)]
    type AppendSettle;
    #[wasm_bindgen(method, js_name = call)]
    fn settle(this: &AppendSettle, context: &JsValue, position: f64, fault: &JsValue);

    #[wasm_bindgen(extends = Function)]
    type DeliverySettle;
    #[wasm_bindgen(method, js_name = call)]
    fn settle(
        this: &DeliverySettle,
        context: &JsValue,
        status: &str,
        offset: f64,
        result: Option<&str>,
        code: &str,
        message: &str,
        fault: &JsValue,
    );
}

/// A page's client of one channel.
#[wasm_bindgen]
#[derive(Debug, Clone)]
pub struct Client {
    inner: Bellwether,
    sink: Sink,
}

#[wasm_bindgen]
impl Client {
    /// Resolves when the journal is open, or known not to be openable; within 3 s.
    #[wasm_bindgen(unchecked_return_type = "Promise<Client>")]
    pub fn open(raw: RawOptions, sink: Sink) -> Promise {
        let thrower = sink.clone();
        promise(&thrower, async move {
            let told = sink.clone();
            let hear = Rc::new(move |happening: &Happening| tell(&told, happening));
            let options = options(&raw, &sink);
            let inner = Bellwether::connect_heard(options, vec![hear]).await?;
            tell(&sink, &Happening::Status(inner.status()));
            Ok(Self { inner, sink }.into())
        })
    }

    /// The page's id.
    pub fn id(&self) -> String {
        self.inner.id().to_string()
    }

    /// Stores an event; gives its id at once, and settles when it is durable or has failed.
    #[allow(clippy::too_many_arguments, reason = "an object would have to be taken apart here")]
    pub fn append(
        &self,
        type_: &str,
        data: Option<String>,
        key: Option<String>,
        id: Option<String>,
        correlation: Option<String>,
        schema: u32,
        lane: u8,
        immediate: bool,
        settle: Function,
    ) -> Result<String, JsValue> {
        let event = NewEvent {
            type_,
            data: data.as_deref(),
            key: key.as_deref(),
            id: id.as_deref(),
            correlation: correlation.as_deref(),
            schema,
            lane: match lane {
                0 => Lane::Critical,
                1 => Lane::Normal,
                _ => Lane::Bulk,
            },
            immediate,
        };
        let settle: AppendSettle = settle.unchecked_into();
        let sink = self.sink.clone();
        let id = self.inner.append(
            event,
            Box::new(move |settled| match settled {
                Ok(position) => settle.settle(&JsValue::NULL, position as f64, &JsValue::UNDEFINED),
                Err(fault) => settle.settle(&JsValue::NULL, 0.0, &thrown(&sink, &fault)),
            }),
        );
        id.map(|id| id.as_str().to_owned()).map_err(|fault| thrown(&self.sink, &fault))
    }

    /// Lists the events that the server has not answered.
    #[wasm_bindgen(unchecked_return_type = "Promise<object[]>")]
    pub fn pending(&self) -> Promise {
        let it = self.clone();
        promise(&self.sink, async move {
            let list = Array::new();
            for event in it.inner.pending().await? {
                let state = match event.journey {
                    Journey::Durable => "durable",
                    Journey::Sending => "sending",
                };
                let shown = shown(&event.id, &event.content);
                shown.set("position", &JsValue::from_f64(event.position as f64));
                shown.set("correlationId", &text_or_none(&event.content.correlation));
                shown.set_text("state", state);
                shown.set("appendedAt", &JsValue::from_f64(event.content.at_ms as f64));
                list.push(&shown);
            }
            Ok(list.into())
        })
    }

    /// Lists the dead letters.
    #[wasm_bindgen(unchecked_return_type = "Promise<object[]>")]
    pub fn failed(&self) -> Promise {
        let it = self.clone();
        promise(&self.sink, async move {
            let list = Array::new();
            for letter in it.inner.failed().await? {
                let shown = shown(&letter.id, &letter.content);
                shown.set_text("code", &letter.reason.code);
                shown.set_text("message", &letter.reason.message);
                shown.set("tries", &JsValue::from_f64(letter.tries.into()));
                shown.set("buriedAt", &JsValue::from_f64(letter.buried_at_ms as f64));
                list.push(&shown);
            }
            Ok(list.into())
        })
    }

    /// Settles when the server has accepted or refused the event.
    pub fn delivered(&self, id: &str, settle: Function) -> Result<(), JsValue> {
        let id = event_id(id).map_err(|fault| thrown(&self.sink, &fault))?;
        let settle: DeliverySettle = settle.unchecked_into();
        let sink = self.sink.clone();
        self.inner.wait_for(
            id,
            Box::new(move |settled| {
                let none = JsValue::UNDEFINED;
                match settled {
                    Ok(delivery) => settle.settle(
                        &JsValue::NULL,
                        delivery.status,
                        delivery.offset.unwrap_or(0) as f64,
                        delivery.result.as_deref(),
                        delivery.code.as_deref().unwrap_or_default(),
                        delivery.message.as_deref().unwrap_or_default(),
                        &none,
                    ),
                    Err(fault) => {
                        let fault = thrown(&sink, &fault);
                        settle.settle(&JsValue::NULL, "", 0.0, None, "", "", &fault);
                    }
                }
            }),
        );
        Ok(())
    }

    /// Sends a dead letter again, or all.
    #[wasm_bindgen(unchecked_return_type = "Promise<number>")]
    pub fn retry(&self, id: Option<String>) -> Promise {
        let it = self.clone();
        promise(&self.sink, async move {
            let id = id.map(|id| event_id(&id)).transpose()?;
            let count = it.inner.retry(id).await?;
            Ok(JsValue::from_f64(count as f64))
        })
    }

    /// Throws a dead letter away.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn discard(&self, id: String) -> Promise {
        let it = self.clone();
        promise(&self.sink, async move {
            let id = event_id(&id)?;
            it.inner.discard(id).await?;
            DONE
        })
    }

    /// Stops delivering, or goes on.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn pause(&self, on: bool) -> Promise {
        let it = self.clone();
        promise(&self.sink, async move {
            it.inner.pause(on).await?;
            DONE
        })
    }

    /// Delivers what is there.
    #[wasm_bindgen(unchecked_return_type = "Promise<any>")]
    pub fn flush(&self) -> Promise {
        let it = self.clone();
        promise(&self.sink, async move {
            let report = it.inner.flush().await?;
            let numbers = Members::none();
            numbers.set("delivered", &JsValue::from_f64(report.delivered as f64));
            numbers.set("pending", &JsValue::from_f64(report.pending as f64));
            numbers.set("dead", &JsValue::from_f64(report.dead as f64));
            Ok(numbers.into())
        })
    }

    /// From here on this page's events are another's.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn identify(&self, user: String, session: String, has_token: bool) -> Promise {
        let it = self.clone();
        promise(&self.sink, async move {
            let identity = Identity { session: session.into(), user: user.into() };
            let token = has_token.then(|| token_of(&it.sink));
            it.inner.set_identity(identity, token)?;
            DONE
        })
    }

    /// Leaves; what is being written is let finish.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn close(&self) -> Promise {
        let it = self.clone();
        promise(&self.sink, async move {
            it.inner.close().await;
            DONE
        })
    }
}

// What queued events and dead letters have in common, as the app sees it; but `data` is a text still.
fn shown(id: &str, content: &Content) -> Members {
    let shown = Members::none();
    shown.set_text("id", id);
    shown.set_text("type", &content.type_);
    shown.set("key", &text_or_none(&content.key));
    shown.set("data", &text_or_none(&content.data));
    shown.set_text("priority", content.lane.name());
    shown.set_text("session", &content.session);
    shown.set_text("user", &content.user);
    shown
}

fn text_or_none(text: &Option<Box<str>>) -> JsValue {
    text.as_deref().map_or(JsValue::UNDEFINED, JsValue::from_str)
}

fn event_id(id: &str) -> Result<EventId, Fault> {
    EventId::new(id).map_err(|_| {
        let words = "this is no event's id: 1 to 64 visible ASCII characters";
        Fault::new("event-invalid", Culprit::App, words)
    })
}

/// Promises what comes of `work`; its fault is thrown as the package's error.
fn promise(sink: &Sink, work: impl Future<Output = Result<JsValue, Fault>> + 'static) -> Promise {
    promise_boxed(sink.clone(), work.boxed_local())
}

// Apart, so that it is compiled once.
fn promise_boxed(sink: Sink, work: LocalBoxFuture<'static, Result<JsValue, Fault>>) -> Promise {
    task::promise(async move { work.await.map_err(|fault| thrown(&sink, &fault)) })
}

const DONE: Result<JsValue, Fault> = Ok(JsValue::UNDEFINED);

fn options(raw: &RawOptions, sink: &Sink) -> Options {
    let defaults = rows::Options::default();
    let text = |name| Box::<str>::from(raw.text(name).unwrap_or_default());
    let flag = |name| raw.get(name).as_bool().unwrap_or_default();
    let number = |name, default: u32| raw.get(name).as_f64().map_or(default, |it| it as u32);
    let worker = match raw.text("worker") {
        _ if flag("workerOff") => WorkerChoice::Off,
        Some(url) => WorkerChoice::At(url.into()),
        None => WorkerChoice::Auto,
    };
    let overflow = if flag("dropOldest") { Overflow::DropOldest } else { Overflow::Block };
    let batch_age_ms = number("batchAgeMs", limits::BATCH_AGE_MS);
    Options {
        channel: text("channel"),
        session: Some(text("session")),
        user: text("user"),
        server: text("server"),
        worker,
        scope: raw.text("scope").map(Into::into),
        relaxed: flag("relaxed"),
        batch_age: Duration::from_millis(batch_age_ms.into()),
        outbox: rows::Options {
            tries_max: number("maxRetries", defaults.tries_max),
            base_delay_ms: number("baseDelayMs", defaults.base_delay_ms),
            max_delay_ms: number("maxDelayMs", defaults.max_delay_ms),
            batch_events: number("batchSize", defaults.batch_events),
            dead_max: number("deadLetterCap", defaults.dead_max),
            overflow,
        },
        token: flag("hasToken").then(|| token_of(sink)),
        debug: flag("debug"),
        build: text("build"),
    }
}

fn token_of(sink: &Sink) -> Token {
    let sink = sink.clone();
    Rc::new(move |identity| {
        let asked = sink.token(&identity.user, &identity.session);
        async move {
            let token = JsFuture::from(asked.ok()?).await.ok()?;
            token.as_string().map(Into::into)
        }
        .boxed_local()
    })
}

fn tell(sink: &Sink, happening: &Happening) {
    match happening {
        Happening::Ready => sink.ready(),
        Happening::Status(status) => tell_status(sink, status),
        Happening::DeadLetter { id, type_, reason, tries } => {
            sink.dead_letter(id, type_, &reason.code, &reason.message, *tries);
        }
        Happening::StateLost { what, from, to, .. } => {
            let text =
                |epoch: &Option<LogEpoch>| epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
            sink.state_lost(what, &text(from), &text(to));
        }
        Happening::ReloadNeeded(build) => sink.reload_needed(
            build,
            "this page and the coordinator are of builds too far apart: reload the page",
        ),
        Happening::Trouble(fault) => sink.error(&thrown(sink, fault)),
        Happening::Message { out, name } => sink.log(if *out { "out" } else { "in" }, name),
    }
}

fn tell_status(sink: &Sink, status: &Status) {
    let sync = match status.sync {
        Sync::Synchronized => "synchronized",
        Sync::Synchronizing => "synchronizing",
        Sync::Offline => "offline",
        Sync::Blocked => "blocked",
    };
    let connected = status.reachable == Some(true);
    sink.status(
        status.host.name(),
        &status.host_reason,
        status.epoch.0 as f64,
        sync,
        if status.sync == Sync::Blocked { &status.reason } else { "" },
        if connected { "connected" } else { "disconnected" },
        status.online,
        status.pages,
        status.pending as f64,
        status.dead as f64,
        status.next_attempt_at.map_or(0.0, |at| at.0 as f64),
        status.paused,
        &status.host_build,
        if status.host == Host::Starting { 0 } else { PROTOCOL_MAX },
    );
}

fn thrown(sink: &Sink, fault: &Fault) -> JsValue {
    let culprit = match fault.culprit {
        Culprit::App => "app",
        Culprit::Server => "server",
        Culprit::Peer => "peer",
        Culprit::Browser => "browser",
        Culprit::Us => "us",
    };
    sink.fault(&fault.code, culprit, &fault.message, &JsValue::UNDEFINED)
}

impl core::fmt::Debug for Sink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sink")
    }
}
