//! Go's flag grammar in front of clap: `-x` and `--x` alike, `-x=v` or `-x v`, booleans bare or with
//! `=`, and an end at the first argument that is no flag.
//!
//! The command line is rewritten to `--name=value` words that leave clap nothing to guess; clap
//! still owns names, types, defaults, help and every error.
//!
//! A daemon declares its flags with Go's names and lets the last occurrence win:
//!
//! ```
//! use clap::{ArgAction, CommandFactory as _, Parser};
//! use daemon_runtime::go_flags::{self, Leftovers};
//!
//! #[derive(Parser)]
//! #[command(args_override_self = true)]
//! struct Flags {
//!     /// Configuration file.
//!     #[arg(long = "config.file", default_value = "")]
//!     config_file: String,
//!     /// Check the configuration and stop.
//!     #[arg(long = "check-syntax", action = ArgAction::Set, default_value = "false",
//!           value_parser = go_flags::parse_bool)]
//!     check_syntax: bool,
//! }
//!
//! let typed = ["log-shipper", "-config.file", "a.yaml", "-check-syntax", "-config.file=b.yaml"];
//! let words = typed.into_iter().map(Into::into);
//! let flags = Flags::parse_from(go_flags::normalize(words, &Flags::command(), Leftovers::Ignore));
//! assert_eq!(flags.config_file, "b.yaml");
//! assert!(flags.check_syntax);
//! ```
//!
//! A single flag can carry `overrides_with_self` instead of the whole command. `ArgAction::SetTrue`
//! works too; `ArgAction::Append` keeps every occurrence.

use std::any::TypeId;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use clap::{Arg, ArgAction, Command, Id};

/// What becomes of the arguments from the first one on that is no flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// Dropped without a word, as a Go program that never asks for them does.
    Ignore,
    /// Handed to clap as they are, for a command with positional arguments or subcommands.
    Keep,
}

/// Not one of the spellings that Go accepts for a boolean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a boolean: use true or false (also 1, t, T, TRUE, True, 0, f, F, FALSE, False)"
)]
pub struct ParseBoolError {
    text: String,
}

/// Reads a boolean in any of Go's spellings; a value parser for clap.
///
/// # Errors
/// When `text` is none of `1 t T TRUE true True 0 f F FALSE false False`.
pub fn parse_bool(text: &str) -> Result<bool, ParseBoolError> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(ParseBoolError { text: text.to_owned() }),
    }
}

/// Rewrites a command line in Go's grammar, program name first, to one that clap reads the same way.
///
/// Flags that `command` does not know pass through, so that clap refuses them by name.
pub fn normalize(
    args: impl IntoIterator<Item = OsString>,
    command: &Command,
    leftovers: Leftovers,
) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut words: Vec<OsString> = args.next().into_iter().collect();
    // A switch (`SetTrue`) has no word for "off": an occurrence with `=false` takes back the earlier one.
    let mut switched_at: HashMap<Id, usize> = HashMap::new();

    while let Some(arg) = args.next() {
        let Some(typed) = Typed::read(&arg) else {
            if leftovers == Leftovers::Keep {
                words.push(arg);
                words.extend(args);
            }
            break;
        };
        let Some(flag) = find(command, typed.name) else {
            words.push(unknown(command, &typed, &arg));
            continue;
        };
        let word = flag_word(flag);
        match kind(flag) {
            Kind::Switch => match typed.value.map(boolean) {
                None | Some(Some(true)) => {
                    // once is enough: clap refuses a repeated switch
                    if !switched_at.contains_key(flag.get_id()) {
                        switched_at.insert(flag.get_id().clone(), words.len());
                        words.push(word);
                    }
                }
                Some(Some(false)) => {
                    if let Some(at) = switched_at.remove(flag.get_id()) {
                        words.remove(at);
                        for later in switched_at.values_mut().filter(|index| **index > at) {
                            *later -= 1;
                        }
                    }
                }
                Some(None) => words.push(joined(word, typed.value.unwrap_or_default())),
            },
            Kind::Counter => words.push(match typed.value {
                Some(value) => joined(word, value),
                None => word,
            }),
            Kind::Boolean => words.push(joined(word, typed.value.unwrap_or(b"true"))),
            Kind::Valued => words.push(
                match (typed.value, typed.value.is_none().then(|| args.next()).flatten()) {
                    (Some(value), _) => joined(word, value),
                    (None, Some(next)) => joined(word, next.as_bytes()),
                    (None, None) => word,
                },
            ),
        }
    }
    words
}

