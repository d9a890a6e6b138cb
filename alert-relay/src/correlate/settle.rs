//! What becomes of an incident with time: told, ended, folded into its cause, stood on its own,
//! brought to mind.
//!
//! Each timer is worked out again from the state that it serves whenever that state changes, so
//! that none has to be stored and none outlives its reason.

use std::sync::Arc;
use std::time::Duration;

use prometheus_model::label_set::LabelSet;

use super::life::leave;
use super::tracked::{Ref, Via};
use super::{Due, Engine, MOST_RESOLVED, RESOLVED_KEPT};
use crate::alert::Identity;
use crate::incident::{Changes, Event, IncidentId, Kind, Phase, Reason};
use crate::time::Moment;

/// What still fires so long after planned work is told.
const AFTER_MAINTENANCE: Duration = Duration::from_mins(5);

/// One thing that was due may bring another; more than this in one turn waits for the next.
const MOST_ROUNDS: usize = 16;

impl Engine {
    /// Does what is due.
    pub(super) fn pass_time(&mut self, now: Moment, changes: &mut Changes) {
        for _ in 0..MOST_ROUNDS {
            let mut due = Vec::new();
            while self.timers.first().is_some_and(|(at, _)| *at <= now) {
                due.extend(self.timers.pop_first());
            }
            if due.is_empty() {
                return;
            }
            for (_, due) in due {
                match due {
                    Due::Alert(identity) => self.alert_is_due(identity, now, changes),
                    Due::Incident(id) => self.incident_is_due(&id, now, changes),
                }
            }
        }
    }

    fn alert_is_due(&mut self, identity: Identity, now: Moment, changes: &mut Changes) {
        let Some(alert) = self.alerts.get_mut(&identity) else { return };
        alert.timer = None;
        let correlation = &self.rules.config.correlation;
        let status = &alert.status;
        let is_over = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        if !status.is_firing() {
            if is_over(status.forgotten_at(&correlation.flapping, correlation.reopen_window)) {
                self.forget(identity);
                return;
            }
        } else if is_over(status.fires_until) {
            let end = status.fires_until.unwrap_or(now);
            self.ended(identity, end, "timeout", now, changes);
        } else if is_over(status.maintenance.map(|end| end.after(AFTER_MAINTENANCE))) {
            self.place(identity, None, now, changes);
            self.dirty.alerts.insert(identity);
        } else if is_over(status.tell_at) && !status.is_silenced && !status.is_inhibited {
            self.tell(identity, now, changes);
        }
        self.refresh_alert(identity);
    }

    fn incident_is_due(&mut self, id: &Ref, now: Moment, changes: &mut Changes) {
        let Some(case) = self.incidents.get_mut(id) else { return };
        case.timer = None;
        let is_over = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        match case.incident.phase {
            Phase::Resolved { at } if now.since(at) >= RESOLVED_KEPT => {
                self.forget_incident(id);
                return;
            }
            Phase::Held { until } if until <= now && case.incident.silenced_by.is_empty() => {
                self.hold_is_over(id, now, changes);
            }
            _ if is_over(case.plan.quiet_at) => self.resolve(id, now, changes),
            _ if is_over(case.plan.orphans_at) => self.stand_alone(id, now, changes),
            _ if is_over(case.plan.remind_at) => self.remind(id, now, changes),
            _ => {}
        }
        self.refresh_incident(id);
    }

