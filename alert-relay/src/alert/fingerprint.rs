//! The fingerprint that Alertmanager gives an alert: FNV-1a of 64 bits over its labels.
//!
//! It is for looking an alert up there. Being 64 bits without a key, it is not what tells alerts
//! apart here.

use std::fmt;

use prometheus_model::label_set::LabelSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const OFFSET: u64 = 14_695_981_039_346_656_037;
const PRIME: u64 = 1_099_511_628_211;

/// Ends every name and value; UTF-8 does not have it.
const SEPARATOR: u8 = 0xff;

/// 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of these labels, the replica's ones included.
    pub fn of(labels: &LabelSet) -> Self {
        let mut hash = OFFSET;
        for (name, value) in labels.iter() {
            for text in [name, value] {
                for byte in text.bytes().chain([SEPARATOR]) {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
                }
            }
        }
        Self(hash)
    }

    /// From its digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_whole = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_whole.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 16 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_labels_give_the_offset() {
        assert_eq!(Fingerprint::of(&LabelSet::new()).to_string(), "cbf29ce484222325");
    }

    #[test]
    fn digits_are_read_and_nothing_else() {
        let fingerprint = Fingerprint::parse("00ffe6f683ee3ed6").unwrap();
        assert_eq!(fingerprint.to_string(), "00ffe6f683ee3ed6");
        for text in ["", "+0ffe6f683ee3ed6", "00ffe6f683ee3ed", "00ffe6f683ee3ed6a"] {
            assert_eq!(Fingerprint::parse(text), None, "{text:?}");
        }
    }
}
