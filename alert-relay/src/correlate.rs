//! Which alerts are one incident, when it is told and when it wakes somebody.
//!
//! No clock, no I/O and no randomness: the same inputs at the same times give the same incidents,
//! notices and rows, and an engine that is read back from its rows goes on as if it had never
//! stopped. An alert that fires is never forgotten; one that ended is kept for as long as it can
//! go on or flap, at most [`MOST_ENDED`] of them, and an ended incident for a day, at most
//! [`MOST_RESOLVED`].

mod assign;
mod case;
mod history;
mod index;
mod join;
mod life;
mod observed;
mod restore;
mod rules;
mod settle;
mod symbols;
#[cfg(test)]
mod tests;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Identity;
use crate::config::Config;
use crate::incident::{
    Changes, Event, Feedback, Incident, IncidentId, Input, Kind, Notice, Receipt, Severity, Source,
};
use crate::time::Moment;

use self::case::Case;
use self::history::{History, Hold, Subject};
use self::index::Index;
use self::rules::Rules;
use self::symbols::Symbols;
use self::tracked::{Ref, Tracked};

pub use self::history::Statistics;
pub use self::restore::RestoreError;

/// Ended alerts that are kept, about 1.4 KB each with eleven labels; beyond, the one that ended first is forgotten.
pub const MOST_ENDED: usize = 20_000;

/// Ended incidents that are kept, about 3 KB each, for messages that have not arrived yet; beyond,
/// the one that ended first is forgotten.
pub const MOST_RESOLVED: usize = 5_000;

/// How long an ended incident is kept: as long as a message of its end is tried.
const RESOLVED_KEPT: Duration = Duration::from_hours(24);

/// A webhook with an alert whose end is known is a late copy for this long; Alertmanager gives a
/// notification up after `group_interval`, by default 5 minutes.
const LATE_COPY: Duration = Duration::from_mins(5);

/// What the clock brings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Alert(Identity),
    Incident(Ref),
}

/// What a turn has touched and not yet written.
#[derive(Debug, Default)]
struct Dirty {
    alerts: BTreeSet<Identity>,
    incidents: BTreeSet<Ref>,
    has_floor: bool,
}

/// Incidents of which something was said in a turn, and those that look otherwise.
#[derive(Debug, Default)]
struct Spoken {
    aloud: BTreeSet<Ref>,
    updates: BTreeSet<Ref>,
}

/// The decisions and everything they are made from.
#[derive(Debug)]
pub struct Engine {
    rules: Rules,
    symbols: Symbols,
    alerts: BTreeMap<Identity, Box<Tracked>>,
    incidents: BTreeMap<Ref, Case>,
    history: History,
    index: Index,
    timers: BTreeSet<(Moment, Due)>,
    /// Ended alerts and incidents, by when they ended.
    ended: BTreeSet<(Moment, Identity)>,
    resolved: BTreeSet<(Moment, Ref)>,
    dirty: Dirty,
    spoken: Spoken,
    /// Told together at the end of a turn.
    digest: Vec<Ref>,
}

