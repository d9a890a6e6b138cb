//! `limits_config`: limits for the whole process.

use daemon_runtime::byte_counts::ByteCount;

use super::decode::{Block, Fields};

/// The block `limits_config`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Lines a second after all pipelines together. Default 10000.
    pub readline_rate: f64,
    /// Lines above the rate at once. Default 10000.
    pub readline_burst: i64,
    /// Whether the rate counts at all. Default false.
    pub readline_rate_enabled: bool,
    /// What is above the rate is dropped; false: reading waits. Default true.
    pub readline_rate_drop: bool,
    /// Streams in a batch. Default 0: no limit.
    pub max_streams: i64,
    /// Bytes of a line after its pipeline. Default 0: no limit.
    pub max_line_size: ByteCount,
    /// Longer lines are cut; false: dropped. Default false.
    pub max_line_size_truncate: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            readline_rate: 10_000.0,
            readline_burst: 10_000,
            readline_rate_enabled: false,
            readline_rate_drop: true,
            max_streams: 0,
            max_line_size: ByteCount(0),
            max_line_size_truncate: false,
        }
    }
}

impl Block for Limits {
    const TYPE: &'static str = "limit.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("readline_rate", &mut self.readline_rate);
        fields.field("readline_burst", &mut self.readline_burst);
        fields.field("readline_rate_enabled", &mut self.readline_rate_enabled);
        fields.field("readline_rate_drop", &mut self.readline_rate_drop);
        fields.field("max_streams", &mut self.max_streams);
        fields.field("max_line_size", &mut self.max_line_size);
        fields.field("max_line_size_truncate", &mut self.max_line_size_truncate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    #[test]
    fn sizes_have_units_in_any_case() {
        let mut limits = Limits::default();
        assert_eq!(read(&mut limits, "max_line_size: 1kb\nreadline_rate: 0.001"), (vec![], vec![]));
        assert_eq!(limits.max_line_size, ByteCount(1024));
        let (errors, _) = read(&mut limits, "max_line_size: 10XB");
        assert_eq!(
            errors,
            [
                "1:16: max_line_size: size \"10XB\" has an unknown unit: use one of B, KB, MB, GB, TB, \
              PB, EB"
            ]
        );
    }
}
