//! The values that a template computes with, their truth and how they print.
//!
//! Text is bytes, as in Go: a log line need not be UTF-8, and nothing here may change a byte of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::strconv::format_float_g;
use crate::time_layout::{Layout, Time};

/// A value inside a template.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Value {
    /// Go's `nil`, and what a missing key gives. Printed by an action as `<no value>`, by `printf`
    /// and inside lists and maps as `<nil>`.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// Any of Go's integers; wraps around at 64 bits, as in Go.
    Int(i64),
    /// A `float64`.
    Float(f64),
    /// A Go string: any bytes.
    Text(Vec<u8>),
    /// A slice. Shared: copying it is free, functions that change a list make a new one.
    List(Arc<Vec<Value>>),
    /// A map with string keys, in the order in which Go prints it. Shared like a list.
    Map(Arc<BTreeMap<Vec<u8>, Value>>),
    /// A `time.Time`.
    Time(Time),
}

/// Writes items one after another, with a separator between two of them.
pub(super) fn write_separated<T>(
    out: &mut Vec<u8>,
    separator: &[u8],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.extend_from_slice(separator);
        }
        write(item, out);
    }
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(text.into())
    }

    /// A list.
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Arc::new(items))
    }

    /// A map.
    pub fn map(entries: BTreeMap<Vec<u8>, Value>) -> Self {
        Self::Map(Arc::new(entries))
    }

    /// Go's truth, which is also the opposite of sprig's `empty`: zero values and empty containers
    /// are false.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(flag) => *flag,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(bytes) => !bytes.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::Time(_) => true,
        }
    }

    /// Go's name of the type, as error messages and `%T` write it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Time(_) => "time.Time",
        }
    }

    /// Go's `reflect.Kind` of the value.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            _ => self.type_name(),
        }
    }

    /// Appends the value as Go's `%v` prints it; nil as `<nil>`.
    pub fn print(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nil => out.extend_from_slice(b"<nil>"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Float(number) => out.extend_from_slice(format_float_g(*number).as_bytes()),
            Self::Text(bytes) => out.extend_from_slice(bytes),
            Self::List(items) => {
                out.push(b'[');
                write_separated(out, b" ", items.iter(), Self::print);
                out.push(b']');
            }
            Self::Map(entries) => {
                out.extend_from_slice(b"map[");
                write_separated(out, b" ", entries.iter(), |(key, item), out| {
                    out.extend_from_slice(key);
                    out.push(b':');
                    item.print(out);
                });
                out.push(b']');
            }
            Self::Time(time) => out.extend_from_slice(time_text(time).as_bytes()),
        }
    }

    /// The value as Go's `%v` prints it, without a copy where it is text already.
    pub fn into_printed(self) -> Vec<u8> {
        match self {
            Self::Text(bytes) => bytes,
            other => {
                let mut out = Vec::new();
                other.print(&mut out);
                out
            }
        }
    }
}

/// Values are equal as `reflect.DeepEqual` sees them: the types must agree.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::Float(left), Self::Float(right)) => left == right,
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::List(left), Self::List(right)) => Arc::ptr_eq(left, right) || left == right,
            (Self::Map(left), Self::Map(right)) => Arc::ptr_eq(left, right) || left == right,
            (Self::Time(left), Self::Time(right)) => left.unix_ns() == right.unix_ns(),
            _ => false,
        }
    }
}

/// `mantissa` and `exponent` joined as C and Go do: a sign and at least two digits.
pub(super) fn exponent_text(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

fn time_text(time: &Time) -> String {
    Layout::new("2006-01-02 15:04:05.999999999 -0700 MST").format(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(value: Value) -> String {
        String::from_utf8(value.into_printed()).unwrap()
    }

    #[test]
    fn containers_print_as_go_prints_them() {
        let map = BTreeMap::from([
            (b"b".to_vec(), Value::list(vec![Value::Int(2), Value::Nil])),
            (b"a".to_vec(), Value::Bool(true)),
        ]);
        assert_eq!(printed(Value::map(map)), "map[a:true b:[2 <nil>]]");
        assert_eq!(printed(Value::list(Vec::new())), "[]");
    }

    #[test]
    fn zero_values_and_empty_containers_are_false() {
        for value in [
            Value::Nil,
            Value::Bool(false),
            Value::Int(0),
            Value::Float(0.0),
            Value::text(""),
            Value::list(Vec::new()),
            Value::map(BTreeMap::new()),
        ] {
            assert!(!value.is_true(), "{value:?}");
        }
        assert!(Value::text("0").is_true());
    }

    #[test]
    fn bytes_that_are_no_text_are_printed_unchanged() {
        assert_eq!(Value::Text(vec![0xff, b'a', 0]).into_printed(), vec![0xff, b'a', 0]);
    }
}
