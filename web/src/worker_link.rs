//! The page's way to the service worker.

use core::fmt;
use core::time::Duration;

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MessageChannel, MessagePort, ServiceWorker, ServiceWorkerContainer, ServiceWorkerRegistration,
};

use crate::alarm;
use crate::channel::{Parcel, data_of, envelope_of, read_envelope, read_message};
use crate::dom::DomFault;
use crate::listen::Listener;
use crate::members::Members;
use crate::once::Once;
use crate::realm::realm;

#[wasm_bindgen]
extern "C" {
    // https://w3c.github.io/ServiceWorker/#serviceworkercontainer-interface
    #[wasm_bindgen(extends = ServiceWorkerContainer)]
    type Container;
    #[wasm_bindgen(method, catch, js_name = register)]
    fn register(this: &Container, url: &str, options: &Members) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getRegistration)]
    fn registration(this: &Container, url: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, js_name = startMessages)]
    fn start_messages(this: &Container);
}

/// Whether this page may have a service worker: secure, and not switched off.
#[must_use]
pub fn supported() -> bool {
    container().is_some()
}

/// The registration that `url` falls under, if there is one.
pub async fn registration(url: &str) -> Result<Option<ServiceWorkerRegistration>, DomFault> {
    let Some(container) = container() else { return Ok(None) };
    let found = JsFuture::from(container.registration(url)?).await?;
    Ok((!found.is_undefined()).then(|| found.unchecked_into()))
}

/// Registers the worker at `url` for `scope` (its own folder if `None`); updates go past the HTTP cache.
pub async fn register(
    url: &str,
    scope: Option<&str>,
) -> Result<ServiceWorkerRegistration, DomFault> {
    let container = container().ok_or_else(unsupported)?;
    // https://w3c.github.io/ServiceWorker/#dictdef-registrationoptions
    let options = Members::none();
    options.set_text("updateViaCache", "none");
    if let Some(scope) = scope {
        options.set_text("scope", scope);
    }
    Ok(JsFuture::from(container.register(url, &options)?).await?.unchecked_into())
}

/// The worker that controls this page.
#[must_use]
pub fn controller() -> Option<ServiceWorker> {
    container()?.controller()
}

/// Posts `bytes` and hands over `ports`. Wakes the worker if it sleeps.
pub fn post(
    worker: &ServiceWorker,
    channel: &str,
    bytes: &[u8],
    ports: &[&MessagePort],
) -> Result<(), DomFault> {
    let Parcel { message, transfer } = Parcel::new(channel, bytes);
    for port in ports {
        transfer.push(port);
    }
    // The ports are also what the worker finds as `event.ports`.
    Ok(worker.post_message_with_transferable(&message, &transfer)?)
}

/// The build of the worker's shim, if it answers within `timeout`. Tells one that is there and wedged
/// from one that works: the question is posted, and the answer comes back on a port handed over with it.
pub async fn probe(worker: &ServiceWorker, channel: &str, timeout: Duration) -> Option<String> {
    let ends = MessageChannel::new().ok()?;
    let (port, answered) = (ends.port1(), Once::new());
    let heard = answered.clone();
    let _listener = Listener::new(&port, &["message"], move |event| {
        let answer: JsValue = data_of(&event);
        if answer.is_object()
            && let Some(build) = answer.unchecked_ref::<Members>().text("build")
        {
            drop(heard.put(build));
        }
    });
    port.start();
    let question = envelope_of(channel);
    question.set("probe", &JsValue::TRUE);
    let posted = worker.post_message_with_transferable(&question, &Array::of1(&ends.port2()));
    let build = match posted {
        Ok(()) => alarm::within(timeout, answered.get()).await,
        Err(_) => None,
    };
    port.close();
    build
}

/// What comes from the worker. Dropped, it hears no more.
pub struct Inbox {
    _messages: Listener,
    _changes: Listener,
}

/// What a page hears of workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message of the inbox's channel.
    Message(Vec<u8>),
    /// The worker's script could not start the coordinator; in its words.
    Failed(String),
    /// Another worker controls this page.
    ControllerChanged,
}

impl Inbox {
    /// Calls `heard` for each message of `channel` from any worker of this origin, and when another
    /// worker takes control. `None` where there are no service workers.
    pub fn new(channel: &str, heard: impl Fn(Heard) + Clone + 'static) -> Option<Self> {
        let container = container()?;
        let (ours, tell): (Box<str>, _) = (channel.into(), heard.clone());
        let messages = Listener::new(&container, &["message"], move |event| {
            let data = data_of(&event);
            match read_message(&data) {
                Some((channel, bytes)) if *channel == *ours => tell(Heard::Message(bytes)),
                Some(_) => {}
                None => failure(&data, &ours).into_iter().for_each(|why| tell(Heard::Failed(why))),
            }
        });
        let changes = Listener::new(&container, &["controllerchange"], move |_| {
            heard(Heard::ControllerChanged);
        });
        // Messages to a listener, unlike those to `onmessage`, wait until they are asked for.
        container.start_messages();
        Some(Self { _messages: messages, _changes: changes })
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

// What the worker's script says of a coordinator that it could not start.
fn failure(data: &JsValue, ours: &str) -> Option<String> {
    let (envelope, channel) = read_envelope(data)?;
    envelope.text("failed").filter(|_| channel == ours)?;
    envelope.text("message")
}

fn container() -> Option<Container> {
    realm().navigator().service_worker().ok().flatten().map(JsCast::unchecked_into)
}

fn unsupported() -> DomFault {
    DomFault { name: "NotSupportedError".into(), message: "no service workers here".into() }
}
