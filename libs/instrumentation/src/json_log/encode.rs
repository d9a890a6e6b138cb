//! Writes the parts of a line in the layout asked for.
//!
//! The caller keeps the order head, message, ids, fields, end, and takes the
//! keys of fields from [`Keys`]: no other check stands against a key twice.

use std::fmt::Write;
use std::iter;
use std::time::SystemTime;

use jiff::Timestamp;

use super::escape;
use super::field::Value;
use super::format::Format;
use super::level::lower;

/// Ids that have a place of their own in a line and are text whatever they were given as.
pub(super) const IDS: [&str; 2] = ["trace_id", "span_id"];

/// The key that a service with an environment cannot use for a field.
const ENVIRONMENT: &str = "environment";

/// What a field's name gets where the line has that key already.
const SUFFIX: &str = "_field";

const RESET: &str = "\u{1b}[0m";
const DIM: &str = "\u{1b}[2m";

/// A line in the making.
pub(super) struct Line<'a> {
    pub(super) format: Format,
    pub(super) colour: bool,
    pub(super) out: &'a mut String,
}

/// What a line says before its message.
pub(super) struct Head<'a> {
    pub(super) at: SystemTime,
    pub(super) level: tracing::Level,
    pub(super) target: &'a str,
    pub(super) service: &'a str,
    pub(super) environment: Option<&'a str>,
}

impl Line<'_> {
    pub(super) fn head(&mut self, head: &Head<'_>) {
        // a clock that far off has no RFC 3339 form
        let at = Timestamp::try_from(head.at).unwrap_or(Timestamp::UNIX_EPOCH);
        match self.format {
            Format::Json => {
                let level = head.level;
                self.push(format_args!(
                    "{{\"timestamp\":\"{at:.3}\",\"level\":\"{level}\",\"service\":"
                ));
                escape::json_string(self.out, head.service);
                if let Some(environment) = head.environment {
                    self.out.push_str(",\"environment\":");
                    escape::json_string(self.out, environment);
                }
            }
            Format::Logfmt => {
                self.push(format_args!("ts={at:.3} level={}", lower(head.level)));
            }
            Format::Text => {
                let level = head.level;
                if self.colour {
                    let colour = colour_of(level);
                    self.push(format_args!("{DIM}{at:.3}{RESET} {colour}{level:>5}{RESET} {DIM}"));
                } else {
                    self.push(format_args!("{at:.3} {level:>5} "));
                }
                escape::plain(self.out, head.target);
                self.out.push_str(if self.colour { ":\u{1b}[0m " } else { ": " });
            }
        }
    }

    pub(super) fn message(&mut self, message: Value<'_>) {
        match self.format {
            Format::Json => {
                self.out.push_str(",\"message\":");
                self.as_json_string(message);
            }
            Format::Logfmt => {
                self.out.push_str(" msg=");
                self.as_logfmt(message);
            }
            Format::Text => match message {
                Value::Text(text) => escape::plain(self.out, text),
                other => self.as_logfmt(other),
            },
        }
    }

    pub(super) fn id(&mut self, name: &str, id: Value<'_>) {
        match self.format {
            Format::Json => {
                self.push(format_args!(",\"{name}\":"));
                self.as_json_string(id);
            }
            Format::Logfmt | Format::Text => {
                self.push(format_args!(" {name}="));
                self.as_logfmt(id);
            }
        }
    }

    pub(super) fn field(&mut self, key: Key, value: Value<'_>) {
        self.out.push_str(if self.format == Format::Json { ",\"" } else { " " });
        match self.format {
            Format::Json => escape::json_string_content(self.out, key.name),
            Format::Logfmt | Format::Text => {
                self.out.extend(key.name.chars().map(escape::logfmt_key_char));
            }
        }
        self.out.extend(iter::repeat_n(SUFFIX, key.suffixes));
        match (self.format, value) {
            (Format::Json, Value::Text(_)) => {
                self.out.push_str("\":");
                self.as_json_string(value);
            }
            (Format::Json, Value::Float(float)) if !float.is_finite() => {
                self.out.push_str("\":");
                self.as_json_string(value);
            }
            (Format::Json, _) => {
                self.out.push_str("\":");
                self.as_logfmt(value);
            }
            (Format::Logfmt | Format::Text, _) => {
                self.out.push('=');
                self.as_logfmt(value);
            }
        }
    }

    pub(super) fn end(self) {
        self.out.push_str(if self.format == Format::Json { "}\n" } else { "\n" });
    }

    fn as_json_string(&mut self, value: Value<'_>) {
        if let Value::Text(text) = value {
            escape::json_string(self.out, text);
        } else {
            self.out.push('"');
            self.as_logfmt(value);
            self.out.push('"');
        }
    }

    /// Numbers and booleans look the same in logfmt and JSON; what is not finite has the names of
    /// the text exposition.
    fn as_logfmt(&mut self, value: Value<'_>) {
        match value {
            Value::Bool(value) => self.push(format_args!("{value}")),
            Value::Signed(value) => self.push(format_args!("{value}")),
            Value::Unsigned(value) => self.push(format_args!("{value}")),
            Value::Float(value) if value.is_nan() => self.out.push_str("NaN"),
            Value::Float(f64::INFINITY) => self.out.push_str("+Inf"),
            Value::Float(f64::NEG_INFINITY) => self.out.push_str("-Inf"),
            // `{:?}` has an exponent where `{}` would print 300 zeros
            Value::Float(value) => self.push(format_args!("{value:?}")),
            Value::Text(text) => escape::logfmt_value(self.out, text),
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a String takes everything");
    }
}

