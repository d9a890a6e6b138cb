//! How an alert becomes part of an incident, and what people hear of it.
//!
//! Whatever pages and is not covered by a page that people got is given a time at which it pages;
//! no other place may take that time away but the end of the alert, its page, or a cause that
//! pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use prometheus_model::label_set::LabelSet;

use super::Engine;
use super::assign::{Home, covers};
use super::case::{Case, Plan};
use super::history::{Hold, Subject};
use super::rules::is_cluster;
use super::tracked::{Ref, Tracked, Via};
use crate::alert::Identity;
use crate::incident::{
    Changes, Event, Incident, IncidentId, IncidentKey, Kind, Phase, Reason, Severity,
};
use crate::time::Moment;

/// Why an alert waits, how long, and the numbers of it.
type Wait = (Reason, Duration, String);

impl Engine {
    /// How long an alert waits before it is told aloud, and why; `None` if it does not wait.
    fn wait(
        &self,
        alert: &Tracked,
        again: Option<Moment>,
        was_paged: bool,
        now: Moment,
    ) -> Option<Wait> {
        if alert.always {
            return None;
        }
        let flapping = &self.rules.config.correlation.flapping;
        if alert.status.flapping_since.is_some() {
            let penalty = alert.status.penalty;
            let detail = format!("penalty {penalty:.1}, from {:.1} on", flapping.suppress_at);
            return Some((Reason::Flapping, flapping.stable_on, detail));
        }
        let names = (self.symbols.text(alert.class), self.symbols.text(alert.entity));
        let hold = self.hold(names).filter(|_| alert.pages);
        if let Some((Hold::Habit, wait, numbers)) = hold {
            return Some((Reason::Flapping, wait, format!("comes and goes: {numbers}")));
        }
        let off = again.filter(|_| was_paged).map(|ended| now.since(ended));
        if let Some(off) = off.filter(|off| *off < flapping.stable_off) {
            let detail = format!("began again {} s after it ended", off.as_secs());
            return Some((Reason::Flapping, flapping.stable_on, detail));
        }
        hold.map(|(_, wait, numbers)| {
            (Reason::Held, wait, format!("its class is on probation: {numbers}"))
        })
    }

    pub(super) fn open_for(
        &mut self,
        identity: Identity,
        labels: &LabelSet,
        again: Option<Moment>,
        now: Moment,
        changes: &mut Changes,
    ) {
        let Some(alert) = self.alerts.get(&identity) else { return };
        let facts = alert.facts(&self.rules, &self.symbols);
        let half_life = self.rules.config.correlation.probation.half_life;
        let class = facts.class_key();
        let names = (class.as_str(), facts.entity.as_str());
        let is_habit = self.hold(names).is_some_and(|(hold, ..)| hold == Hold::Habit);
        let key = ["scope", &facts.cluster, "class", &class, "entity", &facts.entity];
        let trouble = Subject::Trouble(class.clone(), facts.entity.clone());
        let number = self.history.next_number(trouble, half_life, now);
        let counted = self.history.touch(Subject::Class(class.clone()), half_life, now);
        counted.opened = counted.opened.saturating_add(1);
        let id = IncidentId { key: IncidentKey::of(key), number };
        let texts: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let incident = Incident {
            id: id.clone(),
            class: facts.class,
            entity: facts.entity,
            name: labels.get("alertname").unwrap_or_default().to_owned(),
            severity: Severity::Info,
            phase: Phase::Open,
            starts_at: alert.status.starts_at,
            opened_at: now,
            changed_at: now,
            firing: BTreeSet::new(),
            total: 0,
            folded: BTreeMap::new(),
            parent: None,
            is_flapping: false,
            announced: 0,
            silenced_by: Vec::new(),
            acknowledged: None,
            feedback: None,
            always_page: alert.always,
            is_paged: false,
            receipts: BTreeMap::new(),
            summary: String::new(),
            description: String::new(),
            runbook_url: String::new(),
            dashboard_url: String::new(),
            generator_url: String::new(),
            opening_labels: texts.clone(),
            common_labels: texts,
        };
        let plan = Plan { is_habit, last_new: now, ..Plan::default() };
        let class = self.symbols.take(&class);
        let case = Case { incident, plan, class, own: 0, critical: 0, timer: None };
        let reference = Arc::new(id.clone());
        self.incidents.insert(Arc::clone(&reference), case);
        self.index.open(class, &reference);
        changes.events.push(Event::Opened { incident: id, alert: identity });
        let home = Home { incident: reference, via: Via::Own, reason: None, reach: Duration::ZERO };
        self.join(identity, labels, home, again, now, changes);
    }

