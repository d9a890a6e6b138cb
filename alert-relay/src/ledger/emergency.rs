//! Paging without the disk.
//!
//! While nothing can be stored the core goes on deciding in memory, so that incident and key are
//! those that it would have stored, and PagerDuty takes both for one. Once the journal can be
//! written, what was decided meanwhile is forgotten: its senders were told to try again.

use std::collections::BTreeMap;

use crate::alert::Alert;
use crate::incident::{Changes, Delivery, DeliveryState, Incident, IncidentId, Table};
use crate::time::Moment;

/// A page that could not be stored before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct EmergencyPage {
    /// What would have been stored. Its id is given again later: it names nothing to anybody.
    pub delivery: Delivery,
    /// What it tells about, as far as it changed with it. The key of the page is in
    /// `delivery.incidents` in any case.
    pub incidents: Vec<Incident>,
}

/// Sends pages that could not be stored.
pub trait Emergency: Send {
    /// Sends these, as often as it takes, and holds no more of them than memory can bear. Called on
    /// the ledger's thread: must not block, and not wait for the disk.
    fn page(&mut self, pages: Vec<EmergencyPage>);

    /// Tells of alerts that the relay could not process at all, without an incident. As
    /// [`page`](Self::page).
    fn given_up(&mut self, firing: Vec<Alert>, at: Moment);
}

/// The pages among these changes.
pub(super) fn pages<'a>(changes: impl IntoIterator<Item = &'a Changes>) -> Vec<EmergencyPage> {
    let mut deliveries = BTreeMap::new();
    let mut incidents: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    for row in changes.into_iter().flat_map(|changes| &changes.rows) {
        let value = row.value.as_deref();
        match row.table {
            Table::Deliveries => {
                // The last one for a key counts.
                let delivery = value.and_then(|json| serde_json::from_slice::<Delivery>(json).ok());
                deliveries.insert(row.key.clone(), delivery);
            }
            Table::Incidents => {
                if let Some(incident) = value.and_then(|json| serde_json::from_slice(json).ok()) {
                    let incident: Incident = incident;
                    incidents.insert(incident.id.clone(), incident);
                }
            }
            _ => {}
        }
    }
    let planned = |delivery: &Delivery| {
        delivery.is_page && matches!(delivery.state, DeliveryState::Planned { .. })
    };
    let page = |delivery: Delivery| {
        let told = delivery.incidents.iter().filter_map(|id| incidents.get(id).cloned());
        EmergencyPage { incidents: told.collect(), delivery }
    };
    deliveries.into_values().flatten().filter(planned).map(page).collect()
}
