//! What happened to an incident, line by line, with the reason of everything that was not told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use serde::Serialize;

use super::noise::printable;
use crate::access::View;
use crate::alert::{Alert, Identity};
use crate::incident::{Answer, DeliveryId, Event, Feedback, Incident, IncidentId, Phase, Record};
use crate::time::Moment;

/// Lines of one incident; a storm has more, and what came last says most.
const MAX_LINES: usize = 500;

/// Alerts whose labels are remembered while records are read, at [`MAX_NAME`] characters each.
const MAX_NAMES: usize = 20_000;

/// Characters of an alert's labels in a line.
const MAX_NAME: usize = 160;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// RFC 3339.
    pub at: String,
    /// For people; may hold what alerts say.
    pub text: String,
}

/// Timelines of several incidents, from one reading of the records.
#[derive(Debug, Default)]
pub(super) struct Timelines {
    wanted: BTreeSet<IncidentId>,
    lines: BTreeMap<IncidentId, (Vec<Line>, usize)>,
    deliveries: HashMap<DeliveryId, IncidentId>,
    names: HashMap<Identity, String>,
}

impl Timelines {
    /// Reads what is written down of these. Blocks on the disk.
    pub(super) fn of(view: &impl View, incidents: &[Incident]) -> Self {
        let wanted = incidents.iter().map(|incident| incident.id.clone()).collect();
        let mut timelines = Self { wanted, ..Self::default() };
        if let Some(from) = incidents.iter().map(|incident| incident.opened_at).min() {
            view.each_record(from, &mut |record| timelines.take(record));
        }
        timelines
    }

    /// Lines of one, and how many were left out before them.
    pub(super) fn lines(&self, id: &IncidentId) -> (&[Line], usize) {
        let lines = self.lines.get(id);
        lines.map_or((&[], 0), |(lines, left_out)| (lines.as_slice(), *left_out))
    }

    fn take(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::Received { alerts, .. } => self.name(alerts),
            Event::Opened { incident, alert } => {
                let alert = self.shown(alert);
                self.add(incident, at, || format!("began with {alert}"));
            }
            Event::Suppressed { incident: Some(incident), alert, reason, detail } => {
                let alert = self.shown(alert);
                self.add(incident, at, || format!("not told: {reason}{}: {alert}", behind(detail)));
            }
            Event::Ended { incident, alert, how } => {
                let alert = self.shown(alert);
                self.add(incident, at, || format!("an alert ended, known by {how}: {alert}"));
            }
            Event::Reparented { incident, parent, detail } => {
                self.add(incident, at, || format!("is told by {parent}{}", behind(detail)));
                self.add(parent, at, || format!("tells {incident} too{}", behind(detail)));
            }
            Event::Changed { incident, detail } => self.add(incident, at, || detail.clone()),
            Event::Resolved { incident } => self.add(incident, at, || "ended".to_owned()),
            Event::Said { incident, who, feedback } => self.add(incident, at, || match feedback {
                None => format!("acknowledged by {who}"),
                Some(Feedback::Useful) => format!("marked as useful by {who}"),
                Some(Feedback::NotActionable) => format!("marked as not actionable by {who}"),
            }),
            Event::Planned { delivery, incident: Some(incident), destination, kind, is_page } => {
                if self.wanted.contains(incident) {
                    self.deliveries.insert(*delivery, incident.clone());
                }
                let what = if *is_page { "page" } else { "message" };
                let kind = kind.as_str();
                self.add(incident, at, || {
                    format!("{what} {} ({kind}) to {destination}", delivery.0)
                });
            }
            Event::Started { delivery, attempt } => {
                self.add_delivery(*delivery, at, || format!("{}: attempt {attempt}", delivery.0));
            }
            Event::Answered { delivery, answer } => {
                self.add_delivery(*delivery, at, || match answer {
                    Answer::Accepted { .. } => format!("{}: accepted", delivery.0),
                    Answer::Retry { not_before, is_ambiguous, problem } => {
                        let doubt = if *is_ambiguous { ", may have arrived" } else { "" };
                        format!("{}: {problem}{doubt}; again from {not_before}", delivery.0)
                    }
                    Answer::Broken { not_before, problem } => format!(
                        "{}: destination does not work: {problem}; again from {not_before}",
                        delivery.0
                    ),
                    Answer::Refused { problem } => format!("{}: refused: {problem}", delivery.0),
                });
            }
            Event::DeadLettered { delivery, problem } => {
                self.add_delivery(*delivery, at, || format!("{}: given up: {problem}", delivery.0));
            }
            _ => {}
        }
    }

    fn name(&mut self, alerts: &[Alert]) {
        for alert in alerts {
            if self.names.len() < MAX_NAMES {
                let name = || {
                    let pairs: Vec<String> = alert
                        .labels
                        .iter()
                        .map(|(name, value)| format!("{name}={value}"))
                        .collect();
                    pairs.join(" ").chars().take(MAX_NAME).collect()
                };
                self.names.entry(alert.identity).or_insert_with(name);
            }
        }
    }

    fn shown(&self, alert: &Identity) -> String {
        self.names.get(alert).cloned().unwrap_or_else(|| format!("alert {alert}"))
    }

    fn add_delivery(&mut self, delivery: DeliveryId, at: Moment, text: impl FnOnce() -> String) {
        if let Some(incident) = self.deliveries.get(&delivery).cloned() {
            self.add(&incident, at, text);
        }
    }

    fn add(&mut self, incident: &IncidentId, at: Moment, text: impl FnOnce() -> String) {
        if !self.wanted.contains(incident) {
            return;
        }
        let (lines, left_out) = self.lines.entry(incident.clone()).or_default();
        // in blocks, so that a long timeline is not moved for every line
        if lines.len() >= 2 * MAX_LINES {
            *left_out += lines.drain(..MAX_LINES).count();
        }
        lines.push(Line { at: at.to_string(), text: text() });
    }
}

fn behind(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

/// In a few words.
pub(super) fn state(incident: &Incident) -> String {
    match incident.phase {
        Phase::Held { until } => format!("held until {until}"),
        Phase::Open => "open".to_owned(),
        Phase::Folded => match &incident.parent {
            Some(parent) => format!("told by {parent}"),
            None => "told by another".to_owned(),
        },
        Phase::Resolved { at } => format!("ended {at}"),
    }
}

/// Everything about one incident for a terminal; `None` if it is not known. Blocks on the disk.
pub fn explain(view: &impl View, id: &IncidentId) -> Option<String> {
    let incident = view.incident(id)?;
    let timelines = Timelines::of(view, std::slice::from_ref(&incident));
    let mut text = format!(
        "{}\n{} {} on {}: {}\n{} of {} alerts fire\n",
        incident.id,
        incident.severity.as_str(),
        printable(&incident.name),
        printable(&incident.entity),
        state(&incident),
        incident.firing.len(),
        incident.total,
    );
    for (reason, alerts) in &incident.folded {
        let _ = writeln!(text, "{alerts} alerts of other classes are told by it: {reason}");
    }
    if let Some((who, at)) = &incident.acknowledged {
        let _ = writeln!(text, "acknowledged by {} at {at}", printable(who));
    }
    if !incident.silenced_by.is_empty() {
        let _ = writeln!(text, "silenced by {}", printable(&incident.silenced_by.join(", ")));
    }
    text.push('\n');
    let (lines, left_out) = timelines.lines(id);
    if left_out > 0 {
        let _ = writeln!(text, "({left_out} earlier lines left out)");
    }
    for line in lines {
        let _ = writeln!(text, "{}  {}", line.at, printable(&line.text));
    }
    Some(text)
}
