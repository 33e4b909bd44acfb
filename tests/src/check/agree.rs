//! G5, as far as there is state to agree about: when all is quiet, every page was told what is true.

use bellwether_shared::base::RequestId;
use bellwether_shared::bus::{Envelope, Notice, Sync, Welcome};
use bellwether_shared::rows::{Key, Store};

use super::row_id;
use crate::world::World;

/// What each page was told last is what the disk says.
pub(super) fn at_rest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (number, device) in world.devices.iter().enumerate() {
        let rows = device.disk.rows(Store::Journal);
        // A repeat that the disk refused to delete is not counted, and goes with the next boot.
        let swept_later = |id| device.disk.refused > 0 && world.server.ever.contains(&id);
        let counts = |id| !swept_later(id);
        let journal = rows.filter(|(_, row)| row_id(row).is_some_and(counts)).count() as u64;
        let dead = device.disk.count(Store::Dead) as u64;
        let answered = match device.disk.rows(Store::Done).next_back() {
            Some((Key::Number(last), _)) => *last,
            Some((Key::Text(_), _)) | None => 0,
        };
        for (at, page) in device.pages.iter().enumerate() {
            if page.frozen || page.protocol.is_some() {
                continue;
            }
            let Some(status) = &page.status else {
                found.push(format!("page {at} of device {number} was never told how things stand"));
                continue;
            };
            let told = (status.pending, status.dead, status.answered);
            let true_ = (journal, dead, answered);
            if told != true_ {
                found.push(format!(
                    "page {at} of device {number} was told {told:?}, and it is {true_:?}"
                ));
            } else if device.disk.count(Store::Journal) == 0 && status.sync != Sync::Synchronized {
                let told = (&status.sync, &status.reason);
                found.push(format!(
                    "page {at} of device {number} was told {told:?}, and nothing waits"
                ));
            }
        }
    }
    found
}

/// For the planted fault: the same message, with one event less in it.
#[must_use]
pub fn lie(message: Vec<u8>) -> Vec<u8> {
    let Ok(envelope) = Envelope::read(&message) else { return message };
    let (build, sender, epoch) = (envelope.build, envelope.sender, envelope.epoch);
    let request: RequestId = envelope.request;
    let notice = match Notice::open(&envelope) {
        Ok(Some(Notice::Status(mut status))) => {
            status.answered = status.answered.saturating_sub(1);
            Notice::Status(status)
        }
        Ok(Some(Notice::Welcome(Welcome { mut status }))) => {
            status.answered = status.answered.saturating_sub(1);
            Notice::Welcome(Welcome { status })
        }
        Ok(_) | Err(_) => return message,
    };
    notice.seal(build, sender, request, epoch)
}
