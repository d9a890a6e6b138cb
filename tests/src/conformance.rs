//! Recorded behaviour of a real Promtail as the judge: runs a binary on the same cases and compares.
//!
//! A case is data: its folder says what happens and what must come of it. Nothing in here may know a
//! case by its name.

mod base64;
pub mod case;
mod compare;
mod http_exchange;
mod kubernetes;
mod observe;
mod placeholders;
mod run;
mod sink;
mod steps;
pub mod suite;