impl Engine {
    /// Without any past.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            rules: Rules::new(config),
            symbols: Symbols::default(),
            alerts: BTreeMap::new(),
            incidents: BTreeMap::new(),
            history: History::default(),
            index: Index::default(),
            timers: BTreeSet::new(),
            ended: BTreeSet::new(),
            resolved: BTreeSet::new(),
            dirty: Dirty::default(),
            spoken: Spoken::default(),
            digest: Vec::new(),
        }
    }

    /// Decides on an input, and on everything that was due before it.
    pub fn apply(&mut self, input: &Input, now: Moment, changes: &mut Changes) {
        self.pass_time(now, changes);
        match input {
            Input::Alerts { source, told, rejected } => {
                let name = named(source);
                if !told.is_empty() {
                    let alerts = told.iter().map(|one| one.alert.clone()).collect();
                    changes.events.push(Event::Received { source: name.clone(), alerts });
                }
                for rejected in rejected.iter().cloned() {
                    changes.events.push(Event::Rejected { source: name.clone(), rejected });
                }
                for told in told {
                    self.told(source, told, now, changes);
                }
            }
            Input::Seen { alerts } => self.seen(alerts, now, changes),
            Input::Gone { alerts } => {
                for identity in alerts {
                    self.ended(*identity, now, "reconciled", now, changes);
                }
            }
            Input::Acknowledged { incident, who } => {
                self.acknowledged(incident, who, now, changes);
            }
            Input::Judged { incident, who, feedback } => {
                self.judged(incident, who, *feedback, now, changes);
            }
            Input::Started { .. }
            | Input::Answered { .. }
            | Input::DeadLetter { .. }
            | Input::Tick => {}
        }
        self.write(now, changes);
    }

    /// When [`Input::Tick`] is needed next.
    pub fn next_wake(&self) -> Option<Moment> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// An incident, for as long as it is kept.
    pub fn incident(&self, id: &IncidentId) -> Option<&Incident> {
        self.incidents.get(id).map(|case| &case.incident)
    }

    /// Incidents that have not ended, by name.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter(|case| !case.is_resolved()).map(|case| &case.incident)
    }

    /// All incidents that are kept, by name.
    pub fn kept(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().map(|case| &case.incident)
    }

    /// The incident that an alert belongs to, or belonged to last.
    pub fn incident_of(&self, identity: Identity) -> Option<&Incident> {
        let id = self.alerts.get(&identity)?.status.incident.as_ref()?;
        self.incident(id)
    }

    /// Alerts that fire, for those who ask Alertmanager whether they still do.
    pub fn firing(&self) -> impl Iterator<Item = Identity> {
        let firing = self.alerts.iter().filter(|(_, alert)| alert.status.is_firing());
        firing.map(|(identity, _)| *identity)
    }

    /// Whether an alert is known to fire.
    pub fn is_firing(&self, identity: Identity) -> bool {
        self.alerts.get(&identity).is_some_and(|alert| alert.status.is_firing())
    }

    /// The history of every class that is remembered: its labels' values, and what is known.
    pub fn classes(&self) -> impl Iterator<Item = (Vec<&str>, &Statistics)> {
        self.history.iter().filter_map(|(subject, entry)| match subject {
            Subject::Class(class) => Some((class.split('\u{1f}').collect(), entry)),
            Subject::Trouble(..) => None,
        })
    }

    /// Remembers what a destination needs to speak of an incident again.
    pub fn received(
        &mut self,
        id: &IncidentId,
        destination: &str,
        receipt: Receipt,
        changes: &mut Changes,
    ) {
        let Some((reference, case)) = self.incidents.get_key_value(id) else { return };
        let (reference, at) = (Arc::clone(reference), case.incident.changed_at);
        if let Some(case) = self.incidents.get_mut(id) {
            case.incident.receipts.insert(destination.to_owned(), receipt);
        }
        self.dirty.incidents.insert(reference);
        self.write(at, changes);
    }

    fn acknowledged(&mut self, id: &IncidentId, who: &str, now: Moment, changes: &mut Changes) {
        let Some(case) = self.incidents.get_mut(id) else { return };
        let said = Event::Said { incident: id.clone(), who: who.to_owned(), feedback: None };
        changes.events.push(said);
        if case.is_resolved() || case.incident.acknowledged.is_some() {
            return;
        }
        case.incident.acknowledged = Some((who.to_owned(), now));
        case.plan.remind_at = None;
        let text = format!("acknowledged by {who}");
        self.say(id, Kind::Acknowledge, false, text, changes);
        self.touch_incident(id);
    }

    fn judged(
        &mut self,
        id: &IncidentId,
        who: &str,
        feedback: Feedback,
        now: Moment,
        changes: &mut Changes,
    ) {
        let Some(case) = self.incidents.get_mut(id) else { return };
        let who = who.to_owned();
        let said = Event::Said { incident: id.clone(), who, feedback: Some(feedback) };
        changes.events.push(said);
        if case.incident.feedback.replace(feedback) == Some(feedback) {
            return;
        }
        // What is never held tells nothing of whether its class should be.
        if !case.incident.always_page {
            let own = || (self.symbols.text(case.class).to_owned(), case.incident.entity.clone());
            let (class, entity) = case.plan.paged_by.clone().unwrap_or_else(own);
            let is_over = case.is_resolved();
            let duration = case.incident.changed_at.since(case.incident.starts_at);
            let (was_needed, is_paged) =
                (case.incident.acknowledged.is_some(), case.incident.is_paged);
            let is_habit =
                self.hold((&class, &entity)).is_some_and(|(hold, ..)| hold == Hold::Habit);
            // A flapper that became an outage has paged in time: the wait has hidden nothing. And it
            // says as little of its class as its episodes do.
            if is_habit && is_paged && feedback == Feedback::Useful {
                self.touch_incident(id);
                return;
            }
            let trouble = Subject::Trouble(class.clone(), entity);
            let class = (!is_habit).then_some(Subject::Class(class));
            for subject in [Some(trouble), class].into_iter().flatten() {
                let half_life = self.rules.config.correlation.probation.half_life;
                let entry = self.history.touch(subject, half_life, now);
                match feedback {
                    Feedback::Useful => entry.useful += 1.0,
                    // Of one that still fires, the end is counted so.
                    Feedback::NotActionable if is_over => entry.deny(duration, was_needed),
                    Feedback::NotActionable => {}
                }
            }
        }
        self.touch_incident(id);
    }

    /// Tells people of an incident.
    fn say(
        &mut self,
        id: &IncidentId,
        kind: Kind,
        is_page: bool,
        text: String,
        changes: &mut Changes,
    ) {
        let Some((reference, case)) = self.incidents.get_key_value(id) else { return };
        self.spoken.aloud.insert(Arc::clone(reference));
        let severity = case.incident.severity;
        changes.notices.push(Notice { kind, incidents: vec![id.clone()], severity, is_page, text });
    }

    /// An incident looks otherwise; told once a turn, if nothing else is said of it.
    fn looks_changed(&mut self, id: &IncidentId) {
        if let Some((reference, case)) = self.incidents.get_key_value(id)
            && case.plan.is_told
        {
            self.spoken.updates.insert(Arc::clone(reference));
        }
    }

    fn touch_incident(&mut self, id: &IncidentId) {
        if let Some((reference, _)) = self.incidents.get_key_value(id) {
            self.dirty.incidents.insert(Arc::clone(reference));
        }
    }

    /// The last words of a turn: updates, the digest, rows.
    fn write(&mut self, now: Moment, changes: &mut Changes) {
        self.announce_storms(now, changes);
        let spoken = std::mem::take(&mut self.spoken);
        for reference in spoken.updates.difference(&spoken.aloud) {
            self.say(reference, Kind::Update, false, "changed".to_owned(), changes);
        }
        self.spoken = Spoken::default();
        let mut digest = std::mem::take(&mut self.digest);
        digest.sort();
        digest.dedup();
        let incidents = digest.iter().filter_map(|id| self.incidents.get(id));
        let severity = incidents.map(|case| case.incident.severity).max();
        if let Some(severity) = severity {
            changes.notices.push(Notice {
                kind: Kind::Digest,
                incidents: digest.iter().map(|id| (**id).clone()).collect(),
                severity,
                is_page: false,
                text: format!("{} that waited for business hours", digest.len()),
            });
        }
        for identity in self.dirty.alerts.clone() {
            self.refresh_alert(identity);
        }
        for id in self.dirty.incidents.clone() {
            self.refresh_incident(&id);
        }
        self.write_rows(changes);
    }

    fn severity(&self, id: &IncidentId) -> Severity {
        self.incidents.get(id).map_or(Severity::Info, |case| case.incident.severity)
    }
}

/// As in records.
fn named(source: &Source) -> String {
    match source {
        Source::Alertmanager(url) | Source::Prometheus(url) | Source::Reconciliation(url) => {
            format!("{} {url}", source.kind())
        }
        Source::Internal => source.kind().to_owned(),
    }
}
