//! Values of fields, as `tracing` hands them over.
//!
//! A text is cut at [`MAX_FIELD_BYTES`] while it is made: a value that would
//! print a gigabyte never takes more memory than that.

use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};

use super::error_chain::ErrorChain;

/// Bytes of a text that are logged, before escaping; the marker `...(truncated)` follows.
pub const MAX_FIELD_BYTES: usize = 16 * 1024;

const TRUNCATED: &str = "...(truncated)";

/// A value in the type it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Bool(bool),
    Signed(i128),
    Unsigned(u128),
    Float(f64),
    Text(&'a str),
}

/// A value that outlives the call that brought it: the field of a span.
#[derive(Debug)]
pub(super) enum OwnedValue {
    Copied(Value<'static>),
    Text(Box<str>),
}

impl OwnedValue {
    pub(super) fn as_value(&self) -> Value<'_> {
        match self {
            Self::Copied(value) => *value,
            Self::Text(text) => Value::Text(text),
        }
    }
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.into()),
            Value::Bool(value) => Self::Copied(Value::Bool(value)),
            Value::Signed(value) => Self::Copied(Value::Signed(value)),
            Value::Unsigned(value) => Self::Copied(Value::Unsigned(value)),
            Value::Float(value) => Self::Copied(Value::Float(value)),
        }
    }
}

/// Name of a field without the `r#` that a Rust keyword needs.
pub(super) fn bare_name(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// Hands the fields whose name is `wanted` to `take`.
pub(super) struct Fields<'a, Wanted, Take> {
    /// Where texts are made; its content is worthless outside of a call.
    scratch: &'a mut String,
    wanted: Wanted,
    take: Take,
}

impl<'a, Wanted, Take> Fields<'a, Wanted, Take>
where
    Wanted: Fn(&'static str) -> bool,
    Take: FnMut(&'static str, Value<'_>),
{
    pub(super) fn new(scratch: &'a mut String, wanted: Wanted, take: Take) -> Self {
        Self { scratch, wanted, take }
    }

    fn value(&mut self, field: &Field, value: Value<'_>) {
        let name = bare_name(field.name());
        if (self.wanted)(name) {
            (self.take)(name, value);
        }
    }

    fn display(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let name = bare_name(field.name());
        if (self.wanted)(name) {
            self.scratch.clear();
            // an error is the full cap, or an implementation that gave up: what it wrote counts
            let _ = Capped(self.scratch).write_fmt(value);
            (self.take)(name, Value::Text(self.scratch));
        }
    }
}

impl<Wanted, Take> Visit for Fields<'_, Wanted, Take>
where
    Wanted: Fn(&'static str) -> bool,
    Take: FnMut(&'static str, Value<'_>),
{
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, Value::Signed(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, Value::Unsigned(value.into()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.value(field, Value::Signed(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.value(field, Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, Value::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if value.len() > MAX_FIELD_BYTES {
            self.display(field, format_args!("{value}"));
        } else {
            self.value(field, Value::Text(value));
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        // one byte more than is shown, so that the cut is seen
        let shown = &value[..value.len().min(MAX_FIELD_BYTES + 1)];
        self.display(field, format_args!("{}", String::from_utf8_lossy(shown)));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.display(field, format_args!("{}", ErrorChain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.display(field, format_args!("{value:?}"));
    }
}

/// Stops whoever writes once the cap is reached.
struct Capped<'a>(&'a mut String);

impl Write for Capped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_FIELD_BYTES.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        // longer than the cap means that the marker is there already
        if self.0.len() <= MAX_FIELD_BYTES {
            self.0.push_str(&text[..text.floor_char_boundary(room)]);
            self.0.push_str(TRUNCATED);
        }
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capped(parts: &[&str]) -> String {
        let mut out = String::new();
        for part in parts {
            let _ = Capped(&mut out).write_str(part);
        }
        out
    }

    #[test]
    fn a_text_of_just_the_cap_is_whole() {
        let text = "x".repeat(MAX_FIELD_BYTES);
        assert_eq!(capped(&[&text, ""]), text);
    }

    #[test]
    fn a_longer_text_is_cut_at_a_character_and_marked_once() {
        let text = "x".repeat(MAX_FIELD_BYTES - 1);
        assert_eq!(capped(&[&text, "é", "more", "and more"]), format!("{text}{TRUNCATED}"));
    }

    #[test]
    fn a_value_that_goes_on_for_ever_is_stopped() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    out.write_str("again and ")?;
                }
            }
        }
        let mut out = String::new();
        write!(Capped(&mut out), "{Endless}").unwrap_err();
        assert_eq!(out.len(), MAX_FIELD_BYTES + TRUNCATED.len());
    }
}
