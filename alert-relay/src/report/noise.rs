//! The report: numbers of each class over a time, and which of them are noise.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::class::{ClassReport, SOON, ratio, short};
use crate::access::View;
use crate::alert::{Alert, Identity};
use crate::incident::{Event, Feedback, Incident, IncidentId, Kind, Reason, Record};
use crate::time::Moment;

/// Weight of an incident halves in this time.
const HALF_LIFE: Duration = Duration::from_hours(7 * 24);

/// Names of alerts that are remembered while records are read: a bound on memory, some 20 MB.
const MAX_NAMES: usize = 200_000;

/// Classes that a text shows.
const SHOWN: usize = 15;

/// What became of the alerts of a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// From then on.
    #[serde(serialize_with = "as_text")]
    pub since: Moment,
    /// Until then.
    #[serde(serialize_with = "as_text")]
    pub until: Moment,
    /// Alerts that came in, repeats included.
    pub received: u64,
    /// Incidents that began.
    pub opened: u64,
    /// Messages that were to wake somebody.
    pub pages: u64,
    /// Share of incidents that were useful, or acknowledged and not marked otherwise.
    pub actionable_ratio: Option<f64>,
    /// Why alerts were not told by themselves, and how many.
    pub suppressed: BTreeMap<Reason, u64>,
    /// The noisiest first.
    pub classes: Vec<ClassReport>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_text<S: serde::Serializer>(time: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// One incident, as far as the records of the time tell.
struct Episode {
    class: String,
    opened_at: Moment,
    acknowledged_at: Option<Moment>,
    feedback: Option<Feedback>,
    resolved_at: Option<Moment>,
}

#[derive(Default)]
struct Reader {
    classes: BTreeMap<String, ClassReport>,
    episodes: HashMap<IncidentId, Episode>,
    /// Classes of incidents that are kept.
    kept: HashMap<IncidentId, String>,
    names: HashMap<Identity, String>,
    received: u64,
    suppressed: BTreeMap<Reason, u64>,
}

impl Report {
    /// Of what happened from `since` to `until`. Blocks on the disk.
    pub fn of(view: &impl View, since: Moment, until: Moment) -> Self {
        let kept = view.incidents();
        let mut reader = Reader {
            kept: kept.iter().map(|incident| (incident.id.clone(), class_of(incident))).collect(),
            ..Reader::default()
        };
        view.each_record(since, &mut |record| {
            if record.at <= until {
                reader.take(record);
            }
        });
        reader.finish(since, until)
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} to {}: {} alerts came in, {} incidents, {} pages, {} actionable\n",
            self.since,
            self.until,
            self.received,
            self.opened,
            self.pages,
            percent(self.actionable_ratio),
        );
        for (reason, alerts) in &self.suppressed {
            let _ = writeln!(text, "  {alerts:>7} alerts not told by themselves: {reason}");
        }
        let heads =
            ["opened", "folded", "dedup", "auto", "ack", "useful", "no", "pages", "median", "p90"];
        let _ = write!(text, "\n{:<40}", "class");
        for head in heads {
            let _ = write!(text, "{head:>8}");
        }
        text.push('\n');
        for class in self.classes.iter().take(SHOWN) {
            let name: String = printable(&class.class).chars().take(39).collect();
            let _ = write!(text, "{name:<40}");
            for number in [
                class.opened,
                class.folded,
                class.deduplicated,
                class.auto_resolved,
                class.acknowledged,
                class.useful,
                class.not_actionable,
                class.pages,
            ] {
                let _ = write!(text, "{number:>8}");
            }
            let time = |seconds: Option<u64>| {
                seconds
                    .map_or_else(|| "-".to_owned(), |seconds| short(Duration::from_secs(seconds)))
            };
            let (median, p90) = (time(class.median_seconds), time(class.p90_seconds));
            let _ = writeln!(text, "{median:>8}{p90:>8}");
            if let Some(proposal) = &class.proposal {
                let _ = writeln!(text, "    -> {}", printable(proposal));
            }
        }
        if self.classes.len() > SHOWN {
            let _ = writeln!(text, "and {} more classes", self.classes.len() - SHOWN);
        }
        text
    }
}

/// `96%`, or that there is nothing to divide.
pub(super) fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "no share".to_owned(), |ratio| format!("{:.0}%", ratio * 100.0))
}

/// A terminal does what control characters say.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// How people name its class.
pub(super) fn class_of(incident: &Incident) -> String {
    let values: Vec<&str> =
        incident.class.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
    if values.is_empty() { incident.name.clone() } else { values.join(" ") }
}

impl Reader {
    fn class(&mut self, name: &str) -> &mut ClassReport {
        self.classes
            .entry(name.to_owned())
            .or_insert_with(|| ClassReport { class: name.to_owned(), ..ClassReport::default() })
    }

