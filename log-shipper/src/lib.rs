//! Drop-in replacement for Promtail: ships log lines to Loki, and loses none.
//!
//! Flow: config -> discovery -> tail -> pipeline -> batch -> push

pub mod config;
pub mod pipeline;