    /// Tells an alert aloud; what else waits in its incident is told by that too.
    pub(super) fn tell(&mut self, identity: Identity, now: Moment, changes: &mut Changes) {
        let Some(alert) = self.alerts.get_mut(&identity) else { return };
        let Some(member_of) = alert.status.incident.clone() else { return };
        // Firing all that time it was no flapping.
        if alert.status.flapping_since.take().is_some() {
            alert.status.penalty = 0.0;
        }
        alert.status.tell_at = None;
        self.dirty.alerts.insert(identity);
        let (pages, name) = (alert.pages, self.symbols.text(alert.entity).to_owned());
        let class = self.symbols.text(alert.class).to_owned();
        let id = self.root(&member_of);
        let Some(case) = self.incidents.get_mut(&id) else { return };
        case.incident.is_flapping = false;
        if !pages {
            self.looks_changed(&id);
            self.touch_incident(&id);
            return;
        }
        let kind = if case.plan.is_told { Kind::Escalate } else { Kind::Open };
        case.plan.is_told = true;
        case.plan.is_deferred = false;
        case.plan.paged_at = Some(now);
        case.plan.paged_by = Some((class, name.clone()));
        case.incident.is_paged = true;
        case.incident.phase = Phase::Open;
        let remind_after = self.rules.config.correlation.remind_after;
        case.plan.remind_at = (!remind_after.is_zero() && case.incident.acknowledged.is_none())
            .then(|| now.after(remind_after));
        let waiting: Vec<_> = case.incident.firing.iter().copied().collect();
        for member in waiting {
            if let Some(alert) = self.alerts.get_mut(&member)
                && alert.status.tell_at.take().is_some()
            {
                self.dirty.alerts.insert(member);
                self.refresh_alert(member);
            }
        }
        let text = match kind {
            Kind::Open => String::new(),
            _ => format!("now critical: {name}"),
        };
        self.say(&id, kind, true, text, changes);
        self.touch_incident(&id);
        self.refresh_incident(&id);
        self.refresh_alert(identity);
    }

    fn hold_is_over(&mut self, id: &Ref, now: Moment, changes: &mut Changes) {
        let Some(case) = self.incidents.get_mut(id) else { return };
        let labels: LabelSet = case.incident.opening_labels.iter().collect();
        let begin = self.rules.waits_until(&labels, now);
        if let Some(begin) = begin {
            case.plan.is_deferred = true;
            case.incident.phase = Phase::Held { until: begin };
            let members: Vec<_> = case.incident.firing.iter().copied().collect();
            for member in members {
                let detail = format!("they begin at {begin}");
                self.suppressed(member, Reason::BusinessHours, detail, changes);
            }
        } else {
            case.incident.phase = Phase::Open;
            case.plan.is_told = true;
            if std::mem::take(&mut case.plan.is_deferred) {
                self.spoken.aloud.insert(Arc::clone(id));
                self.digest.push(Arc::clone(id));
            } else {
                self.say(id, Kind::Open, false, String::new(), changes);
            }
        }
        self.touch_incident(id);
    }

    fn remind(&mut self, id: &Ref, now: Moment, changes: &mut Changes) {
        let after = self.rules.config.correlation.remind_after;
        let Some(case) = self.incidents.get_mut(id) else { return };
        case.plan.remind_at = None;
        let is_over = case.incident.acknowledged.is_some() || !case.is_root() || case.critical == 0;
        if !is_over {
            case.plan.remind_at = Some(now.after(after));
            if case.incident.silenced_by.is_empty() && !case.incident.is_flapping {
                let since = now.since(case.incident.opened_at).as_secs() / 60;
                let text = format!("not acknowledged for {since} min");
                self.say(id, Kind::Remind, true, text, changes);
            }
        }
        self.touch_incident(id);
    }

    /// After an alert of it has ended.
    pub(super) fn settle(&mut self, id: &Ref, now: Moment, changes: &mut Changes) {
        let correlation = &self.rules.config.correlation;
        let (orphan_after, stable_off) =
            (correlation.orphan_after, correlation.flapping.stable_off);
        let children = self.index.children(id);
        let has_children = children.iter().any(|child| {
            self.incidents.get(child).is_some_and(|case| !case.incident.firing.is_empty())
        });
        let Some(case) = self.incidents.get_mut(id) else { return };
        if case.is_resolved() {
            return;
        }
        let is_empty = case.incident.firing.is_empty();
        if case.own == 0 && case.is_root() && (!is_empty || has_children) {
            case.plan.orphans_at.get_or_insert(now.after(orphan_after));
        } else if is_empty && case.incident.is_flapping && case.is_root() && case.plan.is_told {
            case.plan.quiet_at.get_or_insert(now.after(stable_off));
        } else if is_empty {
            self.resolve(id, now, changes);
        }
        self.unsilence(id);
        self.refresh_incident(id);
        // A cause has no child left that fires: it may have waited for just that.
        let parent = self.incidents.get(id).and_then(|case| case.incident.parent.clone());
        if let Some(parent) = parent.map(Arc::new) {
            let waits = self.incidents.get(&parent);
            if waits.is_some_and(|case| case.incident.firing.is_empty() && !case.is_resolved()) {
                self.settle(&parent, now, changes);
            }
        }
    }

