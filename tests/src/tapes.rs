//! What the world's machines have recorded of themselves, where that is asked for (OBS-3).
//!
//! A dead worker's last facts are kept, too, which no disk would have: all that was recorded can be replayed.

use bellwether_shared::base::PageId;
use bellwether_shared::coordinator::{Effect, TAPE};
use bellwether_shared::rows::Op;
use bellwether_shared::tape;

use crate::world::World;

impl World {
    /// All that was recorded, as a file.
    #[must_use]
    pub fn recorded(&self) -> Vec<u8> {
        let mut tapes = self.tapes.clone();
        for device in &self.devices {
            tapes.extend(
                device.realms.values().filter_map(|realm| realm.machine.as_ref()?.recorded()),
            );
            tapes.extend(device.pages.iter().flat_map(|page| page.machine.recorded()));
        }
        tape::file(tapes.iter().map(|tape| &tape[..]).collect())
    }

    /// A coordinator asks for something: perhaps that a part of its tape be put away.
    pub(crate) fn keep_saved(&mut self, effect: &Effect) {
        if let Effect::Commit { ticket: TAPE, batch } = effect {
            self.tapes.extend(batch.ops.iter().filter_map(|op| match op {
                Op::Put { row, .. } => Some(row.clone()),
                Op::Append { .. } | Op::Delete { .. } | Op::DeleteSpan { .. } => None,
            }));
        }
    }

    /// A coordinator is about to die.
    pub(crate) fn keep_realm(&mut self, device: usize, realm: PageId) {
        let realm = self.devices[device].realms.get(&realm);
        self.tapes.extend(realm.and_then(|realm| realm.machine.as_ref()?.recorded()));
    }
}
