//! Matchers as in Alertmanager: `severity="critical"`, `node=~"gpu-.*"`.

use prometheus_model::label_set::LabelSet;
use prometheus_model::matcher::{Matcher, matches_all, parse_selector};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// All must hold; a label that is absent has the empty value.
#[derive(Debug, Clone, Default)]
pub struct Matchers {
    texts: Vec<String>,
    parsed: Vec<Matcher>,
}

impl Matchers {
    /// From their texts.
    ///
    /// # Errors
    /// The text that is no matcher, and why.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let mut parsed = Vec::new();
        for text in texts {
            match parse_selector(&format!("{{{text}}}")) {
                Ok((matchers, "")) if !matchers.is_empty() => parsed.extend(matchers),
                Ok(_) => {
                    return Err(format!("{text:?} is no matcher such as severity=\"critical\""));
                }
                Err(error) => {
                    return Err(format!(
                        "{text:?} is no matcher such as severity=\"critical\": {error}"
                    ));
                }
            }
        }
        Ok(Self { texts: texts.to_vec(), parsed })
    }

    /// Whether all hold. Without any, everything matches.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        matches_all(&self.parsed, labels)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parsed.is_empty()
    }

    /// As they were written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

impl PartialEq for Matchers {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl<'de> Deserialize<'de> for Matchers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&texts).map_err(D::Error::custom)
    }
}
