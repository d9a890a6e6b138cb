//! The values of all custom metrics, shared by every worker and job.
//!
//! Whatever the configuration defines, the page stays valid: a name has one type and one help text,
//! a label set one series. A lock is held for a look-up and an addition, or while values are copied
//! for a scrape; text is formatted without it.

mod series;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_model::exposition::{Collect, MetricType, Writer};

use crate::pipeline::labels::Labels;
use series::{Added, Table, Value, stream_key};

/// Series that one metric may have; about 2 MB with five short labels each. Further label sets are
/// not recorded but counted.
pub const MAX_SERIES_PER_METRIC: usize = 10_000;

/// Type of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Any number.
    Gauge,
    /// Observations by size.
    Histogram {
        /// Upper bounds, rising, without the infinite one.
        bounds: Arc<[f64]>,
    },
}

/// What all series of a metric have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Complete name.
    pub name: String,
    /// Help text, possibly empty.
    pub help: String,
    /// Type.
    pub kind: Kind,
    /// A series without a change for so long is removed at the next scrape.
    pub max_idle: Duration,
}

/// What an entry does to a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Counters and gauges; counters only by numbers from 0 up.
    Add(f64),
    /// Gauges.
    Set(f64),
    /// Histograms.
    Observe(f64),
}

/// All custom metrics; a clone shares them.
///
/// A reloaded configuration starts with a new one: values begin at zero again, as in Promtail.
#[derive(Debug, Clone, Default)]
pub struct CustomMetrics {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    hasher: foldhash::quality::RandomState,
    metrics: Mutex<BTreeMap<String, Arc<Metric>>>,
    /// Changes that would have needed a series beyond [`MAX_SERIES_PER_METRIC`].
    series_dropped: AtomicU64,
    /// Changes by a number that the metric's type cannot take.
    values_rejected: AtomicU64,
}

#[derive(Debug)]
struct Metric {
    help: String,
    kind: Kind,
    table: Mutex<Table>,
}

/// Changes the series of one metric.
#[derive(Debug, Clone)]
pub struct MetricHandle {
    shared: Arc<Shared>,
    /// `None` where another type already has the name.
    metric: Option<Arc<Metric>>,
}

impl CustomMetrics {
    /// No metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle for a metric. One that exists under the name is shared: its help text and buckets
    /// stay, the longer idle time counts, and a different type makes the new handle one without
    /// effect. What is lost by that is added to `warnings`.
    pub fn define(&self, family: &Family, warnings: &mut Vec<String>) -> MetricHandle {
        let name = exposed_name(&family.name, warnings);
        let mut metrics = lock(&self.shared.metrics);
        let metric = metrics.entry(name.clone()).or_insert_with(|| {
            let (help, kind) = (family.help.clone(), family.kind.clone());
            Arc::new(Metric { help, kind, table: Mutex::new(Table::default()) })
        });
        let mut table = lock(&metric.table);
        table.max_idle = table.max_idle.max(family.max_idle);
        drop(table);
        let mut handle =
            MetricHandle { shared: Arc::clone(&self.shared), metric: Some(Arc::clone(metric)) };
        if metric.kind.metric_type() != family.kind.metric_type() {
            warnings.push(format!(
                "metric {name} is defined with two types; only the first definition is exposed"
            ));
            handle.metric = None;
        } else if metric.kind != family.kind {
            warnings.push(format!(
                "metric {name} is defined twice with different buckets; those of the first are used"
            ));
        } else if metric.help != family.help {
            warnings.push(format!(
                "metric {name} is defined twice with different descriptions; the first is used"
            ));
        }
        handle
    }

    /// Writes everything and removes series that were idle for too long before `now`.
    fn write(&self, now: Instant, writer: &mut Writer) {
        let metrics: Vec<_> = lock(&self.shared.metrics)
            .iter()
            .map(|(name, metric)| (name.clone(), Arc::clone(metric)))
            .collect();
        for (name, metric) in metrics {
            // Removed only after it was shown: a change between two rare scrapes is seen once.
            let mut series = lock(&metric.table).copy_and_prune(now);
            if series.is_empty() {
                continue;
            }
            series.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
            writer.family(&name, metric.kind.metric_type(), &metric.help);
            for (labels, value) in &series {
                let labels: Vec<_> = labels.iter().collect();
                match (value, &metric.kind) {
                    (Value::Histogram { counts, sum }, Kind::Histogram { bounds }) => {
                        writer.histogram(&labels, bounds, counts, *sum);
                    }
                    (Value::Number(number), _) => writer.sample(&labels, *number),
                    (Value::Histogram { .. }, _) => {}
                }
            }
        }
    }
}

/// The name as Prometheus can store it: what does not fit becomes `_`, as scrapers see it from
/// Promtail.
fn exposed_name(name: &str, warnings: &mut Vec<String>) -> String {
    let fits = |(index, c): (usize, char)| {
        c.is_ascii_alphabetic() || c == '_' || c == ':' || index > 0 && c.is_ascii_digit()
    };
    let exposed: String =
        name.chars().enumerate().map(|(index, c)| if fits((index, c)) { c } else { '_' }).collect();
    if exposed != name {
        warnings.push(format!("{name:?} is no metric name; it is exposed as {exposed}"));
    }
    exposed
}

impl Kind {
    fn metric_type(&self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram { .. } => MetricType::Histogram,
        }
    }

    /// A counter would fall, a sum become not-a-number for good.
    fn refuses(&self, change: Change) -> bool {
        match (self, change) {
            (Self::Counter, Change::Add(number)) => number.is_nan() || number < 0.0,
            (Self::Histogram { .. }, Change::Observe(number)) => number.is_nan(),
            (Self::Gauge, Change::Add(_) | Change::Set(_)) => false,
            _ => true,
        }
    }
}

impl MetricHandle {
    /// Changes the series that has these labels. `key` keeps their hash from one metric of an entry
    /// to the next; the labels must not change in between.
    pub fn apply(&self, change: Change, labels: &Labels, key: &mut Option<u64>, now: Instant) {
        let Some(metric) = &self.metric else { return };
        if metric.kind.refuses(change) {
            self.shared.values_rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let bounds = match &metric.kind {
            Kind::Histogram { bounds } => Some(&**bounds),
            Kind::Counter | Kind::Gauge => None,
        };
        // Buckets own the name `le`.
        let hidden = if bounds.is_some() && labels.get("le").is_some() { Some("le") } else { None };
        let key = match hidden {
            Some(_) => stream_key(labels, hidden, &self.shared.hasher),
            None => *key.get_or_insert_with(|| stream_key(labels, None, &self.shared.hasher)),
        };
        if lock(&metric.table).apply(change, key, labels, hidden, bounds, now) == Added::Full {
            self.shared.series_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Collect for CustomMetrics {
    fn collect(&self, writer: &mut Writer) {
        self.write(Instant::now(), writer);
        for (name, help, counter) in [
            (
                "log_shipper_custom_metric_series_dropped_total",
                "Changes of custom metrics lost because the metric has too many series",
                &self.shared.series_dropped,
            ),
            (
                "log_shipper_custom_metric_values_rejected_total",
                "Values of custom metrics ignored: negative for a counter, or not a number",
                &self.shared.values_rejected,
            ),
        ] {
            writer.family(name, MetricType::Counter, help);
            writer.sample(&[], counter.load(Ordering::Relaxed));
        }
    }
}

/// A panic elsewhere leaves every value usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
