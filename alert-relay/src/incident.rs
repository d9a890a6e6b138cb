//! What people are told about: an incident with its members, the deliveries that tell it, and the
//! records that explain it.
//!
//! Everything here is stored as JSON in the journal: fields may be added with a default, and are
//! never given another meaning.

mod changes;
mod delivery;
mod input;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use changes::{Changes, Notice, Row, Table};
pub use delivery::{Answer, Delivery, DeliveryId, Kind, Receipt, State as DeliveryState};
pub use input::{Input, Observation, Source, Told};
pub use record::{Event, Reason, Record};

use crate::alert::Identity;
use crate::time::Moment;

/// Names an incident to PagerDuty and everywhere else: `ar1-` and 40 hexadecimal digits.
///
/// It holds nothing random and no clock, so that two replicas, or one before and after a crash,
/// name the same trouble alike and PagerDuty collapses what was sent twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentKey(String);

impl IncidentKey {
    /// From what makes the incident: the parts are told apart from each other.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut key = "ar1-".to_owned();
        for byte in hash.finalize().iter().take(20) {
            let _ = write!(key, "{byte:02x}");
        }
        Self(key)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An incident among those of its key: the key, and how many with that key came before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentId {
    /// Shared with earlier incidents of the same trouble.
    pub key: IncidentKey,
    /// Counts from 1.
    pub number: u32,
}

/// `KEY.NUMBER`, as in URLs and on the command line.
impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key, self.number)
    }
}

impl IncidentId {
    /// From `KEY.NUMBER`.
    pub fn parse(text: &str) -> Option<Self> {
        let (key, number) = text.split_once('.')?;
        let digits = key.strip_prefix("ar1-")?;
        let is_key = digits.len() == 40
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_key && is_number)?;
        Some(Self { key: IncidentKey(key.to_owned()), number })
    }
}

/// How bad it is, from the label `severity` by a configurable table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To be looked at some day.
    #[default]
    Info,
    /// In business hours.
    Warning,
    /// Soon.
    Error,
    /// Now.
    Critical,
}

impl Severity {
    /// As PagerDuty writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// Where an incident is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Phase {
    /// Nobody was told yet: it waits for its cause, or its class ends by itself most of the time.
    Held {
        /// When it is told if it has not ended.
        until: Moment,
    },
    /// It was told.
    Open,
    /// Part of another incident, which tells it.
    Folded,
    /// All its members have ended.
    Resolved {
        /// When.
        at: Moment,
    },
}

/// What people are told about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name.
    pub id: IncidentId,
    /// Values of the class labels, in the order of the configuration; for people `alertname` first.
    pub class: Vec<String>,
    /// What it is about, for example `node=gpu-7`.
    pub entity: String,
    /// `alertname` of the first member.
    pub name: String,
    /// The worst that it had.
    pub severity: Severity,
    /// Where it is in its life.
    pub phase: Phase,
    /// The first alert's beginning.
    pub starts_at: Moment,
    /// When it was first seen here.
    pub opened_at: Moment,
    /// When anything of it last changed.
    pub changed_at: Moment,
    /// Alerts that fire.
    pub firing: BTreeSet<Identity>,
    /// How many different alerts it had.
    pub total: u32,
    /// Alerts of other classes that are told by this one, by reason.
    #[serde(default)]
    pub folded: BTreeMap<Reason, u32>,
    /// The incident that tells this one.
    #[serde(default)]
    pub parent: Option<IncidentId>,
    /// Begun and ended so often that single changes are not told.
    #[serde(default)]
    pub is_flapping: bool,
    /// At how many members the storm was last announced; 0 while it is none.
    #[serde(default)]
    pub announced: u32,
    /// Every Alertmanager that knows it suppresses it by a silence.
    #[serde(default)]
    pub silenced_by: Vec<String>,
    /// Who said that they look at it, and when.
    #[serde(default)]
    pub acknowledged: Option<(String, Moment)>,
    /// What people said of it.
    #[serde(default)]
    pub feedback: Option<Feedback>,
    /// Never held back or folded away.
    #[serde(default)]
    pub always_page: bool,
    /// A page was planned.
    #[serde(default)]
    pub is_paged: bool,
    /// What the destinations need to speak of it again, by destination. It is what they were told
    /// with, whatever the configuration says by now.
    #[serde(default)]
    pub receipts: BTreeMap<String, Receipt>,
    /// The texts that messages show: of the member that opened it.
    pub summary: String,
    /// As the summary.
    #[serde(default)]
    pub description: String,
    /// `http` or `https`, else empty.
    #[serde(default)]
    pub runbook_url: String,
    /// As the runbook.
    #[serde(default)]
    pub dashboard_url: String,
    /// As the runbook.
    #[serde(default)]
    pub generator_url: String,
    /// Of the alert that opened it: routes go by them.
    #[serde(default)]
    pub opening_labels: BTreeMap<String, String>,
    /// Labels that all members have alike, sorted by name.
    #[serde(default)]
    pub common_labels: BTreeMap<String, String>,
}

/// What a person said of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// It was worth it.
    Useful,
    /// Nobody had to act.
    NotActionable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_mix_up_their_parts() {
        let key = IncidentKey::of(["ab", "c"]);
        assert_eq!(key.as_str().len(), 44);
        assert!(key.as_str().starts_with("ar1-"));
        assert_ne!(key, IncidentKey::of(["a", "bc"]));
        assert_eq!(key, IncidentKey::of(["ab", "c"]));
    }

    #[test]
    fn ids_are_read_as_they_are_written_and_nothing_else_is() {
        let id = IncidentId { key: IncidentKey::of(["a"]), number: 7 };
        assert_eq!(IncidentId::parse(&id.to_string()), Some(id.clone()));
        let key = id.key.as_str();
        for text in ["", key, &format!("{key}."), &format!("{key}.+1"), &format!("{key}0.1"), "x.1"]
        {
            assert_eq!(IncidentId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn severities_are_ordered() {
        assert!(Severity::Critical > Severity::Error && Severity::Warning > Severity::Info);
    }
}
