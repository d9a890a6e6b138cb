//! Flags that say what to do, and with which configuration.

use clap_complete::Shell;
use daemon_runtime::go_flags::parse_bool;
use instrumentation::build_info::REVISION;

use super::set;
use crate::config::Config;

#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "What to do")]
pub(super) struct GeneralFlags {
    /// Configuration file; of several paths, separated by commas, the first that exists
    #[arg(long = "config.file", value_name = "PATH")]
    pub(super) config_file: Option<String>,

    /// Replace ${NAME} and ${NAME:-default} in the file by environment variables
    #[arg(long = "config.expand-env", value_parser = parse_bool)]
    pub(super) expand_env: Option<bool>,

    /// Check the configuration and end
    #[arg(long = "check-syntax", value_parser = parse_bool)]
    pub(super) check_syntax: Option<bool>,

    /// Print entries instead of pushing them, and save no positions
    #[arg(long = "dry-run", value_parser = parse_bool)]
    pub(super) dry_run: Option<bool>,

    /// Print on standard error what each stage changes about each line
    #[arg(long = "inspect", value_parser = parse_bool)]
    pub(super) inspect: Option<bool>,

    /// Read standard input to its end, instead of every source that is configured
    #[arg(long = "stdin", value_parser = parse_bool)]
    pub(super) stdin: Option<bool>,

    /// Print the version and end
    #[arg(long = "version", value_parser = parse_bool)]
    pub(super) version: Option<bool>,

    /// Print the configuration in effect on standard error, then run
    #[arg(long = "print-config-stderr", value_parser = parse_bool)]
    pub(super) print_config_stderr: Option<bool>,

    /// Log the configuration in effect line by line, last line first
    #[arg(long = "log-config-reverse-order", value_parser = parse_bool)]
    pub(super) log_config_reverse_order: Option<bool>,

    /// Print a script that completes flags in this shell, and end
    #[arg(long = "completion", value_name = "SHELL")]
    pub(super) completion: Option<Shell>,
}

impl GeneralFlags {
    pub(super) fn apply(&self, config: &mut Config) {
        set(&mut config.target_config.stdin, self.stdin.as_ref());
    }
}

/// What `-version` prints.
pub(super) fn version() -> String {
    format!(
        "log-shipper, version {} (revision: {REVISION})\n  \
         in place of:  Promtail 3.6\n  \
         platform:     {}/{}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
