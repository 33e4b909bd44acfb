//! A small world to try the core in: devices, their disks, a network, and the reference server's engine.
//!
//! What always holds: one list of choices, one story. Time is a number, chance is a seeded generator behind one
//! [`choice::Chooser`], and there are no threads. Who is checked is the core; the checkers know the truth from what
//! was appended and from what the server holds, and never ask the core.
//!
//! Not here: browsers (`e2e`), and tests of one machine alone (`shared`).

mod boot;
pub mod browser;
mod bus;
pub mod check;
pub mod choice;
pub mod decoders;
pub mod disk;
pub mod document;
mod driver;
pub mod explore;
pub mod fault;
pub mod generate;
pub mod model;
mod network;
mod plain;
pub mod realms;
pub mod scenario;
pub mod server;
mod share;
pub mod shrink;
pub mod small;
pub mod tab;
pub mod tapes;
pub mod transcript;
mod trouble;
pub mod weather;
pub mod wishes;
pub mod world;
