//! Random input for the parsers of outside bytes; `cargo xtask fuzz` builds and runs this.
//!
//! Flow: `options -> finding -> mutation -> recordings -> targets -> worker -> supervisor`
//!
//! An input is a finding when it panics, breaks what a target promises, takes a second of CPU time,
//! or ends the process (stack, memory). What an input does depends on the input alone, so that a
//! finding can be repeated by itself.

mod finding;
mod mutation;
mod options;
mod recordings;
mod supervisor;
mod targets;
mod worker;

use std::process::ExitCode;

use options::{Mode, Options};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            complain(&format!("{problem}\n\n{}", options::HELP));
            return ExitCode::from(2);
        }
    };
    let result = match &options.mode {
        Mode::Help => {
            say(options::HELP);
            for target in targets::ALL {
                say(&format!("  {:14}{}", target.name, target.about));
            }
            Ok(true)
        }
        Mode::All => supervisor::run(&options),
        Mode::Worker { name } => worker::run(name, &options),
        Mode::Repeat { name, input } => worker::repeat(name, input),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Prints for the person at the terminal.
#[expect(clippy::print_stdout, reason = "a command-line tool talks on standard output")]
fn say(text: &str) {
    println!("{text}");
}

/// Prints what went wrong.
#[expect(clippy::print_stderr, reason = "a command-line tool complains on standard error")]
fn complain(text: &str) {
    eprintln!("{text}");
}
