//! To which incident an alert belongs.
//!
//! In this order: planned work records it; the incident it was part of a moment ago; the incident
//! of its cause; that of its entity; that of its class, if alerts of the class have just come or
//! come in a storm; else one of its own. What wakes people joins silently only what has woken them
//! for the like not long ago, and only where it would have gone to the same people: in doubt, it is
//! told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus_model::label_set::LabelSet;

use super::Engine;
use super::case::Case;
use super::history::{Hold, Subject};
use super::rules::{is_cluster, is_configured};
use super::tracked::{Ref, Tracked, Via};
use crate::alert::Identity;
use crate::incident::{Changes, IncidentId, Phase, Reason};
use crate::time::Moment;

/// An incident to join, and why.
pub(super) struct Home {
    pub(super) incident: Ref,
    pub(super) via: Via,
    /// `None`: it was part of it before.
    pub(super) reason: Option<(Reason, String)>,
    /// How long ago people may have been woken for the like, for it to be covered by that.
    pub(super) reach: Duration,
}

impl Engine {
    pub(super) fn place(
        &mut self,
        identity: Identity,
        again: Option<Moment>,
        now: Moment,
        changes: &mut Changes,
    ) {
        let Some(alert) = self.alerts.get_mut(&identity) else { return };
        let labels = alert.labels(&self.symbols);
        if let Some((name, until)) = self.rules.maintenance(&labels, now) {
            alert.status.maintenance = Some(until);
            let detail = format!("{name:?} until {until}");
            self.suppressed(identity, Reason::Maintenance, detail, changes);
            return;
        }
        let from_work = alert.status.maintenance.take().is_some();
        let is_new = again.is_none() && !from_work && alert.status.incident.is_none();
        let storm = self.storm(identity, is_new, now);
        match self.home(identity, &labels, storm.as_deref(), now) {
            Some(home) => self.join(identity, &labels, home, again, now, changes),
            None => self.open_for(identity, &labels, again, now, changes),
        }
    }

    /// Counts a new alert of its class; in a storm, the numbers of it.
    fn storm(&mut self, identity: Identity, is_new: bool, now: Moment) -> Option<String> {
        let correlation = &self.rules.config.correlation;
        let rules = &correlation.storm;
        let alert = self.alerts.get(&identity)?;
        let class = Subject::Class(self.symbols.text(alert.class).to_owned());
        let entry = self.history.touch(class, correlation.probation.half_life, now);
        let needed = (rules.from.max(2) as usize).min(1_000);
        if is_new {
            entry.recent.push(now);
            let surplus = entry.recent.len().saturating_sub(needed);
            entry.recent.drain(..surplus);
        }
        let first = *entry.recent.first()?;
        let is_storm = entry.recent.len() >= needed && now.since(first) <= rules.window;
        is_storm.then(|| {
            format!("{needed} new alerts of the class within {} s", now.since(first).as_secs())
        })
    }

    fn home(
        &self,
        identity: Identity,
        labels: &LabelSet,
        storm: Option<&str>,
        now: Moment,
    ) -> Option<Home> {
        let alert = self.alerts.get(&identity)?;
        let correlation = &self.rules.config.correlation;
        if let Some((id, case)) =
            alert.status.incident.as_ref().and_then(|id| self.incidents.get_key_value(id))
        {
            let goes_on = match case.incident.phase {
                Phase::Resolved { at } => now.since(at) <= correlation.reopen_window,
                _ => true,
            };
            if goes_on {
                let incident = Arc::clone(id);
                return Some(Home {
                    incident,
                    via: alert.status.via,
                    reason: None,
                    reach: correlation.join_window,
                });
            }
        }
        if !alert.always {
            if let Some(home) = self.cause(alert, now) {
                return Some(home);
            }
            if let Some(home) = self.same_entity(alert, labels, now) {
                return Some(home);
            }
        }
        self.same_class(alert, labels, storm, now)
    }

    fn cause(&self, alert: &Tracked, now: Moment) -> Option<Home> {
        for key in &alert.needs {
            let text = self.symbols.text(*key);
            let (is_lasting, is_wide) = (is_configured(text), is_cluster(text));
            let window = self.rules.config.correlation.join_window;
            let reach = if is_lasting { Duration::MAX } else { window };
            let joinable = |case: &Case| {
                is_lasting
                    || if alert.pages {
                        !is_wide && covers(case, reach, now)
                    } else {
                        case.incident.severity >= alert.severity
                    }
            };
            if let Some(incident) = self.oldest(self.index.provided(*key), joinable) {
                let detail = self.named(&incident);
                let reason = Some((Reason::Dependency, format!("its cause is {detail}")));
                return Some(Home { incident, via: Via::Dependency, reason, reach });
            }
        }
        None
    }

