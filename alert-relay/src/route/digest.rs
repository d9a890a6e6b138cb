//! Incidents that can wait, and go as one message: until people work, or until a channel is quiet
//! again.
//!
//! A digest is told once: its incidents have no receipt of it, so that nothing edits it away.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Incidents, Router, Style};
use crate::config::destinations::Target;
use crate::config::routes;
use crate::incident::{
    Changes, Delivery, DeliveryId, DeliveryState, Event, Incident, IncidentId, Kind, Notice,
    Reason, Severity,
};
use crate::route::plan::draft;
use crate::time::Moment;

/// Over this time new messages in a channel are counted.
const CHANNEL_WINDOW: Duration = Duration::from_mins(10);

impl Router {
    /// A digest of the engine, to each destination with the incidents that go there.
    pub(super) fn plan_digest(
        &mut self,
        notice: &Notice,
        incidents: Incidents<'_>,
        now: Moment,
        changes: &mut Changes,
    ) {
        let config = self.config.clone();
        let mut by_destination: BTreeMap<&str, Vec<IncidentId>> = BTreeMap::new();
        for incident in notice.incidents.iter().filter_map(incidents) {
            let labels = incident.opening_labels.iter().collect();
            let routes = routes::of(&config.routes, &labels);
            for name in routes.iter().flat_map(|route| &route.destinations) {
                let listed = by_destination.entry(name).or_default();
                if !listed.contains(&incident.id) {
                    listed.push(incident.id.clone());
                }
            }
        }
        for (name, listed) in by_destination {
            match self.style(name) {
                Some(Style::Chat | Style::Post) => {
                    let delivery = Delivery { incidents: listed, ..draft(name, notice, now) };
                    self.add(delivery, changes);
                }
                // one key is one incident
                Some(Style::Pager | Style::Machine) => {
                    for incident in listed {
                        let delivery = Delivery {
                            incidents: vec![incident],
                            kind: Kind::Open,
                            ..draft(name, notice, now)
                        };
                        self.add(delivery, changes);
                    }
                }
                None => {}
            }
        }
    }

    /// The digest that waits with this incident in it.
    pub(super) fn digest_with(&self, name: &str, incident: &Incident) -> Option<DeliveryId> {
        let digests = self.lanes.alone(name).filter(|one| one.kind == Kind::Digest);
        let mut waiting = digests.filter(|one| !self.lanes.is_in_flight(one.id));
        waiting.find(|one| one.incidents.contains(&incident.id)).map(|one| one.id)
    }

    /// It is told by itself instead.
    pub(super) fn take_from_digest(
        &mut self,
        id: DeliveryId,
        incident: &Incident,
        changes: &mut Changes,
    ) {
        let Some(mut digest) = self.lanes.get(id).cloned() else { return };
        digest.incidents.retain(|listed| *listed != incident.id);
        if digest.incidents.is_empty() {
            self.remove(id, changes);
        } else {
            self.save(digest, changes);
        }
    }

    pub(super) fn wait_for_hours(
        &mut self,
        delivery: Delivery,
        begin: Moment,
        incident: &Incident,
        changes: &mut Changes,
    ) {
        let detail = format!("{} is told at {begin}", delivery.destination);
        self.add_to_digest(delivery, begin, incident, (Reason::BusinessHours, detail), changes);
    }

    /// Whether the channel has had enough new messages: then it goes into a digest.
    pub(super) fn is_over_limit(
        &mut self,
        delivery: &Delivery,
        incident: &Incident,
        now: Moment,
        changes: &mut Changes,
    ) -> bool {
        let Some(channel) = self.channel(&delivery.destination) else { return false };
        let limit =
            usize::try_from(self.config.correlation.storm.channel_limit).unwrap_or(usize::MAX);
        let recent = self.recent.entry(channel).or_default();
        while recent.front().is_some_and(|at| now.since(*at) >= CHANNEL_WINDOW) {
            recent.pop_front();
        }
        let is_exempt = delivery.is_page || delivery.severity == Severity::Critical;
        if is_exempt || recent.len() < limit {
            recent.push_back(now);
            // of those that are exempt there may be any number; only the last ones matter
            while recent.len() > limit.max(1) {
                recent.pop_front();
            }
            return false;
        }
        let free = recent.front().map_or(now, |at| at.after(CHANNEL_WINDOW));
        let detail = format!("{} had {limit} new messages in ten minutes", delivery.destination);
        let why = (Reason::ChannelLimit, detail);
        self.add_to_digest(delivery.clone(), free, incident, why, changes);
        true
    }

    /// What a channel of Slack is known by.
    fn channel(&self, destination: &str) -> Option<String> {
        match self.config.destination(destination)?.target()? {
            Target::Slack(slack) => Some(format!("{} {}", slack.url, slack.channel)),
            Target::SlackWebhook(slack) => Some(slack.url_file.display().to_string()),
            _ => None,
        }
    }

    fn add_to_digest(
        &mut self,
        delivery: Delivery,
        not_before: Moment,
        incident: &Incident,
        (reason, detail): (Reason, String),
        changes: &mut Changes,
    ) {
        if let Some(alert) = incident.firing.first() {
            changes.events.push(Event::Suppressed {
                incident: Some(incident.id.clone()),
                alert: *alert,
                reason,
                detail,
            });
        }
        let waits = |one: &&Delivery| {
            let is_later = matches!(one.state, DeliveryState::Planned { not_before: at } if at > delivery.planned_at);
            one.kind == Kind::Digest && one.attempts == 0 && is_later
        };
        let waiting = self.lanes.alone(&delivery.destination).find(waits).cloned();
        let Some(mut digest) = waiting else {
            let state = DeliveryState::Planned { not_before };
            let digest = Delivery { kind: Kind::Digest, text: String::new(), state, ..delivery };
            self.add(digest, changes);
            return;
        };
        digest.incidents.push(incident.id.clone());
        digest.severity = digest.severity.max(delivery.severity);
        if let DeliveryState::Planned { not_before: at } = &mut digest.state {
            *at = (*at).min(not_before);
        }
        self.save(digest, changes);
    }
}
