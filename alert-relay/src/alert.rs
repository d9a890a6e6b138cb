//! One alert as Prometheus' family knows it: labels, annotations, when it began and whether it
//! ended.
//!
//! An alert is told from others by its [`Identity`], never by a group key or by the status of a
//! group: one group holds alerts in both states, and keys change with the configuration.

mod fingerprint;
mod identity;
mod internal;
pub(crate) mod label_map;
mod limits;
mod prometheus;
mod webhook;

use prometheus_model::label_set::LabelSet;
use serde::{Deserialize, Serialize};

pub use fingerprint::Fingerprint;
pub use identity::Identity;
pub use internal::Condition;
pub use prometheus::{ParsedAlerts, parse_alerts};
pub use webhook::{Notification, NotificationError, parse_notification};

use crate::time::Moment;

/// An alert at one time, from any of the inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Without the labels that only tell replicas apart.
    pub identity: Identity,
    /// As Alertmanager computes it, over all labels.
    pub fingerprint: Fingerprint,
    /// Values are any UTF-8, control characters included.
    #[serde(with = "label_map")]
    pub labels: LabelSet,
    /// As the labels; they change with every evaluation, so that nothing depends on them but texts.
    #[serde(with = "label_map")]
    pub annotations: LabelSet,
    /// When it began to fire.
    pub starts_at: Moment,
    /// When it ended, if it has.
    pub ends_at: Option<Moment>,
    /// Where its rule is seen; may be empty. Never fetched.
    #[serde(default)]
    pub generator_url: String,
}

impl Alert {
    /// Whether it had not ended when it was told.
    pub fn is_firing(&self) -> bool {
        self.ends_at.is_none()
    }

    /// `alertname`; empty where there is none.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").unwrap_or_default()
    }
}

/// A part of an input that could not be used. The rest of the input is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Index among the alerts of the body.
    pub index: usize,
    /// Why, and what is accepted.
    pub problem: String,
    /// What came, cut to a bounded size.
    pub body: String,
}
