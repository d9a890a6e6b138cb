//! Everything put together: workers that read, transform and batch, and the tasks around them.

pub mod check;
pub mod commands;
pub mod daemon;
pub mod dry_run;
pub mod explain;
pub mod line_shipper;
pub mod plan;
pub mod receiver;
pub mod run;
pub mod sink;
pub mod status;
pub mod stdin;
pub mod step_text;
pub mod web;
pub mod worker;
