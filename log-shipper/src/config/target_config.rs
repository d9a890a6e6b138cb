//! `target_config`: how often the disk is searched for files, and whether standard input is read.

use daemon_runtime::durations::GoDuration;

use super::decode::{Block, Fields};

/// The block `target_config`.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetConfig {
    /// Time between two searches for files. Default 10s.
    pub sync_period: GoDuration,
    /// Reads standard input to its end instead of every other source. Default false.
    pub stdin: bool,
}

impl Default for TargetConfig {
    fn default() -> Self {
        Self { sync_period: GoDuration::from_secs(10), stdin: false }
    }
}

impl Block for TargetConfig {
    const TYPE: &'static str = "file.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("sync_period", &mut self.sync_period);
        fields.field("stdin", &mut self.stdin);
    }
}
