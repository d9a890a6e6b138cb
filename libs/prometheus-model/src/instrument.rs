//! Counters, gauges and histograms under names of the caller's choice, and the registry that shows
//! them. Handles are cheap to clone and share their value.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::exposition::{Collect, MetricType, Writer};

/// Prometheus' default bounds of latencies in seconds.
pub const DEFAULT_BUCKETS: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counts events; only grows.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// So many more.
    pub fn inc_by(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds, or subtracts a negative number.
    pub fn add(&self, delta: f64) {
        let update = |bits| Some((f64::from_bits(bits) + delta).to_bits());
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    /// One more.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// One less.
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// The value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct HistogramState {
    bounds: Box<[f64]>,
    /// Of single buckets; the last is for what lies above all bounds.
    counts: Box<[AtomicU64]>,
    sum: Gauge,
}

/// Counts observations in buckets.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<HistogramState>);

impl Histogram {
    /// With these upper bounds, in ascending order.
    pub fn new(bounds: &[f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(HistogramState { bounds: bounds.into(), counts, sum: Gauge::default() }))
    }

    /// Counts one observation. NaN lies above all bounds.
    pub fn observe(&self, value: f64) {
        let state = &self.0;
        let above = state.bounds.iter().position(|bound| value <= *bound);
        state.counts[above.unwrap_or(state.bounds.len())].fetch_add(1, Ordering::Relaxed);
        state.sum.add(value);
    }

    /// How many observations there were.
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(&DEFAULT_BUCKETS)
    }
}

/// What a registry shows under one name.
pub trait Instrument: Send + Sync {
    /// What it measures.
    fn metric_type(&self) -> MetricType;

    /// Writes the samples, with these labels.
    fn write(&self, labels: &[(&str, &str)], writer: &mut Writer);
}

impl Instrument for Counter {
    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn write(&self, labels: &[(&str, &str)], writer: &mut Writer) {
        writer.sample(labels, self.get());
    }
}

impl Instrument for Gauge {
    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }

    fn write(&self, labels: &[(&str, &str)], writer: &mut Writer) {
        writer.sample(labels, self.get());
    }
}

impl Instrument for Histogram {
    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }

    fn write(&self, labels: &[(&str, &str)], writer: &mut Writer) {
        let counts: Vec<u64> =
            self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        writer.histogram(labels, &self.0.bounds, &counts, self.0.sum.get());
    }
}

#[derive(Debug)]
struct Series<M> {
    by_values: RwLock<HashMap<Box<[String]>, M>>,
    label_names: Vec<String>,
}

/// One instrument per combination of label values.
#[derive(Debug)]
pub struct Family<M>(Arc<Series<M>>);

impl<M> Clone for Family<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Clone + Default> Family<M> {
    /// No series yet.
    pub fn new(label_names: &[&str]) -> Self {
        let label_names = label_names.iter().map(|name| (*name).to_owned()).collect();
        Self(Arc::new(Series { by_values: RwLock::default(), label_names }))
    }

    /// The instrument of these label values, in the order of the names; it exists from now on.
    ///
    /// # Panics
    /// The number of values is not that of the names: a mistake in the program.
    pub fn get(&self, values: &[&str]) -> M {
        assert_eq!(values.len(), self.0.label_names.len(), "one value per label name");
        let key: Box<[String]> = values.iter().map(|value| (*value).to_owned()).collect();
        if let Some(known) = self.0.by_values.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let mut series = self.0.by_values.write().unwrap_or_else(PoisonError::into_inner);
        series.entry(key).or_default().clone()
    }

    /// Removes a series; whether there was one.
    pub fn remove(&self, values: &[&str]) -> bool {
        let key: Box<[String]> = values.iter().map(|value| (*value).to_owned()).collect();
        self.0.by_values.write().unwrap_or_else(PoisonError::into_inner).remove(&key).is_some()
    }

    /// Keeps the series whose label values `keep` accepts.
    pub fn retain(&self, mut keep: impl FnMut(&[String]) -> bool) {
        let mut series = self.0.by_values.write().unwrap_or_else(PoisonError::into_inner);
        series.retain(|values, _| keep(values));
    }
}

impl<M: Instrument + Clone + Default> Instrument for Family<M> {
    fn metric_type(&self) -> MetricType {
        M::default().metric_type()
    }

