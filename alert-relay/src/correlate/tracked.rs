//! An alert as the decisions know it: as little as they need, because there may be 50,000.
//!
//! Everything that a decision depends on is in the row; what follows from labels and configuration
//! alone is worked out again when the row is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_model::label_set::LabelSet;
use serde::{Deserialize, Serialize};

use super::rules::{Facts, Rules};
use super::symbols::{Symbol, Symbols};
use crate::alert::{Alert, Fingerprint};
use crate::config::correlation::Flapping;
use crate::incident::{IncidentId, Severity};
use crate::time::Moment;

/// Shared, because many alerts name one incident.
pub(super) type Ref = Arc<IncidentId>;

/// A shared id in JSON.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{IncidentId, Ref};

    #[expect(clippy::ref_option, reason = "the form in which serde calls it")]
    pub(super) fn serialize<S: Serializer>(
        id: &Option<Ref>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        id.as_deref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Ref>, D::Error> {
        Option::<IncidentId>::deserialize(deserializer).map(|id| id.map(Arc::new))
    }
}

/// How an alert belongs to its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Via {
    /// It opened it, or is of its class.
    #[default]
    Own,
    /// About the same entity.
    Entity,
    /// Its cause is told by it.
    Dependency,
}

/// Texts that messages show.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Texts {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) summary: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) runbook: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) dashboard: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) generator: String,
}

/// Bytes of a text that are kept with an alert.
const MOST_TEXT: usize = 2_000;

impl Texts {
    pub(super) fn of(alert: &Alert) -> Self {
        let text = |name: &str| {
            let text = alert.annotations.get(name).unwrap_or_default();
            text[..text.floor_char_boundary(MOST_TEXT)].to_owned()
        };
        let url = |text: &str| {
            let is_link = text.starts_with("https://") || text.starts_with("http://");
            if is_link && text.len() <= MOST_TEXT { text.to_owned() } else { String::new() }
        };
        let summary = [text("summary"), text("message"), text("title")];
        Self {
            summary: summary.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
            description: text("description"),
            runbook: url(&text("runbook_url")),
            dashboard: url(&text("dashboard_url")),
            generator: url(&alert.generator_url),
        }
    }
}

/// The part of an alert that changes, and is its row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Status {
    /// As it was told.
    pub(super) starts_at: Moment,
    /// When it was first known to fire, this time.
    pub(super) since: Moment,
    /// When it was known to have ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fires_until: Option<Moment>,
    #[serde(default)]
    pub(super) penalty: f64,
    #[serde(default)]
    pub(super) penalty_at: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) flapping_since: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "shared")]
    pub(super) incident: Option<Ref>,
    #[serde(default)]
    pub(super) via: Via,
    /// It is told aloud then, unless it has ended; without it, it was, or another one is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tell_at: Option<Moment>,
    /// End of the planned work during which it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) maintenance: Option<Moment>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_silenced: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_inhibited: bool,
    /// Copies of replicas that fire too: it fires as long as one of them does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) also: Vec<Fingerprint>,
    /// It is told by an incident with many others, so that it says nothing of its class.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) in_storm: bool,
}

impl Status {
    pub(super) fn is_firing(&self) -> bool {
        self.ended.is_none()
    }

    pub(super) fn penalty(&self, rules: &Flapping, now: Moment) -> f64 {
        let halves = now.since(self.penalty_at).as_secs_f64()
            / rules.half_life.as_secs_f64().max(f64::MIN_POSITIVE);
        self.penalty * 0.5_f64.powf(halves)
    }

    /// Counts one more beginning. Whether it began to flap by that.
    pub(super) fn punish(&mut self, rules: &Flapping, now: Moment) -> bool {
        let before = self.penalty(rules, now);
        self.penalty = before + 1.0;
        self.penalty_at = now;
        let is_over = |since: Moment| before <= rules.reuse_at || now.since(since) >= rules.at_most;
        if self.flapping_since.is_some_and(is_over) {
            self.flapping_since = None;
            self.penalty = 1.0;
        } else if self.flapping_since.is_none() && self.penalty >= rules.suppress_at {
            self.flapping_since = Some(now);
            return true;
        }
        false
    }

    /// When an ended alert need not be known any more: it can neither go on nor flap.
    pub(super) fn forgotten_at(&self, rules: &Flapping, reopen_window: Duration) -> Option<Moment> {
        let ended = self.ended?;
        let halves = (self.penalty / rules.reuse_at.max(0.1) * 2.0).log2().max(0.0);
        let decayed = self.penalty_at.after(rules.half_life.mul_f64(halves).min(rules.at_most));
        Some(ended.after(reopen_window.max(rules.stable_off)).max(decayed))
    }
}

