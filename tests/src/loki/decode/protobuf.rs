//! `logproto.PushRequest`, read field by field; unknown fields are passed over.
//!
//! ```text
//! PushRequest { 1: repeated Stream }
//! Stream      { 1: labels  2: repeated Entry }
//! Entry       { 1: Timestamp { 1: seconds  2: nanos }  2: line  3: repeated Pair { 1: name  2: value } }
//! ```
//!
//! A line is bytes: shippers send what stands in the file.

use std::borrow::Cow;

use prometheus_model::label_set::LabelSet;
use prometheus_model::matcher::{self, Operator};

use super::{DecodeError, PushedEntry, PushedStream};

pub(super) fn streams(request: &[u8]) -> Result<Vec<PushedStream<'_>>, DecodeError> {
    let mut streams = Vec::new();
    for field in fields(request) {
        let (1, Field::Bytes(stream)) = field? else { continue };
        let (mut labels, mut entries) = (LabelSet::new(), Vec::new());
        for field in fields(stream) {
            match field? {
                (1, Field::Bytes(text)) => labels = parse_labels(text)?,
                (2, Field::Bytes(entry)) => entries.push(parse_entry(entry)?),
                _ => {}
            }
        }
        streams.push((labels, entries));
    }
    Ok(streams)
}

fn parse_entry(entry: &[u8]) -> Result<PushedEntry<'_>, DecodeError> {
    let mut parsed =
        PushedEntry { timestamp_ns: 0, line: Cow::Borrowed(&[]), metadata: Vec::new() };
    for field in fields(entry) {
        match field? {
            (1, Field::Bytes(timestamp)) => parsed.timestamp_ns = parse_timestamp(timestamp)?,
            (2, Field::Bytes(line)) => parsed.line = Cow::Borrowed(line),
            (3, Field::Bytes(pair)) => parsed.metadata.push(parse_pair(pair)?),
            _ => {}
        }
    }
    Ok(parsed)
}

fn parse_timestamp(timestamp: &[u8]) -> Result<i64, DecodeError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in fields(timestamp) {
        match field? {
            (1, Field::Number(number)) => seconds = number.cast_signed(),
            (2, Field::Number(number)) => nanos = number.cast_signed(),
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn parse_pair(pair: &[u8]) -> Result<(String, String), DecodeError> {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec());
        text.map_err(|_| DecodeError::new("protobuf: structured metadata is not UTF-8"))
    };
    let (mut name, mut value) = (String::new(), String::new());
    for field in fields(pair) {
        match field? {
            (1, Field::Bytes(bytes)) => name = text(bytes)?,
            (2, Field::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// `{a="b", c="d"}`, with Go's quoting.
fn parse_labels(text: &[u8]) -> Result<LabelSet, DecodeError> {
    let text = std::str::from_utf8(text).map_err(|_| DecodeError::new("labels are not UTF-8"))?;
    let refuse = |why: &str| DecodeError::new(format!("labels `{text}`: {why}"));
    let (matchers, rest) =
        matcher::parse_selector(text).map_err(|error| DecodeError::new(error.to_string()))?;
    if !rest.is_empty() {
        return Err(refuse("text after the closing brace"));
    }
    let mut labels = LabelSet::new();
    for matcher in matchers {
        if matcher.operator() != Operator::Equal {
            return Err(refuse("a stream has values, not conditions"));
        }
        if labels.get(matcher.name()).is_some() {
            return Err(refuse("a name occurs twice"));
        }
        labels.set(matcher.name(), matcher.value());
    }
    Ok(labels)
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Fields of one message: number and value.
fn fields(message: &[u8]) -> impl Iterator<Item = Result<(u64, Field<'_>), DecodeError>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next_field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(
            field
                .ok_or_else(|| DecodeError::new("protobuf: a field does not fit into its message")),
        )
    })
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let key = varint(rest)?;
    let length = match key & 7 {
        0 => return Some((key >> 3, Field::Number(varint(rest)?))),
        1 => 8,
        2 => usize::try_from(varint(rest)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some((key >> 3, Field::Bytes(bytes)))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::push_request;
    use super::*;

    #[test]
    fn streams_have_labels_times_lines_and_metadata() {
        let line = &b"any \xFF bytes"[..];
        let request =
            push_request(&[(r#"{b="x\"\n", a="1"}"#, &[(1_500_000_000_000_000_007, line)])]);
        let streams = streams(&request).unwrap();
        let (labels, entries) = &streams[0];
        assert_eq!(labels.to_string(), r#"{a="1", b="x\"\n"}"#);
        assert_eq!((entries[0].timestamp_ns, &*entries[0].line), (1_500_000_000_000_000_007, line));
        // 3: { 1: "k"  2: "v" }, then an unknown field of each wire type
        let entry = b"\x1a\x06\x0a\x01k\x12\x01v\x50\x01\x59........\x62\x01x\x6d....";
        assert_eq!(parse_entry(entry).unwrap().metadata, [("k".to_owned(), "v".to_owned())]);
    }

    #[test]
    fn times_before_1970_are_negative() {
        // seconds = -1 as ten bytes, nanos = 5
        let timestamp = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";
        assert_eq!(parse_timestamp(timestamp).unwrap(), -999_999_995);
    }

    #[test]
    fn messages_cut_anywhere_are_refused_or_shorter_but_never_panic() {
        let whole = push_request(&[(r#"{a="1"}"#, &[(1, b"line"), (2, b"more")])]);
        for end in 1..whole.len() {
            assert!(streams(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn labels_that_are_none_are_refused() {
        for labels in ["", "{", "a=1", r#"{a="1"} x"#, r#"{a=~"1"}"#, r#"{a="1", a="2"}"#] {
            assert!(parse_labels(labels.as_bytes()).is_err(), "{labels}");
        }
        assert!(parse_labels(b"{a=\"\xFF\"}").is_err());
    }
}
