//! What Alertmanagers answer about alerts that are known here: silences and inhibitions.
//!
//! They hold back what was not told yet and stop reminders; they close nothing, because only an end
//! ends an alert.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Engine;
use super::tracked::Ref;
use crate::alert::Identity;
use crate::incident::{Changes, IncidentId, Observation, Reason};
use crate::time::Moment;

impl Engine {
    pub(super) fn seen(&mut self, seen: &[Observation], now: Moment, changes: &mut Changes) {
        let inhibits = seen.iter().any(|one| !one.inhibited_by.is_empty());
        let by_fingerprint: HashMap<String, Identity> = if inhibits {
            let firing = self.alerts.iter().filter(|(_, alert)| alert.status.is_firing());
            firing.map(|(identity, alert)| (alert.fingerprint.to_string(), *identity)).collect()
        } else {
            HashMap::new()
        };
        for one in seen {
            let Some(alert) = self.alerts.get_mut(&one.identity) else { continue };
            let status = &mut alert.status;
            let (silenced, inhibited) = (!one.silenced_by.is_empty(), !one.inhibited_by.is_empty());
            let before = (status.is_silenced, status.is_inhibited);
            if !status.is_firing() || before == (silenced, inhibited) {
                continue;
            }
            (status.is_silenced, status.is_inhibited) = (silenced, inhibited);
            let incident = status.incident.clone();
            self.dirty.alerts.insert(one.identity);
            if silenced && !before.0 {
                let detail = format!("by {}", one.silenced_by.join(", "));
                self.suppressed(one.identity, Reason::Silenced, detail, changes);
            }
            if inhibited && !before.1 {
                let detail = format!("by {}", one.inhibited_by.join(", "));
                self.suppressed(one.identity, Reason::Inhibited, detail, changes);
            }
            self.refresh_alert(one.identity);
            let Some(id) = incident else { continue };
            if inhibited && !before.1 {
                let by = one.inhibited_by.iter().find_map(|text| by_fingerprint.get(text));
                self.fold_inhibited(&id, by.copied(), now, changes);
            }
            self.silenced(&id, one);
            self.looks_changed(&id);
            self.touch_incident(&id);
            self.refresh_incident(&id);
        }
    }

    /// An incident is silenced when all of it is.
    fn silenced(&mut self, id: &Ref, seen: &Observation) {
        let is_silenced = self.is_all_silenced(id);
        let Some(case) = self.incidents.get_mut(id) else { return };
        if is_silenced {
            let by: BTreeSet<_> =
                case.incident.silenced_by.iter().chain(&seen.silenced_by).cloned().collect();
            case.incident.silenced_by = by.into_iter().take(20).collect();
        } else {
            case.incident.silenced_by.clear();
        }
    }

    fn is_all_silenced(&self, id: &IncidentId) -> bool {
        self.incidents.get(id).is_some_and(|case| {
            let mut firing = case.incident.firing.iter();
            !case.incident.firing.is_empty()
                && firing.all(|one| self.alerts.get(one).is_some_and(|a| a.status.is_silenced))
        })
    }

    /// After members came or went: a silence of others does not cover those that fire.
    pub(super) fn unsilence(&mut self, id: &IncidentId) {
        let is_silenced =
            self.incidents.get(id).is_some_and(|case| !case.incident.silenced_by.is_empty());
        if is_silenced && !self.is_all_silenced(id) {
            if let Some(case) = self.incidents.get_mut(id) {
                case.incident.silenced_by.clear();
            }
            self.touch_incident(id);
        }
    }

    /// What an open incident's alert inhibits is told by that incident.
    fn fold_inhibited(
        &mut self,
        id: &Ref,
        by: Option<Identity>,
        now: Moment,
        changes: &mut Changes,
    ) {
        let Some(cause) = by.and_then(|by| self.alerts.get(&by)?.status.incident.clone()) else {
            return;
        };
        let parent = self.root(&cause);
        let (Some(case), Some(cause)) = (self.incidents.get(id), self.incidents.get(&parent))
        else {
            return;
        };
        let is_all = case
            .incident
            .firing
            .iter()
            .all(|one| self.alerts.get(one).is_some_and(|alert| alert.status.is_inhibited));
        if is_all
            && *id != parent
            && case.is_root()
            && cause.is_root()
            && case.incident.severity <= cause.incident.severity
            && !case.incident.always_page
        {
            let detail = format!("inhibited by {}", self.named(&parent));
            self.fold(&Arc::clone(id), &parent, Reason::Inhibited, &detail, now, changes);
        }
    }
}
