//! Durations as Go programs and Prometheus write them.
//!
//! The two grammars differ on purpose and never stand in for each other: `1d` is no Go duration,
//! `1.5s` is no Prometheus duration.

mod go;
mod prometheus;

pub use go::{GoDuration, ParseGoDurationError};
pub use prometheus::{ParsePrometheusDurationError, PrometheusDuration};
