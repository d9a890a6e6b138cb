//! Beginning and end of single alerts.
//!
//! State decides, not time: a repeat changes nothing however often it comes, and copies that
//! arrive late or in another order are told by their own times from something new.

use super::case::Case;
use super::history::Need;
use super::tracked::{Status, Texts, Tracked, Via};
use super::{Due, Engine, LATE_COPY, MOST_ENDED};
use crate::alert::Identity;
use crate::incident::{Changes, Event, Feedback, Phase, Reason, Source, Told};
use crate::time::Moment;

/// Replicas of one alert that are told apart.
const MOST_COPIES: usize = 8;

impl Engine {
    pub(super) fn told(
        &mut self,
        source: &Source,
        told: &Told,
        now: Moment,
        changes: &mut Changes,
    ) {
        let identity = told.alert.identity;
        match told.alert.ends_at {
            None => self.fires(source, told, now, changes),
            Some(end) => {
                let Some(alert) = self.alerts.get_mut(&identity) else { return };
                if !alert.status.is_firing() || end < alert.status.starts_at {
                    let detail = format!("its end at {end} is known");
                    self.suppressed(identity, Reason::Duplicate, detail, changes);
                    return;
                }
                let fingerprint = told.alert.fingerprint;
                let is_main = alert.fingerprint == fingerprint;
                alert.status.also.retain(|also| *also != fingerprint);
                if !is_main || !alert.status.also.is_empty() {
                    if is_main {
                        alert.fingerprint = alert.status.also.remove(0);
                    }
                    self.dirty.alerts.insert(identity);
                    let detail = "a replica's copy ended, another one fires".to_owned();
                    self.suppressed(identity, Reason::Duplicate, detail, changes);
                    return;
                }
                if told.alert.starts_at > alert.status.starts_at {
                    self.unseen_flap(identity, told.alert.starts_at, now, changes);
                }
                let how = match source {
                    Source::Prometheus(_) => "prometheus",
                    Source::Reconciliation(_) => "reconciled",
                    Source::Alertmanager(_) | Source::Internal => "webhook",
                };
                self.ended(identity, end, how, now, changes);
            }
        }
    }

    fn fires(&mut self, source: &Source, told: &Told, now: Moment, changes: &mut Changes) {
        let alert = &told.alert;
        let identity = alert.identity;
        let Some(known) = self.alerts.get_mut(&identity) else {
            self.first_time(told, now, changes);
            return;
        };
        let status = &mut known.status;
        let starts_at = alert.starts_at;
        if let Some(ended) = status.ended {
            // Whoever tells the present state does not tell a copy of the past.
            let may_be_late = matches!(source, Source::Alertmanager(_));
            let is_late = starts_at <= status.starts_at && now.since(ended) < LATE_COPY;
            if may_be_late && is_late {
                let detail = format!("a late copy: its end has been known since {ended}");
                self.suppressed(identity, Reason::Duplicate, detail, changes);
                return;
            }
            status.ended = None;
            known.fingerprint = alert.fingerprint;
            status.starts_at = starts_at;
            status.since = now;
            status.fires_until = told.fires_until;
            status.in_storm = false;
            known.texts = Some(Box::new(Texts::of(alert)));
            self.ended.remove(&(ended, identity));
            self.begins(identity, Some(ended), now, changes);
            return;
        }
        if told.fires_until > status.fires_until {
            status.fires_until = told.fires_until;
            self.dirty.alerts.insert(identity);
            self.refresh_alert(identity);
        }
        // A replica's copy may begin later, and that is no flap.
        if known_copy(self, told) {
            self.dirty.alerts.insert(identity);
            let detail = "a replica's copy".to_owned();
            self.suppressed(identity, Reason::Duplicate, detail, changes);
        } else if starts_at > known_start(self, identity) {
            self.unseen_flap(identity, starts_at, now, changes);
        } else if !matches!(source, Source::Prometheus(_)) {
            // Prometheus repeats everything every minute; that is how it says that it fires on.
            let detail = format!("fires since {}", known_start(self, identity));
            self.suppressed(identity, Reason::Duplicate, detail, changes);
        }
    }

    fn first_time(&mut self, told: &Told, now: Moment, changes: &mut Changes) {
        let alert = &told.alert;
        let status = Status {
            starts_at: alert.starts_at,
            since: now,
            ended: None,
            fires_until: told.fires_until,
            penalty: 0.0,
            penalty_at: now,
            flapping_since: None,
            incident: None,
            via: Via::Own,
            tell_at: None,
            maintenance: None,
            is_silenced: false,
            is_inhibited: false,
            also: Vec::new(),
            in_storm: false,
        };
        let (rules, symbols) = (&self.rules, &mut self.symbols);
        let mut tracked = Tracked::new(&alert.labels, alert.fingerprint, status, rules, symbols);
        tracked.texts = Some(Box::new(Texts::of(alert)));
        self.alerts.insert(alert.identity, Box::new(tracked));
        self.begins(alert.identity, None, now, changes);
    }

    /// An alert fires that did not. `again`: when it ended before.
    fn begins(
        &mut self,
        identity: Identity,
        again: Option<Moment>,
        now: Moment,
        changes: &mut Changes,
    ) {
        self.punish(identity, now);
        self.place(identity, again, now, changes);
        self.dirty.alerts.insert(identity);
        self.refresh_alert(identity);
    }

    fn punish(&mut self, identity: Identity, now: Moment) {
        let rules = &self.rules.config.correlation.flapping;
        if let Some(alert) = self.alerts.get_mut(&identity) {
            alert.status.punish(rules, now);
        }
    }

