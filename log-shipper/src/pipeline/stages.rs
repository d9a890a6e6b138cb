//! What can stand in `pipeline_stages`, one module per stage.
//!
//! A stage is made of typed options, checked when the configuration is read; nothing that depends
//! on the configuration fails while lines run.

pub mod drop;
pub mod error;
pub mod eventlogmessage;
mod label_names;
pub mod labelallow;
pub mod labeldrop;
pub mod labels;
pub mod limit;
pub mod match_stage;
pub mod metrics;
mod options;
pub mod pack;
pub mod sampling;
pub mod static_labels;
pub mod structured_metadata;
pub mod tenant;
#[cfg(test)]
pub(crate) mod testing;