/// One argument that looks like a flag: its name without dashes, and what follows the first `=`.
struct Typed<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
}

impl<'a> Typed<'a> {
    /// `None` where Go stops: at a word without a dash, at `-`, and at `--`.
    fn read(arg: &'a OsString) -> Option<Self> {
        let bytes = arg.as_bytes();
        let body = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-"))?;
        if body.is_empty() {
            return None;
        }
        Some(match body.iter().position(|&byte| byte == b'=') {
            Some(at) => Self { name: &body[..at], value: Some(&body[at + 1..]) },
            None => Self { name: body, value: None },
        })
    }
}

/// How an occurrence of a flag is read.
enum Kind {
    /// Present or absent; clap takes no value.
    Switch,
    /// Counts its occurrences; clap takes no value.
    Counter,
    /// Clap takes a value, which may be left out.
    Boolean,
    /// Needs a value, in the same argument or the next.
    Valued,
}

fn kind(flag: &Arg) -> Kind {
    match flag.get_action() {
        ArgAction::Set | ArgAction::Append => {
            if flag.get_value_parser().type_id() == TypeId::of::<bool>() {
                Kind::Boolean
            } else {
                Kind::Valued
            }
        }
        ArgAction::SetTrue | ArgAction::SetFalse => Kind::Switch,
        // help, version and counters
        _ => Kind::Counter,
    }
}

fn boolean(value: &[u8]) -> Option<bool> {
    parse_bool(std::str::from_utf8(value).ok()?).ok()
}

fn find<'a>(command: &'a Command, name: &[u8]) -> Option<&'a Arg> {
    let name = std::str::from_utf8(name).ok()?;
    let by_long = command.get_arguments().find(|flag| {
        flag.get_long() == Some(name)
            || flag.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    });
    by_long.or_else(|| {
        let mut letters = name.chars();
        let (letter, None) = (letters.next()?, letters.next()) else { return None };
        command.get_arguments().find(|flag| {
            flag.get_short() == Some(letter)
                || flag.get_all_short_aliases().is_some_and(|aliases| aliases.contains(&letter))
        })
    })
}

/// The spelling that clap knows `flag` by.
fn flag_word(flag: &Arg) -> OsString {
    match (flag.get_long(), flag.get_short()) {
        (Some(long), _) => format!("--{long}").into(),
        (None, Some(short)) => format!("-{short}").into(),
        (None, None) => unreachable!("`find` returns only flags that have a name"),
    }
}

/// Clap adds its own help and version flags only while it parses, so `find` does not see them.
fn unknown(command: &Command, typed: &Typed<'_>, arg: &OsString) -> OsString {
    let versioned = command.get_version().is_some() || command.get_long_version().is_some();
    match (typed.name, typed.value) {
        (b"h", None) => "-h".into(),
        (b"help", None) => "--help".into(),
        (b"V" | b"version", None) if versioned => "--version".into(),
        // three dashes or no name at all: clap names the word as it was typed
        ([] | [b'-', ..], _) => arg.clone(),
        (name, _) => {
            let mut word = b"--".to_vec();
            word.extend_from_slice(name);
            if let Some(value) = typed.value {
                word.push(b'=');
                word.extend_from_slice(value);
            }
            OsString::from_vec(word)
        }
    }
}

fn joined(word: OsString, value: &[u8]) -> OsString {
    let mut bytes = word.into_vec();
    bytes.push(b'=');
    bytes.extend_from_slice(value);
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests;
