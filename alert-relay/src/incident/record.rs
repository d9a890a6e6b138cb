//! What is written down about every decision: the trail that `explain`, the report and the page
//! read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Answer, DeliveryId, Feedback, IncidentId, Kind};
use crate::alert::{Alert, Identity, Rejected};
use crate::time::Moment;

/// Why an alert was not told by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The same again: a repeat, a replica's copy, the second of a pair.
    Duplicate,
    /// Joined an open incident of its class.
    SameClass,
    /// Joined an open incident of the same entity.
    SameEntity,
    /// Many of its class at once.
    Storm,
    /// Its cause is an incident already.
    Dependency,
    /// Begins and ends too often.
    Flapping,
    /// A planned window.
    Maintenance,
    /// Silenced in Alertmanager.
    Silenced,
    /// Inhibited in Alertmanager.
    Inhibited,
    /// Waits for its cause, or for whether it ends by itself.
    Held,
    /// Ended while it was held.
    EndedWhileHeld,
    /// Waits for business hours.
    BusinessHours,
    /// Too many messages for one channel.
    ChannelLimit,
}

impl Reason {
    /// As in metrics and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::SameClass => "same_class",
            Self::SameEntity => "same_entity",
            Self::Storm => "storm",
            Self::Dependency => "dependency",
            Self::Flapping => "flapping",
            Self::Maintenance => "maintenance",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
            Self::Held => "held",
            Self::EndedWhileHeld => "ended_while_held",
            Self::BusinessHours => "business_hours",
            Self::ChannelLimit => "channel_limit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that happened, or was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// Alerts came in.
    Received {
        /// `alertmanager`, `prometheus` or `reconciliation`, and who.
        source: String,
        /// As they came.
        alerts: Vec<Alert>,
    },
    /// A part of an input that was not usable.
    Rejected {
        /// As in `Received`.
        source: String,
        /// What, and why.
        rejected: Rejected,
    },
    /// An incident began.
    Opened {
        /// Which.
        incident: IncidentId,
        /// By which alert.
        alert: Identity,
    },
    /// An alert is told by an incident, or not told, and why.
    Suppressed {
        /// The incident that tells it, if there is one.
        incident: Option<IncidentId>,
        /// Which alert.
        alert: Identity,
        /// Why.
        reason: Reason,
        /// What decided: numbers, the name of a window, the cause.
        detail: String,
    },
    /// An alert of an incident ended.
    Ended {
        /// Which incident.
        incident: IncidentId,
        /// Which alert.
        alert: Identity,
        /// How it is known: `webhook`, `prometheus`, `reconciled`, `timeout`.
        how: String,
    },
    /// An incident became part of another one.
    Reparented {
        /// The part.
        incident: IncidentId,
        /// The whole.
        parent: IncidentId,
        /// Why.
        detail: String,
    },
    /// An incident changed in a way that is no message of its own.
    Changed {
        /// Which.
        incident: IncidentId,
        /// How.
        detail: String,
    },
    /// An incident ended.
    Resolved {
        /// Which.
        incident: IncidentId,
    },
    /// A message will be sent.
    Planned {
        /// Which.
        delivery: DeliveryId,
        /// About what; none for an internal message.
        incident: Option<IncidentId>,
        /// Whereto.
        destination: String,
        /// What for.
        kind: Kind,
        /// It is to wake somebody.
        is_page: bool,
    },
    /// A message is being sent.
    Started {
        /// Which.
        delivery: DeliveryId,
        /// Counts from 1.
        attempt: u32,
    },
    /// What an attempt came to.
    Answered {
        /// Which.
        delivery: DeliveryId,
        /// The outcome.
        answer: Answer,
    },
    /// A message was given up.
    DeadLettered {
        /// Which.
        delivery: DeliveryId,
        /// Why.
        problem: String,
    },
    /// A person said something of an incident.
    Said {
        /// Which.
        incident: IncidentId,
        /// Who.
        who: String,
        /// `acknowledged` if it is none of the others.
        feedback: Option<Feedback>,
    },
    /// The configuration in force.
    Configured {
        /// SHA-256 of the file, hexadecimal.
        hash: String,
    },
}

/// An event with its time; its number is its key in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Moment,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}