    fn same_entity(&self, alert: &Tracked, labels: &LabelSet, now: Moment) -> Option<Home> {
        let key = alert.provides.first().filter(|_| alert.is_narrow)?;
        // One trouble of one thing shows itself in several classes, burn rates last.
        let reach = self.rules.config.correlation.join_window * 2;
        let joinable = |case: &Case| {
            let is_new = !alert.pages || case.plan.paged_at.is_none();
            (is_new || covers(case, reach, now)) && self.is_told_to_the_same(case, alert, labels)
        };
        let incident = self.oldest(self.index.provided(*key), joinable)?;
        let detail = format!("{} is {}", self.symbols.text(alert.entity), self.named(&incident));
        let reason = Some((Reason::SameEntity, detail));
        Some(Home { incident, via: Via::Entity, reason, reach })
    }

    fn same_class(
        &self,
        alert: &Tracked,
        labels: &LabelSet,
        storm: Option<&str>,
        now: Moment,
    ) -> Option<Home> {
        let window = self.rules.config.correlation.join_window;
        let names = (self.symbols.text(alert.class), self.symbols.text(alert.entity));
        let is_habit = self.hold(names).is_some_and(|(hold, ..)| hold == Hold::Habit);
        if storm.is_none() && (alert.always || is_habit) {
            return None;
        }
        let open: Vec<_> = self.index.of_class(alert.class).map(|id| (Arc::clone(id), 1)).collect();
        let joinable = |case: &Case| {
            let is_steady = !case.plan.is_habit && !case.incident.is_flapping;
            let is_recent = now.since(case.plan.last_new) <= window;
            (storm.is_some() || (is_steady && is_recent && !case.incident.always_page))
                && self.is_told_to_the_same(case, alert, labels)
        };
        let incident = self.oldest(&open, joinable)?;
        let reason = if let Some(numbers) = storm {
            (Reason::Storm, numbers.to_owned())
        } else {
            let ago = now.since(self.incidents.get(&incident)?.plan.last_new).as_secs();
            let (named, limit) = (self.named(&incident), window.as_secs());
            let detail = format!("the last one joined {named} {ago} s ago, within {limit} s");
            (Reason::SameClass, detail)
        };
        let reach = if storm.is_some() { Duration::MAX } else { window };
        Some(Home { incident, via: Via::Own, reason: Some(reason), reach })
    }

    /// The root incident that was opened first among those that fit.
    fn oldest(&self, counts: &[(Ref, u32)], fits: impl Fn(&Case) -> bool) -> Option<Ref> {
        let roots: BTreeSet<Ref> = counts.iter().map(|(id, _)| self.root(id)).collect();
        let fitting = roots
            .into_iter()
            .filter(|id| self.incidents.get(id).is_some_and(|case| case.is_root() && fits(case)));
        fitting.min_by_key(|id| self.incidents.get(id).map(|case| case.incident.opened_at))
    }

    /// The incident that tells this one.
    pub(super) fn root(&self, id: &Ref) -> Ref {
        let mut root = Arc::clone(id);
        // A chain is as long as causes have causes.
        for _ in 0..16 {
            let parent = self.incidents.get(&root).and_then(|case| case.incident.parent.clone());
            let Some(parent) = parent else { break };
            root = Arc::new(parent);
        }
        root
    }

    /// Whether everybody who would be told of the alert is told by the incident.
    fn is_told_to_the_same(&self, case: &Case, alert: &Tracked, labels: &LabelSet) -> bool {
        if alert.severity > case.incident.severity {
            return true; // it goes to whom the alert goes, from then on
        }
        let opening: LabelSet = case.incident.opening_labels.iter().collect();
        self.rules.destinations(labels).is_subset(&self.rules.destinations(&opening))
    }

    pub(super) fn named(&self, id: &IncidentId) -> String {
        self.incidents.get(id).map_or_else(String::new, |case| {
            format!("{} on {} ({id})", case.incident.name, case.incident.entity)
        })
    }

    pub(super) fn hold(&self, names: (&str, &str)) -> Option<(Hold, Duration, String)> {
        let correlation = &self.rules.config.correlation;
        self.history.hold(names, &correlation.probation, correlation.flapping.stable_on)
    }
}

/// Whether people were woken by it for the like, not long ago, and it is still going on.
pub(super) fn covers(case: &Case, reach: Duration, now: Moment) -> bool {
    let is_recent = case.plan.last_critical.is_some_and(|last| now.since(last) <= reach);
    case.plan.paged_at.is_some() && case.critical > 0 && is_recent
}
