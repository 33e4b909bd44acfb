//! A small world to try the core in: devices, their disks, a network, and the reference server's engine.
//!
//! What always holds: one seed, one story. Time is a number, chance is a seeded generator, and there are no
//! threads; the same seed meets the same fate. Who is checked is the core; the checkers know the truth from what
//! was appended and from what the server holds, and never ask the core.
//!
//! Not here: browsers (`e2e`), and tests of one machine alone (`shared`).

pub mod check;
pub mod disk;
pub mod fault;
pub mod scenario;
pub mod server;
pub mod weather;
pub mod world;
