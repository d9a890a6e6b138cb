//! From JSON text to extracted values.
//!
//! Objects and arrays become text again: compact, in the order of the source, numbers and strings
//! as Go writes them. A key that stands twice in such an object stays twice.

use std::sync::Arc;

use super::cursor::{Cursor, float};
use super::strings::{push_string, unescape};
use crate::pipeline::extracted::{Extracted, Value};

/// Stores a JSON value under a name; null where it is absent.
pub(crate) fn set(extracted: &mut Extracted, name: &Arc<str>, json: Option<&[u8]>) {
    match json {
        // What is nearly always extracted is copied once, into memory that is there.
        Some([b'"', raw @ .., b'"']) if memchr::memchr(b'\\', raw).is_none() => {
            extracted.set_text(name, raw);
        }
        Some(json) => extracted.set(name, extract(json)),
        None => extracted.set(name, Value::Null),
    }
}

/// The value that a JSON value is stored as.
pub(crate) fn extract(json: &[u8]) -> Value {
    match json {
        [b'"', raw @ .., b'"'] => {
            if memchr::memchr(b'\\', raw).is_none() {
                return Value::Text(raw.to_vec());
            }
            let mut text = Vec::with_capacity(raw.len());
            unescape(raw, &mut text);
            Value::Text(text)
        }
        b"true" => Value::Bool(true),
        b"false" => Value::Bool(false),
        [b'{' | b'[', ..] => {
            let mut text = Vec::with_capacity(json.len());
            compact(json, &mut text);
            Value::Text(text)
        }
        number => float(number).map_or(Value::Null, Value::Number),
    }
}

/// Appends valid JSON as Go would write it, in its own order.
pub(crate) fn compact(json: &[u8], out: &mut Vec<u8>) {
    let mut cursor = Cursor::new(json);
    let mut unescaped = Vec::new();
    loop {
        cursor.space();
        let start = cursor.at();
        let Ok(first) = cursor.next() else { return };
        match first {
            b'"' => {
                let Ok(string) = cursor.string() else { return };
                let raw = &json[string.start..string.end];
                if string.escaped {
                    unescaped.clear();
                    unescape(raw, &mut unescaped);
                    push_string(out, &unescaped);
                } else {
                    push_string(out, raw);
                }
            }
            b'-' | b'0'..=b'9' => {
                while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = cursor.peek() {
                    let _ = cursor.next();
                }
                push_number(float(&json[start..cursor.at()]).unwrap_or(0.0), out);
            }
            other => out.push(other),
        }
    }
}

/// A float as Go's JSON encoders write it: with an exponent below 1e-6 and from 1e21 on.
pub(crate) fn push_number(number: f64, out: &mut Vec<u8>) {
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        out.extend_from_slice(number.to_string().as_bytes());
        return;
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => {
            out.extend_from_slice(format!("{digits}e+{exponent}").as_bytes());
        }
        _ => out.extend_from_slice(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stages::testing::text;

    fn compacted(json: &str) -> String {
        let mut out = Vec::new();
        compact(json.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scalars_keep_their_type() {
        assert_eq!(extract(b"\"a\\u0000b\""), text("a\0b"));
        assert_eq!(extract(b"\"plain\""), text("plain"));
        assert_eq!(extract(b"\"\""), text(""));
        assert_eq!(extract(b"1e21"), Value::Number(1e21));
        assert_eq!(extract(b"true"), Value::Bool(true));
        assert_eq!(extract(b"false"), Value::Bool(false));
        assert_eq!(extract(b"null"), Value::Null);
    }

    #[test]
    fn bytes_of_strings_are_kept() {
        assert_eq!(extract(b"\"x\xff\""), Value::Text(b"x\xff".to_vec()));
    }

    #[test]
    fn objects_and_arrays_become_compact_text_in_their_own_order() {
        assert_eq!(extract(b"[1, 2.50, \"x\", null, true]"), text("[1,2.5,\"x\",null,true]"));
        assert_eq!(extract(br#"{"k":"<b>&"}"#), text(r#"{"k":"\u003cb\u003e\u0026"}"#));
        assert_eq!(
            compacted("{ \"z\" : [ ] , \"a\" : { \"\\u00e9\\n\" : -0 } }"),
            "{\"z\":[],\"a\":{\"é\\n\":-0}}"
        );
    }

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        assert_eq!(
            compacted(
                "[1.0,1e20,1e21,12345678901234567890,0.000001,0.0000001,-1.5e-10,9007199254740993]"
            ),
            "[1,100000000000000000000,1e+21,12345678901234567000,0.000001,1e-7,-1.5e-10,9007199254740992]"
        );
    }

    #[test]
    fn deep_nesting_is_written_without_recursion() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(compacted(&deep), deep);
    }
}
