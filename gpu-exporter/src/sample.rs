//! Reads devices in the background, so that a scrape never waits for a driver.

pub mod catalogue;
pub mod readings;
pub mod snapshot;
