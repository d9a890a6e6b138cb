//! What tells an alert from others: its labels, but for those that replicas of one Prometheus
//! differ by.

use std::fmt;

use prometheus_model::label_set::LabelSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// 128 bits of SHA-256: nobody can make two alerts with one identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    /// Of these labels without the `ignored` ones.
    pub fn of(labels: &LabelSet, ignored: &[String]) -> Self {
        let mut hash = Sha256::new();
        for (name, value) in labels.iter() {
            if ignored.iter().any(|label| label == name) {
                continue;
            }
            for text in [name, value] {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
        let mut identity = [0; 16];
        identity.copy_from_slice(&hash.finalize()[..16]);
        Self(identity)
    }

    /// From its bytes, as the journal has them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_whole = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_whole.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_have_one_identity_and_other_labels_another() {
        let ignored = ["replica".to_owned()];
        let of = |labels: &[(&str, &str)]| {
            Identity::of(&labels.iter().copied().collect::<LabelSet>(), &ignored)
        };
        let identity = of(&[("alertname", "A"), ("replica", "a")]);
        assert_eq!(identity, of(&[("replica", "b"), ("alertname", "A")]));
        assert_ne!(identity, of(&[("alertname", "A"), ("x", "")]));
        assert_ne!(of(&[("a", "bc")]), of(&[("ab", "c")]));
        assert_eq!(Identity::parse(&identity.to_string()), Some(identity));
    }
}