fn colour_of(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "\u{1b}[31m",
        tracing::Level::WARN => "\u{1b}[33m",
        tracing::Level::INFO => "\u{1b}[32m",
        tracing::Level::DEBUG => "\u{1b}[34m",
        tracing::Level::TRACE => "\u{1b}[35m",
    }
}

/// The key of a field: its name and as many suffixes as it takes to be the only one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Key {
    name: &'static str,
    suffixes: usize,
}

impl Key {
    /// The key as it is written in a format.
    fn chars(self, format: Format) -> impl Iterator<Item = char> {
        let name = self.name.chars().map(move |char| match format {
            Format::Json => char,
            Format::Logfmt | Format::Text => escape::logfmt_key_char(char),
        });
        name.chain(iter::repeat_n(SUFFIX, self.suffixes).flat_map(str::chars))
    }

    fn is(self, other: impl Iterator<Item = char>, format: Format) -> bool {
        self.chars(format).eq(other)
    }
}

/// The keys that a line has.
pub(super) struct Keys<'a> {
    pub(super) format: Format,
    pub(super) has_environment: bool,
    /// Keys of the fields so far.
    pub(super) taken: &'a mut Vec<Key>,
}

impl Keys<'_> {
    /// A key for the field with this name; `None` if the line has a field of this name.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Key> {
        if IDS.contains(&name) || self.taken.iter().any(|key| key.name == name) {
            return None;
        }
        let mut key = Key { name, suffixes: 0 };
        while self.is_taken(key) {
            key.suffixes += 1;
        }
        self.taken.push(key);
        Some(key)
    }

    fn is_taken(&self, key: Key) -> bool {
        let environment =
            (self.has_environment && self.format == Format::Json).then_some(ENVIRONMENT);
        let mut fixed = self.format.fixed_keys().iter().copied().chain(IDS).chain(environment);
        fixed.any(|fixed| key.is(fixed.chars(), self.format))
            || self.taken.iter().any(|taken| key.is(taken.chars(self.format), self.format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(format: Format, names: &[&'static str]) -> Vec<Option<String>> {
        let mut taken = Vec::new();
        let mut keys = Keys { format, has_environment: true, taken: &mut taken };
        names.iter().map(|name| keys.take(name).map(|key| key.chars(format).collect())).collect()
    }

    fn some(keys: &[&str]) -> Vec<Option<String>> {
        keys.iter().map(|&key| Some(key.to_owned())).collect()
    }

    #[test]
    fn a_field_named_like_a_fixed_key_gets_a_suffix() {
        assert_eq!(
            keys(Format::Json, &["level", "service", "environment", "message", "timestamp"]),
            some(&[
                "level_field",
                "service_field",
                "environment_field",
                "message_field",
                "timestamp_field"
            ]),
        );
        assert_eq!(
            keys(Format::Logfmt, &["level", "ts", "msg", "service"]),
            some(&["level_field", "ts_field", "msg_field", "service"]),
        );
    }

    #[test]
    fn a_suffix_never_makes_a_key_that_is_taken() {
        assert_eq!(
            keys(Format::Json, &["level_field", "level", "level_field_field"]),
            some(&["level_field", "level_field_field", "level_field_field_field"]),
        );
    }

    #[test]
    fn a_name_that_is_taken_gives_no_key() {
        assert_eq!(
            keys(Format::Json, &["status", "status", "trace_id"]),
            [Some("status".to_owned()), None, None],
        );
    }

    #[test]
    fn names_that_look_alike_in_logfmt_get_different_keys() {
        assert_eq!(keys(Format::Logfmt, &["a b", "a_b"]), some(&["a_b", "a_b_field"]));
        assert_eq!(keys(Format::Json, &["a b", "a_b"]), some(&["a b", "a_b"]));
    }
}
