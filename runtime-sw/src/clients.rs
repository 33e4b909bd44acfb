//! Pages: finding them, and the two paths to each.

use core::cell::RefCell;
use core::fmt;

use bellwether_shared::base::SortedMap;
use bellwether_shared::coordinator::{Client, To};
use bellwether_web::channel::Port;
use bellwether_web::scope::{self, ClientRef};
use bellwether_web::task;
use web_sys::MessagePort;

use crate::bus::Bus;

/// The pages of this origin, as the browser listed them last or as they were met since, and the ports that some have
/// handed over. Inside a page, those that are on its bus.
pub(crate) struct Clients {
    channel: Box<str>,
    pub(crate) bus: Option<Bus>,
    listed: RefCell<Vec<ClientRef>>,
    ports: RefCell<SortedMap<Box<str>, Port>>,
    /// Those on the bus, as they were listed last.
    here: RefCell<Vec<Client>>,
}

impl Clients {
    pub(crate) fn new(channel: &str, bus: Option<Bus>) -> Self {
        let channel = channel.into();
        let (listed, ports, here) = Default::default();
        Self { channel, bus, listed, ports, here }
    }

    /// A page has said something: it can be told something before the browser has listed it.
    pub(crate) fn meet(&self, page: ClientRef) {
        let mut listed = self.listed.borrow_mut();
        if !listed.iter().any(|known| known.id == page.id) {
            listed.push(page);
        }
    }

    pub(crate) fn take_port(
        &self,
        from: &str,
        port: MessagePort,
        heard: impl FnMut(Vec<u8>) + 'static,
    ) {
        let port = Port::new(port, &self.channel, heard);
        let before = self.ports.borrow_mut().insert(from.into(), port);
        drop(before);
    }

    /// Asks the browser which pages are there; forgets the ports of the others.
    pub(crate) async fn list(&self) -> Vec<Client> {
        if let Some(bus) = &self.bus {
            if let Some(here) = bus.clients().await {
                *self.here.borrow_mut() = here;
            }
            return self.here.borrow().clone();
        }
        // A browser that does not answer lists nobody new.
        if let Ok(listed) = scope::clients_match_all().await {
            let gone: Vec<Port> = {
                let mut ports = self.ports.borrow_mut();
                let here = |id: &str| listed.iter().any(|client| client.id == id);
                let gone: Vec<Box<str>> = ports.keys().filter(|id| !here(id)).cloned().collect();
                gone.iter().filter_map(|id| ports.remove(id)).collect()
            };
            drop(gone);
            *self.listed.borrow_mut() = listed;
        }
        self.listed.borrow().iter().map(|client| Client(client.id.as_str().into())).collect()
    }

    /// Sends a message; whether it arrives is not known.
    pub(crate) fn send(&self, to: &To, message: &[u8]) {
        match (to, &self.bus) {
            (To::Client(Client(id)), Some(bus)) => bus.send(id, message),
            (To::All, Some(bus)) => bus.send("", message),
            (To::Client(Client(id)), None) => self.send_to(id, message),
            (To::All, None) => {
                let mut ids: SortedMap<Box<str>, ()> = SortedMap::new();
                ids.extend(self.listed.borrow().iter().map(|it| (it.id.as_str().into(), ())));
                ids.extend(self.ports.borrow().keys().map(|id| (id.clone(), ())));
                ids.keys().for_each(|id| self.send_to(id, message));
            }
        }
    }

    fn send_to(&self, id: &str, message: &[u8]) {
        if let Some(port) = self.ports.borrow().get(id) {
            return port.post(message);
        }
        let listed = self.listed.borrow();
        match listed.iter().find(|client| client.id == id) {
            // A page that is gone misses nothing.
            Some(client) => drop(client.post(&self.channel, message)),
            None => {
                let (id, channel, message) =
                    (id.to_owned(), self.channel.clone(), message.to_vec());
                task::spawn(async move { drop(scope::post(&id, &channel, &message).await) });
            }
        }
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}
