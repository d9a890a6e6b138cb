//! Entries to batches: what one push request holds.

pub mod accumulator;
pub mod logproto;
pub mod streams;