    fn resolve(&mut self, id: &Ref, now: Moment, changes: &mut Changes) {
        let Some(case) = self.incidents.get_mut(id) else { return };
        let opened_at = case.incident.opened_at;
        case.incident.phase = Phase::Resolved { at: now };
        case.incident.changed_at = now;
        case.incident.is_flapping = false;
        case.incident.silenced_by.clear();
        case.plan.quiet_at = None;
        case.plan.orphans_at = None;
        case.plan.remind_at = None;
        case.plan.is_deferred = false;
        let class = case.class;
        let is_told = case.plan.is_told;
        self.index.close(class, id);
        if let Some(parent) = self.incidents.get(id).and_then(|case| case.incident.parent.clone()) {
            self.index.unfold(id, &Arc::new(parent));
        }
        changes.events.push(Event::Resolved { incident: (**id).clone() });
        if is_told {
            let text = format!("after {} min", now.since(opened_at).as_secs() / 60);
            self.say(id, Kind::Resolve, false, text, changes);
        }
        self.touch_incident(id);
        self.resolved.insert((now, Arc::clone(id)));
        while self.resolved.len() > MOST_RESOLVED {
            let Some((_, oldest)) = self.resolved.first().cloned() else { break };
            self.forget_incident(&oldest);
        }
        self.refresh_incident(id);
    }

    pub(super) fn forget_incident(&mut self, id: &Ref) {
        let Some(case) = self.incidents.remove(id) else { return };
        if let Phase::Resolved { at } = case.incident.phase {
            self.resolved.remove(&(at, Arc::clone(id)));
        }
        if let Some(at) = case.timer {
            self.timers.remove(&(at, Due::Incident(Arc::clone(id))));
        }
        self.symbols.give(case.class);
        self.dirty.incidents.insert(Arc::clone(id));
    }

    /// An incident becomes part of its cause's.
    pub(super) fn fold(
        &mut self,
        child: &Ref,
        parent: &Ref,
        reason: Reason,
        detail: &str,
        now: Moment,
        changes: &mut Changes,
    ) {
        let Some(case) = self.incidents.get_mut(child) else { return };
        let (class, is_told) = (case.class, case.plan.is_told);
        case.incident.phase = Phase::Folded;
        case.incident.parent = Some((**parent).clone());
        case.incident.changed_at = now;
        case.plan.remind_at = None;
        case.plan.quiet_at = None;
        let members: Vec<_> = case.incident.firing.iter().copied().collect();
        self.index.close(class, child);
        self.index.fold(child, parent);
        if let Some(cause) = self.incidents.get_mut(parent) {
            let folded = cause.incident.folded.entry(reason).or_default();
            *folded = folded.saturating_add(u32::try_from(members.len()).unwrap_or(u32::MAX));
        }
        changes.events.push(Event::Reparented {
            incident: (**child).clone(),
            parent: (**parent).clone(),
            detail: detail.to_owned(),
        });
        for member in members {
            self.suppressed(member, reason, detail.to_owned(), changes);
            if let Some(alert) = self.alerts.get_mut(&member) {
                alert.status.tell_at = None;
            }
            self.dirty.alerts.insert(member);
            self.refresh_alert(member);
        }
        if is_told {
            let text = format!("is part of {}", self.named(parent));
            self.say(child, Kind::Update, false, text, changes);
        }
        self.looks_changed(parent);
        self.touch_incident(child);
        self.touch_incident(parent);
        self.refresh_incident(child);
    }

