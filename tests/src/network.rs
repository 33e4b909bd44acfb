//! What lies between a device and the server: requests that do not arrive, arrive twice or late, and answers that
//! are lost.

use bellwether_server::fault::Fault;
use bellwether_shared::base::{PageId, Wall, limits};
use bellwether_shared::outbox::Response;
use bellwether_shared::rows::{Key, Op, Store, WriteBatch};
use bellwether_shared::wire::{Push, from_cbor};

use crate::check;
use crate::server::problem;
use crate::transcript;
use crate::world::World;

impl World {
    /// A worker sends a push; gives what comes back.
    pub(crate) fn push(
        &mut self,
        device: usize,
        realm: PageId,
        token: Option<&str>,
        body: &[u8],
    ) -> Response {
        let push: Push = match from_cbor(body, limits::PUSH_BYTES_MAX) {
            Ok(push) => push,
            Err(fault) => {
                self.violations.push(format!("a push cannot be read: {fault}"));
                return Response::Unreachable;
            }
        };
        let response = self.deliver(device, realm, token, &push, body);
        self.sent.push((self.now_ms, push.events.len()));
        self.note(|| {
            let (sent, came) = (transcript::push(&push), transcript::response(&response));
            format!("device {device} pushes {sent} -> {came}")
        });
        response
    }

    fn deliver(
        &mut self,
        device: usize,
        realm: PageId,
        token: Option<&str>,
        push: &Push,
        body: &[u8],
    ) -> Response {
        let is_current = self.devices[device].current == Some(realm);
        if is_current {
            self.violations.extend(check::push(&self.devices[device].disk, push));
        }
        if self.planted.forget_early {
            self.forget(device, push);
        }
        if let Some(answer) = self.weather.mood.answer() {
            if matches!(answer, Response::Http { .. }) {
                self.server.note_failure(body);
            }
            return answer;
        }
        let guarded = &*push.stream.session == "s" && self.guarded.contains(&push.stream.user);
        if guarded && token != Some("good") {
            return problem(&Fault::Unauthorized("a token is needed".into()));
        }
        if self.chance(self.weather.lose_request) {
            return Response::Unreachable;
        }
        if self.chance(self.weather.late) {
            self.strays.push(body.to_vec());
            return Response::Unreachable;
        }
        if self.chance(self.weather.repeat) {
            self.strays.push(body.to_vec());
        }
        let response = self.server.handle(body, Wall(self.now_ms));
        if matches!(&response, Response::Http { status, .. } if *status != 200) {
            self.server.note_failure(body);
        }
        if self.chance(self.weather.lose_answer) {
            return Response::Unreachable;
        }
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
        let batch = WriteBatch { epoch: disk.epoch(), strict: true, ops };
        let found = check::commit(self, device, &batch);
        self.violations.extend(found);
        let _ = self.devices[device].disk.commit(&batch);
    }

    /// A request that was thought lost arrives.
    pub(crate) fn arrive(&mut self, at: usize) {
        let body = self.strays.remove(at);
        self.note(|| "a request arrives late, or again".into());
        self.server.handle(&body, Wall(self.now_ms));
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
        self.server.restore(&backup);
        self.note(|| format!("the server's backup {which} is put back"));
    }

    /// Deletes the server's data.
    pub fn wipe_server(&mut self) {
        self.server.wipe();
        self.backups.clear();
        self.note(|| "the server's data is deleted".into());
    }
}
