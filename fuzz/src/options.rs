//! The command line.

use std::path::PathBuf;

use crate::targets;

pub(crate) const HELP: &str = "\
cargo xtask fuzz [--seconds N] [--target NAME] [--seed S]
cargo xtask fuzz --target NAME --input FILE

  --seconds N    how long each target runs (default 60)
  --target NAME  this one only
  --seed S       inputs are the same for the same seed; printed, and new each time without
  --input FILE   runs one input, such as a finding, and shows what it does

Findings are written to target/fuzz. Targets:";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Help,
    /// Every target, or the one that is named, each in a process of its own.
    All,
    /// One target, in this process.
    Worker {
        name: String,
    },
    /// One input.
    Repeat {
        name: String,
        input: PathBuf,
    },
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    pub(crate) target: Option<String>,
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// In words, for the person who typed them.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { mode: Mode::All, target: None, seconds: 60, seed: fastrand::u64(..1 << 32) };
        let (mut worker, mut input) = (false, None);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" => return Ok(Self { mode: Mode::Help, ..options }),
                // How the supervisor starts this program again.
                "--worker" => {
                    worker = true;
                    continue;
                }
                _ => {}
            }
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            let number =
                || value.parse().map_err(|_| format!("{argument}: {value:?} is no whole number"));
            match argument.as_str() {
                "--seconds" => options.seconds = number()?,
                "--seed" => options.seed = number()?,
                "--input" => input = Some(PathBuf::from(value)),
                "--target" if targets::named(&value).is_some() => options.target = Some(value),
                "--target" => return Err(format!("there is no target {value:?}")),
                _ => return Err(format!("unknown option {argument}")),
            }
        }
        let target = options.target.clone();
        options.mode = match (worker, input, target) {
            (false, None, _) => Mode::All,
            (true, None, Some(name)) => Mode::Worker { name },
            (false, Some(input), Some(name)) => Mode::Repeat { name, input },
            _ => return Err("--input and --worker need --target, and not each other".to_owned()),
        };
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Options, String> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_run_of_one_target_is_described() {
        let options = parsed("--seconds 5 --target cri --seed 7").unwrap();
        assert_eq!((options.seconds, options.seed, options.mode), (5, 7, Mode::All));
        assert_eq!(options.target.as_deref(), Some("cri"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["--seconds", "--seconds x", "--target nothing", "--frob 1", "--input x"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
