//! How much is sent at once, after what the network is worth (OUT-10).
//!
//! Two sources: what a page's browser says of its network, and how long the last pushes took. The worse of them counts.
//!
//! What always holds: at least one event may be sent at once, and never more than the app allows.

use core::time::Duration;

use crate::base::limits;
use crate::bus::Network;
use crate::rows::Options;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pace {
    network: Network,
    /// How often what may be sent at once was halved, because a push took long.
    halvings: u32,
    /// The last exchange took so long that fewer bytes are worth the work of compressing them.
    far: bool,
    /// The server does not take compressed bodies.
    plain: bool,
}

impl Pace {
    /// A page's browser says this of the network.
    pub(super) fn set_network(&mut self, network: Network) {
        self.network = network;
    }

    /// A push and its answer took so long.
    pub(super) fn took(&mut self, time: Duration) {
        self.far = time >= FAR;
        if time >= SLOW {
            self.halvings = (self.halvings + 1).min(HALVINGS_MAX);
        } else if time < QUICK {
            self.halvings = self.halvings.saturating_sub(1);
        }
    }

    /// The server has refused a compressed body.
    pub(super) fn refuse_compression(&mut self) {
        self.plain = true;
    }

    /// Whether a body of so many bytes is to be compressed.
    pub(super) fn compresses(&self, bytes: usize) -> bool {
        let worth = self.far || self.network != Network::Fast;
        worth && bytes >= limits::COMPRESS_BYTES_MIN && !self.plain
    }

    /// Events that may be sent at once.
    pub(super) fn events_max(&self, options: &Options) -> u64 {
        let most = match self.network {
            Network::Fast => limits::BATCH_EVENTS_MAX,
            Network::Medium => limits::BATCH_EVENTS_MAX / 2,
            Network::Slow => limits::BATCH_EVENTS_MAX / 10,
        };
        (most as u64 >> self.halvings).clamp(1, options.batch_events.into())
    }

    /// Bytes that may be sent at once, unless one event alone is larger.
    pub(super) fn bytes_max(&self) -> usize {
        let most = match self.network {
            Network::Fast => limits::BATCH_BYTES_MAX,
            Network::Medium => limits::BATCH_BYTES_MAX / 4,
            Network::Slow => limits::BATCH_BYTES_MAX / 16,
        };
        most >> self.halvings
    }

    /// Whether what can wait had better wait a while after each batch.
    pub(super) fn spares_bulk(&self) -> bool {
        self.network == Network::Slow
    }
}

/// A push that takes so long halves the next ones: a request is given up after three times that.
const SLOW: Duration = Duration::from_millis(limits::PUSH_TIMEOUT_MS as u64 / 3);
/// A push that takes less doubles them again.
const QUICK: Duration = Duration::from_secs(1);
/// An exchange that takes so long is worth compressing for.
const FAR: Duration = Duration::from_millis(250);
/// At least a few events go at once.
const HALVINGS_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_at_once_follows_the_network_and_stays_within_the_apps_bound() {
        let options = |batch_events| Options { batch_events, ..Options::default() };
        #[rustfmt::skip]
        let cases = [
            // what it shows                  network          seconds taken   batch  events  bytes
            ("nothing known",                 Network::Fast,   &[][..],        500,   500,    1 << 20),
            ("the app wants less",            Network::Fast,   &[][..],        20,    20,     1 << 20),
            ("3g",                            Network::Medium, &[][..],        500,   250,    1 << 18),
            ("2g, or data is saved",          Network::Slow,   &[][..],        500,   50,     1 << 16),
            ("pushes take long",              Network::Fast,   &[6, 7][..],    500,   125,    1 << 18),
            ("and then they do not",          Network::Fast,   &[6, 7, 0][..], 500,   250,    1 << 19),
            ("neither long nor short",        Network::Fast,   &[6, 2][..],    500,   250,    1 << 19),
            ("as bad as it gets",             Network::Slow,   &[9; 20][..],   500,   1,      1 << 11),
        ];
        for (shows, network, seconds, batch, events, bytes) in cases {
            let mut pace = Pace::default();
            pace.set_network(network);
            seconds.iter().for_each(|seconds| pace.took(Duration::from_secs(*seconds)));
            assert_eq!(
                (pace.events_max(&options(batch)), pace.bytes_max()),
                (events, bytes),
                "{shows}"
            );
        }
    }

    #[test]
    fn bodies_are_compressed_where_that_is_worth_it() {
        let large = limits::COMPRESS_BYTES_MIN;
        let mut pace = Pace::default();
        assert!(!pace.compresses(large), "a server next door");
        pace.took(Duration::from_millis(300));
        assert!(pace.compresses(large) && !pace.compresses(large - 1), "one far away");
        pace.took(Duration::from_millis(10));
        pace.set_network(Network::Medium);
        assert!(pace.compresses(large), "a narrow line");
        pace.refuse_compression();
        assert!(!pace.compresses(large), "a server that does not take it");
    }
}
