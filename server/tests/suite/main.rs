//! The server from outside: its contract on every store, its routes, and its binary under fire.

mod audit;
mod auth;
mod binary;
mod compaction;
mod contract;
mod device;
mod disk;
mod effect;
mod events;
mod farewell;
mod hostile;
mod http;
mod live;
mod moods;
mod packed;
mod push;
mod random;
mod state;
mod webhook;
