//! One message: read from JSON, and written again in a fixed order.
//!
//! The text is what Promtail writes: `<`, `>` and `&` escaped as Go does it, level 0 left out, names of
//! further fields sorted. Integers keep all their digits.

use std::io::{self, Read as _};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use prometheus_model::label_set::LabelSet;
use serde_json::{Number, Value};

use crate::intake::syslog::priority::severity;

/// Bytes of a message after decompression: the longest line that Loki is sent.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Neither gzip nor zlib, or cut.
    #[error("compressed data are damaged")]
    Compression(#[source] io::Error),
    /// A bomb, or a mistake.
    #[error("a message is longer than {MAX_BYTES} bytes after decompression")]
    TooLong,
    /// No JSON. Where it fails, not what stands there.
    #[error("no JSON object (wrong at line {line}, column {column})")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A field of another kind.
    #[error("field {field} is not a {wanted}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
}

/// A message.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    version: String,
    host: String,
    short: String,
    full: String,
    timestamp: Option<Number>,
    level: i64,
    facility: String,
    /// Those whose names begin with `_`, sorted.
    extra: Vec<(String, Value)>,
}

/// Reads a message that is plain, gzip or zlib.
///
/// # Errors
/// What is wrong with it; its content is in no error.
pub fn parse(bytes: &[u8]) -> Result<Message, MessageError> {
    match bytes {
        [0x1f, 0x8b, ..] => json(&inflate(MultiGzDecoder::new(bytes))?),
        [0x78, flags, ..] if (0x7800 + u32::from(*flags)).is_multiple_of(31) => {
            json(&inflate(ZlibDecoder::new(bytes))?)
        }
        plain => json(plain),
    }
}

fn inflate(decoder: impl io::Read) -> Result<Vec<u8>, MessageError> {
    let mut plain = Vec::new();
    decoder.take(MAX_BYTES + 1).read_to_end(&mut plain).map_err(MessageError::Compression)?;
    if plain.len() as u64 > MAX_BYTES {
        return Err(MessageError::TooLong);
    }
    Ok(plain)
}

fn json(text: &[u8]) -> Result<Message, MessageError> {
    // What follows the object, a null byte of some senders, is not looked at.
    let first = serde_json::Deserializer::from_slice(text).into_iter::<Value>().next();
    let fields = match first {
        Some(Ok(Value::Object(fields))) => fields,
        Some(Err(error)) => {
            return Err(MessageError::Json { line: error.line(), column: error.column() });
        }
        _ => return Err(MessageError::Json { line: 1, column: 1 }),
    };
    let mut message = Message::default();
    for (name, value) in fields {
        match name.as_str() {
            "version" => message.version = string("version", value)?,
            "host" => message.host = string("host", value)?,
            "short_message" => message.short = string("short_message", value)?,
            "full_message" => message.full = string("full_message", value)?,
            "facility" => message.facility = string("facility", value)?,
            "timestamp" => message.timestamp = Some(number("timestamp", value)?),
            "level" => message.level = level(&number("level", value)?),
            _ if name.starts_with('_') => message.extra.push((name, value)),
            _ => {}
        }
    }
    message.extra.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(message)
}

fn string(field: &'static str, value: Value) -> Result<String, MessageError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(MessageError::Field { field, wanted: "string" }),
    }
}

fn number(field: &'static str, value: Value) -> Result<Number, MessageError> {
    match value {
        Value::Number(number) => Ok(number),
        _ => Err(MessageError::Field { field, wanted: "number" }),
    }
}

/// Some senders write `3.0`.
fn level(number: &Number) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "levels are 0 to 7; others have no name")]
    number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64)
}

impl Message {
    /// Adds its labels.
    pub fn label(&self, labels: &mut LabelSet) {
        for (name, value) in [
            ("__gelf_message_level", severity(self.level).unwrap_or_default()),
            ("__gelf_message_host", &self.host),
            ("__gelf_message_version", &self.version),
            ("__gelf_message_facility", &self.facility),
        ] {
            if !value.is_empty() {
                labels.set(name, value);
            }
        }
    }

    /// Nanoseconds since 1970, to the microsecond, which is what a floating-point number can say;
    /// `None` when it is absent, zero or out of range.
    pub fn timestamp_ns(&self) -> Option<i64> {
        let seconds = self.timestamp.as_ref()?.as_f64()?;
        if seconds == 0.0 || seconds.abs() >= 9.2e9 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        Some((seconds * 1e6).round() as i64 * 1000)
    }

    /// The whole message.
    pub fn write(&self) -> Vec<u8> {
        let mut out = String::from("{\"version\":");
        push_string(&mut out, &self.version);
        out.push_str(",\"host\":");
        push_string(&mut out, &self.host);
        out.push_str(",\"short_message\":");
        push_string(&mut out, &self.short);
        if !self.full.is_empty() {
            out.push_str(",\"full_message\":");
            push_string(&mut out, &self.full);
        }
        out.push_str(",\"timestamp\":");
        match &self.timestamp {
            Some(number) => push_number(&mut out, number),
            None => out.push('0'),
        }
        if self.level != 0 {
            out.push_str(",\"level\":");
            out.push_str(&self.level.to_string());
        }
        if !self.facility.is_empty() {
            out.push_str(",\"facility\":");
            push_string(&mut out, &self.facility);
        }
        for (name, value) in &self.extra {
            out.push(',');
            push_string(&mut out, name);
            out.push(':');
            push_value(&mut out, value);
        }
        out.push('}');
        out.into_bytes()
    }
}

