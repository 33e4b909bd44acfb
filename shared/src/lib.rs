//! Bellwether's core.
