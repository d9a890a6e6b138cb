//! Connects the parts and runs them to their end.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use daemon_runtime::exit_status::ExitStatus;

use crate::cli::{self, Parsed};

/// Runs the daemon to its end.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match cli::parse(arguments, "") {
        Parsed::Done { text, status } => print(&text, status),
        Parsed::Run(_) => ExitStatus::Stopped.into(),
    }
}

fn print(text: &str, status: ExitStatus) -> ExitCode {
    let written = if status == ExitStatus::Stopped {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
    if written.is_ok() { status.into() } else { ExitStatus::Failed.into() }
}
