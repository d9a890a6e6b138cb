//! Test support: real processes, fakes for what cannot be had, and the conformance runner.

pub mod conformance;
pub mod daemon_process;
pub mod loki;
pub mod patience;
