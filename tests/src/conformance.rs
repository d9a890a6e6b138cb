//! Recorded behaviour of a real Promtail as the judge: runs a binary on the same cases and compares.
//!
//! A case is data: its folder says what happens and what must come of it. Nothing in here may know a
//! case by its name.

pub mod label_text;
pub mod push_body;
pub mod http_exchange;
pub mod kubernetes;
pub mod sink;
