//! Messages between pages and workers: in the order of each sender, and lost with the one they were for.

use bellwether_shared::bus::{Envelope, Notice};
use bellwether_shared::coordinator::{Client, To};

use crate::world::World;

impl World {
    /// A page without a machine of its own says something.
    pub fn say(&mut self, device: usize, client: &str, bytes: Vec<u8>) {
        self.devices[device].mail.push_back((Client(client.into()), bytes));
    }

    /// A page posts to the worker. The fast path wakes nobody.
    pub(crate) fn post(&mut self, device: usize, from: Client, message: Vec<u8>, fast: bool) {
        let dead = self.devices[device].current.is_none();
        let lost = (fast && dead) || self.chance(self.weather.lose_message);
        if !lost {
            self.devices[device].mail.push_back((from, message));
        }
    }

    /// A worker sends to its pages.
    pub(crate) fn send(&mut self, device: usize, to: &To, message: &[u8]) {
        let lost = self.chance(self.weather.lose_message);
        if let Ok(envelope) = Envelope::read(message)
            && let Ok(Some(notice)) = Notice::open(&envelope)
        {
            self.devices[device].heard.push(notice);
        }
        for page in &mut self.devices[device].pages {
            let meant = match to {
                To::All => true,
                To::Client(client) => *client == page.client,
            };
            if meant && !lost {
                page.inbox.push_back(message.to_vec());
            }
        }
    }
}
