//! Flags for the process' own log and traces.

use daemon_runtime::go_flags::parse_bool;
use instrumentation::json_log::{Format, Level};

use super::set;
use crate::config::Config;

#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Own log and traces")]
pub(super) struct LogFlags {
    /// What is logged: debug, info, warn or error
    #[arg(long = "log.level", value_name = "LEVEL")]
    log_level: Option<Level>,

    /// How it is written: logfmt, json or text
    #[arg(long = "log.format", value_name = "FORMAT")]
    log_format: Option<Format>,

    /// Accepted without effect
    #[arg(long = "tracing.enabled", value_parser = parse_bool)]
    tracing_enabled: Option<bool>,

    /// Accepted without effect
    #[arg(long = "tracing.profiling-enabled", value_parser = parse_bool)]
    tracing_profiling_enabled: Option<bool>,
}

impl LogFlags {
    pub(super) fn apply(&self, config: &mut Config) {
        set(&mut config.server.log_level, self.log_level.as_ref());
        if self.log_format.is_some() {
            config.server.log_format = self.log_format;
        }
        set(&mut config.tracing.enabled, self.tracing_enabled.as_ref());
        set(&mut config.tracing.profiling_enabled, self.tracing_profiling_enabled.as_ref());
    }
}
