//! Writes small databases in `MaxMind`'s format, so that none has to be committed.
//!
//! Values are JSON: whole numbers become `uint32`, others `double`. Networks may not overlap.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

/// Between the search tree and the data, as the format wants it.
const SEPARATOR: usize = 16;

/// Before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Where one bit of an address leads.
#[derive(Debug, Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    /// Offset in the data.
    Data(usize),
}

/// A database in the making.
#[derive(Debug)]
pub struct GeoDatabase {
    kind: String,
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
}

impl GeoDatabase {
    /// Without networks; `kind` is the `database_type`, such as `GeoLite2-City`.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), nodes: vec![[Record::Nothing; 2]], data: Vec::new() }
    }

    /// Adds the record of `network`, such as `192.0.2.0/24` or `2001:db8::/32`.
    ///
    /// # Panics
    /// When `network` is none, or lies in one that is already there.
    #[must_use]
    pub fn with(mut self, network: &str, record: &Value) -> Self {
        let (address, length) = network.split_once('/').expect("ADDRESS/LENGTH");
        let address: IpAddr = address.parse().expect("an address");
        let length: u32 = length.parse().expect("a length");
        // IPv4 lies in the first 2^32 addresses of the tree.
        let (bits, length) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), length + 96),
            IpAddr::V6(address) => (address.to_bits(), length),
        };
        let offset = self.data.len();
        encode(record, &mut self.data);
        let mut node = 0;
        for depth in 0..length {
            let bit = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.nodes[node][bit] = Record::Data(offset);
                break;
            }
            node = match self.nodes[node][bit] {
                Record::Node(next) => next,
                Record::Nothing => {
                    self.nodes.push([Record::Nothing; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][bit] = Record::Node(next);
                    next
                }
                Record::Data(_) => panic!("{network} lies in another network"),
            };
        }
        self
    }

    /// The file.
    ///
    /// # Panics
    /// With more than some 16 million nodes and bytes, which 24 bits cannot address.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut file = Vec::new();
        for record in self.nodes.iter().flatten() {
            let number = match *record {
                Record::Nothing => count,
                Record::Node(node) => node,
                Record::Data(offset) => count + SEPARATOR + offset,
            };
            let number = u32::try_from(number).expect("a small database");
            assert!(number < 1 << 24, "a small database");
            file.extend_from_slice(&number.to_be_bytes()[1..]);
        }
        file.extend_from_slice(&[0; SEPARATOR]);
        file.extend_from_slice(&self.data);
        file.extend_from_slice(MARKER);
        self.encode_metadata(&mut file);
        file
    }

    /// Readers insist on the width of each number.
    fn encode_metadata(&self, out: &mut Vec<u8>) {
        let texts = [
            ("database_type", json!(self.kind)),
            ("description", json!({"en": "test"})),
            ("languages", json!(["en"])),
        ];
        let count = u64::try_from(self.nodes.len()).expect("a small database");
        let numbers = [
            ("binary_format_major_version", UINT16, 2),
            ("binary_format_minor_version", UINT16, 0),
            ("build_epoch", UINT64, 1_700_000_000),
            ("ip_version", UINT16, 6),
            ("node_count", UINT32, count),
            ("record_size", UINT16, 24),
        ];
        control(MAP, texts.len() + numbers.len(), out);
        for (name, value) in texts {
            encode(&Value::from(name), out);
            encode(&value, out);
        }
        for (name, kind, number) in numbers {
            encode(&Value::from(name), out);
            encode_number(kind, number, out);
        }
    }
}

const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;

/// One value of the data section.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Number(number) => {
            if let Some(number) = number.as_u64() {
                encode_number(UINT32, number, out);
            } else {
                control(3, 8, out);
                let number = number.as_f64().expect("a double");
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
        Value::Object(pairs) => encode_map(pairs, out),
        Value::Array(items) => {
            control(11, items.len(), out);
            for item in items {
                encode(item, out);
            }
        }
        Value::Bool(flag) => control(14, usize::from(*flag), out),
        Value::Null => panic!("the format has no null"),
    }
}

/// Without leading zeros.
fn encode_number(kind: u8, number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let digits = &bytes[number.leading_zeros() as usize / 8..];
    control(kind, digits.len(), out);
    out.extend_from_slice(digits);
}

fn encode_map(pairs: &Map<String, Value>, out: &mut Vec<u8>) {
    control(MAP, pairs.len(), out);
    for (name, value) in pairs {
        encode(&Value::from(name.as_str()), out);
        encode(value, out);
    }
}

/// Type and size: three and five bits, the rest behind them.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, rest) = match u8::try_from(size) {
        Ok(size) if size < 29 => (size, None),
        _ => (29, Some(u8::try_from(size - 29).expect("at most 284 bytes or items"))),
    };
    // Types above 7 stand in a byte of their own.
    if kind > 7 {
        out.extend_from_slice(&[short, kind - 7]);
    } else {
        out.push(kind << 5 | short);
    }
    out.extend(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_format_has_them() {
        for (value, bytes) in [
            (json!("en"), &b"\x42en"[..]),
            (json!(0), b"\xc0"),
            (json!(300), b"\xc2\x01\x2c"),
            (json!(1.5), b"\x68\x3f\xf8\0\0\0\0\0\0"),
            (json!({"a": [true, "b"]}), b"\xe1\x41a\x02\x04\x01\x07\x41b"),
        ] {
            let mut out = Vec::new();
            encode(&value, &mut out);
            assert_eq!(out, bytes, "{value}");
        }
        let mut out = Vec::new();
        encode(&json!("x".repeat(30)), &mut out);
        assert_eq!(out[..2], [0x5d, 1]);
    }

    #[test]
    fn the_tree_leads_to_the_record_of_a_network() {
        let file = GeoDatabase::new("Test").with("8000::/2", &json!("r")).bytes();
        // Two nodes: the first bit is 1, the second 0; the data begins behind 2 + 16.
        assert_eq!(file[..12], [0, 0, 2, 0, 0, 1, 0, 0, 18, 0, 0, 2]);
        assert_eq!(file[12 + SEPARATOR..][..2], *b"\x41r");
    }
}
