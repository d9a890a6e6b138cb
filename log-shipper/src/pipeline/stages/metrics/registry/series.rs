//! The series of one metric.
//!
//! A series is found by a hash of those labels that are exposed, so that two entries whose exposed
//! labels are equal never make two series.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_model::label_set::LabelSet;

use super::{Change, MAX_SERIES_PER_METRIC};
use crate::pipeline::labels::Labels;
use crate::pipeline::stages::label_names::is_label_name;

/// A series' value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Histogram {
        /// Observations per bucket, not cumulative; one more than there are bounds.
        counts: Box<[u64]>,
        sum: f64,
    },
}

#[derive(Debug)]
struct Series {
    labels: Arc<LabelSet>,
    value: Value,
    changed: Instant,
}

/// Longer label values make no series, as Loki makes no stream of them by default
/// (`max_label_value_length`): a table is bounded by what its series may weigh.
pub(super) const MAX_VALUE_BYTES: usize = 2048;

/// Whether a change found room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    Done,
    Full,
}

/// All series of a metric.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) max_idle: Duration,
    series: HashMap<u64, Series, foldhash::fast::FixedState>,
}

/// Labels that a series shows. Prometheus reserves `__`, and an empty label is none to it.
fn exposed<'a>(
    labels: &'a Labels,
    hidden: Option<&str>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    labels.iter().filter(move |(name, value)| {
        !value.is_empty()
            && !name.starts_with("__")
            && is_label_name(name.as_bytes())
            && Some(*name) != hidden
    })
}

/// Equal for label sets that are exposed alike, without the one called `hidden`.
pub(super) fn stream_key(labels: &Labels, hidden: Option<&str>, hasher: &impl BuildHasher) -> u64 {
    // A sum: the labels come in no particular order.
    exposed(labels, hidden).fold(0, |sum: u64, label| sum.wrapping_add(hasher.hash_one(label)))
}

impl Table {
    pub(super) fn apply(
        &mut self,
        change: Change,
        key: u64,
        labels: &Labels,
        hidden: Option<&str>,
        bounds: Option<&[f64]>,
        now: Instant,
    ) -> Added {
        if !self.series.contains_key(&key) {
            let is_long = exposed(labels, hidden).any(|(_, value)| value.len() > MAX_VALUE_BYTES);
            if is_long || self.series.len() >= MAX_SERIES_PER_METRIC {
                return Added::Full;
            }
            let value = match bounds {
                Some(bounds) => {
                    Value::Histogram { counts: vec![0; bounds.len() + 1].into(), sum: 0.0 }
                }
                None => Value::Number(0.0),
            };
            let labels = Arc::new(exposed(labels, hidden).collect());
            self.series.insert(key, Series { labels, value, changed: now });
        }
        let series = self.series.get_mut(&key).expect("inserted above where it was missing");
        series.changed = series.changed.max(now);
        series.value.apply(change, bounds.unwrap_or_default());
        Added::Done
    }

    /// All values; series idle for `max_idle` or longer are gone afterwards.
    pub(super) fn copy_and_prune(&mut self, now: Instant) -> Vec<(Arc<LabelSet>, Value)> {
        let copies = self
            .series
            .values()
            .map(|series| (Arc::clone(&series.labels), series.value.clone()))
            .collect();
        let max_idle = self.max_idle;
        self.series.retain(|_, series| now.saturating_duration_since(series.changed) < max_idle);
        copies
    }
}

impl Value {
    fn apply(&mut self, change: Change, bounds: &[f64]) {
        match (self, change) {
            (Self::Number(number), Change::Add(amount)) => *number += amount,
            (Self::Number(number), Change::Set(value)) => *number = value,
            (Self::Histogram { counts, sum }, Change::Observe(value)) => {
                counts[bounds.partition_point(|bound| *bound < value)] += 1;
                *sum += value;
            }
            // Kind::refuses lets nothing else through.
            _ => {}
        }
    }
}
