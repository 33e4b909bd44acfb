//! A session's log as pages follow it where the network lets less through.
