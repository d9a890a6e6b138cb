//! Push requests from the wire: Snappy and protobuf, or JSON.

use std::collections::BTreeMap;
use std::io::Read;

/// Largest request, decompressed.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// One entry of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedEntry {
    /// Nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// Any bytes.
    pub line: Vec<u8>,
    /// Structured metadata, as sent.
    pub metadata: Vec<(String, String)>,
}

/// Labels of a stream.
pub type Labels = BTreeMap<String, String>;

/// Streams of a request, in their order.
pub type Streams = Vec<(Labels, Vec<PushedEntry>)>;

/// What is wrong with a request, for the answer.
pub type DecodeError = String;

/// Decodes a body by its content type and encoding.
///
/// # Errors
/// Where the body is not what the headers say.
pub fn decode(content_type: &str, encoding: &str, body: &[u8]) -> Result<Streams, DecodeError> {
    if content_type.starts_with("application/json") {
        let text = match encoding {
            "" => body.to_vec(),
            "gzip" => {
                let mut text = Vec::new();
                let mut reader = flate2::read::GzDecoder::new(body).take(MAX_BYTES as u64);
                reader.read_to_end(&mut text).map_err(|error| format!("gzip: {error}"))?;
                text
            }
            other => return Err(format!("content encoding {other} is not supported")),
        };
        return json(&text);
    }
    let length = snap::raw::decompress_len(body).map_err(|error| format!("snappy: {error}"))?;
    if length > MAX_BYTES {
        return Err("request is too large".to_owned());
    }
    let request = snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(|error| format!("snappy: {error}"))?;
    protobuf(&request)
}

fn json(text: &[u8]) -> Result<Streams, DecodeError> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let streams = value["streams"].as_array().ok_or("streams is no list")?;
    streams.iter().map(json_stream).collect()
}

fn json_stream(stream: &serde_json::Value) -> Result<(Labels, Vec<PushedEntry>), DecodeError> {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).ok_or("a text is wanted");
    let pairs = |value: &serde_json::Value| -> Result<Vec<(String, String)>, DecodeError> {
        let pairs = value.as_object().into_iter().flatten();
        pairs.map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
    };
    let labels = pairs(&stream["stream"])?.into_iter().collect();
    let values = stream["values"].as_array().ok_or("values is no list")?;
    let entries = values.iter().map(|value| {
        let timestamp = text(&value[0])?;
        Ok(PushedEntry {
            timestamp_ns: timestamp.parse().map_err(|_| format!("timestamp {timestamp:?}"))?,
            line: text(&value[1])?.into_bytes(),
            metadata: pairs(&value[2])?,
        })
    });
    Ok((labels, entries.collect::<Result<_, DecodeError>>()?))
}

fn protobuf(request: &[u8]) -> Result<Streams, DecodeError> {
    let mut streams = Vec::new();
    for field in fields(request) {
        let (1, Field::Bytes(stream)) = field? else { continue };
        let (mut labels, mut entries) = (Labels::new(), Vec::new());
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

fn parse_entry(entry: &[u8]) -> Result<PushedEntry, DecodeError> {
    let mut parsed = PushedEntry { timestamp_ns: 0, line: Vec::new(), metadata: Vec::new() };
    for field in fields(entry) {
        match field? {
            (1, Field::Bytes(timestamp)) => {
                for field in fields(timestamp) {
                    match field? {
                        (1, Field::Number(seconds)) => {
                            let seconds = seconds.cast_signed().saturating_mul(1_000_000_000);
                            parsed.timestamp_ns = parsed.timestamp_ns.saturating_add(seconds);
                        }
                        (2, Field::Number(nanos)) => {
                            parsed.timestamp_ns = parsed.timestamp_ns.saturating_add(nanos.cast_signed());
                        }
                        _ => {}
                    }
                }
            }
            (2, Field::Bytes(line)) => parsed.line = line.to_vec(),
            (3, Field::Bytes(pair)) => {
                let (mut name, mut value) = (String::new(), String::new());
                for field in fields(pair) {
                    match field? {
                        (1, Field::Bytes(text)) => name = String::from_utf8_lossy(text).into_owned(),
                        (2, Field::Bytes(text)) => value = String::from_utf8_lossy(text).into_owned(),
                        _ => {}
                    }
                }
                parsed.metadata.push((name, value));
            }
            _ => {}
        }
    }
    Ok(parsed)
}

/// `{a="b", c="d"}`, with Go's quoting.
fn parse_labels(text: &[u8]) -> Result<Labels, DecodeError> {
    let text = std::str::from_utf8(text).map_err(|_| "labels are not UTF-8")?;
    let (matchers, rest) =
        prometheus_model::matcher::parse_selector(text).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err(format!("labels {text}: text after the closing brace"));
    }
    let mut labels = Labels::new();
    for matcher in matchers {
        if labels.insert(matcher.name().to_owned(), matcher.value().to_owned()).is_some() {
            return Err(format!("labels {text}: {} occurs twice", matcher.name()));
        }
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
        Some(field.ok_or_else(|| "protobuf: a field runs off its message".to_owned()))
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
    use super::*;

    #[test]
    fn json_pushes_are_read() {
        let body = br#"{"streams":[{"stream":{"job":"a"},"values":[["1","x",{"t":"y"}],["2","z"]]}]}"#;
        let streams = decode("application/json", "", body).unwrap();
        assert_eq!(streams[0].0["job"], "a");
        assert_eq!(streams[0].1[0].metadata, [("t".to_owned(), "y".to_owned())]);
        assert_eq!(streams[0].1[1].line, b"z");
    }

    #[test]
    fn protobuf_pushes_are_read_and_broken_ones_refused() {
        let stream = [&[0x0A, 7][..], br#"{a="b"}"#, &[0x12, 10, 0x0A, 4, 0x08, 1, 0x10, 5, 0x12, 2], b"hi"].concat();
        let request = [&[0x0A, u8::try_from(stream.len()).unwrap()][..], &stream].concat();
        let body = snap::raw::Encoder::new().compress_vec(&request).unwrap();
        let streams = decode("application/x-protobuf", "", &body).unwrap();
        assert_eq!(streams[0].1[0].timestamp_ns, 1_000_000_005);
        assert_eq!(streams[0].1[0].line, b"hi");
        assert!(decode("application/x-protobuf", "", b"\xff\xff").is_err());
        let cut = snap::raw::Encoder::new().compress_vec(&request[..request.len() - 1]).unwrap();
        assert!(decode("application/x-protobuf", "", &cut).is_err());
    }
}
