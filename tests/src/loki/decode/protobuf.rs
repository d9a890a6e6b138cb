//! `logproto.PushRequest`, read field by field; unknown fields are passed over, a known one of another
//! wire type is refused.
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
        let (1, stream) = field? else { continue };
        let (mut labels, mut entries) = (LabelSet::new(), Vec::new());
        for field in fields(stream.bytes()?) {
            match field? {
                (1, text) => labels = parse_labels(text.bytes()?)?,
                (2, entry) => entries.push(parse_entry(entry.bytes()?)?),
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
            (1, timestamp) => parsed.timestamp_ns = parse_timestamp(timestamp.bytes()?)?,
            (2, line) => parsed.line = Cow::Borrowed(line.bytes()?),
            (3, pair) => parsed.metadata.push(parse_pair(pair.bytes()?)?),
            _ => {}
        }
    }
    Ok(parsed)
}

fn parse_timestamp(timestamp: &[u8]) -> Result<i64, DecodeError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in fields(timestamp) {
        match field? {
            (1, number) => seconds = number.signed()?,
            (2, number) => nanos = number.signed()?,
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
            (1, bytes) => name = text(bytes.bytes()?)?,
            (2, bytes) => value = text(bytes.bytes()?)?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// `{a="b", c="d"}`, with Go's quoting.
pub(crate) fn parse_labels(text: &[u8]) -> Result<LabelSet, DecodeError> {
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
    /// Of eight or four bytes: the protocol has none.
    Fixed,
}

impl<'a> Field<'a> {
    fn bytes(self) -> Result<&'a [u8], DecodeError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(DecodeError::new("protobuf: a number where bytes are due")),
        }
    }

    fn signed(self) -> Result<i64, DecodeError> {
        match self {
            Self::Number(number) => Ok(number.cast_signed()),
            _ => Err(DecodeError::new("protobuf: a field that is no varint where one is due")),
        }
    }
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
    let (length, is_fixed) = match key & 7 {
        0 => return Some((key >> 3, Field::Number(varint(rest)?))),
        1 => (8, true),
        2 => (usize::try_from(varint(rest)?).ok()?, false),
        5 => (4, true),
        _ => return None,
    };
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some((key >> 3, if is_fixed { Field::Fixed } else { Field::Bytes(bytes) }))
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
    fn a_known_field_of_another_wire_type_is_refused() {
        // labels, an entry, and the stream itself as numbers; a line of eight bytes; seconds as bytes
        let requests: [&[u8]; 3] = [b"\x0a\x02\x08\x01", b"\x0a\x02\x10\x01", b"\x08\x01"];
        for request in requests {
            assert!(streams(request).is_err(), "{request:?}");
        }
        assert!(parse_entry(b"\x11........").is_err());
        assert!(parse_timestamp(b"\x0a\x01x").is_err());
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
        assert!(parse_labels(b"{}").unwrap().is_empty());
    }
}
