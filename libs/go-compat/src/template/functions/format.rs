//! Go's `fmt`: `print`, `println` and `printf` with verbs, flags, width, precision and indexes.
//!
//! A wrong verb or a missing argument is no error: it is written into the text, as in Go.

use super::floats;
use super::{Arguments, Builtin, MANY, Outcome, check_length};
use crate::strconv::{quote, quote_bytes};
use crate::template::limits::{Fault, MAX_OUTPUT_BYTES};
use crate::template::value::{Value, write_separated};

mod directive;
#[cfg(test)]
mod tests;

use directive::{Directive, Directives};

pub(super) const TABLE: &[Builtin] = &[
    Builtin {
        name: "print",
        least: 0,
        most: MANY,
        run: |call| Ok(Value::Text(joined(&call.take_from(0))?)),
    },
    Builtin { name: "println", least: 0, most: MANY, run: println },
    Builtin { name: "printf", least: 1, most: MANY, run: printf },
];

/// Go's `fmt.Sprint`: a space between two operands when neither is a text.
pub(super) fn joined(values: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let both_no_text =
            |before: &Value| !matches!(before, Value::Text(_)) && !matches!(value, Value::Text(_));
        if index.checked_sub(1).is_some_and(|before| both_no_text(&values[before])) {
            out.push(b' ');
        }
        value.print(&mut out);
        check_length(out.len())?;
    }
    Ok(out)
}

fn println(call: &mut Arguments<'_>) -> Outcome {
    let mut out = Vec::new();
    for (index, value) in call.values.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        value.print(&mut out);
        check_length(out.len())?;
    }
    out.push(b'\n');
    Ok(Value::Text(out))
}

fn printf(call: &mut Arguments<'_>) -> Outcome {
    let format = call.text(0)?;
    let values = &call.values[1..];
    let mut directives = Directives::new(&format, values);
    let mut out = Vec::with_capacity(format.len() + 32);
    while let Some(directive) = directives.next(&mut out) {
        let verb = directive.verb;
        match directive.value {
            Ok(value) => write(&directive, value, &mut out),
            Err(problem) => {
                out.extend_from_slice(format!("%!{verb}({problem})").as_bytes());
            }
        }
        check_length(out.len())?;
    }
    if let Some(extra) = directives.unused() {
        out.extend_from_slice(b"%!(EXTRA ");
        for (index, value) in extra.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            typed(value, &mut out);
        }
        out.push(b')');
    }
    Ok(Value::Text(out))
}

/// `int=5`, and nil as `<nil>`.
fn typed(value: &Value, out: &mut Vec<u8>) {
    if !matches!(value, Value::Nil) {
        out.extend_from_slice(value.type_name().as_bytes());
        out.push(b'=');
    }
    value.print(out);
}

fn wrong_verb(directive: &Directive<'_>, value: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("%!{}(", directive.verb).as_bytes());
    typed(value, out);
    out.push(b')');
}

/// One value under one directive. Containers apply it to each element.
fn write(directive: &Directive<'_>, value: &Value, out: &mut Vec<u8>) {
    if out.len() > MAX_OUTPUT_BYTES {
        return;
    }
    if directive.verb == 'T' {
        return pad(directive, value.type_name().as_bytes(), out);
    }
    if directive.sharp && directive.verb == 'v' {
        return go_syntax(directive, value, out);
    }
    match value {
        Value::Nil if directive.verb == 'v' => pad(directive, b"<nil>", out),
        Value::Bool(flag) if matches!(directive.verb, 'v' | 't') => {
            pad(directive, if *flag { b"true" } else { b"false" }, out);
        }
        Value::Int(number) => integer(directive, *number, out),
        Value::Float(number) if "vgGeEfF".contains(directive.verb) => {
            float(directive, *number, out);
        }
        Value::Text(bytes) => text(directive, bytes, out),
        Value::List(items) => {
            out.push(b'[');
            write_separated(out, b" ", items.iter(), |item, out| write(directive, item, out));
            out.push(b']');
        }
        Value::Map(entries) => {
            out.extend_from_slice(b"map[");
            write_separated(out, b" ", entries.iter(), |(key, item), out| {
                text(directive, key, out);
                out.push(b':');
                write(directive, item, out);
            });
            out.push(b']');
        }
        Value::Time(_) if matches!(directive.verb, 'v' | 's') => {
            pad(directive, &value.clone().into_printed(), out);
        }
        _ => wrong_verb(directive, value, out),
    }
}

/// `%#v`.
fn go_syntax(directive: &Directive<'_>, value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(bytes) => pad(directive, quote_bytes(bytes).as_bytes(), out),
        Value::Nil | Value::List(_) | Value::Map(_) if out.len() > MAX_OUTPUT_BYTES => {}
        Value::Nil => out.extend_from_slice(b"interface {}(nil)"),
        Value::List(items) => {
            out.extend_from_slice(b"[]interface {}{");
            write_separated(out, b", ", items.iter(), |item, out| go_syntax(directive, item, out));
            out.push(b'}');
        }
        Value::Map(entries) => {
            out.extend_from_slice(b"map[string]interface {}{");
            write_separated(out, b", ", entries.iter(), |(key, item), out| {
                out.extend_from_slice(quote_bytes(key).as_bytes());
                out.push(b':');
                go_syntax(directive, item, out);
            });
            out.push(b'}');
        }
        other => pad(directive, &other.clone().into_printed(), out),
    }
}

