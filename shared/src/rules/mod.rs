//! Pure rules that coordinator and server must agree on.

pub mod breaker;
pub mod chain;
pub mod document;
pub mod patch;
