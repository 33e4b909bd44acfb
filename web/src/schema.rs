//! The name of a channel's database.

/// Name of a channel's database.
#[must_use]
pub fn database_name(channel: &str) -> String {
    ["bellwether:", channel].concat()
}
