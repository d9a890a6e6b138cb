//! Behaviour of Go's standard library that configurations of the Prometheus family rely on.
//!
//! Flow: `strconv -> regexp -> time_layout -> template`

pub mod regexp;
pub mod strconv;
pub mod template;
pub mod time_layout;
