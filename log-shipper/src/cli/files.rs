//! Flags for files, positions and limits.

use std::path::PathBuf;

use daemon_runtime::byte_counts::ByteCount;
use daemon_runtime::durations::GoDuration;
use daemon_runtime::go_flags::parse_bool;

use super::{set, values};
use crate::config::Config;

#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Files, positions and limits")]
pub(super) struct FileFlags {
    /// File that says how far each log was read [default: /var/log/positions.yaml]
    #[arg(long = "positions.file", value_name = "PATH")]
    positions_file: Option<PathBuf>,

    /// How often it is written [default: 10s]
    #[arg(long = "positions.sync-period", value_name = "DURATION")]
    positions_sync_period: Option<GoDuration>,

    /// Start from the beginning where it is broken
    #[arg(long = "positions.ignore-invalid-yaml", value_parser = parse_bool)]
    positions_ignore_invalid_yaml: Option<bool>,

    /// How often new files are looked for [default: 10s]
    #[arg(long = "target.sync-period", value_name = "DURATION")]
    target_sync_period: Option<GoDuration>,

    /// Shortest pause between two looks at a file [default: 250ms]
    #[arg(long = "file-watch.min_poll_frequency", value_name = "DURATION")]
    file_watch_min: Option<GoDuration>,

    /// Longest pause between two looks at a file [default: 250ms]
    #[arg(long = "file-watch.max_poll_frequency", value_name = "DURATION")]
    file_watch_max: Option<GoDuration>,

    /// Lines a second of all pipelines together [default: 10000]
    #[arg(long = "limit.readline-rate", value_name = "RATE")]
    limit_readline_rate: Option<f64>,

    /// Lines above the rate at once [default: 10000]
    #[arg(long = "limit.readline-burst", value_name = "LINES", value_parser = values::integer)]
    limit_readline_burst: Option<i64>,

    /// Whether the rate is limited
    #[arg(long = "limit.readline-rate-enabled", value_parser = parse_bool)]
    limit_readline_rate_enabled: Option<bool>,

    /// Drop what is above the rate, instead of waiting [default: true]
    #[arg(long = "limit.readline-rate-drop", value_parser = parse_bool)]
    limit_readline_rate_drop: Option<bool>,

    /// Streams in a batch, 0 for any number [default: 0]
    #[arg(long = "max-streams", value_name = "COUNT", value_parser = values::integer)]
    max_streams: Option<i64>,

    /// Bytes of a line, such as 256KB, 0 for any number [default: 0]
    #[arg(long = "max-line-size", value_name = "SIZE")]
    max_line_size: Option<ByteCount>,

    /// Cut longer lines, instead of dropping them
    #[arg(long = "max-line-size-truncate", value_parser = parse_bool)]
    max_line_size_truncate: Option<bool>,
}

impl FileFlags {
    pub(super) fn apply(&self, config: &mut Config) {
        set(&mut config.positions.filename, self.positions_file.as_ref());
        set(&mut config.positions.sync_period, self.positions_sync_period.as_ref());
        set(&mut config.positions.ignore_invalid_yaml, self.positions_ignore_invalid_yaml.as_ref());
        set(&mut config.target_config.sync_period, self.target_sync_period.as_ref());
        let watch = &mut config.global.file_watch_config;
        set(&mut watch.min_poll_frequency, self.file_watch_min.as_ref());
        set(&mut watch.max_poll_frequency, self.file_watch_max.as_ref());
        let limits = &mut config.limits_config;
        set(&mut limits.readline_rate, self.limit_readline_rate.as_ref());
        set(&mut limits.readline_burst, self.limit_readline_burst.as_ref());
        set(&mut limits.readline_rate_enabled, self.limit_readline_rate_enabled.as_ref());
        set(&mut limits.readline_rate_drop, self.limit_readline_rate_drop.as_ref());
        set(&mut limits.max_streams, self.max_streams.as_ref());
        set(&mut limits.max_line_size, self.max_line_size.as_ref());
        set(&mut limits.max_line_size_truncate, self.max_line_size_truncate.as_ref());
    }
}
