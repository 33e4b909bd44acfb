//! A server that takes plain requests and knows nothing of us, and what lies between it and a device.
//!
//! What always holds: it does what a request asks for each time that one arrives; the key tells a repeat. It has no
//! data of ours that could be put back or wiped.

use bellwether_shared::base::{EventId, PageId};
use bellwether_shared::outbox::Response;

use crate::check;
use crate::transcript;
use crate::weather::Mood;
use crate::world::World;

impl World {
    /// A worker sends a plain request; gives what comes back, and after how long.
    pub(crate) fn request(
        &mut self,
        device: usize,
        (realm, life): (PageId, u64),
        id: &EventId,
        token: Option<&str>,
    ) -> (Response, u64) {
        let mut found = Vec::new();
        if self.knows(device, realm, life) && !self.is_wiped(device, id) {
            found.extend(check::durable::request(&self.devices[device].disk, id));
        }
        if let Some(event) = self.events.get(id) {
            let whose = (&*event.stream.session, &*event.stream.user);
            found.extend(check::isolation::token(whose, token));
        }
        self.violations.append(&mut found);
        let (response, in_ms) = self.deliver_plain(id, token);
        self.sent.push((self.now_ms, 1));
        self.note(|| {
            let came = transcript::response(&response);
            format!("device {device} requests {id} -> {came}")
        });
        (response, in_ms)
    }

    fn deliver_plain(&mut self, id: &EventId, token: Option<&str>) -> (Response, u64) {
        if self.planted.requests_dropped {
            return (http(204), 0);
        }
        // A page that a proxy gives is as good as an answer here, and an app's own failure spends a try.
        match self.weather.mood {
            Mood::Well => {}
            Mood::Throttled(_) => return (http(429), 0),
            Mood::Cut | Mood::ForeignPage | Mood::Error(400) => return (Response::Unreachable, 0),
            Mood::Error(_) => return (http(503), 0),
        }
        let slow_ms = self.chooser.below(self.weather.slow_ms_max + 1);
        if self.chance(self.weather.lose_request) {
            return self.nothing();
        }
        let response = self.do_plain(id, token);
        if self.chance(self.weather.lose_answer) { self.nothing() } else { (response, slow_ms) }
    }

    fn do_plain(&mut self, id: &EventId, token: Option<&str>) -> Response {
        let Some(event) = self.events.get(id) else { return http(204) };
        let guarded = &*event.stream.session == "s" && self.guarded.contains(&event.stream.user);
        if guarded && token != Some("good") {
            return http(401);
        }
        let type_ = &event.type_;
        if self.server.refused.contains(type_) {
            return http(404);
        }
        let put_off = self.server.put_off.contains(type_).then_some(409);
        if let Some(status) = put_off.or_else(|| self.server.poison.get(type_).map(|_| 500)) {
            *self.server.failed_alone.entry(id.clone()).or_default() += 1;
            return http(status);
        }
        let found = check::plain(self, id);
        self.violations.extend(found);
        self.server.ever.insert(id.clone());
        self.server.plain.push(id.clone());
        http(200)
    }
}

fn http(status: u16) -> Response {
    let content_type = "application/json".into();
    Response::Http { status, content_type, retry_after_ms: None, body: b"{}".to_vec() }
}
