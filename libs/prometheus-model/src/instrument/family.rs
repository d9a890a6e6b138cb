//! One instrument per combination of label values.
//!
//! A lookup of known values takes a read lock and allocates nothing.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::exposition::{MetricType, Writer};
use crate::instrument::{Counter, Instrument};

type Values = Box<[String]>;

struct Series<M> {
    label_names: Vec<String>,
    make: Box<dyn Fn() -> M + Send + Sync>,
    /// By the hash of the label values, so that borrowed values find them.
    by_hash: RwLock<HashMap<u64, Vec<(Values, M)>>>,
    hasher: RandomState,
    count: AtomicUsize,
    /// Series at most, and what counts those beyond.
    limit: OnceLock<(usize, Counter)>,
}

/// One instrument per combination of label values; a clone shares them.
pub struct Family<M>(Arc<Series<M>>);

impl<M> Clone for Family<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Clone + Default + 'static> Family<M> {
    /// No series yet; new ones begin with their default.
    pub fn new(label_names: &[&str]) -> Self {
        Self::with_constructor(label_names, M::default)
    }
}

impl<M: Clone> Family<M> {
    /// No series yet; `make` makes new ones, such as histograms with bounds of their own.
    pub fn with_constructor(
        label_names: &[&str],
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Series {
            label_names: label_names.iter().map(|name| (*name).to_owned()).collect(),
            make: Box::new(make),
            by_hash: RwLock::default(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            limit: OnceLock::new(),
        }))
    }

    /// Allows so many series at most, for label values that come from outside. What is asked for
    /// beyond that works as always, but is shown nowhere; `refused` counts how often that was, and
    /// may be shared by families.
    #[must_use]
    pub fn with_limit(self, series: usize, refused: &Counter) -> Self {
        // one that was set before stays
        let _set = self.0.limit.set((series, refused.clone()));
        self
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<u64, Vec<(Values, M)>>> {
        self.0.by_hash.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, HashMap<u64, Vec<(Values, M)>>> {
        self.0.by_hash.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instrument of these label values, in the order of the names; it exists from now on.
    ///
    /// # Panics
    /// The number of values is not that of the names: a mistake in the program.
    pub fn get(&self, values: &[&str]) -> M {
        assert_eq!(values.len(), self.0.label_names.len(), "one value per label name");
        let hash = self.0.hasher.hash_one(values);
        if let Some(known) = find(self.read().get(&hash), values) {
            return known.clone();
        }
        let mut by_hash = self.write_lock();
        // another thread may have been quicker
        if let Some(known) = find(by_hash.get(&hash), values) {
            return known.clone();
        }
        let made = (self.0.make)();
        if let Some((limit, refused)) = self.0.limit.get()
            && self.len() >= *limit
        {
            refused.inc();
            return made;
        }
        let owned = values.iter().map(|value| (*value).to_owned()).collect();
        let same_hash = by_hash.entry(hash).or_default();
        // Hashes hardly ever collide, and there may be a series per file.
        same_hash.reserve_exact(1);
        same_hash.push((owned, made.clone()));
        self.0.count.fetch_add(1, Ordering::Relaxed);
        made
    }

    /// Removes a series; whether there was one. Handles to it go on counting, but are not shown.
    pub fn remove(&self, values: &[&str]) -> bool {
        let before = self.len();
        let hash = self.0.hasher.hash_one(values);
        self.retain_in(Some(hash), |known| !same(known, values));
        self.len() < before
    }

    /// Keeps the series whose label values `keep` accepts.
    pub fn retain(&self, keep: impl FnMut(&[String]) -> bool) {
        self.retain_in(None, keep);
    }

    fn retain_in(&self, only: Option<u64>, mut keep: impl FnMut(&[String]) -> bool) {
        let mut by_hash = self.write_lock();
        let mut removed = 0;
        by_hash.retain(|hash, series| {
            if only.is_none_or(|only| only == *hash) {
                let before = series.len();
                series.retain(|(values, _)| keep(values));
                removed += before - series.len();
            }
            !series.is_empty()
        });
        self.0.count.fetch_sub(removed, Ordering::Relaxed);
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn same(known: &[String], values: &[&str]) -> bool {
    known.iter().map(String::as_str).eq(values.iter().copied())
}

fn find<'a, M>(series: Option<&'a Vec<(Values, M)>>, values: &[&str]) -> Option<&'a M> {
    series?.iter().find(|(known, _)| same(known, values)).map(|(_, metric)| metric)
}

impl<M: Instrument + Clone> Instrument for Family<M> {
    fn metric_type(&self) -> MetricType {
        (self.0.make)().metric_type()
    }

    fn write(&self, labels: &[(&str, &str)], writer: &mut Writer) {
        // Copied, so that nobody who counts waits for the page; sorted, so that two pages differ
        // only in what changed.
        let mut sorted: Vec<(Values, M)> = self.read().values().flatten().cloned().collect();
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (values, metric) in sorted {
            let names = self.0.label_names.iter().map(String::as_str);
            let own = names.zip(values.iter().map(String::as_str));
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain(own).collect();
            metric.write(&labels, writer);
        }
    }
}

impl<M> fmt::Debug for Family<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series = self.0.count.load(Ordering::Relaxed);
        let mut out = f.debug_struct("Family");
        out.field("label_names", &self.0.label_names).field("series", &series).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Collect, Format};
    use crate::instrument::{Histogram, Registry};

    #[test]
    fn the_same_values_are_the_same_series() {
        let family = Family::<Counter>::new(&["a", "b"]);
        family.get(&["x", "yz"]).inc();
        family.get(&["x", "yz"]).inc();
        family.get(&["xy", "z"]).inc();
        assert_eq!((family.get(&["x", "yz"]).get(), family.len()), (2, 2));
    }

    #[test]
    fn a_series_beyond_the_limit_is_not_shown_but_counted() {
        let refused = Counter::default();
        let family = Family::<Counter>::new(&["a"]).with_limit(2, &refused);
        for value in ["1", "2", "3", "1", "3"] {
            family.get(&[value]).inc();
        }
        assert_eq!((family.len(), refused.get()), (2, 2));
        assert_eq!((family.get(&["1"]).get(), family.get(&["3"]).get()), (2, 0));
        assert!(family.remove(&["2"]));
        family.get(&["3"]).inc();
        assert_eq!(family.get(&["3"]).get(), 1, "there is room again");
    }

    #[test]
    fn what_is_not_kept_is_gone() {
        let family = Family::<Counter>::new(&["a", "b"]);
        for (a, b) in [("1", "x"), ("1", "y"), ("2", "x")] {
            family.get(&[a, b]).inc();
        }
        family.retain(|values| values[0] != "1");
        assert_eq!(family.len(), 1);
        assert_eq!((family.get(&["1", "x"]).get(), family.get(&["2", "x"]).get()), (0, 1));
        assert!(!family.remove(&["3", "x"]));
    }

    #[test]
    fn a_constructor_gives_histograms_their_bounds() {
        let registry = Registry::new();
        let family = Family::with_constructor(&["a"], || Histogram::new(&[7.0]));
        registry.register("h", "", family.clone()).unwrap();
        family.get(&["x"]).observe(1.0);
        let mut writer = Writer::new(Format::Text004);
        registry.collect(&mut writer);
        let page = String::from_utf8(writer.finish()).unwrap();
        let begin = "# HELP h \n# TYPE h histogram\nh_bucket{a=\"x\",le=\"7\"} 1\n";
        assert!(page.starts_with(begin), "{page}");
    }

    #[test]
    #[should_panic(expected = "one value per label name")]
    fn a_missing_label_value_is_a_mistake_of_the_program() {
        Family::<Counter>::new(&["a", "b"]).get(&["x"]);
    }
}