    /// The cause has ended for a while: what still fires stands on its own.
    fn stand_alone(&mut self, id: &Ref, now: Moment, changes: &mut Changes) {
        if let Some(case) = self.incidents.get_mut(id) {
            case.plan.orphans_at = None;
        }
        let ended = format!("its cause {} ended", self.named(id));
        for child in self.index.children(id) {
            self.index.unfold(&child, id);
            let Some(case) = self.incidents.get_mut(&child) else { continue };
            case.incident.parent = None;
            case.incident.changed_at = now;
            case.incident.phase = Phase::Open;
            let class = case.class;
            let members: Vec<_> = case.incident.firing.iter().copied().collect();
            let incident = (*child).clone();
            self.index.open(class, &child);
            changes.events.push(Event::Changed { incident, detail: ended.clone() });
            self.touch_incident(&child);
            let paging = members.iter().find(|one| self.alerts.get(one).is_some_and(|a| a.pages));
            match paging {
                Some(member) => self.tell(*member, now, changes),
                None if members.is_empty() => self.settle(&child, now, changes),
                None => self.hold_is_over(&child, now, changes),
            }
            self.refresh_incident(&child);
        }
        let Some(case) = self.incidents.get(id) else { return };
        let members = case.incident.firing.iter().copied();
        let orphans: Vec<_> = members
            .filter(|one| self.alerts.get(one).is_some_and(|a| a.status.via == Via::Dependency))
            .collect();
        for orphan in &orphans {
            let (Some(alert), Some(case)) =
                (self.alerts.get_mut(orphan), self.incidents.get_mut(id))
            else {
                continue;
            };
            leave(case, *orphan, alert);
            self.index.remove(alert, id);
            alert.status.incident = None;
        }
        for orphan in orphans {
            self.place(orphan, None, now, changes);
            self.dirty.alerts.insert(orphan);
            self.refresh_alert(orphan);
        }
        self.touch_incident(id);
        self.settle(id, now, changes);
    }

    /// A storm is told when it is one, and again when it has grown by the factor.
    pub(super) fn announce_storms(&mut self, now: Moment, changes: &mut Changes) {
        let correlation = &self.rules.config.correlation;
        let (rules, window) = (&correlation.storm, correlation.join_window);
        let (from, factor) = (rules.from, rules.announce_factor);
        let dirty: Vec<_> = self.dirty.incidents.iter().cloned().collect();
        for id in dirty {
            let Some(case) = self.incidents.get_mut(&id) else { continue };
            let step = case.storm_step(from, factor);
            let is_told = case.plan.is_told && case.is_root();
            if !case.plan.is_storm || !is_told || step <= case.incident.announced {
                continue;
            }
            let is_first = case.incident.announced == 0;
            case.incident.announced = step;
            let has_waited = case.plan.paged_at.is_some_and(|at| now.since(at) > window);
            let is_page = case.critical > 0
                && has_waited
                && case.incident.acknowledged.is_none()
                && case.incident.silenced_by.is_empty();
            if is_page {
                case.plan.paged_at = Some(now);
            }
            let text = format!("{} alerts of {}", case.incident.total, case.incident.name);
            let kind = if is_first { Kind::Update } else { Kind::Escalate };
            self.say(&id, kind, is_page && !is_first, text, changes);
        }
    }

    pub(super) fn refresh_alert(&mut self, identity: Identity) {
        let Some(alert) = self.alerts.get_mut(&identity) else { return };
        let correlation = &self.rules.config.correlation;
        let status = &alert.status;
        let next = if status.is_firing() {
            let is_quiet = status.is_silenced || status.is_inhibited;
            let tell_at = status.tell_at.filter(|_| !is_quiet);
            let work = status.maintenance.map(|end| end.after(AFTER_MAINTENANCE));
            [status.fires_until, work, tell_at].into_iter().flatten().min()
        } else {
            status.forgotten_at(&correlation.flapping, correlation.reopen_window)
        };
        if alert.timer != next {
            if let Some(at) = alert.timer {
                self.timers.remove(&(at, Due::Alert(identity)));
            }
            alert.timer = next;
            self.timers.extend(next.map(|at| (at, Due::Alert(identity))));
        }
    }

    pub(super) fn refresh_incident(&mut self, id: &IncidentId) {
        let Some((reference, _)) = self.incidents.get_key_value(id) else { return };
        let reference = Arc::clone(reference);
        let Some(case) = self.incidents.get_mut(id) else { return };
        let next = match case.incident.phase {
            Phase::Resolved { at } => Some(at.after(RESOLVED_KEPT)),
            _ => case.due(!case.incident.silenced_by.is_empty()),
        };
        if case.timer != next {
            if let Some(at) = case.timer {
                self.timers.remove(&(at, Due::Incident(Arc::clone(&reference))));
            }
            case.timer = next;
            self.timers.extend(next.map(|at| (at, Due::Incident(reference))));
        }
    }
}
