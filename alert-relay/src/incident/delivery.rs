//! One message to one destination, from its planning to the receipt.

use serde::{Deserialize, Serialize};

use super::{IncidentId, Severity};
use crate::time::Moment;

/// A delivery among all of this journal; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub u64);

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Tells of an incident for the first time.
    Open,
    /// Something got worse, and is told aloud.
    Escalate,
    /// The incident has changed.
    Update,
    /// Somebody looks at it.
    Acknowledge,
    /// Nobody does, for too long.
    Remind,
    /// It has ended.
    Resolve,
    /// Several incidents that could wait, in one message.
    Digest,
    /// About the relay itself.
    Internal,
}

impl Kind {
    /// As in metrics and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Escalate => "escalate",
            Self::Update => "update",
            Self::Acknowledge => "acknowledge",
            Self::Remind => "remind",
            Self::Resolve => "resolve",
            Self::Digest => "digest",
            Self::Internal => "internal",
        }
    }
}

/// How far a delivery is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// To be sent from this time on.
    Planned {
        /// Not before.
        not_before: Moment,
    },
    /// An attempt was begun, and it is not known whether it arrived.
    Started {
        /// When.
        at: Moment,
    },
    /// It arrived, or was not needed any more.
    Done {
        /// When.
        at: Moment,
    },
    /// The destination does not want it, ever.
    Dead {
        /// When that was known.
        at: Moment,
        /// What the destination said; no secret is in it.
        problem: String,
    },
}

/// One message to one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its name; also the identity of the message at destinations that have such a thing.
    pub id: DeliveryId,
    /// Name of the destination in the configuration.
    pub destination: String,
    /// What it tells about; a digest several, an internal message none.
    pub incidents: Vec<IncidentId>,
    /// What for.
    pub kind: Kind,
    /// Of the incident when it was planned; decides the order under a rate limit.
    pub severity: Severity,
    /// It is to wake somebody.
    pub is_page: bool,
    /// Text of an internal message; for others a line that says what changed, or empty: messages
    /// show the incident as it is when they are sent.
    #[serde(default)]
    pub text: String,
    /// When it was planned.
    pub planned_at: Moment,
    /// After this it is not worth sending.
    pub expires_at: Option<Moment>,
    /// Attempts that were begun.
    #[serde(default)]
    pub attempts: u32,
    /// How far it is.
    pub state: State,
    /// The delivery that this one stands in for, because it could not be delivered in time.
    #[serde(default)]
    pub fallback_for: Option<DeliveryId>,
    /// Others were planned to stand in for this one.
    #[serde(default)]
    pub has_fallen_back: bool,
    /// Begin of the first attempt that may have arrived although it was not answered.
    #[serde(default)]
    pub ambiguous_since: Option<Moment>,
}

/// What a destination needs to speak of the same thing again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Slack's channel id, PagerDuty's `dedup_key`, a mail's `Message-ID`, or empty.
    #[serde(default)]
    pub place: String,
    /// Slack's `ts`, or empty.
    #[serde(default)]
    pub stamp: String,
    /// Which credential was used, as a digest: an incident is ended with what it was opened with.
    #[serde(default)]
    pub credential: String,
    /// How many messages of the incident this destination has accepted.
    #[serde(default)]
    pub sequence: u32,
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// Accepted.
    Accepted {
        /// What to speak with from now on.
        receipt: Receipt,
    },
    /// To be tried again.
    Retry {
        /// Not before.
        not_before: Moment,
        /// It may have arrived all the same.
        is_ambiguous: bool,
        /// What went wrong; no secret is in it.
        problem: String,
    },
    /// The destination itself does not work: its credential or its channel. It is tried again, since
    /// a rotated secret must heal without a restart, but others are told meanwhile.
    Broken {
        /// Not before.
        not_before: Moment,
        /// What the destination said; no secret is in it.
        problem: String,
    },
    /// Trying again is of no use.
    Refused {
        /// What the destination said; no secret is in it.
        problem: String,
    },
}
