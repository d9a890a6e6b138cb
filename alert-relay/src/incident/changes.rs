//! What an input changed: rows of the journal, records, and what people are to be told.
//!
//! Rows and records of one input are stored together or not at all, before anything of it is
//! answered or sent.

use super::{Event, IncidentId, Kind, Severity};

/// A table of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names of the tables")]
pub enum Table {
    Alerts,
    Incidents,
    Classes,
    Deliveries,
    /// Single values: counters, the last heartbeat.
    Singles,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Alerts, Self::Incidents, Self::Classes, Self::Deliveries, Self::Singles];

    /// As in the file and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Incidents => "incidents",
            Self::Classes => "classes",
            Self::Deliveries => "deliveries",
            Self::Singles => "singles",
        }
    }
}

/// A row that is to be as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
    /// JSON; without it the row is removed.
    pub value: Option<Vec<u8>>,
}

/// All that one input, or several, changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The last one for a key counts.
    pub rows: Vec<Row>,
    /// In their order.
    pub events: Vec<Event>,
    /// What people are to be told; routes turn it into deliveries, which are rows too.
    pub notices: Vec<Notice>,
}

/// Something to be told, before it is known to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What for.
    pub kind: Kind,
    /// About what: one, for a digest several, for an internal message none.
    pub incidents: Vec<IncidentId>,
    /// How bad.
    pub severity: Severity,
    /// It is to wake somebody.
    pub is_page: bool,
    /// Of an internal message; for others a line that says what changed.
    pub text: String,
}
