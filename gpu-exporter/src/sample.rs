//! Reads devices in the background, so that a scrape never waits for a driver.

pub mod activity;
pub mod board;
pub mod catalogue;
pub mod control;
pub mod counters;
pub mod device;
pub mod driver;
pub mod event_watch;
pub mod gauges;
pub mod instances;
pub mod integral;
pub mod metrics;
pub mod points;
pub mod processes;
pub mod reader;
pub mod readings;
pub mod scale;
pub mod schedule;
pub mod snapshot;
pub mod unsupported;
pub mod window;
pub mod worker;
pub mod xids;
