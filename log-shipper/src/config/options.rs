//! `options`: without keys since Promtail 3.0.

use super::decode::{Block, Fields};

/// The block `options`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {}

/// Why `stream_lag_labels` is ignored, here and in a client.
pub(super) const NO_STREAM_LAG: &str = "the metric of stream lag was removed in Promtail 3.0";

impl Block for Options {
    const TYPE: &'static str = "config.Options";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.ignored_field("stream_lag_labels", NO_STREAM_LAG);
    }
}
