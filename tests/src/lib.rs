//! Test support: real processes, fakes for what cannot be had, and the conformance runner.

pub mod loki;
