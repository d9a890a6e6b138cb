//! Test support: real processes, fakes for what cannot be had, and the conformance runner.
//!
//! Flow: `patience -> log_writer -> daemon_process -> loki -> conformance`

pub mod conformance;
pub mod daemon_process;
pub mod loki;
pub mod patience;
