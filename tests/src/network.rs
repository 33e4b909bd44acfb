//! What lies between a device and the server: requests that do not arrive, arrive twice or late, and answers that
//! are lost.

use bellwether_server::fault::Fault;
use bellwether_shared::base::{PageId, Wall, limits};
use bellwether_shared::outbox::Response;
use bellwether_shared::rows::{Key, Op, Store, WriteBatch};
use bellwether_shared::wire::{LogPage, Push, from_cbor, to_cbor};

use crate::browser::Realm;
use crate::check::{self, LogWatch};
use crate::server::problem;
use crate::transcript;
use crate::weather::Lie;
use crate::world::World;

impl World {
    /// A worker sends a push; gives what comes back, and after how long.
    pub(crate) fn push(
        &mut self,
        device: usize,
        (realm, life): (PageId, u64),
        token: Option<&str>,
        body: &[u8],
    ) -> (Response, u64) {
        self.look_for_excluded(body, "a push");
        let push: Push = match from_cbor(body, limits::PUSH_BYTES_MAX) {
            Ok(push) => push,
            Err(fault) => {
                self.violations.push(format!("a push cannot be read: {fault}"));
                return (Response::Unreachable, 0);
            }
        };
        let mut found = check::bounds::push(&push);
        found.extend(check::isolation::push(&push, token));
        let mut wiped = self.devices[device].wiped.iter();
        let wiped = wiped.any(|wiped| {
            wiped.whose.undelivered && wiped.whose.covers(&push.stream.session, &push.stream.user)
        });
        if self.knows(device, realm, life) && !wiped {
            found.extend(check::push(&self.devices[device].disk, &push));
        }
        self.violations.append(&mut found);
        let (response, in_ms) = self.deliver(device, token, &push, body);
        self.sent.push((self.now_ms, push.events.len()));
        self.note(|| {
            let (sent, came) = (transcript::push(&push), transcript::response(&response));
            format!("device {device} pushes {sent} -> {came}")
        });
        (response, in_ms)
    }

    // One whose database was taken away does not know yet, and sends what it had sealed there.
    pub(crate) fn knows(&self, device: usize, realm: PageId, life: u64) -> bool {
        let here = &self.devices[device];
        let worker = here.realms.get(&realm).filter(|worker| worker.life == life);
        // One that was replaced while it was wedged, and has come round, does not know yet.
        let knows =
            |worker: &Realm| worker.knows(here.disk.life) && worker.lease == here.disk.lease();
        here.current == Some(realm) && worker.is_some_and(knows)
    }

    fn deliver(
        &mut self,
        device: usize,
        token: Option<&str>,
        push: &Push,
        body: &[u8],
    ) -> (Response, u64) {
        if self.planted.forget_early {
            self.forget(device, push);
        }
        if let Some(answer) = self.weather.mood.answer() {
            if matches!(answer, Response::Http { .. }) {
                self.server.note_failure(body);
            }
            return (answer, 0);
        }
        let guarded = &*push.stream.session == "s" && self.guarded.contains(&push.stream.user);
        if guarded && token != Some("good") {
            return (problem(&Fault::Unauthorized("a token is needed".into())), 0);
        }
        let slow_ms = self.chooser.below(self.weather.slow_ms_max + 1);
        if self.chance(self.weather.lose_request) {
            return self.nothing();
        }
        if self.chance(self.weather.late) {
            self.strays.push(body.to_vec());
            return self.nothing();
        }
        if self.chance(self.weather.repeat) {
            self.strays.push(body.to_vec());
        }
        let response = self.handle(body);
        if matches!(&response, Response::Http { status, .. } if *status != 200) {
            self.server.note_failure(body);
        }
        if self.chance(self.weather.lose_answer) {
            return self.nothing();
        }
        if self.chance(self.weather.lie) {
            let lie = self.chooser.pick(Lie::ALL);
            self.server.note_failure(body);
            return (lie.of(response), slow_ms);
        }
        (response, slow_ms)
    }

