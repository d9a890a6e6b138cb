//! What a notice becomes at each destination: a message, part of one that waits, or nothing.
//!
//! Messages show the incident as it is when they are sent; so one that waits covers whatever changed
//! meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_model::label_set::LabelSet;

use super::hours;
use super::lanes::Lane;
use super::{Incidents, MAX_INTERNAL, RESOLVES_EXPIRE, Router, Style, Told, UPDATES_EXPIRE};
use crate::config::routes::{self, Page, Route};
use crate::incident::{
    Changes, Delivery, DeliveryId, DeliveryState, Incident, Kind, Notice, Severity,
};
use crate::time::Moment;

/// Between two edits of one message.
const EDIT_PAUSE: Duration = Duration::from_secs(10);

/// Between two updates of one alert at PagerDuty.
const PAGER_PAUSE: Duration = Duration::from_mins(1);

/// Where an incident goes, and how.
#[derive(Debug, Clone, Copy, Default)]
struct Way<'c> {
    may_page: bool,
    /// Name of the hours for which it waits.
    hours: Option<&'c str>,
}

impl Router {
    /// Turns notices into deliveries.
    ///
    /// An incident that was told goes on where it was told, whatever the routes say by now.
    pub fn plan(
        &mut self,
        notices: &[Notice],
        incidents: Incidents<'_>,
        now: Moment,
        changes: &mut Changes,
    ) {
        for notice in notices {
            match notice.kind {
                Kind::Internal => self.plan_internal(notice, None, now, changes),
                Kind::Digest => self.plan_digest(notice, incidents, now, changes),
                _ => {
                    let known = notice.incidents.iter().filter_map(incidents);
                    for incident in known.collect::<Vec<_>>() {
                        self.plan_incident(notice, incident, now, changes);
                    }
                }
            }
        }
    }

    fn plan_incident(
        &mut self,
        notice: &Notice,
        incident: &Incident,
        now: Moment,
        changes: &mut Changes,
    ) {
        let config = self.config.clone();
        let mut ways: BTreeMap<&str, Way<'_>> = BTreeMap::new();
        let is_told = |name: &str| {
            let lane = Lane::new(name, &incident.id);
            incident.receipts.contains_key(name)
                || self.lanes.in_lane(&lane).next().is_some()
                || self.digest_with(name, incident).is_some()
        };
        for destination in config.destinations.iter().filter(|one| is_told(&one.name)) {
            ways.insert(&destination.name, Way { may_page: true, hours: None });
        }
        let begins = matches!(notice.kind, Kind::Open | Kind::Escalate | Kind::Remind);
        let is_new = ways.is_empty() && begins;
        if is_new || notice.kind == Kind::Escalate {
            for route in routes_of(&config.routes, incident, notice.kind) {
                for name in &route.destinations {
                    let way = ways.entry(name).or_default();
                    way.may_page |= route.page != Page::Never;
                    way.hours = way.hours.or(route.business_hours.as_deref());
                }
            }
        }
        for (name, way) in ways {
            let Some(style) = self.style(name).filter(|style| style.takes(notice.kind)) else {
                continue;
            };
            let mut plan = Plan {
                lane: Lane::new(name, &incident.id),
                router: self,
                name,
                style,
                incident,
                is_page: notice.is_page && way.may_page,
                has_receipt: incident.receipts.contains_key(name),
                notice,
                now,
            };
            match notice.kind {
                Kind::Resolve => plan.resolve(changes),
                Kind::Update | Kind::Acknowledge => plan.update(changes),
                _ => plan.begin(way.hours, changes),
            }
        }
    }

    /// A message about the relay itself, to all that are named for it but `except`.
    pub(super) fn plan_internal(
        &mut self,
        notice: &Notice,
        except: Option<&str>,
        now: Moment,
        changes: &mut Changes,
    ) {
        let config = self.config.clone();
        for name in config.internal_destinations.iter().filter(|name| Some(&***name) != except) {
            let waiting: Vec<_> = self
                .lanes
                .alone(name)
                .filter(|one| one.kind == Kind::Internal && !self.lanes.is_in_flight(one.id))
                .map(|one| (one.id, one.is_page, one.text == notice.text))
                .collect();
            if waiting.iter().any(|(_, _, is_same)| *is_same) {
                continue;
            }
            if waiting.len() >= MAX_INTERNAL {
                // pages stay as long as there is anything else
                let oldest = waiting.iter().find(|(_, is_page, _)| !is_page).or(waiting.first());
                if let Some((id, _, _)) = oldest {
                    self.withdraw(*id, "too many about the relay itself wait", changes);
                }
            }
            let expires_at = (!notice.is_page).then(|| now.after(RESOLVES_EXPIRE));
            let delivery = Delivery { expires_at, ..draft(name, notice, now) };
            self.add(delivery, changes);
        }
    }
}