    fn write(&self, labels: &[(&str, &str)], writer: &mut Writer) {
        let series = self.0.by_values.read().unwrap_or_else(PoisonError::into_inner);
        // Sorted, so that two pages differ only in what changed.
        let mut sorted: Vec<(Box<[String]>, M)> =
            series.iter().map(|(values, metric)| (values.clone(), metric.clone())).collect();
        drop(series);
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (values, metric) in sorted {
            let own = self.0.label_names.iter().map(String::as_str).zip(values.iter().map(String::as_str));
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain(own).collect();
            metric.write(&labels, writer);
        }
    }
}

/// A name that two instruments wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("metric {name} is registered already")]
pub struct RegisterError {
    /// The name.
    pub name: String,
}

#[derive(Default)]
struct Registered {
    instruments: BTreeMap<String, (String, Box<dyn Instrument>)>,
    collectors: Vec<Arc<dyn Collect + Send + Sync>>,
}

/// Everything that one page shows.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<Registered>>);

impl Registry {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn registered(&self) -> MutexGuard<'_, Registered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows an instrument under a name.
    ///
    /// # Errors
    /// [`RegisterError`] when the name is taken.
    pub fn register(
        &self,
        name: &str,
        help: &str,
        instrument: impl Instrument + 'static,
    ) -> Result<(), RegisterError> {
        let mut registered = self.registered();
        if registered.instruments.contains_key(name) {
            return Err(RegisterError { name: name.to_owned() });
        }
        registered.instruments.insert(name.to_owned(), (help.to_owned(), Box::new(instrument)));
        Ok(())
    }

    /// Shows what a collector writes, after the instruments.
    pub fn add_collector(&self, collector: Arc<dyn Collect + Send + Sync>) {
        self.registered().collectors.push(collector);
    }
}

impl Collect for Registry {
    fn collect(&self, writer: &mut Writer) {
        let registered = self.registered();
        for (name, (help, instrument)) in &registered.instruments {
            writer.family(name, instrument.metric_type(), help);
            instrument.write(&[], writer);
        }
        for collector in &registered.collectors {
            collector.collect(writer);
        }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registered = self.registered();
        f.debug_list().entries(registered.instruments.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    fn page(registry: &Registry) -> String {
        let mut writer = Writer::new(Format::Text004);
        registry.collect(&mut writer);
        String::from_utf8(writer.finish()).unwrap()
    }

    #[test]
    fn a_page_is_sorted_and_shows_shared_values() {
        let registry = Registry::new();
        let (counter, gauge) = (Family::<Counter>::new(&["host", "reason"]), Gauge::default());
        registry.register("z_total", "z", counter.clone()).unwrap();
        registry.register("a", "a", gauge.clone()).unwrap();
        counter.get(&["h", "b"]).inc_by(2);
        counter.get(&["h", "a"]).inc();
        counter.get(&["h", "b"]).inc();
        gauge.inc();
        gauge.add(-3.5);
        let expected = "# HELP a a\n# TYPE a gauge\na -2.5\n# HELP z_total z\n# TYPE z_total counter\n\
             z_total{host=\"h\",reason=\"a\"} 1\nz_total{host=\"h\",reason=\"b\"} 3\n";
        assert_eq!(page(&registry), expected);
        assert!(counter.remove(&["h", "a"]));
        assert!(!counter.remove(&["h", "a"]));
        assert!(!page(&registry).contains("reason=\"a\""));
    }

    #[test]
    fn observations_fall_into_the_first_bucket_that_holds_them() {
        let registry = Registry::new();
        let histogram = Histogram::new(&[0.1, 1.0]);
        registry.register("took_seconds", "t", histogram.clone()).unwrap();
        for value in [0.1, 0.5, 3.0] {
            histogram.observe(value);
        }
        let page = page(&registry);
        assert!(page.contains("took_seconds_bucket{le=\"0.1\"} 1\n"), "{page}");
        assert!(page.contains("took_seconds_bucket{le=\"1\"} 2\n"), "{page}");
        assert!(page.contains("took_seconds_bucket{le=\"+Inf\"} 3\ntook_seconds_sum 3.6\n"), "{page}");
        assert_eq!(histogram.count(), 3);
    }

    #[test]
    fn a_name_is_given_once() {
        let registry = Registry::new();
        registry.register("a", "a", Counter::default()).unwrap();
        let error = registry.register("a", "b", Gauge::default()).unwrap_err();
        assert_eq!(error.to_string(), "metric a is registered already");
    }
}
