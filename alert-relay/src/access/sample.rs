//! An incident and a view for tests.

use std::collections::BTreeMap;

use super::{Firing, View};
use crate::incident::{Delivery, Incident, IncidentId, IncidentKey, Phase, Record, Severity};
use crate::time::Moment;

/// `HighLatency` of a service; the number makes the key.
pub(crate) fn incident(number: u32, now: Moment) -> Incident {
    Incident {
        id: IncidentId { key: IncidentKey::of(["sample", &number.to_string()]), number: 1 },
        class: ["HighLatency", "prod", "critical"].map(str::to_owned).to_vec(),
        entity: "service=chat".to_owned(),
        name: "HighLatency".to_owned(),
        severity: Severity::Critical,
        phase: Phase::Open,
        starts_at: now,
        opened_at: now,
        changed_at: now,
        firing: std::iter::empty().collect(),
        total: 1,
        folded: BTreeMap::new(),
        parent: None,
        is_flapping: false,
        announced: 0,
        silenced_by: Vec::new(),
        acknowledged: None,
        feedback: None,
        always_page: false,
        is_paged: true,
        receipts: BTreeMap::new(),
        summary: "p99 of chat is over 2 s".to_owned(),
        description: String::new(),
        runbook_url: String::new(),
        dashboard_url: String::new(),
        generator_url: String::new(),
        opening_labels: BTreeMap::from([("alertname".to_owned(), "HighLatency".to_owned())]),
        common_labels: BTreeMap::from([("alertname".to_owned(), "HighLatency".to_owned())]),
    }
}

/// What a ledger would know.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) incidents: Vec<Incident>,
    pub(crate) records: Vec<Record>,
    pub(crate) dead_letters: Vec<Delivery>,
    pub(crate) firing: Firing,
}

impl View for Known {
    fn incidents(&self) -> Vec<Incident> {
        self.incidents.clone()
    }

    fn each_record(&self, from: Moment, visit: &mut dyn FnMut(&Record)) {
        self.records.iter().filter(|record| record.at >= from).for_each(visit);
    }

    fn dead_letters(&self) -> Vec<Delivery> {
        self.dead_letters.clone()
    }

    fn firing(&self) -> Firing {
        self.firing.clone()
    }
}