/// Those by which an incident goes. One that got worse takes those of its new severity too.
fn routes_of<'c>(routes: &'c [Route], incident: &Incident, kind: Kind) -> Vec<&'c Route> {
    let mut labels: LabelSet = incident.opening_labels.iter().collect();
    let mut taken = routes::of(routes, &labels);
    if kind == Kind::Escalate {
        labels.set("severity", incident.severity.as_str());
        for route in routes::of(routes, &labels) {
            if !taken.iter().any(|known| std::ptr::eq(*known, route)) {
                taken.push(route);
            }
        }
    }
    taken
}

/// A delivery without an id, to be sent at once.
pub(super) fn draft(destination: &str, notice: &Notice, now: Moment) -> Delivery {
    Delivery {
        id: DeliveryId(0),
        destination: destination.to_owned(),
        incidents: notice.incidents.clone(),
        kind: notice.kind,
        severity: notice.severity,
        is_page: notice.is_page,
        text: notice.text.clone(),
        planned_at: now,
        expires_at: None,
        attempts: 0,
        state: DeliveryState::Planned { not_before: now },
        fallback_for: None,
        has_fallen_back: false,
        ambiguous_since: None,
    }
}

/// One notice about one incident at one destination.
struct Plan<'a> {
    router: &'a mut Router,
    lane: Lane,
    name: &'a str,
    style: Style,
    incident: &'a Incident,
    notice: &'a Notice,
    is_page: bool,
    has_receipt: bool,
    now: Moment,
}

