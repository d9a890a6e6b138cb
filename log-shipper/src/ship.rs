//! Everything put together: workers that read, transform and batch, and the tasks around them.

pub mod daemon;
pub mod dry_run;
pub mod line_shipper;
pub mod plan;
pub mod receiver;
pub mod run;
pub mod sink;
pub mod status;
pub mod stdin;
pub mod web;
pub mod worker;
