//! The whole product, as its users have it: pages, worker and server, in a browser that is killed,
//! cut off and lied to.
//!
//! `cargo xtask test --only e2e` builds the site and the server and runs this. The server is also
//! the origin of the pages, so it being away is an origin that cannot be reached.

mod backend;
mod browser;
mod build;
mod proxy;
mod recording;
mod scratch;
mod server;
mod site;
mod stage;
mod wait;

mod beside;
mod board;
mod cold;
mod dependents;
mod drain;
mod examples;
mod failures;
mod fallback;
mod farewell;
mod hooks;
mod killing;
mod leading;
mod live;
mod locks;
mod loss;
mod offline;
mod quota;
mod requests;
mod state;
mod takeover;
mod tokens;
mod trouble;
mod users;
mod versions;
