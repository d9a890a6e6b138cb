//! How a Bellwether daemon runs: flags, durations, supervision, shutdown, files.
//!
//! Flow: `exit_status -> durations -> byte_counts -> go_flags -> backoff -> atomic_file -> secret -> shutdown -> supervise`
//!
//! Nothing here knows what a daemon does; whatever is particular to one belongs in its own crate.

pub mod atomic_file;
pub mod backoff;
pub mod byte_counts;
pub mod durations;
pub mod exit_status;
pub mod go_flags;
pub mod secret;
pub mod shutdown;
pub mod supervise;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
