//! What must hold of any row, message, batch, delay and clock, tried with values drawn at random.
//!
//! What always holds here: the truth is told without the code that is tried. Bytes are changed by hand, chains
//! are computed with SHA-256 alone, and a model of disk and server keeps its own books.

#![cfg(feature = "machines")]

mod bytes;
mod clock;
mod codec;
mod draw;
mod ids;
#[cfg(feature = "json")]
mod json;
mod outbox;
mod page;
mod rows;

use proptest::prelude::ProptestConfig;

/// So many cases, or as many as `PROPTEST_CASES` says: few enough for every day, and any number for a night.
fn cases(few: u32) -> ProptestConfig {
    let named = std::env::var_os("PROPTEST_CASES").is_some();
    if named { ProptestConfig::default() } else { ProptestConfig::with_cases(few) }
}
