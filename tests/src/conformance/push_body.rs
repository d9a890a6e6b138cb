//! What a push request carries: Loki's protobuf (snappy block) or JSON, decoded into entries.
//!
//! The decoder is strict: whatever it cannot read is a finding about the shipper, so it must never
//! guess or skip.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use serde_json::Value;

use super::label_text::{self, LabelTextError};

/// A body that Loki would not understand either.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum PushBodyError {
    /// No snappy block.
    #[error("body is no snappy block")]
    Snappy(#[source] snap::Error),
    /// The declared `Content-Encoding` does not fit.
    #[error("body cannot be decompressed")]
    Decompress(#[source] std::io::Error),
    /// No protobuf message of the push protocol.
    #[error("protobuf: {0}")]
    Protobuf(&'static str),
    /// No JSON.
    #[error("body is no JSON")]
    Json(#[source] serde_json::Error),
    /// JSON of another shape.
    #[error("JSON push: {0}")]
    Shape(&'static str),
    /// The label text of a stream.
    #[error("labels of a stream")]
    Labels(#[source] LabelTextError),
}

/// One stream of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PushedStream {
    /// Its labels.
    pub(super) labels: Arc<BTreeMap<String, String>>,
    /// Its entries, in the order of the body.
    pub(super) entries: Vec<PushedEntry>,
}

/// One entry of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PushedEntry {
    /// Nanoseconds since 1970.
    pub(super) timestamp_ns: i128,
    /// The line: any bytes.
    pub(super) line: Vec<u8>,
    /// Structured metadata, as sent.
    pub(super) metadata: Vec<(String, String)>,
}

/// Decodes a body by its `Content-Type` and `Content-Encoding`: JSON (plain, gzip, deflate, snappy),
/// everything else as a snappy block of protobuf.
///
/// # Errors
///
/// [`PushBodyError`] for anything that is not fully understood.
pub(super) fn decode(
    content_type: &str,
    content_encoding: &str,
    body: &[u8],
) -> Result<Vec<PushedStream>, PushBodyError> {
    if content_type.split(';').next().unwrap_or_default().trim() != "application/json" {
        return decode_protobuf(&unsnap(body)?);
    }
    let mut plain = Vec::new();
    match content_encoding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        "deflate" => flate2::read::ZlibDecoder::new(body).read_to_end(&mut plain),
        "snappy" => return decode_json(&unsnap(body)?),
        _ => return decode_json(body),
    }
    .map_err(PushBodyError::Decompress)?;
    decode_json(&plain)
}

fn unsnap(body: &[u8]) -> Result<Vec<u8>, PushBodyError> {
    snap::raw::Decoder::new().decompress_vec(body).map_err(PushBodyError::Snappy)
}

/// One field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(self) -> Result<&'a [u8], PushBodyError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err(PushBodyError::Protobuf("a number where text is due")),
        }
    }

    fn signed(self) -> Result<i64, PushBodyError> {
        match self {
            Self::Number(number) => Ok(number.cast_signed()),
            Self::Bytes(_) => Err(PushBodyError::Protobuf("text where a number is due")),
        }
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, PushBodyError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) =
            rest.split_first().ok_or(PushBodyError::Protobuf("varint runs off the end"))?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(PushBodyError::Protobuf("varint of more than ten bytes"))
}

/// The next field, or `None` at the end of the message.
fn next_field<'a>(rest: &mut &'a [u8]) -> Result<Option<(u64, Field<'a>)>, PushBodyError> {
    if rest.is_empty() {
        return Ok(None);
    }
    let key = varint(rest)?;
    let field = match key & 7 {
        0 => Field::Number(varint(rest)?),
        2 => {
            let length = usize::try_from(varint(rest)?).unwrap_or(usize::MAX);
            let (bytes, tail) = rest
                .split_at_checked(length)
                .ok_or(PushBodyError::Protobuf("field runs off the end"))?;
            *rest = tail;
            Field::Bytes(bytes)
        }
        _ => return Err(PushBodyError::Protobuf("a wire type that the protocol does not use")),
    };
    Ok(Some((key >> 3, field)))
}

fn decode_protobuf(mut body: &[u8]) -> Result<Vec<PushedStream>, PushBodyError> {
    let mut streams = Vec::new();
    while let Some((number, field)) = next_field(&mut body)? {
        if number != 1 {
            continue;
        }
        let mut message = field.bytes()?;
        let (mut labels, mut entries) = (&b"{}"[..], Vec::new());
        while let Some((number, field)) = next_field(&mut message)? {
            match number {
                1 => labels = field.bytes()?,
                2 => entries.push(decode_entry(field.bytes()?)?),
                _ => {}
            }
        }
        let labels = Arc::new(label_text::parse(labels).map_err(PushBodyError::Labels)?);
        streams.push(PushedStream { labels, entries });
    }
    Ok(streams)
}