    pub(super) fn join(
        &mut self,
        identity: Identity,
        labels: &LabelSet,
        home: Home,
        again: Option<Moment>,
        now: Moment,
        changes: &mut Changes,
    ) {
        let id = home.incident;
        let root = self.root(&id);
        let Some(alert) = self.alerts.get(&identity) else { return };
        let Some(told_by) = self.incidents.get(&root) else { return };
        let is_covered = covers(told_by, home.reach, now) && !alert.always;
        let was_paged = told_by.plan.paged_at.is_some();
        let wait = self.wait(alert, again, was_paged, now);
        let cause_hold = self.rules.config.correlation.cause_hold;
        let (alerts, incidents) = (&mut self.alerts, &mut self.incidents);
        let Some(alert) = alerts.get_mut(&identity) else { return };
        let Some(case) = incidents.get_mut(&id) else { return };
        let is_first = case.incident.total == 0;
        let mut is_held = is_first && !alert.pages;
        let rises = is_first || alert.severity > case.incident.severity;
        if case.is_resolved() {
            if let Phase::Resolved { at } = case.incident.phase {
                self.resolved.remove(&(at, Arc::clone(&id)));
            }
            case.incident.phase = Phase::Open;
            case.incident.acknowledged = None;
            case.incident.parent = None;
            self.index.open(case.class, &id);
            let detail = "began again".to_owned();
            changes.events.push(Event::Changed { incident: (*id).clone(), detail });
            is_held = !case.plan.is_told && !alert.pages;
        }
        if is_held {
            case.incident.phase = Phase::Held { until: now.after(cause_hold) };
        }
        if alert.status.incident.as_ref() != Some(&id) {
            case.incident.total = case.incident.total.saturating_add(1);
            case.incident.common_labels.retain(|name, value| labels.get(name) == Some(value));
        }
        if rises {
            case.incident.severity = alert.severity;
            // Routes go by these: what got worse goes to those whom the worse one goes to.
            case.incident.opening_labels =
                labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            case.show(alert.texts.as_deref().cloned().unwrap_or_default());
        }
        case.incident.starts_at = case.incident.starts_at.min(alert.status.starts_at);
        case.incident.changed_at = now;
        case.incident.firing.insert(identity);
        case.own += usize::from(home.via != Via::Dependency);
        case.critical += usize::from(alert.pages);
        case.plan.last_new = now;
        case.plan.quiet_at = None;
        if alert.pages {
            case.plan.last_critical = Some(now);
        }
        if home.via != Via::Dependency {
            case.plan.orphans_at = None;
        }
        let is_storm = matches!(home.reason, Some((Reason::Storm, _)));
        case.plan.is_storm |= is_storm;
        case.incident.is_flapping |= alert.status.flapping_since.is_some();
        let told_aloud = case.plan.is_told || matches!(case.incident.phase, Phase::Open);
        if let Some((reason, _)) = &home.reason {
            *case.incident.folded.entry(*reason).or_default() += 1;
            let class = Subject::Class(self.symbols.text(alert.class).to_owned());
            let half_life = self.rules.config.correlation.probation.half_life;
            let entry = self.history.touch(class, half_life, now);
            entry.folded = entry.folded.saturating_add(1);
        }
        alert.status.incident = Some(Arc::clone(&id));
        alert.status.via = home.via;
        alert.status.in_storm = is_storm;
        alert.status.tell_at = None;
        if home.via != Via::Dependency {
            alert.texts = None;
        }
        self.index.add(alert, &id);
        self.touch_incident(&id);
        self.dirty.alerts.insert(identity);
        let pages = self.alerts.get(&identity).is_some_and(|alert| alert.pages);
        if pages && !is_covered {
            self.plan_page(identity, &root, wait, now, changes);
        } else if let Some((reason, wait, detail)) = wait.filter(|_| again.is_some() && !pages) {
            self.tell_later(identity, now.after(wait));
            self.suppressed(identity, reason, detail, changes);
        } else if let Some((reason, detail)) = home.reason {
            self.suppressed(identity, reason, detail, changes);
            if rises && told_aloud && !pages {
                let text = format!("is now {}", self.severity(&id).as_str());
                self.say(&root, Kind::Escalate, false, text, changes);
            }
        } else if pages {
            let detail = format!("{} is told already", self.named(&root));
            self.suppressed(identity, Reason::SameClass, detail, changes);
        } else if is_held {
            let detail = format!("waits {} s for its cause", cause_hold.as_secs());
            self.suppressed(identity, Reason::Held, detail, changes);
        }
        if is_storm {
            self.storm_ends_waiting(&id, now, changes);
        }
        self.look_around(identity, &id, &root, now, changes);
        if is_held && cause_hold.is_zero() {
            self.pass_time(now, changes);
        }
    }