    /// A worker asks for what is new; gives what comes back, and after how long.
    pub(crate) fn pull(
        &mut self,
        device: usize,
        token: Option<&str>,
        url: &str,
    ) -> (Response, u64) {
        if let Some(answer) = self.weather.mood.answer() {
            return (answer, 0);
        }
        if !self.guarded.is_empty() && url.contains("session=s") && token != Some("good") {
            return (problem(&Fault::Unauthorized("a token is needed".into())), 0);
        }
        let slow_ms = self.chooser.below(self.weather.slow_ms_max + 1);
        if self.chance(self.weather.lose_request) || self.chance(self.weather.lose_answer) {
            return self.nothing();
        }
        let mut response = self.server.pull(url);
        if self.planted.patch_skipped {
            skip_last(&mut response);
        }
        self.note(|| format!("device {device} pulls {url} -> {}", transcript::pulled(&response)));
        (response, slow_ms)
    }

    // Nothing comes back: the connection breaks, or the request is given up.
    pub(crate) fn nothing(&mut self) -> (Response, u64) {
        let hangs = self.weather.slow_ms_max > 0 && self.chance(50);
        (Response::Unreachable, if hangs { limits::PUSH_TIMEOUT_MS.into() } else { 0 })
    }

    fn handle(&mut self, body: &[u8]) -> Response {
        let response = self.server.handle(body, Wall(self.now_ms));
        for id in self.server.conflicts.keys() {
            self.events.get_mut(id).into_iter().for_each(|event| event.refused = true);
        }
        let found = check::log(self);
        self.violations.extend(found);
        response
    }

    // The planted fault: the worker believes that what it has sent has arrived.
    fn forget(&mut self, device: usize, push: &Push) {
        let ids = check::push_ids(push);
        let disk = &mut self.devices[device].disk;
        let rows = disk.rows(Store::Journal);
        let gone: Vec<Key> = rows
            .filter(|(_, row)| check::row_id(row).is_some_and(|id| ids.contains(&id)))
            .map(|(key, _)| key.clone())
            .collect();
        let ops = gone.into_iter().map(|key| Op::Delete { store: Store::Journal, key }).collect();
        let (epoch, holder) = disk.lease();
        let batch = WriteBatch { epoch, holder, strict: true, ops };
        if let (Ok(before), Some(realm)) = (disk.commit(&batch), disk.host) {
            let found = check::commit(self, device, realm, &batch, &before);
            self.violations.extend(found);
        }
    }

    /// A request that was thought lost arrives.
    pub(crate) fn arrive(&mut self, at: usize) {
        let body = self.strays.remove(at);
        self.note(|| "a request arrives late, or again".into());
        self.handle(&body);
    }

    /// Keeps a backup of the server.
    pub fn back_up_server(&mut self) {
        self.backups.push(self.server.backup());
    }

    /// Puts some backup of the server back.
    pub fn restore_server(&mut self) {
        if self.backups.is_empty() {
            return;
        }
        let which = self.below(self.backups.len() as u64) as usize;
        let backup = self.backups[which].clone();
        // What came later than this belongs to another history.
        self.backups.truncate(which + 1);
        let new_epoch = self.chance(50);
        self.server.restore(&backup, new_epoch);
        self.server_lost = true;
        self.server_lied |= !new_epoch;
        let held =
            |session| (Box::from(session), LogWatch::of_backup(self.server.log(session).len()));
        self.watch = self.server.sessions().map(held).collect();
        let how = if new_epoch { "with a new epoch" } else { "as it was" };
        self.note(|| format!("the server's backup {which} is put back {how}"));
    }

    /// The server is stopped and started again.
    pub fn restart_server(&mut self) {
        self.server.restart();
        self.note(|| "the server is started again".into());
        let found = check::log(self);
        self.violations.extend(found);
    }

    /// Deletes the server's data.
    pub fn wipe_server(&mut self) {
        self.server.wipe();
        self.server_lost = true;
        self.watch.clear();
        self.backups.clear();
        self.note(|| "the server's data is deleted".into());
    }
}

// For the planted fault: the same, without its last patch.
fn skip_last(response: &mut Response) {
    if let Response::Http { status: 200, body, .. } = response
        && let Ok(mut page) = from_cbor::<LogPage>(body, limits::ANSWER_BYTES_MAX)
    {
        page.events.pop();
        *body = to_cbor(&page);
    }
}
