//! Runs the commands beside the daemon: their input, output and exit codes.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use super::step_text::StepText;
use super::{check, explain};
use crate::cli::{Check, Explain};
use crate::pipeline::observe::Observer;

/// 0 when it would start, 1 when not.
pub fn check(arguments: &Check) -> ExitCode {
    let mut out = io::stdout().lock();
    match check::run(arguments, &variable, &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        // who reads the output is gone, and so is the answer
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// 0 when the lines were explained, whatever becomes of them.
pub fn explain(arguments: &Explain) -> ExitCode {
    let colours = wants_colours(io::stdout().is_terminal(), no_color().as_deref());
    let mut out = io::stdout().lock();
    match explain::run(arguments, &variable, io::stdin().lock(), colours, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "log-shipper explain: {}", explain::in_words(&error));
            ExitCode::FAILURE
        }
    }
}

/// `-inspect`: each step on standard error, after the name of its job.
pub fn inspector() -> Observer {
    let words = StepText::new(wants_colours(io::stderr().is_terminal(), no_color().as_deref()));
    Observer::new(move |step| {
        let mut text = String::new();
        words.put(&mut text, 0, "1", &format!("inspect {:?}", step.stage.job));
        words.step(&step, 1, &mut text);
        // One write per step, so that those of several workers do not mix.
        let _ = io::stderr().write_all(text.as_bytes());
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Colours are for people, and for those who want them: <https://no-color.org>.
fn wants_colours(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

fn no_color() -> Option<OsString> {
    std::env::var_os("NO_COLOR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_no_color_says_something() {
        assert!(wants_colours(true, None));
        assert!(wants_colours(true, Some(OsStr::new(""))));
        assert!(!wants_colours(true, Some(OsStr::new("1"))));
        assert!(!wants_colours(false, None));
    }
}
