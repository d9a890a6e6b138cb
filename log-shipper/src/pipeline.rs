//! Lines to entries, pure: no clock, no file, no socket. A pipeline gives the same output for the
//! same input and the same `now`, in a test and in production.

pub mod build;
pub mod entry;
pub mod extracted;
pub mod labels;
pub mod observe;
pub mod run;
pub mod stage;
pub mod stage_metrics;
pub mod stages;
