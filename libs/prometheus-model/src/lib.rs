//! Prometheus' data model: label sets, matchers, relabelling, exposition.
//!
//! Flow: `label_set -> matcher -> relabel -> exposition -> instrument`

pub mod exposition;
pub mod instrument;
pub mod label_set;
pub mod matcher;
pub mod relabel;
