//! The command line: every flag of Promtail, with one dash or two, two of our own, and commands.
//!
//! A flag that was not given is `None` and changes nothing, so that a flag beats the file and the
//! file beats the default. Nothing here prints or exits.

mod client;
mod commands;
mod files;
mod general;
mod grpc;
mod log;
mod server;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, CommandFactory as _, FromArgMatches as _, Parser};
use daemon_runtime::go_flags::{self, Leftovers};

use crate::config::Config;

pub use commands::{Check, Explain};

/// What the command line asks for.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// To do the work.
    Run(Box<Flags>),
    /// To say what a configuration meets here.
    Check(Check),
    /// To show what a pipeline does.
    Explain(Explain),
    /// To print something and end. The text is meant for standard output if it is what was asked
    /// for, and then begins with the program's name or the code is 0; else for standard error.
    Done {
        /// Help, version, a completion script, or why the flags are refused.
        text: String,
        /// Exit code: 0, or 2 for help and for bad flags, as Go has it.
        code: u8,
    },
}

/// Exit code of help and of bad flags.
const USAGE: u8 = 2;

/// The flags that were given.
#[derive(Debug, Clone, Default, PartialEq, Parser)]
#[command(
    name = "log-shipper",
    args_override_self = true,
    about = "log-shipper: ships log lines to Loki, in place of Promtail.",
    after_help = "Every flag may have one dash or two, and its value behind `=` or a space; a switch \
                  takes a value only behind `=`. A flag beats the configuration file. Durations are \
                  written like 300ms or 1h30m."
)]
pub struct Flags {
    #[command(flatten)]
    general: general::GeneralFlags,
    #[command(flatten)]
    log: log::LogFlags,
    #[command(flatten)]
    client: client::ClientFlags,
    #[command(flatten)]
    files: files::FileFlags,
    #[command(flatten)]
    server: server::ServerFlags,
    #[command(flatten)]
    grpc: grpc::GrpcFlags,
}

/// Reads a command line, program name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Parsed {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(parsed) = commands::parse(&arguments) {
        return parsed;
    }
    let mut command = command();
    let words = go_flags::normalize(arguments, &command, Leftovers::Ignore);
    let flags = command
        .try_get_matches_from_mut(words)
        .and_then(|matches| Flags::from_arg_matches(&matches));
    let flags = match flags {
        Ok(flags) => flags,
        Err(mut error) => {
            debug_assert_ne!(error.kind(), ErrorKind::DisplayVersion, "the flag is our own");
            hide_password(&mut error);
            return Parsed::Done { text: error.render().to_string(), code: USAGE };
        }
    };
    if flags.general.version == Some(true) {
        return Parsed::Done { text: general::version(), code: 0 };
    }
    if let Some(shell) = flags.general.completion {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "log-shipper", &mut script);
        return Parsed::Done { text: String::from_utf8_lossy(&script).into_owned(), code: 0 };
    }
    Parsed::Run(Box::new(flags))
}

/// An address may hold a password, and one that cannot be read does not say where: none of it is
/// repeated.
fn hide_password(error: &mut clap::Error) {
    let text_of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    // an empty value stands for none, which is told apart
    if text_of(ContextKind::InvalidArg).contains("client.url")
        && !text_of(ContextKind::InvalidValue).is_empty()
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String("********".to_owned()));
    }
}

fn command() -> Command {
    commands::add_to(Flags::command()).mut_args(|flag| {
        let is_switch = matches!(flag.get_action(), ArgAction::Set)
            && flag.get_value_parser().type_id() == std::any::TypeId::of::<bool>();
        if is_switch { switch(flag) } else { flag }
    })
}

/// A boolean may stand alone, and takes its value only behind `=`.
fn switch(flag: Arg) -> Arg {
    flag.num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_name("BOOL")
        .hide_possible_values(true)
}

impl Flags {
    /// `-config.file`: paths separated by commas, or nothing.
    pub fn config_file(&self) -> &str {
        self.general.config_file.as_deref().unwrap_or_default()
    }

    /// `-config.expand-env`
    pub fn expand_env(&self) -> bool {
        self.general.expand_env.unwrap_or_default()
    }

    /// `-check-syntax`
    pub fn check_syntax(&self) -> bool {
        self.general.check_syntax.unwrap_or_default()
    }

    /// `-dry-run`
    pub fn dry_run(&self) -> bool {
        self.general.dry_run.unwrap_or_default()
    }

    /// `-inspect`
    pub fn inspect(&self) -> bool {
        self.general.inspect.unwrap_or_default()
    }

    /// `-print-config-stderr`
    pub fn print_config_stderr(&self) -> bool {
        self.general.print_config_stderr.unwrap_or_default()
    }

    /// `-log-config-reverse-order`
    pub fn log_config_reverse_order(&self) -> bool {
        self.general.log_config_reverse_order.unwrap_or_default()
    }

    /// Lets the flags beat the file.
    pub fn apply(&self, config: &mut Config) {
        self.general.apply(config);
        self.log.apply(config);
        self.client.apply(config);
        self.files.apply(config);
        self.server.apply(config);
        self.grpc.apply(config);
    }
}

/// Takes over a flag that was given.
fn set<T: Clone>(target: &mut T, flag: Option<&T>) {
    if let Some(value) = flag {
        target.clone_from(value);
    }
}
