//! Commands beside the daemon: `check` and `explain`.
//!
//! Promtail has none. A command is one only as the very first argument, where Promtail would ignore
//! it and all flags behind it; everything else is the daemon's command line.

use std::ffi::OsString;

use clap::{Args as _, Command, FromArgMatches as _};
use daemon_runtime::go_flags::parse_bool;

use super::{Parsed, USAGE, values};
use crate::config::label_map::LabelMap;

/// Names of all commands.
const NAMES: [&str; 2] = ["check", "explain"];

/// Say what differs from Promtail for a configuration, and whether it would start
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Check {
    /// Configuration file, such as /etc/promtail/promtail.yaml
    #[arg(value_name = "FILE")]
    pub file: String,

    /// Replace ${NAME} and ${NAME:-default} in the file by environment variables
    #[arg(long = "config.expand-env", visible_alias = "expand-env", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          hide_default_value = true, value_parser = parse_bool)]
    pub expand_env: bool,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Show what each stage of a pipeline does with a line
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Explain {
    /// Configuration file, such as /etc/promtail/promtail.yaml
    #[arg(value_name = "FILE")]
    pub file: String,

    /// The line; `-` reads lines from standard input
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub line: String,

    /// Name of the scrape config [default: the first one]
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,

    /// Labels of the line, besides those of the static configs; nothing is relabelled
    #[arg(long, value_name = "NAME=VALUE,...", value_parser = values::labels, default_value = "",
          hide_default_value = true)]
    pub labels: LabelMap,

    /// Replace ${NAME} and ${NAME:-default} in the file by environment variables
    #[arg(long = "config.expand-env", visible_alias = "expand-env", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          hide_default_value = true, value_parser = parse_bool)]
    pub expand_env: bool,

    /// Print a JSON object per line instead of text
    #[arg(long)]
    pub json: bool,
}

/// Adds the commands, for help and completion.
pub(super) fn add_to(command: Command) -> Command {
    command
        .disable_help_subcommand(true)
        .subcommand(Check::augment_args(Command::new("check")))
        .subcommand(Explain::augment_args(Command::new("explain")))
}

/// Reads a command line that begins with a command; `None` for the daemon's.
pub(super) fn parse(arguments: &[OsString]) -> Option<Parsed> {
    let first = arguments.get(1)?.to_str()?;
    if !NAMES.contains(&first) {
        return None;
    }
    let mut command = add_to(Command::new("log-shipper"));
    let parsed = command.try_get_matches_from_mut(arguments).and_then(|matches| {
        match matches.subcommand() {
            Some(("explain", matches)) => Explain::from_arg_matches(matches).map(Parsed::Explain),
            Some((_, matches)) => Check::from_arg_matches(matches).map(Parsed::Check),
            None => Err(command.error(clap::error::ErrorKind::MissingSubcommand, "no command")),
        }
    });
    Some(parsed.unwrap_or_else(|error| {
        let code = if error.use_stderr() { USAGE } else { 0 };
        Parsed::Done { text: error.render().to_string(), code }
    }))
}
