//! An incident with what is planned for it.
//!
//! The row leaves out the firing members: each alert's row names its incident, and a storm of
//! thousands would else be written with every one of them.

use serde::{Deserialize, Serialize};

use super::symbols::Symbol;
use super::tracked::Texts;
use crate::incident::{Incident, Phase};
use crate::time::Moment;

/// What is to come of an incident, and what was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not exclude each other")]
pub(super) struct Plan {
    /// People know of it.
    #[serde(default)]
    pub(super) is_told: bool,
    /// When it last had a new alert.
    #[serde(default)]
    pub(super) last_new: Moment,
    /// When it last had a new alert that pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_critical: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) paged_at: Option<Moment>,
    /// Class and entity of the alert that woke people: judgements are about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) paged_by: Option<(String, String)>,
    /// It flaps: it has ended when this time comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quiet_at: Option<Moment>,
    /// Its own alerts have ended: what only depends on them stands on its own from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) orphans_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) remind_at: Option<Moment>,
    /// It waits for business hours, and is told in a digest.
    #[serde(default)]
    pub(super) is_deferred: bool,
    /// The alert that opened it comes again and again by itself.
    #[serde(default)]
    pub(super) is_habit: bool,
    /// Alerts came faster than a storm needs.
    #[serde(default)]
    pub(super) is_storm: bool,
}

/// An incident in memory.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) incident: Incident,
    pub(super) plan: Plan,
    pub(super) class: Symbol,
    /// Firing alerts that do not merely depend on others of it.
    pub(super) own: usize,
    /// Firing alerts that page.
    pub(super) critical: usize,
    pub(super) timer: Option<Moment>,
}

/// A row of [`Table::Incidents`](crate::incident::Table::Incidents): an [`Incident`] with one more
/// key, which readers of incidents do not see.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CaseRow {
    #[serde(flatten)]
    pub(super) incident: Incident,
    #[serde(default)]
    pub(super) plan: Plan,
}

impl Case {
    /// The JSON of its row.
    pub(super) fn row(&mut self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            #[serde(flatten)]
            incident: &'a Incident,
            plan: &'a Plan,
        }
        let firing = std::mem::take(&mut self.incident.firing);
        let json = super::restore::json(&Borrowed { incident: &self.incident, plan: &self.plan });
        self.incident.firing = firing;
        json
    }

    pub(super) fn is_resolved(&self) -> bool {
        matches!(self.incident.phase, Phase::Resolved { .. })
    }

    /// It tells itself, and has not ended.
    pub(super) fn is_root(&self) -> bool {
        matches!(self.incident.phase, Phase::Held { .. } | Phase::Open)
    }

    /// Messages show these texts from now on.
    pub(super) fn show(&mut self, texts: Texts) {
        let incident = &mut self.incident;
        incident.summary = texts.summary;
        incident.description = texts.description;
        incident.runbook_url = texts.runbook;
        incident.dashboard_url = texts.dashboard;
        incident.generator_url = texts.generator;
    }

    /// When something is due by the clock alone.
    pub(super) fn due(&self, is_silenced: bool) -> Option<Moment> {
        let held = match self.incident.phase {
            Phase::Held { until } if !is_silenced => Some(until),
            _ => None,
        };
        let times = [held, self.plan.quiet_at, self.plan.orphans_at, self.plan.remind_at];
        times.into_iter().flatten().min()
    }

    /// The step of a storm that its number of alerts has reached: `from`, times `factor`, and so on.
    pub(super) fn storm_step(&self, from: u32, factor: u32) -> u32 {
        let mut step = 0;
        let mut next = from.max(1);
        while next <= self.incident.total {
            step = next;
            match next.checked_mul(factor.max(2)) {
                Some(further) => next = further,
                None => break,
            }
        }
        step
    }
}