/// Depth is bounded by the parser's.
fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => push_number(out, number),
        Value::String(text) => push_string(out, text),
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_value(out, value);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_string(out, name);
                out.push(':');
                push_value(out, value);
            }
            out.push('}');
        }
    }
}

/// Without an exponent between 1e-6 and 1e21, and without `.0`.
fn push_number(out: &mut String, number: &Number) {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        out.push_str(&number.to_string());
        return;
    };
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        out.push_str(&if text.contains("e-") { text } else { text.replace('e', "e+") });
    } else {
        out.push_str(&float.to_string());
    }
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..=' ' if character != ' ' => {
                out.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = u32::from(character) >> shift & 0xf;
                    out.push(char::from_digit(digit, 16).unwrap_or_default());
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = r#"{"_b":"x<y","level":3,"short_message":"short","host":"example.org",
        "version":"1.1","timestamp":1385053862.3072,"_a":{"d":1,"c":[1.0,null,1e30]},"line":5,
        "full_message":"full\ntext","facility":"f"}"#;

    const WRITTEN: &str = r#"{"version":"1.1","host":"example.org","short_message":"short","full_message":"full\ntext","timestamp":1385053862.3072,"level":3,"facility":"f","_a":{"c":[1,null,1e+30],"d":1},"_b":"x\u003cy"}"#;

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_message_is_the_same_however_it_is_compressed() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(EXAMPLE.as_bytes()).unwrap();
        let with_null = [EXAMPLE.as_bytes(), b"\0"].concat();
        for bytes in
            [EXAMPLE.as_bytes(), &with_null, &zlib(EXAMPLE.as_bytes()), &gzip.finish().unwrap()]
        {
            let message = parse(bytes).unwrap();
            assert_eq!(String::from_utf8(message.write()).unwrap(), WRITTEN);
            assert_eq!(message.timestamp_ns(), Some(1_385_053_862_307_200_000));
            let mut labels = LabelSet::new();
            message.label(&mut labels);
            let expected: LabelSet = [
                ("__gelf_message_level", "error"),
                ("__gelf_message_host", "example.org"),
                ("__gelf_message_version", "1.1"),
                ("__gelf_message_facility", "f"),
            ]
            .into_iter()
            .collect();
            assert_eq!(labels, expected);
        }
    }

    #[test]
    fn what_is_absent_is_empty_and_level_zero_is_not_written() {
        let message = parse(br#"{"level":0,"_n":12345678901234567890}"#).unwrap();
        let written = String::from_utf8(message.write()).unwrap();
        let head = r#"{"version":"","host":"","short_message":"","timestamp":0"#;
        assert_eq!(written, format!(r#"{head},"_n":12345678901234567890}}"#));
        assert_eq!(message.timestamp_ns(), None);
        let mut labels = LabelSet::new();
        message.label(&mut labels);
        assert_eq!(labels.get("__gelf_message_level"), Some("emergency"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_content() {
        for (bytes, expected) in [
            (&b"secret"[..], "no JSON object (wrong at line 1, column 1)"),
            (b"", "no JSON object (wrong at line 1, column 1)"),
            (b"[1]", "no JSON object (wrong at line 1, column 1)"),
            (br#"{"host":1}"#, "field host is not a string"),
            (br#"{"timestamp":"now"}"#, "field timestamp is not a number"),
            (&zlib(EXAMPLE.as_bytes())[..20], "compressed data are damaged"),
        ] {
            assert_eq!(parse(bytes).unwrap_err().to_string(), expected);
        }
        let bomb = zlib(&vec![b' '; 5 * 1024 * 1024]);
        assert!(bomb.len() < 65_000);
        assert!(matches!(parse(&bomb), Err(MessageError::TooLong)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_parser_and_what_is_written_reads_the_same(
            head in "(\\{\"_[a-c]\":)?",
            tail in prop::collection::vec(any::<u8>(), 0..40),
            text in ".*",
            float in any::<f64>(),
        ) {
            let _ = parse(&[head.as_bytes(), &tail].concat());
            let value = serde_json::json!({ "short_message": text, "_x": float, "_y": [text] });
            let message = parse(value.to_string().as_bytes()).unwrap();
            prop_assert_eq!(&parse(&message.write()).unwrap().short, &text);
            let again: Value = serde_json::from_slice(&message.write()).unwrap();
            prop_assert_eq!(&again["_y"], &value["_y"]);
            prop_assert_eq!(again["_x"].as_f64(), value["_x"].as_f64());
        }
    }
}