/// An alert, firing or ended not long ago.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) status: Status,
    pub(super) fingerprint: Fingerprint,
    labels: Box<[(Symbol, Symbol)]>,
    pub(super) class: Symbol,
    pub(super) entity: Symbol,
    pub(super) severity: Severity,
    pub(super) pages: bool,
    pub(super) always: bool,
    pub(super) is_narrow: bool,
    pub(super) provides: Box<[Symbol]>,
    pub(super) needs: Box<[Symbol]>,
    /// While it might still open an incident.
    pub(super) texts: Option<Box<Texts>>,
    /// In the set of timers.
    pub(super) timer: Option<Moment>,
}

/// A row of [`Table::Alerts`](crate::incident::Table::Alerts).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AlertRow {
    labels: BTreeMap<String, String>,
    fingerprint: Fingerprint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    texts: Option<Box<Texts>>,
    status: Status,
}

impl Tracked {
    pub(super) fn new(
        labels: &LabelSet,
        fingerprint: Fingerprint,
        status: Status,
        rules: &Rules,
        symbols: &mut Symbols,
    ) -> Self {
        let facts = rules.facts(labels);
        let mut take = |texts: &[String]| texts.iter().map(|text| symbols.take(text)).collect();
        let (provides, needs) = (take(&facts.provides), take(&facts.needs));
        let pairs = labels.iter().map(|(name, value)| (symbols.take(name), symbols.take(value)));
        Self {
            status,
            fingerprint,
            labels: pairs.collect(),
            class: symbols.take(&facts.class_key()),
            entity: symbols.take(&facts.entity),
            severity: facts.severity,
            pages: facts.pages,
            always: facts.always,
            is_narrow: facts.is_narrow,
            provides,
            needs,
            texts: None,
            timer: None,
        }
    }

    /// Gives back everything it holds.
    pub(super) fn release(self, symbols: &mut Symbols) {
        for (name, value) in self.labels {
            symbols.give(name);
            symbols.give(value);
        }
        let keys = self.provides.into_iter().chain(self.needs);
        keys.chain([self.class, self.entity]).for_each(|symbol| symbols.give(symbol));
    }

    pub(super) fn labels(&self, symbols: &Symbols) -> LabelSet {
        let pairs = self.labels.iter();
        pairs.map(|(name, value)| (symbols.text(*name), symbols.text(*value))).collect()
    }

    pub(super) fn facts(&self, rules: &Rules, symbols: &Symbols) -> Facts {
        rules.facts(&self.labels(symbols))
    }

    pub(super) fn row(&self, symbols: &Symbols) -> AlertRow {
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| (symbols.text(*name).to_owned(), symbols.text(*value).to_owned()));
        AlertRow {
            labels: labels.collect(),
            fingerprint: self.fingerprint,
            texts: self.texts.clone(),
            status: self.status.clone(),
        }
    }

    pub(super) fn from_row(row: AlertRow, rules: &Rules, symbols: &mut Symbols) -> Self {
        let labels = row.labels.iter().collect();
        let mut tracked = Self::new(&labels, row.fingerprint, row.status, rules, symbols);
        tracked.texts = row.texts;
        tracked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            starts_at: Moment::EPOCH,
            since: Moment::EPOCH,
            ended: None,
            fires_until: None,
            penalty: 0.0,
            penalty_at: Moment::EPOCH,
            flapping_since: None,
            incident: None,
            via: Via::Own,
            tell_at: None,
            maintenance: None,
            is_silenced: false,
            is_inhibited: false,
            also: Vec::new(),
            in_storm: false,
        }
    }

    fn began(status: &mut Status, minute: u64) -> bool {
        status.punish(&Flapping::default(), Moment::EPOCH.after(Duration::from_mins(minute)))
    }

    #[test]
    fn beginnings_in_quick_succession_are_flapping_until_the_penalty_has_decayed() {
        let mut status = status();
        let began_to_flap: Vec<_> = (0..6).map(|count| began(&mut status, count * 10)).collect();
        assert_eq!(began_to_flap, [false, false, false, false, true, false]);
        assert!(status.flapping_since.is_some());
        assert!(!began(&mut status, 60 + 90), "1 is left after 3.6 times a half, three times");
        assert!(status.flapping_since.is_none() && status.penalty.to_bits() == 1.0_f64.to_bits());
    }

    #[test]
    fn an_hour_apart_is_no_flapping_and_four_hours_of_it_are_enough() {
        let mut slow = status();
        assert!((0..20).all(|count| !began(&mut slow, count * 60)));
        let mut fast = status();
        (0..240).step_by(5).for_each(|minute| {
            began(&mut fast, minute);
        });
        assert!(fast.flapping_since.is_some());
        let since = fast.flapping_since.unwrap();
        let minute = u64::try_from(since.as_millis()).unwrap() / 60_000 + 240;
        began(&mut fast, minute);
        assert!(fast.flapping_since.is_none());
    }
}
