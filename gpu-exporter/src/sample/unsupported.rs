//! What a GPU cannot tell, so that it is not asked every second.
//!
//! Kept for an hour, and forgotten when MIG is switched or NVML started again: the answer depends on
//! both.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::metrics::Metrics;
use crate::nvml::error::NvmlError;

/// After this it is asked again.
const KEPT: Duration = Duration::from_hours(1);

/// One thing to ask for: a function and, where it has several, the number of the variant.
pub type Item = (&'static str, u32);

#[derive(Debug)]
struct Refusal {
    until: Instant,
    function: &'static str,
    reason: &'static str,
}

/// The refusals of one GPU. Bounded by what is asked for at all.
#[derive(Debug)]
pub struct Unsupported {
    refusals: HashMap<Item, Refusal>,
    metrics: Metrics,
}

impl Unsupported {
    /// None yet.
    pub fn new(metrics: Metrics) -> Self {
        Self { refusals: HashMap::new(), metrics }
    }

    /// Whether the item was refused less than an hour ago.
    pub fn knows(&mut self, item: Item, now: Instant) -> bool {
        let Some(refusal) = self.refusals.get(&item) else { return false };
        if now < refusal.until {
            return true;
        }
        self.forget(item);
        false
    }

    /// Keeps a refusal. True the first time: then it is worth a line in the log.
    pub fn note(&mut self, item: Item, error: &NvmlError, now: Instant) -> bool {
        let (function, reason) = (error.function, error.code.name());
        let refusal = Refusal { until: now + KEPT, function, reason };
        let is_new = self.refusals.insert(item, refusal).is_none();
        if is_new {
            self.metrics.unsupported.get(&[function, reason]).inc();
        }
        is_new
    }

    fn forget(&mut self, item: Item) {
        if let Some(refusal) = self.refusals.remove(&item) {
            self.metrics.unsupported.get(&[refusal.function, refusal.reason]).dec();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        let items: Vec<Item> = self.refusals.keys().copied().collect();
        for item in items {
            self.forget(item);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.refusals.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.refusals.is_empty()
    }
}

impl Drop for Unsupported {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvml::error::ReturnCode;

    #[test]
    fn a_refusal_is_kept_for_an_hour_and_counted_while_it_is() {
        let metrics = Metrics::default();
        let gauge = metrics.unsupported.get(&["nvmlDeviceGetFanSpeed_v2", "not_supported"]);
        let error =
            NvmlError { function: "nvmlDeviceGetFanSpeed_v2", code: ReturnCode::NotSupported };
        let (start, item) = (Instant::now(), ("fan", 0));
        let mut unsupported = Unsupported::new(metrics);
        assert!(unsupported.note(item, &error, start));
        assert!(!unsupported.note(item, &error, start), "told once");
        assert!((gauge.get() - 1.0).abs() < f64::EPSILON);
        assert!(unsupported.knows(item, start + KEPT.mul_f64(0.99)));
        assert!(!unsupported.knows(("fan", 1), start));
        assert!(!unsupported.knows(item, start + KEPT));
        assert!(gauge.get().abs() < f64::EPSILON);
        unsupported.note(item, &error, start);
        drop(unsupported);
        assert!(gauge.get().abs() < f64::EPSILON, "a GPU that is gone refuses nothing");
    }
}