    /// It ended and began again without a word: its start is later than the one that was told.
    fn unseen_flap(
        &mut self,
        identity: Identity,
        starts_at: Moment,
        now: Moment,
        changes: &mut Changes,
    ) {
        let flapping = &self.rules.config.correlation.flapping;
        let Some(alert) = self.alerts.get_mut(&identity) else { return };
        let before = alert.status.starts_at;
        alert.status.starts_at = starts_at;
        let began_to_flap = alert.status.punish(flapping, now);
        let penalty = alert.status.penalty;
        let (incident, tell_at) = (alert.status.incident.clone(), alert.status.tell_at);
        // What fires without a change is an outage: this was a change.
        if tell_at.is_some() && alert.status.flapping_since.is_some() {
            alert.status.tell_at = Some(now.after(flapping.stable_on));
        }
        let detail = format!(
            "began again at {starts_at}, after {before}, unseen; its penalty is {penalty:.1}"
        );
        self.suppressed(identity, Reason::Flapping, detail, changes);
        if let Some(id) = incident
            && began_to_flap
            && let Some(case) = self.incidents.get_mut(&id)
        {
            case.incident.is_flapping = true;
            self.looks_changed(&id);
            self.touch_incident(&id);
        }
        self.dirty.alerts.insert(identity);
        self.refresh_alert(identity);
    }

    /// An alert has ended. `end`: when it did so itself.
    pub(super) fn ended(
        &mut self,
        identity: Identity,
        end: Moment,
        how: &str,
        now: Moment,
        changes: &mut Changes,
    ) {
        let Some(alert) = self.alerts.get_mut(&identity) else { return };
        if !alert.status.is_firing() {
            return;
        }
        let was_silenced = alert.status.is_silenced;
        let pending = alert.status.tell_at.take();
        let status = &mut alert.status;
        status.ended = Some(now);
        (status.fires_until, status.maintenance) = (None, None);
        (status.is_silenced, status.is_inhibited) = (false, false);
        status.also.clear();
        alert.texts = None;
        let duration = end.since(alert.status.starts_at);
        self.ended.insert((now, identity));
        self.dirty.alerts.insert(identity);
        if let Some(id) = alert.status.incident.clone()
            && let Some(case) = self.incidents.get_mut(&id)
            && leave(case, identity, alert)
        {
            self.index.remove(alert, &id);
            case.incident.changed_at = now;
            let is_held = matches!(case.incident.phase, Phase::Held { .. });
            // What joined another trouble says nothing of its own class.
            let counts = alert.status.via == Via::Own
                && !alert.status.in_storm
                && !alert.always
                && !was_silenced
                && case.incident.phase != Phase::Folded;
            let need = match (case.incident.feedback, &case.incident.acknowledged) {
                (Some(Feedback::NotActionable), _) => Need::Denied,
                (Some(Feedback::Useful), _) | (None, Some(_)) => Need::Some,
                (None, None) => Need::None,
            };
            if counts {
                let correlation = &self.rules.config.correlation;
                let names = (self.symbols.text(alert.class), self.symbols.text(alert.entity));
                let limits = (&correlation.probation, correlation.flapping.stable_on);
                self.history.ended(names, duration, need, limits, now);
            }
            let incident = (*id).clone();
            let how = how.to_owned();
            changes.events.push(Event::Ended { incident, alert: identity, how });
            if is_held || pending.is_some() {
                let detail = format!("after {} s", duration.as_secs());
                self.suppressed(identity, Reason::EndedWhileHeld, detail, changes);
            }
            self.looks_changed(&id);
            self.touch_incident(&id);
            self.settle(&id, now, changes);
        }
        self.refresh_alert(identity);
        while self.ended.len() > MOST_ENDED {
            let Some((_, oldest)) = self.ended.first().copied() else { break };
            self.forget(oldest);
        }
    }

    /// An ended alert is not known any more.
    pub(super) fn forget(&mut self, identity: Identity) {
        let Some(alert) = self.alerts.remove(&identity) else { return };
        if let Some(ended) = alert.status.ended {
            self.ended.remove(&(ended, identity));
        }
        if let Some(at) = alert.timer {
            self.timers.remove(&(at, Due::Alert(identity)));
        }
        alert.release(&mut self.symbols);
        self.dirty.alerts.insert(identity);
    }

    /// Writes down why an alert is not told by itself.
    pub(super) fn suppressed(
        &mut self,
        identity: Identity,
        reason: Reason,
        detail: String,
        changes: &mut Changes,
    ) {
        let incident = self.alerts.get(&identity).and_then(|alert| alert.status.incident.as_ref());
        let incident = incident.map(|id| (**id).clone());
        changes.events.push(Event::Suppressed { incident, alert: identity, reason, detail });
    }
}

/// Takes an alert out of those that fire; whether it was one.
pub(super) fn leave(case: &mut Case, identity: Identity, alert: &Tracked) -> bool {
    if !case.incident.firing.remove(&identity) {
        return false;
    }
    case.own -= usize::from(alert.status.via != Via::Dependency);
    case.critical -= usize::from(alert.pages);
    true
}

fn known_start(engine: &Engine, identity: Identity) -> Moment {
    engine.alerts.get(&identity).map_or(Moment::EPOCH, |alert| alert.status.starts_at)
}

/// Whether it is the copy of another replica, which is noted.
fn known_copy(engine: &mut Engine, told: &Told) -> bool {
    let Some(alert) = engine.alerts.get_mut(&told.alert.identity) else { return false };
    let fingerprint = told.alert.fingerprint;
    if alert.fingerprint == fingerprint {
        return false;
    }
    let also = &mut alert.status.also;
    if !also.contains(&fingerprint) && also.len() < MOST_COPIES {
        also.push(fingerprint);
    }
    true
}
