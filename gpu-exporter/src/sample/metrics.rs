//! What the sampler tells about itself.

use prometheus_model::instrument::{Counter, Family, Gauge, Histogram, RegisterError, Registry};

use crate::nvml::error::NvmlError;

/// Seconds; a round of a healthy GPU takes a few milliseconds, one under a busy driver far more.
const ROUND_SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// All of it; clones share their values.
#[derive(Clone)]
pub struct Metrics {
    errors: Family<Counter>,
    /// Time that the round of a GPU takes.
    pub collect_duration: Family<Histogram>,
    /// Times that the driver had no points of utilization for longer than 2 s.
    pub sample_gaps: Counter,
    /// GPUs on which a function cannot be used.
    pub unsupported: Family<Gauge>,
    /// When Xids began to be watched: none is known from before.
    pub event_watch_start: Family<Gauge>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            errors: Family::new(&["function", "code"]),
            collect_duration: Family::with_constructor(&["gpu_id"], || {
                Histogram::new(&ROUND_SECONDS)
            }),
            sample_gaps: Counter::default(),
            unsupported: Family::new(&["function", "reason"]),
            event_watch_start: Family::new(&[]),
        }
    }
}

impl Metrics {
    /// Shows them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        registry.register(
            "gpu_exporter_nvml_errors_total",
            "Calls of NVML that failed, other than by not being supported",
            self.errors.clone(),
        )?;
        registry.register(
            "gpu_exporter_collect_duration_seconds",
            "Time that reading a GPU once took",
            self.collect_duration.clone(),
        )?;
        registry.register(
            "gpu_exporter_sample_gaps_total",
            "Times that the driver had no utilization samples for longer than 2 s",
            self.sample_gaps.clone(),
        )?;
        registry.register(
            "gpu_exporter_unsupported",
            "Readings that GPUs do not have, by NVML function and reason, over all GPUs",
            self.unsupported.clone(),
        )?;
        registry.register(
            "gpu_exporter_event_watch_start_timestamp_seconds",
            "Since when Xids are counted; NVML keeps none from before",
            self.event_watch_start.clone(),
        )
    }

    /// Counts a failed call.
    pub fn failed(&self, error: &NvmlError) {
        self.errors.get(&[error.function, error.code.name()]).inc();
    }

    /// How often a function failed with a code.
    pub fn failures(&self, function: &str, code: &str) -> u64 {
        self.errors.get(&[function, code]).get()
    }
}