impl Plan<'_> {
    /// What waits in the queue and is not being sent, by id and kind.
    fn waiting(&self) -> Vec<(DeliveryId, Kind)> {
        let lanes = &self.router.lanes;
        let waiting = lanes.in_lane(&self.lane).filter(|one| !lanes.is_in_flight(one.id));
        waiting.map(|one| (one.id, one.kind)).collect()
    }

    fn waiting_of(&self, kinds: &[Kind]) -> Option<DeliveryId> {
        self.waiting().into_iter().find(|(_, kind)| kinds.contains(kind)).map(|(id, _)| id)
    }

    fn draft(&self, kind: Kind) -> Delivery {
        Delivery {
            incidents: vec![self.incident.id.clone()],
            kind,
            severity: self.incident.severity.max(self.notice.severity),
            is_page: self.is_page,
            ..draft(self.name, self.notice, self.now)
        }
    }

    /// `Open`, `Escalate`, `Remind`.
    fn begin(&mut self, hours: Option<&str>, changes: &mut Changes) {
        if let Some(id) = self.waiting_of(&[Kind::Open, self.notice.kind]) {
            return self.raise(id, changes);
        }
        let is_urgent = self.is_page || self.incident.severity == Severity::Critical;
        if let Some(id) = self.router.digest_with(self.name, self.incident) {
            if !is_urgent {
                return;
            }
            self.router.take_from_digest(id, self.incident, changes);
        }
        let is_known = self.has_receipt || self.router.lanes.in_lane(&self.lane).next().is_some();
        if self.notice.kind == Kind::Open && is_known {
            // it began again before its end was told: nothing to tell, unless somebody is to wake
            if let Some(id) = self.waiting_of(&[Kind::Resolve]) {
                self.router.withdraw(id, "the incident goes on", changes);
                if self.style != Style::Chat && !self.is_page {
                    return;
                }
            }
        }
        let kind = if is_known { self.notice.kind } else { Kind::Open };
        let mut delivery = self.draft(kind);
        if !is_known && !is_urgent {
            let (config, now) = (self.router.config.clone(), self.now);
            let hours = hours.and_then(|name| config.correlation.business_hours.get(name));
            if let Some(begin) = hours.and_then(|hours| hours::begin(hours, now)) {
                if self.style == Style::Chat || self.style == Style::Post {
                    return self.router.wait_for_hours(delivery, begin, self.incident, changes);
                }
                delivery.state = DeliveryState::Planned { not_before: begin };
            }
        }
        if !is_known && self.router.is_over_limit(&delivery, self.incident, self.now, changes) {
            return;
        }
        self.router.add(delivery, changes);
    }

    /// A message that waits tells it; it may have become more urgent.
    fn raise(&mut self, id: DeliveryId, changes: &mut Changes) {
        let Some(mut delivery) = self.router.lanes.get(id).cloned() else { return };
        let severity = self.incident.severity.max(self.notice.severity);
        let is_more = severity > delivery.severity || (self.is_page && !delivery.is_page);
        if !is_more {
            return;
        }
        if self.is_page && !delivery.is_page {
            // from now on it has a minute
            delivery.planned_at = self.now;
        }
        delivery.severity = delivery.severity.max(severity);
        delivery.is_page |= self.is_page;
        if delivery.attempts == 0 {
            delivery.state = DeliveryState::Planned { not_before: self.now };
        }
        self.router.save(delivery, changes);
    }

    /// `Update` and `Acknowledge`.
    fn update(&mut self, changes: &mut Changes) {
        let kind = self.notice.kind;
        let is_told = self.has_receipt || self.router.lanes.in_lane(&self.lane).next().is_some();
        let is_covered = if self.style == Style::Chat || kind == Kind::Update {
            // each of them shows the whole incident
            let kinds =
                [Kind::Open, Kind::Escalate, Kind::Update, Kind::Acknowledge, Kind::Resolve];
            self.waiting_of(&kinds).is_some()
        } else {
            self.waiting_of(&[kind, Kind::Resolve]).is_some()
        };
        if !is_told || is_covered {
            return;
        }
        let last = self.router.told.get(&self.lane).copied();
        let mut delivery = self.draft(kind);
        delivery.is_page = false;
        delivery.expires_at = Some(self.now.after(UPDATES_EXPIRE));
        if kind == Kind::Update {
            if self.style == Style::Pager
                && !last.is_none_or(|last| is_material(last, self.incident))
            {
                return;
            }
            let pause = if self.style == Style::Pager { PAGER_PAUSE } else { EDIT_PAUSE };
            let not_before = last.map_or(self.now, |last| last.at.after(pause)).max(self.now);
            delivery.state = DeliveryState::Planned { not_before };
        }
        self.router.add(delivery, changes);
    }

    fn resolve(&mut self, changes: &mut Changes) {
        if self.router.digest_with(self.name, self.incident).is_some() {
            // the digest will say that it has ended
            return;
        }
        for (id, kind) in self.waiting() {
            let is_void = match kind {
                Kind::Update | Kind::Acknowledge | Kind::Remind => true,
                Kind::Escalate => self.style != Style::Pager,
                _ => false,
            };
            if is_void {
                self.router.withdraw(id, "the incident has ended", changes);
            }
        }
        let first = self
            .waiting_of(&[Kind::Open])
            .filter(|id| self.router.lanes.get(*id).is_some_and(|open| open.attempts == 0));
        if let Some(id) = first {
            let is_page = self.router.lanes.get(id).is_some_and(|open| open.is_page);
            match self.style {
                // one message, which says how long it was
                Style::Chat | Style::Post if !self.has_receipt => return,
                Style::Chat | Style::Post => {
                    self.router.withdraw(id, "the incident has ended", changes);
                }
                // a page that nobody saw is still a page
                Style::Pager if !is_page => {
                    self.router.withdraw(id, "the incident has ended", changes);
                    if !self.has_receipt {
                        return;
                    }
                }
                Style::Pager | Style::Machine => {}
            }
        }
        let is_told = self.has_receipt || self.router.lanes.in_lane(&self.lane).next().is_some();
        if is_told && self.waiting_of(&[Kind::Resolve]).is_none() {
            let mut delivery = self.draft(Kind::Resolve);
            delivery.is_page = false;
            delivery.expires_at = Some(self.now.after(RESOLVES_EXPIRE));
            self.router.add(delivery, changes);
        }
    }
}

/// Whether it is worth an entry in the log of an alert: half as many again, or worse.
fn is_material(last: Told, incident: &Incident) -> bool {
    let grown = u64::from(incident.total) * 2 >= u64::from(last.total) * 3;
    (grown && incident.total > last.total) || incident.severity != last.severity
}
