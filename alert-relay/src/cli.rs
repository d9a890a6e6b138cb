//! The command line. Nothing here prints or exits.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use daemon_runtime::exit_status::ExitStatus;
use instrumentation::build_info::REVISION;
use instrumentation::json_log::{Format, Level};

/// What the command line asks for.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// To serve.
    Serve(Box<Order>),
    /// To read a configuration, and say what is wrong with it.
    CheckConfig(PathBuf),
    /// To look at a journal that no relay has open.
    Journal(JournalOrder),
    /// To print something and end.
    Done {
        /// Help, version, a completion script, or why the command line is refused.
        text: String,
        /// With which code.
        status: ExitStatus,
    },
}

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The configuration.
    pub config_file: PathBuf,
    /// `HOST:PORT` or `:PORT`.
    pub listen_address: String,
    /// The journal's folder.
    pub storage_path: PathBuf,
    /// Listens beyond this machine although everybody may send.
    pub insecure_listen: bool,
    /// Of the log.
    pub log_level: Level,
    /// Of the log.
    pub log_format: Format,
}

/// What to do with a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalOrder {
    /// Read all of it, and say what is damaged.
    Verify(PathBuf),
    /// Print all of it as lines of JSON.
    Dump(PathBuf),
}

/// Few and useful notifications from the alerts of Prometheus and Alertmanager, and no page lost.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "alert-relay",
    disable_version_flag = true,
    max_term_width = 100,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    subcommand_help_heading = "Commands"
)]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,

    /// Print the version and end
    #[arg(long, exclusive = true)]
    version: bool,

    /// Configuration; read again on SIGHUP, on POST /-/reload and when it changes
    #[arg(long = "config.file", value_name = "FILE", required = true)]
    config_file: Option<PathBuf>,

    /// Address of all endpoints; without credentials in the configuration only this machine is served
    #[arg(
        long = "web.listen-address", value_name = "HOST:PORT", default_value = ":9095",
        value_parser = address
    )]
    listen_address: String,

    /// Folder of the journal, on a disk that outlives the process
    #[arg(long = "storage.path", value_name = "FOLDER", default_value = "data")]
    storage_path: PathBuf,

    /// Let everybody who reaches the address send alerts
    #[arg(long)]
    insecure_listen: bool,

    /// Level of the log: trace, debug, info, warn or error, also by module as in `info,alert_relay::ledger=debug`
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info")]
    log_level: Level,

    /// Form of the log: json, logfmt or text
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "json")]
    log_format: Format,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Read a configuration and say what is wrong with it
    CheckConfig {
        /// The configuration
        file: PathBuf,
    },
    /// Look at the journal of a relay that does not run
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Print a script that completes the command line in a shell
    Completion {
        /// bash, elvish, fish, powershell or zsh
        shell: Shell,
    },
}

#[derive(Debug, Clone, Subcommand)]
enum JournalCommand {
    /// Read everything and say what is damaged; ends with 1 if something is
    Verify(Storage),
    /// Print everything as lines of JSON
    Dump(Storage),
}

#[derive(Debug, Clone, clap::Args)]
struct Storage {
    /// Folder of the journal
    #[arg(long = "storage.path", value_name = "FOLDER", default_value = "data")]
    path: PathBuf,
}

/// A value that a flag does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HOST:PORT, :PORT or [IPV6]:PORT is accepted")]
struct AddressError;

fn address(text: &str) -> Result<String, AddressError> {
    match text.rsplit_once(':') {
        Some((host, port))
            if port.parse::<u16>().is_ok() && (!host.contains(':') || host.starts_with('[')) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(AddressError),
    }
}

/// Reads a command line, program name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Parsed {
    let mut command = Flags::command();
    let flags = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Flags::from_arg_matches(&matches));
    let flags = match flags {
        Ok(flags) => flags,
        Err(error) => {
            let is_help = error.kind() == ErrorKind::DisplayHelp;
            let status = if is_help { ExitStatus::Stopped } else { ExitStatus::BadFlags };
            return Parsed::Done { text: error.render().to_string(), status };
        }
    };
    if flags.version {
        let version = env!("CARGO_PKG_VERSION");
        let text = format!("alert-relay, version {version} (revision: {REVISION})\n");
        return Parsed::Done { text, status: ExitStatus::Stopped };
    }
    match flags.command {
        Some(Command::CheckConfig { file }) => Parsed::CheckConfig(file),
        Some(Command::Journal(JournalCommand::Verify(storage))) => {
            Parsed::Journal(JournalOrder::Verify(storage.path))
        }
        Some(Command::Journal(JournalCommand::Dump(storage))) => {
            Parsed::Journal(JournalOrder::Dump(storage.path))
        }
        Some(Command::Completion { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "alert-relay", &mut script);
            let text = String::from_utf8_lossy(&script).into_owned();
            Parsed::Done { text, status: ExitStatus::Stopped }
        }
        None => Parsed::Serve(Box::new(Order {
            // It is required where there is no command.
            config_file: flags.config_file.unwrap_or_default(),
            listen_address: flags.listen_address,
            storage_path: flags.storage_path,
            insecure_listen: flags.insecure_listen,
            log_level: flags.log_level,
            log_format: flags.log_format,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Parsed {
        parse(["alert-relay"].iter().chain(arguments).map(OsString::from))
    }

    fn done(arguments: &[&str]) -> (String, u8) {
        match parsed(arguments) {
            Parsed::Done { text, status } => (text, status.code()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_relay_needs_a_configuration_and_has_a_default_for_everything_else() {
        Flags::command().debug_assert();
        let Parsed::Serve(order) = parsed(&["--config.file", "relay.yml"]) else { panic!() };
        assert_eq!(order.listen_address, ":9095");
        assert_eq!(order.storage_path, PathBuf::from("data"));
        assert!(!order.insecure_listen);
        let (text, code) = done(&[]);
        assert!(code == 2 && text.contains("--config.file <FILE>"), "{text}");
        let (text, code) = done(&["--config.file=a", "--web.listen-address=9095"]);
        assert!(
            code == 2 && text.contains("HOST:PORT, :PORT or [IPV6]:PORT is accepted"),
            "{text}"
        );
    }

    #[test]
    fn commands_need_no_configuration() {
        assert!(matches!(parsed(&["check-config", "a.yml"]), Parsed::CheckConfig(_)));
        let dump = parsed(&["journal", "dump", "--storage.path", "/data"]);
        let Parsed::Journal(dump) = dump else { panic!("{dump:?}") };
        assert_eq!(dump, JournalOrder::Dump("/data".into()));
        assert!(matches!(parsed(&["journal", "verify"]), Parsed::Journal(_)));
        let (script, code) = done(&["completion", "bash"]);
        assert!(code == 0 && script.contains("check-config"), "{script}");
        assert!(done(&["--version"]).0.starts_with("alert-relay, version 0."));
        assert_eq!(done(&["journal", "mend"]).1, 2);
        let (help, code) = done(&["--help"]);
        assert!(code == 0 && help.contains("no page lost"), "{help}");
    }
}
