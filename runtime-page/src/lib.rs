//! The page's driver.
