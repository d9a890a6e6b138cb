//! What can stand in `pipeline_stages`, one module per stage.
//!
//! A stage is made of typed options, checked when the configuration is read; nothing that depends
//! on the configuration fails while lines run.

pub mod cri;
pub mod decolorize;
pub mod docker;
pub mod drop;
pub mod error;
pub mod eventlogmessage;
pub mod geoip;
pub mod json;
mod label_names;
pub mod labelallow;
pub mod labeldrop;
pub mod labels;
pub mod limit;
pub mod logfmt;
pub mod match_stage;
pub mod metrics;
pub mod multiline;
mod options;
pub mod output;
pub mod pack;
pub mod regex;
pub mod replace;
pub mod sampling;
mod source;
pub mod static_labels;
mod stream_key;
pub mod structured_metadata;
pub mod template;
pub mod tenant;
#[cfg(test)]
pub(crate) mod testing;
pub mod timestamp;
