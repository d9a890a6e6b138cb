//! JSON as Go's `encoding/json` reads and writes it.

use std::collections::BTreeMap;

use super::{Arguments, Builtin, Outcome, check_length, exactly};
use crate::template::limits::{Fault, failed};
use crate::template::value::{Value, exponent_text};

pub(super) const TABLE: &[Builtin] = &[
    exactly("fromJson", 1, |call| Ok(parsed(call.bytes(0)?).unwrap_or_default())),
    exactly("mustFromJson", 1, |call| {
        parsed(call.bytes(0)?).or_else(|error| failed(format!("invalid JSON: {error}")))
    }),
    exactly("toJson", 1, |call| written(call, Style { pretty: false, html: true })),
    exactly("mustToJson", 1, |call| written(call, Style { pretty: false, html: true })),
    exactly("toPrettyJson", 1, |call| written(call, Style { pretty: true, html: true })),
    exactly("mustToPrettyJson", 1, |call| written(call, Style { pretty: true, html: true })),
    exactly("toRawJson", 1, |call| written(call, Style { pretty: false, html: false })),
    exactly("mustToRawJson", 1, |call| written(call, Style { pretty: false, html: false })),
];

fn parsed(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text).map(converted)
}

/// Numbers become floats, as in Go. The parser has bounded the depth.
fn converted(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(items) => Value::list(items.into_iter().map(converted).collect()),
        serde_json::Value::Object(members) => {
            let members =
                members.into_iter().map(|(key, item)| (key.into_bytes(), converted(item)));
            Value::map(members.collect::<BTreeMap<_, _>>())
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Style {
    pretty: bool,
    /// Escape `<`, `>` and `&`.
    html: bool,
}

fn written(call: &mut Arguments<'_>, style: Style) -> Outcome {
    let mut out = Vec::new();
    write(call.get(0), style, 0, &mut out)?;
    Ok(Value::Text(out))
}

fn write(value: &Value, style: Style, depth: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    check_length(out.len())?;
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::Float(number) if !number.is_finite() => {
            return failed(format!("JSON has no number {number}"));
        }
        Value::Float(number) => out.extend_from_slice(number_text(*number).as_bytes()),
        Value::Text(bytes) => string(bytes, style.html, out),
        Value::Time(time) => {
            let layout = crate::time_layout::Layout::new("2006-01-02T15:04:05.999999999Z07:00");
            string(layout.format(time).as_bytes(), false, out);
        }
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                separate(index, style, depth + 1, out);
                write(item, style, depth + 1, out)?;
            }
            finish(items.is_empty(), style, depth, b']', out);
        }
        Value::Map(entries) => {
            out.push(b'{');
            for (index, (key, item)) in entries.iter().enumerate() {
                separate(index, style, depth + 1, out);
                string(key, style.html, out);
                out.extend_from_slice(if style.pretty { b": " } else { b":" });
                write(item, style, depth + 1, out)?;
            }
            finish(entries.is_empty(), style, depth, b'}', out);
        }
        Value::Bool(_) | Value::Int(_) => value.print(out),
    }
    Ok(())
}

fn separate(index: usize, style: Style, depth: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
    if style.pretty {
        new_line(depth, out);
    }
}

fn finish(empty: bool, style: Style, depth: usize, bracket: u8, out: &mut Vec<u8>) {
    if style.pretty && !empty {
        new_line(depth, out);
    }
    out.push(bracket);
}

fn new_line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}

/// Plain decimal from 1e-6 up to 1e21; exponents have no leading zero.
fn number_text(number: f64) -> String {
    let magnitude = number.abs();
    if number == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return number.to_string();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let text = exponent_text(mantissa, exponent.parse().unwrap_or(0));
    text.replace("e-0", "e-")
}

fn string(bytes: &[u8], html: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in super::characters::characters(bytes) {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\0'..' ' | '\u{2028}' | '\u{2029}' => escape(character, out),
            '<' | '>' | '&' if html => escape(character, out),
            // an invalid byte gives U+FFFD as a character where Go writes it as an escape: the same
            // text to every JSON reader
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn escape(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
}