fn decode_entry(mut message: &[u8]) -> Result<PushedEntry, PushBodyError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    let mut entry = PushedEntry { timestamp_ns: 0, line: Vec::new(), metadata: Vec::new() };
    while let Some((number, field)) = next_field(&mut message)? {
        match number {
            1 => {
                let mut timestamp = field.bytes()?;
                while let Some((number, field)) = next_field(&mut timestamp)? {
                    match number {
                        1 => seconds = field.signed()?,
                        2 => nanos = field.signed()?,
                        _ => {}
                    }
                }
            }
            2 => entry.line = field.bytes()?.to_vec(),
            3 => {
                let mut pair = field.bytes()?;
                let (mut name, mut value) = (String::new(), String::new());
                while let Some((number, field)) = next_field(&mut pair)? {
                    match number {
                        1 => name = label_text::printable(field.bytes()?),
                        2 => value = label_text::printable(field.bytes()?),
                        _ => {}
                    }
                }
                entry.metadata.push((name, value));
            }
            _ => {}
        }
    }
    entry.timestamp_ns = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Ok(entry)
}

fn decode_json(body: &[u8]) -> Result<Vec<PushedStream>, PushBodyError> {
    let shape = PushBodyError::Shape;
    let push: Value = serde_json::from_slice(body).map_err(PushBodyError::Json)?;
    let streams = push.get("streams").and_then(Value::as_array).ok_or(shape("no `streams`"))?;
    let mut decoded = Vec::with_capacity(streams.len());
    for stream in streams {
        let labels = text_pairs(stream.get("stream"))?.into_iter().collect();
        let values = stream.get("values").and_then(Value::as_array).ok_or(shape("no `values`"))?;
        let mut entries = Vec::with_capacity(values.len());
        for value in values {
            let timestamp_ns = value
                .get(0)
                .and_then(Value::as_str)
                .and_then(|text| text.parse().ok())
                .ok_or(shape("a timestamp that is no text of nanoseconds"))?;
            let line =
                value.get(1).and_then(Value::as_str).ok_or(shape("a line that is no text"))?;
            entries.push(PushedEntry {
                timestamp_ns,
                line: line.as_bytes().to_vec(),
                metadata: text_pairs(value.get(2))?,
            });
        }
        decoded.push(PushedStream { labels: Arc::new(labels), entries });
    }
    Ok(decoded)
}

fn text_pairs(object: Option<&Value>) -> Result<Vec<(String, String)>, PushBodyError> {
    let Some(object) = object else { return Ok(Vec::new()) };
    let object = object.as_object().ok_or(PushBodyError::Shape("labels that are no object"))?;
    object
        .iter()
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect::<Option<_>>()
        .ok_or(PushBodyError::Shape("a label value that is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wraps `content` as field `number` with a length.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        assert!(length < 0x80, "one length byte only");
        [&[number << 3 | 2, length][..], content].concat()
    }

    fn snapped(body: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(body).unwrap()
    }

    #[test]
    fn protobuf_gives_labels_time_line_and_metadata() {
        let pair = [field(1, b"trace"), field(2, b"7")].concat();
        let entry = [field(1, &[0x08, 2, 0x10, 5]), field(2, b"a\xff"), field(3, &pair)].concat();
        let stream = [field(1, br#"{job="x"}"#), field(2, &entry)].concat();
        let streams = decode("application/x-protobuf", "", &snapped(&field(1, &stream))).unwrap();
        assert_eq!(streams.len(), 1);
        assert_eq!(streams[0].labels["job"], "x");
        assert_eq!(
            streams[0].entries,
            [PushedEntry {
                timestamp_ns: 2_000_000_005,
                line: b"a\xff".to_vec(),
                metadata: vec![("trace".to_owned(), "7".to_owned())],
            }]
        );
    }

    #[test]
    fn json_may_be_compressed() {
        let body = br#"{"streams":[{"stream":{"a":"b"},"values":[["12","line",{"m":"n"}]]}]}"#;
        let plain = decode("application/json; charset=utf-8", "", body).unwrap();
        assert_eq!(plain[0].entries[0].timestamp_ns, 12);
        assert_eq!(decode("application/json", "snappy", &snapped(body)).unwrap(), plain);
    }

    #[test]
    fn a_cut_body_is_refused() {
        let stream = field(1, br#"{job="x"}"#);
        let message = field(1, &stream);
        for end in 1..message.len() {
            assert!(decode("", "", &snapped(&message[..end])).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn json_of_another_shape_is_refused() {
        for body in [r"[]", r#"{"streams":[{"values":[["x","l"]]}]}"#, r#"{"streams":[{}]}"#] {
            assert!(decode("application/json", "", body.as_bytes()).is_err(), "{body}");
        }
    }
}
