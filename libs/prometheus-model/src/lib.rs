//! Prometheus' data model: label sets, matchers, relabelling, exposition.
//!
//! Flow: label_set -> matcher -> relabel -> exposition

pub mod label_set;
