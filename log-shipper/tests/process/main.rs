//! log-shipper as its users run it: a process, files, signals, and a server that misbehaves.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::format_push_string,
    reason = "a test says what failed by failing; its numbers are small"
)]

mod bad_input;
mod commands;
mod conformance;
mod consul;
mod crash;
mod docker;
mod fixture;
mod flags;
mod gelf;
mod geoip;
mod http_sources;
mod journal;
mod kubernetes;
mod observed;
mod outage;
mod repeats;
mod rotation;
mod sequences;
mod stdin;
mod syslog;
