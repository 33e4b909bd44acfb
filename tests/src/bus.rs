//! Messages between pages and workers: in the order of each sender and path, and lost with the one they were for.
//!
//! Two paths lead from a page to a worker. The registration's wakes the worker of that version, as long as it is the
//! active one. A port, handed over with a hello, wakes nobody: what is posted to one whose other end is dead is
//! swallowed.

use bellwether_shared::base::PageId;
use bellwether_shared::bus::{Envelope, Notice};
use bellwether_shared::coordinator::{Client, To};
use bellwether_shared::wire::to_cbor;

use crate::check;
use crate::driver::Event;
use crate::world::World;

/// A message on its way to a worker.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) from: Client,
    pub(crate) path: Path,
    pub(crate) bytes: Vec<u8>,
    /// A port goes with it.
    pub(crate) port: bool,
}

/// How it goes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// To the worker of this version.
    Worker(u32),
    /// Through a port to this life of it.
    Port(PageId),
}

impl World {
    /// A page without a machine of its own says something.
    pub fn say(&mut self, device: usize, client: &str, bytes: Vec<u8>) {
        let path = Path::Worker(self.devices[device].version);
        let mail = Mail { from: Client(client.into()), path, bytes, port: false };
        self.devices[device].mail.push(mail);
    }

    /// A page posts to the worker.
    pub(crate) fn post(&mut self, device: usize, mail: Mail) {
        self.violations.extend(check::bounds::message(&mail.bytes));
        self.look_for_excluded(&mail.bytes, "a message to a worker");
        if !self.chance(self.weather.lose_message) {
            self.devices[device].mail.push(mail);
        }
    }

    /// Which of the messages can arrive now: the first of each sender and path.
    pub(crate) fn can_arrive(&self, device: usize) -> impl Iterator<Item = usize> {
        let mail = &self.devices[device].mail;
        let first = move |at: &usize| {
            let here = &mail[*at];
            !mail[..*at].iter().any(|other| other.from == here.from && other.path == here.path)
        };
        (0..mail.len()).filter(first)
    }

    /// A message arrives, or finds nobody.
    pub(crate) fn deliver_mail(&mut self, device: usize, at: usize) {
        let Mail { from, path, bytes, port } = self.devices[device].mail.remove(at);
        let here = &self.devices[device];
        let realm = match path {
            Path::Port(realm) => here.realms.get(&realm).map(|_| realm),
            Path::Worker(version) if version == here.version => Some(self.wake(device)),
            Path::Worker(version) => {
                let mut old = here.realms.iter().filter(|(_, realm)| realm.version == version);
                old.next().map(|(id, _)| *id)
            }
        };
        let Some(realm) = realm else { return };
        if port {
            let page = self.devices[device].pages.iter_mut().find(|page| page.client == from);
            page.into_iter().for_each(|page| page.port = Some(realm));
        }
        self.on_event(device, realm, Event::Message(from, bytes));
    }

    /// A worker sends to its pages: those that have handed over a port, and those that it knows of.
    pub(crate) fn send(&mut self, device: usize, realm: PageId, to: &To, message: &[u8]) {
        let lost = self.chance(self.weather.lose_message);
        self.violations.extend(check::bounds::message(message));
        self.look_for_excluded(message, "a message to pages");
        if let Ok(envelope) = Envelope::read(message)
            && (self.remembers || Notice::name(envelope.kind) == "status")
            && let Ok(Some(notice)) = Notice::open(&envelope)
        {
            let heard = &mut self.devices[device].heard;
            heard.truncate(if self.remembers { heard.len() } else { 0 });
            heard.push(notice);
        }
        let here = &mut self.devices[device];
        let unread = self.planted.versions_unread;
        let listed = here.realms.get(&realm).map(|realm| realm.listed.clone()).unwrap_or_default();
        for page in &mut here.pages {
            let meant = match to {
                To::All => page.port == Some(realm) || listed.contains(&page.client),
                To::Client(client) => *client == page.client,
            };
            if meant && !lost {
                let protocol = page.protocol.filter(|_| !unread);
                page.inbox.push_back(protocol.map_or(message.to_vec(), |it| spoken(it, message)));
            }
        }
    }
}

/// The same message from a build that speaks this version of the bus alone.
pub(crate) fn spoken(protocol: u16, message: &[u8]) -> Vec<u8> {
    let Ok(envelope) = Envelope::read(message) else { return message.to_vec() };
    to_cbor(&Envelope { protocol_min: protocol, protocol_max: protocol, ..envelope })
}

#[cfg(test)]
mod tests {
    use bellwether_shared::base::{Epoch, RequestId};
    use bellwether_shared::bus::{Farewell, Request};
    use bellwether_shared::rows::{HostKind, Store};

    use super::*;
    use crate::model::Draft;

    #[test]
    fn a_replaced_worker_appends_what_a_closing_page_leaves_and_says_who_hosts() {
        let mut world = World::with_device(1);
        // Its boot fails, and it has no coordinator when another takes over.
        world.devices[0].disk.failing = 1;
        world.boot(0);
        world.settle();
        world.boot_another(0);
        world.settle();
        let (_, row) = world.make(0, &Draft::default(), true);
        let farewell = Farewell { rows: vec![row.into()], may_return: false };
        let page = world.fresh_realm();
        let bytes = Request::Farewell(farewell).seal("test", page, RequestId(0), Epoch(1));
        let from = Client("page".into());
        let mail = Mail { from, path: Path::Worker(1), bytes, port: false };
        world.devices[0].mail.push(mail);
        world.settle();
        assert_eq!(world.violations, Vec::<String>::new());
        assert_eq!(world.devices[0].disk.epoch(), Epoch(1));
        assert_eq!(world.devices[0].disk.count(Store::Journal), 1);
        let hosted =
            |notice: &Notice| matches!(notice, Notice::HostedBy { kind: HostKind::Worker });
        assert!(world.devices[0].heard.iter().any(hosted));
    }
}
