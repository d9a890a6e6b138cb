//! Batches to Loki: requests, what an answer means for a batch, and when it is tried again.

pub mod client;
pub mod connect;
pub mod endpoint;
mod lanes;
pub mod verdict;
