//! Reads devices in the background, so that a scrape never waits for a driver.

pub mod activity;
pub mod catalogue;
pub mod counters;
pub mod gauges;
pub mod instances;
pub mod integral;
pub mod metrics;
pub mod points;
pub mod reader;
pub mod readings;
pub mod schedule;
pub mod snapshot;
pub mod unsupported;
pub mod window;
pub mod xids;
