//! `positions`: where it is written how far each file was read.

use std::path::PathBuf;

use daemon_runtime::durations::GoDuration;

use super::decode::{Block, Fields};

/// The block `positions`.
#[derive(Debug, Clone, PartialEq)]
pub struct Positions {
    /// Default `/var/log/positions.yaml`.
    pub filename: PathBuf,
    /// How often the file is written. Default 10s.
    pub sync_period: GoDuration,
    /// Starts empty where the file is broken, and overwrites it. Default false: a broken file ends
    /// the start.
    pub ignore_invalid_yaml: bool,
}

impl Default for Positions {
    fn default() -> Self {
        Self {
            filename: PathBuf::from("/var/log/positions.yaml"),
            sync_period: GoDuration::from_secs(10),
            ignore_invalid_yaml: false,
        }
    }
}

impl Block for Positions {
    const TYPE: &'static str = "positions.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("sync_period", &mut self.sync_period);
        fields.field("filename", &mut self.filename);
        fields.field("ignore_invalid_yaml", &mut self.ignore_invalid_yaml);
    }
}
