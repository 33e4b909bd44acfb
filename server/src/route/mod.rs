//! The addresses, one file each, and how bodies are read and answers written.

mod asked;
pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod dev;
pub(crate) mod events;
pub(crate) mod farewell;
pub(crate) mod format;
pub(crate) mod health;
pub(crate) mod live;
pub(crate) mod push;
pub(crate) mod state;
