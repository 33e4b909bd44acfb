//! Messages between realms: bytes in an envelope that names the channel.
//!
//! What always holds: only bytes of the named shape, within [`limits::BUS_BYTES_MAX`], are given to
//! anyone; whatever else arrives is left alone, because it may be the app's own.

use bellwether_shared::base::limits;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageChannel, MessagePort};

use crate::listen::Listener;
use crate::members::Members;

#[wasm_bindgen]
extern "C" {
    // A port, or a client as its worker sees it: what they have in common is this.
    type Receiver;
    #[wasm_bindgen(method, catch, js_name = postMessage)]
    fn post_message(this: &Receiver, message: &JsValue, transfer: &Array) -> Result<(), JsValue>;
}

/// What is posted, and what moves with it instead of being copied.
pub(crate) struct Parcel {
    pub(crate) message: JsValue,
    pub(crate) transfer: Array,
}

/// The envelope: `{bellwether: channel, m: bytes}`, or with `probe` or `build` in place of `m`.
pub(crate) fn envelope_of(channel: &str) -> Members {
    let envelope = Members::none();
    envelope.set_text("bellwether", channel);
    envelope
}

/// A message as an envelope, and the channel it names; `None` for what is none.
pub(crate) fn read_envelope(data: &JsValue) -> Option<(&Members, String)> {
    let envelope: &Members = data.is_object().then(|| data.unchecked_ref())?;
    Some((envelope, envelope.text("bellwether")?))
}

impl Parcel {
    pub(crate) fn new(channel: &str, bytes: &[u8]) -> Self {
        let bytes = Uint8Array::from(bytes);
        let envelope = envelope_of(channel);
        envelope.set("m", &bytes);
        let transfer = Array::new();
        transfer.push(&bytes.buffer());
        Self { message: envelope.into(), transfer }
    }

    pub(crate) fn post_to(&self, receiver: &JsValue) -> Result<(), JsValue> {
        receiver.unchecked_ref::<Receiver>().post_message(&self.message, &self.transfer)
    }
}

/// Channel and bytes of a message of ours; `None` for any other.
#[must_use]
pub fn read_message(data: &JsValue) -> Option<(String, Vec<u8>)> {
    let (envelope, channel) = read_envelope(data)?;
    let bytes = envelope.get("m").dyn_into::<Uint8Array>().ok()?;
    if channel.len() > limits::NAME_BYTES_MAX || bytes.length() as usize > limits::BUS_BYTES_MAX {
        return None;
    }
    Some((channel, bytes.to_vec()))
}

/// The data of a message event.
#[must_use]
pub fn data_of(event: &Event) -> JsValue {
    Members::of(event).get("data")
}

/// One end of a `MessagePort`, for one channel. Dropped, it closes.
///
/// Nobody is told when the other end is gone: what is posted then vanishes.
#[derive(Debug)]
pub struct Port {
    raw: MessagePort,
    channel: Box<str>,
    _listener: Listener,
}

impl Port {
    /// Calls `heard` for each message of `channel` that arrives at `raw`.
    pub fn new(raw: MessagePort, channel: &str, mut heard: impl FnMut(Vec<u8>) + 'static) -> Self {
        let channel: Box<str> = channel.into();
        let ours = channel.clone();
        let listener =
            Listener::new(&raw, &["message"], move |event| match read_message(&data_of(&event)) {
                Some((channel, bytes)) if *channel == *ours => heard(bytes),
                Some(_) | None => {}
            });
        raw.start();
        Self { raw, channel, _listener: listener }
    }

    /// Two ends; the second is for handing over.
    pub fn pair(
        channel: &str,
        heard: impl FnMut(Vec<u8>) + 'static,
    ) -> Result<(Self, MessagePort), JsValue> {
        let ends = MessageChannel::new()?;
        Ok((Self::new(ends.port1(), channel, heard), ends.port2()))
    }

    /// Posts `bytes` to the other end.
    pub fn post(&self, bytes: &[u8]) {
        // Fails only for what cannot be cloned, which bytes can.
        let _ = Parcel::new(&self.channel, bytes).post_to(&self.raw);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.raw.close();
    }
}