    fn class_name(&self, incident: Option<&IncidentId>, alert: Option<&Identity>) -> String {
        let kept = incident.and_then(|id| self.kept.get(id)).cloned();
        let episode =
            || incident.and_then(|id| self.episodes.get(id)).map(|episode| episode.class.clone());
        let name = || alert.and_then(|alert| self.names.get(alert)).cloned();
        kept.or_else(episode).or_else(name).unwrap_or_else(|| "(unknown)".to_owned())
    }

    fn take(&mut self, record: &Record) {
        match &record.event {
            Event::Received { alerts, .. } => self.received(alerts),
            Event::Opened { incident, alert } => {
                let class = self.class_name(Some(incident), Some(alert));
                self.class(&class).opened += 1;
                self.episodes.entry(incident.clone()).or_insert(Episode {
                    class,
                    opened_at: record.at,
                    acknowledged_at: None,
                    feedback: None,
                    resolved_at: None,
                });
            }
            Event::Suppressed { incident, alert, reason, .. } => {
                *self.suppressed.entry(*reason).or_default() += 1;
                let class = self.class_name(incident.as_ref(), Some(alert));
                let class = self.class(&class);
                match reason {
                    Reason::Duplicate => class.deduplicated += 1,
                    Reason::Silenced => class.silenced += 1,
                    Reason::Flapping => class.flapping += 1,
                    _ => class.folded += 1,
                }
            }
            Event::Resolved { incident } => {
                if let Some(episode) = self.episodes.get_mut(incident) {
                    episode.resolved_at = Some(record.at);
                }
            }
            Event::Said { incident, feedback, .. } => {
                if let Some(episode) = self.episodes.get_mut(incident) {
                    match feedback {
                        // the last word counts
                        Some(feedback) => episode.feedback = Some(*feedback),
                        None => {
                            episode.acknowledged_at.get_or_insert(record.at);
                        }
                    }
                }
            }
            Event::Planned {
                incident: Some(incident),
                is_page: true,
                kind: Kind::Open | Kind::Escalate | Kind::Remind,
                ..
            } => {
                let class = self.class_name(Some(incident), None);
                self.class(&class).pages += 1;
            }
            _ => {}
        }
    }

    fn received(&mut self, alerts: &[Alert]) {
        self.received += alerts.len() as u64;
        for alert in alerts {
            if self.names.len() < MAX_NAMES || self.names.contains_key(&alert.identity) {
                self.names.insert(alert.identity, alert.name().to_owned());
            }
        }
    }

    fn finish(mut self, since: Moment, until: Moment) -> Report {
        let mut times: HashMap<String, (Vec<u64>, Vec<u64>)> = HashMap::new();
        let (mut actionable, mut opened) = (0, 0);
        for episode in std::mem::take(&mut self.episodes).into_values() {
            opened += 1;
            let lasted = episode.resolved_at.map(|end| end.since(episode.opened_at));
            let is_acknowledged = episode.acknowledged_at.is_some();
            let is_actionable = match episode.feedback {
                Some(feedback) => feedback == Feedback::Useful,
                None => is_acknowledged,
            };
            actionable += u64::from(is_actionable);
            let (durations, waits) = times.entry(episode.class.clone()).or_default();
            durations.extend(lasted.map(|time| time.as_secs()));
            let wait = episode.acknowledged_at.map(|at| at.since(episode.opened_at).as_secs());
            waits.extend(wait);
            let class = self.class(&episode.class);
            class.acknowledged += u64::from(is_acknowledged);
            class.useful += u64::from(episode.feedback == Some(Feedback::Useful));
            class.not_actionable += u64::from(episode.feedback == Some(Feedback::NotActionable));
            let ended_soon = lasted.is_some_and(|time| time < SOON);
            class.auto_resolved += u64::from(ended_soon && !is_acknowledged);
            if !is_actionable {
                let age = until.since(episode.opened_at).as_secs_f64();
                class.noise += (-age / HALF_LIFE.as_secs_f64()).exp2();
            }
        }
        for (name, (durations, waits)) in &mut times {
            let class = self.class(name);
            class.median_seconds = quantile(durations, 50);
            class.p90_seconds = quantile(durations, 90);
            class.median_acknowledge_seconds = quantile(waits, 50);
        }
        let mut classes: Vec<ClassReport> = self.classes.into_values().collect();
        classes.iter_mut().for_each(ClassReport::propose);
        classes.sort_by(|one, other| {
            let by_noise = other.noise.total_cmp(&one.noise);
            by_noise.then(other.folded.cmp(&one.folded)).then(one.class.cmp(&other.class))
        });
        Report {
            since,
            until,
            received: self.received,
            opened,
            pages: classes.iter().map(|class| class.pages).sum(),
            actionable_ratio: ratio(actionable, opened),
            suppressed: self.suppressed,
            classes,
        }
    }
}

/// The smallest value that so many percent are not above.
fn quantile(values: &mut [u64], percent: usize) -> Option<u64> {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}