    /// What a new member means for others.
    fn look_around(
        &mut self,
        identity: Identity,
        id: &Ref,
        root: &Ref,
        now: Moment,
        changes: &mut Changes,
    ) {
        self.looks_changed(root);
        self.reparent(identity, root, now, changes);
        self.unsilence(id);
        self.refresh_incident(id);
    }

    /// People are to be woken, now or after a wait during which the incident can be seen.
    fn plan_page(
        &mut self,
        identity: Identity,
        root: &Ref,
        wait: Option<Wait>,
        now: Moment,
        changes: &mut Changes,
    ) {
        let Some((reason, wait, detail)) = wait else {
            self.tell(identity, now, changes);
            return;
        };
        let at = now.after(wait);
        self.tell_later(identity, at);
        self.suppressed(identity, reason, format!("{detail}; told at {at} if it fires"), changes);
        let Some(case) = self.incidents.get_mut(root) else { return };
        if !case.plan.is_told {
            case.plan.is_told = true;
            case.plan.is_deferred = false;
            case.incident.phase = Phase::Open;
            let text = format!("wakes nobody before {at}");
            self.say(root, Kind::Open, false, text, changes);
        }
    }

    fn tell_later(&mut self, identity: Identity, at: Moment) {
        if let Some(alert) = self.alerts.get_mut(&identity) {
            alert.status.tell_at = Some(at);
        }
        self.refresh_alert(identity);
    }

    /// So many at once are no blip, whatever the class did before.
    fn storm_ends_waiting(&mut self, id: &Ref, now: Moment, changes: &mut Changes) {
        let from = self.rules.config.correlation.storm.from as usize;
        let Some(case) = self.incidents.get(id) else { return };
        // Once it has paged nothing of it waits that is not flapping.
        if case.plan.paged_at.is_some() || case.incident.firing.len() < from {
            return;
        }
        let waiting = case.incident.firing.iter().find(|member| {
            self.alerts.get(member).is_some_and(|alert| {
                alert.pages
                    && alert.status.tell_at.is_some()
                    && alert.status.flapping_since.is_none()
            })
        });
        if let Some(identity) = waiting.copied() {
            self.tell(identity, now, changes);
        }
    }

    /// Incidents that have waited for, or come before, this cause become part of what tells it.
    fn reparent(&mut self, identity: Identity, parent: &Ref, now: Moment, changes: &mut Changes) {
        let window = self.rules.config.correlation.join_window;
        let Some(alert) = self.alerts.get(&identity) else { return };
        let mut effects = BTreeSet::new();
        for key in &alert.provides {
            let is_wide = is_cluster(self.symbols.text(*key));
            for (id, _) in self.index.needed(*key) {
                let Some(case) = self.incidents.get(id) else { continue };
                let Some(cause) = self.incidents.get(parent) else { continue };
                let fits = id != parent
                    && case.is_root()
                    && !case.incident.always_page
                    && now.since(case.incident.opened_at) <= window
                    && case.incident.severity <= cause.incident.severity
                    && (case.critical == 0 || (!is_wide && self.wakes(parent)))
                    && case.incident.firing.iter().all(|member| self.depends(member, parent));
                if fits {
                    effects.insert(Arc::clone(id));
                }
            }
        }
        for child in effects {
            let detail = format!("its cause came later: {}", self.named(parent));
            self.fold(&child, parent, Reason::Dependency, &detail, now, changes);
        }
    }

    /// Whether people were woken by it, or will be unless it ends.
    fn wakes(&self, id: &Ref) -> bool {
        self.incidents.get(id).is_some_and(|case| {
            let mut firing = case.incident.firing.iter().filter_map(|one| self.alerts.get(one));
            case.critical > 0
                && (case.plan.paged_at.is_some() || firing.any(|a| a.status.tell_at.is_some()))
        })
    }

    fn depends(&self, member: &Identity, parent: &Ref) -> bool {
        let alert = self.alerts.get(member);
        alert.is_some_and(|alert| alert.needs.iter().any(|key| self.index.provides(parent, *key)))
    }
}
