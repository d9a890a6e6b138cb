//! Drop-in replacement for Promtail: ships log lines to Loki, and loses none.
//!
//! Flow: `config -> http_client -> discovery -> tail -> intake -> pipeline -> batch -> spool -> push -> ship`

pub mod advice;
pub mod batch;
pub mod cli;
pub mod config;
pub mod discovery;
pub mod http_client;
pub mod intake;
pub mod metrics;
pub mod pipeline;
pub mod push;
pub mod ship;
pub mod spool;
pub mod tail;
