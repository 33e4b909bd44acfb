//! The coordinator's driver.
