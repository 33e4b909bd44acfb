//! G8: what is of another version is left alone, and says so.

use bellwether_shared::page::Effect;

use crate::world::World;

/// A page of a build too far apart knows it. That rows of newer builds stay is looked at with each commit.
#[must_use]
pub fn at_rest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (number, device) in world.devices.iter().enumerate() {
        for (at, page) in
            device.pages.iter().enumerate().filter(|(_, page)| page.protocol.is_some())
        {
            if page.said.iter().any(|said| matches!(said, Effect::Welcomed | Effect::Status(..))) {
                found.push(format!(
                    "page {at} of device {number} is too far apart, and was welcomed"
                ));
            }
            if !page.said.iter().any(|said| matches!(said, Effect::ReloadNeeded(_))) && !page.frozen
            {
                found.push(format!(
                    "page {at} of device {number} is too far apart, and does not know"
                ));
            }
        }
    }
    found
}
