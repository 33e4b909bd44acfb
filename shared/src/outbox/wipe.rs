//! What of the outbox is removed from this device (STATE-13).
//!
//! Not here: what has to be read for it, and when it is done (`coordinator/wiper.rs`).

use super::Outbox;
use crate::rows::{Key, Op, Store, StreamKey, Wiping};

impl Outbox {
    /// From here on nothing changes here: what is on disk is about to go.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Whether it has been frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Notes what is being removed, or that nothing is.
    pub fn set_wiping(&mut self, wiping: Option<Wiping>) {
        self.shared.config.wiping = wiping;
    }

    /// Removes what is named by its key, and says how many letters are among it.
    #[must_use]
    pub fn wipe(&self, wiping: &Wiping) -> (Vec<Op>, u64) {
        let mut ops = Vec::new();
        let mut delete = |store, key| ops.push(Op::Delete { store, key });
        if wiping.user.is_none() {
            for session in self.shared.cursors.keys() {
                if wiping.covers(session, "") {
                    delete(Store::Cursor, Key::Text(session.clone()));
                }
            }
        }
        if !wiping.undelivered {
            return (ops, 0);
        }
        for StreamKey { session, user, lane } in self.streams.keys() {
            if wiping.covers(session, user) {
                let key =
                    StreamKey { session: session.clone(), user: user.clone(), lane: *lane }.key();
                delete(Store::Stream, key.clone());
                delete(Store::Flight, key);
            }
        }
        let letters = self.shared.dead.keys_of(wiping);
        let count = letters.len() as u64;
        for key in letters {
            delete(Store::Dead, key);
        }
        (ops, count)
    }
}
