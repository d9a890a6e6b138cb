//! The push request of Loki in protobuf, written as entries arrive: no tree of messages is built.
//!
//! ```text
//! PushRequest { 1: repeated Stream }
//! Stream      { 1: string labels  2: repeated Entry }
//! Entry       { 1: Timestamp { 1: int64 seconds  2: int32 nanos }  2: bytes line
//!               3: repeated LabelPair { 1: string name  2: string value } }
//! ```
//!
//! Lines are any bytes, so the field is written as bytes; the wire form is the same.

use std::sync::Arc;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Tag bytes: field number times 8, plus 2 for "length follows" or 0 for a varint.
const FIELD_1_BYTES: u8 = 0x0A;
const FIELD_2_BYTES: u8 = 0x12;
const FIELD_3_BYTES: u8 = 0x1A;
const FIELD_1_VARINT: u8 = 0x08;
const FIELD_2_VARINT: u8 = 0x10;

fn varint_length(value: u64) -> usize {
    // 7 bits a byte, at least one
    ((value | 1).ilog2() / 7 + 1) as usize
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn bytes_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

/// Size in bytes of one pair of structured metadata on the wire: it counts against `batchsize`.
pub fn pair_size(name: &str, value: &str) -> usize {
    bytes_length(bytes_length(name.len()) + bytes_length(value.len()))
}

/// Appends one entry to a stream's list of entries.
pub fn put_entry(
    out: &mut Vec<u8>,
    timestamp_ns: i64,
    line: &[u8],
    metadata: &[(Arc<str>, String)],
) {
    // Euclidean: nanos are never negative, also before 1970.
    let seconds = timestamp_ns.div_euclid(NANOS_PER_SECOND).cast_unsigned();
    let nanos = timestamp_ns.rem_euclid(NANOS_PER_SECOND).cast_unsigned();
    let timestamp = usize::from(seconds != 0) * (1 + varint_length(seconds))
        + usize::from(nanos != 0) * (1 + varint_length(nanos));
    let pairs: usize = metadata.iter().map(|(name, value)| pair_size(name, value)).sum();
    let length = bytes_length(timestamp) + bytes_length(line.len()) + pairs;

    out.reserve(length + 6);
    out.push(FIELD_2_BYTES);
    put_varint(out, length as u64);
    out.push(FIELD_1_BYTES);
    put_varint(out, timestamp as u64);
    if seconds != 0 {
        out.push(FIELD_1_VARINT);
        put_varint(out, seconds);
    }
    if nanos != 0 {
        out.push(FIELD_2_VARINT);
        put_varint(out, nanos);
    }
    put_bytes(out, FIELD_2_BYTES, line);
    for (name, value) in metadata {
        out.push(FIELD_3_BYTES);
        put_varint(out, (bytes_length(name.len()) + bytes_length(value.len())) as u64);
        put_bytes(out, FIELD_1_BYTES, name.as_bytes());
        put_bytes(out, FIELD_2_BYTES, value.as_bytes());
    }
}

/// Appends one stream: its labels, and the entries that [`put_entry`] wrote.
pub fn put_stream(out: &mut Vec<u8>, labels: &str, entries: &[u8]) {
    out.push(FIELD_1_BYTES);
    put_varint(out, (bytes_length(labels.len()) + entries.len()) as u64);
    put_bytes(out, FIELD_1_BYTES, labels.as_bytes());
    out.extend_from_slice(entries);
}

/// Compresses requests as Loki expects them, one Snappy block each.
#[derive(Debug, Default)]
pub struct Compressor {
    scratch: Vec<u8>,
}

impl Compressor {
    /// A compressed copy of a request, without a byte of spare memory: several wait in queues.
    ///
    /// # Errors
    /// Over 4 GiB, which no batch reaches.
    pub fn compress(&mut self, request: &[u8]) -> Result<Vec<u8>, snap::Error> {
        self.scratch.resize(snap::raw::max_compress_len(request.len()), 0);
        let length = snap::raw::Encoder::new().compress(request, &mut self.scratch)?;
        Ok(self.scratch[..length].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_published_bytes() {
        let mut entries = Vec::new();
        put_entry(
            &mut entries,
            1_500_000_000_000_000_007,
            b"hi",
            &[(Arc::from("t"), "x".to_owned())],
        );
        let mut request = Vec::new();
        put_stream(&mut request, r#"{a="b"}"#, &entries);
        let expected = [
            &[0x0A, 33, 0x0A, 7][..],
            br#"{a="b"}"#,
            &[0x12, 22, 0x0A, 8, 0x08, 0x80, 0xDE, 0xA0, 0xCB, 0x05, 0x10, 7],
            &[0x12, 2],
            b"hi",
            &[0x1A, 6, 0x0A, 1, b't', 0x12, 1, b'x'],
        ]
        .concat();
        assert_eq!(request, expected);
    }

    #[test]
    fn times_before_1970_have_positive_nanoseconds() {
        let mut entry = Vec::new();
        put_entry(&mut entry, -1, b"", &[]);
        // seconds -1 as a ten byte varint, nanos 999999999
        assert_eq!(&entry[4..14], [8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(&entry[14..21], [0x01, 0x10, 0xFF, 0x93, 0xEB, 0xDC, 0x03]);
    }

    #[test]
    fn varint_lengths_are_what_is_written() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_length(value), "{value}");
        }
    }
}
