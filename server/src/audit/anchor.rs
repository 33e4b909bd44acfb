//! One hash over the log's order: who has noted it once can tell later whether the log is still the same.
//!
//! ```text
//!  anchor at 0 = SHA-256("bellwether.log.v1" ‖ CBOR [tenant, session])
//!  anchor at n = SHA-256("bellwether.log-link.v1" ‖ anchor at n − 1 ‖ u64(n) ‖ CBOR stream-id
//!                        ‖ u64(place) ‖ event hash)
//! ```

use aws_lc_rs::digest::{Context, SHA256};
use bellwether_shared::base::Seq;
use bellwether_shared::rules::chain::Hash;
use bellwether_shared::wire::{self, StreamId};

/// The log's order up to an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The offset.
    pub offset: u64,
    /// The hash there.
    pub hash: Hash,
}

impl Anchor {
    /// Before the first event of a session.
    #[must_use]
    pub fn begin(tenant: &str, session: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(b"bellwether.log.v1");
        context.update(&wire::to_cbor(&(tenant, session)));
        Self { offset: 0, hash: finish(context) }
    }

    /// One event on.
    #[must_use]
    pub fn after(self, stream: &StreamId, seq: Seq, event: &Hash) -> Self {
        let offset = self.offset + 1;
        let mut context = Context::new(&SHA256);
        context.update(b"bellwether.log-link.v1");
        context.update(&self.hash);
        context.update(&offset.to_be_bytes());
        context.update(&wire::to_cbor(stream));
        context.update(&seq.0.to_be_bytes());
        context.update(event);
        Self { offset, hash: finish(context) }
    }
}

/// As `offset:hash`, the hash in hexadecimal.
impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.offset, wire::text::to_hex(&self.hash))
    }
}

impl std::str::FromStr for Anchor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = text.split_once(':').and_then(|(offset, hash)| {
            let hash = wire::text::from_hex(hash)?.try_into().ok()?;
            Some(Self { offset: offset.parse().ok()?, hash })
        });
        read.ok_or("not an anchor: offset, colon, 64 hexadecimal digits")
    }
}

pub(super) fn finish(context: Context) -> Hash {
    let mut hash = [0; 32];
    // SHA-256 gives 32 bytes.
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
