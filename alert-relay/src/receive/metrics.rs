//! What is measured of what comes in.

use prometheus_model::instrument::{Counter, Family, RegisterError, Registry};

/// Paths that something comes in by.
const SOURCES: [&str; 3] = ["alertmanager", "prometheus", "heartbeat"];

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Unauthorized,
    Invalid,
    Incomplete,
    Overloaded,
    Unavailable,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Unauthorized,
        Self::Invalid,
        Self::Incomplete,
        Self::Overloaded,
        Self::Unavailable,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unauthorized => "unauthorized",
            Self::Invalid => "invalid",
            Self::Incomplete => "incomplete",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Of what comes in. Clones share their values.
#[derive(Debug, Clone)]
pub struct Metrics {
    webhooks: Family<Counter>,
    alerts: Family<Counter>,
    pub(super) truncated: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let webhooks = Family::new(&["source", "result"]);
        let alerts = Family::new(&["status"]);
        // Every series is there from the start: a rate over one that appears misses its beginning.
        for source in SOURCES {
            for outcome in Outcome::ALL {
                webhooks.get(&[source, outcome.label()]);
            }
        }
        for status in ["firing", "resolved", "rejected"] {
            alerts.get(&[status]);
        }
        Self { webhooks, alerts, truncated: Counter::default() }
    }
}

impl Metrics {
    /// Shows them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        registry.register(
            "alert_relay_webhooks_total",
            "Requests with alerts or heartbeats, by what became of them",
            self.webhooks.clone(),
        )?;
        registry.register(
            "alert_relay_alerts_received_total",
            "Alerts that were stored, and rejected ones among them",
            self.alerts.clone(),
        )?;
        registry.register(
            "alert_relay_truncated_webhooks_total",
            "Webhooks that Alertmanager cut because of max_alerts",
            self.truncated.clone(),
        )
    }

    pub(super) fn count(&self, source: &'static str, outcome: Outcome) {
        self.webhooks.get(&[source, outcome.label()]).inc();
    }

    pub(super) fn alerts(&self, firing: u64, ended: u64, rejected: u64) {
        for (status, number) in [("firing", firing), ("resolved", ended), ("rejected", rejected)] {
            self.alerts.get(&[status]).inc_by(number);
        }
    }
}
