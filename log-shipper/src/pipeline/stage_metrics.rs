//! Counters of lines that stages drop, under Promtail's names, and of lines that they cannot read,
//! under one of ours.
//!
//! A reason appears with its first drop, as in Promtail, not with the stage that may use it.

use std::sync::Arc;

use prometheus_model::instrument::{Counter, Family, Registry};

/// Counters shared by all stages of all jobs; a clone counts into the same ones.
#[derive(Debug, Clone)]
pub struct StageMetrics {
    dropped: Family<Counter>,
    dropped_by_label: Family<Counter>,
    malformed: Family<Counter>,
}

/// Counts drops for one reason.
#[derive(Debug, Clone)]
pub struct DropCounter {
    family: Family<Counter>,
    reason: Arc<str>,
    /// Looked up at the first drop.
    counter: Option<Counter>,
}

impl StageMetrics {
    /// Counters that no registry knows yet.
    pub fn new() -> Self {
        Self {
            dropped: Family::new(&["reason"]),
            dropped_by_label: Family::new(&["label_name", "label_value"]),
            malformed: Family::new(&["stage"]),
        }
    }

    /// Shows the counters on the page of `registry`.
    ///
    /// # Errors
    ///
    /// One of the names is taken.
    pub fn register(
        &self,
        registry: &Registry,
    ) -> Result<(), prometheus_model::instrument::RegisterError> {
        registry.register(
            "logentry_dropped_lines_total",
            "Lines that a pipeline stage dropped, by reason",
            self.dropped.clone(),
        )?;
        registry.register(
            "logentry_dropped_lines_by_label_total",
            "Lines that a limit by label dropped, by the value of the label",
            self.dropped_by_label.clone(),
        )?;
        registry.register(
            "log_shipper_malformed_lines_total",
            "Lines that were not to their end in the format that a stage reads, by stage",
            self.malformed.clone(),
        )
    }

    /// The counter of lines that a stage cannot read; it is on the page from now on, at 0.
    pub(super) fn malformed_lines(&self, stage: &str) -> Counter {
        self.malformed.get(&[stage])
    }

    /// A counter for one reason; for the stages and for `limits_config.readline_rate_drop`.
    pub fn drop_counter(&self, reason: &str) -> DropCounter {
        DropCounter { family: self.dropped.clone(), reason: Arc::from(reason), counter: None }
    }

    /// Lines dropped so far for a reason.
    pub fn dropped(&self, reason: &str) -> u64 {
        self.dropped.get(&[reason]).get()
    }

    /// Counts a drop by a `limit` with `by_label_name`.
    pub(super) fn count_drop_by_label(&self, name: &str, value: &str) {
        self.dropped_by_label.get(&[name, value]).inc();
    }

    /// Removes the series of one label.
    pub(super) fn forget_drops_by_label(&self, name: &str) {
        self.dropped_by_label.retain(|values| values[0] != name);
    }

    #[cfg(test)]
    pub(crate) fn dropped_by_label(&self, name: &str, value: &str) -> u64 {
        self.dropped_by_label.get(&[name, value]).get()
    }
}

impl Default for StageMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl DropCounter {
    /// One line more.
    pub fn count(&mut self) {
        self.counter.get_or_insert_with(|| self.family.get(&[&self.reason])).inc();
    }
}
