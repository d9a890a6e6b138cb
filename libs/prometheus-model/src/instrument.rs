//! Counters, gauges and histograms under names of the caller's choice, and the registry that shows
//! them.
//!
//! Handles share their value with their clones: whoever counts per line keeps a handle and does not
//! look it up again.

mod family;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::exposition::{Collect, MetricType, Writer};

pub use self::family::Family;

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
    /// With these upper bounds. They are sorted; infinite ones and repeats are left out, because
    /// the bucket `+Inf` is always there.
    pub fn new(bounds: &[f64]) -> Self {
        let mut bounds: Vec<f64> =
            bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(HistogramState { bounds: bounds.into(), counts, sum: Gauge::default() }))
    }

    /// Counts one observation. NaN lies above all bounds.
    pub fn observe(&self, value: f64) {
        let state = &self.0;
        let bucket = state.bounds.iter().position(|bound| value <= *bound);
        state.counts[bucket.unwrap_or(state.bounds.len())].fetch_add(1, Ordering::Relaxed);
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
///
/// ```
/// use prometheus_model::exposition::{Collect, Format, Writer};
/// use prometheus_model::instrument::{Counter, Family, Registry};
///
/// let registry = Registry::new();
/// let lines = Family::<Counter>::new(&["path"]);
/// registry.register("lines_total", "Lines read", lines.clone()).unwrap();
/// lines.get(&["/var/log/a.log"]).inc();
///
/// let mut writer = Writer::new(Format::Text004);
/// registry.collect(&mut writer);
/// let page = String::from_utf8(writer.finish()).unwrap();
/// assert!(page.contains("lines_total{path=\"/var/log/a.log\"} 1\n"));
/// ```
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

    /// Shows what a collector writes.
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
        let collectors = registered.collectors.clone();
        // a collector may take its time or look at this registry
        drop(registered);
        for collector in &collectors {
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
        assert!(
            page.contains("took_seconds_bucket{le=\"+Inf\"} 3\ntook_seconds_sum 3.6\n"),
            "{page}"
        );
        assert_eq!(histogram.count(), 3);
    }

    #[test]
    fn bounds_are_put_in_order_and_the_infinite_bucket_is_always_there() {
        let registry = Registry::new();
        let histogram = Histogram::new(&[2.0, f64::INFINITY, 1.0, 2.0, f64::NAN]);
        registry.register("h", "", histogram.clone()).unwrap();
        histogram.observe(f64::NAN);
        histogram.observe(1.5);
        let expected = "# HELP h \n# TYPE h histogram\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 1\n\
             h_bucket{le=\"+Inf\"} 2\nh_sum NaN\nh_count 2\n";
        assert_eq!(page(&registry), expected);
    }

    #[test]
    fn a_collector_may_look_at_the_registry_that_it_belongs_to() {
        struct Names(Registry);
        impl Collect for Names {
            fn collect(&self, writer: &mut Writer) {
                writer.family("b", MetricType::Gauge, "");
                writer.sample(&[("of", &format!("{:?}", self.0))], 1_u64);
            }
        }
        let registry = Registry::new();
        registry.register("c", "", Gauge::default()).unwrap();
        registry.add_collector(Arc::new(Names(registry.clone())));
        let expected = "# HELP b \n# TYPE b gauge\nb{of=\"[\\\"c\\\"]\"} 1\n\
             # HELP c \n# TYPE c gauge\nc 0\n";
        assert_eq!(page(&registry), expected, "sorted by name, whoever wrote it");
    }

    #[test]
    fn a_name_is_given_once() {
        let registry = Registry::new();
        registry.register("a", "a", Counter::default()).unwrap();
        let error = registry.register("a", "b", Gauge::default()).unwrap_err();
        assert_eq!(error.to_string(), "metric a is registered already");
    }
}
