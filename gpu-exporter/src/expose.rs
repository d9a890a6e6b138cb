//! Writes pages from what was sampled and attributed, under native and DCGM's names.
//!
//! A value that is missing has no series: never 0, never a number that stands for "none".

pub mod dcgm;
mod health;
mod holders;
pub mod http;
mod native;
mod native_labels;
mod native_names;
mod nvidia_smi;
pub mod page;
pub mod reference;
mod topology;

#[cfg(test)]
mod tests;
