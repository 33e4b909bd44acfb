//! The browser, typed.
