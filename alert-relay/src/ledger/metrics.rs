//! What is measured of the ledger and its journal.

use prometheus_model::instrument::{
    Counter, Gauge, Histogram, Instrument, RegisterError, Registry,
};

use super::INBOX;
use crate::journal::Place;

/// Of the ledger. Clones share their values.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(super) sync_seconds: Histogram,
    pub(super) bytes: Gauge,
    pub(super) batch_size: Histogram,
    pub(super) failures: Counter,
    pub(super) writable: Gauge,
    pub(super) inbox_length: Gauge,
    pub(super) refused_bodies: Gauge,
    pub(super) emergency_pages: Counter,
    pub(super) panics: Counter,
}

impl Metrics {
    /// With what is measured of the journal's file.
    pub fn new(place: &Place) -> Self {
        Self { sync_seconds: place.sync_seconds(), bytes: place.bytes(), ..Self::default() }
    }

    /// Shows them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        let mut outcome = Ok(());
        let mut show = |name: &str, help: &str, instrument: Box<dyn Instrument>| {
            let name = format!("alert_relay_{name}");
            let registered = registry.register(&name, help, Boxed(instrument));
            outcome = std::mem::replace(&mut outcome, Ok(())).and(registered);
        };
        show(
            "journal_sync_seconds",
            "Time of one sync of the journal to the disk",
            Box::new(self.sync_seconds.clone()),
        );
        show("journal_bytes", "Size of the journal's file", Box::new(self.bytes.clone()));
        show("journal_batch_size", "Inputs per sync", Box::new(self.batch_size.clone()));
        show(
            "journal_failures_total",
            "Times that the journal could not be opened or written",
            Box::new(self.failures.clone()),
        );
        show(
            "journal_writable",
            "Whether the journal can be written; while it is 0 nothing is accepted",
            Box::new(self.writable.clone()),
        );
        let capacity = Gauge::default();
        capacity.set(count(INBOX));
        show(
            "inbox_queue_length",
            "Inputs that wait for the ledger",
            Box::new(self.inbox_length.clone()),
        );
        show(
            "inbox_queue_capacity",
            "Inputs that may wait for the ledger; more are answered with 503",
            Box::new(capacity),
        );
        show(
            "refused_bodies",
            "Different bodies that could not be read and are kept",
            Box::new(self.refused_bodies.clone()),
        );
        show(
            "emergency_pages_total",
            "Pages sent without the journal, because it could not be written",
            Box::new(self.emergency_pages.clone()),
        );
        show(
            "inputs_given_up_total",
            "Inputs whose processing panicked; they are kept among the refused bodies",
            Box::new(self.panics.clone()),
        );
        outcome
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            sync_seconds: crate::journal::sync_histogram(),
            bytes: Gauge::default(),
            batch_size: Histogram::new(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
            failures: Counter::default(),
            writable: Gauge::default(),
            inbox_length: Gauge::default(),
            refused_bodies: Gauge::default(),
            emergency_pages: Counter::default(),
            panics: Counter::default(),
        }
    }
}

/// An instrument of any type.
struct Boxed(Box<dyn Instrument>);

impl Instrument for Boxed {
    fn metric_type(&self) -> prometheus_model::exposition::MetricType {
        self.0.metric_type()
    }

    fn write(&self, labels: &[(&str, &str)], writer: &mut prometheus_model::exposition::Writer) {
        self.0.write(labels, writer);
    }
}

/// A number of things as a gauge has it.
#[expect(clippy::cast_precision_loss, reason = "no more than 2^53 of anything")]
pub(super) fn count(number: usize) -> f64 {
    number as f64
}
