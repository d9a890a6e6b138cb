//! Sources that bring messages themselves, unlike files: each is a task that relabels what it gets
//! and passes it to a worker.
//!
//! A source that is told to stop ends soon, and gives up nothing that it has acknowledged to its
//! sender.

pub mod datagrams;
pub mod docker;
pub mod gcp_push;
pub mod gelf;
pub mod heroku_drain;
pub mod http_server;
pub mod inlet;
pub mod journal;
pub mod listen;
pub mod message;
pub mod push_api;
pub mod source;
pub mod syslog;
