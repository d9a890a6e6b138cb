//! Push requests from the wire: Snappy and protobuf, or JSON.
//!
//! Lines of the usual form are borrowed from the request, so that a receiver that only counts copies
//! nothing. It never guesses: what Loki would not understand is refused, so that it becomes a finding
//! about the sender.

mod json;
mod protobuf;

use std::borrow::Cow;
use std::io::Read;

use prometheus_model::label_set::LabelSet;

pub(crate) use self::protobuf::parse_labels;

/// Largest request in bytes, decompressed.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// One entry of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushedEntry<'a> {
    /// Nanoseconds since 1970.
    pub(crate) timestamp_ns: i64,
    /// Any bytes.
    pub(crate) line: Cow<'a, [u8]>,
    /// Structured metadata, as sent.
    pub(crate) metadata: Vec<(String, String)>,
}

/// One stream of a request.
pub(crate) type PushedStream<'a> = (LabelSet, Vec<PushedEntry<'a>>);

/// What a request cannot be, for the answer: the sender reads it in its log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DecodeError(String);

impl DecodeError {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A request, decompressed.
#[derive(Debug)]
pub(crate) enum Body {
    /// A message of Loki's `logproto.PushRequest`.
    Protobuf(Vec<u8>),
    /// `{"streams": [...]}`
    Json(Vec<u8>),
}

impl Body {
    /// Decompresses a body by its content type and encoding. Everything that is not JSON is Snappy
    /// and protobuf, as for Loki.
    pub(crate) fn decompress(
        content_type: &str,
        encoding: &str,
        body: &[u8],
    ) -> Result<Self, DecodeError> {
        if !content_type.trim_start().starts_with("application/json") {
            return snappy(body).map(Self::Protobuf);
        }
        match encoding {
            "" | "identity" => Ok(Self::Json(body.to_vec())),
            "gzip" => inflate("gzip", flate2::read::GzDecoder::new(body)).map(Self::Json),
            "deflate" => {
                inflate("deflate", flate2::read::DeflateDecoder::new(body)).map(Self::Json)
            }
            "snappy" => snappy(body).map(Self::Json),
            other => Err(DecodeError::new(format!(
                "content encoding {other:?}: gzip, deflate and snappy are accepted"
            ))),
        }
    }

    /// The streams, in their order.
    pub(crate) fn streams(&self) -> Result<Vec<PushedStream<'_>>, DecodeError> {
        match self {
            Self::Protobuf(message) => protobuf::streams(message),
            Self::Json(text) => json::streams(text),
        }
    }
}

fn snappy(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let error = |error: snap::Error| DecodeError::new(format!("snappy: {error}"));
    // the length stands at the start: it is known before anything is allocated
    if snap::raw::decompress_len(body).map_err(error)? > MAX_BYTES {
        return Err(too_large());
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(error)
}

fn inflate(name: &str, reader: impl Read) -> Result<Vec<u8>, DecodeError> {
    let mut text = Vec::new();
    let mut reader = reader.take(MAX_BYTES as u64 + 1);
    reader.read_to_end(&mut text).map_err(|error| DecodeError::new(format!("{name}: {error}")))?;
    if text.len() > MAX_BYTES { Err(too_large()) } else { Ok(text) }
}

fn too_large() -> DecodeError {
    DecodeError::new(format!("request is larger than {MAX_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const JSON: &[u8] = br#"{"streams":[{"stream":{"job":"a"},"values":[["1","x"]]}]}"#;

    fn lines(content_type: &str, encoding: &str, body: &[u8]) -> Result<usize, DecodeError> {
        Ok(Body::decompress(content_type, encoding, body)?.streams()?.len())
    }

    #[test]
    fn json_comes_plain_or_compressed() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(JSON).unwrap();
        let mut deflate =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(JSON).unwrap();
        let snappy = snap::raw::Encoder::new().compress_vec(JSON).unwrap();
        for (encoding, body) in [
            ("", JSON),
            ("gzip", &gzip.finish().unwrap()),
            ("deflate", &deflate.finish().unwrap()),
            ("snappy", &snappy),
        ] {
            let content_type = "application/json; charset=utf-8";
            assert_eq!(lines(content_type, encoding, body), Ok(1), "{encoding}");
        }
        assert!(lines("application/json", "zstd", JSON).is_err());
        assert!(lines("application/json", "gzip", JSON).is_err());
    }

    #[test]
    fn what_is_not_snappy_or_too_large_is_refused() {
        assert!(lines("application/x-protobuf", "", JSON).is_err());
        // a header that promises 4 GiB, and nothing after it
        let error = lines("", "", &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]).unwrap_err();
        assert!(error.to_string().contains("larger than"), "{error}");
        let zeros = vec![0; MAX_BYTES + 1];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let error = lines("application/json", "gzip", &gzip.finish().unwrap()).unwrap_err();
        assert!(error.to_string().contains("larger than"), "{error}");
    }
}