fn text(directive: &Directive<'_>, bytes: &[u8], out: &mut Vec<u8>) {
    match directive.verb {
        'v' | 's' => pad(directive, truncated(directive, bytes), out),
        'q' => {
            let shown = truncated(directive, bytes);
            let raw = std::str::from_utf8(shown)
                .ok()
                .filter(|text| directive.sharp && !text.contains(['`', '\n', '\r', '\u{feff}']));
            match raw {
                Some(raw) => pad(directive, format!("`{raw}`").as_bytes(), out),
                None => pad(directive, quote_bytes(shown).as_bytes(), out),
            }
        }
        'x' | 'X' => {
            let most = directive.precision.unwrap_or(usize::MAX);
            let mut digits = Vec::with_capacity(bytes.len() * 2);
            for (index, byte) in bytes.iter().take(most).enumerate() {
                if directive.space && index > 0 {
                    digits.push(b' ');
                }
                if directive.sharp && (index == 0 || directive.space) {
                    digits.extend([b'0', directive.verb as u8]);
                }
                let pair = if directive.verb == 'x' {
                    format!("{byte:02x}")
                } else {
                    format!("{byte:02X}")
                };
                digits.extend_from_slice(pair.as_bytes());
            }
            pad(directive, &digits, out);
        }
        _ => wrong_verb(directive, &Value::text(bytes), out),
    }
}

/// The first `precision` characters.
fn truncated<'a>(directive: &Directive<'_>, bytes: &'a [u8]) -> &'a [u8] {
    let Some(mut left) = directive.precision else { return bytes };
    let mut rest = bytes;
    while left > 0 {
        let Some((_, length)) = super::characters::first(rest) else { break };
        rest = &rest[length..];
        left -= 1;
    }
    &bytes[..bytes.len() - rest.len()]
}

fn integer(directive: &Directive<'_>, number: i64, out: &mut Vec<u8>) {
    let magnitude = number.unsigned_abs();
    let (prefix, digits) = match directive.verb {
        'v' | 'd' => ("", magnitude.to_string()),
        'b' => (if directive.sharp { "0b" } else { "" }, format!("{magnitude:b}")),
        'o' => (if directive.sharp { "0" } else { "" }, format!("{magnitude:o}")),
        'O' => ("0o", format!("{magnitude:o}")),
        'x' => (if directive.sharp { "0x" } else { "" }, format!("{magnitude:x}")),
        'X' => (if directive.sharp { "0X" } else { "" }, format!("{magnitude:X}")),
        'c' | 'q' | 'U' => return character(directive, number, out),
        _ => return wrong_verb(directive, &Value::Int(number), out),
    };
    let sign = sign(directive, number < 0);
    // the zero flag means digits up to the width, the sign counted
    let least = match (directive.precision, directive.width) {
        (Some(least), _) => least,
        (None, Some(width)) if directive.zero => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let text = if directive.precision == Some(0) && number == 0 {
        String::new()
    } else {
        format!("{sign}{prefix}{}{digits}", zeros(least, &digits))
    };
    pad_with(directive, text.as_bytes(), b' ', out);
}

fn character(directive: &Directive<'_>, number: i64, out: &mut Vec<u8>) {
    let character =
        u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    let text = match directive.verb {
        'c' => character.to_string(),
        'q' if character == '\'' => "'\\''".to_owned(),
        'q' if character == '"' => "'\"'".to_owned(),
        'q' => {
            let quoted = quote(&character.to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
        _ => {
            let least = directive.precision.unwrap_or(4).max(4);
            let shown = if directive.sharp { format!(" '{character}'") } else { String::new() };
            let digits = format!("{number:X}");
            format!("U+{}{digits}{shown}", zeros(least, &digits))
        }
    };
    pad(directive, text.as_bytes(), out);
}

fn sign(directive: &Directive<'_>, negative: bool) -> &'static str {
    match (negative, directive.plus, directive.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn float(directive: &Directive<'_>, number: f64, out: &mut Vec<u8>) {
    let sign = sign(directive, number.is_sign_negative() && !number.is_nan());
    if !number.is_finite() {
        // infinities show their sign always and are never padded with zeros
        let text = match (number.is_nan(), sign) {
            (true, _) => format!("{sign}NaN"),
            (false, "") => "+Inf".to_owned(),
            (false, _) => format!("{sign}Inf"),
        };
        return pad_with(directive, text.as_bytes(), b' ', out);
    }
    let magnitude = floats::magnitude(number, directive.verb, directive.precision);
    let least = match directive.width {
        Some(width) if directive.zero => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let text = format!("{sign}{}{magnitude}", zeros(least, &magnitude));
    pad_with(directive, text.as_bytes(), b' ', out);
}

/// What makes digits `least` long. Rust's own formatting takes widths of 16 bits only, and panics.
fn zeros(least: usize, digits: &str) -> String {
    "0".repeat(least.saturating_sub(digits.len()))
}

/// Pads to the width; with the zero flag by zeros, texts too.
fn pad(directive: &Directive<'_>, text: &[u8], out: &mut Vec<u8>) {
    pad_with(directive, text, if directive.zero { b'0' } else { b' ' }, out);
}

fn pad_with(directive: &Directive<'_>, text: &[u8], fill: u8, out: &mut Vec<u8>) {
    let missing = match directive.width {
        Some(width) => width.saturating_sub(super::characters::characters(text).count()),
        None => 0,
    };
    let (before, after) = if directive.minus { (0, missing) } else { (missing, 0) };
    out.extend(std::iter::repeat_n(fill, before));
    out.extend_from_slice(text);
    out.extend(std::iter::repeat_n(b' ', after));
}
