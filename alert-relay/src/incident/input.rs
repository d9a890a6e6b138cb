//! What the decisions are made from. Everything that changes an incident comes as one of these.

use super::{Answer, DeliveryId, Feedback, IncidentId};
use crate::alert::{Alert, Fingerprint, Identity, Rejected};
use crate::time::Moment;

/// Who tells of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A webhook of Alertmanager, by its external URL.
    Alertmanager(String),
    /// A Prometheus that posts by itself.
    Prometheus(String),
    /// The relay asked an Alertmanager, by its URL, and learned of an alert that no webhook told.
    Reconciliation(String),
    /// The relay itself: monitoring is blind, a destination is broken.
    Internal,
}

impl Source {
    /// As in records and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Alertmanager(_) => "alertmanager",
            Self::Prometheus(_) => "prometheus",
            Self::Reconciliation(_) => "reconciliation",
            Self::Internal => "internal",
        }
    }
}

/// An alert as it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The alert.
    pub alert: Alert,
    /// It ends then unless it is told again; only Prometheus says so.
    pub fires_until: Option<Moment>,
}

/// Something that came in, or came about.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Alerts with what was not usable beside them.
    Alerts {
        /// Who says so.
        source: Source,
        /// In the order of the body.
        told: Vec<Told>,
        /// Kept as dead letters.
        rejected: Vec<Rejected>,
    },
    /// What an Alertmanager answered about alerts that are open here.
    Seen {
        /// Each with who suppresses it.
        alerts: Vec<Observation>,
    },
    /// No Alertmanager knows these any more, and all that answered were up long enough to tell.
    Gone {
        /// Which.
        alerts: Vec<Identity>,
    },
    /// Somebody looks at an incident.
    Acknowledged {
        /// Which.
        incident: IncidentId,
        /// A name for people.
        who: String,
    },
    /// Somebody judged an incident.
    Judged {
        /// Which.
        incident: IncidentId,
        /// A name for people.
        who: String,
        /// How.
        feedback: Feedback,
    },
    /// An attempt begins: it is written down before it is made.
    Started {
        /// Which delivery.
        delivery: DeliveryId,
    },
    /// An attempt has ended.
    Answered {
        /// Which delivery.
        delivery: DeliveryId,
        /// With what.
        answer: Answer,
    },
    /// A dead letter is to be sent again, or to be dropped.
    DeadLetter {
        /// Which delivery.
        delivery: DeliveryId,
        /// Sent again, else dropped.
        retry: bool,
    },
    /// Time has passed: what was due is done.
    Tick,
}

/// What an Alertmanager says of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Which.
    pub identity: Identity,
    /// As Alertmanager computes it.
    pub fingerprint: Fingerprint,
    /// Ids of silences.
    pub silenced_by: Vec<String>,
    /// Fingerprints of alerts that inhibit it.
    pub inhibited_by: Vec<String>,
}
