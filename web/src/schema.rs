//! The name of a channel's database.

use bellwether_shared::base::joined;

/// Name of a channel's database.
#[must_use]
pub fn database_name(channel: &str) -> String {
    joined(&["bellwether:", channel])
}
