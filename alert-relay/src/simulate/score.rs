//! Interruptions against the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::day::Problem;
use crate::alert::Identity;
use crate::incident::Severity;
use crate::time::Moment;

/// An alert is told to have ended up to this much later than it did.
const TOLD_LATE: Duration = Duration::from_secs(20);

/// What a day came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Score {
    /// How often somebody was called.
    pub interruptions: usize,
    /// Of them, the first ones of an actionable problem and severity.
    pub right: usize,
    /// Problems that somebody had to be called for.
    pub page_worthy: usize,
    /// Of them, those that nobody was called for.
    pub missed: Vec<String>,
    /// From the first alert that was worth it to the call, sorted.
    pub latencies: Vec<Duration>,
    /// Calls that were about two problems.
    pub merged: usize,
    /// What called for nothing: name and entity of the incidents.
    pub noise: Vec<String>,
    /// Samples, one every ten minutes and alert, of critical alerts that fired and were not known.
    pub lost: usize,
    /// Incidents that were open at the end though nothing of them fired.
    pub orphans: usize,
    /// Alerts that were told by no incident of their own without a reason in the records.
    pub unexplained: usize,
    /// Webhooks that came in.
    pub webhooks: usize,
    /// Notifications that a plain Alertmanager would have sent of the same alerts.
    pub before: usize,
}

impl Score {
    /// Share of the page-worthy problems that somebody was called for.
    pub fn recall(&self) -> f64 {
        let found = self.page_worthy - self.missed.len();
        share(found, self.page_worthy)
    }

    /// Share of the interruptions that were right.
    pub fn precision(&self) -> f64 {
        share(self.right, self.interruptions)
    }

    /// The latency that this share of the calls did not exceed.
    pub fn latency(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a short list"
        )]
        let index = (self.latencies.len().saturating_sub(1) as f64 * share).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of one day")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "notifications of a plain Alertmanager: {}", self.before)?;
        writeln!(f, "webhooks:                              {}", self.webhooks)?;
        writeln!(f, "interruptions:                         {}", self.interruptions)?;
        writeln!(f, "precision:                             {:.2}", self.precision())?;
        writeln!(f, "recall:                                {:.2}", self.recall())?;
        let (half, most) = (self.latency(0.5).as_secs_f64(), self.latency(1.0).as_secs_f64());
        writeln!(f, "latency, median and longest:           {half:.1} s, {most:.1} s")?;
        writeln!(f, "two problems in one call:              {}", self.merged)?;
        writeln!(f, "critical alerts lost from sight:       {}", self.lost)?;
        writeln!(f, "open without a firing alert:           {}", self.orphans)?;
        writeln!(f, "suppressed without a reason:           {}", self.unexplained)?;
        if !self.missed.is_empty() {
            writeln!(f, "missed:                                {}", self.missed.join(", "))?;
        }
        Ok(())
    }
}

/// What is true, by alert and time.
#[derive(Debug, Default)]
pub(super) struct Truth {
    problems: BTreeMap<String, Problem>,
    by_alert: BTreeMap<Identity, Vec<(Moment, Moment, String)>>,
    called: BTreeSet<(String, Severity)>,
    first: BTreeMap<String, Moment>,
}

impl Truth {
    pub(super) fn new(problems: &[Problem]) -> Self {
        let mut truth = Self::default();
        for problem in problems {
            // A warning is worth no call: one that comes beside it is noise.
            for alert in problem.alerts.iter().filter(|alert| alert.critical) {
                let until = alert.until.after(TOLD_LATE);
                let spans = truth.by_alert.entry(alert.identity).or_default();
                spans.push((alert.from, until, problem.name.clone()));
            }
            truth.problems.insert(problem.name.clone(), problem.clone());
        }
        truth
    }

    /// The actionable problems that these alerts are worth a call for at this time.
    pub(super) fn of(&self, alerts: &BTreeSet<Identity>, now: Moment) -> BTreeSet<String> {
        let spans = alerts.iter().filter_map(|alert| self.by_alert.get(alert)).flatten();
        let current = spans.filter(|(from, until, _)| *from <= now && now < *until);
        let names = current.map(|(_, _, name)| name);
        names.filter(|name| self.problems[*name].actionable).cloned().collect()
    }

    /// Counts a call about these problems; whether it was right.
    pub(super) fn call(
        &mut self,
        problems: &BTreeSet<String>,
        severity: Severity,
        now: Moment,
        score: &mut Score,
    ) -> bool {
        score.interruptions += 1;
        score.merged += usize::from(problems.len() > 1);
        let mut is_right = false;
        for name in problems {
            is_right |= self.called.insert((name.clone(), severity));
            self.first.entry(name.clone()).or_insert(now);
        }
        score.right += usize::from(is_right);
        is_right
    }

    /// Critical alerts that fire at this time and have for ten minutes.
    pub(super) fn firing(&self, now: Moment) -> impl Iterator<Item = Identity> {
        let alerts = self.problems.values().flat_map(|problem| &problem.alerts);
        let firing = alerts.filter(move |alert| {
            alert.critical && alert.from.after(Duration::from_mins(10)) <= now && now < alert.until
        });
        firing.map(|alert| alert.identity)
    }

    pub(super) fn finish(&self, score: &mut Score) {
        for problem in self.problems.values().filter(|problem| problem.page) {
            score.page_worthy += 1;
            let critical = problem.alerts.iter().filter(|alert| alert.critical);
            let deserved = critical.map(|alert| alert.from).min();
            match (self.first.get(&problem.name), deserved) {
                (Some(called), Some(deserved)) => score.latencies.push(called.since(deserved)),
                _ => score.missed.push(problem.name.clone()),
            }
        }
        score.latencies.sort();
    }
}
