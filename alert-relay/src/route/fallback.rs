//! Others who are told what a destination did not take.
//!
//! A stand-in is planned once; a destination that knows the incident already, or is about to be
//! told, is left out, so that two destinations may stand in for each other.

use std::time::Duration;

use super::lanes::Lane;
use super::settle::{end_of, has_ended};
use super::{Incidents, Router, Style, is_first_word};
use crate::config::routes;
use crate::incident::{Changes, Delivery, DeliveryId, DeliveryState, Kind, Notice, Severity};
use crate::time::Moment;

/// Between two complaints about one destination.
const COMPLAINT_PAUSE: Duration = Duration::from_mins(10);

impl Router {
    /// Plans stand-ins for a message, if there are any and it has none yet.
    pub(super) fn fall_back(
        &mut self,
        delivery: &Delivery,
        incidents: Incidents<'_>,
        now: Moment,
        changes: &mut Changes,
    ) {
        if delivery.has_fallen_back || !is_first_word(delivery.kind) {
            return;
        }
        if let Some(mut waiting) = self.lanes.get(delivery.id).cloned() {
            waiting.has_fallen_back = true;
            self.save(waiting, changes);
        }
        for name in self.stand_ins(delivery, incidents) {
            let mut stand_in = Delivery {
                id: DeliveryId(0),
                destination: name.clone(),
                planned_at: now,
                attempts: 0,
                state: DeliveryState::Planned { not_before: now },
                fallback_for: Some(delivery.id),
                has_fallen_back: false,
                ambiguous_since: None,
                ..delivery.clone()
            };
            if matches!(delivery.kind, Kind::Digest | Kind::Internal) {
                self.add(stand_in, changes);
                continue;
            }
            let Some(incident) = delivery.incidents.first().and_then(incidents) else { continue };
            let lane = Lane::new(&name, &incident.id);
            let is_told =
                incident.receipts.contains_key(&name) || self.lanes.in_lane(&lane).next().is_some();
            if is_told {
                continue;
            }
            stand_in.kind = Kind::Open;
            let end = end_of(&stand_in, now);
            self.add(stand_in, changes);
            let shows_end = matches!(self.style(&name), Some(Style::Chat | Style::Post));
            if has_ended(incident) && !shows_end {
                self.add(end, changes);
            }
        }
    }

    /// The fallback of its destination; of one that is gone, where its incident would go today.
    fn stand_ins(&self, delivery: &Delivery, incidents: Incidents<'_>) -> Vec<String> {
        if let Some(destination) = self.config.destination(&delivery.destination) {
            return destination.fallback.clone();
        }
        let Some(incident) = delivery.incidents.first().and_then(incidents) else {
            return self.config.internal_destinations.clone();
        };
        let labels = incident.opening_labels.iter().collect();
        let routes = routes::of(&self.config.routes, &labels);
        let mut names: Vec<String> =
            routes.iter().flat_map(|route| route.destinations.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Tells those who look after the relay that a destination does not work.
    pub(super) fn complain(
        &mut self,
        destination: &str,
        problem: &str,
        now: Moment,
        changes: &mut Changes,
    ) {
        let is_recent = |at: &Moment| now.since(*at) < COMPLAINT_PAUSE;
        if self.complained.get(destination).is_some_and(is_recent) {
            return;
        }
        self.complained.insert(destination.to_owned(), now);
        let notice = Notice {
            kind: Kind::Internal,
            incidents: Vec::new(),
            severity: Severity::Error,
            is_page: false,
            text: format!("destination {destination} does not take messages: {problem}"),
        };
        self.plan_internal(&notice, Some(destination), now, changes);
    }
}
