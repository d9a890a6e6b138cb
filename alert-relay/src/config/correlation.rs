//! How few incidents are made from many alerts. Every default is one of the reference: chosen so
//! that a first critical alert is never late.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::matching::Matchers;
use super::{duration, minutes};
use crate::calendar::{Hours, Window};
use crate::incident::Severity;

/// `correlation`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Correlation {
    /// Labels that make the class of an alert.
    pub class_labels: Vec<String>,
    /// Values of the label `severity`; others are `info`.
    pub severities: BTreeMap<String, Severity>,
    /// An incident that began again within this time goes on.
    #[serde(deserialize_with = "duration::deserialize")]
    pub reopen_window: Duration,
    /// An alert of a class joins an open incident of the class that had its last new alert within
    /// this time.
    #[serde(deserialize_with = "duration::deserialize")]
    pub join_window: Duration,
    /// Less than critical waits this long for its cause.
    #[serde(deserialize_with = "duration::deserialize")]
    pub cause_hold: Duration,
    /// When the cause ended and a symptom fires on, it is an incident of its own after this time.
    #[serde(deserialize_with = "duration::deserialize")]
    pub orphan_after: Duration,
    /// A critical incident that nobody acknowledged is told again after this time; `0s` never.
    #[serde(deserialize_with = "duration::deserialize")]
    pub remind_after: Duration,
    /// Alerts that begin and end again and again.
    pub flapping: Flapping,
    /// Many alerts at once.
    pub storm: Storm,
    /// What depends on what.
    pub dependencies: Vec<Dependency>,
    /// Planned work.
    pub maintenance: Vec<Maintenance>,
    /// When people work, by name.
    pub business_hours: BTreeMap<String, BusinessHours>,
    /// Classes that end by themselves most of the time.
    pub probation: Probation,
}

impl Default for Correlation {
    fn default() -> Self {
        let severities = [
            ("critical", Severity::Critical),
            ("page", Severity::Critical),
            ("error", Severity::Error),
            ("warning", Severity::Warning),
            ("info", Severity::Info),
            ("none", Severity::Info),
        ];
        Self {
            class_labels: ["alertname", "cluster", "severity"].map(str::to_owned).to_vec(),
            severities: severities.map(|(name, value)| (name.to_owned(), value)).into(),
            reopen_window: minutes(15),
            join_window: minutes(15),
            cause_hold: minutes(1),
            orphan_after: minutes(5),
            remind_after: minutes(30),
            flapping: Flapping::default(),
            storm: Storm::default(),
            dependencies: Vec::new(),
            maintenance: Vec::new(),
            business_hours: BTreeMap::new(),
            probation: Probation::default(),
        }
    }
}

/// `correlation.flapping`: a penalty that grows by one with every change and halves with time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flapping {
    /// The penalty halves in this time.
    #[serde(deserialize_with = "duration::deserialize")]
    pub half_life: Duration,
    /// From this penalty on single changes are not told.
    pub suppress_at: f64,
    /// Down to this penalty they are told again.
    pub reuse_at: f64,
    /// No longer than this.
    #[serde(deserialize_with = "duration::deserialize")]
    pub at_most: Duration,
    /// Firing this long without a change is an outage.
    #[serde(deserialize_with = "duration::deserialize")]
    pub stable_on: Duration,
    /// Quiet this long is an end.
    #[serde(deserialize_with = "duration::deserialize")]
    pub stable_off: Duration,
}

impl Default for Flapping {
    fn default() -> Self {
        Self {
            half_life: minutes(30),
            suppress_at: 3.0,
            reuse_at: 1.0,
            at_most: minutes(240),
            stable_on: minutes(10),
            stable_off: minutes(15),
        }
    }
}

/// `correlation.storm`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storm {
    /// New alerts of a class are counted over this time.
    #[serde(deserialize_with = "duration::deserialize")]
    pub window: Duration,
    /// So many are a storm.
    pub from: u32,
    /// A storm is announced again when it has grown by this factor.
    pub announce_factor: u32,
    /// New messages in one channel in ten minutes; more become one digest. Critical ones are exempt.
    pub channel_limit: u32,
}

impl Default for Storm {
    fn default() -> Self {
        Self { window: minutes(1), from: 5, announce_factor: 4, channel_limit: 12 }
    }
}

/// One of `correlation.dependencies`: when both fire, the effect is told by the cause. The
/// dependencies of GPUs and pods on their node, and of everything on its cluster, are built in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// Alerts that are causes.
    pub cause: Matchers,
    /// Alerts that are their effects.
    pub effect: Matchers,
    /// Labels that both have with one value; a label that either lacks does not fit.
    pub equal: Vec<String>,
}

/// One of `correlation.maintenance`: begin and end, or begin of the first, duration and repetition.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// For people.
    pub name: String,
    /// Which alerts.
    pub matchers: Matchers,
    /// Local date and time, `2026-11-24T02:00`.
    pub start: String,
    /// Local date and time.
    #[serde(default)]
    pub end: Option<String>,
    /// Instead of an end.
    #[serde(default, deserialize_with = "optional_duration")]
    pub duration: Option<Duration>,
    /// A rule of RFC 5545, for example `FREQ=WEEKLY;BYDAY=SU`.
    #[serde(default)]
    pub rrule: Option<String>,
    /// IANA name of the zone.
    #[serde(default = "utc")]
    pub time_zone: String,
}

impl Maintenance {
    /// The times of it.
    ///
    /// # Errors
    /// The key that is wrong, and what is accepted.
    pub fn window(&self) -> Result<Window, (&'static str, String)> {
        let (end, rrule) = (self.end.as_deref(), self.rrule.as_deref());
        Window::parse(&self.start, end, self.duration, rrule, &self.time_zone)
    }
}

/// One of `correlation.business_hours`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusinessHours {
    /// IANA name of the zone.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// `mon` to `sun`.
    #[serde(default = "weekdays")]
    pub days: Vec<String>,
    /// `09:00`
    #[serde(default = "nine")]
    pub start: String,
    /// `17:00`
    #[serde(default = "five")]
    pub end: String,
}

impl BusinessHours {
    /// The times of them.
    ///
    /// # Errors
    /// The key that is wrong, and what is accepted.
    pub fn hours(&self) -> Result<Hours, (&'static str, String)> {
        Hours::parse(&self.time_zone, &self.days, &self.start, &self.end)
    }
}

/// `correlation.probation`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probation {
    /// Whether classes may be held because of their history.
    pub enabled: bool,
    /// Episodes that are needed to judge.
    pub min_episodes: u32,
    /// Share of them that ended by themselves soon, unacknowledged.
    pub min_self_resolved: f64,
    /// What soon is, and the longest hold.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_hold: Duration,
    /// Weight of an episode halves in this time.
    #[serde(deserialize_with = "duration::deserialize")]
    pub half_life: Duration,
}

impl Default for Probation {
    fn default() -> Self {
        Self {
            enabled: true,
            min_episodes: 10,
            min_self_resolved: 0.8,
            max_hold: minutes(5),
            half_life: minutes(7 * 24 * 60),
        }
    }
}

fn optional_duration<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(from).map(Some)
}

fn utc() -> String {
    "UTC".to_owned()
}

fn weekdays() -> Vec<String> {
    ["mon", "tue", "wed", "thu", "fri"].map(str::to_owned).to_vec()
}

fn nine() -> String {
    "09:00".to_owned()
}

fn five() -> String {
    "17:00".to_owned()
}
