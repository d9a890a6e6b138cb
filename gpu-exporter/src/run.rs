//! Connects the parts and runs them to their end.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Flags;

/// Runs the daemon to its end.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Flags::try_parse_from(arguments) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = error.print();
            ExitCode::from(2)
        }
    }
}
